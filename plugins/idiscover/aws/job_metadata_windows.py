"""Job metadata: the window of a run, frozen by its first try; the lock it holds on its object; watermarks."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from psycopg2.extensions import cursor as Cursor

from idiscover.aws.job_metadata import JobMetadata, decide_alone
from idiscover.errors import RetriableError
from idiscover.lake.manifest import BatchManifest
from idiscover.plan.model import ReadMode, RunKind, Window

DECISION = "window"  # windows, locks and the watermark of an object are decided on one at a time
_COLUMNS = (
    "object, run_id, run_kind, order_date, batch_id, window_start_utc, window_end_utc, read_mode, countries, reason"
)


def frozen_window(metadata: JobMetadata, object_name: str, run_id: str, run_type: str) -> Window | None:
    """The window that an earlier try of the run froze."""
    with metadata.transaction() as cursor:
        return _frozen(cursor, object_name, run_id, run_type)


def freeze_window(
    metadata: JobMetadata,
    object_name: str,
    run_id: str,
    run_type: str,
    make: Callable[[datetime | None], Window],
    lease: timedelta,
) -> Window:
    """The run's window: the one that stands, or that which `make` makes of the watermark. Takes the object's lock.

    Window and lock are one transaction, so that a killed run leaves both or neither, and a run that is refused the lock
    freezes nothing: it may come again, with the watermark of then. A run whose batch stands needs no lock.

    Raises:
        RetriableError: another run holds the lock of an overlapping window.
    """
    with metadata.transaction() as cursor:
        decide_alone(cursor, DECISION, object_name)
        window = _frozen(cursor, object_name, run_id, run_type)
        if window is None:
            window = make(_watermark(cursor, object_name))
            _insert(cursor, window, run_type)
        cursor.execute("select 1 from job.batch where batch_id = %s", [window.batch_id])
        if cursor.fetchone() is None:
            _refuse_overlap(cursor, window, run_type)
            cursor.execute(
                "update job.run_window set lock_expires_at_utc = now() + %s"
                " where object = %s and run_id = %s and run_type = %s",
                [lease, object_name, run_id, run_type],
            )
    return window


def run_in_the_way(metadata: JobMetadata, window: Window, run_type: str) -> str | None:
    """The run because of which `freeze_window` would refuse the window now; None if nobody is in the way."""
    with metadata.transaction() as cursor:
        try:
            _refuse_overlap(cursor, window, run_type)
        except RetriableError as error:
            return str(error.got)
    return None


def release_lock(metadata: JobMetadata, object_name: str, run_id: str, run_type: str) -> None:
    """Lets other runs read overlapping windows. The window stays frozen."""
    with metadata.transaction() as cursor:
        give_lock_back(cursor, object_name, run_id, run_type)


def watermark(metadata: JobMetadata, object_name: str) -> datetime | None:
    """Up to where the object has been read, UTC; None before its first batch."""
    with metadata.transaction() as cursor:
        return _watermark(cursor, object_name)


def give_lock_back(cursor: Cursor, object_name: str, run_id: str, run_type: str) -> None:
    """`release_lock` within the caller's transaction."""
    cursor.execute(
        "update job.run_window set lock_expires_at_utc = null where object = %s and run_id = %s and run_type = %s",
        [object_name, run_id, run_type],
    )


def move_watermark(cursor: Cursor, manifest: BatchManifest, history_start: datetime) -> None:
    """To the batch's end, only if its window starts at or before it: past a gap it would hide what lies in the gap.

    A read of some countries never moves it: the records of the others have not been read.

    Args:
        cursor: of a transaction that decides alone about the object's windows.
        manifest: of a batch that is safe in S3.
        history_start: up to where an object without a watermark has been read: where its first window begins.
    """
    if manifest.countries:
        return
    standing = _watermark(cursor, manifest.object) or history_start
    if manifest.window_start_utc > standing or manifest.window_end_utc <= standing:
        return
    cursor.execute(
        "insert into job.watermark (object, watermark_at_utc, batch_id) values (%s, %s, %s)"
        " on conflict (object) do update set updated_at_utc = now(), batch_id = excluded.batch_id,"
        " watermark_at_utc = excluded.watermark_at_utc",
        [manifest.object, manifest.window_end_utc, manifest.batch_id],
    )


def _watermark(cursor: Cursor, object_name: str) -> datetime | None:
    cursor.execute("select watermark_at_utc from job.watermark where object = %s", [object_name])
    row = cursor.fetchone()
    return None if row is None else row[0].astimezone(UTC)


def _frozen(cursor: Cursor, object_name: str, run_id: str, run_type: str) -> Window | None:
    cursor.execute(
        f"select {_COLUMNS} from job.run_window where object = %s and run_id = %s and run_type = %s",
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
        read_mode=ReadMode(row[7]),
        countries=tuple(row[8]),
        reason=row[9],
    )


def _insert(cursor: Cursor, window: Window, run_type: str) -> None:
    cursor.execute(
        f"insert into job.run_window ({_COLUMNS}, run_type) values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        [
            window.object,
            window.run_id,
            window.run_kind.value,
            window.order_date,
            window.batch_id,
            window.start_utc,
            window.end_utc,
            window.read_mode.value,
            list(window.countries),
            window.reason,
            run_type,
        ],
    )


def _refuse_overlap(cursor: Cursor, window: Window, run_type: str) -> None:
    """Half-open windows overlap if each starts before the other ends; an empty one overlaps nothing.

    Two reads of every Id exclude each other whatever their windows: the one that began later, which alone counts, has
    to be the one that saw later.
    """
    cursor.execute(
        "select run_id, window_start_utc, window_end_utc, read_mode, lock_expires_at_utc from job.run_window"
        " where object = %(object)s and (run_id, run_type) <> (%(run_id)s, %(run_type)s)"
        " and lock_expires_at_utc > now()"
        " and (not %(is_empty)s and window_start_utc < window_end_utc"
        " and window_start_utc < %(end_utc)s and window_end_utc > %(start_utc)s"
        " or %(tells_absence)s and read_mode <> %(window_alone)s)"
        " order by window_start_utc, run_id limit 1",
        {
            "object": window.object,
            "run_id": window.run_id,
            "run_type": run_type,
            "is_empty": window.is_empty,
            "start_utc": window.start_utc,
            "end_utc": window.end_utc,
            "tells_absence": window.read_mode.tells_absence,
            "window_alone": ReadMode.WINDOW.value,
        },
    )
    holder = cursor.fetchone()
    if holder is not None:
        run_id, start, end, mode, lapses = holder
        raise RetriableError(
            "another run reads an overlapping window",
            where=f"object {window.object}",
            got=f"run {run_id}: {_text(start)} to {_text(end)}, {mode}",
            expected=f"nobody between {_text(window.start_utc)} and {_text(window.end_utc)}, and one read of every Id"
            " at a time",
            remedy=f"wait for it to end; if it is dead, its lock lapses at {_text(lapses)}",
        )


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds")
