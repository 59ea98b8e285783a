"""Batches that itg holds leave stg, and their files move from source/ to archive/.

A batch that read every Id and is the newest to do so stays until itg holds no record that it does not have; then that
is written down, so that nobody searches the table for such records before the next read.

Four steps, each harmless to repeat, in the order that loses nothing to a kill in between:
1. copy the files and write the new manifest: killed here, the copies mean nothing and are made again;
2. say in the job metadata where the batch lies now: from here on everybody reads archive/;
3. empty stg; the ledger stg.batch_load keeps its row, so that no load ever brings the batch again. The Ids of the
   newest read stay: they say which versions are dead when they arrive;
4. delete the originals.
What a kill after 2 leaves behind is found by its state and swept up by the object's next refresh.
"""

from __future__ import annotations

from collections.abc import Collection

from psycopg2.extensions import cursor as Cursor

from idiscover.aws.batch_manifests import copy_batch, read_manifest
from idiscover.aws.job_metadata import JobMetadata
from idiscover.aws.job_metadata_batches import FILES, LOADED, BatchRow, archived_among, batches, mark_archived
from idiscover.aws.redshift import run_transaction
from idiscover.aws.s3 import Bucket
from idiscover.errors import DataQualityError
from idiscover.lake.keys import archive_prefix, manifest_key, source_prefix
from idiscover.metadata.models import Context
from idiscover.plan.model import ItgPlan
from idiscover.warehouse.queries import batches_sql, held_absences_sql, newest_read_sql


def archive_applied_batches(metadata: JobMetadata, context: Context, itg: ItgPlan) -> list[str]:
    """Archives every loaded batch of which each row is in place and each absence applied; returns their ids.

    Raises:
        DataQualityError: a loaded batch has other rows in stg than were loaded.
    """
    bucket = Bucket(context.buckets.data, context.region)
    # One at a time per object: a run that lost its claim may still be here, and would miss files that another moves.
    with metadata.exclusive(FILES, itg.object):
        loaded = batches(metadata, itg.object, LOADED)  # before the question: what is loaded later is not judged by it
        staged, unapplied = run_transaction(
            context.secrets.redshift, context.region, lambda cursor: (_staged(cursor, itg), _unapplied(cursor, itg))
        )
        applied = [batch for batch in loaded if _is_applied(batch, staged, itg) and batch.batch_id != unapplied]
        for batch in applied:
            _move(metadata, bucket, batch)
        _sweep(metadata, context, bucket, itg, list(staged))
    return [batch.batch_id for batch in applied]


def _staged(cursor: Cursor, itg: ItgPlan) -> dict[str, tuple[int, int]]:
    """Per batch in stg: its rows, and those of them that itg does not hold yet."""
    cursor.execute(batches_sql(itg))
    return {batch_id: (int(rows), int(missing)) for batch_id, rows, _, missing in cursor.fetchall()}


def _unapplied(cursor: Cursor, itg: ItgPlan) -> str | None:
    """The newest read of every Id while itg holds records that it does not have; writes down that it holds none."""
    cursor.execute(newest_read_sql(itg))
    batch_id, absence_at_utc, loaded_at_utc, is_applied = cursor.fetchone()
    if batch_id is None or is_applied:
        return None
    cursor.execute(held_absences_sql(itg), {"batch_id": batch_id, "absence_at_utc": absence_at_utc})
    if cursor.fetchone()[0]:
        unapplied: str = batch_id
        return unapplied
    cursor.execute(
        f"insert into itg.{itg.object}__absence (batch_id, loaded_at_utc, applied_at_utc) values (%s, %s, getdate())",
        [batch_id, loaded_at_utc],
    )
    return None


def _is_applied(batch: BatchRow, staged: dict[str, tuple[int, int]], itg: ItgPlan) -> bool:
    """Whether each row of the batch is in place; that none is left in stg proves nothing, unless it had none."""
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
    moved = manifest.moved(source, target)
    copy_batch(bucket, manifest, moved, manifest_key(target))
    mark_archived(metadata, moved, manifest_key(target))


def _sweep(metadata: JobMetadata, context: Context, bucket: Bucket, itg: ItgPlan, staged: list[str]) -> None:
    """Removes archived batches from stg, and then their files from source/, whoever archived them."""
    older = run_transaction(context.secrets.redshift, context.region, lambda cursor: _older_reads(cursor, itg))
    gone, gone_ids = archived_among(metadata, staged), archived_among(metadata, older)
    if gone or gone_ids:
        run_transaction(
            context.secrets.redshift, context.region, lambda cursor: _empty_stg(cursor, itg, gone, gone_ids)
        )
    keys = bucket.list(f"source/{itg.object}/")
    leftover = archived_among(metadata, sorted({_batch_of(key) for key in keys}))
    bucket.delete([key for key in keys if _batch_of(key) in leftover])


def _older_reads(cursor: Cursor, itg: ItgPlan) -> list[str]:
    """Batches that have Ids in stg, the newest read left out."""
    cursor.execute(newest_read_sql(itg))
    newest = cursor.fetchone()[0]
    cursor.execute(f"select distinct _batch_id from stg.{itg.object}__ids")
    return sorted(batch_id for (batch_id,) in cursor.fetchall() if batch_id != newest)


def _empty_stg(cursor: Cursor, itg: ItgPlan, batch_ids: Collection[str], reads: Collection[str]) -> None:
    """Rows and Ids go. A read without its Ids must not be taken for one that found none: it says nothing any more."""
    if batch_ids:
        cursor.execute(f"delete from stg.{itg.object} where _batch_id in %s", [tuple(sorted(batch_ids))])
    if reads:
        cursor.execute("update stg.batch_load set absence_at_utc = null where batch_id in %s", [tuple(sorted(reads))])
        cursor.execute(f"delete from stg.{itg.object}__ids where _batch_id in %s", [tuple(sorted(reads))])


def _batch_of(key: str) -> str:
    """`source/<object>/<batch_id>/…`."""
    return key.split("/")[2]
