"""Rows as the lines of files, parted by slice, by size and by partition, on their way to S3."""

from __future__ import annotations

import bz2
import gzip
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import IO, Any

from ..copy.compression import zstd
from ..errors import SqlError
from .statement import UnloadCommand

SLICES = 2  # of the cluster that this is meant to be: PARALLEL ON writes a file per slice
SPOOLED_BYTES = 8 * 1024 * 1024
NO_PARTITION = "__HIVE_DEFAULT_PARTITION__"
_CHARACTER_TYPES = frozenset({25, 1042, 1043})  # text, bpchar, varchar
_SUFFIXES = {"": "", "gzip": ".gz", "bzip2": ".bz2", "zstd": ".zst"}

Row = Sequence[str | None]
Columns = Sequence[tuple[str, int]]


def line_writer(command: UnloadCommand, columns: Columns) -> Callable[[Row], str]:
    """What makes a line of a row. `columns` are names and PostgreSQL's type oids."""
    if command.csv:
        special = frozenset((command.delimiter, '"', "\n", "\r"))
        return lambda row: command.delimiter.join(_csv_field(value, special, command.null_as) for value in row)
    escaped = {"\\": "\\\\", "\n": "\\\n", "\r": "\\\r", command.delimiter: "\\" + command.delimiter}
    if "addquotes" in command.flags:
        escaped |= {'"': '\\"', "'": "\\'"}
    escapes = str.maketrans(escaped) if "escape" in command.flags else None
    texts = [type_oid in _CHARACTER_TYPES for _, type_oid in columns]
    quote = '"' if "addquotes" in command.flags else ""

    def delimited(row: Row) -> str:
        parts = []
        for value, is_text in zip(row, texts, strict=True):
            text = command.null_as if value is None else value
            parts.append(f"{quote}{text.translate(escapes) if escapes and is_text and value else text}{quote}")
        return command.delimiter.join(parts)

    return delimited


def _csv_field(value: str | None, special: frozenset[str], null_as: str) -> str:
    if value is None:
        return null_as
    if special.isdisjoint(value):
        return value
    return '"' + value.replace('"', '""') + '"'


@dataclass
class UnloadedFile:
    """One file: its key, its bytes so far, its rows."""

    key: str
    body: IO[bytes] = field(default_factory=lambda: tempfile.SpooledTemporaryFile(SPOOLED_BYTES))  # noqa: SIM115
    bytes_written: int = 0
    rows: int = 0


class Unloading:
    """Takes rows and cuts them into files."""

    def __init__(self, command: UnloadCommand) -> None:
        self._command = command
        self._open: dict[tuple[str, int], UnloadedFile] = {}
        self._parts: dict[tuple[str, int], int] = {}
        self._kept: list[int] = []
        self._partition: list[int] = []
        self._header = b""
        self._line: Callable[[Row], str] = lambda row: ""
        self.files: list[UnloadedFile] = []
        self.rows = 0

    def begin(self, columns: Columns) -> None:
        """Learn the columns. Raises SqlError if a column to partition by is not among them."""
        names = [name for name, _ in columns]
        for name in self._command.partition_by:
            if name not in names:
                raise SqlError(f'Partition column "{name}" is not in the select list of UNLOAD', code="42703")
        self._partition = [names.index(name) for name in self._command.partition_by]
        dropped = set() if self._command.include_partitions else set(self._partition)
        self._kept = [index for index in range(len(names)) if index not in dropped]
        if not self._kept:
            raise SqlError("All columns are partition columns: use PARTITION BY … INCLUDE", code="42601")
        kept = [columns[index] for index in self._kept]
        self._line = line_writer(self._command, kept)
        if "header" in self._command.flags:
            plain = [(name, 1043) for name, _ in kept]
            self._header = (line_writer(self._command, plain)([name for name, _ in kept]) + "\n").encode()

    def add(self, row: Row) -> None:
        """Write one row."""
        folder = "".join(
            f"{name}={NO_PARTITION if row[index] is None else row[index]}/"
            for name, index in zip(self._command.partition_by, self._partition, strict=True)
        )
        place = (folder, self.rows % SLICES if self._command.parallel else 0)
        line = (self._line([row[index] for index in self._kept]) + "\n").encode()
        file = self._open.get(place)
        if file is None or file.bytes_written + len(line) > self._command.max_file_bytes:
            file = self._next(place)
        file.body.write(line)
        file.bytes_written += len(line)
        file.rows += 1
        self.rows += 1

    def _next(self, place: tuple[str, int]) -> UnloadedFile:
        part = self._parts.get(place, 0)
        self._parts[place] = part + 1
        number = f"{place[1]:04d}_part_{part:02d}" if self._command.parallel else f"{part:03d}"
        slash = "/" if place[0] and not self._command.prefix.endswith("/") else ""
        suffix = self._command.extension + _SUFFIXES[self._command.compression]
        file = UnloadedFile(f"{self._command.prefix}{slash}{place[0]}{number}{suffix}")
        file.body.write(self._header)
        file.bytes_written = len(self._header)
        self._open[place] = file
        self.files.append(file)
        return file


def packer(compression: str) -> Callable[[IO[bytes]], Any]:
    """What opens a packed file over a plain one, for writing."""
    if compression == "gzip":
        return lambda target: gzip.GzipFile(fileobj=target, mode="wb", compresslevel=1, mtime=0)
    if compression == "bzip2":
        return lambda target: bz2.BZ2File(target, "wb")
    return lambda target: zstd.ZstdFile(target, "wb")
