"""The check of `publish_dags` in Airflow: without it, edits in the bucket reach no DAG, and nobody is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from croniter import croniter

from idiscover.aws.airflow_rest import AirflowRest
from idiscover.cli.doctor.checks import Check, Report, fail, ok, warn
from idiscover.metadata.models import Context
from idiscover.plan.publish import PUBLISH_DAG_ID

_NEWEST_RUNS = 5  # one may be running, and the one before it queued
_LATE_AFTER_INTERVALS = 3
_LATE_AFTER_AT_LEAST = timedelta(minutes=15)


def publish_check(context: Context) -> Check:
    """Whether `publish_dags` does its part."""
    return Check(PUBLISH_DAG_ID, lambda: _ask(context), "is the MWAA environment up? On a laptop: idiscover stack")


def _ask(context: Context) -> Report:
    airflow = AirflowRest(context)
    details = airflow.dag_details(PUBLISH_DAG_ID)
    runs: Sequence[Mapping[str, Any]] = ()
    if details is not None:
        answer = airflow.call("GET", f"/dags/{PUBLISH_DAG_ID}/dagRuns", limit=_NEWEST_RUNS, order_by="-run_after")
        runs = answer["dag_runs"]
    return publish_findings(details, runs, context.airflow.publish_schedule, datetime.now(UTC))


def publish_findings(
    details: Mapping[str, Any] | None, runs: Sequence[Mapping[str, Any]], schedule: str, now: datetime
) -> Report:
    """What Airflow tells of the DAG and its newest runs.

    Args:
        details: of the DAG; None if Airflow has none.
        runs: newest first.
        schedule: cron, UTC.
        now: UTC.
    """
    if details is None:
        remedy = "idiscover deploy uploads dags/publish_dags.py; if it lies there: the DAG processor's log"
        return [fail(PUBLISH_DAG_ID, "Airflow has no such DAG: edits in the bucket reach nobody", remedy)]
    if details["is_paused"]:
        found = "it is paused: edits in the bucket wait, and nobody is told"
        return [fail(PUBLISH_DAG_ID, found, "unpause it in Airflow's UI")]
    ended = next((run for run in runs if run["state"] in ("success", "failed")), None)
    if ended is None:
        return [warn(PUBLISH_DAG_ID, "no run of it has ended yet", f"trigger it, or wait: its schedule is {schedule}")]
    age = now - datetime.fromisoformat(ended["end_date"] or ended["run_after"])
    found = f"its last run ({ended['dag_run_id']}) ended {_words(age)} ago"
    if ended["state"] == "failed":
        remedy = "its mail and its log say what to mend (docs/runbook.md, publish_dags); then trigger it"
        return [fail(PUBLISH_DAG_ID, f"{found}, and failed: no edit is published", remedy)]
    if age > _late_after(schedule, now):
        return [
            warn(PUBLISH_DAG_ID, f"{found}, its schedule is {schedule}", "look at the scheduler in Airflow's health")
        ]
    return [ok(PUBLISH_DAG_ID, f"{found}, and succeeded")]


def _late_after(schedule: str, now: datetime) -> timedelta:
    """How old the last run may be: some intervals of the schedule, as they lie around now."""
    before, after = croniter(schedule, now).get_prev(datetime), croniter(schedule, now).get_next(datetime)
    return max(_LATE_AFTER_INTERVALS * (after - before), _LATE_AFTER_AT_LEAST)


def _words(age: timedelta) -> str:
    minutes = max(int(age.total_seconds() // 60), 0)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h"
