"""The careful way of a COPY: every record parsed here, every value judged, every refusal explained."""

from __future__ import annotations

import asyncio
import itertools
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
_COPY_ESCAPES = str.maketrans({"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"})


async def load_carefully(load: Load) -> int:
    """Load what is valid, note what is not in load.errors; the number of rows loaded (0 once MAXERROR is reached)."""
    columns = ", ".join(f"c{number} text" for number in range(len(load.columns)))
    await load.upstream.run(
        f"create temp table {load.stage} (file_number integer, line_number bigint, raw_line text, {columns})"
    )
    for number, file in enumerate(load.files):
        await _stage(load, number, file)
    await _judge(load)
    count = 0
    if load.error_count < load.command.error_limit and not load.command.has("noload"):
        result = await load.upstream.run(load.insert(f"not ({load.refused()})" if load.error_count else "true"))
        count = int(result.tag.split()[-1])
    await load.upstream.run(f"drop table {load.stage}")
    return count


async def _stage(load: Load, number: int, file: SourceFile) -> None:
    blocks = load.source.blocks(file)
    if load.match is not None:
        records = read_documents(blocks, load.command, load.columns, load.match)
    else:
        records = read_lines(blocks, load.command, load.columns)
    counted = itertools.count()
    result = await load.upstream.copy_in(f"copy {load.stage} from stdin", _chunks(load, number, file, records, counted))
    if result.error is not None:
        raise result.error
    load.loaded.append(LoadedFile(file.uri, next(counted), 0))


async def _chunks(
    load: Load, number: int, file: SourceFile, records: Iterator[Record], counted: Iterator[int]
) -> AsyncIterator[bytes]:
    while batch := await asyncio.to_thread(lambda: list(itertools.islice(records, RECORDS_PER_CHUNK))):
        load.check_canceled()
        lines = []
        for record in batch:
            next(counted)
            if record.error:
                _note(load, file.uri, record)
                continue
            if record.replaced:
                _note_replacement(load, file.uri, record)
            lines.append(_copy_line(number, record))
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


def _copy_line(number: int, record: Record) -> str:
    """A record in PostgreSQL's text format for COPY."""
    texts = [str(number), str(record.line_number), record.raw_line[:MAX_TEXT].translate(_COPY_ESCAPES)]
    texts += ["\\N" if value is None else value.translate(_COPY_ESCAPES) for value in record.fields]
    return "\t".join(texts) + "\n"


async def _judge(load: Load) -> None:
    """Note the staged records that cannot be loaded, each with its first bad column."""
    judged = ", ".join(f"({number}, {item.reason()}, c{number})" for number, item in enumerate(load.conversions))
    staged = load.fields("file_number", "line_number", "raw_line")
    found = await load.upstream.run(
        "select distinct on (file_number, line_number)"
        f" file_number, line_number, raw_line, place, left(field, {MAX_TEXT}), reason"
        f" from {staged}, lateral (values {judged}) as judgement (place, reason, field)"
        f" where reason is not null order by file_number, line_number, place limit {MAX_ERRORS_KEPT}"
    )
    for row in found.rows:
        file, place = load.files[int(row[0] or 0)], int(row[3] or 0)
        load.errors.append(_error(load, file.uri, int(row[1] or 0), row[2] or "", place, row[4] or "", row[5] or ""))
    if found.rows:
        total = await load.upstream.run(f"select count(*) from {load.fields()} where {load.refused()}")
        load.error_count += int(total.rows[0][0] or 0)
    load.errors.sort(key=lambda error: (error.file_uri, error.line_number))


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
