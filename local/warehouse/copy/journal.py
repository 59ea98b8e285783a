"""Rows of the system tables, written over a connection of the front's own so that they outlive a rollback."""

from __future__ import annotations

import io
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass

import psycopg2
from psycopg2.extras import execute_values

# A value that Redshift's columns would not hold is cut to their length.
MAX_TEXT = 1024
MAX_ERRORS_KEPT = 1000
MAX_REPLACEMENTS_KEPT = 100
MAX_STATEMENTS_KEPT = 10_000
STATEMENTS_PER_TRIM = 1000
_ESCAPED = re.compile(r"[\\\n\r\t\0]")
_COPY_ESCAPES = str.maketrans({"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\0": "?"})

# The codes of AWS's load error reference, by the beginning of the reason; what is not there is 1200, unknown.
_CODES = {
    "Delimiter not found": 1214,
    "Delimited value missing end quote": 1214,
    "Invalid quote": 1214,
    "Extra column(s) found": 1202,
    "Fixed-width record is shorter": 1203,
    "String length": 1204,
    "Invalid Date": 1205,
    "Invalid timestamp": 1206,
    "Invalid time": 1206,
    "Invalid digit, Type: Float": 1208,
    "Overflow, Type: Decimal": 1204,
    "Overflow": 1222,
    "Unknown boolean": 1210,
    "Missing data": 1213,
    "Multibyte character": 1220,
    "String contains invalid": 1220,
    "Missing newline": 1216,
    "Invalid hex digit": 1219,
    "Invalid JSON": 1224,
}
_DIGIT_CODES = {"Decimal": 1209, "Float": 1208}
_POSITION = re.compile(r", Pos ([0-9]+),")


@dataclass(frozen=True)
class LoadError:
    """One record that could not be loaded."""

    file_uri: str
    line_number: int
    column: str
    column_type: str
    column_length: str
    raw_line: str
    raw_field: str
    reason: str
    field: int | None = None  # the place of the column among the fields, from 0

    @property
    def position(self) -> int:
        """Where in the field the error is, as far as the reason says."""
        match = _POSITION.search(self.reason)
        return int(match.group(1)) if match else 0

    def code(self) -> int:
        """The error code of AWS's load error reference, 1200 (unknown) if the reason is not among them."""
        if self.reason.startswith("Invalid digit"):
            return next((code for kind, code in _DIGIT_CODES.items() if self.reason.endswith(kind)), 1207)
        return next((code for start, code in _CODES.items() if self.reason.startswith(start)), 1200)


@dataclass(frozen=True)
class LoadedFile:
    """One file that was loaded: its records and unpacked bytes."""

    uri: str
    records: int
    unpacked_bytes: int


@dataclass(frozen=True)
class Replacement:
    """One record in which ACCEPTINVCHARS has replaced characters."""

    file_uri: str
    line_number: int
    raw_line: str


class Journal:
    """Writes what stands behind stl_load_errors, stl_replacements, stl_load_commits and the history of statements.

    Its methods block: call them in threads.
    """

    def __init__(self, upstream: str) -> None:
        self._upstream = upstream
        self._lock = threading.Lock()
        self._connection: psycopg2.extensions.connection | None = None
        self._statements = 0  # recorded since the last trim

    def record_errors(self, query_id: int, table: str, table_oid: int, session: int, errors: list[LoadError]) -> None:
        """One row of stl_load_errors per error."""
        rows = [
            (
                table_oid, table, session, query_id, error.file_uri, error.line_number, error.column, error.column_type,
                error.column_length, _storable(error.raw_line), _storable(error.raw_field), error.code(), error.reason,
                error.position, error.field,
            )
            for error in errors[:MAX_ERRORS_KEPT]
        ]  # fmt: skip
        self._insert(
            "insert into rs.load_error (tbl, table_name, session, query, filename, line_number, colname, type,"
            " col_length, raw_line, raw_field_value, err_code, err_reason, position, field)"
            " values %s",
            rows,
        )

    def record_replacements(self, query_id: int, table_oid: int, session: int, found: list[Replacement]) -> None:
        """One row of stl_replacements per record."""
        rows = [
            (table_oid, session, query_id, item.file_uri, item.line_number, _storable(item.raw_line))
            for item in found[:MAX_REPLACEMENTS_KEPT]
        ]
        self._insert(
            "insert into rs.load_replacement (tbl, session, query, filename, line_number, raw_line) values %s", rows
        )

    def record_files(self, query_id: int, table: str, form: str, files: list[LoadedFile]) -> None:
        """One row of stl_load_commits per file."""
        rows = [(query_id, file.uri, file.uri, file.records, form, table, file.unpacked_bytes) for file in files]
        self._insert(
            "insert into rs.load_commit (query, name, filename, lines_scanned, file_format, table_name, bytes_scanned)"
            " values %s",
            rows,
        )

    def record_statements(self, rows: list[tuple[object, ...]]) -> None:
        """One row of rs.statement per statement; what is too old, or one too many, goes."""
        lines = ["\t".join(["\\N" if value is None else _copied(value) for value in row]) + "\n" for row in rows]

        def write(cursor: psycopg2.extensions.cursor) -> None:
            cursor.copy_expert("copy rs.statement from stdin", io.StringIO("".join(lines)))
            if self._statements + len(rows) >= STATEMENTS_PER_TRIM:
                cursor.execute("select rs.trim_history(%s)", (MAX_STATEMENTS_KEPT,))

        self._write(write)
        self._statements = (self._statements + len(rows)) % STATEMENTS_PER_TRIM

    def _insert(self, sql: str, rows: list[tuple[object, ...]]) -> None:
        self._write(lambda cursor: execute_values(cursor, sql, rows))

    def _write(self, write: Callable[[psycopg2.extensions.cursor], None]) -> None:
        with self._lock:
            try:
                self._write_once(write)
            except (psycopg2.OperationalError, psycopg2.InterfaceError):
                self._connection = None  # PostgreSQL was restarted since: once more over a new connection
                self._write_once(write)

    def _write_once(self, write: Callable[[psycopg2.extensions.cursor], None]) -> None:
        if self._connection is None or self._connection.closed:
            self._connection = psycopg2.connect(self._upstream)
        with self._connection, self._connection.cursor() as cursor:
            write(cursor)


def _copied(value: object) -> str:
    """A value in PostgreSQL's text format for COPY."""
    text = str(value)
    return text.translate(_COPY_ESCAPES) if isinstance(value, str) and _ESCAPED.search(text) else text


def _storable(text: str) -> str:
    return text[:MAX_TEXT].replace("\0", "?").encode(errors="replace").decode()
