"""Puts the living clusters and steps into moto's EMR, and adds the calls that moto does not know."""

from __future__ import annotations

from typing import Any

import moto.emr.models as moto_emr
import moto.emr.urls as moto_emr_urls
from moto.core.responses import ActionResult, EmptyResult
from moto.emr.exceptions import InvalidRequestException, ValidationException
from moto.emr.responses import ElasticMapReduceResponse

from local.aws.determinism import utcnow
from local.aws.emr_model import LEAVING, LiveCluster, LiveStep

MIN_IDLE_SECONDS, MAX_IDLE_SECONDS = 60, 604_800
_SHUT = "A job flow that is shutting down, terminating, or finished may not be modified."
_APPLICATIONS = {"emr-spark-8.0.0": [{"Name": "Spark", "Version": "4.0.2"}]}


class _Clusters(dict[str, LiveCluster]):
    """Clusters by id; asking for an unknown one is the client's error, not a fault of the server."""

    def __missing__(self, cluster_id: str) -> LiveCluster:
        raise InvalidRequestException(f"Cluster id '{cluster_id}' is not valid.")


class LiveBackend(moto_emr.ElasticMapReduceBackend):
    """moto's EMR of one account and region, with clusters that live and without EC2 instances behind them."""

    clusters: dict[str, LiveCluster]  # type: ignore[assignment]

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        self.clusters = _Clusters()

    @property
    def _url_module(self) -> Any:
        # moto finds a service's paths beside the module of its backend, which is not where this class lives.
        return moto_emr_urls

    def advance(self) -> None:
        """Bring every cluster up to the present."""
        now = utcnow()
        for cluster in self.clusters.values():
            cluster.advance(now)

    def run_instances(self, *_args: Any, **_kwargs: Any) -> None:
        """No machines are started: the agent's host is the cluster."""

    def _manage_security_groups(
        self,
        ec2_subnet_id: str,
        emr_managed_master_security_group: str,
        emr_managed_slave_security_group: str,
        service_access_security_group: str,
        **_: Any,
    ) -> tuple[str, str, str]:
        return (emr_managed_master_security_group, emr_managed_slave_security_group, service_access_security_group)

    def open_cluster(self, cluster_id: str) -> LiveCluster:
        """The cluster, if it can still be changed; ValidationException otherwise."""
        cluster = self.clusters[cluster_id]
        if cluster.state in LEAVING:
            raise ValidationException(_SHUT)
        return cluster

    def find_step(self, cluster_id: str, step_id: str) -> LiveStep:
        """The step; InvalidRequestException if there is none."""
        for step in self.clusters[cluster_id].steps:
            if step.id == step_id:
                return step
        raise InvalidRequestException(f"Step id '{step_id}' is not valid.")

    def describe_step(self, cluster_id: str, step_id: str) -> LiveStep:
        return self.find_step(cluster_id, step_id)

    def list_steps(
        self, cluster_id: str, step_ids: list[str] | None = None, step_states: list[str] | None = None
    ) -> list[LiveStep]:  # type: ignore[override]
        newest_first = list(reversed(self.clusters[cluster_id].steps))
        return [
            step
            for step in newest_first
            if (not step_ids or step.id in step_ids) and (not step_states or step.state in step_states)
        ]

    def list_clusters(self, *args: Any, **kwargs: Any) -> list[LiveCluster]:  # type: ignore[override]
        found: list[Any] = super().list_clusters(*args, **kwargs)
        return sorted(found, key=lambda cluster: cluster.creation_datetime, reverse=True)

    def add_job_flow_steps(self, job_flow_id: str, steps: list[dict[str, Any]]) -> list[LiveStep]:  # type: ignore[override]
        cluster = self.open_cluster(job_flow_id)
        _check_actions(cluster.step_concurrency_level, steps)
        return cluster.add_steps(steps)

    def run_job_flow(self, **kwargs: Any) -> LiveCluster:
        _check_actions(kwargs.get("step_concurrency_level") or 1, kwargs["steps"])
        return super().run_job_flow(**kwargs)  # type: ignore[return-value]


def _check_actions(concurrency: int, steps: list[dict[str, Any]]) -> None:
    """With several steps at a time, EMR takes no step whose failure would end the others."""
    for step in steps:
        action = step.get("action_on_failure", step.get("ActionOnFailure", "CONTINUE"))
        if concurrency > 1 and action != "CONTINUE":
            raise ValidationException(
                f"ActionOnFailure {action} is not valid when StepConcurrencyLevel is {concurrency}; use CONTINUE."
            )


def _idle_seconds(policy: Any) -> int:
    seconds = int(policy["IdleTimeout"])
    if not MIN_IDLE_SECONDS <= seconds <= MAX_IDLE_SECONDS:
        raise ValidationException(
            f"IdleTimeout must be between {MIN_IDLE_SECONDS} and {MAX_IDLE_SECONDS} seconds, got {seconds}."
        )
    return seconds


