"""Job metadata: windows, batches, arrivals, marks and claims. The only place with SQL on schema `job`.

Every method is one transaction (or joins the caller's through `cursor`) and may be repeated: a task that is killed
between two of them and tried again ends where it would have ended.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Self

from psycopg2.extras import execute_values

from idiscover.aws import postgres
from idiscover.aws.secrets import read_secret
from idiscover.errors import RetriableError
from idiscover.lake.manifest import BatchFile, BatchManifest
from idiscover.metadata.models import Context
from idiscover.plan.model import ConsumerPlan, RunKind, Window

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from psycopg2.extensions import cursor as Cursor

WHERE = "job metadata"
_WINDOW = "object, run_id, run_kind, order_date, batch_id, window_start_utc, window_end_utc"


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


class JobMetadata(postgres.Closing):
    """One connection to the job metadata; a context manager that closes it."""

    def __enter__(self) -> Self:
        return self

    def transaction(self) -> AbstractContextManager[Cursor]:
        """A cursor in one transaction, all times in UTC."""
        return postgres.transaction(self._connection, WHERE)

    # -- windows ----------------------------------------------------------------------------------

    def frozen_window(self, object_name: str, run_id: str, run_type: str) -> Window | None:
        """The window that an earlier try of the run froze."""
        with self.transaction() as cursor:
            return _frozen(cursor, object_name, run_id, run_type)

    def freeze_window(self, window: Window, run_type: str, lease: timedelta) -> Window:
        """Freezes `window` unless the run has one already, and takes the object's lock for it.

        Returns:
            The window that stands.

        Raises:
            RetriableError: another run holds the lock of an overlapping window.
        """
        with self.transaction() as cursor:
            # one decision at a time per object, or two runs could each overlook the other
            cursor.execute("select pg_advisory_xact_lock(hashtext('window'), hashtext(%s))", [window.object])
            cursor.execute(
                f"insert into job.run_window ({_WINDOW}, run_type) values (%s, %s, %s, %s, %s, %s, %s, %s)"
                " on conflict (object, run_id, run_type) do nothing",
                [
                    window.object,
                    window.run_id,
                    window.run_kind.value,
                    window.order_date,
                    window.batch_id,
                    window.start_utc,
                    window.end_utc,
                    run_type,
                ],
            )
            standing = _frozen(cursor, window.object, window.run_id, run_type)
            assert standing is not None  # just inserted, or there before
            _refuse_overlap(cursor, standing, run_type)
            cursor.execute(
                "update job.run_window set lock_expires_at_utc = now() + %s"
                " where object = %s and run_id = %s and run_type = %s",
                [lease, window.object, window.run_id, run_type],
            )
        return standing

    def release_lock(self, object_name: str, run_id: str, run_type: str) -> None:
        """Lets other runs read overlapping windows."""
        with self.transaction() as cursor:
            _release_lock(cursor, object_name, run_id, run_type)

    def watermark(self, object_name: str) -> datetime | None:
        """Up to where the object has been read, UTC; None before its first batch."""
        with self.transaction() as cursor:
            cursor.execute("select watermark_at_utc from job.watermark where object = %s", [object_name])
            row = cursor.fetchone()
        return None if row is None else row[0].astimezone(UTC)

    # -- batches ----------------------------------------------------------------------------------

    def register_batch(
        self, manifest: BatchManifest, run_type: str, manifest_key: str, history_start: datetime
    ) -> None:
        """Batch, files, watermark and the end of the lock, together.

        The watermark moves only if the window starts at or before it: past a gap it would hide what lies in the gap.
        An object without a watermark has been read up to `history_start`, where its first window begins.
        """
        with self.transaction() as cursor:
            if _insert_batch(cursor, manifest, manifest_key):
                _insert_files(cursor, manifest.batch_id, manifest.files)
                _move_watermark(cursor, manifest, history_start)
            _release_lock(cursor, manifest.object, manifest.run_id, run_type)

    def batch(self, batch_id: str) -> BatchRow | None:
        """One batch, or None."""
        found = self._batches("batch_id = %s", [batch_id])
        return found[0] if found else None

    def batches(self, object_name: str, state: str) -> list[BatchRow]:
        """Batches of an object in a state, oldest first."""
        return self._batches("object = %s and state = %s", [object_name, state])

    def _batches(self, condition: str, values: Sequence[object]) -> list[BatchRow]:
        with self.transaction() as cursor:
            cursor.execute(
                "select batch_id, object, run_kind, order_date, rows, bytes, manifest_key, state from job.batch"
                f" where {condition} order by order_date, registered_at_utc, batch_id",
                values,
            )
            return [BatchRow(row[0], row[1], RunKind(row[2]), *row[3:]) for row in cursor.fetchall()]

    def mark_loaded(self, table: str, batches: Sequence[BatchRow], consumers: Sequence[ConsumerPlan]) -> None:
        """Batches are in stg (or are empty), and have arrived at every consumer of `table`."""
        with self.transaction() as cursor:
            for batch in batches:
                cursor.execute(
                    "update job.batch set state = 'loaded', loaded_at_utc = now()"
                    " where batch_id = %s and state = 'pending'",
                    [batch.batch_id],
                )
                record_arrivals(cursor, table, consumers, batch.run_kind, batch.order_date, batch.batch_id)

    def mark_archived(self, batch_id: str, manifest_key: str, files: Sequence[BatchFile]) -> None:
        """A batch's files lie under archive/ from now on."""
        with self.transaction() as cursor:
            cursor.execute(
                "update job.batch set state = 'archived', archived_at_utc = now(), manifest_key = %s"
                " where batch_id = %s",
                [manifest_key, batch_id],
            )
            cursor.execute("delete from job.batch_file where batch_id = %s", [batch_id])
            _insert_files(cursor, batch_id, files)

    def newest_read(self) -> datetime | None:
        """The org's clock as far as anybody has seen it, UTC."""
        with self.transaction() as cursor:
            cursor.execute("select max(read_at_utc) from job.batch")
            newest = cursor.fetchone()[0]
        return None if newest is None else newest.astimezone(UTC)


