"""Runs two extractions that share a cluster, within the process of `failing.py`.

The memberships stand in a real PostgreSQL. Runs of one process come one after the other; that another one has begun
meanwhile is said as its first task would say it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from typing import Any

import boto3
from botocore.client import BaseClient
from idiscover.aws.cluster_groups import announce, join, leave
from idiscover.orchestration.emr_calls import AdoptingEmrHook, GroupClusters
from idiscover.plan.model import ExtractionPlan, RunIdentity

from tests.dags.accidents import killed, nothing
from tests.dags.played import Agent, Played, StepEnd
from tests.dags.rehearsal import DAY, _clusters, rehearse, rerun
from tests.support.aws_platform import database_secret, run_statement

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

    def __init__(self, dag_ids: tuple[str, str], played: Played, dag_of: Callable[[str], Any]) -> None:
        self.dag_ids, self.played, self.dag_of = dag_ids, played, dag_of
        self._before = len(_clusters())
        self._days = iter(DAY + timedelta(days=number) for number in range(99))

    def plan(self, which: int) -> ExtractionPlan:
        plan: ExtractionPlan = self.dag_of(self.dag_ids[which]).get_task("end").plan
        return plan

    def begins(self, which: int, run_id: str) -> None:
        """A run of that DAG has begun, and waits for a slot."""
        announce(self.plan(which), RunIdentity(dag_id=self.dag_ids[which], run_id=run_id, run_type="manual"))

    def lapses(self, run_id: str) -> None:
        """Nothing was heard of that run for longer than its lease."""
        sql = "update job.cluster_member set lease_expires_at_utc = now() where run_id = %s"
        run_statement(os.environ[JOB_METADATA], sql, (run_id,))

    def states(self) -> list[str]:
        """Of the clusters that were made on this stage, newest first."""
        living = ("RUNNING", "WAITING")
        made = _clusters()[: len(_clusters()) - self._before]
        return ["alive" if item["Status"]["State"] in living else "ended" for item in made]

    def run(self, which: int, end: StepEnd, around: Callable[[], AbstractContextManager[None]]) -> dict[str, Any]:
        """A whole run whose step ends so; what came of it, the calls to EMR, and the clusters after it."""
        self.played.reset()
        agent = Agent(os.environ["AWS_ENDPOINT_URL"], self.played)
        agent.ends = [end]
        with agent.at_work(), _counted_calls() as calls, around():
            facts = rehearse(self.dag_of(self.dag_ids[which]), next(self._days), self.played)
        return {**facts, "emr": calls, "steps": _steps(), "all_clusters": self.states()}

    def cleared(self, which: int, run_id: str) -> dict[str, Any]:
        """The run, cleared from create_cluster, its step going well this time."""
        agent = Agent(os.environ["AWS_ENDPOINT_URL"], self.played)
        with agent.at_work(), _counted_calls() as calls:
            facts = rerun(self.dag_of(self.dag_ids[which]), run_id, _FROM_CREATE)
        return {**facts, "emr": calls, "steps": _steps(), "all_clusters": self.states()}


def shared(stage: Stage) -> dict[str, Any]:
    """While the first is at work another begins; nobody watches the first's step to its end; cleared, it goes well.

    The other dies then, and the second is the last.
    """
    stage.begins(1, "other")
    first = stage.run(0, StepEnd.HANGING, killed("emr_tasks.watch_steps"))
    cleared = stage.cleared(0, first["run_id"])
    stage.lapses("other")
    return {"first": first, "cleared": cleared, "second": stage.run(1, StepEnd.COMPLETED, nothing)}


def lost(stage: Stage) -> dict[str, Any]:
    """Somebody terminates the cluster of one run before another joins; without Airflow around it."""
    flow = stage.dag_of(stage.dag_ids[0]).get_task("emr_tasks.create_cluster").job_flow_overrides
    plan, hook = stage.plan(0), AdoptingEmrHook(aws_conn_id=None, emr_conn_id=None, region_name="us-east-1")
    emr = GroupClusters(hook, flow)
    runs = [RunIdentity(dag_id=dag_id, run_id="lost", run_type="manual") for dag_id in stage.dag_ids]
    found: dict[str, Any] = {"joined": [join(plan, runs[0], emr)[1]]}
    boto3.client("emr").terminate_job_flows(JobFlowIds=found["joined"])
    with _counted_calls() as found["emr"]:
        found["joined"] += [join(plan, run, emr)[1] for run in (runs[1], runs[0])]
        for run in runs:
            leave(plan, run, str(plan.cluster_group), emr)
    return {**found, "all_clusters": stage.states()}


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


def scenes(dag_ids: tuple[str, str], played: Played, dag_of: Callable[[str], Any]) -> dict[str, Any]:
    """Scenario → what came of it.

    Args:
        dag_ids: of two extractions of one group.
        played: the parts that are played, installed.
        dag_of: a DAG by its dag_id.
    """
    stage = Stage(dag_ids, played, dag_of)
    secret = json.dumps(database_secret(os.environ[JOB_METADATA]))
    name = stage.plan(0).context.secrets.job_metadata
    boto3.client("secretsmanager").create_secret(Name=name, SecretString=secret)
    return {scene.__name__: scene(stage) for scene in (shared, lost)}
