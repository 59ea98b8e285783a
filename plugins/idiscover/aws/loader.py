"""One load: all pending batches of an object by one COPY into stg, counted against their manifests.

The ledger stg.batch_load is written in COPY's own transaction, so a batch is in stg exactly if the ledger has it. A task
killed after the commit finds it there on its next try, and copies nothing twice.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import psycopg2

from idiscover.aws.job_metadata import BatchRow, open_job_metadata
from idiscover.aws.redshift import transaction
from idiscover.aws.s3 import Bucket
from idiscover.aws.step_log import write_status
from idiscover.errors import DataQualityError
from idiscover.lake.keys import status_key
from idiscover.lake.manifest import BatchManifest
from idiscover.plan.model import LoadPlan, RunIdentity
from idiscover.warehouse.copy import copy_manifest, copy_sql

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor

log = logging.getLogger(__name__)

_SHOWN_ERRORS = 10


def copy_pending(plan: LoadPlan, run: RunIdentity) -> dict[str, Any]:
    """Copies every pending batch that the ledger does not have.

    Returns:
        `batches`, `copied` (ids), `rows`, `bytes`.

    Raises:
        DataQualityError: a row cannot be loaded, or counts differ; nothing is loaded then.
        RetriableError: the transaction lost against another.
    """
    bucket = Bucket(plan.context.buckets.data, plan.context.region)
    with open_job_metadata(plan.context) as metadata:
        pending = metadata.batches(plan.object, "pending")
    manifests = {batch.batch_id: _manifest(bucket, batch) for batch in pending if batch.rows}
    copied: list[str] = []
    if manifests:
        with transaction(plan.context.secrets.redshift, plan.context.region) as cursor:
            # two loads of one object would both find the ledger without the batch
            cursor.execute(f"lock {plan.table}")
            known = _ledger(cursor, list(manifests))
            copied = sorted(set(manifests) - set(known))
            if copied:
                _copy(plan, run, bucket, cursor, [manifests[batch_id] for batch_id in copied])
    result = {
        "batches": [batch.batch_id for batch in pending],
        "copied": copied,
        "rows": sum(manifests[batch_id].rows for batch_id in copied),
        "bytes": sum(manifests[batch_id].bytes for batch_id in copied),
    }
    write_status(plan, run, "copy", result)
    return result


def reconcile(plan: LoadPlan, run: RunIdentity) -> dict[str, Any]:
    """Compares manifest, ledger and stg anew, for each pending batch.

    Raises:
        DataQualityError: names batch and counts.
    """
    bucket = Bucket(plan.context.buckets.data, plan.context.region)
    with open_job_metadata(plan.context) as metadata:
        pending = [batch for batch in metadata.batches(plan.object, "pending") if batch.rows]
    counts: dict[str, dict[str, int]] = {}
    if pending:
        ids = [batch.batch_id for batch in pending]
        with transaction(plan.context.secrets.redshift, plan.context.region) as cursor:
            ledger, staged = _ledger(cursor, ids), _staged(cursor, plan.table, ids)
        for batch in pending:
            if batch.batch_id in ledger:  # registered after this run's COPY: the next run's business
                counts[batch.batch_id] = {
                    "manifest": _manifest(bucket, batch).rows,
                    "job metadata": batch.rows,
                    "ledger": ledger[batch.batch_id],
                    "stg": staged.get(batch.batch_id, 0),
                }
    for batch_id, numbers in counts.items():
        _require_equal(batch_id, numbers)
    write_status(plan, run, "reconcile", {"counts": counts})
    return {"batches": sorted(counts)}


def finish_load(plan: LoadPlan, run: RunIdentity) -> dict[str, Any]:
    """Batches that the ledger has, and empty ones, become loaded and arrive at the consumers."""
    with open_job_metadata(plan.context) as metadata:
        pending = metadata.batches(plan.object, "pending")
        with_rows = [batch.batch_id for batch in pending if batch.rows]
        ledger: dict[str, int] = {}
        if with_rows:
            with transaction(plan.context.secrets.redshift, plan.context.region) as cursor:
                ledger = _ledger(cursor, with_rows)
        loaded = [batch for batch in pending if not batch.rows or batch.batch_id in ledger]
        metadata.mark_loaded(plan.table, loaded, plan.consumers)
    result = {"loaded": [batch.batch_id for batch in loaded], "rows": sum(batch.rows for batch in loaded)}
    write_status(plan, run, "end", result)
    return result


def _copy(plan: LoadPlan, run: RunIdentity, bucket: Bucket, cursor: Cursor, manifests: Sequence[BatchManifest]) -> None:
    """COPY, counts, ledger; the caller's transaction holds all three or none."""
    key = status_key(run.dag_id, run.run_id, "copy_manifest")
    for manifest in manifests:
        _require_columns(plan, manifest)
    files = [(bucket.uri(file.key), file.bytes) for manifest in manifests for file in manifest.files]
    bucket.write_text(key, json.dumps(copy_manifest(files), indent=2))
    settings = plan.context.redshift
    sql = copy_sql(plan.table, plan.columns, bucket.uri(key), settings.copy_role_arn, plan.context.region)
    log.info("COPY of %d files from %d batches into %s", len(files), len(manifests), plan.table)
    try:
        cursor.execute(sql)
    except psycopg2.DatabaseError as error:
        raise _explained(plan, error) from error
    cursor.execute("select pg_last_copy_count()")
    numbers = {"COPY": cursor.fetchone()[0], "manifests": sum(manifest.rows for manifest in manifests)}
    _require_equal(f"COPY into {plan.table}", numbers)
    staged = _staged(cursor, plan.table, [manifest.batch_id for manifest in manifests])
    for manifest in manifests:
        _require_equal(manifest.batch_id, {"manifest": manifest.rows, "stg": staged.get(manifest.batch_id, 0)})
        cursor.execute(
            'insert into stg.batch_load (batch_id, object, "rows", run_id, loaded_at_utc)'
            " values (%s, %s, %s, %s, getdate())",
            [manifest.batch_id, plan.object, manifest.rows, run.run_id],
        )


