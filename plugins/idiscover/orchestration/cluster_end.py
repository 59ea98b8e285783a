"""The end of an extraction's cluster: terminated, or left to others who share it.

Runs whatever happened before; see `extraction_dag`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.providers.amazon.aws.operators.emr import EmrTerminateJobFlowOperator
from airflow.providers.amazon.aws.sensors.emr import EmrJobFlowSensor
from airflow.sdk.exceptions import AirflowSkipException

from idiscover.errors import NextRunError, RetriableError
from idiscover.orchestration.emr_calls import GroupClusters, described, end_steps
from idiscover.orchestration.emr_faults import ENDED_STATES, LIVING_STATES
from idiscover.orchestration.errors import failure_recorded
from idiscover.orchestration.identity import plain_identity
from idiscover.orchestration.membership import MEMBER, OTHERS_KEY, member_of
from idiscover.orchestration.operators import CLUSTER_ID, ReportsFailure, attempts, emr_errors
from idiscover.orchestration.patience import WaitsBeforeDeferring
from idiscover.orchestration.run_states import TERMINATE, task_states
from idiscover.plan.model import ExtractionPlan

if TYPE_CHECKING:
    from airflow.sdk import Context

TERMINATION_SECONDS = 30 * 60

# The cluster that was terminated: create_cluster, killed, may not have told of it. Failing that, the one it told of,
# unless others share it, who may be at work.
GONE_CLUSTER_ID = f"{{{{ ti.xcom_pull(task_ids='{TERMINATE}') or ('' if {MEMBER} else {CLUSTER_ID[2:-2].strip()}) }}}}"


class TerminateCluster(ReportsFailure, EmrTerminateJobFlowOperator):
    """Terminates the run's cluster, whatever happened; skips if there is none.

    A create_cluster that was killed may have made one without telling: it is found by its name. A cluster that is
    shared the run leaves, once its step has ended, by force if need be; the last one to leave terminates it.
    """

    template_fields = (*EmrTerminateJobFlowOperator.template_fields, "cluster_name", "steps")

    def __init__(self, *, plan: ExtractionPlan, cluster_name: str, steps: list[dict[str, Any]], **kwargs: Any) -> None:
        super().__init__(job_flow_id=CLUSTER_ID, aws_conn_id=None, region_name=plan.context.region, **kwargs)
        self.plan = plan
        self.cluster_name = cluster_name
        self.steps = steps

    def execute(self, context: Context) -> str | None:
        """Returns the cluster's id once EMR has taken the order, for `WatchTermination`; None if others need it."""
        with failure_recorded(context), emr_errors(self.task_id):
            member = member_of(context)
            if member is None:
                found = self.job_flow_id or self.hook.get_cluster_id_by_name(self.cluster_name, LIVING_STATES)
                self.job_flow_id = str(found or "")
            if member is not None or (self.plan.cluster_group and not self.job_flow_id):
                return self._leave(context, member.group if member else str(self.plan.cluster_group))
            _skip_without_cluster(self.job_flow_id)
        super().execute(context)
        return self.job_flow_id

    def _leave(self, context: Context, group: str) -> str | None:
        from idiscover.aws.cluster_groups import leave

        if self.job_flow_id:
            end_steps(self.hook, self.job_flow_id, self.steps[0]["Name"], self.plan.context.emr.poll_seconds)
        departure = leave(self.plan, plain_identity(context), group, GroupClusters(self.hook))
        ended = [cluster.emr_id for cluster in departure.closing if cluster.emr_id]
        if departure.others:
            self.log.info("left to %s, the last of which ends the cluster", ", ".join(departure.others))
            context["ti"].xcom_push(key=OTHERS_KEY, value=list(departure.others))
        return ended[-1] if ended else None


class WatchTermination(WaitsBeforeDeferring, ReportsFailure, EmrJobFlowSensor):
    """Waits, at length deferred, until the cluster is gone, with or without errors; skips if there is none.

    Where the order to end could not be given, nobody should wait for EMR's idle time to be told of it.
    """

    def __init__(self, *, plan: ExtractionPlan, **kwargs: Any) -> None:
        emr = plan.context.emr
        super().__init__(
            job_flow_id=GONE_CLUSTER_ID,
            aws_conn_id=None,
            region_name=plan.context.region,
            target_states=ENDED_STATES,
            deferrable=True,
            poke_interval=emr.poll_seconds,
            max_attempts=attempts(TERMINATION_SECONDS, emr.poll_seconds),
            **kwargs,
        )
        self.patience_seconds, self.patience_poll_seconds = emr.defer_after_seconds, emr.poll_seconds

    def execute(self, context: Context) -> None:
        """Ends at once if the cluster is gone, or was not told to go."""
        _skip_without_cluster(self.job_flow_id)
        with failure_recorded(context):
            if task_states(context).get(TERMINATE) == "failed":
                raise NextRunError(
                    "the cluster was not told to end",
                    where=f"cluster {self.job_flow_id}",
                    remedy="terminate it in EMR, which else ends it when it has been idle for long enough",
                )
        super().execute(context)

    def ended_well(self) -> bool | None:
        """Whether the cluster is gone."""
        return described(self.hook, str(self.job_flow_id))["Status"]["State"] in self.target_states or None

    def execute_complete(self, context: Context, event: dict[str, Any] | None = None) -> None:
        """TERMINATED_WITH_ERRORS is an error to the trigger, but the cluster is gone, which is all that counts here."""
        if not self.poke(context):
            raise RetriableError(
                "the cluster is not gone in time",
                where=f"cluster {self.job_flow_id}",
                got=str((event or {}).get("message", "no event")),
                remedy="look at it in EMR, and terminate it there",
            )


def _skip_without_cluster(job_flow_id: str | None) -> None:
    if not job_flow_id:
        raise AirflowSkipException("no cluster to end: none was made, or others use it")
