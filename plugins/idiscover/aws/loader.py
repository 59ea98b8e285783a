"""One load: all pending batches of an object by one COPY into stg, counted against their manifests.

The ledger stg.batch_load is written in COPY's own transaction, so a batch is in stg exactly if the ledger has it (or it
has moved on to itg since). A task killed before the commit has done nothing; killed after it, its next try finds the
batch in the ledger and copies nothing twice. Only then does job metadata call the batch loaded.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg2
from psycopg2.extensions import cursor as Cursor

from idiscover.aws import postgres
from idiscover.aws.batch_manifests import mark_refused, read_again, read_manifest
from idiscover.aws.job_metadata import open_job_metadata
from idiscover.aws.job_metadata_batches import PENDING, BatchRow, batches, mark_loaded
from idiscover.aws.redshift import run_transaction, transaction
from idiscover.aws.s3 import Bucket
from idiscover.aws.step_log import logged_step
from idiscover.errors import DataQualityError, RetriableError
from idiscover.lake.keys import source_prefix, status_key
from idiscover.lake.manifest import BatchManifest
from idiscover.plan.model import LoadPlan, RunIdentity
from idiscover.warehouse.copy import copy_manifest, copy_sql

log = logging.getLogger(__name__)

_SHOWN_ERRORS = 10
_LOAD_ERROR_TABLES = ("stl_load_errors", "sys_load_error_detail")  # one of them is in the message of a refused COPY


def copy_pending(plan: LoadPlan, run: RunIdentity) -> dict[str, Any]:
    """Copies every pending batch that the ledger does not have.

    Returns:
        `batches`, `copied` (ids), `rows`, `bytes`.

    Raises:
        DataQualityError: a row cannot be loaded, or counts differ; nothing is loaded then.
        RetriableError: the transaction lost against another.
    """
    with logged_step(plan, run, "copy") as result:
        pending = _pending(plan)
        with_rows = [batch for batch in pending if batch.rows]  # an empty batch needs no COPY
        copied = _copy_missing(plan, run, with_rows) if with_rows else []
        result |= {
            "batches": [batch.batch_id for batch in pending],
            "copied": [manifest.batch_id for manifest in copied],
            "rows": sum(manifest.rows for manifest in copied),
            "bytes": sum(manifest.bytes for manifest in copied),
        }
    return result


def reconcile(plan: LoadPlan, run: RunIdentity) -> dict[str, Any]:
    """Compares manifest, job metadata, ledger and stg anew, for each pending batch.

    Returns:
        `batches`: their ids.

    Raises:
        DataQualityError: names batch and counts.
    """
    with logged_step(plan, run, "reconcile") as result:
        pending = [batch for batch in _pending(plan) if batch.rows]
        bucket = Bucket(plan.context.buckets.data, plan.context.region)
        ledger, staged = _loaded_rows(plan, pending)
        # one that came after this run's COPY is not in the ledger, and the next run's business
        counts = {
            batch.batch_id: {
                "manifest": _manifest(bucket, batch).rows,
                "job metadata": batch.rows,
                "ledger": ledger[batch.batch_id],
                "stg": staged.get(batch.batch_id, 0),
            }
            for batch in pending
            if batch.batch_id in ledger
        }
        result["counts"] = counts
        for batch_id, numbers in counts.items():
            _require_equal(batch_id, numbers, f"compare {plan.table} and stg.batch_load with the batch's manifest")
    return {"batches": sorted(counts)}


def finish_load(plan: LoadPlan, run: RunIdentity) -> dict[str, Any]:
    """Batches that the ledger has, and empty ones, become loaded and arrive at the consumers.

    Returns:
        `loaded` (ids), `rows`.
    """
    with logged_step(plan, run, "end") as result:
        pending = _pending(plan)
        ledger, _ = _loaded_rows(plan, [batch for batch in pending if batch.rows])
        loaded = [batch for batch in pending if not batch.rows or batch.batch_id in ledger]
        with open_job_metadata(plan.context) as metadata:
            mark_loaded(metadata, plan.table, loaded, plan.consumers)
        result |= {"loaded": [batch.batch_id for batch in loaded], "rows": sum(batch.rows for batch in loaded)}
    return result


def _pending(plan: LoadPlan) -> list[BatchRow]:
    with open_job_metadata(plan.context) as metadata:
        return batches(metadata, plan.object, PENDING)


def _copy_missing(plan: LoadPlan, run: RunIdentity, pending: Sequence[BatchRow]) -> list[BatchManifest]:
    """One transaction: who may, what is missing, COPY, counts, ledger."""
    bucket = Bucket(plan.context.buckets.data, plan.context.region)
    with transaction(plan.context.secrets.redshift, plan.context.region) as cursor:
        # first, so that the ledger is read as the load before has left it: two loads of an object at a time would both
        # find it without the batch
        cursor.execute(f"lock {plan.table}")
        known = _ledger(cursor, [batch.batch_id for batch in pending])
        missing = [batch for batch in pending if batch.batch_id not in known]
        # read under the lock: a batch that is not in the ledger cannot have been archived meanwhile
        manifests = [_manifest(bucket, batch) for batch in missing]
        if manifests:
            _copy(plan, run, bucket, cursor, manifests)
    return manifests


def _copy(plan: LoadPlan, run: RunIdentity, bucket: Bucket, cursor: Cursor, manifests: Sequence[BatchManifest]) -> None:
    """COPY, counts, ledger; the caller's transaction holds all three or none."""
    for manifest in manifests:
        with _refusing(bucket, plan.object, [manifest.batch_id]):
            _require_columns(plan, manifest)
    key = status_key(run.dag_id, run.run_id, "copy_manifest")
    files = [(bucket.uri(file.key), file.bytes) for manifest in manifests for file in manifest.files]
    bucket.write_text(key, json.dumps(copy_manifest(files), indent=2))
    log.info("COPY of %d files from %d batches into %s", len(files), len(manifests), plan.table)
    _run_copy(plan, bucket, cursor, bucket.uri(key))
    cursor.execute("select pg_last_copy_count()")
    copied: int = cursor.fetchone()[0]
    staged = _staged(cursor, plan.table, [manifest.batch_id for manifest in manifests])
    for manifest in manifests:
        with _refusing(bucket, plan.object, [manifest.batch_id]):
            numbers = {"manifest": manifest.rows, "stg": staged.get(manifest.batch_id, 0)}
            _require_equal(manifest.batch_id, numbers, read_again(plan.object, manifest.run_id))
        cursor.execute(
            'insert into stg.batch_load (batch_id, object, "rows", run_id, loaded_at_utc)'
            " values (%s, %s, %s, %s, getdate())",
            [manifest.batch_id, plan.object, manifest.rows, run.run_id],
        )
    total = {"COPY": copied, "manifests": sum(manifest.rows for manifest in manifests)}
    _require_equal(f"COPY into {plan.table}", total, "see which rows carry another _batch_id than their file's batch")


