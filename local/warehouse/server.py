"""The front's listener: logins, cancel requests, the rewriting service, and a session per client."""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import secrets
import socket
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from . import wire
from .copy.command import CopyContext
from .copy.journal import Journal
from .errands import Errand
from .errors import SqlError
from .faults import Faults
from .history import History
from .installation import install
from .rewrite import rewrite_dynamic
from .rewrite.columns import Columns
from .session import Session
from .upstream import Asked, Pending, Upstream

log = logging.getLogger(__name__)

# A client of this database is the schema rs: it wants dynamic SQL rewritten, or a fault. Its user is a secret of this
# start of the front, which only sessions of the front are told.
FRONT_SERVICE = "rs_front"
_KNOWN_PARAMETERS = frozenset(
    {"user", "database", "options", "application_name", "client_encoding", "datestyle", "timezone",
     "extra_float_digits", "replication"}
)  # fmt: skip
# Redshift reads backslashes in ordinary literals as escapes.
_SESSION_SETTINGS = {"standard_conforming_strings": "off", "escape_string_warning": "off"}
_ENCODINGS = {"unicode": "UTF8", "utf-8": "UTF8", "utf8": "UTF8"}
SESSION_BUFFER_BYTES = 1024 * 1024
# What PostgreSQL has for Redshift's isolation levels, and its own default.
ISOLATION = {"statement": "read committed", "snapshot": "repeatable read", "serializable": "serializable"}


@dataclass
class Front:
    """What all sessions share.

    `upstream` is a postgresql:// URI of the warehouse as a superuser; `listens_at` is the host and port at which
    PostgreSQL reaches this front; `isolation` is that of transactions which do not say one.
    """

    upstream: str
    listens_at: tuple[str, int]
    first_query_id: int
    isolation: str = "read committed"
    sessions: set[Session] = field(default_factory=set)

    def __post_init__(self) -> None:
        parts = urlsplit(self.upstream)
        self.host, self.port = parts.hostname or "127.0.0.1", parts.port or 5432
        self.database = unquote(parts.path.lstrip("/"))
        self.journal = Journal(self.upstream)
        self.query_ids = itertools.count(self.first_query_id)
        self.history = History(self.journal, self.query_ids)
        self.faults = Faults()
        self.secret = secrets.token_hex(16)

    def copy_context(self, user: str) -> CopyContext:
        """What the COPYs of a session of `user` share with the front."""
        return CopyContext(self.journal, user)

    async def serve_client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection, whatever it is for; its faults end it and nothing else."""
        try:
            connection = writer.get_extra_info("socket")
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await self._serve(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, wire.ProtocolError) as error:
            log.info("a connection ended: %s", error)
        except Exception:
            log.exception("a session failed")
        finally:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        code, body = await wire.read_startup(reader)
        while code in (wire.SSL_REQUEST, wire.GSS_REQUEST):
            writer.write(b"N")
            await writer.drain()
            code, body = await wire.read_startup(reader)
        if code == wire.CANCEL_REQUEST:
            await self._cancel(body)
            return
        if code >> 16 != wire.PROTOCOL_3:
            raise wire.ProtocolError(f"got protocol version {code >> 16}.{code & 0xFFFF}, expected 3")
        parameters = wire.startup_parameters(body)
        database = parameters.get("database") or parameters.get("user", "")
        if database == FRONT_SERVICE and secrets.compare_digest(parameters.get("user", ""), self.secret):
            await serve_schema(reader, writer, self)
        elif database != self.database:
            writer.write(wire.error(_fatal("3D000", f'database "{database}" does not exist')))
            await writer.drain()
        else:
            await self._session(reader, writer, parameters)

    async def _session(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, parameters: dict[str, str]
    ) -> None:
        up_reader, up_writer = await asyncio.open_connection(self.host, self.port, limit=SESSION_BUFFER_BYTES)
        up_writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        upstream = Upstream(up_reader, up_writer, writer)
        upstream.client_is_redshift_connector = "client_protocol_version" in parameters
        upstream.expect(Pending(Asked.STARTUP))
        settings = {
            "default_transaction_isolation": self.isolation,
            **upstream_parameters(parameters),
            "rs.front_connection": service_connection(*self.listens_at, self.secret),
        }
        up_writer.write(wire.startup_packet(wire.PROTOCOL_3 << 16, settings))
        context = self.copy_context(parameters.get("user", ""))
        session = Session(reader, writer, upstream, context, self.faults, self.history)
        self.sessions.add(session)
        pump = asyncio.create_task(upstream.pump())
        serving = asyncio.create_task(session.run())
        try:
            done, _ = await asyncio.wait((pump, serving), return_when=asyncio.FIRST_COMPLETED)
            if pump in done:  # PostgreSQL has said its last word: so has the front
                serving.cancel()
            for task in done:
                task.result()
        finally:
            upstream.close()
            await asyncio.gather(pump, serving, return_exceptions=True)
            self.sessions.discard(session)

    async def _cancel(self, key: bytes) -> None:
        """Pass a CancelRequest on, and end a COPY that the front itself is at."""
        for session in self.sessions:
            session.cancel_if(key)
        _, up_writer = await asyncio.open_connection(self.host, self.port)
        up_writer.write((16).to_bytes(4, "big") + wire.CANCEL_REQUEST.to_bytes(4, "big") + key)
        await up_writer.drain()
        up_writer.close()


async def start(upstream: str, host: str, port: int, isolation: str) -> tuple[Front, asyncio.Server]:
    """Install the helpers and listen, on a free port if `port` is 0; `isolation` is a key of ISOLATION."""
    front = Front(upstream, (host, port), install(upstream), ISOLATION[isolation])
    server = await asyncio.start_server(front.serve_client, host, port, limit=SESSION_BUFFER_BYTES)
    front.listens_at = (host, server.sockets[0].getsockname()[1])
    return front, server


def service_connection(host: str, port: int, secret: str) -> str:
    """The libpq connection string by which the schema rs reaches the front that listens there."""
    return (
        f"host={host} port={port} dbname={FRONT_SERVICE} user={secret} sslmode=disable gssencmode=disable"
        " connect_timeout=10"
    )


def upstream_parameters(parameters: dict[str, str]) -> dict[str, str]:
    """The startup parameters for PostgreSQL: what it knows of the client's, and what makes it more like Redshift."""
    kept = {name: value for name, value in parameters.items() if name.lower() in _KNOWN_PARAMETERS}
    encoding = kept.get("client_encoding")
    if encoding is not None:
        kept["client_encoding"] = _ENCODINGS.get(encoding.strip("'").lower(), encoding)
    if kept.get("client_encoding", "UTF8") != "UTF8":
        raise wire.ProtocolError(f"got client_encoding {encoding}, expected UTF8")
    return {**kept, "client_encoding": "UTF8", **_SESSION_SETTINGS}


