"""One connection to PostgreSQL behind a client's session: who is owed which answer, and the front's own statements.

Messages go up as they come and answers go down as they come. A queue of what has been asked tells, for each answer,
whether it is the client's, the front's own (kept from the client) or to be replaced by another error.
"""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol, TypeVar

from . import wire
from .errors import SqlError, UpstreamError
from .history import Execution
from .translation import parameter_status, short_sasl_list, translate_error

log = logging.getLogger(__name__)
T = TypeVar("T")
DATA_ROW = ord("D")


class Client(Protocol):
    """What of a client's stream the front writes to."""

    def write(self, data: bytes, /) -> None:
        """Send bytes, soon."""

    async def drain(self) -> None:
        """Wait while the client is slower than the front."""


class Asked(Enum):
    """What was sent up, by the answers it gets."""

    STARTUP = "startup"
    QUERY = "query"
    SYNC = "sync"
    PARSE = "parse"
    BIND = "bind"
    DESCRIBE = "describe"
    EXECUTE = "execute"
    CLOSE = "close"


_ENDS: dict[Asked, bytes] = {
    Asked.STARTUP: b"Z",
    Asked.QUERY: b"Z",
    Asked.SYNC: b"Z",
    Asked.PARSE: b"1",
    Asked.BIND: b"2",
    Asked.DESCRIBE: b"Tn",
    Asked.EXECUTE: b"CIs",
    Asked.CLOSE: b"3",
}


@dataclass
class Result:
    """What a statement of the front's own gave: rows as text, the command tag, or an error.

    With `begin` and `take`, the columns (names and type oids) and each row are given away as they come.
    """

    rows: list[list[str | None]] = field(default_factory=list)
    tag: str = ""
    error: SqlError | None = None
    begin: Callable[[list[tuple[str, int]]], None] | None = None
    take: Callable[[list[str | None]], None] | None = None


@dataclass
class Pending:
    """Something asked and not answered yet."""

    asked: Asked
    replace_error: SqlError | None = None  # tell the client this instead of PostgreSQL's error
    hide_ready: bool = False  # the ReadyForQuery is kept back: the front goes on with the client's script
    capture: Result | None = None  # the front's own: nothing of it reaches the client
    executions: list[Execution] | None = None  # the client's statements, for the history
    failed: bool = False
    finished: asyncio.Event = field(default_factory=asyncio.Event)
    copy_ready: asyncio.Event = field(default_factory=asyncio.Event)


class Connection(ABC):
    """What COPY, UNLOAD and the rewriting ask of PostgreSQL: a session's Upstream, or a procedure's errand."""

    status: str  # I outside, T in and E in a failed transaction block; P in a procedure
    closed: bool
    streams: bool  # it can run COPY … FROM STDIN and savepoints
    process: int  # PostgreSQL's behind the session

    async def run(self, sql: str, result: Result | None = None) -> Result:
        """Run a statement. Raises UpstreamError if it fails."""
        result = await self.attempt(sql, result)
        if result.error is not None:
            raise result.error
        return result

    @abstractmethod
    async def attempt(self, sql: str, result: Result | None = None) -> Result:
        """Run a statement; a failure is in the result."""

    @abstractmethod
    async def copy_in(self, sql: str, chunks: AsyncIterator[bytes]) -> Result:
        """Run a COPY … FROM STDIN over `chunks`."""


