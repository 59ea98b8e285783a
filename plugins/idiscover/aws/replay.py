"""Replay: archived batches of an object become pending again, and go through stg to itg once more.

Per batch, in the order that loses nothing to a kill in between, alone with the files of the object's batches:
1. copy the files to source/ and write the manifest there: killed here, the archive sweeps the copies away, or the next
   replay makes them again;
2. the warehouse forgets the batch: its row of the ledger, and what stg may still hold. If it was the newest read of
   every Id, nobody knows of absences until it is loaded again;
3. job metadata calls it pending. The files in archive/ stay until the batch is archived over them.

Since the highest version of a record wins whatever the order, replaying changes nothing where nothing was lost.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date

from psycopg2.extensions import cursor as Cursor

from idiscover.aws.batch_manifests import copy_batch, is_refused, read_manifest, refused_key
from idiscover.aws.erasure_guard import Guard
from idiscover.aws.job_metadata import JobMetadata, open_job_metadata
from idiscover.aws.job_metadata_batches import (
    ARCHIVED,
    FILES,
    BatchRow,
    batch,
    batches_of_days,
    mark_replayed,
)
from idiscover.aws.redshift import run_transaction
from idiscover.aws.s3 import Bucket
from idiscover.errors import ConfigError
from idiscover.lake.keys import archive_prefix, manifest_key, source_prefix
from idiscover.lake.manifest import BatchManifest
from idiscover.plan.model import LoadPlan

Tell = Callable[[str], None]


def batches_to_replay(
    plan: LoadPlan, batch_ids: Sequence[str] = (), days: tuple[date, date] | None = None
) -> list[BatchRow]:
    """The batches that are meant, oldest first; those that are not archived among them, too.

    Args:
        plan: of the object's load.
        batch_ids: these.
        days: and those whose order date lies in it, both ends included.

    Raises:
        ConfigError: a batch is not known, or belongs to another object; nothing is selected at all.
    """
    with open_job_metadata(plan.context) as metadata:
        found = {name: batch(metadata, name) for name in batch_ids}
        for name, row in found.items():
            if row is None or row.object != plan.object:
                raise ConfigError(
                    "no such batch of the object",
                    where=f"job.batch, object {plan.object}",
                    got=name if row is None else f"{name}, a batch of {row.object}",
                    remedy="idiscover status shows batches; those of some days: --from and --to",
                )
        chosen = {row.batch_id: row for row in found.values() if row is not None}
        if days is not None:
            chosen |= {row.batch_id: row for row in batches_of_days(metadata, plan.object, *days)}
    if not chosen:
        raise ConfigError(
            "no batch is meant",
            where=f"object {plan.object}",
            got="no batch of these days" if days else "neither batches nor days",
            expected="--batch ID, or --from D --to D",
        )
    return sorted(chosen.values(), key=lambda row: (row.order_date, row.batch_id))


def replay(
    plan: LoadPlan, chosen: Sequence[BatchRow], reason: str | None, requested_by: str, tell: Tell = lambda line: None
) -> list[str]:
    """Makes the archived batches among `chosen` pending again; their ids. The others are on their way already.

    Args:
        plan: of the object's load.
        chosen: as `batches_to_replay` gives them.
        reason: for job.replay.
        requested_by: who.
        tell: is given a line per batch, as it is done.

    Raises:
        ConfigError: a batch has other columns than stg has today; none is replayed then.
        DataQualityError: a copy is not like its original.
        RetriableError: the lock on the files was not let go, or was lost; the batch is archived as before.
    """
    require_archived_columns(plan, chosen)
    bucket = Bucket(plan.context.buckets.data, plan.context.region)
    replayed: list[str] = []
    with open_job_metadata(plan.context) as metadata:
        guard = Guard(metadata, plan.context, tell)
        for row in chosen:
            with metadata.exclusive(FILES, plan.object):
                now = batch(metadata, row.batch_id)
                if now is None or now.state != ARCHIVED:
                    tell(f"{row.batch_id}: {'gone' if now is None else now.state}, nothing to do")
                    continue
                moved = _brought_back(metadata, bucket, plan, now, guard)
                mark_replayed(
                    metadata, moved, manifest_key(source_prefix(now.object, now.batch_id)), reason, requested_by
                )
            replayed.append(row.batch_id)
            tell(f"{row.batch_id}: pending again, {row.rows:,} rows of {row.order_date}")
    return replayed


def require_archived_columns(plan: LoadPlan, rows: Sequence[BatchRow]) -> None:
    """`require_todays_columns` for the archived ones among `rows`."""
    bucket = Bucket(plan.context.buckets.data, plan.context.region)
    require_todays_columns(plan, [read_manifest(bucket, row.manifest_key) for row in rows if row.state == ARCHIVED])


def require_todays_columns(plan: LoadPlan, manifests: Sequence[BatchManifest]) -> None:
    """A batch from before a change of metadata cannot be loaded any more, and would block the loads of others.

    Raises:
        ConfigError: names the batches.
    """
    ids = (plan.key, "_batch_id")
    other = [
        manifest.batch_id
        for manifest in manifests
        if not plan.can_load(manifest.columns) or (manifest.ids is not None and manifest.ids.columns != ids)
    ]
    if other:
        raise ConfigError(
            "archived batches have other columns than stg has today",
            where=plan.table,
            got=", ".join(other[:5]) + (f" and {len(other) - 5} more" if len(other) > 5 else ""),
            expected=", ".join(plan.columns),
            remedy=f"read the records anew: idiscover resync {plan.object}",
        )


def _brought_back(metadata: JobMetadata, bucket: Bucket, plan: LoadPlan, row: BatchRow, guard: Guard) -> BatchManifest:
    """The batch's manifest in source/, with its files; the warehouse has forgotten it."""
    source, target = archive_prefix(row.object, row.batch_id), source_prefix(row.object, row.batch_id)
    # read again, now that nobody else is at the files: an erasure may have rewritten them since its columns were seen
    manifest = guard.clean(read_manifest(bucket, row.manifest_key), row.manifest_key, plan.key)
    moved = manifest.moved(source, target)
    copy_batch(bucket, manifest, moved, manifest_key(target))
    if is_refused(bucket, target):  # of a life before
        bucket.delete([refused_key(target)])
    metadata.require_locks()  # copying took long
    run_transaction(
        plan.context.secrets.redshift, plan.context.region, lambda cursor: _forget(cursor, plan, row.batch_id)
    )
    return moved


def _forget(cursor: Cursor, plan: LoadPlan, batch_id: str) -> None:
    """Its Ids may stay: without a row of the ledger nobody reads them, and the next load replaces them."""
    cursor.execute(f"delete from {plan.table} where _batch_id = %s", [batch_id])
    cursor.execute("delete from stg.batch_load where batch_id = %s", [batch_id])
