"""The careful way of a COPY: every record parsed here, every value judged, every refusal explained."""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING

from .columns import MULTIBYTE, Column
from .journal import MAX_ERRORS_KEPT, MAX_REPLACEMENTS_KEPT, MAX_TEXT, LoadedFile, LoadError, Replacement
from .json_records import read_documents
from .records import Record, read_lines
from .source import SourceFile

if TYPE_CHECKING:
    from .command import Load

RECORDS_PER_CHUNK = 500
_ESCAPED = re.compile(r"[\\\n\r]")
_COPY_ESCAPES = str.maketrans({"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"})


async def load_carefully(load: Load) -> int:
    """Load what is valid, note what is not in load.errors; the number of rows loaded (0 once MAXERROR is reached)."""
    columns = ", ".join(f'c{number} text collate "C"' for number in range(len(load.columns)))
    await load.upstream.run(
        f"create temp table {load.stage}"
        f" (record bigint, file_number integer, line_number bigint, raw_line text, {columns})"
    )
    counted = itertools.count()
    for number, file in enumerate(load.files):
        await _stage(load, number, file, counted)
    valid = await _judge(load)
    count = 0
    if load.error_count < load.command.error_limit and not load.command.has("noload"):
        result = await load.upstream.run(load.insert(valid, "record"))
        count = int(result.tag.split()[-1])
    await load.upstream.run(f"drop table {load.stage}")
    return count


async def _stage(load: Load, number: int, file: SourceFile, counted: Iterator[int]) -> None:
    blocks = load.source.blocks(file)
    if load.match is not None:
        records = read_documents(blocks, load.command, load.columns, load.match)
    else:
        records = read_lines(blocks, load.command, load.columns)
    first = next(counted)
    result = await load.upstream.copy_in(f"copy {load.stage} from stdin", _chunks(load, number, file, records, counted))
    if result.error is not None:
        raise result.error
    load.loaded.append(LoadedFile(file.uri, next(counted) - first - 1, 0))


async def _chunks(
    load: Load, number: int, file: SourceFile, records: Iterator[Record], counted: Iterator[int]
) -> AsyncIterator[bytes]:
    while batch := await asyncio.to_thread(lambda: list(itertools.islice(records, RECORDS_PER_CHUNK))):
        load.check_canceled()
        lines = []
        for record in batch:
            place = next(counted)
            if record.error:
                _note(load, file.uri, record)
                continue
            if record.replaced:
                _note_replacement(load, file.uri, record)
            lines.append(_copy_line(place, number, record))
        if lines:
            yield "".join(lines).encode()


def _note(load: Load, uri: str, record: Record) -> None:
    load.error_count += 1
    if len(load.errors) < MAX_ERRORS_KEPT:
        load.errors.append(
            _error(load, uri, record.line_number, record.raw_line, record.place, record.raw_field, record.error)
        )


def _note_replacement(load: Load, uri: str, record: Record) -> None:
    load.replaced_count += 1
    if len(load.replacements) < MAX_REPLACEMENTS_KEPT:
        load.replacements.append(Replacement(uri, record.line_number, record.raw_line))


def _copy_line(place: int, number: int, record: Record) -> str:
    """A record in PostgreSQL's text format for COPY."""
    raw_line, fields = record.raw_line[:MAX_TEXT], record.fields
    text = "\t".join([raw_line, *[value or "" for value in fields]])
    if _ESCAPED.search(text) or text.count("\t") != len(fields):
        raw_line = raw_line.translate(_COPY_ESCAPES)
        fields = [None if value is None else value.translate(_COPY_ESCAPES) for value in fields]
    texts = ["\\N" if value is None else value for value in fields]
    return "\t".join([str(place), str(number), str(record.line_number), raw_line, *texts]) + "\n"


async def _judge(load: Load) -> str:
    """Note the staged records that cannot be loaded, each with its first bad column; a condition for all others."""
    items = list(enumerate(load.conversions))
    first_bad = ", ".join(f"case when ({item.reason()}) is not null then {number} end" for number, item in items)
    fields = " ".join(f"when {number} then left(c{number}, {MAX_TEXT})" for number, _ in items)
    reasons = " ".join(f"when {number} then {item.reason()}" for number, item in items)
    staged = load.fields("record", "file_number", "line_number", "raw_line")
    found = await load.upstream.run(
        f"select record, file_number, line_number, raw_line, place, case place {fields} end, case place {reasons} end"
        f" from (select *, coalesce({first_bad}) as place from {staged} offset 0) as judged"
        f" where place is not null order by record limit {MAX_ERRORS_KEPT}"
    )
    for row in found.rows:
        file, place = load.files[int(row[1] or 0)], int(row[4] or 0)
        load.errors.append(_error(load, file.uri, int(row[2] or 0), row[3] or "", place, row[5] or "", row[6] or ""))
    load.errors.sort(key=lambda error: (error.file_uri, error.line_number))
    if not found.rows:
        return "true"
    if len(found.rows) < MAX_ERRORS_KEPT:
        load.error_count += len(found.rows)
        return f"record not in ({', '.join(str(row[0]) for row in found.rows)})"
    total = await load.upstream.run(f"select count(*) from {load.fields()} where {load.refused()}")
    load.error_count += int(total.rows[0][0] or 0)
    return f"not ({load.refused()})"


def _error(load: Load, uri: str, line: int, raw_line: str, place: int | None, raw_field: str, reason: str) -> LoadError:
    if place is None:
        return LoadError(uri, line, "", "", "", raw_line, raw_field, reason)
    column: Column = load.columns[place]
    length = str(column.length) if column.length is not None else ""
    reason = _detailed(reason, raw_field)
    return LoadError(uri, line, column.name, column.type_name, length, raw_line, raw_field, reason, place)


def _detailed(reason: str, raw_field: str) -> str:
    """Redshift's wording: the first character that cannot be in a CHAR or a number, or an overflow."""
    if reason == MULTIBYTE:
        first = next((character for character in raw_field if not character.isascii()), "")
        return MULTIBYTE + first.encode().hex(" ")
    head, _, kind = reason.partition(", Type: ")
    if not head.startswith("Invalid digit"):
        return reason
    allowed = {"Decimal": "0123456789+-. ", "Float": "0123456789+-.eE "}.get(kind, "0123456789+- ")
    for place, character in enumerate(raw_field):
        if character not in allowed:
            return f"Invalid digit, Value '{character}', Pos {place}, Type: {kind}"
    return (
        f"Overflow, Type: {kind}" if kind in ("Short", "Integer", "Long", "Decimal") else f"Invalid digit, Type: {kind}"
    )
