"""PostgreSQL's wire protocol, version 3: cutting a byte stream into messages, and building messages."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Iterator, Sequence

SSL_REQUEST = 80877103
GSS_REQUEST = 80877104
CANCEL_REQUEST = 80877102
PROTOCOL_3 = 3
READ_BYTES = 256 * 1024
MAX_STARTUP_BYTES = 10_000

_LENGTH = struct.Struct("!I")


class ProtocolError(Exception):
    """The peer does not speak the protocol."""


async def read_startup(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """The code (a protocol version or a request) and the body of a connection's first packet."""
    (length,) = _LENGTH.unpack(await reader.readexactly(4))
    if not 8 <= length <= MAX_STARTUP_BYTES:
        raise ProtocolError(f"got a first packet of {length} bytes")
    payload = await reader.readexactly(length - 4)
    return _LENGTH.unpack_from(payload)[0], payload[4:]


def startup_parameters(body: bytes) -> dict[str, str]:
    """The names and values of a startup packet's body."""
    parts = body.split(b"\0")
    pairs = zip(parts[0::2], parts[1::2], strict=False)
    return {name.decode(): value.decode() for name, value in pairs if name}


def startup_packet(code: int, parameters: dict[str, str]) -> bytes:
    """A startup packet of protocol version `code`."""
    body = b"".join(cstring(name) + cstring(value) for name, value in parameters.items()) + b"\0"
    return _LENGTH.pack(len(body) + 8) + _LENGTH.pack(code) + body


def cstring(text: str) -> bytes:
    """A zero-terminated string."""
    return text.encode() + b"\0"


def message(kind: bytes, body: bytes = b"") -> bytes:
    """One message of type `kind`."""
    return kind + _LENGTH.pack(len(body) + 4) + body


def query(sql: str) -> bytes:
    """A simple Query."""
    return message(b"Q", cstring(sql))


def parse(name: bytes, sql: str, rest: bytes) -> bytes:
    """A Parse; `name` is zero-terminated, `rest` the parameter types as they came."""
    return message(b"P", name + cstring(sql) + rest)


def error(fields: dict[str, str]) -> bytes:
    """An ErrorResponse."""
    return message(b"E", _fields(fields))


def notice(fields: dict[str, str]) -> bytes:
    """A NoticeResponse."""
    return message(b"N", _fields(fields))


def _fields(fields: dict[str, str]) -> bytes:
    return b"".join(key.encode() + cstring(value) for key, value in fields.items()) + b"\0"


def parse_fields(body: bytes) -> dict[str, str]:
    """The fields of an ErrorResponse or NoticeResponse, keyed by their letter."""
    return {part[:1].decode(): part[1:].decode("utf-8", "replace") for part in body.split(b"\0") if part}


def command_complete(tag: str) -> bytes:
    """A CommandComplete."""
    return message(b"C", cstring(tag))


def ready_for_query(status: str) -> bytes:
    """A ReadyForQuery: idle (I), in a transaction (T) or in a failed one (E)."""
    return message(b"Z", status.encode())


def text_row_description(names: Sequence[str]) -> bytes:
    """A RowDescription of text columns."""
    columns = b"".join(cstring(name) + struct.pack("!IhIhih", 0, 0, 25, -1, -1, 0) for name in names)
    return message(b"T", struct.pack("!h", len(names)) + columns)


def parse_row_description(body: bytes) -> list[tuple[str, int]]:
    """The names and type oids of a RowDescription's columns."""
    (count,) = struct.unpack_from("!h", body)
    columns, rest = [], body[2:]
    for _ in range(count):
        name, rest = split_cstring(rest)
        columns.append((name[:-1].decode(), struct.unpack_from("!IhI", rest)[2]))
        rest = rest[18:]
    return columns


def data_row(values: Sequence[str | None]) -> bytes:
    """A DataRow of text values."""
    parts = []
    for value in values:
        encoded = None if value is None else value.encode()
        parts.append(struct.pack("!i", -1) if encoded is None else struct.pack("!i", len(encoded)) + encoded)
    return message(b"D", struct.pack("!h", len(values)) + b"".join(parts))


def parse_data_row(body: bytes) -> list[str | None]:
    """The text values of a DataRow."""
    (count,) = struct.unpack_from("!h", body)
    position, values = 2, []
    for _ in range(count):
        (length,) = struct.unpack_from("!i", body, position)
        position += 4
        if length < 0:
            values.append(None)
        else:
            values.append(body[position : position + length].decode())
            position += length
    return values


def split_cstring(body: bytes) -> tuple[bytes, bytes]:
    """A zero-terminated string at the start of `body`, with its zero, and the rest."""
    end = body.index(b"\0") + 1
    return body[:end], body[end:]


class Framer:
    """Cuts arriving bytes into whole messages; an unfinished one waits for its rest."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, chunk: bytes, joined: int = 0) -> Iterator[tuple[int, bytes]]:
        """The (type, whole message with its header) pairs that are complete now.

        Messages of the type `joined` that follow one another come as one pair, to cost next to nothing each.
        """
        buffer = self._buffer
        buffer += chunk
        position, available = 0, len(buffer)
        try:
            while available - position >= 5:
                kind, end = buffer[position], position
                while available - end >= 5 and buffer[end] == kind:
                    size = _LENGTH.unpack_from(buffer, end + 1)[0] + 1
                    if size < 5:
                        raise ProtocolError(f"got a message of length {size - 1}")
                    if available - end < size:
                        break
                    end += size
                    if kind != joined:
                        break
                if end == position:
                    break
                yield kind, bytes(buffer[position:end])
                position = end
        finally:
            del buffer[:position]
