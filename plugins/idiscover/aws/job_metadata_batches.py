"""Job metadata: batches from their registration to the archive, and their files."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from psycopg2.extensions import cursor as Cursor
from psycopg2.extras import execute_values

from idiscover.aws.job_metadata import JobMetadata, decide_alone
from idiscover.aws.job_metadata_arrivals import record_arrivals
from idiscover.aws.job_metadata_windows import DECISION, give_lock_back, move_watermark
from idiscover.lake.manifest import BatchManifest
from idiscover.plan.model import BatchContent, ConsumerPlan, RunKind

PENDING = "pending"  # in source/
LOADED = "loaded"  # in stg, or empty
ARCHIVED = "archived"  # every row is in itg; files in archive/
FILES = "archive"  # for `JobMetadata.exclusive`: who loads, moves or rewrites the files of an object's batches is alone


@dataclass(frozen=True)
class BatchRow:
    """A registered batch."""

    batch_id: str
    object: str
    run_kind: RunKind
    order_date: date
    rows: int
    bytes: int
    manifest_key: str
    state: str
    ids: int | None  # how many Ids it read; None where it did not read every Id
    replays: int = 0  # how often it was made pending again

    @property
    def arrival_id(self) -> str:
        """What its arrival at the consumers is known by: a replay arrives anew."""
        return f"{self.batch_id} replay {self.replays}" if self.replays else self.batch_id

    @property
    def goes_to_stg(self) -> bool:
        """Whether a load has something to do: a batch without rows that says nothing about absence needs none."""
        return self.rows > 0 or self.ids is not None


def register_batch(
    metadata: JobMetadata, manifest: BatchManifest, run_type: str, manifest_key: str, history_start: datetime
) -> None:
    """Batch, files, watermark and the end of the lock, in one transaction; again, it only gives the lock back.

    A batch that is still pending may have been read again since: then it becomes what `manifest` says.
    """
    with metadata.transaction() as cursor:
        decide_alone(cursor, DECISION, manifest.object)
        if _write_batch(cursor, manifest, manifest_key):
            cursor.execute("delete from job.batch_file where batch_id = %s", [manifest.batch_id])
            _insert_files(cursor, manifest)
            move_watermark(cursor, manifest, history_start)
        give_lock_back(cursor, manifest.object, manifest.run_id, run_type)


def batch(metadata: JobMetadata, batch_id: str) -> BatchRow | None:
    """One batch, or None."""
    found = _select(metadata, "batch_id = %s", [batch_id])
    return found[0] if found else None


def batches(metadata: JobMetadata, object_name: str, state: str) -> list[BatchRow]:
    """Batches of an object in a state, oldest first."""
    return _select(metadata, "object = %s and state = %s", [object_name, state])


def batches_of_object(metadata: JobMetadata, object_name: str) -> list[BatchRow]:
    """All batches of an object, oldest first."""
    return _select(metadata, "object = %s", [object_name])


def named_files(metadata: JobMetadata, keys: Collection[str]) -> set[str]:
    """Those of `keys` that belong to a registered batch."""
    with metadata.transaction() as cursor:
        cursor.execute("select key from job.batch_file where key = any(%s)", [sorted(keys)])
        return {key for (key,) in cursor.fetchall()}


def batches_of_days(metadata: JobMetadata, object_name: str, first: date, last: date) -> list[BatchRow]:
    """Batches of an object whose order date lies in first…last, both included, oldest first."""
    return _select(metadata, "object = %s and order_date between %s and %s", [object_name, first, last])


def ids_of_read_before(metadata: JobMetadata, manifest: BatchManifest) -> int | None:
    """How many Ids the newest read of every Id before the manifest's had; None where there was none."""
    with metadata.transaction() as cursor:
        cursor.execute(
            "select ids from job.batch where object = %s and batch_id <> %s and absence_at_utc <= %s"
            " order by absence_at_utc desc, batch_id desc limit 1",
            [manifest.object, manifest.batch_id, manifest.absence_at_utc],
        )
        row = cursor.fetchone()
    return None if row is None else row[0]


def order_date_of_every_id(metadata: JobMetadata, object_name: str) -> date | None:
    """Of the newest batch that brought every Id of an object; None where there is none."""
    with metadata.transaction() as cursor:
        cursor.execute(
            "select max(order_date) from job.batch where object = %s and absence_at_utc is not null", [object_name]
        )
        [(found,)] = cursor.fetchall()
    return found


def archived_among(metadata: JobMetadata, batch_ids: Sequence[str]) -> set[str]:
    """Those of `batch_ids` that are archived."""
    if not batch_ids:
        return set()
    found = _select(metadata, "batch_id = any(%s) and state = %s", [list(batch_ids), ARCHIVED])
    return {row.batch_id for row in found}


def mark_loaded(
    metadata: JobMetadata, table: str, loaded: Sequence[BatchRow], consumers: Sequence[ConsumerPlan]
) -> None:
    """Batches are in stg (or are empty), and have arrived at every consumer of `table`: both or neither."""
    with metadata.transaction() as cursor:
        for row in loaded:
            cursor.execute(
                "update job.batch set state = %s, loaded_at_utc = now() where batch_id = %s and state = %s",
                [LOADED, row.batch_id, PENDING],
            )
            record_arrivals(cursor, table, consumers, row.run_kind, row.order_date, row.arrival_id)


