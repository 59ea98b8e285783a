"""The history of statements: kept in memory as they end, and put into a table of schema rs in batches."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import psycopg2

from .copy.journal import Journal
from .rewrite import Statement

log = logging.getLogger(__name__)

FLUSH_SECONDS = 5.0
# A batch is not left to grow beyond this in that time.
BATCH_STATEMENTS = 1000


@dataclass(slots=True)
class Execution:
    """One statement being carried out, and in the end how that went; times are seconds since the epoch."""

    history: History = field(repr=False)
    query_id: int
    user: str
    process: int
    statement: Statement
    started: float
    ended: float = 0.0
    rows: int | None = None
    code: str = ""  # the SQLSTATE of its error
    message: str = ""

    def end(self, tag: str) -> None:
        """It has succeeded, with this command tag."""
        verb, _, rows = tag.partition(" ")
        if verb == "SELECT" and rows:
            self.rows = int(rows)
        self._over()

    def fail(self, code: str, message: str) -> None:
        """It has failed."""
        self.code, self.message = code, message
        self._over()

    def _over(self) -> None:
        self.ended = time.time()
        self.history.add(self)


class History:
    """What all sessions have carried out; a statement is in the table seconds later, or when that is asked."""

    def __init__(self, journal: Journal, query_ids: Iterator[int]) -> None:
        self._journal, self._query_ids = journal, query_ids
        self._ended: list[Execution] = []
        self._flushing = asyncio.Lock()
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, user: str, process: int, statement: Statement) -> Execution:
        """A statement that starts now."""
        return Execution(self, next(self._query_ids), user, process, statement, time.time())

    def add(self, execution: Execution) -> None:
        """Take up a statement that has ended."""
        self._ended.append(execution)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(FLUSH_SECONDS, self._flush_soon)
        elif len(self._ended) == BATCH_STATEMENTS:
            self._timer.cancel()
            self._flush_soon()

    def _flush_soon(self) -> None:
        self._timer = None
        task = asyncio.get_running_loop().create_task(self.flush())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def flush(self) -> None:
        """Put into the table what has ended so far. What PostgreSQL does not take is lost, and logged."""
        async with self._flushing:
            batch, self._ended = self._ended, []
            if not batch:
                return
            try:
                await asyncio.to_thread(self._journal.record_statements, [_row(execution) for execution in batch])
            except psycopg2.Error as error:
                log.warning("the history of %d statements is lost: %s", len(batch), error)


def _row(execution: Execution) -> tuple[object, ...]:
    """In the order of the columns of rs.statement."""
    statement = execution.statement
    return (
        execution.query_id, execution.user, execution.process, statement.kind, statement.source, execution.started,
        execution.ended, execution.rows, execution.code, execution.message,
    )  # fmt: skip
