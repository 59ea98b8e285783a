"""Waiting until every table that is computed from changed ones is refreshed, by runs that are woken here or by others.

The wait ends. A table whose DAG is paused, or whose runs fail twice, is given up; the others are waited for all the
same, and whoever waits is told which tables were left, and why.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from idiscover.aws.job_metadata import JobMetadata
from idiscover.aws.job_metadata_claims import is_claimable, open_claim
from idiscover.aws.table_alone import Tell
from idiscover.errors import RetriableError
from idiscover.plan.model import RefreshPlan

_PAUSE_SECONDS = 2.0
_LOOK_SECONDS = 15.0  # between two questions to Airflow about the same run
_WAKE_AGAIN_SECONDS = 300.0  # a run that ended well and left something to do has met another run's claim
_MOST_FAILURES = 2  # of runs of one table
_MOST_SILENCES = 30  # turns in a row in which Airflow does not answer
_RUNNING, _FAILED = ("queued", "running"), "failed"


class Runs(Protocol):
    """Airflow, as a verb uses it. Every method raises `RetriableError` where Airflow does not answer."""

    def obstacle(self, dag_id: str) -> str | None:
        """What keeps a DAG's runs from running, and what to do; None if nothing does."""

    def start(self, dag_id: str) -> str:
        """Starts a run; its run_id."""

    def state(self, dag_id: str, run_id: str) -> str | None:
        """Of a run, in Airflow's words; None where Airflow does not know it."""


@dataclass
class _Woken:
    """A run that was started for a table; times are the clock's."""

    run_id: str
    at: float
    looked_at: float
    state: str | None = None


@dataclass
class Waiting:
    """One wait.

    Args:
        metadata: knows what is ready, and who holds a claim.
        tables: the refreshes that are waited for.
        runs: Airflow.
        tell: is given a line for whatever happens.
        pause: sleeps.
        clock: the time in seconds.
    """

    metadata: JobMetadata
    tables: Sequence[RefreshPlan]
    runs: Runs
    tell: Tell
    pause: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    _woken: dict[str, _Woken] = field(default_factory=dict, init=False)
    _failed: dict[str, list[str]] = field(default_factory=dict, init=False)
    _given_up: dict[str, str] = field(default_factory=dict, init=False)

    def wait(self) -> dict[str, str]:
        """Returns when nothing is left that could be waited for.

        Returns:
            The tables that were given up and are due still, each with the reason.

        Raises:
            RetriableError: Airflow does not answer any more.
        """
        with suppress(RetriableError):  # asked again by every wake-up
            for plan in self.tables:
                self._is_kept_from_running(plan)
        told, silences = "", 0
        while waited_for := self._due() - set(self._given_up):
            if told != (told := ", ".join(sorted(waited_for))):
                self.tell(f"waits for {told}")
            try:
                self._attend(waited_for)
                silences = 0
            except RetriableError:
                silences += 1
                if silences == _MOST_SILENCES:
                    raise
            self.pause(_PAUSE_SECONDS)
        due = self._due()
        return {table: why for table, why in sorted(self._given_up.items()) if table in due}

    def _due(self) -> set[str]:
        """Tables for which something is ready, or that somebody refreshes."""
        return {
            plan.table
            for plan in self.tables
            if is_claimable(self.metadata, plan) or open_claim(self.metadata, plan.table)
        }

    def _attend(self, waited_for: Collection[str]) -> None:
        """Wakes what was not woken yet, and looks after what was."""
        self._woken = {table: woken for table, woken in self._woken.items() if table in waited_for}
        for plan in first(self.tables, waited_for):
            woken = self._woken.get(plan.table)
            if woken is None:
                self._wake(plan)
            elif self.clock() - woken.looked_at >= _LOOK_SECONDS:
                self._look(plan, woken)

    def _wake(self, plan: RefreshPlan) -> None:
        if not self._is_kept_from_running(plan):
            now = self.clock()
            woken = _Woken(self.runs.start(plan.header.dag_id), now, now)
            self._woken[plan.table] = woken
            self.tell(f"started: {plan.header.dag_id} {woken.run_id}")

    def _look(self, plan: RefreshPlan, woken: _Woken) -> None:
        """A run that failed is followed by another, once; one that runs is left alone, unless its DAG was paused."""
        if self._is_kept_from_running(plan):
            return
        state = self.runs.state(plan.header.dag_id, woken.run_id)
        woken.looked_at = self.clock()
        if state == _FAILED:
            self._note_failure(plan, woken.run_id)
            return
        if state != woken.state:
            self.tell(f"{plan.header.dag_id} {woken.run_id}: {state or 'unknown to Airflow'}")
            woken.state = state
        if state not in _RUNNING and self.clock() - woken.at >= _WAKE_AGAIN_SECONDS:
            del self._woken[plan.table]

    def _note_failure(self, plan: RefreshPlan, run_id: str) -> None:
        failed = self._failed.setdefault(plan.table, [])
        failed.append(run_id)
        del self._woken[plan.table]
        where = f"{plan.table}: run {run_id} of {plan.header.dag_id} failed"
        if len(failed) < _MOST_FAILURES:
            self.tell(f"{where}; it is started once more")
            return
        self.tell(f"{where}, as the one before; the table is not waited for any more")
        self._given_up[plan.table] = (
            f"{len(failed)} runs failed; what the last one says: idiscover follow {plan.header.dag_id} {run_id}"
        )

    def _is_kept_from_running(self, plan: RefreshPlan) -> bool:
        """Whether its DAG cannot run; told, and given up, once that is found."""
        if plan.table in self._given_up:
            return True
        obstacle = self.runs.obstacle(plan.header.dag_id)
        if obstacle is None:
            return False
        self.tell(f"{plan.table} is not waited for: {obstacle}")
        self._given_up[plan.table] = obstacle
        return True


def first(tables: Iterable[RefreshPlan], due: Collection[str]) -> list[RefreshPlan]:
    """Those of the due tables that are computed from no other of them: these would have to be refreshed again."""
    plans, later = list(tables), set(due)
    computed: set[str] = set()
    while more := {plan.table for plan in plans if (later | computed).intersection(plan.inputs)} - computed:
        computed |= more
    return [plan for plan in plans if plan.table in later - computed]


def dependents(plans: Iterable[RefreshPlan], tables: Collection[str]) -> list[RefreshPlan]:
    """The refreshes of everything that is computed from `tables`, directly or not."""
    known, reached = list(plans), set(tables)
    while more := {plan.table for plan in known if reached.intersection(plan.inputs)} - reached:
        reached |= more
    return [plan for plan in known if plan.table in reached - set(tables) or reached.intersection(plan.inputs)]