def _plain(value: Any) -> Any:
    """A parsed parameter as plain dicts, so that it can be pickled and given back as it came."""
    return value.original_dict() if hasattr(value, "original_dict") else value


def _backend(response: ElasticMapReduceResponse) -> LiveBackend:
    backend: Any = moto_emr.emr_backends[response.current_account][response.region]
    backend.advance()
    return backend


_plain_run_job_flow = ElasticMapReduceResponse.run_job_flow


def _run_job_flow(self: Any) -> ActionResult:
    policy = self._get_param("AutoTerminationPolicy")
    idle_seconds = _idle_seconds(policy) if policy else None
    result: Any = _plain_run_job_flow(self)
    cluster = self.backend.clusters[result.result["JobFlowId"]]
    cluster.idle_timeout_seconds = idle_seconds
    cluster.managed_scaling_policy = _plain(self._get_param("ManagedScalingPolicy"))
    return result


def _cancel_steps(self: Any) -> ActionResult:
    cluster = self.backend.open_cluster(self._get_param("ClusterId"))
    answers = []
    for step_id in self._get_param("StepIds", []):
        refusal = cluster.cancel_step(self.backend.find_step(cluster.id, step_id), utcnow())
        answer = {"StepId": step_id, "Status": "FAILED" if refusal else "SUBMITTED"}
        answers.append({**answer, "Reason": refusal} if refusal else answer)
    return ActionResult({"CancelStepsInfoList": answers})


def _put_auto_termination_policy(self: Any) -> ActionResult:
    cluster = self.backend.open_cluster(self._get_param("ClusterId"))
    policy = self._get_param("AutoTerminationPolicy")
    cluster.idle_timeout_seconds = _idle_seconds(policy) if policy else None
    return EmptyResult()


def _get_auto_termination_policy(self: Any) -> ActionResult:
    seconds = self.backend.clusters[self._get_param("ClusterId")].idle_timeout_seconds
    return ActionResult({"AutoTerminationPolicy": {"IdleTimeout": seconds}} if seconds else {})


def _remove_auto_termination_policy(self: Any) -> ActionResult:
    self.backend.open_cluster(self._get_param("ClusterId")).idle_timeout_seconds = None
    return EmptyResult()


def _put_managed_scaling_policy(self: Any) -> ActionResult:
    cluster = self.backend.open_cluster(self._get_param("ClusterId"))
    cluster.managed_scaling_policy = _plain(self._get_param("ManagedScalingPolicy"))
    return EmptyResult()


def _get_managed_scaling_policy(self: Any) -> ActionResult:
    policy = self.backend.clusters[self._get_param("ClusterId")].managed_scaling_policy
    return ActionResult({"ManagedScalingPolicy": policy} if policy else {})


def _remove_managed_scaling_policy(self: Any) -> ActionResult:
    self.backend.open_cluster(self._get_param("ClusterId")).managed_scaling_policy = None
    return EmptyResult()


def _describe_release_label(self: Any) -> ActionResult:
    label = self._get_param("ReleaseLabel")
    return ActionResult({"ReleaseLabel": label, "Applications": _APPLICATIONS.get(label, [])})


def install() -> None:
    """Replace moto's EMR models and add the missing calls. Call once, before any request is served."""
    moto_emr.Cluster = LiveCluster  # type: ignore[misc]
    moto_emr.Step = LiveStep  # type: ignore[misc]
    moto_emr.ElasticMapReduceBackend = LiveBackend  # type: ignore[misc]
    moto_emr.emr_backends.backend = LiveBackend
    response: Any = ElasticMapReduceResponse
    response.backend = property(_backend)
    response.run_job_flow = _run_job_flow
    response.cancel_steps = _cancel_steps
    response.put_auto_termination_policy = _put_auto_termination_policy
    response.get_auto_termination_policy = _get_auto_termination_policy
    response.remove_auto_termination_policy = _remove_auto_termination_policy
    response.put_managed_scaling_policy = _put_managed_scaling_policy
    response.get_managed_scaling_policy = _get_managed_scaling_policy
    response.remove_managed_scaling_policy = _remove_managed_scaling_policy
    response.describe_release_label = _describe_release_label


def all_clusters() -> list[LiveCluster]:
    """Every cluster of every account and region, brought up to the present, oldest first."""
    found: list[LiveCluster] = []
    for _account, _region, backend in moto_emr.emr_backends.iter_backends():
        backend.advance()  # type: ignore[attr-defined]
        found.extend(backend.clusters.values())  # type: ignore[attr-defined]
    return sorted(found, key=lambda cluster: cluster.creation_datetime)
