"""The append-only log of mutating requests, in numbered segments.

One record is a header (length and CRC-32 of the payload), then the payload: a line of JSON and the raw inline body.
A record is written with one write() before the request is applied, so the kernel has it when the answer goes out, and a
kill -9 cannot take it back (a power cut can: nothing is fsynced per request). A torn record can only be the last one of
a segment, was never answered, and is cut off.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from local.aws.blobs import Body

_HEADER = struct.Struct(">II")


@dataclass(frozen=True)
class Request:
    """One HTTP request as moto needs to see it again.

    `environ` holds the WSGI keys that matter (method, paths, headers); `names` the original spelling of headers
    with an underscore, which moto wants kept.
    """

    environ: dict[str, str]
    body: Body
    names: dict[str, str] = field(default_factory=dict)

    @property
    def method(self) -> str:
        return self.environ["REQUEST_METHOD"]

    @property
    def path(self) -> str:
        return self.environ["PATH_INFO"]


@dataclass(frozen=True)
class Entry:
    """A request with the instant (naive UTC) and the seed it is applied with."""

    at_utc: dt.datetime
    seed: int
    request: Request


def encode(entry: Entry) -> bytes:
    """The entry as one record."""
    body = entry.request.body
    head = {
        "at_utc": entry.at_utc.isoformat(),
        "seed": entry.seed,
        "environ": entry.request.environ,
        "names": entry.request.names,
        "size_bytes": body.size_bytes,
        "sha256": body.sha256,
    }
    payload = json.dumps(head, separators=(",", ":")).encode() + b"\n" + (body.inline or b"")
    return _HEADER.pack(len(payload), zlib.crc32(payload)) + payload


def _decode(payload: bytes) -> Entry:
    line, _, inline = payload.partition(b"\n")
    head = json.loads(line)
    digest = head["sha256"]
    body = Body(head["size_bytes"], sha256=digest) if digest else Body(head["size_bytes"], inline=inline)
    request = Request(head["environ"], body, head["names"])
    return Entry(dt.datetime.fromisoformat(head["at_utc"]), head["seed"], request)


class Journal:
    """The segment `journal-<number>.log` under `folder`, opened for appending."""

    def __init__(self, folder: Path, number: int) -> None:
        self.number = number
        self.path = segment_path(folder, number)
        self._fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        self.size_bytes = os.fstat(self._fd).st_size

    def append(self, entry: Entry) -> None:
        """Hand the record to the kernel, whole; OSError after a failed or short write, which is cut off again."""
        record = encode(entry)
        try:
            written = os.write(self._fd, record)
            if written != len(record):
                raise OSError(f"short write to {self.path}: {written} of {len(record)} bytes; is the disk full?")
        except OSError:
            os.ftruncate(self._fd, self.size_bytes)
            raise
        self.size_bytes += len(record)

    def entries(self) -> Iterator[Entry]:
        """All whole records from the start; a torn or damaged tail is cut off the file."""
        data = self.path.read_bytes()
        offset = 0
        while (end := _record_end(data, offset)) is not None:
            yield _decode(data[offset + _HEADER.size : end])
            offset = end
        if offset < len(data):
            os.ftruncate(self._fd, offset)
            self.size_bytes = offset

    def close(self) -> None:
        os.close(self._fd)


def _record_end(data: bytes, offset: int) -> int | None:
    """Where the whole record at `offset` ends; None if there is none."""
    if offset + _HEADER.size > len(data):
        return None
    length, checksum = _HEADER.unpack_from(data, offset)
    end = offset + _HEADER.size + length
    if end > len(data) or zlib.crc32(data[offset + _HEADER.size : end]) != checksum:
        return None
    return end


def segment_path(folder: Path, number: int) -> Path:
    """Where segment `number` lies."""
    return folder / f"journal-{number:08d}.log"


def segment_numbers(folder: Path) -> list[int]:
    """The numbers of the segments that exist, ascending."""
    return sorted(int(path.stem.split("-")[1]) for path in folder.glob("journal-*.log"))
