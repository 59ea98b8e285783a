"""One load: all pending batches of an object by one COPY into stg, counted against their manifests.

The ledger stg.batch_load is written in COPY's own transaction, so a batch is in stg exactly if the ledger has it (or it
has moved on to itg since). A task killed before the commit has done nothing; killed after it, its next try finds the
batch in the ledger and copies nothing twice. Only then does job metadata call the batch loaded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import Any

from psycopg2.extensions import cursor as Cursor

from idiscover.aws.batch_manifests import read_again, read_manifest
from idiscover.aws.job_metadata import open_job_metadata
from idiscover.aws.job_metadata_batches import FILES, PENDING, BatchRow, batches, mark_loaded
from idiscover.aws.redshift import run_transaction
from idiscover.aws.s3 import Bucket
from idiscover.aws.step_log import logged_step
from idiscover.aws.stg_copy import StgCopy, copy_files, refusing
from idiscover.errors import DataQualityError, RetriableError
from idiscover.lake.keys import status_key
from idiscover.lake.manifest import BatchFile, BatchManifest
from idiscover.plan.model import LoadPlan, RunIdentity
from idiscover.warehouse.queries import blanked_values_sql
from idiscover.warehouse.types import quoted


def copy_pending(plan: LoadPlan, run: RunIdentity) -> dict[str, Any]:
    """Copies every pending batch that the ledger does not have.

    Returns:
        `batches`, `copied` (their ids), `rows`, `ids` (of records), `bytes`.

    Raises:
        DataQualityError: a row cannot be loaded, or counts differ; nothing is loaded then.
        RetriableError: the transaction lost against another.
    """
    # alone with the files: a replay or an erasure may be at them
    with (
        logged_step(plan, run, "copy") as result,
        open_job_metadata(plan.context) as metadata,
        metadata.exclusive(FILES, plan.object),
    ):
        pending = batches(metadata, plan.object, PENDING)
        wanted = [batch for batch in pending if batch.goes_to_stg]
        copied = _copy_missing(plan, run, wanted) if wanted else []
        result |= {
            "batches": [batch.batch_id for batch in pending],
            "copied": [manifest.batch_id for manifest in copied],
            "rows": sum(manifest.rows for manifest in copied),
            "ids": sum(manifest.id_count or 0 for manifest in copied),
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
    with (
        logged_step(plan, run, "reconcile") as result,
        open_job_metadata(plan.context) as metadata,
        metadata.exclusive(FILES, plan.object),
    ):
        pending = [batch for batch in batches(metadata, plan.object, PENDING) if batch.goes_to_stg]
        bucket = Bucket(plan.context.buckets.data, plan.context.region)
        found = _in_stg(plan, pending)
        # one that came after this run's COPY is not in the ledger, and the next run's business
        known = [batch for batch in pending if batch.batch_id in found.ledger]
        counts = {batch.batch_id: _counts(batch, _manifest(bucket, batch), found) for batch in known}
        result["counts"] = counts
        for batch_id, kinds in counts.items():
            for numbers in kinds.values():
                require_equal(batch_id, numbers, f"compare {plan.table} and stg.batch_load with the batch's manifest")
    return {"batches": sorted(counts)}


def _counts(batch: BatchRow, manifest: BatchManifest, found: InStg) -> dict[str, dict[str, int]]:
    """Rows and Ids of a batch, each by who counted them."""
    rows, ids = found.ledger[batch.batch_id]
    return {
        "rows": {
            "manifest": manifest.rows,
            "job metadata": batch.rows,
            "ledger": rows,
            "stg": found.rows.get(batch.batch_id, 0),
        },
        "ids": {
            "manifest": manifest.id_count or 0,
            "job metadata": batch.ids or 0,
            "ledger": ids or 0,
            "stg": found.ids.get(batch.batch_id, 0),
        },
    }


def finish_load(plan: LoadPlan, run: RunIdentity) -> dict[str, Any]:
    """Batches that the ledger has, and empty ones, become loaded and arrive at the consumers.

    Returns:
        `loaded` (ids), `rows`.
    """
    with logged_step(plan, run, "end") as result:
        pending = _pending(plan)
        ledger = _in_ledger(plan, [batch for batch in pending if batch.goes_to_stg])
        loaded = [batch for batch in pending if not batch.goes_to_stg or batch.batch_id in ledger]
        with open_job_metadata(plan.context) as metadata:
            mark_loaded(metadata, plan.table, loaded, plan.consumers)
        result |= {"loaded": [batch.batch_id for batch in loaded], "rows": sum(batch.rows for batch in loaded)}
    return result


def _pending(plan: LoadPlan) -> list[BatchRow]:
    with open_job_metadata(plan.context) as metadata:
        return batches(metadata, plan.object, PENDING)


def _copy_missing(plan: LoadPlan, run: RunIdentity, pending: Sequence[BatchRow]) -> list[BatchManifest]:
    """One transaction: who may, what is missing, COPY, counts, ledger. Tried again where it lost its connection.

    Returns:
        What was copied, by a try too whose commit nobody heard of.
    """
    bucket = Bucket(plan.context.buckets.data, plan.context.region)
    copied: dict[str, BatchManifest] = {}

    def work(cursor: Cursor) -> None:
        # first, so that the ledger is read as the load before has left it: two loads of an object at a time would both
        # find it without the batch
        cursor.execute(f"lock {plan.table}")
        known = _ledger(cursor, [batch.batch_id for batch in pending])
        missing = [batch for batch in pending if batch.batch_id not in known]
        # read under the lock: a batch that is not in the ledger cannot have been archived meanwhile
        manifests = [_manifest(bucket, batch) for batch in missing]
        copied.update((manifest.batch_id, manifest) for manifest in manifests)
        if manifests:
            _copy(plan, run, bucket, cursor, manifests)

    run_transaction(plan.context.secrets.redshift, plan.context.region, work)
    return list(copied.values())


def _copy(plan: LoadPlan, run: RunIdentity, bucket: Bucket, cursor: Cursor, manifests: Sequence[BatchManifest]) -> None:
    """COPY of rows and of Ids, counts, ledger; the caller's transaction holds all of it or none."""
    for manifest in manifests:
        with refusing(bucket, plan.object, [manifest.batch_id]):
            _require_columns(plan, manifest)
    copied = copy_rows(plan, run, bucket, cursor, manifests)
    for manifest in manifests:
        with refusing(bucket, plan.object, [manifest.batch_id]):
            _require_nothing_blanked(plan, cursor, manifest)
    copied_ids = copy_ids(plan, run, bucket, cursor, manifests)
    _write_ledger(plan, run, bucket, cursor, manifests)
    total = {"COPY": copied, "manifests": sum(manifest.rows for manifest in manifests)}
    require_equal(f"COPY into {plan.table}", total, "see which rows carry another _batch_id than their file's batch")
    total = {"COPY": copied_ids, "manifests": sum(manifest.id_count or 0 for manifest in manifests)}
    require_equal(f"COPY into {plan.ids_table}", total, "see which Ids carry another _batch_id than their file's batch")


