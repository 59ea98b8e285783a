"""What the EMR tasks ask of EMR beside what the provider's operators ask: clusters by name, a run's steps by name."""

from __future__ import annotations

import time
from typing import Any

from airflow.providers.amazon.aws.hooks.emr import EmrHook

from idiscover.errors import RetriableError
from idiscover.orchestration.emr_faults import LIVING_STATES

ACTIVE_STEP_STATES = ["PENDING", "RUNNING", "CANCEL_PENDING"]
_CANCEL_SECONDS = 120


class AdoptingEmrHook(EmrHook):
    """Creates a job flow unless one of that name lives: a second try goes on with the cluster of the first.

    Attributes:
        joined: id of a cluster that is used instead of creating any.
    """

    joined: str | None = None

    def create_job_flow(self, job_flow_overrides: dict[str, Any]) -> dict[str, Any]:
        """The answer of RunJobFlow, or one of the same form for the cluster that lives."""
        living = self.joined or self.get_cluster_id_by_name(job_flow_overrides["Name"], LIVING_STATES)
        if living is None:
            return super().create_job_flow(job_flow_overrides)
        self.log.info("cluster %s lives, and is used", living)
        return {"JobFlowId": living, "ResponseMetadata": {"HTTPStatusCode": 200}}


class GroupClusters:
    """EMR, as `idiscover.aws.cluster_groups` asks it."""

    def __init__(self, hook: EmrHook, job_flow_overrides: dict[str, Any] | None = None) -> None:
        self._hook = hook
        self._overrides = job_flow_overrides or {}

    def create(self, name: str) -> str:
        """Id of the living cluster of that name, made now if there is none."""
        return str(self._hook.create_job_flow({**self._overrides, "Name": name})["JobFlowId"])

    def takes_steps(self, cluster_id: str) -> bool:
        """Whether the cluster is up, or will be."""
        return described(self._hook, cluster_id)["Status"]["State"] in LIVING_STATES

    def end(self, cluster_id: str | None, name: str) -> None:
        """Tells EMR to end the cluster; by its name, where nobody knows its id. One that is gone is no error."""
        found = cluster_id or self._hook.get_cluster_id_by_name(name, LIVING_STATES)
        if found:
            self._hook.conn.terminate_job_flows(JobFlowIds=[found])


def described(hook: EmrHook, cluster_id: str) -> dict[str, Any]:
    """The cluster, as DescribeCluster tells of it."""
    return dict(hook.conn.describe_cluster(ClusterId=cluster_id)["Cluster"])


def newest_step(hook: EmrHook, cluster_id: str, name: str) -> str | None:
    """Id of the cluster's newest step of that name; None if it has none. EMR lists the newest first."""
    pages = hook.conn.get_paginator("list_steps").paginate(ClusterId=cluster_id)
    return next((str(step["Id"]) for page in pages for step in page["Steps"] if step["Name"] == name), None)


def cancel_steps(hook: EmrHook, cluster_id: str, name: str, but: str | None = None) -> list[str]:
    """Asks for the end of all steps of that name that are at work or will be; their ids.

    Args:
        hook: EMR's.
        cluster_id: where they are.
        name: theirs.
        but: one that is left alone.
    """
    active = _active_steps(hook, cluster_id, name)
    active.pop(but or "", None)
    wanted = [step_id for step_id, state in active.items() if state != "CANCEL_PENDING"]
    if wanted and described(hook, cluster_id)["Status"]["State"] in LIVING_STATES:
        hook.conn.cancel_steps(ClusterId=cluster_id, StepIds=wanted, StepCancellationOption="TERMINATE_PROCESS")
    return list(active)


def end_steps(hook: EmrHook, cluster_id: str, name: str, poll_seconds: int) -> None:
    """Cancels all steps of that name, and waits until none of them is at work.

    Raises:
        RetriableError: one of them does not end.
    """
    give_up_at = time.monotonic() + _CANCEL_SECONDS
    while cancelled := cancel_steps(hook, cluster_id, name):
        hook.log.info("waiting for the end of steps %s, which are cancelled", ", ".join(cancelled))
        if time.monotonic() > give_up_at:
            raise RetriableError(
                "a cancelled step does not end",
                where=f"cluster {cluster_id}, step {', '.join(cancelled)}",
                expected=f"its end within {_CANCEL_SECONDS} seconds",
                remedy="look at it in EMR; other runs use its cluster, which is not to be terminated",
            )
        time.sleep(poll_seconds)


def _active_steps(hook: EmrHook, cluster_id: str, name: str) -> dict[str, str]:
    pages = hook.conn.get_paginator("list_steps").paginate(ClusterId=cluster_id, StepStates=ACTIVE_STEP_STATES)
    steps = [step for page in pages for step in page["Steps"] if step["Name"] == name]
    return {str(step["Id"]): str(step["Status"]["State"]) for step in steps}
