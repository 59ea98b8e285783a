"""Runs two extractions that share a cluster, and writes what came of each as JSON.

As real as `rehearsal.py`, and the memberships stand in a real PostgreSQL. Runs of one process come one after the other;
that another one has begun meanwhile is said as its first task would say it.

    python -m tests.dags.sharing <dag_id of an extraction> <of another> <file for the results>
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
from botocore.client import BaseClient
from idiscover.aws.cluster_groups import announce
from idiscover.errors import DataQualityError
from idiscover.plan.model import ExtractionPlan, RunIdentity

from tests.dags.failing import _dag_without_pauses, _killed, _nothing
from tests.dags.played import Agent, Played, StepEnd
from tests.dags.rehearsal import DAY, _clusters, _verify_sender, rehearse, rerun
from tests.support.aws_platform import database_secret

JOB_METADATA = "IDISCOVER_TEST_JOB_METADATA"  # environment variable: its DSN
COUNTED = ("RunJobFlow", "AddJobFlowSteps", "CancelSteps", "TerminateJobFlows")
_FROM_CREATE = [
    "emr_tasks.create_cluster",
    "emr_tasks.add_steps",
    "emr_tasks.watch_steps",
    "emr_tasks.terminate_cluster",
    "emr_tasks.watch_termination",
    "send_email_cluster_termination",
    "end",
]


class Stage:
    """The two DAGs, the played parts, and the day of the next run."""

    def __init__(self, dag_ids: tuple[str, str]) -> None:
        self.dag_ids = dag_ids
        self.played = Played()
        self.played.install()
        self._days = iter(DAY + timedelta(days=number) for number in range(99))

    def plan(self, which: int) -> ExtractionPlan:
        plan: ExtractionPlan = _dag_without_pauses(self.dag_ids[which]).get_task("end").plan
        return plan

    def begins(self, which: int, run_id: str) -> None:
        """A run of that DAG has begun, and waits for a slot."""
        announce(self.plan(which), RunIdentity(dag_id=self.dag_ids[which], run_id=run_id, run_type="manual"))

    def run(self, which: int, end: StepEnd | Exception, is_watched: bool = True) -> dict[str, Any]:
        """A whole run whose step ends so; what came of it, the calls to EMR, and the clusters after it."""
        self.played.reset()
        agent = Agent(os.environ["AWS_ENDPOINT_URL"], self.played)
        agent.ends = [end]
        around = _nothing if is_watched else _killed("emr_tasks.watch_steps")
        with agent.at_work(), _counted_calls() as calls, around():
            facts = rehearse(_dag_without_pauses(self.dag_ids[which]), next(self._days), self.played)
        return {**facts, "emr": calls, "steps": _steps(), "all_clusters": _states()}

    def cleared(self, which: int, run_id: str) -> dict[str, Any]:
        """The run, cleared from create_cluster, its step going well this time."""
        agent = Agent(os.environ["AWS_ENDPOINT_URL"], self.played)
        with agent.at_work(), _counted_calls() as calls:
            facts = rerun(_dag_without_pauses(self.dag_ids[which]), run_id, _FROM_CREATE)
        return {**facts, "emr": calls, "all_clusters": _states()}


def both(stage: Stage) -> dict[str, Any]:
    """The second begins while the first is at work."""
    stage.begins(1, "other")
    first = stage.run(0, StepEnd.COMPLETED)
    return {"first": first, "second": stage.run(1, StepEnd.COMPLETED), "end": _leave(stage, 1, "other")}


def one_fails(stage: Stage) -> dict[str, Any]:
    """The first fails, is cleared, and EMR loses the cluster before the second comes."""
    stage.begins(1, "other")
    first = stage.run(0, DataQualityError("Counts differ", got="3", remedy="compare with the org"))
    cleared = stage.cleared(0, first["run_id"])
    boto3.client("emr").terminate_job_flows(JobFlowIds=[_clusters()[0]["Id"]])
    second = stage.run(1, StepEnd.COMPLETED)
    return {"first": first, "cleared": cleared, "second": second, "end": _leave(stage, 1, "other")}


def one_hangs(stage: Stage) -> dict[str, Any]:
    """Whoever watches the first's step gives up while it runs."""
    stage.begins(1, "other")
    return {"first": stage.run(0, StepEnd.HANGING, is_watched=False), "end": _leave(stage, 1, "other")}


def _leave(stage: Stage, which: int, run_id: str) -> list[str]:
    """The announced run ends; states of all clusters then, newest first."""
    from airflow.providers.amazon.aws.hooks.emr import EmrHook
    from idiscover.aws.cluster_groups import leave
    from idiscover.orchestration.emr_calls import GroupClusters

    plan = stage.plan(which)
    run = RunIdentity(dag_id=stage.dag_ids[which], run_id=run_id, run_type="manual")
    leave(plan, run, str(plan.cluster_group), GroupClusters(EmrHook(aws_conn_id=None, region_name=plan.context.region)))
    return _states()


def _states() -> list[str]:
    return ["alive" if item["Status"]["State"] in ("RUNNING", "WAITING") else "ended" for item in _clusters()]


def _steps() -> list[list[str]]:
    """Name and state of the newest cluster's steps, oldest first."""
    steps = boto3.client("emr").list_steps(ClusterId=_clusters()[0]["Id"])["Steps"]
    return [[step["Name"], step["Status"]["State"]] for step in reversed(steps)]


@contextmanager
def _counted_calls() -> Iterator[dict[str, int]]:
    """How often EMR is asked to make or end something meanwhile."""
    counted, plain = dict.fromkeys(COUNTED, 0), BaseClient._make_api_call

    def call(client: BaseClient, operation: str, arguments: dict[str, Any]) -> Any:
        if operation in counted:
            counted[operation] += 1
        return plain(client, operation, arguments)

    BaseClient._make_api_call = call
    try:
        yield counted
    finally:
        BaseClient._make_api_call = plain


def main(first: str, second: str, results: Path) -> None:
    """Writes a dictionary of scenario → run → facts."""
    stage = Stage((first, second))
    context = stage.plan(0).context
    boto3.client("s3").create_bucket(Bucket=context.buckets.data)
    secret = json.dumps(database_secret(os.environ[JOB_METADATA]))
    boto3.client("secretsmanager").create_secret(Name=context.secrets.job_metadata, SecretString=secret)
    _verify_sender(_dag_without_pauses(first))
    found = {scene.__name__: scene(stage) for scene in (both, one_fails, one_hangs)}
    results.write_text(json.dumps({"at": f"{datetime.now(UTC)}", **found}, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
