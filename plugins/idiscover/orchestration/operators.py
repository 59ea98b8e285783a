"""The provider's EMR operators, bound to a plan.

Each adds only what the chain needs: what happens to a task that is cleared alone, a reason where the closing mail finds
it, and states in the worker's log (the triggerer's lines never reach the UI).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.amazon.aws.hooks.emr import EmrHook
from airflow.providers.amazon.aws.operators.emr import (
    EmrAddStepsOperator,
    EmrCreateJobFlowOperator,
    EmrTerminateJobFlowOperator,
)
from airflow.providers.amazon.aws.sensors.emr import EmrJobFlowSensor, EmrStepSensor
from airflow.providers.amazon.aws.triggers.emr import EmrStepSensorTrigger
from airflow.sdk import Asset, BaseOperator
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException

from idiscover.notify.mails import CLEAR_REMEDY
from idiscover.orchestration.errors import airflow_errors, failure_recorded
from idiscover.orchestration.identity import run_identity
from idiscover.orchestration.run_states import ADD_STEPS, CREATE, cluster_is_done, faults, task_states
from idiscover.plan.model import ExtractionPlan

if TYPE_CHECKING:
    from airflow.sdk import Context

LIVING_STATES = ["STARTING", "BOOTSTRAPPING", "RUNNING", "WAITING"]
CLUSTER_START_SECONDS = 45 * 60
TERMINATION_SECONDS = 30 * 60
_GRACE_SECONDS = 60  # the trigger gives up first, so that the task can say why

# `return_value` is missing when the wait for the cluster fails; `emr_cluster` is pushed before it and survives.
CLUSTER_ID = f"{{{{ (ti.xcom_pull(task_ids='{CREATE}', key='emr_cluster') or {{}}).get('job_flow_id', '') }}}}"
STEP_ID = f"{{{{ (ti.xcom_pull(task_ids='{ADD_STEPS}') or [''])[0] }}}}"


def attempts(seconds: int, poll_seconds: int) -> int:
    """How often to ask, every `poll_seconds`, until `seconds` have passed."""
    return max(1, -(-seconds // poll_seconds))


def batch_already_stands(plan: ExtractionPlan, context: Context) -> bool:
    """Whether the run's batch is complete, so that its cluster has nothing to do."""
    from idiscover.aws.extraction_run import batch_stands

    with airflow_errors():
        return batch_stands(plan, run_identity(context))


def nothing_left_to_do(plan: ExtractionPlan, context: Context) -> bool:
    """For a task cleared alone after the run's cluster was terminated: True if the batch stands.

    False for a task in its turn.

    Raises:
        AirflowFailException: it was cleared alone and no batch stands; there is no cluster to work with.
    """
    if not cluster_is_done(task_states(context)):
        return False
    if batch_already_stands(plan, context):
        return True
    raise AirflowFailException(
        f"this run's cluster is terminated and its batch does not stand: {CLEAR_REMEDY} (one task alone has nothing "
        "to work on, and a cluster made now would never be terminated)"
    )


class _ReportsFailure(BaseOperator):
    """Leaves the reason of a failure in XCom, before and after a deferral."""

    def execute(self, context: Context) -> Any:
        with failure_recorded(context):
            return super().execute(context)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        with failure_recorded(context):
            return super().resume_execution(next_method, next_kwargs, context)


class AdoptingEmrHook(EmrHook):
    """Creates a job flow unless one of that name lives: a second try goes on with the cluster of the first."""

    def create_job_flow(self, job_flow_overrides: dict[str, Any]) -> dict[str, Any]:
        """The answer of RunJobFlow, or one of the same form for the cluster that lives.

        Raises:
            ConfigError, FatalError: EMR refuses; it would again.
            RetriableError: EMR does not answer, or asks to wait.
        """
        from idiscover.aws.clients import aws_errors

        with aws_errors("EMR RunJobFlow"):
            living = self.get_cluster_id_by_name(job_flow_overrides["Name"], LIVING_STATES)
            if living is None:
                return super().create_job_flow(job_flow_overrides)
        self.log.info("cluster %s of an earlier try lives: it is used", living)
        return {"JobFlowId": living, "ResponseMetadata": {"HTTPStatusCode": 200}}


