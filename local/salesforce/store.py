"""The simulator's one SQLite file: what must survive a kill -9 at any moment."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

DATABASE_FILE = "org.db"

_TABLES = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS events (
    seq INTEGER PRIMARY KEY, object TEXT NOT NULL, id TEXT NOT NULL, kind TEXT NOT NULL,
    committed_at TEXT NOT NULL, system_modstamp TEXT NOT NULL, "values" TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS events_committed ON events (committed_at);
CREATE TABLE IF NOT EXISTS tokens (token TEXT PRIMARY KEY, expires_at REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS jobs (
    id TEXT PRIMARY KEY, number INTEGER NOT NULL UNIQUE, operation TEXT NOT NULL, object TEXT NOT NULL,
    soql TEXT NOT NULL, delimiter TEXT NOT NULL, line_ending TEXT NOT NULL, api_version TEXT NOT NULL,
    state TEXT NOT NULL, created_at TEXT NOT NULL, modified_at TEXT NOT NULL, snapshot_at TEXT,
    row_count INTEGER NOT NULL DEFAULT 0, processing_ms INTEGER NOT NULL DEFAULT 0,
    page_rows INTEGER NOT NULL, error_message TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS request_log (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, org_time TEXT NOT NULL, kind TEXT NOT NULL, operation TEXT NOT NULL,
    object TEXT NOT NULL, soql TEXT NOT NULL, window_start TEXT, window_end TEXT, job_id TEXT UNIQUE,
    "rows" INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS api_calls (org_date TEXT PRIMARY KEY, calls INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS cursors (
    id TEXT PRIMARY KEY, operation TEXT NOT NULL, soql TEXT NOT NULL, created_at TEXT NOT NULL,
    ids BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS added_objects (
    name TEXT PRIMARY KEY, described TEXT NOT NULL, "rows" TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS live_plans (
    number INTEGER PRIMARY KEY AUTOINCREMENT, object TEXT NOT NULL, moment TEXT NOT NULL, remaining INTEGER NOT NULL,
    changes TEXT NOT NULL, committed_at TEXT, events INTEGER);
"""


class Store:
    """One connection shared by the server's threads, one thread at a time."""

    def __init__(self, state_dir: Path) -> None:
        self._lock = threading.RLock()
        self._connection = sqlite3.connect(state_dir / DATABASE_FILE, check_same_thread=False, isolation_level=None)
        self._connection.row_factory = sqlite3.Row
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=NORMAL")
        self._connection.execute("PRAGMA busy_timeout=30000")
        self._connection.executescript(_TABLES)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """One transaction: all of the block's writes are kept, or none."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def execute(self, sql: str, parameters: tuple[object, ...] = ()) -> None:
        """One statement, committed."""
        with self._lock:
            self._connection.execute(sql, parameters)

    def rows(self, sql: str, parameters: tuple[object, ...] = ()) -> list[sqlite3.Row]:
        """All rows of a query."""
        with self._lock:
            return self._connection.execute(sql, parameters).fetchall()

    def each(self, sql: str, parameters: tuple[object, ...] = ()) -> Iterator[sqlite3.Row]:
        """The rows of a query one after the other, for results too large to hold; other threads wait meanwhile."""
        with self._lock:
            yield from self._connection.execute(sql, parameters)

    def row(self, sql: str, parameters: tuple[object, ...] = ()) -> sqlite3.Row | None:
        """The first row of a query, or None."""
        with self._lock:
            found: sqlite3.Row | None = self._connection.execute(sql, parameters).fetchone()
            return found

    def get_meta(self, key: str) -> str | None:
        """A single setting, or None when it was never written."""
        found = self.row("SELECT value FROM meta WHERE key = ?", (key,))
        return None if found is None else str(found["value"])

    def set_meta(self, key: str, value: str) -> None:
        """Write a single setting."""
        self.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    def close(self) -> None:
        """Close the file; the store is of no use afterwards."""
        with self._lock:
            self._connection.close()


@contextmanager
def read_only(state_dir: Path) -> Iterator[sqlite3.Connection]:
    """A connection for other processes (the event printer, the oracle), which cannot change anything."""
    path = state_dir / DATABASE_FILE
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist; expected the state of a simulator that was started once")
    connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
    connection.row_factory = sqlite3.Row
    try:
        yield connection
    finally:
        connection.close()
