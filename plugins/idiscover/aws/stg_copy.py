"""COPY of files into a table of stg, and what is said when it refuses them."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg2
from psycopg2.extensions import cursor as Cursor

from idiscover.aws import postgres
from idiscover.aws.batch_manifests import mark_refused
from idiscover.aws.redshift import run_transaction
from idiscover.aws.s3 import Bucket
from idiscover.errors import DataQualityError
from idiscover.lake.keys import source_prefix
from idiscover.lake.manifest import BatchFile
from idiscover.notify.redaction import shown_value
from idiscover.plan.model import LoadPlan
from idiscover.warehouse.copy import copy_manifest, copy_sql

log = logging.getLogger(__name__)

_SHOWN_ERRORS = 10
_LOAD_ERROR_TABLES = ("stl_load_errors", "sys_load_error_detail")  # one of them is in the message of a refused COPY


@dataclass(frozen=True)
class StgCopy:
    """One COPY: which files into which columns of which table, by the COPY manifest at `manifest_key`.

    Batches `in_source` are refused if COPY refuses their rows; what lies in archive/ was loaded once.
    """

    table: str
    columns: tuple[str, ...]
    files: tuple[BatchFile, ...]
    manifest_key: str
    in_source: bool = True


def copy_files(plan: LoadPlan, bucket: Bucket, cursor: Cursor, copy: StgCopy) -> int:
    """Writes the COPY manifest and runs the COPY in the caller's transaction; how many rows it brought.

    Without files nothing is run: a COPY manifest without entries is an error.

    Raises:
        DataQualityError: COPY refuses rows. Their batches are marked as refused.
    """
    if not copy.files:
        return 0
    document = copy_manifest((bucket.uri(file.key), file.bytes) for file in copy.files)
    bucket.write_text(copy.manifest_key, json.dumps(document, indent=2))
    log.info("COPY of %d files into %s", len(copy.files), copy.table)
    _run_copy(plan, bucket, cursor, copy)
    cursor.execute("select pg_last_copy_count()")
    copied: int = cursor.fetchone()[0]
    return copied


@contextmanager
def refusing(bucket: Bucket, object_name: str, batch_ids: Iterable[str]) -> Iterator[None]:
    """What is wrong in the block is wrong with these batches. They stay pending; their windows may be read again."""
    try:
        yield
    except DataQualityError:
        for batch_id in batch_ids:
            mark_refused(bucket, source_prefix(object_name, batch_id))
        raise


def _run_copy(plan: LoadPlan, bucket: Bucket, cursor: Cursor, copy: StgCopy) -> None:
    uri, context = bucket.uri(copy.manifest_key), plan.context
    sql = copy_sql(copy.table, copy.columns, uri, context.redshift.copy_role_arn, context.region)
    cursor.execute("select pg_backend_pid()")
    session: int = cursor.fetchone()[0]
    try:
        cursor.execute(sql)
    except psycopg2.DatabaseError as error:
        if not any(table in str(error) for table in _LOAD_ERROR_TABLES):
            raise
        rows = _load_errors(plan, session)
        to_blame = sorted({row[0].split("/")[-2] for row in rows}) if copy.in_source else []
        with refusing(bucket, plan.object, to_blame):
            raise _refused(plan, copy.table, rows, error) from None  # see postgres.database_errors


LoadErrorRow = tuple[str, int, str, str, str, str | None, str]  # as `_load_error` takes them


def _load_errors(plan: LoadPlan, session: int) -> list[LoadErrorRow]:
    """What stl_load_errors says of the session's last COPY; its rows outlive the transaction."""

    def read(cursor: Cursor) -> list[LoadErrorRow]:
        cursor.execute(
            "select trim(filename), line_number, trim(colname), trim(type), trim(col_length), trim(raw_field_value),"
            " trim(err_reason) from stl_load_errors where session = %s"
            " and query = (select max(query) from stl_load_errors where session = %s)"
            f" order by filename, line_number limit {_SHOWN_ERRORS:d}",
            [session, session],
        )
        return cursor.fetchall()

    return run_transaction(plan.context.secrets.redshift, plan.context.region, read)


def _refused(plan: LoadPlan, table: str, rows: Sequence[LoadErrorRow], error: psycopg2.Error) -> DataQualityError:
    shown = "; ".join(_load_error(plan, *row) for row in rows)
    return DataQualityError(
        "COPY refuses rows; nothing was loaded",
        where=table,
        got=shown or postgres.describe(error),
        expected="values that fit the columns of the metadata",
        remedy="correct the field's type or length in metadata and run the load"
        f" again; or correct the record, and clear the run of sfdc_to_s3__{plan.object} that read it from"
        " emr_tasks.create_cluster with downstream",
    )


def _load_error(
    plan: LoadPlan, file: str, line: int, column: str, kind: str, length: str, value: str | None, reason: str
) -> str:
    """One refused value: file, line, column, value or size, reason.

    This goes into logs and mails: of a column that may be personal only the size is told.
    """
    told = "no value" if value is None else f"{len(value.encode())} bytes"
    if value is not None and column in plan.told_columns:
        told = shown_value(value)
    wanted = f"{kind}({length})" if kind.startswith(("char", "varchar")) else kind
    return f"{file} line {line}, column {column}, {told} for {wanted}: {reason}"
