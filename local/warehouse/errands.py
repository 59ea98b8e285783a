"""COPY and UNLOAD in procedures: the front carries them out, and the procedure runs the front's SQL for it.

A session's connection is busy with the CALL, so the procedure (rs.carry_out) gives the statement to the front over the
connection that rs has to it, runs one step of SQL after the other, and reports what each gave, until the front is done.
All of it is in the procedure's transaction and has the rights of who runs it.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from typing import Any

from . import wire
from .copy.command import CopyContext, run_copy
from .errors import INTERNAL_ERROR, SqlError, UpstreamError
from .tokens import is_word, literal, significant_iter, tokenize
from .unload.command import run_unload
from .upstream import Connection, Result

_FIELD = re.compile(r'"((?:[^"\\]|""|\\\\)*)"|([^,)]*)')
_COPY_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_COPY_ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}

# What rs.carry_out gets: SQL or a text, and what it is to do with it.
Step = tuple[str, str]


class _Notices:
    """A client that keeps the messages of the notices that are written to it."""

    def __init__(self) -> None:
        self.messages: list[str] = []

    def write(self, data: bytes, /) -> None:
        """Keep the message of a NoticeResponse."""
        self.messages.append(wire.parse_fields(data[5:]).get("M", ""))

    async def drain(self) -> None:
        """Nothing is waited for."""


class Errand(Connection):
    """One COPY or UNLOAD, as a connection to PostgreSQL whose statements the procedure runs."""

    status = "P"  # in a procedure: its transaction is begun and ended elsewhere, and no step spoils it
    closed = False
    streams = False

    def __init__(self, order: str, context: Callable[[str], CopyContext], query_id: int) -> None:
        """`order` is JSON of rs.carry_out: the statement, the process and the user of the session."""
        asked = json.loads(order)
        self.process = int(asked["process"])
        self._statement, self._context, self._query_id = str(asked["statement"]), context(str(asked["user"])), query_id
        self._steps: asyncio.Queue[Step] = asyncio.Queue()
        self._reports: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._taking: Result | None = None
        self._task = asyncio.create_task(self._carry_out())

    async def next_step(self) -> Step:
        """What the procedure is to do next. Raises SqlError if the statement has failed."""
        step = asyncio.ensure_future(self._steps.get())
        await asyncio.wait((step, self._task), return_when=asyncio.FIRST_COMPLETED)
        if step.done():
            return step.result()
        step.cancel()
        return json.dumps(self._task.result()), "done"

    async def report(self, report: str) -> Step:
        """Take what a step gave (JSON: `error`, or `count`, `rows`); the next step. Raises SqlError."""
        await self._reports.put(json.loads(report))
        return await self.next_step()

    def take_rows(self, rows: str) -> None:
        """Take some of the step that is being run, in JSON: its columns (names, oids of types), or records' texts."""
        if self._taking is None:
            raise SqlError("no step of this errand gives rows")
        told = json.loads(rows)
        columns = [(str(row[0]), int(row[1])) for row in told if not isinstance(row, str)]
        if columns and self._taking.begin is not None:
            self._taking.begin(columns)
        for row in told[len(columns) :]:
            self._give(self._taking, parse_record(row))

    def cancel(self) -> None:
        """Nobody takes any more steps."""
        self._task.cancel()

    async def _carry_out(self) -> list[str]:
        """The messages of the statement that was run. Raises SqlError."""
        notices = _Notices()
        first = next(significant_iter(tokenize(self._statement)), None)
        if is_word(first, "unload"):
            await run_unload(self._statement, self, notices, self._query_id)
        else:
            await run_copy(self._statement, self, notices, self._context, self._query_id)
        return notices.messages

    # -- what a connection can do

    async def attempt(self, sql: str, result: Result | None = None) -> Result:
        """Run a statement; a failure is in the result, and undone."""
        result = result or Result()
        self._taking = result
        kind = "stream" if result.begin else "query" if sql.startswith("select ") else "command"
        await self._steps.put((sql, kind))
        report = await self._reports.get()
        if "error" in report:
            told = {letter: text for letter, text in report["error"].items() if text}
            result.error = UpstreamError({"S": "ERROR", "V": "ERROR", "C": INTERNAL_ERROR, **told})
            return result
        result.tag = f"OK {report['count']}"
        for row in report["rows"]:
            self._give(result, parse_record(row))
        return result

    async def copy_in(self, sql: str, chunks: AsyncIterator[bytes]) -> Result:
        """Insert lines of PostgreSQL's text format into the table of `copy t from stdin`."""
        result = Result()
        table = sql.split()[1]
        async for chunk in chunks:
            rows = ", ".join(_values(line) for line in chunk.decode().removesuffix("\n").split("\n"))
            result = await self.attempt(f"insert into {table} values {rows}")
            if result.error is not None:
                break
        return result

    @staticmethod
    def _give(result: Result, row: list[str | None]) -> None:
        if result.error is not None:
            return
        try:
            (result.take or result.rows.append)(row)
        except SqlError as error:
            result.error = error


def parse_record(text: str) -> list[str | None]:
    """The values of PostgreSQL's text of a record: `(1,"a, b",,"")`; nothing is null."""
    values: list[str | None] = []
    position = 1
    while position < len(text):
        match = _FIELD.match(text, position)
        assert match is not None
        quoted, plain = match.groups()
        if quoted is not None:
            values.append(quoted.replace('""', '"').replace("\\\\", "\\"))
        else:
            values.append(plain or None)
        position = match.end() + 1
    return values


def _values(line: str) -> str:
    """`('a', null)` from a line of PostgreSQL's text format."""
    values = ("null" if field == "\\N" else literal(_unescaped(field)) for field in line.split("\t"))
    return f"({', '.join(values)})"


def _unescaped(field: str) -> str:
    return _COPY_ESCAPE.sub(lambda match: _COPY_ESCAPES.get(match.group(1), match.group(1)), field)