class Upstream(Connection):
    """The connection to PostgreSQL and the pump that passes its answers on to `client`."""

    streams = True

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, client: Client) -> None:
        self._reader, self._writer, self.client = reader, writer, client
        self._pending: deque[Pending] = deque()
        self._drained = asyncio.Event()
        self._drained.set()
        self.status = "I"
        self.backend_key = b""
        self.client_is_redshift_connector = False
        self.closed = False
        self.batch_failed = False  # an error in the extended protocol: PostgreSQL skips all until Sync

    @property
    def process(self) -> int:
        """PostgreSQL's process behind this session."""
        return int.from_bytes(self.backend_key[:4], "big")

    def expect(self, pending: Pending) -> Pending:
        """Note that something is being asked; call it right before the message is sent."""
        if pending.asked in (Asked.SYNC, Asked.QUERY):
            self.batch_failed = False
        if self.batch_failed:  # it gets no answer
            pending.finished.set()
            return pending
        self._pending.append(pending)
        self._drained.clear()
        return pending

    async def send(self, data: bytes) -> None:
        """Send bytes up, waiting while PostgreSQL is slower than the client."""
        self._writer.write(data)
        await self._writer.drain()

    async def drain(self) -> None:
        """Wait until everything asked so far has been answered. Raises ConnectionError if PostgreSQL has gone."""
        if self._pending and self._pending[-1].asked not in (Asked.SYNC, Asked.QUERY, Asked.STARTUP):
            await self.send(wire.message(b"H"))
        await self._drained.wait()
        if self.closed:
            raise ConnectionError("PostgreSQL closed the connection")

    async def attempt(self, sql: str, result: Result | None = None) -> Result:
        """Run a statement of the front's own; a failure is in the result."""
        result = result or Result()
        pending = self.expect(Pending(Asked.QUERY, capture=result))
        await self.send(wire.query(sql))
        await self._finish(pending)
        return result

    async def copy_in(self, sql: str, chunks: AsyncIterator[bytes]) -> Result:
        """Run a COPY … FROM STDIN of the front's own over `chunks`; stops reading them when PostgreSQL objects."""
        result = Result()
        pending = self.expect(Pending(Asked.QUERY, capture=result))
        await self.send(wire.query(sql))
        await self._either(pending.copy_ready, pending.finished)
        try:
            if not pending.finished.is_set():
                async for chunk in chunks:
                    if pending.finished.is_set() or result.error is not None:
                        break
                    await self.send(wire.message(b"d", chunk))
                await self.send(wire.message(b"c"))
        except BaseException:
            if not self.closed:
                await self.send(wire.message(b"f", wire.cstring("the front gave up")))
                await self._finish(pending)
            raise
        await self._finish(pending)
        return result

    async def fail_transaction(self) -> None:
        """Make PostgreSQL regard the open transaction, if there is one, as failed."""
        if self.status == "T":
            await self.attempt("!")

    async def _finish(self, pending: Pending) -> None:
        await pending.finished.wait()
        if self.closed:
            raise ConnectionError("PostgreSQL closed the connection")

    async def _either(self, *events: asyncio.Event) -> None:
        waits = [asyncio.ensure_future(event.wait()) for event in events]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()

    async def pump(self) -> None:
        """Pass answers down until PostgreSQL closes the connection."""
        framer = wire.Framer()
        try:
            while chunk := await self._reader.read(wire.READ_BYTES):
                passed = [self._answer(kind, data) for kind, data in framer.feed(chunk, DATA_ROW)]
                down = b"".join(data for data in passed if data)
                if down:
                    self.client.write(down)
                    await self.client.drain()
        finally:
            self.close()

    def close(self) -> None:
        """End the connection and wake whoever waits for an answer."""
        self.closed = True
        self._writer.close()
        for pending in self._pending:
            pending.finished.set()
            pending.copy_ready.set()
        self._pending.clear()
        self._drained.set()

    def _answer(self, kind: int, data: bytes) -> bytes:
        """What of one answer the client shall see; keeps the books."""
        head = self._pending[0] if self._pending else None
        if kind == DATA_ROW and head is not None:  # one or more of them, by far the most frequent
            if head.capture is None:
                return data
            for _, row in wire.Framer().feed(data):
                self._keep(head, b"D", row[5:])
            return b""
        letter = bytes([kind])
        if letter == b"K":
            self.backend_key = data[5:13]
        if letter in b"SAN":
            return self._asynchronous(letter, data, head)
        if letter == b"E":
            return self._error(data, head)
        if letter == b"R":
            return short_sasl_list(data) if self.client_is_redshift_connector else data
        if head is None:
            return data
        if head.capture is not None:
            self._keep(head, letter, data[5:])
        elif head.executions and letter in b"CIs":
            ended = head.executions.pop(0)
            ended.end(data[5:-1].decode())
            for following in head.executions[:1]:
                following.started = ended.ended
        if letter == b"Z":
            self.status = data[5:6].decode()
        shown = b"" if head.capture is not None or (letter == b"Z" and head.hide_ready) else data
        if letter in _ENDS[head.asked]:
            self._done(self._pending.popleft())
        return shown

    def _asynchronous(self, letter: bytes, data: bytes, head: Pending | None) -> bytes:
        if letter == b"S":
            return parameter_status(data)
        return b"" if letter == b"N" and head is not None and head.capture is not None else data

    def _keep(self, head: Pending, letter: bytes, body: bytes) -> None:
        assert head.capture is not None
        result = head.capture
        if letter == b"D":
            self._give(result, result.take or result.rows.append, wire.parse_data_row(body))
        elif letter == b"T" and result.begin is not None:
            self._give(result, result.begin, wire.parse_row_description(body))
        elif letter == b"C":
            result.tag = body[:-1].decode()
        elif letter == b"G":
            head.copy_ready.set()

    @staticmethod
    def _give(result: Result, taker: Callable[[T], None], item: T) -> None:
        """Hand something on, unless that has failed before."""
        if result.error is None:
            try:
                taker(item)
            except SqlError as error:
                result.error = error

    def _error(self, data: bytes, head: Pending | None) -> bytes:
        fields = translate_error(wire.parse_fields(data[5:]), self.process)
        if head is None:
            return wire.error(fields)
        head.failed = True
        if head.executions:  # what stands behind it is not run
            head.executions[0].fail(fields.get("C", ""), fields.get("M", ""))
            head.executions = None
        if head.capture is not None:
            head.capture.error = UpstreamError(fields)
            return b""
        if head.asked not in (Asked.QUERY, Asked.SYNC, Asked.STARTUP):
            self._skip_to_sync()
        return wire.error(head.replace_error.fields() if head.replace_error else fields)

    def _skip_to_sync(self) -> None:
        """PostgreSQL answers nothing that was sent before the next Sync."""
        while self._pending and self._pending[0].asked is not Asked.SYNC:
            self._done(self._pending.popleft())
        if not self._pending:
            self.batch_failed = True

    def _done(self, pending: Pending) -> None:
        pending.finished.set()
        if not self._pending:
            self._drained.set()
