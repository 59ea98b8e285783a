"""Runs that only tell what they would do: the first task tells, all others are skipped, the run is green."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from airflow.sdk.exceptions import AirflowSkipException

from idiscover.orchestration.identity import is_dry_run

if TYPE_CHECKING:
    from airflow.sdk import Context

    from idiscover.plan.model import ExtractionPlan, LoadPlan, RefreshPlan, RunIdentity

log = logging.getLogger(__name__)

DRY_RUN_KEY = "dry_run"  # XCom of the first task: what would have been done
_NOTE_LENGTH = 1000  # characters; Airflow takes no more


def tell(plan: ExtractionPlan | LoadPlan | RefreshPlan, run: RunIdentity, context: Context) -> None:
    """Logs and pushes to XCom what the run would do, and writes it in a line beside the run.

    Raises:
        IdiscoverError: what the run would raise: a dry run finds wrong parameters and missing rights too.
    """
    from idiscover.aws.dry_runs import preview, record, told

    document = preview(plan, run)
    record(plan, run, document)
    for line in told(document):
        log.info("%s", line)
    context["ti"].xcom_push(key=DRY_RUN_KEY, value=document)
    _note(plan, run, f"DRY RUN: nothing was done. {document['summary']}")


def _note(plan: ExtractionPlan | LoadPlan | RefreshPlan, run: RunIdentity, text: str) -> None:
    """Never raises: the environment may not be allowed to call its own REST API, and log and XCom say the same."""
    from idiscover.aws.airflow_rest import AirflowRest

    try:
        AirflowRest(plan.context).set_note(run.dag_id, run.run_id, text[:_NOTE_LENGTH])
    except Exception as error:
        log.warning("the run could not be given a note: %s", error)


def skip_in_dry_run(context: Context) -> None:
    """For every task but the first.

    Raises:
        AirflowSkipException: the run is a dry run.
    """
    if is_dry_run(context):
        raise AirflowSkipException("a dry run does nothing more")
