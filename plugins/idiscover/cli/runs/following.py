"""Follows runs of Airflow and all that they wake: extraction → load → itg → dm.

Who is woken by what is read from Airflow's asset events: a run's events name the runs that they made. An event that has
a consumer and no run yet is waited for; one that Airflow has lost is the sweep's, which is not waited for.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from idiscover.errors import RetriableError

WAITING, QUEUED, RUNNING, SUCCESS, FAILED = "waiting", "queued", "running", "success", "failed"
ENDED = frozenset({SUCCESS, FAILED})
POLL_SECONDS = 2.0
_ADOPT_AFTER = timedelta(seconds=20)  # an event whose run is not named: a run that began since took it along
_GIVE_UP_AFTER = timedelta(minutes=8)  # the sweep comes every few minutes
_MOST_SILENCES = 30  # looks in a row at an Airflow that does not answer, or that does not know a run


class Airflow(Protocol):
    """What is asked; `AirflowRest` answers it."""

    def run(self, dag_id: str, run_id: str) -> dict[str, Any] | None: ...

    def runs(self, dag_id: str = "~", **query: object) -> list[dict[str, Any]]: ...

    def asset_events(self, dag_id: str, run_id: str) -> list[dict[str, Any]] | None: ...


@dataclass
class FollowedRun:
    """A run as it is now; `run_id` is None for one that is to come. Times are UTC."""

    dag_id: str
    run_id: str | None
    state: str = WAITING
    started_at_utc: datetime | None = None
    ended_at_utc: datetime | None = None
    woken_at_utc: datetime | None = None  # by an event that nobody has taken yet
    note: str | None = None
    detail: str = ""  # rows, countries; filled in by whoever shows it
    is_asked: bool = False  # whether its events were read after it had ended
    unknown: int = 0  # looks in a row at which Airflow did not know it

    @property
    def seconds(self) -> float | None:
        """How long it has been running, or took; None while it waits."""
        if self.started_at_utc is None:
            return None
        return ((self.ended_at_utc or datetime.now(UTC)) - self.started_at_utc).total_seconds()

    @property
    def is_over(self) -> bool:
        """Whether nothing more is to be learnt of it."""
        return self.state == FAILED or (self.state == SUCCESS and self.is_asked)


@dataclass
class Followed:
    """All runs that are followed, in the order in which they came."""

    runs: list[FollowedRun] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)  # DAGs whose wake-up never came

    @property
    def has_succeeded(self) -> bool:
        """Whether everything has come and gone well; nothing at all is no success."""
        return bool(self.runs) and not self.lost and all(run.state == SUCCESS for run in self.runs)


class Follower:
    """Looks at runs until they and all that they wake have ended.

    Args:
        airflow: is asked.
        wakes: asset URI → the DAG that an event on it wakes.
        roots: (dag_id, run_id) of the runs to begin with.
        more_roots: further ones, and whether there may come more; for backfills, which make their runs one by one.
        is_due: whether the next run of a DAG would find something to do; where not, a run that is known already has
            taken a wake-up along.
        sleep: between two looks.
        now: the time, UTC.
    """

    def __init__(
        self,
        airflow: Airflow,
        wakes: Mapping[str, str],
        roots: list[tuple[str, str]],
        more_roots: Callable[[], tuple[list[tuple[str, str]], bool]] = lambda: ([], False),
        is_due: Callable[[str], bool] = lambda dag_id: True,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._airflow, self._wakes, self._more_roots = airflow, wakes, more_roots
        self._is_due, self._sleep, self._now = is_due, sleep, now
        self.followed = Followed()
        self._settled: set[tuple[str, datetime]] = set()  # (DAG, time) of events whose own run is not waited for
        for dag_id, run_id in roots:
            self._add(dag_id, run_id)

    def follow(self) -> Iterator[Followed]:
        """Yields the state every other second, and once more at the end.

        Raises:
            RetriableError: Airflow does not answer any more.
        """
        silences = 0
        while True:
            try:
                is_open = self._look()
                silences = 0
            except RetriableError:
                silences += 1
                if silences == _MOST_SILENCES:
                    raise
                is_open = True
            yield self.followed
            if not is_open:
                return
            self._sleep(POLL_SECONDS)

    def _look(self) -> bool:
        """One look at everything that is not over; whether anything is left to come."""
        roots, may_come_more = self._more_roots()
        for dag_id, run_id in roots:
            self._add(dag_id, run_id)
        for run in list(self.followed.runs):
            if run.run_id is None:
                self._find(run)
            elif not run.is_over:
                self._update(run)
        return may_come_more or not all(run.is_over for run in self.followed.runs)

    def _add(self, dag_id: str, run_id: str) -> None:
        if not any((run.dag_id, run.run_id) == (dag_id, run_id) for run in self.followed.runs):
            self.followed.runs.append(FollowedRun(dag_id, run_id, QUEUED))

    def _update(self, run: FollowedRun) -> None:
        assert run.run_id is not None
        if run.state != SUCCESS:
            _fill(run, self._airflow.run(run.dag_id, run.run_id))
        if run.state == SUCCESS:
            run.is_asked = self._read_events(run)

    def _read_events(self, run: FollowedRun) -> bool:
        """Whether Airflow could tell; it cannot while a run that an event has made waits to begin."""
        assert run.run_id is not None
        events = self._airflow.asset_events(run.dag_id, run.run_id)
        for event in events or ():
            dag_id = self._wakes.get(event["uri"])
            if dag_id is None:
                continue
            made = [item["run_id"] for item in event["created_dagruns"] if item["dag_id"] == dag_id]
            if made:
                for run_id in made:
                    self._take(dag_id, run_id)
                continue
            at = datetime.fromisoformat(event["timestamp"])
            if (dag_id, at) not in self._settled and self._waiting(dag_id) is None:
                self.followed.runs.append(FollowedRun(dag_id, None, woken_at_utc=at))
        return events is not None

    def _waiting(self, dag_id: str) -> FollowedRun | None:
        return next((run for run in self.followed.runs if run.dag_id == dag_id and run.run_id is None), None)

    def _take(self, dag_id: str, run_id: str) -> None:
        """The run that was waited for, or another."""
        waiting = self._waiting(dag_id)
        if any((run.dag_id, run.run_id) == (dag_id, run_id) for run in self.followed.runs):
            if waiting is not None:
                self.followed.runs.remove(waiting)
        elif waiting is not None:
            waiting.run_id, waiting.state = run_id, QUEUED
        else:
            self._add(dag_id, run_id)

    def _find(self, run: FollowedRun) -> None:
        """The run of an event that has none yet: its own events are asked again, then whatever began since."""
        for source in [item for item in self.followed.runs if item.state == SUCCESS]:
            self._read_events(source)
        if run.run_id is not None or run not in self.followed.runs:
            return
        assert run.woken_at_utc is not None
        woken, waited = (run.dag_id, run.woken_at_utc), self._now() - run.woken_at_utc
        if waited <= _ADOPT_AFTER:
            return
        since = self._airflow.runs(run.dag_id, run_after_gte=run.woken_at_utc.isoformat())
        if since:
            self._take(run.dag_id, since[-1]["dag_run_id"])  # the oldest: newest first is their order
        elif not self._is_due(run.dag_id):
            self.followed.runs.remove(run)
        elif waited > _GIVE_UP_AFTER:
            self.followed.lost.append(run.dag_id)
            self.followed.runs.remove(run)
        else:
            return
        self._settled.add(woken)  # Airflow tells of the event as before, and it would be waited for again


def _fill(run: FollowedRun, found: Mapping[str, Any] | None) -> None:
    if found is None:  # created, and not visible yet; or deleted, by which it will not come back
        run.unknown += 1
        if run.unknown == _MOST_SILENCES:
            run.state, run.detail = FAILED, "Airflow does not know the run any more: somebody has deleted it"
        return
    run.unknown = 0
    run.state = str(found["state"])
    run.started_at_utc = _moment(found.get("start_date"))
    run.ended_at_utc = _moment(found.get("end_date"))
    run.note = found.get("note")


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