class CreateCluster(_ReportsFailure, EmrCreateJobFlowOperator):
    """Makes the run's cluster and waits, deferred, until it takes steps. Makes none if the batch already stands.

    It may be tried again, because a try takes over the cluster that an earlier one made. That matters: Airflow fails a
    deferred task that is due again before its first process has been seen to end.
    """

    aws_hook_class = AdoptingEmrHook

    def __init__(self, *, plan: ExtractionPlan, **kwargs: Any) -> None:
        emr = plan.context.emr
        super().__init__(
            aws_conn_id=None,
            emr_conn_id=None,
            region_name=plan.context.region,
            deferrable=True,
            wait_for_completion=True,
            waiter_delay=emr.poll_seconds,
            waiter_max_attempts=attempts(CLUSTER_START_SECONDS, emr.poll_seconds),
            **kwargs,
        )
        self.plan = plan

    def execute(self, context: Context) -> str | None:
        """Returns the cluster's id, or None if none is needed."""
        from idiscover.aws.extraction_run import open_extraction

        with failure_recorded(context):
            if nothing_left_to_do(self.plan, context) or batch_already_stands(self.plan, context):
                self.log.info("the batch of this run stands: no cluster is needed")
                return None
            # A run that failed gave the object's lock back; cleared from here, it has to take it again.
            open_extraction(self.plan, run_identity(context))
        return super().execute(context)


class AddSteps(_ReportsFailure, EmrAddStepsOperator):
    """Gives the cluster the one step of the run."""

    def __init__(self, *, plan: ExtractionPlan, **kwargs: Any) -> None:
        super().__init__(
            job_flow_id=CLUSTER_ID,
            aws_conn_id=None,
            region_name=plan.context.region,
            retries=0,  # a try whose answer was lost would add a second step
            **kwargs,
        )
        self.plan = plan

    def execute(self, context: Context) -> list[str]:
        """Returns the step's id in a list, which is empty if nothing is left to do."""
        with failure_recorded(context):
            if not self.job_flow_id or nothing_left_to_do(self.plan, context):
                self.log.info("the batch of this run stands: no step is needed")
                return []
        return super().execute(context)


class WatchSteps(_ReportsFailure, EmrStepSensor):
    """Waits, deferred, until the step has ended. A step that failed is dead: watching it again would not help."""

    def __init__(self, *, plan: ExtractionPlan, **kwargs: Any) -> None:
        emr = plan.context.emr
        super().__init__(
            job_flow_id=CLUSTER_ID,
            step_id=STEP_ID,
            aws_conn_id=None,
            region_name=plan.context.region,
            deferrable=True,
            poke_interval=emr.poll_seconds,
            max_attempts=attempts(emr.step_timeout_minutes * 60, emr.poll_seconds),
            **kwargs,
        )
        self.plan = plan

    def execute(self, context: Context) -> None:
        """Ends at once if nothing is left to do or the step has ended; else waits."""
        with failure_recorded(context):
            if nothing_left_to_do(self.plan, context) or not self.step_id:
                self.log.info("the batch of this run stands: no step to watch")
                return
            if self._has_completed(context):
                return
        seconds = int(self.poke_interval * self.max_attempts)
        self.defer(
            timeout=timedelta(seconds=seconds + _GRACE_SECONDS),
            trigger=EmrStepSensorTrigger(
                job_flow_id=self.job_flow_id,
                step_id=self.step_id,
                waiter_delay=int(self.poke_interval),
                waiter_max_attempts=self.max_attempts,
                aws_conn_id=self.aws_conn_id,
            ),
            method_name="execute_complete",
        )

    def execute_complete(self, context: Context, event: dict[str, Any] | None = None) -> None:
        """Asks EMR anew how the step stands; the trigger's own words lack what a person needs."""
        if self._has_completed(context):
            return
        message = str((event or {}).get("message", "no event"))
        if "max attempts" in message:
            minutes = self.plan.context.emr.step_timeout_minutes
            raise AirflowFailException(
                f"step {self.step_id} is still running after {minutes} minutes (step_timeout_minutes); its cluster is "
                f"terminated now. To run it again, {CLEAR_REMEDY}"
            )
        raise AirflowException(f"watching step {self.step_id} was interrupted: {message}")

    def _has_completed(self, context: Context) -> bool:
        """Logs the step's state; raises if it has failed."""
        response = self.get_emr_response(context)
        status = response["Step"]["Status"]
        state = self.state_from_response(response)
        self.log.info("step %s is %s %s", self.step_id, state, _timeline(status.get("Timeline") or {}))
        if state in self.failed_states:
            details = self.failure_message_from_response(response) or "without FailureDetails"
            raise AirflowFailException(f"step {self.step_id} {state} {details}. To run it again, {CLEAR_REMEDY}")
        return state in self.target_states


