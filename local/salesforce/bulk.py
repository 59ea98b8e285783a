"""Bulk API 2.0 query jobs: created, worked off one after the other, kept over a kill."""

import queue
import sqlite3
import threading
import time
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

from local.salesforce.faults import Asked, Effect, Faults, Kind
from local.salesforce.ids import make_id
from local.salesforce.large.objects import served_large
from local.salesforce.live import LiveOrg, Moment
from local.salesforce.org import Org, OrgView
from local.salesforce.request_log import ReadKind, insert_read
from local.salesforce.results import CsvDialect, Page, ResultFiles
from local.salesforce.rows import Row
from local.salesforce.soql.errors import (
    INVALID_FIELD,
    INVALID_TYPE,
    MALFORMED_QUERY,
    SoqlError,
    error_at,
)
from local.salesforce.soql.execution import BoundQuery, bind
from local.salesforce.soql.nodes import OtherItem, Query
from local.salesforce.soql.parser import parse
from local.salesforce.store import Store
from local.salesforce.times import to_iso
from local.salesforce.values import csv_writer

JOB_PREFIX = "750"
DELIMITERS: Mapping[str, str] = {
    "BACKQUOTE": "`",
    "CARET": "^",
    "COMMA": ",",
    "PIPE": "|",
    "SEMICOLON": ";",
    "TAB": "\t",
}
LINE_ENDINGS: Mapping[str, str] = {"LF": "\n", "CRLF": "\r\n"}


class JobState(Enum):
    """A query job's states."""

    UPLOAD_COMPLETE = "UploadComplete"
    IN_PROGRESS = "InProgress"
    JOB_COMPLETE = "JobComplete"
    FAILED = "Failed"
    ABORTED = "Aborted"


OPEN_STATES = (JobState.UPLOAD_COMPLETE, JobState.IN_PROGRESS)


@dataclass(frozen=True)
class JobRequest:
    """A checked request for a job."""

    operation: str
    soql: str
    delimiter: str
    line_ending: str
    api_version: str
    bound: BoundQuery


def bind_for_bulk(soql: str) -> BoundQuery:
    """Bind a query as Bulk takes it. Raises SoqlError for what it refuses on top of REST."""
    query = parse(soql)
    if query.is_count:
        raise SoqlError(MALFORMED_QUERY, "Aggregate functions and COUNT() are not supported by the Bulk API")
    for item in query.items:
        if isinstance(item, OtherItem):
            detail = f"{item.kind.value} are not supported by the Bulk API"
            raise error_at(MALFORMED_QUERY, soql, item.position, detail)
    if query.has_group_by or query.offset is not None:
        clause = "GROUP BY" if query.has_group_by else "OFFSET"
        raise SoqlError(MALFORMED_QUERY, f"{clause} is not supported by the Bulk API")
    return _bind_fields(query)


def _bind_fields(query: Query) -> BoundQuery:
    try:
        bound = bind(query.text)
    except SoqlError as error:
        if error.code == INVALID_TYPE:
            raise SoqlError(
                "INVALIDENTITY", f"Entity '{query.object_name}' is not supported by the Bulk API."
            ) from error
        raise
    for column in bound.columns:
        if column.field.is_compound:
            detail = f"Selecting compound data not supported in Bulk Query: {'.'.join(column.path)}"
            raise SoqlError(INVALID_FIELD, detail)
    return bound


