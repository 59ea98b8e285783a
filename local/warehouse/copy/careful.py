"""The careful way of a COPY: every record parsed here, every value judged, every refusal explained."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING

from .columns import Column
from .journal import MAX_ERRORS_KEPT, MAX_TEXT, LoadedFile, LoadError
from .records import Record, read_records
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
    if load.error_count < max(load.command.max_error, 1):
        result = await load.upstream.run(load.insert(f"not ({load.refused()})" if load.error_count else "true"))
        count = int(result.tag.split()[-1])
    await load.upstream.run(f"drop table {load.stage}")
    return count


async def _stage(load: Load, number: int, file: SourceFile) -> None:
    records = read_records(load.source.blocks(file), load.command, len(load.columns))
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
            else:
                lines.append(_copy_line(number, record))
        if lines:
            yield "".join(lines).encode()


def _note(load: Load, uri: str, record: Record) -> None:
    load.error_count += 1
    if len(load.errors) < MAX_ERRORS_KEPT:
        load.errors.append(
            LoadError(uri, record.line_number, "", "", "", record.raw_line, record.raw_field, record.error)
        )


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
        column = load.columns[int(row[3] or 0)]
        load.errors.append(
            _error(load.files[int(row[0] or 0)], int(row[1] or 0), row[2] or "", column, row[4] or "", row[5] or "")
        )
    if found.rows:
        total = await load.upstream.run(f"select count(*) from {load.fields()} where {load.refused()}")
        load.error_count += int(total.rows[0][0] or 0)
    load.errors.sort(key=lambda error: (error.file_uri, error.line_number))


def _error(file: SourceFile, line: int, raw_line: str, column: Column, raw_field: str, reason: str) -> LoadError:
    length = str(column.length) if column.length is not None else ""
    return LoadError(
        file.uri, line, column.name, column.type_name, length, raw_line, raw_field, _detailed(reason, raw_field)
    )


def _detailed(reason: str, raw_field: str) -> str:
    """Redshift's wording for numbers: the first character that cannot be, or an overflow."""
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
