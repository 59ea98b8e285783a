"""The provider's EMR operators, bound to a plan.

Each adds only what the chain needs: what happens to a task that is cleared alone, word of a failure where the closing
mail finds it, and states in the worker's log (the triggerer's lines never reach the UI). All may be tried again: a try
takes over the cluster or the step that an earlier one made.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.amazon.aws.operators.emr import EmrAddStepsOperator, EmrCreateJobFlowOperator
from airflow.providers.amazon.aws.sensors.emr import EmrStepSensor
from airflow.providers.amazon.aws.triggers.emr import EmrStepSensorTrigger
from airflow.sdk import BaseOperator

from idiscover.errors import FatalError, IdiscoverError, NextRunError, RetriableError
from idiscover.notify.run_failures import CLEAR_REMEDY
from idiscover.orchestration.dry_run import skip_in_dry_run
from idiscover.orchestration.emr_calls import AdoptingEmrHook, GroupClusters, cancel_steps, described, newest_step
from idiscover.orchestration.emr_faults import LIVING_STATES, start_fault, step_fault
from idiscover.orchestration.errors import airflow_errors, failure_recorded, tries_of
from idiscover.orchestration.identity import plain_identity, run_identity
from idiscover.orchestration.membership import has_place, joined, require_place
from idiscover.orchestration.patience import WaitsBeforeDeferring
from idiscover.orchestration.run_states import ADD_STEPS, CREATE, cluster_is_done, task_states
from idiscover.plan.model import ExtractionPlan

if TYPE_CHECKING:
    from airflow.sdk import Context

CLUSTER_START_SECONDS = 45 * 60
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
        NextRunError: it was cleared alone and no batch stands; there is no cluster to work with.
    """
    if not cluster_is_done(task_states(context)):
        return False
    if batch_already_stands(plan, context):
        return True
    raise NextRunError(
        "this run's cluster is terminated and its batch does not stand",
        where=plain_identity(context).run_id,
        remedy=f"{CLEAR_REMEDY}; one task alone has nothing to work on, and a cluster made now would never be "
        "terminated",
    )


class ReportsFailure(BaseOperator):
    """Leaves word of a failure, before and after a deferral; AWS's errors become the platform's."""

    def execute(self, context: Context) -> Any:
        with failure_recorded(context), emr_errors(self.task_id):
            return super().execute(context)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        with failure_recorded(context), emr_errors(self.task_id):
            return super().resume_execution(next_method, next_kwargs, context)


def emr_errors(task_id: str) -> AbstractContextManager[None]:
    from idiscover.aws.clients import aws_errors

    return aws_errors(f"EMR, {task_id}")


class CreateCluster(WaitsBeforeDeferring, ReportsFailure, EmrCreateJobFlowOperator):
    """Makes the run's cluster, or joins its group's, and waits, at length deferred, until it takes steps.

    Does neither if the run's batch stands.

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
        self.patience_seconds, self.patience_poll_seconds = emr.defer_after_seconds, emr.poll_seconds

    def execute(self, context: Context) -> str | None:
        """Returns the cluster's id, or None if none is needed."""
        from idiscover.aws.extraction_run import open_extraction

        skip_in_dry_run(context)
        with failure_recorded(context):
            if nothing_left_to_do(self.plan, context) or batch_already_stands(self.plan, context):
                self.log.info("the batch of this run stands: no cluster is needed")
                return None
            # A run that failed gave the object's lock back; cleared from here, it has to take it again.
            open_extraction(self.plan, run_identity(context))
            if self.plan.cluster_group:
                with emr_errors(self.task_id):
                    self.hook.joined = joined(self.plan, context, GroupClusters(self.hook, self.job_flow_overrides))
        return super().execute(context)

    def ended_well(self) -> bool | None:
        """Whether the cluster takes steps."""
        state = described(self.hook, str(self._job_flow_id))["Status"]["State"]
        return None if state in ("STARTING", "BOOTSTRAPPING") else state in LIVING_STATES

    def execute_complete(self, context: Context, event: dict[str, Any] | None = None) -> str:
        """Asks EMR anew how the cluster stands; the trigger's own words lack what a person needs.

        Raises:
            RetriableError: it is still not up, or EMR lost it; the next try waits on, or makes another.
            FatalError: EMR cannot make such a cluster, or somebody terminated it.
        """
        told = event or {}
        cluster_id = str(told["job_flow_id"])
        if told["status"] == "success":
            return cluster_id
        raise start_fault(described(self.hook, cluster_id))


class AddSteps(ReportsFailure, EmrAddStepsOperator):
    """Gives the cluster the one step of the run, unless an earlier try did whose answer was lost."""

    def __init__(self, *, plan: ExtractionPlan, **kwargs: Any) -> None:
        super().__init__(job_flow_id=CLUSTER_ID, aws_conn_id=None, region_name=plan.context.region, **kwargs)
        self.plan = plan

    def execute(self, context: Context) -> list[str]:
        """Returns the step's id in a list, which is empty if nothing is left to do."""
        with failure_recorded(context), emr_errors(self.task_id):
            if not self.job_flow_id or nothing_left_to_do(self.plan, context):
                self.log.info("the batch of this run stands: no step is needed")
                return []
            require_place(self.plan, context)
            standing = newest_step(self.hook, self.job_flow_id, self.steps[0]["Name"])
        if standing:
            self.log.info("step %s of an earlier try stands: it is used", standing)
            return [standing]
        return super().execute(context)


