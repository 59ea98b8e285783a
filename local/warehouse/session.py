"""One client of the front: its messages are rewritten on their way up; COPY and TRUNCATE are carried out here."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field

from . import wire
from .copy.command import CopyContext, run_copy
from .errors import SqlError
from .faults import FaultKind, Faults, serialization_failure
from .history import Execution, History
from .rewrite import Action, Statement, join, rewrite_script
from .settling import settle
from .unload.command import run_unload
from .upstream import Asked, Client, Pending, Result, Upstream

log = logging.getLogger(__name__)

# Parsed in place of a statement that the front itself carries out: it has no parameters and gives no rows.
PLACEHOLDER = "do ''"
# PostgreSQL tells a procedure in no way whether it runs in a transaction block.
MARK_BLOCK = "set local rs.in_block to on"
_ASKED = {b"B": Asked.BIND, b"D": Asked.DESCRIBE, b"E": Asked.EXECUTE, b"C": Asked.CLOSE, b"S": Asked.SYNC}


@dataclass
class Prepared:
    """A session's prepared statements and portals, by name."""

    statements: dict[bytes, Statement] = field(default_factory=dict)
    portals: dict[bytes, Statement] = field(default_factory=dict)


class Nowhere:
    """A client that has gone, as far as it is written to."""

    def write(self, data: bytes) -> None:
        """Forget the bytes."""

    async def drain(self) -> None:
        """Nothing is waited for."""


def _ends_transaction(sql: str) -> bool:
    return sql.strip().lower().startswith(("commit", "end"))


