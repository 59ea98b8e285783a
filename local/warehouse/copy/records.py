"""Records of a file, parsed one by one: the careful way, for loads that PostgreSQL's own CSV reader refuses.

It knows where each record stands, so it can say what is wrong with it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from ..errors import SqlError
from .columns import Column
from .statement import NUL_FIELD, CopyCommand

MAX_RECORD_CHARACTERS = 4 * 1024 * 1024
MAX_LINE_BYTES = 4 * MAX_RECORD_CHARACTERS
# Bytes that are no UTF-8, as errors="surrogateescape" decodes them, and NUL.
_INVALID = re.compile("[\udc80-\udcff]")
_BAD_UTF8 = "String contains invalid or unsupported UTF8 codepoints. Bad UTF8 hex sequence: "
_UNSTORABLE = re.compile("[\ud800-\udfff\0]")


@dataclass(frozen=True)
class Record:
    """A line (or, with quoted line breaks, several) of a file, parsed: its fields, None for NULL; or what is wrong."""

    line_number: int  # of its first line, from 1, the header included; of its last in JSON
    raw_line: str
    fields: list[str | None]
    error: str = ""
    raw_field: str = ""
    place: int | None = None  # of the column that the error is about
    replaced: bool = False  # ACCEPTINVCHARS has put something in


def text_lines(blocks: Iterable[bytes]) -> Iterator[str]:
    """The lines with their ends; bytes that are not UTF-8 are lone surrogates. Raises SqlError for an endless one."""
    rest = b""
    for block in blocks:
        if len(rest) > MAX_LINE_BYTES:
            raise SqlError(f"A line of the file is longer than {MAX_LINE_BYTES} bytes; a row may have 4 MB")
        lines = (rest + block).split(b"\n")
        rest = lines.pop()
        for line in lines:
            yield (line + b"\n").decode(errors="surrogateescape")
    if rest:
        yield rest.decode(errors="surrogateescape")


def read_lines(
    blocks: Iterable[bytes], command: CopyCommand, columns: Sequence[Column], lines_before: int = 0
) -> Iterator[Record]:
    """The records of one delimited, CSV or fixed-width file behind its header lines; `lines_before` are left out."""
    lines = text_lines(blocks)
    number = lines_before
    for _ in range(command.ignore_header - lines_before):
        number += next(lines, None) is not None
    parser: _Delimited | _FixedWidth
    parser = _Delimited(command, columns) if command.fixed_width is None else _FixedWidth(command, columns)
    for text in lines:
        first = number = number + 1
        while parser.is_open(text) and len(text) < MAX_RECORD_CHARACTERS and (more := next(lines, None)) is not None:
            text, number = text + more, number + 1
        line = text.removesuffix("\n").removesuffix("\r")
        if not line and command.has("ignoreblanklines"):
            continue
        record = _without_nul(first, line, command)
        if record is None:
            record = parser.parse(first, line.removesuffix("\0") if command.null_as != NUL_FIELD else line)
        yield storable(record, command, columns)


def storable(record: Record, command: CopyCommand, columns: Sequence[Column]) -> Record:
    """The record with invalid characters replaced where ACCEPTINVCHARS lets them be, refused where not."""
    if not _UNSTORABLE.search("".join([record.raw_line, *[value or "" for value in record.fields]])):
        return record
    raw_line = _UNSTORABLE.sub("?", record.raw_line)
    if record.error:
        return replace(record, raw_line=raw_line, raw_field=_UNSTORABLE.sub("?", record.raw_field))
    fields, replaced = list(record.fields), False
    for place, (value, column) in enumerate(zip(record.fields, columns, strict=True)):
        if value is None or not _UNSTORABLE.search(value):
            continue
        if "\0" in value or command.accept_inv_chars is None or column.type_name not in ("character varying", "text"):
            shown = _UNSTORABLE.sub("?", value)
            return Record(record.line_number, raw_line, [], _complaint(value), shown, place)
        fields[place] = _UNSTORABLE.sub(lambda _: command.accept_inv_chars or "?", value)
        replaced = True
    return replace(record, raw_line=raw_line, fields=fields, replaced=replaced)


def _complaint(value: str) -> str:
    """Why a value is not valid UTF-8, with the number that AWS gives each case."""
    data = value.encode(errors="surrogateescape") if _INVALID.search(value) else value.encode(errors="surrogatepass")
    try:
        data.decode()
    except UnicodeDecodeError as error:
        first = data[error.start]
        bad = data[error.start : max(error.end, error.start + 1)]
        if error.reason == "unexpected end of data":
            number = 2
        elif error.reason == "invalid start byte":
            number = 1 if 0xF8 <= first <= 0xFD else 3
        else:
            number = 5 if first == 0xED else 4
        return f"{_BAD_UTF8}{bad.hex(' ')} (error {number})"
    return f"{_BAD_UTF8}00"


def _without_nul(number: int, line: str, command: CopyCommand) -> Record | None:
    """The refusal of a line in which NUL ends the record too early, None for any other line."""
    place = line.find("\0")
    if place < 0 or place == len(line) - 1 or command.null_as == NUL_FIELD:
        return None
    reason = f"Missing newline: Unexpected character 0x{ord(line[place + 1]):x} found at location {place + 1}"
    return Record(number, line, [], reason)


class _Delimited:
    """Parses records of one COPY whose fields are delimited, CSV or not."""

    def __init__(self, command: CopyCommand, columns: Sequence[Column]) -> None:
        self._command, self._count = command, len(columns)
        quote, delimiter = re.escape(command.quote), re.escape(command.delimiter)
        plain = f"[^{delimiter}]" if len(command.delimiter) == 1 else f"(?!{delimiter})."
        if command.csv:
            blank = "[" + "".join({" ", "\\t"} - {" " if command.delimiter == " " else ""}) + "]*"
            blank = blank.replace("\\t", "") if command.delimiter == "\t" else blank
            inner = f"{blank}{quote}((?:[^{quote}]|{quote}{quote})*){quote}{blank}"
            pattern = f"{inner}|((?:{plain})*)"
            bare = f"[^{delimiter}{quote}]" if len(command.delimiter) == 1 else f"(?:(?!{quote}){plain})"
            self._csv_field = re.compile(f"(?:{inner}|({bare}*))(?:({delimiter})|$)", re.DOTALL)
        else:
            escaped = r"\\.|" if command.has("escape") else ""
            unquoted = f"((?:{escaped}{plain})*)"
            pattern = f"(?!)()|{unquoted}"
            if command.has("removequotes"):
                inside = r"(?:\\.|[^\\])*?" if escaped else ".*?"
                pattern = f"(?=['\"])(?:'({inside})'|\"({inside})\")(?={delimiter}|$)|{unquoted}"
        self._field = re.compile(pattern, re.DOTALL)
        # A CSV line without a quote is just split. What NULL AS says is done later, in SQL; NUL is not.
        self._is_plain = command.csv and bool(command.null_as) and command.null_as != NUL_FIELD

    def is_open(self, text: str) -> bool:
        """Whether a record goes on behind this line's end."""
        if self._command.csv:
            return text.count(self._command.quote) % 2 == 1
        line = text.removesuffix("\n")
        return self._command.has("escape") and (len(line) - len(line.rstrip("\\"))) % 2 == 1

    def parse(self, number: int, line: str) -> Record:
        """One record, without its line end."""
        if self._is_plain and self._command.quote not in line:
            plain = line.split(self._command.delimiter)
            return self._counted(number, line, [value or None for value in plain])
        fields = self._split_csv(line) if self._is_plain else None
        return self._parse_quoted(number, line) if fields is None else self._counted(number, line, fields)

    def _split_csv(self, line: str) -> list[str | None] | None:
        """The fields of a CSV line, None if anything is wrong with its quotes."""
        fields: list[str | None] = []
        position, quote = 0, self._command.quote
        for match in self._csv_field.finditer(line):
            if match.start() != position:
                return None
            quoted, plain, delimiter = match.groups()
            if quoted is None:
                fields.append(plain or None)
            else:
                fields.append(quoted.replace(quote + quote, quote) if quote in quoted else quoted)
            position = match.end()
            if delimiter is None:
                return fields if position == len(line) else None
        return None

    def _parse_quoted(self, number: int, line: str) -> Record:
        fields: list[str | None] = []
        position = 0
        while True:
            match = self._field.match(line, position)
            assert match is not None  # an empty field always matches
            *quoted, plain = match.groups()
            inner = next((text for text in quoted if text is not None), None)
            if inner is None and (wrong := self._unbalanced(plain)):
                return Record(number, line, [], wrong, plain)
            fields.append(self._value(inner, plain))
            position = match.end()
            if position == len(line):
                break
            if not line.startswith(self._command.delimiter, position):
                return Record(number, line, [], "Invalid quote formatting for CSV", line[position:])
            position += len(self._command.delimiter)
        return self._counted(number, line, fields)

    def _unbalanced(self, plain: str) -> str:
        """What is wrong with the quotes of an unquoted field, empty if nothing."""
        if self._command.csv:
            return "Invalid quote formatting for CSV" if self._command.quote in plain else ""
        if self._command.has("removequotes") and plain[:1] in ("'", '"') and plain:
            return "Delimited value missing end quote"
        return ""

    def _counted(self, number: int, line: str, fields: list[str | None]) -> Record:
        if len(fields) == self._count + 1 and fields[-1] is None and not self._command.csv:
            fields.pop()  # a delimiter may stand behind the last field
        if len(fields) > self._count:
            return Record(number, line, [], "Extra column(s) found")
        if len(fields) < self._count:
            if not self._command.has("fillrecord"):
                return Record(number, line, [], "Delimiter not found")
            fields += [None] * (self._count - len(fields))
        return Record(number, line, fields)

    def _value(self, quoted: str | None, plain: str | None) -> str | None:
        """A quoted field may be empty; an unquoted empty one is None, and the column's type decides what that means."""
        if quoted is not None and self._command.csv:
            return quoted.replace(self._command.quote * 2, self._command.quote)
        value = quoted if quoted is not None else plain or ""
        if value == self._command.null_as:
            return value or None  # NULL AS '' says of an empty field what it is
        if value == "\0":
            return NUL_FIELD
        if self._command.has("escape"):
            value = re.sub(r"\\(.)", r"\1", value, flags=re.DOTALL)
        return value if quoted is not None else value or None


class _FixedWidth:
    """Parses records whose fields have a number of characters each."""

    def __init__(self, command: CopyCommand, columns: Sequence[Column]) -> None:
        self._columns, self._fill = columns, command.has("fillrecord")
        ends, end = [], 0
        for width in command.fixed_width or []:
            ends.append((end, end := end + width))
        self._places, self._length = ends, end

    def is_open(self, _: str) -> bool:
        """Never: a record is a line."""
        return False

    def parse(self, number: int, line: str) -> Record:
        """One record, without its line end."""
        if len(line) > self._length and line[self._length :].strip():
            return Record(number, line, [], "Extra column(s) found")
        if len(line) < self._length and not self._fill:
            return Record(number, line, [], "Fixed-width record is shorter than its specification")
        fields: list[str | None] = []
        for (start, end), column in zip(self._places, self._columns, strict=True):
            value = line[start:end]
            fields.append((value if column.is_character else value.strip()) or None)
        return Record(number, line, fields)