async def serve_schema(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, front: Front) -> None:
    """Answer rs.ask_front(): a query is a word and hexadecimal UTF-8, the answer a row of two texts.

    `rewrite` is for the text of an EXECUTE, with the columns of queries: gives it rewritten, and `commit` if a commit
    is to follow it; or a query, and `columns` if it has to be asked again with the columns of that.
    `inject` is for an order to the faults: gives what they say.
    `errand` is for a COPY or an UNLOAD of a procedure, `rows` and `result` for what its steps give: gives the next one.
    """
    greeting = [wire.message(b"R", bytes(4))]
    for name, value in (("server_version", "8.0.2"), ("client_encoding", "UTF8"), ("integer_datetimes", "on")):
        greeting.append(wire.message(b"S", wire.cstring(name) + wire.cstring(value)))
    writer.write(b"".join([*greeting, wire.message(b"K", bytes(8)), wire.ready_for_query("I")]))
    framer, answers = wire.Framer(), _Answers(front)
    try:
        while chunk := await reader.read(wire.READ_BYTES):
            for kind, data in framer.feed(chunk):
                if kind == 0x51:
                    writer.write(await answers.to(data[5:-1].decode()) + wire.ready_for_query("I"))
            await writer.drain()
    finally:
        answers.end()


class _Answers:
    """What one session's schema rs is told."""

    def __init__(self, front: Front) -> None:
        self._front = front
        self._errand: Errand | None = None

    async def to(self, query: str) -> bytes:
        """The messages that answer a query."""
        request, _, payload = query.partition(" ")
        if request not in ("rewrite", "inject", "errand", "rows", "result"):
            return wire.command_complete("SET")  # dblink sets the encoding and its like
        try:
            row = await self._row(request, bytes.fromhex(payload).decode())
        except SqlError as error:
            return wire.error(error.fields())
        return wire.text_row_description(["answer", "then"]) + wire.data_row(row) + wire.command_complete("SELECT 1")

    async def _row(self, request: str, text: str) -> tuple[str, str]:
        if request == "rewrite":
            return _rewritten(text)
        if request == "inject":
            return self._front.faults.control(text), ""
        if request == "errand":
            self.end()
            self._errand = Errand(text, self._front.copy_context, next(self._front.query_ids))
            return await self._errand.next_step()
        if self._errand is None:
            raise SqlError(f"there is no errand that {request} could be of")
        if request == "rows":
            self._errand.take_rows(text)
            return "", ""
        return await self._errand.report(text)

    def end(self) -> None:
        """The errand that was left in the middle, if there is one, goes no further."""
        if self._errand is not None:
            self._errand.cancel()


def _rewritten(text: str) -> tuple[str, str]:
    """What rs.rw is told, who sends JSON: `sql`, and `known`, the columns of queries (or an error's text) by query."""
    asked = json.loads(text)
    known: dict[str, Columns] = {
        query: SqlError(columns) if isinstance(columns, str) else tuple(columns)
        for query, columns in asked["known"].items()
    }
    return rewrite_dynamic(asked["sql"], known)


def _fatal(code: str, message: str) -> dict[str, str]:
    return {"S": "FATAL", "V": "FATAL", "C": code, "M": message}
