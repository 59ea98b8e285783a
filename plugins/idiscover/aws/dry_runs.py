"""What a run would do now, told without doing any of it: nothing is frozen, claimed, read, copied or called.

Each function answers with a JSON document; `told` makes lines of it. What they ask (the org for its time and COUNT(),
the job metadata, the warehouse for stale slices) changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from idiscover.aws.extraction_run import extraction_request, new_window, org_session
from idiscover.aws.job_metadata import open_job_metadata
from idiscover.aws.job_metadata_batches import PENDING, batches, order_date_of_every_id
from idiscover.aws.job_metadata_claims import previewed_claim
from idiscover.aws.job_metadata_windows import run_in_the_way, watermark
from idiscover.aws.refresher import current_statements, find_units
from idiscover.aws.s3 import Bucket
from idiscover.aws.schema_drift import look_at_org
from idiscover.lake.keys import manifest_key, status_key
from idiscover.plan.describe import describe_cluster
from idiscover.plan.model import (
    BatchContent,
    ExtractionPlan,
    ExtractionRequest,
    LoadPlan,
    ReadMode,
    RefreshPlan,
    RunIdentity,
    Window,
)
from idiscover.plan.reads import describe_read
from idiscover.salesforce import soql
from idiscover.salesforce.counting import count_records
from idiscover.salesforce.session import SalesforceSession

Document = dict[str, Any]
DRY_RUN_STEP = "dry_run"


def preview(plan: ExtractionPlan | LoadPlan | RefreshPlan, run: RunIdentity) -> Document:
    """What the run would do, whatever its family; `summary` says it in a line."""
    if isinstance(plan, ExtractionPlan):
        return preview_extraction(plan, run)
    return preview_load(plan) if isinstance(plan, LoadPlan) else preview_refresh(plan, run)


def preview_extraction(plan: ExtractionPlan, run: RunIdentity) -> Document:
    """Window, queries with the org's COUNT() of each, keys, and who is in the way.

    Raises:
        ConfigError: the parameters ask for what the object cannot give, or the org refuses the query.
    """
    session = org_session(plan)
    drift = look_at_org(plan, session).drift
    drift.require_readable(plan)
    with open_job_metadata(plan.context) as metadata:
        mark = watermark(metadata, plan.object)
        last = order_date_of_every_id(metadata, plan.object) if plan.due_every_days > 1 else None
        window = new_window(plan, run, mark, session.org_now().astimezone(UTC), last)
        in_the_way = run_in_the_way(metadata, window, run.run_type)
    request = extraction_request(plan, run, window)
    queries = [_query(session, request, content) for content in _contents(window)]
    rows = sum(query["count"] for query in queries if query["content"] == BatchContent.ROWS.value)
    return {
        "summary": f"would read {rows:,} records of {plan.salesforce_object}: {describe_read(window.read_mode)}",
        "run_kind": window.run_kind.value,
        "order_date": window.order_date.isoformat(),
        "window_start_utc": window.start_utc.isoformat(),
        "window_end_utc": window.end_utc.isoformat(),
        "read_mode": window.read_mode.value,
        "countries": list(window.countries),
        "watermark_utc": None if mark is None else mark.isoformat(),
        "watermark_after_utc": _watermark_after(plan, window, mark).isoformat(),
        "queries": queries,
        "batch_id": window.batch_id,
        "keys": [f"{request.target_prefix}part-*.csv.gz", manifest_key(request.target_prefix)],
        "cluster": describe_cluster(plan),
        "waits_for": in_the_way,
        "in_the_org": list(drift.news),
        "would_be_taken_up": list(drift.taken),
    }


def _contents(window: Window) -> list[BatchContent]:
    reads_rows = window.read_mode is ReadMode.WHOLE or not window.is_empty
    reads_ids = window.read_mode is ReadMode.WINDOW_AND_IDS
    return [BatchContent.ROWS] * reads_rows + [BatchContent.IDS] * reads_ids


def _query(session: SalesforceSession, request: ExtractionRequest, content: BatchContent) -> Document:
    return {
        "content": content.value,
        "operation": request.operation,
        "soql": soql.select(request, content),
        "count": count_records(session, request, content),
    }


def _watermark_after(plan: ExtractionPlan, window: Window, mark: datetime | None) -> datetime:
    """As `job_metadata_windows.move_watermark` would move it."""
    standing = mark or plan.start
    moves = not window.countries and window.start_utc <= standing < window.end_utc
    return window.end_utc if moves else standing


def preview_load(plan: LoadPlan) -> Document:
    """The pending batches, with their rows, Ids and bytes."""
    with open_job_metadata(plan.context) as metadata:
        pending = batches(metadata, plan.object, PENDING)
    rows, size = sum(batch.rows for batch in pending), sum(batch.bytes for batch in pending)
    return {
        "summary": f"would copy {len(pending)} batches, {rows:,} rows, {size:,} bytes into {plan.table}",
        "batches": [
            {
                "batch_id": batch.batch_id,
                "run_kind": batch.run_kind.value,
                "order_date": batch.order_date.isoformat(),
                "rows": batch.rows,
                "ids": batch.ids,
                "bytes": batch.bytes,
                "manifest": batch.manifest_key,
            }
            for batch in pending
        ],
        "rows": rows,
        "bytes": size,
    }


def preview_refresh(plan: RefreshPlan, run: RunIdentity) -> Document:
    """What would be claimed, which units of countries would be called, and with which statements.

    Raises:
        ConfigError: slices are named of a table that has never been refreshed.
    """
    statements = current_statements(plan)
    with open_job_metadata(plan.context) as metadata:
        found = previewed_claim(metadata, plan, statements, of_slices=bool(run.countries))
    document: Document = {
        "summary": f"would do nothing: nothing is ready for {plan.table}",
        "units": [],
        "claims": [],
        "statements": list(statements.texts),
        "metadata_version": statements.metadata_version,
        "refused_edit": statements.fault,
        "checks": [f"{check.label} ({check.severity})" for check in plan.checks],
    }
    if found is None:
        return document
    claim, pairs, marks = found
    units = find_units(plan, run, claim, marks)
    countries = sum(len(unit) for unit in units)
    return {
        **document,
        "summary": f"would call {countries} countries of {plan.table}, in {len(units)} transactions",
        "run_kind": claim.run_kind.value,
        "order_date": claim.order_date.isoformat(),
        "as_of_date": claim.as_of_date.isoformat(),
        "units": units,
        "claims": [{"run_kind": kind.value, "order_date": day.isoformat()} for kind, day in pairs],
        "marks": 0 if run.countries else len(marks),
    }


def record(plan: ExtractionPlan | LoadPlan | RefreshPlan, run: RunIdentity, document: Document) -> None:
    """Writes it to `status/<dag_id>/<run_id>/dry_run.json`. Not into job.step_log: it is no step that ran."""
    content = json.dumps(document, indent=2, ensure_ascii=False)
    bucket = Bucket(plan.context.buckets.data, plan.context.region)
    bucket.write_text(status_key(run.dag_id, run.run_id, DRY_RUN_STEP), content)


def told(document: Mapping[str, Any]) -> list[str]:
    """The document as lines for people: a list's items one below the other."""
    lines = ["DRY RUN: nothing was done", str(document["summary"])]
    for name, value in document.items():
        if name == "summary" or value is None:
            continue
        if not isinstance(value, list):
            lines.append(f"{name}: {value}")
            continue
        lines.append(f"{name}: {'none' if not value else ''}".rstrip())
        lines += [f"  {_item(item)}" for item in value]
    return lines


def _item(item: object) -> str:
    if isinstance(item, dict):
        return ", ".join(f"{name} {value}" for name, value in item.items() if value is not None)
    return "+".join(map(str, item)) if isinstance(item, list) else str(item)