@contextmanager
def _refusing(bucket: Bucket, object_name: str, batch_ids: Iterable[str]) -> Iterator[None]:
    """What is wrong in the block is wrong with these batches. They stay pending; their windows may be read again."""
    try:
        yield
    except DataQualityError:
        for batch_id in batch_ids:
            mark_refused(bucket, source_prefix(object_name, batch_id))
        raise


def _run_copy(plan: LoadPlan, bucket: Bucket, cursor: Cursor, manifest_uri: str) -> None:
    sql = copy_sql(plan.table, plan.columns, manifest_uri, plan.context.redshift.copy_role_arn, plan.context.region)
    cursor.execute("select pg_backend_pid()")
    session: int = cursor.fetchone()[0]
    try:
        cursor.execute(sql)
    except psycopg2.DatabaseError as error:
        if not any(table in str(error) for table in _LOAD_ERROR_TABLES):
            raise
        rows = _load_errors(plan, session)
        with _refusing(bucket, plan.object, sorted({row[0].split("/")[-2] for row in rows})):
            raise _refused(plan, rows, error) from error


LoadErrorRow = tuple[str, int, str, str, str, str | None, str]  # as `_load_error` takes them


def _load_errors(plan: LoadPlan, session: int) -> list[LoadErrorRow]:
    """What stl_load_errors says of the session's last COPY; its rows outlive the transaction."""
    with transaction(plan.context.secrets.redshift, plan.context.region) as cursor:
        cursor.execute(
            "select trim(filename), line_number, trim(colname), trim(type), trim(col_length), trim(raw_field_value),"
            " trim(err_reason) from stl_load_errors where session = %s"
            " and query = (select max(query) from stl_load_errors where session = %s)"
            f" order by filename, line_number limit {_SHOWN_ERRORS:d}",
            [session, session],
        )
        return cursor.fetchall()