def open_job_metadata(context: Context) -> JobMetadata:
    """The job metadata of an environment, with credentials read now."""
    secret = read_secret(context.secrets.job_metadata, context.region)
    return JobMetadata(postgres.connect(secret, WHERE))


def record_arrivals(
    cursor: Cursor,
    table: str,
    consumers: Iterable[ConsumerPlan],
    run_kind: RunKind,
    order_date: date,
    source_id: str,
) -> None:
    """`table` has arrived at its consumers; recording it again changes nothing."""
    rows = [(consumer.table, table, run_kind.value, order_date, source_id) for consumer in consumers]
    if rows:
        execute_values(
            cursor,
            "insert into job.input_arrival (target, input, run_kind, order_date, source_id) values %s"
            " on conflict (target, input, run_kind, order_date, source_id) do nothing",
            rows,
        )


def _frozen(cursor: Cursor, object_name: str, run_id: str, run_type: str) -> Window | None:
    cursor.execute(
        f"select {_WINDOW} from job.run_window where object = %s and run_id = %s and run_type = %s",
        [object_name, run_id, run_type],
    )
    row = cursor.fetchone()
    if row is None:
        return None
    return Window(
        object=row[0],
        run_id=row[1],
        run_kind=RunKind(row[2]),
        order_date=row[3],
        batch_id=row[4],
        start_utc=row[5].astimezone(UTC),
        end_utc=row[6].astimezone(UTC),
    )


def _refuse_overlap(cursor: Cursor, window: Window, run_type: str) -> None:
    cursor.execute(
        "select run_id, window_start_utc, window_end_utc, lock_expires_at_utc from job.run_window"
        " where object = %s and (run_id, run_type) <> (%s, %s) and lock_expires_at_utc > now()"
        " and window_start_utc < least(window_end_utc, %s) and window_end_utc > %s and %s < %s"
        " order by run_id limit 1",
        [
            window.object,
            window.run_id,
            run_type,
            window.end_utc,
            window.start_utc,
            window.start_utc,
            window.end_utc,
        ],
    )
    holder = cursor.fetchone()
    if holder is not None:
        raise RetriableError(
            "another run reads an overlapping window",
            where=f"object {window.object}",
            got=f"{holder[0]}: {holder[1].isoformat()} to {holder[2].isoformat()}",
            expected=f"nobody between {window.start_utc.isoformat()} and {window.end_utc.isoformat()}",
            remedy=f"wait for it to end; its lock lapses by itself at {holder[3].isoformat()}",
        )


def _release_lock(cursor: Cursor, object_name: str, run_id: str, run_type: str) -> None:
    cursor.execute(
        "update job.run_window set lock_expires_at_utc = null where object = %s and run_id = %s and run_type = %s",
        [object_name, run_id, run_type],
    )


def _insert_batch(cursor: Cursor, manifest: BatchManifest, manifest_key: str) -> bool:
    """Whether the batch is new."""
    values: dict[str, Any] = {
        "batch_id": manifest.batch_id,
        "object": manifest.object,
        "run_id": manifest.run_id,
        "run_kind": manifest.run_kind,
        "order_date": manifest.order_date,
        "window_start_utc": manifest.window_start_utc,
        "window_end_utc": manifest.window_end_utc,
        "read_at_utc": manifest.read_at_utc,
        "job_id": manifest.job_id,
        "rows": manifest.rows,
        "bytes": manifest.bytes,
        "counts": json.dumps(manifest.counts.model_dump()),
        "manifest_key": manifest_key,
        "state": "pending",
    }
    names, places = ", ".join(values), ", ".join(["%s"] * len(values))
    cursor.execute(
        f"insert into job.batch ({names}) values ({places}) on conflict (batch_id) do nothing", list(values.values())
    )
    return cursor.rowcount == 1


def _insert_files(cursor: Cursor, batch_id: str, files: Sequence[BatchFile]) -> None:
    if files:
        execute_values(
            cursor,
            "insert into job.batch_file (batch_id, key, rows, bytes, sha256) values %s",
            [(batch_id, file.key, file.rows, file.bytes, file.sha256) for file in files],
        )


def _move_watermark(cursor: Cursor, manifest: BatchManifest, history_start: datetime) -> None:
    cursor.execute("select watermark_at_utc from job.watermark where object = %s for update", [manifest.object])
    row = cursor.fetchone()
    watermark = history_start if row is None else row[0]
    if manifest.window_start_utc > watermark or manifest.window_end_utc <= watermark:
        return
    cursor.execute(
        "insert into job.watermark (object, watermark_at_utc, batch_id) values (%s, %s, %s)"
        " on conflict (object) do update set updated_at_utc = now(), batch_id = excluded.batch_id,"
        " watermark_at_utc = excluded.watermark_at_utc where job.watermark.watermark_at_utc < excluded.watermark_at_utc",
        [manifest.object, manifest.window_end_utc, manifest.batch_id],
    )