def copy_rows(
    plan: LoadPlan,
    run: RunIdentity,
    bucket: Bucket,
    cursor: Cursor,
    manifests: Sequence[BatchManifest],
    in_source: bool = True,
) -> int:
    """The batches' rows, by one COPY; by one more for batches that were read before fields were taken up."""
    by_columns: dict[tuple[str, ...], list[BatchFile]] = {}
    for manifest in manifests:
        by_columns.setdefault(manifest.columns, []).extend(manifest.files)
    key = status_key(run.dag_id, run.run_id, "copy_manifest")  # the COPY role reads no other: each is written over
    return sum(
        copy_files(plan, bucket, cursor, StgCopy(plan.table, columns, tuple(files), key, in_source))
        for columns, files in by_columns.items()
    )


def copy_ids(
    plan: LoadPlan,
    run: RunIdentity,
    bucket: Bucket,
    cursor: Cursor,
    manifests: Sequence[BatchManifest],
    in_source: bool = True,
) -> int:
    """Ids of sweeps from their files, of whole reads from the rows that came just now; how many."""
    telling = [manifest for manifest in manifests if manifest.id_count is not None]
    if not telling:
        return 0
    # of an earlier load whose ledger row was taken away to have it loaded again; the Ids of the newest read had stayed
    cursor.execute(
        f"delete from {plan.ids_table} where _batch_id in %s", [tuple(manifest.batch_id for manifest in telling)]
    )
    ids = StgCopy(
        plan.ids_table,
        (plan.key, "_batch_id"),
        tuple(file for manifest in telling for file in manifest.id_files),
        status_key(run.dag_id, run.run_id, "copy_manifest_ids"),
        in_source,
    )
    copied = copy_files(plan, bucket, cursor, ids)
    whole = tuple(manifest.batch_id for manifest in telling if manifest.ids is None)
    if whole:
        key = quoted(plan.key)
        cursor.execute(
            f"insert into {plan.ids_table} ({key}, _batch_id) select {key}, _batch_id from {plan.table}"
            " where _batch_id in %s",
            [whole],
        )
        copied += cursor.rowcount
        cursor.execute(f"analyze {plan.ids_table}")  # as COPY does: the table grew by a whole object
    return copied


def _write_ledger(
    plan: LoadPlan, run: RunIdentity, bucket: Bucket, cursor: Cursor, manifests: Sequence[BatchManifest]
) -> None:
    """A row per batch, once what stands in stg is what its manifest says."""
    ids = [manifest.batch_id for manifest in manifests]
    rows_of, ids_of = staged(cursor, plan.table, ids), staged(cursor, plan.ids_table, ids)
    for manifest in manifests:
        with refusing(bucket, plan.object, [manifest.batch_id]):
            remedy = read_again(plan.object, manifest.run_id)
            numbers = {"manifest": manifest.rows, "stg": rows_of.get(manifest.batch_id, 0)}
            require_equal(manifest.batch_id, numbers, remedy)
            numbers = {"Ids in manifest": manifest.id_count or 0, "in stg": ids_of.get(manifest.batch_id, 0)}
            require_equal(manifest.batch_id, numbers, remedy)
        insert_into_ledger(cursor, manifest, run.run_id)


