"""What a failed run means for its family: what happens by itself, and what a person has to do. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from idiscover.errors import FailureKind
from idiscover.lake.manifest import BatchManifest
from idiscover.notify.failures import FailedTask, Failure, RunFailure, kind_of, remedies
from idiscover.plan.model import ExtractionPlan, ExtractionRequest, LoadPlan, RefreshPlan, RunIdentity, RunKind

CLEAR_REMEDY = "clear from create_cluster with downstream"
_NO_BATCH = FailedTask(
    task_id="emr_tasks.watch_steps",
    state="failed",
    tries=1,
    failure=Failure(
        kind=FailureKind.NEEDS_A_PERSON,
        error="FatalError",
        is_retried=False,
        what="the step ended well but left no manifest",
        remedy="find out who writes to the bucket, and whether it is the one that the step was told",
    ),
)

_NAMED_USERS = 3  # of a shared cluster
_NEXT_WINDOW = {
    RunKind.SCHEDULED: "The watermark has not moved: the next scheduled run reads this window too.",
    RunKind.MANUAL: "The watermark has not moved: the next scheduled run reads from there. What lies before it, no "
    "other run reads.",
    RunKind.BACKFILL: "No other run reads a backfill's window.",
}
_SWEEP = "sweep_pending starts one, after a rest that doubles with each failed run (5 minutes to 6 hours)."
_AGAIN = {
    LoadPlan: "A load is done whole or not at all. The batches stay pending, and the next run of this DAG takes them "
    f"again, but copies nothing twice; {_SWEEP}",
    RefreshPlan: "The claim is given back. Countries that went through stand, the others are as before, and the next "
    f"run of this DAG takes all of them again; {_SWEEP}",
}


class ExtractionResult(BaseModel):
    """What is known about an extraction when its cluster is gone.

    `request` is None if the run failed before its window was frozen, `manifest` if no batch stands.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    run: RunIdentity
    request: ExtractionRequest | None
    manifest: BatchManifest | None
    failures: tuple[FailedTask, ...]
    cluster_id: str | None
    is_shared: bool = False  # with other runs of its cluster_group
    used_by: tuple[str, ...] = ()  # dag_ids of those that still need it
    duration_seconds: float | None
    log_uri: str

    @property
    def users(self) -> str:
        """Those that still need the cluster, a few of them by name; empty if there is none."""
        more = len(self.used_by) - _NAMED_USERS
        return ", ".join([*self.used_by[:_NAMED_USERS], *([f"{more} more"] if more > 0 else [])])

    @property
    def is_failure(self) -> bool:
        """Once any task failed or no batch stands."""
        return bool(self.failures) or self.manifest is None


def extraction_failure(result: ExtractionResult, plan: ExtractionPlan) -> RunFailure:
    """An extraction whose closing mail finds that something failed."""
    failed = result.failures or (_NO_BATCH,)
    kind = kind_of(failed)
    return RunFailure(
        dag_id=plan.header.dag_id,
        run_id=result.run.run_id,
        kind=kind,
        failed=failed,
        by_itself=_after_extraction(result, plan),
        to_do=_to_do(kind, failed, _rerun(result), _is_caught_up(result)),
        log_uri=result.log_uri,
        reason=result.run.reason,
    )


def unregistered_failure(
    run: RunIdentity, failed: Sequence[FailedTask], plan: ExtractionPlan, log_uri: str
) -> RunFailure:
    """An extraction that went well until its batch was to be registered."""
    kind = kind_of(failed)
    return RunFailure(
        dag_id=plan.header.dag_id,
        run_id=run.run_id,
        kind=kind,
        failed=tuple(failed),
        by_itself="The batch lies in S3 but is not registered, so that nothing is loaded from it. The object's lock is "
        f"given back. {_NEXT_WINDOW[RunKind.MANUAL]}",
        to_do=_to_do(kind, failed, f"clear {failed[0].task_id}", is_caught_up=False),
        log_uri=log_uri,
        reason=run.reason,
    )


def consumer_failure(
    run: RunIdentity, failed: Sequence[FailedTask], plan: LoadPlan | RefreshPlan, log_uri: str
) -> RunFailure:
    """A load or a refresh that failed for good."""
    kind = kind_of(failed)
    rerun = f"clear {failed[0].task_id}" if isinstance(plan, LoadPlan) else "trigger the DAG"
    return RunFailure(
        dag_id=plan.header.dag_id,
        run_id=run.run_id,
        kind=kind,
        failed=tuple(failed),
        by_itself=_AGAIN[type(plan)],
        to_do=_to_do(kind, failed, rerun, is_caught_up=True),
        log_uri=log_uri,
        reason=run.reason,
    )


def _after_extraction(result: ExtractionResult, plan: ExtractionPlan) -> str:
    if result.request is None:
        return "No window was frozen and no cluster made. " + _NEXT_WINDOW[RunKind.MANUAL]
    window = _NEXT_WINDOW[result.request.window.run_kind]
    if result.manifest is not None:
        window = f"The batch lies in S3 but is not registered. {window}"
    return f"{_cluster(result, plan)} The object's lock is given back. {window}"


def _cluster(result: ExtractionResult, plan: ExtractionPlan) -> str:
    if result.cluster_id is None:
        return "There is no cluster."
    if any(task.is_cause and "terminat" in task.task_id for task in result.failures):
        seconds = plan.context.emr.idle_timeout_seconds
        return f"Cluster {result.cluster_id} may be alive still: EMR ends it after {seconds} seconds without a step."
    if result.used_by:
        return f"Cluster {result.cluster_id} is left to {result.users}; the last of them ends it."
    return f"Cluster {result.cluster_id} is terminated."


def _rerun(result: ExtractionResult) -> str:
    if result.request is None:
        return "clear the whole run"
    if result.manifest is not None:
        first = next((task.task_id for task in result.failures if task.is_cause), "end")
        return f"clear {first} with downstream"
    return CLEAR_REMEDY


def _is_caught_up(result: ExtractionResult) -> bool:
    """Whether another run reads the same window by itself."""
    return result.request is None or result.request.window.run_kind is RunKind.SCHEDULED


def _to_do(kind: FailureKind, failed: Sequence[FailedTask], rerun: str, is_caught_up: bool) -> str:
    told = "; ".join(remedies(failed, kind))
    if kind is FailureKind.NEEDS_A_PERSON:
        first = f"{told}. Then" if told else "Mend the reason above. Then"
        return f"{_capital(first)} {rerun}{', or leave it to the next run' if is_caught_up else ''}."
    now = f"Nothing; to have it sooner, {rerun}." if is_caught_up else f"Once the fault has passed, {rerun}."
    return f"{now} If it comes back: {told}." if told else now


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
