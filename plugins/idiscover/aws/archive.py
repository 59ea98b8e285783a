"""Batches that itg holds leave stg, and their files move from source/ to archive/.

Four steps, each harmless to repeat, in the order that loses nothing to a kill in between:
1. copy the files and write the new manifest: killed here, the copies mean nothing and are made again;
2. say in the job metadata where the batch lies now: from here on everybody reads archive/;
3. empty stg; the ledger stg.batch_load keeps its row, so that no load ever brings the batch again;
4. delete the originals.
What a kill after 2 leaves behind is found by its state and swept up by the object's next refresh.
"""

from __future__ import annotations

from psycopg2.extensions import cursor as Cursor

from idiscover.aws.batch_manifests import read_manifest
from idiscover.aws.job_metadata import JobMetadata
from idiscover.aws.job_metadata_batches import LOADED, BatchRow, archived_among, batches, mark_archived
from idiscover.aws.redshift import run_transaction
from idiscover.aws.s3 import Bucket
from idiscover.errors import DataQualityError
from idiscover.lake.keys import archive_prefix, manifest_key, source_prefix
from idiscover.metadata.models import Context
from idiscover.plan.model import ItgPlan
from idiscover.warehouse.queries import batches_sql


def archive_applied_batches(metadata: JobMetadata, context: Context, itg: ItgPlan) -> list[str]:
    """Archives every loaded batch of which itg holds each row; returns their ids.

    Raises:
        DataQualityError: a loaded batch has other rows in stg than were loaded.
    """
    bucket = Bucket(context.buckets.data, context.region)
    # One at a time per object: a run that lost its claim may still be here, and would miss files that another moves.
    with metadata.exclusive("archive", itg.object):
        loaded = batches(metadata, itg.object, LOADED)  # before the question: what is loaded later is not judged by it
        staged = run_transaction(context.secrets.redshift, context.region, lambda cursor: _staged(cursor, itg))
        applied = [batch for batch in loaded if _is_applied(batch, staged, itg)]
        for batch in applied:
            _move(metadata, bucket, batch)
        _sweep(metadata, context, bucket, itg, list(staged))
    return [batch.batch_id for batch in applied]


def _staged(cursor: Cursor, itg: ItgPlan) -> dict[str, tuple[int, int]]:
    """Per batch in stg: its rows, and those of them that itg does not hold yet."""
    cursor.execute(batches_sql(itg))
    return {batch_id: (int(rows), int(missing)) for batch_id, rows, _, missing in cursor.fetchall()}


def _is_applied(batch: BatchRow, staged: dict[str, tuple[int, int]], itg: ItgPlan) -> bool:
    """Whether each row of the batch is in itg; that none is left in stg proves nothing, unless it had none."""
    rows, missing = staged.get(batch.batch_id, (0, 0))
    if rows != batch.rows:
        raise DataQualityError(
            "a loaded batch has other rows in stg than were loaded",
            where=f"stg.{itg.object}",
            key=batch.batch_id,
            got=f"{rows} rows",
            expected=f"{batch.rows} rows",
            remedy=f"delete its rows from stg.{itg.object} and from stg.batch_load, set its state in job.batch to"
            " pending, and run the load",
        )
    return missing == 0


def _move(metadata: JobMetadata, bucket: Bucket, batch: BatchRow) -> None:
    source, target = source_prefix(batch.object, batch.batch_id), archive_prefix(batch.object, batch.batch_id)
    manifest = read_manifest(bucket, manifest_key(source))
    moved = tuple(file.model_copy(update={"key": target + file.key.removeprefix(source)}) for file in manifest.files)
    for old, new in zip(manifest.files, moved, strict=True):
        bucket.copy(old.key, new.key)
        _require_size(bucket, new.key, new.bytes)
    bucket.write_text(manifest_key(target), manifest.model_copy(update={"files": moved}).model_dump_json(indent=2))
    mark_archived(metadata, batch.batch_id, manifest_key(target), moved)


def _require_size(bucket: Bucket, key: str, expected: int) -> None:
    size = bucket.size(key)
    if size != expected:
        raise DataQualityError(
            "a copy is not like its original; the original stays",
            where=bucket.uri(key),
            got="no object" if size is None else f"{size} bytes",
            expected=f"{expected} bytes",
        )


def _sweep(metadata: JobMetadata, context: Context, bucket: Bucket, itg: ItgPlan, staged: list[str]) -> None:
    """Removes archived batches from stg, and then their files from source/, whoever archived them."""
    gone = archived_among(metadata, staged)
    if gone:
        run_transaction(
            context.secrets.redshift,
            context.region,
            lambda cursor: cursor.execute(f"delete from stg.{itg.object} where _batch_id in %s", [tuple(sorted(gone))]),
        )
    keys = bucket.list(f"source/{itg.object}/")
    leftover = archived_among(metadata, sorted({_batch_of(key) for key in keys}))
    bucket.delete([key for key in keys if _batch_of(key) in leftover])


def _batch_of(key: str) -> str:
    """`source/<object>/<batch_id>/…`."""
    return key.split("/")[2]
