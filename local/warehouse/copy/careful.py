"""The careful way of a COPY: every record parsed here, every value judged, every refusal explained."""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import TYPE_CHECKING

from .columns import MULTIBYTE, Column
from .journal import MAX_ERRORS_KEPT, MAX_REPLACEMENTS_KEPT, MAX_TEXT, LoadedFile, LoadError, Replacement
from .json_records import read_documents
from .pieces import Piece
from .records import Record, read_lines

if TYPE_CHECKING:
    from .command import Load

RECORDS_PER_CHUNK = 500
_ESCAPED = re.compile(r"[\\\n\r]")
_COPY_ESCAPES = str.maketrans({"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"})


async def load_carefully(load: Load) -> int:
    """Load what is valid, note what is not in load.errors; the number of rows loaded (0 once MAXERROR is reached)."""
    await _create_stage(load)
    for number, file in enumerate(load.files):
        blocks = load.source.blocks(file)
        if load.match is not None:
            records = read_documents(blocks, load.command, load.columns, load.match)
        else:
            records = read_lines(blocks, load.command, load.columns)
        load.loaded.append(LoadedFile(file.uri, await _stage(load, number, records), 0))
    return await _insert_valid(load)


async def load_pieces_carefully(load: Load, number: int, pieces: Sequence[Piece]) -> tuple[int, int]:
    """Load pieces of the file of this number in the same way; how many records they have, and how many were loaded."""
    await _create_stage(load)
    records = itertools.chain.from_iterable(
        read_lines(itertools.chain((piece.data,), piece.more or ()), load.command, load.columns, piece.lines_before)
        for piece in pieces
    )
    return await _stage(load, number, records), await _insert_valid(load)


async def _create_stage(load: Load) -> None:
    columns = ", ".join(f'c{number} text collate "C"' for number in range(len(load.columns)))
    await load.upstream.run(
        f"create temp table {load.stage}"
        f" (record bigint, file_number integer, line_number bigint, raw_line text, {columns})"
    )


async def _stage(load: Load, number: int, records: Iterator[Record]) -> int:
    """Put the records of a file into the stage, those that are no records into load.errors; how many there were."""
    first = load.records
    result = await load.upstream.copy_in(f"copy {load.stage} from stdin", _chunks(load, number, records))
    if result.error is not None:
        raise result.error
    return load.records - first


async def _insert_valid(load: Load) -> int:
    """Move what is valid from the stage into the target, unless MAXERROR is reached; the number of rows."""
    valid = await _judge(load)
    count = 0
    if load.error_count < load.command.error_limit and not load.command.has("noload"):
        result = await load.upstream.run(load.insert(valid, "record"))
        count = int(result.tag.split()[-1])
    await load.upstream.run(f"drop table {load.stage}")
    return count


async def _chunks(load: Load, number: int, records: Iterator[Record]) -> AsyncIterator[bytes]:
    uri = load.files[number].uri
    while batch := await asyncio.to_thread(lambda: list(itertools.islice(records, RECORDS_PER_CHUNK))):
        load.check_canceled()
        lines = []
        for record in batch:
            load.records += 1
            if record.error:
                _note(load, uri, record)
                continue
            if record.replaced:
                _note_replacement(load, uri, record)
            lines.append(_copy_line(load.records, number, record))
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
    del load.errors[MAX_ERRORS_KEPT:]
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
