"""Records of a delimited file, parsed one by one: the careful way, for loads that PostgreSQL's own CSV reader refuses.

It knows where each record stands, so it can say what is wrong with it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from .statement import CopyCommand

MAX_RECORD_CHARACTERS = 4 * 1024 * 1024


@dataclass(frozen=True)
class Record:
    """A line (or, with quoted line breaks, several) of a file, parsed: its fields, None for NULL; or what is wrong."""

    line_number: int  # of its first line, from 1, the header included
    raw_line: str
    fields: list[str | None]
    error: str = ""
    raw_field: str = ""


def text_lines(blocks: Iterable[bytes], replacement: str | None) -> Iterator[tuple[str, bool]]:
    """The lines with their ends, decoded, and whether each is valid UTF-8.

    `replacement` stands for each byte of an invalid character (ACCEPTINVCHARS); without one the line is invalid.
    """
    rest = b""
    for block in blocks:
        lines = (rest + block).split(b"\n")
        rest = lines.pop()
        for line in lines:
            yield _decoded(line + b"\n", replacement)
    if rest:
        yield _decoded(rest, replacement)


def _decoded(line: bytes, replacement: str | None) -> tuple[str, bool]:
    try:
        text = line.decode()
        if "\0" not in text:
            return text, True
    except UnicodeDecodeError:
        pass  # each invalid byte is replaced below
    text = line.decode(errors="surrogateescape")
    text = re.sub("[\udc80-\udcff\0]", replacement if replacement is not None else "?", text)
    return text, replacement is not None


def read_records(blocks: Iterable[bytes], command: CopyCommand, columns: int) -> Iterator[Record]:
    """The records of one file behind its header lines."""
    lines = text_lines(blocks, command.accept_inv_chars)
    number = 0
    for _ in range(command.ignore_header):
        number += next(lines, None) is not None
    parser = _Parser(command, columns)
    for text, valid in lines:
        first = number = number + 1
        while parser.is_open(text) and len(text) < MAX_RECORD_CHARACTERS and (more := next(lines, None)) is not None:
            text, valid, number = text + more[0], valid and more[1], number + 1
        line = text.removesuffix("\n").removesuffix("\r")
        if not line and command.has("ignoreblanklines"):
            continue
        if not valid:
            yield Record(
                first, line, [], "String contains invalid or unsupported UTF8 codepoints. Bad UTF8 hex sequence"
            )
        else:
            yield parser.parse(first, line)


class _Parser:
    """Parses records in the format of one COPY."""

    def __init__(self, command: CopyCommand, columns: int) -> None:
        self._command, self._columns = command, columns
        quote, delimiter = re.escape(command.quote), re.escape(command.delimiter)
        if command.csv:
            self._field = re.compile(f" *{quote}((?:[^{quote}]|{quote}{quote})*){quote} *|([^{delimiter}]*)")
        else:
            escaped = r"\\.|" if command.has("escape") else ""
            self._field = re.compile(f"(?!)()|((?:{escaped}[^{delimiter}])*)", re.DOTALL)

    def is_open(self, text: str) -> bool:
        """Whether a record goes on behind this line's end."""
        if self._command.csv:
            return text.count(self._command.quote) % 2 == 1
        line = text.removesuffix("\n")
        return self._command.has("escape") and (len(line) - len(line.rstrip("\\"))) % 2 == 1

    def parse(self, number: int, line: str) -> Record:
        """One record, without its line end."""
        fields: list[str | None] = []
        position = 0
        while True:
            match = self._field.match(line, position)
            assert match is not None  # an empty field always matches
            quoted, plain = match.group(1), match.group(2)
            if quoted is None and self._command.csv and self._command.quote in plain:
                return Record(number, line, [], "Invalid quote formatting for CSV", plain)
            fields.append(self._value(quoted, plain))
            position = match.end()
            if position == len(line):
                break
            if line[position] != self._command.delimiter:
                return Record(number, line, [], "Invalid quote formatting for CSV", line[position:])
            position += 1
        return self._counted(number, line, fields)

    def _counted(self, number: int, line: str, fields: list[str | None]) -> Record:
        if len(fields) > self._columns:
            return Record(number, line, [], "Extra column(s) found")
        if len(fields) < self._columns:
            if not self._command.has("fillrecord"):
                return Record(number, line, [], "Delimiter not found")
            fields += [None] * (self._columns - len(fields))
        return Record(number, line, fields)

    def _value(self, quoted: str | None, plain: str | None) -> str | None:
        """A quoted field may be empty; an unquoted empty one is None, and the column's type decides what that means."""
        if quoted is not None:
            return quoted.replace(self._command.quote * 2, self._command.quote)
        value = plain or ""
        if value == self._command.null_as:
            return value or None  # NULL AS '' says of an empty field what it is
        if self._command.has("removequotes") and len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
            return value[1:-1]
        if self._command.has("escape"):
            value = re.sub(r"\\(.)", r"\1", value, flags=re.DOTALL)
        return value or None
