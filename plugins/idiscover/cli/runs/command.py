"""The verbs `run`, `resync` and `follow`: create a run, follow it, tell how it ended."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from rich.console import Console

from idiscover.aws.airflow_rest import AirflowRest
from idiscover.aws.dry_runs import told
from idiscover.aws.sweep import due_dag_ids
from idiscover.cli.deployed import Deployed, open_deployed
from idiscover.cli.runs.asked import Asked, NewRun, dag_of, downstream_of, extraction_of, new_run, wakes_of
from idiscover.cli.runs.following import SUCCESS, Followed, Follower
from idiscover.cli.runs.outcomes import Outcomes
from idiscover.cli.runs.show import show
from idiscover.errors import ConfigError, FatalError
from idiscover.plan.model import LoadPlan, Plan, RefreshPlan

INTERRUPTED = 130  # the exit status of whoever is ended by Ctrl-C
Roots = list[tuple[str, str]]


@dataclass(frozen=True)
class HowToFollow:
    """Whether to wait for the end, and for whom to write."""

    wait: bool = True
    as_json: bool = False


class Runs:
    """Runs of one environment."""

    def __init__(self, context_place: str, how: HowToFollow) -> None:
        self.deployed: Deployed = open_deployed(context_place)
        self.airflow = AirflowRest(self.deployed.context)
        self._outcomes = Outcomes(self.deployed.context, self.airflow)
        self._how = how
        self.console = Console(highlight=False, stderr=how.as_json)

    def say(self, text: str) -> None:
        """A line for people."""
        self.console.print(text, markup=False, soft_wrap=True)

    def start(self, plan: Plan, asked: Asked, verb: str) -> int:
        """Creates the run and follows it; the exit status.

        Raises:
            ConfigError: Airflow does not accept the parameters, or the DAG is paused.
        """
        run = new_run(plan, asked, verb, datetime.now(UTC))
        self._require_running(run.dag_id)
        if not self.airflow.create_run(run.dag_id, run.body):
            raise _stands_already(run, asked)
        self.say(f"created: {run.dag_id}, run {run.run_id}")
        if asked.dry_run:
            return self._tell_dry_run(run)
        if not self._how.wait:
            self.say(f"follow it: {follow_command(run.dag_id, run.run_id)}")
            if self._how.as_json:
                print(json.dumps({"dag_id": run.dag_id, "run_id": run.run_id}))
            return 0
        return self.follow([(run.dag_id, run.run_id)], follow_command(run.dag_id, run.run_id))

    def follow(
        self, roots: Roots, again: str, more_roots: Callable[[], tuple[Roots, bool]] = lambda: ([], False)
    ) -> int:
        """Shows the runs and all that they wake until they have ended; the exit status: 0 if all succeeded."""
        follower = Follower(self.airflow, wakes_of(self.deployed.plans), roots, more_roots, self._is_due)
        try:
            show(self.console, self._with_details(follower.follow()))
        except KeyboardInterrupt:
            self.say(f"\nnot followed any more; the runs go on. Follow them again: {again}")
            return INTERRUPTED
        return self._tell_end(follower.followed)

    def _is_due(self, dag_id: str) -> bool:
        plan = self.deployed.plans.get(dag_id)
        return isinstance(plan, LoadPlan | RefreshPlan) and due_dag_ids([plan]) != []

    def _with_details(self, steps: Iterator[Followed]) -> Iterator[Followed]:
        plans = self.deployed.plans
        for followed in steps:
            for run in followed.runs:
                if run.run_id is not None and run.state == SUCCESS and not run.detail:
                    run.detail = self._outcomes.detail(plans.get(run.dag_id), run.dag_id, run.run_id)
            yield followed

    def _tell_end(self, followed: Followed) -> int:
        failed = [run for run in followed.runs if run.state == "failed"]
        failures = {run.dag_id: self._outcomes.failure(run.dag_id, str(run.run_id)) for run in failed}
        for lines in failures.values():
            self.say("\n".join(["", *lines]))
        for dag_id in followed.lost:
            self.say(f"\n{dag_id} was not woken: its wake-up was lost; sweep_pending starts it within minutes")
        if self._how.as_json:
            print(json.dumps(_as_json(followed, failures), indent=2, ensure_ascii=False))
        if not followed.runs:
            self.say("no run was made, so nothing was read: it was cancelled, or ended, before its first run")
        if followed.has_succeeded:
            seconds = _span(followed)
            self.say(f"all {len(followed.runs)} runs succeeded{f', in {seconds:,.0f} s' if seconds else ''}")
        return 0 if followed.has_succeeded else 1

    def _tell_dry_run(self, run: NewRun) -> int:
        follower = Follower(self.airflow, {}, [(run.dag_id, run.run_id)])
        for followed in follower.follow():
            state = followed.runs[0].state
        if state != SUCCESS:
            self.say("\n".join(self._outcomes.failure(run.dag_id, run.run_id)))
            return 1
        document = self._outcomes.dry_run(run.dag_id, run.run_id)
        if document is None:
            raise FatalError("the dry run left no word", where=self._outcomes.page(run.dag_id, run.run_id))
        if self._how.as_json:
            print(json.dumps(document, indent=2, ensure_ascii=False))
        else:
            self.say("\n".join(told(document)))
            after = downstream_of(run.dag_id, self.deployed.plans)[1:]
            self.say(f"may wake, one after the other: {', '.join(after) or 'nothing'}")
        return 0

    def _require_running(self, dag_id: str) -> None:
        details = self.airflow.dag_details(dag_id)
        if details is None:
            raise ConfigError(
                "Airflow does not know the DAG",
                where=dag_id,
                remedy="deploy or publish it; its file may not parse: idiscover doctor",
            )
        if details["is_paused"]:
            raise ConfigError(
                "the DAG is paused: its run would wait", where=dag_id, remedy="unpause it in Airflow's UI, then again"
            )


def run_target(context_place: str, target: str, asked: Asked, how: HowToFollow) -> int:
    """`idiscover run`."""
    runs = Runs(context_place, how)
    return runs.start(dag_of(target, runs.deployed.plans), asked, "run")


def resync(context_place: str, object_name: str, asked: Asked, how: HowToFollow) -> int:
    """`idiscover resync`: a whole read, followed to the marts."""
    runs = Runs(context_place, how)
    return runs.start(extraction_of(object_name, runs.deployed.plans), asked, "resync")


def follow_run(context_place: str, dag_id: str, run_id: str, how: HowToFollow) -> int:
    """`idiscover follow`.

    Raises:
        ConfigError: there is no such run.
    """
    runs = Runs(context_place, how)
    if runs.airflow.run(dag_id, run_id) is None:
        raise ConfigError("no such run", where=dag_id, got=run_id, remedy="copy both from Airflow's UI")
    return runs.follow([(dag_id, run_id)], follow_command(dag_id, run_id))


def follow_command(dag_id: str, run_id: str) -> str:
    """What to type to follow a run again."""
    return f"idiscover follow {dag_id} {run_id}"


def _stands_already(run: NewRun, asked: Asked) -> ConfigError:
    got = f"order date {asked.order_date}" if asked.order_date else run.run_id
    return ConfigError(
        "a run of that day stands already",
        where=run.dag_id,
        got=got,
        expected="an order date without a run",
        remedy="clear that run in Airflow's UI, or read the day by idiscover backfill --reprocess completed",
    )


def _as_json(followed: Followed, failures: dict[str, list[str]]) -> dict[str, Any]:
    return {
        "succeeded": followed.has_succeeded,
        "runs": [
            {
                "dag_id": run.dag_id,
                "run_id": run.run_id,
                "state": run.state,
                "seconds": run.seconds,
                "detail": run.detail,
                "failure": failures.get(run.dag_id) if run.state == "failed" else None,
            }
            for run in followed.runs
        ],
        "not_woken": followed.lost,
    }


def _span(followed: Followed) -> float | None:
    starts = [run.started_at_utc for run in followed.runs if run.started_at_utc]
    ends = [run.ended_at_utc for run in followed.runs if run.ended_at_utc]
    return (max(ends) - min(starts)).total_seconds() if starts and ends else None
