"""`publish_dags`: edits of the metadata in the bucket reach Airflow without a deploy.

One short task. It finds the environment as Airflow's Variable `dna_env_variables` says; the plan beside the DAG files
is only what has to be known when the file is parsed: the schedule, and whom to tell if the context cannot be read.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.sdk import DAG, Param, Variable, get_current_context, task

from idiscover.errors import ConfigError
from idiscover.metadata.models import Owner
from idiscover.orchestration.dag_settings import run_arguments
from idiscover.orchestration.errors import failure_recorded, own_failure
from idiscover.orchestration.identity import plain_identity
from idiscover.plan.publish import PUBLISH_DAG_ID, PublishPlan

if TYPE_CHECKING:
    from airflow.sdk import Context

    from idiscover.aws.publishing import EnsurePools, PublishReport
    from idiscover.metadata.models import Context as Environment

log = logging.getLogger(__name__)

VARIABLE = "dna_env_variables"
ALLOW_DELETIONS = "allow_deletions"

_DOC = """Publishes edits of `metadata/` and `context/` in the bucket: validates, compiles, and writes the DAG files
that differ. A run that finds no new version does nothing; one that is started by hand compares every file.

A faulty edit is refused: the DAGs made from its file stay as they are, get the tag `edit refused`, and say at the top
of their documentation what is wrong. Its owner gets one mail; all other edits are published.
"""


def build(plan_path: Path) -> DAG:
    """The DAG; `plan_path` is its plan, which compiling writes beside the generated files."""
    plan = PublishPlan.model_validate_json(plan_path.read_bytes())
    owner = Owner(name="idiscover", email=plan.context.mail.recipients[0])
    dag = DAG(
        dag_id=PUBLISH_DAG_ID,
        description="Brings edits of the metadata in the bucket to the DAGs",
        doc_md=_DOC,
        tags=["platform", plan.context.environment],
        schedule=plan.context.airflow.publish_schedule,
        max_active_runs=1,
        params={
            ALLOW_DELETIONS: Param(
                False, type="boolean", description="Take DAGs away whose files were deleted, however many they are."
            )
        },
        **run_arguments(owner, plan.context.airflow),
    )

    @task(task_id="publish", on_failure_callback=lambda context: _after_failure(plan, context))
    def publish_edits() -> dict[str, Any]:
        """What was published, in numbers and paths."""
        from idiscover.aws.publishing import publish

        context = get_current_context()
        with failure_recorded(context):
            report = publish(
                _context_uri(),
                plan.context.region,
                _ensure_pools,
                even_if_unchanged=plain_identity(context).run_type == "manual",
                allow_deletions=bool(context["params"].get(ALLOW_DELETIONS)),
            )
        told = _told(report)
        if not report.is_unchanged:
            _write_status(plan, context, told)
        return told

    with dag:
        publish_edits()
    return dag


def _context_uri() -> str:
    try:
        return str(json.loads(Variable.get(VARIABLE))["context_uri"])
    except Exception as error:  # Airflow's own error where there is no such Variable
        raise ConfigError(
            "the environment is not told",
            where=f"Airflow's Variable {VARIABLE}",
            got=str(error),
            expected='JSON such as {"environment": "prod", "context_uri": "s3://<bucket>/context/prod.yaml"}',
            remedy="create it in Secrets Manager, or in Airflow",
        ) from error


def _ensure_pools(context: Environment) -> EnsurePools:
    from idiscover.aws.airflow_rest import AirflowRest

    return AirflowRest(context).ensure_pools


def _told(report: PublishReport) -> dict[str, Any]:
    for text in (line for item in report.new_fields for line in item.lines()):
        log.info("%s", text)
    if report.is_unchanged:
        log.info("no version has changed: nothing to publish")
        return {"unchanged": True}
    log.info("edits: %s", ", ".join(report.edits) or "none")
    for edit in report.refused:
        log.warning("refused: metadata/%s\n%s", edit.path, "\n".join(str(problem) for problem in edit.problems))
    for text in report.warnings:
        log.warning("%s", text)
    log.info(report.files.text(dry_run=False))
    return {
        "unchanged": False,
        "edits": list(report.edits),
        "refused": [edit.path for edit in report.refused],
        "mended": list(report.mended),
        "taken_up": {item.object: list(item.taken) for item in report.new_fields},
        "written": report.files.written,
        "deleted": report.files.deleted,
        "warnings": report.warnings,
    }


def _write_status(plan: PublishPlan, context: Context, told: dict[str, Any]) -> None:
    """What this run has done, for those who look later; one that did nothing leaves no document."""
    from idiscover.aws.s3 import Bucket
    from idiscover.lake.keys import status_key

    run = plain_identity(context)
    bucket = Bucket(plan.context.buckets.data, plan.context.region)
    bucket.write_text(
        status_key(run.dag_id, run.run_id, "publish"),
        json.dumps({"dag_id": run.dag_id, "run_id": run.run_id, "state": "succeeded", **told}, indent=2),
    )


def _after_failure(plan: PublishPlan, context: Context) -> None:
    """One mail per failure, not one every few minutes; never raises."""
    from idiscover.aws.mailing import send_or_warn
    from idiscover.aws.publishing import is_news
    from idiscover.notify.edits import failed_publication_mail

    try:
        failed, run = own_failure(context), context["dag_run"]
        if is_news(plan.context, failed.message):
            log_uri = context["ti"].log_url
            mail = failed_publication_mail(failed, run.dag_id, run.run_id, plan.context.environment, log_uri)
            send_or_warn(mail, plan.context, [])
    except Exception:
        log.warning("could not tell of the failure", exc_info=True)
