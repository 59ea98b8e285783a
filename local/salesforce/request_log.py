"""What was read, of what, for which window, and at which org time; and how many calls were made."""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from local.salesforce.soql.execution import Window
from local.salesforce.store import Store, read_only


class ReadKind(Enum):
    """How rows were read."""

    REST = "rest"
    BULK = "bulk"
    COUNT = "count"


@dataclass(frozen=True)
class LoggedRead:
    """One read. `org_time` is the snapshot's; the window, of SystemModstamp, is half-open; times are ISO text, ms."""

    seq: int
    org_time: str
    kind: ReadKind
    operation: str
    object: str
    soql: str
    window_start: str | None
    window_end: str | None
    job_id: str | None
    rows: int


class RequestLog:
    """Writes the log."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def read(self, org_time: str, kind: ReadKind, operation: str, object_name: str, soql: str, window: Window) -> int:
        """Log a REST read before its rows are known; returns its seq for `counted`."""
        with self._store.transaction() as connection:
            return insert_read(connection, (org_time, kind.value, operation, object_name, soql), window, None, 0)

    def counted(self, seq: int, rows: int) -> None:
        """Set the number of rows of a read."""
        self._store.execute('UPDATE request_log SET "rows" = ? WHERE seq = ?', (rows, seq))

    def call(self, org_date: str) -> int:
        """Count one API call on an org date; returns that date's calls so far."""
        with self._store.transaction() as connection:
            connection.execute(
                "INSERT INTO api_calls VALUES (?, 1) ON CONFLICT (org_date) DO UPDATE SET calls = calls + 1",
                (org_date,),
            )
            found = connection.execute("SELECT calls FROM api_calls WHERE org_date = ?", (org_date,)).fetchone()
            return int(found[0])


def insert_read(
    connection: sqlite3.Connection,
    what: tuple[str, str, str, str, str],
    window: Window,
    job_id: str | None,
    rows: int,
) -> int:
    """Insert a read (org_time, kind, operation, object, soql); a job's read that stands there already is replaced.

    Returns the seq of the row inserted.
    """
    cursor = connection.execute(
        "INSERT INTO request_log (org_time, kind, operation, object, soql, window_start, window_end, job_id, "
        '"rows") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (job_id) DO UPDATE SET '
        'org_time = excluded.org_time, "rows" = excluded."rows"',
        (*what, window.start, window.end, job_id, rows),
    )
    return int(cursor.lastrowid or 0)


def iter_reads(state_dir: Path) -> Iterator[LoggedRead]:
    """Every logged read, in order. Raises FileNotFoundError when no simulator was ever started there."""
    with read_only(state_dir) as connection:
        for row in connection.execute("SELECT * FROM request_log ORDER BY seq"):
            yield LoggedRead(**{**dict(row), "kind": ReadKind(row["kind"])})


def total_calls(state_dir: Path) -> int:
    """All API calls ever made to the org."""
    with read_only(state_dir) as connection:
        return int(connection.execute("SELECT coalesce(sum(calls), 0) FROM api_calls").fetchone()[0])