class TerminateCluster(_ReportsFailure, EmrTerminateJobFlowOperator):
    """Terminates the run's cluster, whatever happened; skips if there is none."""

    def __init__(self, *, plan: ExtractionPlan, **kwargs: Any) -> None:
        super().__init__(job_flow_id=CLUSTER_ID, aws_conn_id=None, region_name=plan.context.region, **kwargs)

    def execute(self, context: Context) -> None:
        """Returns once EMR has taken the order; `WatchTermination` waits."""
        _skip_without_cluster(self.job_flow_id)
        super().execute(context)


class WatchTermination(_ReportsFailure, EmrJobFlowSensor):
    """Waits, deferred, until the cluster is gone, with or without errors; skips if there is none."""

    def __init__(self, *, plan: ExtractionPlan, **kwargs: Any) -> None:
        poll_seconds = plan.context.emr.poll_seconds
        super().__init__(
            job_flow_id=CLUSTER_ID,
            aws_conn_id=None,
            region_name=plan.context.region,
            target_states=["TERMINATED", "TERMINATED_WITH_ERRORS"],
            deferrable=True,
            poke_interval=poll_seconds,
            max_attempts=attempts(TERMINATION_SECONDS, poll_seconds),
            **kwargs,
        )

    def execute(self, context: Context) -> None:
        """Ends at once if the cluster is gone."""
        _skip_without_cluster(self.job_flow_id)
        super().execute(context)

    def execute_complete(self, context: Context, event: dict[str, Any] | None = None) -> None:
        """TERMINATED_WITH_ERRORS is an error to the trigger, but the cluster is gone, which is all that counts here."""
        if not self.poke(context):
            super().execute_complete(context, event)


class EndOfExtraction(BaseOperator):
    """Fails the run if any task failed; else registers the batch, which the outlet's asset event announces."""

    def __init__(self, *, plan: ExtractionPlan, **kwargs: Any) -> None:
        super().__init__(outlets=[Asset(plan.header.outlet)], **kwargs)
        self.plan = plan

    def execute(self, context: Context) -> dict[str, Any]:
        """Returns the registered batch's id, rows and bytes."""
        from idiscover.aws.extraction_run import close_extraction

        wrong = faults(task_states(context))
        if wrong:
            named = ", ".join(f"{task} is {state}" for task, state in wrong.items())
            raise AirflowFailException(f"no batch is registered: {named}")
        with airflow_errors():
            manifest = close_extraction(self.plan, run_identity(context))
        summary = {"batch_id": manifest.batch_id, "rows": manifest.rows, "bytes": manifest.bytes}
        context["outlet_events"][Asset(self.plan.header.outlet)].extra = summary
        return summary


def _skip_without_cluster(job_flow_id: str | Sequence[str]) -> None:
    if not job_flow_id:
        raise AirflowSkipException("no cluster was made")


def _timeline(timeline: dict[str, Any]) -> str:
    names = (("CreationDateTime", "created"), ("StartDateTime", "started"), ("EndDateTime", "ended"))
    return ", ".join(f"{label} {timeline[key]}" for key, label in names if timeline.get(key))