def _refused(plan: LoadPlan, rows: Sequence[LoadErrorRow], error: psycopg2.Error) -> DataQualityError:
    shown = "; ".join(_load_error(*row) for row in rows)
    return DataQualityError(
        "COPY refuses rows; nothing was loaded",
        where=plan.table,
        got=shown or postgres.describe(error),
        expected="values that fit the columns of the metadata",
        remedy="see stl_load_errors for the values; correct the field's type or length in metadata and run the load"
        f" again; or correct the record, and clear the run of sfdc_to_s3__{plan.object} that read it from"
        " emr_tasks.create_cluster with downstream",
    )


def _load_error(file: str, line: int, column: str, kind: str, length: str, value: str | None, reason: str) -> str:
    """One refused value: file, line, column, size, reason.

    The value itself is not told: it can be a person's name or a note, in a column of numbers too, and this goes into
    logs and mails.
    """
    size = "no value" if value is None else f"{len(value.encode())} bytes"
    shown = f"{size} for {kind}({length})" if kind.startswith(("char", "varchar")) else f"{size} for {kind}"
    return f"{file} line {line}, column {column}, {shown}: {reason}"


def _manifest(bucket: Bucket, batch: BatchRow) -> BatchManifest:
    if not bucket.exists(batch.manifest_key):
        raise RetriableError(
            "a pending batch has no manifest",
            where=bucket.uri(batch.manifest_key),
            expected="the manifest that it was registered from",
            remedy="its window is being read again: wait; or its run failed at that: clear it once more",
        )
    return read_manifest(bucket, batch.manifest_key)


def _require_columns(plan: LoadPlan, manifest: BatchManifest) -> None:
    if manifest.columns != plan.columns:
        raise DataQualityError(
            "a batch has other columns than stg",
            where=manifest.batch_id,
            got=", ".join(manifest.columns),
            expected=", ".join(plan.columns),
            remedy="the metadata changed between extraction and load: " + read_again(plan.object, manifest.run_id),
        )


def _require_equal(where: str, numbers: Mapping[str, int], remedy: str) -> None:
    if len(set(numbers.values())) > 1:
        raise DataQualityError(
            "row counts of the load differ",
            where=where,
            got=", ".join(f"{name} {count}" for name, count in numbers.items()),
            expected="the same number everywhere",
            remedy=remedy,
        )


def _loaded_rows(plan: LoadPlan, pending: Sequence[BatchRow]) -> tuple[dict[str, int], dict[str, int]]:
    """Rows per batch that the ledger has, and that stand in stg."""
    ids = [batch.batch_id for batch in pending]
    if not ids:
        return {}, {}
    return run_transaction(
        plan.context.secrets.redshift,
        plan.context.region,
        lambda cursor: (_ledger(cursor, ids), _staged(cursor, plan.table, ids)),
    )


def _ledger(cursor: Cursor, batch_ids: Sequence[str]) -> dict[str, int]:
    cursor.execute('select batch_id, "rows" from stg.batch_load where batch_id in %s', [tuple(batch_ids)])
    return dict(cursor.fetchall())


def _staged(cursor: Cursor, table: str, batch_ids: Sequence[str]) -> dict[str, int]:
    cursor.execute(
        f"select _batch_id, count(*) from {table} where _batch_id in %s group by _batch_id", [tuple(batch_ids)]
    )
    return dict(cursor.fetchall())