def insert_into_ledger(cursor: Cursor, manifest: BatchManifest, run_id: str) -> None:
    """stg has the batch from now on."""
    cursor.execute(
        'insert into stg.batch_load (batch_id, object, "rows", ids, absence_at_utc, run_id, loaded_at_utc)'
        " values (%s, %s, %s, %s, %s, %s, getdate())",
        [
            manifest.batch_id,
            manifest.object,
            manifest.rows,
            manifest.id_count,
            manifest.absence_at_utc and manifest.absence_at_utc.astimezone(UTC).replace(tzinfo=None),
            run_id,
        ],
    )


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
    expected = {plan.table: plan.columns, plan.ids_table: (plan.key, "_batch_id")}
    found = {plan.table: manifest.columns, plan.ids_table: manifest.ids.columns if manifest.ids else None}
    for table, columns in found.items():
        if columns is None or columns == expected[table] or (table == plan.table and plan.can_load(columns)):
            continue
        raise DataQualityError(
            "a batch has other columns than stg",
            where=f"{manifest.batch_id}, {table}",
            got=", ".join(columns),
            expected=", ".join(expected[table]),
            remedy="the metadata changed between extraction and load: " + read_again(plan.object, manifest.run_id),
        )


def _require_nothing_blanked(plan: LoadPlan, cursor: Cursor, manifest: BatchManifest) -> None:
    """What a batch lacks is null in its rows, and newer than what was read before it: a value may not be lost so."""
    lacking = [name for name in plan.late_columns if name not in manifest.columns]
    itg = f"itg.{plan.object}"
    held = [itg] if itg in {consumer.table for consumer in plan.consumers} else []
    if not lacking or not manifest.rows:
        return
    cursor.execute(blanked_values_sql(plan, lacking, held), {"batch_id": manifest.batch_id})
    if (count := cursor.fetchone()[0]) > 0:
        raise DataQualityError(
            "a batch was read without fields that an earlier read has brought",
            where=f"{manifest.batch_id}, {plan.table}",
            got=f"{count} of its records have values of {', '.join(lacking)} from before it was read",
            expected="a batch that no read with these fields went before",
            remedy=f"clear run {manifest.run_id} of sfdc_to_s3__{plan.object} from send_email_cluster_start with"
            " downstream: it asks anew, for all fields",
        )


def require_equal(where: str, numbers: Mapping[str, int], remedy: str) -> None:
    """Raises DataQualityError, which names all of them, if two of the numbers differ."""
    if len(set(numbers.values())) > 1:
        raise DataQualityError(
            "row counts of the load differ",
            where=where,
            got=", ".join(f"{name} {count}" for name, count in numbers.items()),
            expected="the same number everywhere",
            remedy=remedy,
        )


@dataclass(frozen=True)
class InStg:
    """What stg has of batches: what the ledger says (rows, Ids), and what is counted; by batch."""

    ledger: Mapping[str, tuple[int, int | None]]
    rows: Mapping[str, int]
    ids: Mapping[str, int]


def _in_stg(plan: LoadPlan, pending: Sequence[BatchRow]) -> InStg:
    ids = [batch.batch_id for batch in pending]
    if not ids:
        return InStg({}, {}, {})
    return run_transaction(
        plan.context.secrets.redshift,
        plan.context.region,
        lambda cursor: InStg(
            _ledger(cursor, ids), staged(cursor, plan.table, ids), staged(cursor, plan.ids_table, ids)
        ),
    )


def _in_ledger(plan: LoadPlan, pending: Sequence[BatchRow]) -> dict[str, tuple[int, int | None]]:
    """What the ledger says of batches. Nothing is counted in stg, where `reconcile` has just done so."""
    ids = [batch.batch_id for batch in pending]
    if not ids:
        return {}
    return run_transaction(plan.context.secrets.redshift, plan.context.region, lambda cursor: _ledger(cursor, ids))


def _ledger(cursor: Cursor, batch_ids: Sequence[str]) -> dict[str, tuple[int, int | None]]:
    cursor.execute('select batch_id, "rows", ids from stg.batch_load where batch_id in %s', [tuple(batch_ids)])
    return {batch_id: (rows, ids) for batch_id, rows, ids in cursor.fetchall()}


def staged(cursor: Cursor, table: str, batch_ids: Sequence[str]) -> dict[str, int]:
    """How many rows a table of stg has of each batch; those that it has none of are left out."""
    cursor.execute(
        f"select _batch_id, count(*) from {table} where _batch_id in %s group by _batch_id", [tuple(batch_ids)]
    )
    return dict(cursor.fetchall())
