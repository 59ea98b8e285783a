"""What `sfdc_to_s3__<object>` would do, from its plan alone. Pure."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

from idiscover.aws.batch_manifests import refused_key
from idiscover.aws.extraction_run import extraction_request, new_window
from idiscover.cli.planning.dag import airflow_section, document_section, status_key_of_a_run
from idiscover.cli.planning.sections import BATCH_ID, RUN_ID, WATERMARK, Section, as_json, facts
from idiscover.emr.cluster import (
    BOOTSTRAP_SCRIPT,
    REQUIREMENTS,
    fingerprint,
    job_flow_overrides,
    own_cluster_name,
    shared_cluster_name,
)
from idiscover.emr.steps import ENTRY_POINT, LIBRARY, extraction_step
from idiscover.lake.keys import manifest_key, script_prefix, source_prefix
from idiscover.lake.suppression import SUPPRESSION_KEY
from idiscover.notify.mails import recipients
from idiscover.plan.describe import describe_group, describe_quarantine, describe_values
from idiscover.plan.model import BatchContent, ExtractionPlan, ExtractionRequest, ReadMode, RunIdentity, Window
from idiscover.plan.reads import describe_daily_read, describe_read
from idiscover.salesforce.soql import count, datetime_literal, select

# Stand for moments that only a run knows; no window of a run ever has them.
_START, _END = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)
_SHOWN = (
    "schedule", "operation", "columns", "daily_read_mode", "due_every_days", "lookback_minutes", "start", "filter",
    "code_sha",
)  # fmt: skip
_AFTER_ROWS = 4  # where the files of Ids stand among the keys
_START_TEXT, _END_TEXT = "<start>", "<end>"


def extraction_sections(plan: ExtractionPlan, order_date: date | None = None) -> list[Section]:
    """All that a run would send and write.

    Args:
        plan: the extraction.
        order_date: that day's scheduled run, where the day before has been read; None: any run, its window symbolic.
    """
    uri = f"s3://{plan.context.buckets.data}/{_status(plan, 'request')}"
    return [
        Section("reads", _reads(plan, order_date)),
        *_queries(plan, order_date),
        Section("query job", _query_job(plan), "json"),
        *_cluster(plan, uri),
        Section("keys in S3", _keys(plan)),
        Section("mail", _mail(plan)),
        airflow_section(plan, plan.schedule),
        document_section(plan, _SHOWN),
    ]


def window_of(plan: ExtractionPlan, order_date: date | None, read_mode: ReadMode | None = None) -> Window:
    """The window of a scheduled run of `order_date`, its watermark at the day's beginning; symbolic where it is None.

    Args:
        plan: the extraction.
        order_date: the run's.
        read_mode: instead of the one that daily runs have.
    """
    start = datetime.combine(order_date or date(2000, 1, 1), time(), tzinfo=UTC)
    run = RunIdentity(
        dag_id=plan.header.dag_id,
        run_id=RUN_ID,
        run_type="scheduled",
        interval_start_utc=start,
        interval_end_utc=start + timedelta(days=1),
    )
    window = new_window(plan, run, watermark=start, org_now=_END)
    symbols = {} if order_date is not None else {"start_utc": _START, "end_utc": _END}
    return window.model_copy(update={**symbols, "batch_id": BATCH_ID, "read_mode": read_mode or window.read_mode})


def _request(plan: ExtractionPlan, order_date: date | None, read_mode: ReadMode | None = None) -> ExtractionRequest:
    run = RunIdentity(dag_id=plan.header.dag_id, run_id=RUN_ID, run_type="scheduled")
    return extraction_request(plan, run, window_of(plan, order_date, read_mode))


def _reads(plan: ExtractionPlan, order_date: date | None) -> str:
    window = window_of(plan, order_date)
    lookback = f"{WATERMARK} less {plan.lookback_minutes} minutes, not before {_moment(plan.start)}"
    daily = describe_daily_read(plan.daily_read_mode, plan.due_every_days)
    rows = [("read mode", f"{plan.daily_read_mode.value}: {daily}")]
    if order_date is None:
        rows.append(("start", f"{lookback}; before the first batch {_moment(plan.start)}"))
        rows.append(("end", "the end of the order date; at the latest the org's now"))
    else:
        rows.append(("start", f"{_moment(window.start_utc)}: {lookback}, where {order_date} begins"))
        rows.append(("end", f"{_moment(window.end_utc)}, at the latest the org's now"))
    if plan.daily_read_mode is not ReadMode.WINDOW and plan.delta_field is not None:
        rows.append(("backfill, own window", f"{ReadMode.WINDOW.value}: {describe_read(ReadMode.WINDOW)}"))
    if plan.daily_read_mode.tells_absence:
        rows.append(("refused", f"a read that lacks more than {plan.most_gone_percent} % of the Ids of the one before"))
    rows.append(("broken rows", describe_quarantine(plan.extraction)))
    rows.append(("counted", "by COUNT() before and after, the job, its pages, the parser, the files"))
    return facts(rows)


def _queries(plan: ExtractionPlan, order_date: date | None) -> list[Section]:
    """Every query of a daily run; and that of a window, where daily runs ask for something else."""
    request = _request(plan, order_date)
    queries = [("SOQL of rows", select(request)), ("SOQL of COUNT()", count(request))]
    if plan.daily_read_mode is ReadMode.WINDOW_AND_IDS:
        queries.append(("SOQL of Ids", select(request, BatchContent.IDS)))
        queries.append(("SOQL of COUNT() of Ids", count(request, BatchContent.IDS)))
    if plan.daily_read_mode is ReadMode.WHOLE and plan.delta_field is not None:
        windowed = _request(plan, order_date, ReadMode.WINDOW)
        queries.append(("SOQL of rows, of a window", select(windowed)))
        queries.append(("SOQL of COUNT(), of a window", count(windowed)))
    return [Section(title, _symbolic(soql), "soql") for title, soql in queries]


def _symbolic(soql: str) -> str:
    return soql.replace(datetime_literal(_START), _START_TEXT).replace(datetime_literal(_END), _END_TEXT)


def _cluster(plan: ExtractionPlan, request_uri: str) -> list[Section]:
    if plan.cluster_group is None:
        flow, step = job_flow_overrides(plan, own_cluster_name(plan, RUN_ID)), extraction_step(plan, request_uri)
        return [Section("cluster", as_json(flow), "json"), Section("step", as_json(step), "json")]
    name = shared_cluster_name(plan.context.environment, plan.cluster_group, "<number>")
    whose = facts([("cluster_group", describe_group(plan.cluster_group)), ("fingerprint", fingerprint(plan))])
    step = extraction_step(plan, request_uri, f", {RUN_ID}, member <number>")
    return [
        Section("shared cluster", whose),
        Section("cluster", as_json(job_flow_overrides(plan, name)), "json"),
        Section("step", as_json(step), "json"),
    ]


def _query_job(plan: ExtractionPlan) -> str:
    settings = plan.extraction.over(plan.context.salesforce)
    return as_json(
        {
            "api": f"POST /services/data/v{settings.api_version}/jobs/query",
            "operation": plan.operation,
            "page_rows": settings.page_rows,
            "parallel_pages": settings.parallel_pages,
            "rows_per_job": settings.rows_per_job,
            "parallel_jobs": settings.parallel_jobs,
            "job_timeout_minutes": settings.job_timeout_minutes,
            "columns": {column.salesforce: f"{column.column} ({describe_values(column)})" for column in plan.columns},
            "key": plan.key,
        }
    )


def _keys(plan: ExtractionPlan) -> str:
    source, code = source_prefix(plan.object, BATCH_ID), script_prefix(plan.code_sha)
    files = f"{source}part-<page>.csv.gz"
    rows = [
        (code, f"read: {ENTRY_POINT}, {LIBRARY}, {BOOTSTRAP_SCRIPT}, {REQUIREMENTS}"),
        (_status(plan, "request"), "what the step is told"),
        (_status(plan, "extract"), "what the step says of itself"),
        (files, "rows: header line, values quoted, null empty"),
        (manifest_key(source), "written last: without it there is no batch"),
        (refused_key(source), "beside it, if a load refuses the batch; instead of it, if `end` does"),
        (_status(plan, "send_email_cluster_start"), "what became of the first mail"),
        (_status(plan, "send_email_cluster_termination"), "and of the last"),
        (_status(plan, "end"), "the batch, as it was registered"),
        (_status(plan, "failure"), "if the run fails for good"),
        (_status(plan, "dry_run"), "of a dry run, instead of all others"),
        (f"{plan.context.emr.log_prefix.strip('/')}/<cluster>/", "EMR's logs"),
    ]
    if plan.daily_read_mode is ReadMode.WINDOW_AND_IDS:
        rows.insert(_AFTER_ROWS, (f"{source}ids-<page>.csv.gz", f"the {plan.key} of every record"))
    if plan.context.secrets.erasure is not None:
        rows.insert(1, (SUPPRESSION_KEY, "read: hashes of the Ids of records that were erased, and are left out"))
    return facts([("bucket", plan.context.buckets.data), *rows])


def _status(plan: ExtractionPlan, step: str) -> str:
    return status_key_of_a_run(plan.header.dag_id, step)


def _mail(plan: ExtractionPlan) -> str:
    when = "before the cluster is created, and once it is gone"
    return facts([("from", plan.context.mail.sender), ("to", ", ".join(recipients(plan))), ("when", when)])


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