class BulkJobs:
    """All query jobs of the org, and the thread that works on them."""

    def __init__(
        self, store: Store, org: Org, files: ResultFiles, live: LiveOrg, faults: Faults, page_rows: int
    ) -> None:
        self._store = store
        self._org = org
        self._files = files
        self._live = live
        self._faults = faults
        self._page_rows = page_rows
        self._waiting: queue.Queue[str | None] = queue.Queue()
        self._worker = threading.Thread(target=self._work, name="bulk-jobs", daemon=True)
        for row in store.rows("SELECT id FROM jobs WHERE state IN (?, ?) ORDER BY number", _values(OPEN_STATES)):
            self._waiting.put(row["id"])
        self._worker.start()

    def stop(self) -> None:
        """Let the worker finish the job it is at."""
        self._waiting.put(None)
        self._worker.join()

    def create(self, request: JobRequest) -> sqlite3.Row:
        """A new job, waiting."""
        now = to_iso(self._org.clock.now())
        with self._store.transaction() as connection:
            number = connection.execute("SELECT coalesce(max(number), 0) + 1 FROM jobs").fetchone()[0]
            number = max(number, int(self._store.get_meta("last_job_number") or 0) + 1)
            job_id = make_id(JOB_PREFIX, 12_345 + number)
            connection.execute("INSERT OR REPLACE INTO meta VALUES ('last_job_number', ?)", (str(number),))
            connection.execute(
                "INSERT INTO jobs (id, number, operation, object, soql, delimiter, line_ending, api_version, state, "
                "created_at, modified_at, page_rows) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    job_id,
                    number,
                    request.operation,
                    request.bound.sobject.name,
                    request.soql,
                    request.delimiter,
                    request.line_ending,
                    request.api_version,
                    JobState.UPLOAD_COMPLETE.value,
                    now,
                    now,
                    self._page_rows,
                ),
            )
        created = self.find(job_id)
        if created is None:
            raise RuntimeError(f"job {job_id} is gone as soon as it was written")
        self._waiting.put(job_id)
        return created

    def find(self, job_id: str) -> sqlite3.Row | None:
        """A job by its 15- or 18-character id."""
        return self._store.row("SELECT * FROM jobs WHERE substr(id, 1, 15) = ?", (job_id[:15],))

    def page_of_jobs(self, after: int, size: int) -> list[sqlite3.Row]:
        """Up to `size` jobs whose number is greater than `after`."""
        return self._store.rows("SELECT * FROM jobs WHERE number > ? ORDER BY number LIMIT ?", (after, size))

    def created_since(self, moment: str) -> int:
        """How many jobs were created at or after an org time."""
        found = self._store.row("SELECT count(*) AS jobs FROM jobs WHERE created_at >= ?", (moment,))
        return 0 if found is None else int(found["jobs"])

    def abort(self, job_id: str) -> bool:
        """Stop an open job; False when it is not open any more."""
        return self._move(job_id, OPEN_STATES, JobState.ABORTED)

    def delete(self, job_id: str) -> bool:
        """Remove a finished job with its results; False when it is still open."""
        with self._store.transaction() as connection:
            sql = "DELETE FROM jobs WHERE id = ? AND state NOT IN (?, ?)"
            gone = connection.execute(sql, (job_id, *_values(OPEN_STATES))).rowcount == 1
        if gone:
            self._files.delete(job_id)
        return gone

    def page(self, job: sqlite3.Row, first: int, max_records: int | None) -> Page:
        """The rows of a page that starts at row `first`."""
        count = min(max_records or job["page_rows"], job["row_count"] - first)
        following = first + count
        return Page(first, count, following if following < job["row_count"] else None)

    def _move(self, job_id: str, sources: tuple[JobState, ...], target: JobState) -> bool:
        marks = ", ".join("?" for _ in sources)
        sql = f"UPDATE jobs SET state = ?, modified_at = ? WHERE id = ? AND state IN ({marks})"
        now = to_iso(self._org.clock.now())
        with self._store.transaction() as connection:
            return connection.execute(sql, (target.value, now, job_id, *_values(sources))).rowcount == 1

    def _work(self) -> None:
        while (job_id := self._waiting.get()) is not None:
            try:
                self._process(job_id)
            except Exception as error:  # any failure makes a Failed job, and the next one runs
                traceback.print_exc()
                self._fail(job_id, f"{type(error).__name__}: {error}")

    def _process(self, job_id: str) -> None:
        if not self._move(job_id, OPEN_STATES, JobState.IN_PROGRESS):
            return
        started = time.monotonic()
        job = self._store.row("SELECT * FROM jobs WHERE id = ?", (job_id,))
        if job is None:
            return
        bound = bind_for_bulk(job["soql"])
        self._live.reached(Moment.JOB, bound.sobject.name)
        view = self._org.view()
        large = served_large(bound.sobject.name)
        if large is not None:
            records = large.select(bound)
        else:
            records = bound.select(view, with_deleted=job["operation"] == "queryAll")
        self._log_snapshot(job, bound, view, len(records))
        if self._meets_its_end(job, len(records)):
            return
        dialect = CsvDialect(DELIMITERS[job["delimiter"]], LINE_ENDINGS[job["line_ending"]])
        header = dialect.line(".".join(column.path) for column in bound.columns)
        if not isinstance(records, range):  # those of a large object lie on disk already
            self._files.write(job_id, header, _lines(bound, view, records, dialect))
        self._live.reached(Moment.RUNNING, bound.sobject.name)
        self._complete(job_id, int((time.monotonic() - started) * 1000))

    def _meets_its_end(self, job: sqlite3.Row, rows: int) -> bool:
        """Whether a fault keeps the job from completing; one may only keep it waiting."""
        fault = self._faults.meet(Asked(Kind.RUN_JOB, "", job["object"], job["id"], rows))
        if fault is None:
            return False
        if fault.effect is Effect.FAIL:
            self._fail(job["id"], str(fault.arguments["message"]))
        elif fault.effect is Effect.ABORT:
            self.abort(job["id"])
        elif fault.effect is Effect.DELAY:
            time.sleep(float(str(fault.arguments["seconds"])))
            return False
        return True

    def _log_snapshot(self, job: sqlite3.Row, bound: BoundQuery, view: OrgView, rows: int) -> None:
        org_time = to_iso(view.as_of)
        what = (org_time, ReadKind.BULK.value, job["operation"], job["object"], job["soql"])
        with self._store.transaction() as connection:
            connection.execute(
                "UPDATE jobs SET snapshot_at = ?, row_count = ? WHERE id = ?", (org_time, rows, job["id"])
            )
            insert_read(connection, what, bound.window, job["id"], rows)

    def _complete(self, job_id: str, processing_ms: int) -> None:
        self._store.execute("UPDATE jobs SET processing_ms = ? WHERE id = ?", (processing_ms, job_id))
        if not self._move(job_id, (JobState.IN_PROGRESS,), JobState.JOB_COMPLETE):
            self._files.delete(job_id)

    def _fail(self, job_id: str, message: str) -> None:
        self._files.delete(job_id)
        self._store.execute("UPDATE jobs SET error_message = ? WHERE id = ?", (message, job_id))
        self._move(job_id, OPEN_STATES, JobState.FAILED)


def _values(states: tuple[JobState, ...]) -> tuple[str, ...]:
    return tuple(state.value for state in states)


def _lines(bound: BoundQuery, view: OrgView, records: list[Row], dialect: CsvDialect) -> Iterator[bytes]:
    readers = [(column.getter(), csv_writer(column.field)) for column in bound.columns]
    everything = view.records
    for record in records:
        yield dialect.line([text(get(record, everything)) for get, text in readers])