class WatchSteps(WaitsBeforeDeferring, EmrStepSensor):
    """Waits, at length deferred, until the run's newest step has ended.

    A step that failed for a passing reason is followed by another on the same cluster, at this task's next try: the
    cluster is terminated downstream, however many steps it ran. A step whose answer was lost is the newest one too, and
    a second step beside it would find the first one's manifest and end: a run's own cluster runs one at a time, and on
    a shared one the older is cancelled.
    """

    template_fields = (*EmrStepSensor.template_fields, "steps")

    def __init__(self, *, plan: ExtractionPlan, steps: list[dict[str, Any]], **kwargs: Any) -> None:
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
        self.steps = steps
        self.patience_seconds, self.patience_poll_seconds = emr.defer_after_seconds, emr.poll_seconds

    def execute(self, context: Context) -> None:
        """Ends at once if nothing is left to do or the step has ended; else waits."""
        with self._recorded(context):
            if nothing_left_to_do(self.plan, context) or not self.step_id:
                self.log.info("the batch of this run stands: no step to watch")
                return
            self.step_id = self._newest_step()
            if has_place(self.plan, context):
                cancel_steps(self.hook, self.job_flow_id, self.steps[0]["Name"], but=self.step_id)
            if tries_of(context["ti"]) > 1:
                self._replace_failed_step(context)
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

    def ended_well(self) -> bool | None:
        """Whether the step is COMPLETED."""
        step = self.hook.conn.describe_step(ClusterId=self.job_flow_id, StepId=self.step_id)["Step"]
        state = str(step["Status"]["State"])
        return None if state in ("PENDING", "RUNNING") else state in self.target_states

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Goes on with the newest step: what was rendered is the first one's id."""
        with self._recorded(context):
            self.step_id = self._newest_step()
            return super().resume_execution(next_method, next_kwargs, context)

    def execute_complete(self, context: Context, event: dict[str, Any] | None = None) -> None:
        """Asks EMR anew how the step stands; the trigger's own words lack what a person needs."""
        if self._has_completed(context):
            return
        message = str((event or {}).get("message", "no event"))
        if "max attempts" in message:
            minutes = self.plan.context.emr.step_timeout_minutes
            raise FatalError(
                "the step is still running when its time is up",
                where=f"step {self.step_id}",
                expected=f"an end within {minutes} minutes (emr.step_timeout_minutes)",
                remedy="read the step's stdout: with many rows and steady progress, raise emr.step_timeout_minutes; "
                "without progress, look at Salesforce",
            )
        raise RetriableError("watching a step was interrupted", where=f"step {self.step_id}", got=message)

    @contextmanager
    def _recorded(self, context: Context) -> Iterator[None]:
        """Errors are told with the step's own log, which says more than the task's."""
        from idiscover.orchestration.mail import log_uri

        def step_log() -> str:
            return log_uri(self.plan, self.job_flow_id, self.step_id)

        with failure_recorded(context, step_log), emr_errors(self.task_id):
            yield

    def _has_completed(self, context: Context) -> bool:
        """Logs the step's state; raises if it has failed."""
        step = self._step(context)
        state = step["Status"]["State"]
        self.log.info("step %s is %s %s", self.step_id, state, _timeline(step["Status"].get("Timeline") or {}))
        if state in self.failed_states:
            raise self._fault(step, context)
        return state in self.target_states

    def _replace_failed_step(self, context: Context) -> None:
        """Adds another step if the newest one failed for a passing reason; raises its error if for any other."""
        step = self._step(context)
        if step["Status"]["State"] not in self.failed_states:
            return
        fault = self._fault(step, context)
        if not isinstance(fault, RetriableError):
            raise fault
        from idiscover.aws.extraction_run import open_extraction

        require_place(self.plan, context)
        open_extraction(self.plan, run_identity(context))  # the object's lock was taken for one step
        failed, self.step_id = self.step_id, self.hook.add_job_flow_steps(self.job_flow_id, self.steps)[0]
        self.log.info("step %s failed (%s): step %s takes its place", failed, fault.what, self.step_id)

    def _newest_step(self) -> str:
        return newest_step(self.hook, self.job_flow_id, self.steps[0]["Name"]) or self.step_id

    def _step(self, context: Context) -> dict[str, Any]:
        return dict(self.get_emr_response(context)["Step"])

    def _fault(self, step: dict[str, Any], context: Context) -> IdiscoverError:
        return step_fault(step, described(self.hook, self.job_flow_id), self.plan, plain_identity(context))


def _timeline(timeline: dict[str, Any]) -> str:
    names = (("CreationDateTime", "created"), ("StartDateTime", "started"), ("EndDateTime", "ended"))
    return ", ".join(f"{label} {timeline[key]}" for key, label in names if timeline.get(key))
