"""The fast way of a COPY: PostgreSQL's own CSV reader, then one INSERT … SELECT with a cheap check of every value."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import TYPE_CHECKING

from ..tokens import literal
from ..upstream import Result
from .columns import Column
from .journal import LoadedFile
from .source import SourceFile
from .statement import CopyCommand

if TYPE_CHECKING:
    from .command import Load

log = logging.getLogger(__name__)


# The quote of files that have none: a file in which it stands goes the careful way.
_NO_QUOTE = "\x01"


class _NotClean(Exception):
    """PostgreSQL's reader would take this file, but read it otherwise than Redshift."""


def can_be_fast(command: CopyCommand, columns: Sequence[Column]) -> bool:
    """Whether PostgreSQL's CSV reader understands files of this COPY, as long as they are clean."""
    is_delimited = command.json is None and command.fixed_width is None and len(command.delimiter.encode()) == 1
    needs_parsing = command.has("escape") or command.has("removequotes") or command.has("noload")
    # It takes a blank line for an empty field, if there is only one.
    blank_is_ignored = command.has("ignoreblanklines") and len(columns) == 1
    return is_delimited and not needs_parsing and not blank_is_ignored


async def load_fast(load: Load) -> int | None:
    """Load all files; the number of rows, or None if something was not clean, with nothing done."""
    await load.upstream.run("savepoint rs_copy")
    reason: Exception | None
    try:
        result = await _stage_and_insert(load)
        reason = result.error
    except _NotClean as error:
        reason = error
    if reason is not None:
        log.info("COPY %s goes the careful way: %s", load.command.table_name, reason)
        await load.upstream.run("rollback to savepoint rs_copy")
        await load.upstream.run("release savepoint rs_copy")
        load.loaded.clear()
        return None
    await load.upstream.run("release savepoint rs_copy")
    await load.upstream.run(f"drop table {load.stage}")
    return int(result.tag.split()[-1])


async def _stage_and_insert(load: Load) -> Result:
    columns = ", ".join(f'c{number} text collate "C"' for number in range(len(load.columns)))
    result = await load.upstream.attempt(f"create temp table {load.stage} ({columns})")
    command = load.command
    quote = command.quote if command.csv else _NO_QUOTE
    options = f"format csv, null '', delimiter {literal(command.delimiter)}, quote {literal(quote)}, encoding 'UTF8'"
    for file in load.files:
        if result.error is not None:
            return result
        counter = _Counter(command.ignore_header)
        result = await load.upstream.copy_in(f"copy {load.stage} from stdin ({options})", _chunks(load, file, counter))
        records = int(result.tag.split()[-1]) if result.tag else 0
        load.loaded.append(LoadedFile(file.uri, records, counter.bytes))
    if result.error is not None:
        return result
    return await load.upstream.attempt(load.insert())


class _Doubtful:
    """Looks for what PostgreSQL's reader takes and Redshift reads otherwise.

    In CSV that is white space between a quote and a delimiter: Redshift ignores it, PostgreSQL takes it for a part.
    """

    KEPT_BYTES = 64  # of the block before, so that nothing hides where two meet

    def __init__(self, command: CopyCommand) -> None:
        blanks = [blank for blank in (" ", "\t") if blank != command.delimiter]
        quote, delimiter = command.quote, re.escape(command.delimiter)
        if command.csv:
            self._signs = [sign.encode() for blank in blanks for sign in (quote + blank, blank + quote)]
            quoted, space = re.escape(quote), f"[{''.join(blanks)}]+"
            form = f"{quoted}{space}(?:{delimiter}|[\\r\\n])|(?:{delimiter}|\\n){space}{quoted}"
            self._form: re.Pattern[bytes] | None = re.compile(form.encode())
        else:
            self._signs, self._form = [_NO_QUOTE.encode()], None
        self._is_end = re.compile(rb"\n\\\.\r?\n")  # to a PostgreSQL before 18 these two end the data
        self._before = b"\n"

    def check(self, block: bytes, uri: str) -> None:
        """Raise _NotClean if the next block of the file has it."""
        if self.is_in(block):
            raise _NotClean(f"{uri} has what PostgreSQL's reader would read otherwise than Redshift")

    def is_in(self, block: bytes) -> bool:
        """Whether the next block of the file has it; it may say so of text in quotes that only looks like it.

        A line end stands for the end of the file.
        """
        seen = self._before + block
        self._before = block[-self.KEPT_BYTES :]
        if b"\\." in seen and self._is_end.search(seen):
            return True
        return any(sign in seen for sign in self._signs) and (self._form is None or self._form.search(seen) is not None)


class _Counter:
    """Takes the header lines off a file's blocks, and counts its bytes."""

    def __init__(self, header_lines: int) -> None:
        self._header_lines = header_lines
        self.bytes = 0
        self.last = b"\n"

    def body(self, block: bytes) -> bytes:
        """What of a block is behind the header."""
        self.bytes += len(block)
        while self._header_lines and block:
            _, newline, block = block.partition(b"\n")
            if newline:
                self._header_lines -= 1
        if block:
            self.last = block[-1:]
        return block


async def _chunks(load: Load, file: SourceFile, counter: _Counter) -> AsyncIterator[bytes]:
    """One file's bytes behind its header. Fetching and unpacking run in a thread, one block ahead of the sending."""
    blocks = load.source.blocks(file)
    doubtful = _Doubtful(load.command)
    upcoming = asyncio.ensure_future(asyncio.to_thread(_next, blocks))
    try:
        while (block := await upcoming) is not None:
            load.check_canceled()
            upcoming = asyncio.ensure_future(asyncio.to_thread(_next, blocks))
            doubtful.check(block, file.uri)
            if body := counter.body(block):
                yield body
        doubtful.check(b"\n", file.uri)
        if counter.last != b"\n":
            yield b"\n"
    finally:
        await asyncio.gather(upcoming, return_exceptions=True)


def _next(blocks: Iterator[bytes]) -> bytes | None:
    return next(blocks, None)
