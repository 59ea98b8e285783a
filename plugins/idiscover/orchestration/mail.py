"""Sends mails through SES, and builds the two that frame an extraction."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.providers.amazon.aws.hooks.ses import SesHook
from airflow.providers.amazon.aws.operators.ses import SesEmailOperator
from airflow.sdk.exceptions import DownstreamTasksSkipped

from idiscover.lake.keys import archive_prefix, manifest_key, status_key
from idiscover.lake.manifest import BatchManifest
from idiscover.notify.mails import Mail, as_message, extraction_failure_mail, recipients, start_mail, success_mail
from idiscover.notify.run_failures import ExtractionResult, extraction_failure
from idiscover.orchestration.dry_run import skip_in_dry_run, tell
from idiscover.orchestration.errors import failed_task, failure_recorded
from idiscover.orchestration.identity import check_conf, plain_identity, run_identity
from idiscover.orchestration.membership import member_of, others_of
from idiscover.orchestration.run_states import ADD_STEPS, CHAIN, CREATE, START_MAIL, faults, task_states
from idiscover.plan.model import ExtractionPlan, ExtractionRequest, LoadPlan, RefreshPlan, RunIdentity

if TYPE_CHECKING:
    from airflow.sdk import Context

    from idiscover.notify.failures import RunFailure

log = logging.getLogger(__name__)

REQUEST_KEY = "request"  # XCom: the ExtractionRequest as JSON
REQUEST_URI_KEY = "request_uri"  # XCom: where it lies in S3


def send(mail: Mail, plan: ExtractionPlan | LoadPlan | RefreshPlan, hook: SesHook | None = None) -> str:
    """Sends `mail`, text and HTML, to the plan's recipients; returns SES's message id. Raises what SES raises."""
    to = recipients(plan)
    message = as_message(mail, plan.context.mail.sender, to)
    client = (hook or SesHook(aws_conn_id=None, region_name=plan.context.region)).conn
    response = client.send_raw_email(
        Source=plan.context.mail.sender, Destinations=list(to), RawMessage={"Data": message.as_bytes()}
    )
    return str(response["MessageId"])


class ExtractionMailOperator(SesEmailOperator):
    """A mail of one extraction. One that cannot be sent is a warning in log and status, never a stop.

    The provider's operator would send HTML only, and would render whatever Jinja a reason of a failure holds; subject
    and body are made when the task runs.
    """

    def __init__(self, *, plan: ExtractionPlan, **kwargs: Any) -> None:
        super().__init__(
            mail_from=plan.context.mail.sender,
            to=list(recipients(plan)),
            subject="",
            html_content="",
            aws_conn_id=None,
            region_name=plan.context.region,
            **kwargs,
        )
        self.plan = plan

    def send_or_warn(self, mail: Mail, run: RunIdentity) -> dict[str, str]:
        """Sends `mail`; says in log and `status/<dag_id>/<run_id>/<task>.json` how that went."""
        document = {"subject": mail.subject, "at_utc": datetime.now(UTC).isoformat()}
        try:
            document |= {"state": "sent", "message_id": send(mail, self.plan, self.hook)}
            self.log.info("sent %r to %s", mail.subject, ", ".join(recipients(self.plan)))
        except Exception as error:
            document |= {"state": "warning", "warning": f"the mail could not be sent: {error}"}
            self.log.warning("the mail %r could not be sent; the run goes on", mail.subject, exc_info=True)
        self._write_status(run, document)
        return document

    def _write_status(self, run: RunIdentity, document: dict[str, str]) -> None:
        from idiscover.aws.step_log import write_status

        try:
            write_status(self.plan, run, self.task_id, document)
        except Exception:
            self.log.warning("the status document could not be written", exc_info=True)


class StartMailOperator(ExtractionMailOperator):
    """Looks at the object in the org, freezes the window, writes the request, and says what is about to run."""

    def execute(self, context: Context) -> dict[str, str]:
        """Pushes the request and its address to XCom; returns what became of the mail."""
        from idiscover.aws.cluster_groups import announce
        from idiscover.aws.extraction_run import open_extraction
        from idiscover.aws.schema_drift import check_schema

        with failure_recorded(context):
            check_conf(context)
            run = run_identity(context)
            if run.dry_run:
                tell(self.plan, run, context)
                raise DownstreamTasksSkipped(tasks=[task for task in CHAIN if task != self.task_id])
            drift = check_schema(self.plan)
            request = open_extraction(self.plan, run)
            announce(self.plan, run)
        for line in drift.news:
            self.log.warning("in the org: %s", line)
        for name in drift.taken:
            self.log.info("new in the org, and taken up by publish_dags: %s", name)
        ti = context["ti"]
        ti.xcom_push(key=REQUEST_KEY, value=request.model_dump(mode="json"))
        ti.xcom_push(key=REQUEST_URI_KEY, value=request_uri(request, run))
        return self.send_or_warn(start_mail(request, self.plan, drift.news, drift.taken), run)


class ClosingMailOperator(ExtractionMailOperator):
    """Says how the extraction ended, when its cluster is gone."""

    def execute(self, context: Context) -> dict[str, str]:
        """Returns what became of the mail."""
        skip_in_dry_run(context)
        result = extraction_result(self.plan, context)
        if not result.is_failure:
            return self.send_or_warn(success_mail(result, self.plan), result.run)
        failure = extraction_failure(result, self.plan)
        sent = self.send_or_warn(extraction_failure_mail(failure, result, self.plan), result.run)
        self._write_failure(result.run, failure)
        return sent

    def _write_failure(self, run: RunIdentity, failure: RunFailure) -> None:
        from idiscover.aws.step_log import write_run_failure

        try:
            write_run_failure(self.plan, run, failure)
        except Exception:
            self.log.warning("the failure's status could not be written", exc_info=True)


def extraction_result(plan: ExtractionPlan, context: Context) -> ExtractionResult:
    """What can be told of an extraction once its cluster is gone."""
    request = pulled_request(context)
    cluster_id = _cluster_id(context)
    return ExtractionResult(
        run=plain_identity(context),
        request=request,
        manifest=None if request is None else _manifest(request),
        failures=tuple(failed_task(context, task, state) for task, state in faults(task_states(context)).items()),
        cluster_id=cluster_id,
        is_shared=member_of(context) is not None,
        used_by=others_of(context),
        duration_seconds=_seconds_since_start_mail(context),
        log_uri=log_uri(plan, cluster_id, _step_id(context)),
    )


def _manifest(request: ExtractionRequest) -> BatchManifest | None:
    from idiscover.aws.s3 import Bucket

    # a run that is cleared long after may find its batch in archive/ already
    folders = (request.target_prefix, archive_prefix(request.object, request.window.batch_id))
    try:
        bucket = Bucket(request.data_bucket, request.region)
        keys = [key for key in map(manifest_key, folders) if bucket.exists(key)]
        return BatchManifest.model_validate_json(bucket.read_text(keys[0])) if keys else None
    except Exception:
        log.warning("the manifest of %s could not be read", request.window.batch_id, exc_info=True)
        return None


def request_uri(request: ExtractionRequest, run: RunIdentity) -> str:
    """Where `open_extraction` has written the request."""
    return f"s3://{request.data_bucket}/{status_key(run.dag_id, run.run_id, 'request')}"


def pulled_request(context: Context) -> ExtractionRequest | None:
    """The request that the start mail's task froze; None if it did not get that far."""
    value = context["ti"].xcom_pull(task_ids=START_MAIL, key=REQUEST_KEY)
    return None if value is None else ExtractionRequest.model_validate(value)


def log_uri(plan: ExtractionPlan, cluster_id: str | None, step_id: str | None) -> str:
    """Folder of the step's log, or as much of it as is known."""
    base = f"s3://{plan.context.buckets.data}/{plan.context.emr.log_prefix.strip('/')}/"
    if cluster_id is None:
        return base
    return f"{base}{cluster_id}/" + (f"steps/{step_id}/" if step_id else "")


def _cluster_id(context: Context) -> str | None:
    pushed: Mapping[str, str] | None = context["ti"].xcom_pull(task_ids=CREATE, key="emr_cluster")
    return pushed["job_flow_id"] if pushed else None


def _step_id(context: Context) -> str | None:
    ids = context["ti"].xcom_pull(task_ids=ADD_STEPS)
    return str(ids[0]) if ids else None


def _seconds_since_start_mail(context: Context) -> float | None:
    """Wall time since the run announced itself; the run's own start would count the wait for a slot in."""
    document: Mapping[str, str] | None = context["ti"].xcom_pull(task_ids=START_MAIL)
    if not document:
        return None
    return (datetime.now(UTC) - datetime.fromisoformat(document["at_utc"])).total_seconds()