def _explained(plan: LoadPlan, error: psycopg2.DatabaseError) -> Exception:
    """The load error with what stl_load_errors says of it; the error itself where that says nothing."""
    if "stl_load_errors" not in str(error):
        return error
    with transaction(plan.context.secrets.redshift, plan.context.region) as cursor:
        cursor.execute(
            "select trim(filename), line_number, trim(colname), trim(err_reason) from stl_load_errors"
            f" order by starttime desc, line_number limit {_SHOWN_ERRORS:d}"
        )
        rows = cursor.fetchall()
    # the value itself may be personal, and this text goes into logs and mails
    shown = "; ".join(f"{name} line {line}, column {column}: {reason}" for name, line, column, reason in rows)
    return DataQualityError(
        "COPY refuses rows; nothing was loaded",
        where=plan.table,
        got=shown or str(error).strip(),
        expected="values that fit the columns of the metadata",
        remedy="see stl_load_errors for the values; correct the field's type or length in metadata, or the record",
    )


def _manifest(bucket: Bucket, batch: BatchRow) -> BatchManifest:
    return BatchManifest.model_validate_json(bucket.read_text(batch.manifest_key))


def _require_columns(plan: LoadPlan, manifest: BatchManifest) -> None:
    if manifest.columns != plan.columns:
        raise DataQualityError(
            "a batch has other columns than stg",
            where=manifest.batch_id,
            got=", ".join(manifest.columns),
            expected=", ".join(plan.columns),
            remedy="the metadata changed between extraction and load: extract the window again",
        )


def _require_equal(where: str, numbers: dict[str, int]) -> None:
    if len(set(numbers.values())) > 1:
        raise DataQualityError(
            "row counts of the load differ",
            where=where,
            got=", ".join(f"{name} {count}" for name, count in numbers.items()),
            expected="the same number everywhere",
        )


def _ledger(cursor: Cursor, batch_ids: Sequence[str]) -> dict[str, int]:
    """Rows per batch that the ledger has."""
    cursor.execute('select batch_id, "rows" from stg.batch_load where batch_id in %s', [tuple(batch_ids)])
    return dict(cursor.fetchall())


def _staged(cursor: Cursor, table: str, batch_ids: Sequence[str]) -> dict[str, int]:
    """Rows per batch that stand in stg."""
    cursor.execute(
        f"select _batch_id, count(*) from {table} where _batch_id in %s group by _batch_id", [tuple(batch_ids)]
    )
    return dict(cursor.fetchall())