def mark_archived(metadata: JobMetadata, manifest: BatchManifest, manifest_key: str) -> None:
    """A batch's files lie under archive/ from now on, as its new manifest says."""
    with metadata.transaction() as cursor:
        cursor.execute(
            "update job.batch set state = %s, archived_at_utc = now(), manifest_key = %s where batch_id = %s",
            [ARCHIVED, manifest_key, manifest.batch_id],
        )
        cursor.execute("delete from job.batch_file where batch_id = %s", [manifest.batch_id])
        _insert_files(cursor, manifest)


def mark_replayed(
    metadata: JobMetadata, manifest: BatchManifest, manifest_key: str, reason: str | None, requested_by: str
) -> None:
    """An archived batch is pending again, its files under source/ as its new manifest says."""
    with metadata.transaction() as cursor:
        cursor.execute(
            "update job.batch set state = %s, loaded_at_utc = null, archived_at_utc = null, manifest_key = %s"
            " where batch_id = %s and state = %s",
            [PENDING, manifest_key, manifest.batch_id, ARCHIVED],
        )
        cursor.execute(
            "insert into job.replay (batch_id, replay, reason, requested_by)"
            " select %s, count(*) + 1, %s, %s from job.replay where batch_id = %s",
            [manifest.batch_id, reason, requested_by, manifest.batch_id],
        )
        cursor.execute("delete from job.batch_file where batch_id = %s", [manifest.batch_id])
        _insert_files(cursor, manifest)


def rewrite_batch(metadata: JobMetadata, manifest: BatchManifest) -> None:
    """A registered batch has the files and counts of `manifest` from now on; others are left alone."""
    values = [manifest.rows, manifest.id_count, manifest.bytes, json.dumps(_counts(manifest)), manifest.batch_id]
    with metadata.transaction() as cursor:
        cursor.execute("update job.batch set rows = %s, ids = %s, bytes = %s, counts = %s where batch_id = %s", values)
        if cursor.rowcount:
            cursor.execute("delete from job.batch_file where batch_id = %s", [manifest.batch_id])
            _insert_files(cursor, manifest)


def _select(metadata: JobMetadata, condition: str, values: Sequence[object]) -> list[BatchRow]:
    with metadata.transaction() as cursor:
        cursor.execute(
            "select batch_id, object, run_kind, order_date, rows, bytes, manifest_key, state, ids,"
            " (select count(*) from job.replay where replay.batch_id = batch.batch_id) from job.batch"
            f" where {condition} order by order_date, registered_at_utc, batch_id",
            values,
        )
        return [BatchRow(row[0], row[1], RunKind(row[2]), *row[3:]) for row in cursor.fetchall()]


def _write_batch(cursor: Cursor, manifest: BatchManifest, manifest_key: str) -> bool:
    """Whether the batch is written; it is not if it is loaded already."""
    values: dict[str, Any] = {
        "batch_id": manifest.batch_id,
        "object": manifest.object,
        "run_id": manifest.run_id,
        "run_kind": manifest.run_kind,
        "order_date": manifest.order_date,
        "window_start_utc": manifest.window_start_utc,
        "window_end_utc": manifest.window_end_utc,
        "read_at_utc": manifest.read_at_utc,
        "read_mode": manifest.read_mode.value,
        "countries": list(manifest.countries),
        "reason": manifest.reason,
        "absence_at_utc": manifest.absence_at_utc,
        "job_ids": list(manifest.job_ids),
        "rows": manifest.rows,
        "ids": manifest.id_count,
        "bytes": manifest.bytes,
        "counts": json.dumps(_counts(manifest)),
        "manifest_key": manifest_key,
        "state": PENDING,
    }
    names, places = ", ".join(values), ", ".join(["%s"] * len(values))
    news = ", ".join(f"{name} = excluded.{name}" for name in values if name != "batch_id")
    cursor.execute(
        f"insert into job.batch ({names}) values ({places}) on conflict (batch_id) do update set {news}"
        " where batch.state = excluded.state",
        list(values.values()),
    )
    return cursor.rowcount == 1


def _counts(manifest: BatchManifest) -> dict[str, Any]:
    """Every count of the batch's rows and, under `ids`, of its Ids."""
    counts: dict[str, Any] = manifest.counts.model_dump()
    return counts if manifest.ids is None else {**counts, "ids": manifest.ids.counts.model_dump()}


def _insert_files(cursor: Cursor, manifest: BatchManifest) -> None:
    files = [(file, BatchContent.ROWS) for file in manifest.files]
    files += [(file, BatchContent.IDS) for file in manifest.id_files]
    if files:
        execute_values(
            cursor,
            "insert into job.batch_file (batch_id, key, rows, bytes, sha256, content) values %s",
            [
                (manifest.batch_id, file.key, file.rows, file.bytes, file.sha256, content.value)
                for file, content in files
            ],
        )
