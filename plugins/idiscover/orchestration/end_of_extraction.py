"""`end` of an extraction: the batch is registered and announced, or the run is red."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from airflow.sdk import Asset, BaseOperator
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from idiscover.errors import FatalError
from idiscover.orchestration.errors import failure_recorded
from idiscover.orchestration.identity import is_dry_run, run_identity
from idiscover.orchestration.run_states import START_MAIL, faults, task_states
from idiscover.plan.model import ExtractionPlan

if TYPE_CHECKING:
    from airflow.sdk import Context


class EndOfExtraction(BaseOperator):
    """Fails the run if any task failed; else registers the batch, which the outlet's asset event announces."""

    def __init__(self, *, plan: ExtractionPlan, **kwargs: Any) -> None:
        super().__init__(outlets=[Asset(plan.header.outlet)], **kwargs)
        self.plan = plan

    def execute(self, context: Context) -> dict[str, Any]:
        """Returns the registered batch's id, rows and bytes."""
        from idiscover.aws.extraction_run import close_extraction

        if is_dry_run(context):
            _end_dry_run(context)
        with failure_recorded(context):
            wrong = faults(task_states(context))
            if wrong:
                named = ", ".join(f"{task} is {state}" for task, state in wrong.items())
                raise FatalError("no batch is registered", got=named, remedy="see the first task named")
            manifest = close_extraction(self.plan, run_identity(context))
        summary = {"batch_id": manifest.batch_id, "rows": manifest.rows, "bytes": manifest.bytes}
        context["outlet_events"][Asset(self.plan.header.outlet)].extra = summary
        return summary


def _end_dry_run(context: Context) -> NoReturn:
    """Reached where the first task failed, or where somebody has cleared this one."""
    if task_states(context).get(START_MAIL) == "success":
        raise AirflowSkipException("a dry run registers nothing")
    raise AirflowFailException(f"the dry run failed; see the log of {START_MAIL}")