class Session:
    """Reads a client's messages and acts on each; those of its login pass as they are, to be judged by PostgreSQL."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        client: Client,
        upstream: Upstream,
        context: CopyContext,
        faults: Faults,
        history: History,
    ) -> None:
        self._reader, self._client, self._upstream, self._context = reader, client, upstream, context
        self._faults, self._history = faults, history
        self._prepared = Prepared()
        self._skipping = False  # a special statement failed in the extended protocol: ignore all until Sync
        self._sent_since_sync: set[bytes] = set()
        self._begun = False  # a transaction block, in the extended protocol
        self._dropping = False  # a fault: the connection ends with the statement that is being executed

    async def run(self) -> None:
        """Serve the client until it goes."""
        framer = wire.Framer()
        while chunk := await self._reader.read(wire.READ_BYTES):
            for kind, data in framer.feed(chunk):
                if kind == 0x58:  # Terminate
                    await self._upstream.send(data)
                    return
                await self._message(bytes([kind]), data)

    async def _message(self, kind: bytes, data: bytes) -> None:
        if kind == b"S":
            self._skipping = False
            await self._sync(data)
        elif self._skipping:
            return
        elif kind == b"Q":
            await self._query(data[5:-1].decode())
        elif kind == b"P":
            await self._parse(data[5:])
        elif kind == b"B":
            await self._bind(data)
        elif kind == b"E":
            await self._execute(data)
        elif kind == b"C":
            await self._close(data)
        else:
            await self._forward(kind, data)

    async def _forward(self, kind: bytes, data: bytes, executions: list[Execution] | None = None) -> None:
        """Pass a message up as it came."""
        self._sent_since_sync.add(kind)
        if kind in _ASKED:
            self._upstream.expect(Pending(_ASKED[kind], executions=executions))
        elif kind == b"F":
            self._upstream.expect(Pending(Asked.QUERY))
        await self._upstream.send(data)

    def _begin(self, *statements: Statement) -> list[Execution]:
        """What the history is to tell of statements that are sent now."""
        user, process = self._context.user, self._upstream.process
        return [self._history.begin(user, process, statement) for statement in statements]

    # -- the simple protocol

    async def _query(self, sql: str) -> None:
        fault = self._faults.take(sql)
        if fault is not None and await self._suffer(fault, sql):
            return
        try:
            statements = rewrite_script(sql)
        except SqlError as error:
            # PostgreSQL gets a syntax error, which fails its transaction; the client gets the real reason.
            self._upstream.expect(Pending(Asked.QUERY, replace_error=error))
            await self._upstream.send(wire.query("!"))
            return
        if any(statement.reads_history for statement in statements):
            await self._history.flush()
        ordinary = all(statement.action is Action.UPSTREAM for statement in statements)
        if ordinary and (len(statements) == 1 or not any(statement.calls for statement in statements)):
            self._upstream.expect(Pending(Asked.QUERY, executions=self._begin(*statements)))
            await self._upstream.send(wire.query(join(statements)))
            if any(statement.begins for statement in statements):
                await self._mark_block()
        else:
            await self._script(statements)
        if self._dropping:
            await self._drop()

    async def _mark_block(self) -> None:
        """Leave a mark in the transaction that the client has begun, for procedures; nobody waits for the answer."""
        self._begun = False
        self._upstream.expect(Pending(Asked.QUERY, capture=Result()))
        await self._upstream.send(wire.query(MARK_BLOCK))

    async def _script(self, statements: tuple[Statement, ...]) -> None:
        """A script with special statements: one after the other, in one transaction unless it has its own."""
        await self._upstream.drain()
        implicit = (
            len(statements) > 1
            and self._upstream.status == "I"
            and not any(s.controls_transaction or s.action is Action.TRUNCATE for s in statements)
        )
        if implicit:
            await self._upstream.run(f"begin; {MARK_BLOCK}")
        succeeded = True
        for statement in statements:
            succeeded = await self._one(statement)
            if not succeeded:
                break
        if implicit:
            succeeded = await self._end_implicit(succeeded)
        self._client.write(wire.ready_for_query(self._upstream.status))
        await self._client.drain()

    async def _one(self, statement: Statement) -> bool:
        """One statement of a script; whether it succeeded."""
        if statement.action is Action.LATER:
            try:
                statement = await settle(statement, self._upstream)
            except SqlError as error:
                return await self._fail(error)
        if statement.action is not Action.UPSTREAM:
            return await self._special(statement)
        succeeded = await self._pass(statement)
        if statement.begins:
            await self._upstream.attempt(MARK_BLOCK)
        return succeeded

    async def _end_implicit(self, succeeded: bool) -> bool:
        result = await self._upstream.attempt("commit" if succeeded else "rollback")
        if result.error is not None:
            self._client.write(wire.error(result.error.fields()))
        return succeeded and result.error is None

    async def _pass(self, statement: Statement) -> bool:
        """One ordinary statement of a script: its answers go to the client, its ReadyForQuery does not."""
        pending = self._upstream.expect(Pending(Asked.QUERY, hide_ready=True, executions=self._begin(statement)))
        await self._upstream.send(wire.query(statement.sql))
        await pending.finished.wait()
        return not pending.failed

    # -- the extended protocol

    async def _parse(self, body: bytes) -> None:
        name, rest = wire.split_cstring(body)
        text, types = wire.split_cstring(rest)
        self._prepared.statements.pop(name, None)
        source = text[:-1].decode()
        try:
            self._suffer_parsed(source)
            statements = rewrite_script(source)
            if any(statement.action is Action.LATER for statement in statements):
                await self._upstream.drain()
                if self._upstream.batch_failed:  # PostgreSQL skips all until Sync, a question too
                    self._skipping = True
                    return
            sql = self._parsed(name, await self._settled(statements))
        except SqlError as error:
            self._sent_since_sync.add(b"P")
            self._upstream.expect(Pending(Asked.PARSE, replace_error=error))
            await self._upstream.send(wire.parse(name, "!", types))
            return
        self._sent_since_sync.add(b"P")
        self._upstream.expect(Pending(Asked.PARSE))
        await self._upstream.send(wire.parse(name, sql, types))

    async def _settled(self, statements: tuple[Statement, ...]) -> tuple[Statement, ...]:
        """The statements with their columns known; everything asked before has been answered. Raises SqlError."""
        return tuple([await settle(statement, self._upstream) for statement in statements])

    async def _sync(self, data: bytes) -> None:
        if self._dropping and b"E" in self._sent_since_sync:
            self._mute()
        await self._forward(b"S", data)
        if self._begun:
            await self._mark_block()
        if self._dropping and b"E" in self._sent_since_sync:
            await self._drop()
        self._sent_since_sync.clear()

    def _parsed(self, name: bytes, statements: tuple[Statement, ...]) -> str:
        """What PostgreSQL shall parse; the statement is remembered, and for a special one a placeholder goes up."""
        if len(statements) == 1:
            self._prepared.statements[name] = statements[0]
            return statements[0].sql if statements[0].action is Action.UPSTREAM else PLACEHOLDER
        if any(statement.action is not Action.UPSTREAM for statement in statements):
            raise SqlError("cannot insert multiple commands into a prepared statement", code="42601")
        return join(statements)

    async def _bind(self, data: bytes) -> None:
        portal, rest = wire.split_cstring(data[5:])
        name, _ = wire.split_cstring(rest)
        self._prepared.portals.pop(portal, None)
        statement = self._prepared.statements.get(name)
        if statement is not None:
            self._prepared.portals[portal] = statement
            if statement.reads_history:
                await self._history.flush()
        await self._forward(b"B", data)

    async def _execute(self, data: bytes) -> None:
        portal, _ = wire.split_cstring(data[5:])
        statement = self._prepared.portals.get(portal)
        if statement is None or statement.action is Action.UPSTREAM:
            self._begun = self._begun or (statement is not None and statement.begins)
            await self._forward(b"E", data, None if statement is None else self._begin(statement))
            return
        await self._upstream.drain()
        if self._upstream.batch_failed or not await self._special(statement):
            self._skipping = True

    async def _close(self, data: bytes) -> None:
        known = self._prepared.statements if data[5:6] == b"S" else self._prepared.portals
        known.pop(data[6:], None)
        await self._forward(b"C", data)

    # -- faults on demand

    async def _suffer(self, fault: FaultKind, sql: str) -> bool:
        """Do a fault to a statement of the simple protocol; whether nothing else is to be done with it."""
        log.warning("a fault on demand: %s for %.60s", fault.value, sql)
        if fault is FaultKind.DROP:
            raise ConnectionAbortedError("a fault on demand")
        if fault is FaultKind.DROP_AFTER:
            self._dropping = True
            self._mute()
            return False
        await self._upstream.drain()
        if self._upstream.status != "I":
            await self._upstream.attempt("rollback" if _ends_transaction(sql) else "!")
        error = serialization_failure(self._upstream.process)
        self._client.write(wire.error(error.fields()) + wire.ready_for_query(self._upstream.status))
        await self._client.drain()
        return True

    def _suffer_parsed(self, sql: str) -> None:
        """The same in the extended protocol. Raises SqlError or ConnectionAbortedError."""
        fault = self._faults.take(sql)
        if fault is FaultKind.SERIALIZATION:
            raise serialization_failure(self._upstream.process)
        if fault is FaultKind.DROP:
            raise ConnectionAbortedError("a fault on demand")
        self._dropping = self._dropping or fault is FaultKind.DROP_AFTER

    def _mute(self) -> None:
        """Let nothing more reach the client."""
        self._client = self._upstream.client = Nowhere()

    async def _drop(self) -> None:
        await self._upstream.drain()
        raise ConnectionAbortedError("a fault on demand")

    # -- statements that the front carries out

    async def _special(self, statement: Statement) -> bool:
        """Run a special statement and tell the client how it went; everything asked before has been answered."""
        (execution,) = self._begin(statement)
        try:
            tag = await self._carry_out(statement, execution.query_id)
        except SqlError as error:
            execution.fail(error.code, error.message)
            return await self._fail(error)
        execution.end(tag)
        self._client.write(wire.command_complete(tag))
        await self._client.drain()
        return True

    async def _fail(self, error: SqlError) -> bool:
        """Tell the client, and PostgreSQL's transaction fails: no success."""
        await self._upstream.fail_transaction()
        self._client.write(wire.error(error.fields()))
        await self._client.drain()
        return False

    async def _carry_out(self, statement: Statement, query_id: int) -> str:
        """The command tag of a special statement that was run. Raises SqlError."""
        if statement.action is Action.TRUNCATE:
            return await self._truncate(statement)
        if self._upstream.status == "E":
            raise SqlError(
                "current transaction is aborted, commands ignored until end of transaction block", code="25P02"
            )
        if statement.action is Action.UNLOAD:
            return await run_unload(statement.sql, self._upstream, self._client, query_id)
        self._context.canceled.clear()
        return await run_copy(statement.sql, self._upstream, self._client, self._context, query_id)

    async def _truncate(self, statement: Statement) -> str:
        """TRUNCATE commits the transaction in which it runs."""
        result = await self._upstream.run(statement.sql)
        if self._upstream.status == "T":
            await self._upstream.run("commit")
        return result.tag

    def cancel_if(self, key: bytes) -> None:
        """A CancelRequest came: if it is for this session, end a COPY that the front is at."""
        if key == self._upstream.backend_key:
            self._context.canceled.set()
