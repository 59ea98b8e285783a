"""The fast ways of a COPY, piece by piece: clean records by PostgreSQL's own COPY, others by SQL over its reader."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING

from ..upstream import Result
from .careful import load_pieces_carefully
from .clean import NO_QUOTE, clean_records, direct_copy, reader_options
from .columns import Column
from .journal import LoadedFile
from .pieces import Cutter, Piece, part
from .statement import CopyCommand

if TYPE_CHECKING:
    from .command import Load

SENT_BYTES = 256 * 1024
# A piece of this size, or as many bytes of doubtful records, is judged record by record rather than cut again.
CAREFUL_BYTES = 64 * 1024
# Where more than this, and more than half of the bytes so far, had to be judged with care, so is the rest.
MAX_CAREFUL_BYTES = 8 * CAREFUL_BYTES
# SQLSTATE classes of what is wrong with data; any other error is not the data's.
_OF_DATA = ("22", "23")


def can_be_fast(command: CopyCommand, columns: Sequence[Column]) -> bool:
    """Whether PostgreSQL's CSV reader understands files of this COPY, as long as they are clean."""
    is_delimited = command.json is None and command.fixed_width is None and len(command.delimiter.encode()) == 1
    is_quoted = len(command.quote.encode()) == 1 if command.csv else command.delimiter != NO_QUOTE
    needs_parsing = command.has("escape") or command.has("removequotes") or command.has("noload")
    # It takes a blank line for an empty field, if there is only one.
    blank_is_ignored = command.has("ignoreblanklines") and len(columns) == 1
    return is_delimited and is_quoted and not needs_parsing and not blank_is_ignored


async def load_by_pieces(load: Load) -> int:
    """Load what is valid of all files, note what is not in load.errors; the number of rows loaded."""
    loader = _Loader(load)
    for number, file in enumerate(load.files):
        cutter = Cutter(load.command.ignore_header, loader.quote)
        records = 0
        async with aclosing(_ahead(cutter.pieces(load.source.blocks(file)))) as pieces:
            async for piece in pieces:
                load.check_canceled()
                records += await loader.load(number, piece)
        load.loaded.append(LoadedFile(file.uri, records, cutter.bytes))
    return loader.rows


class _Loader:
    """Finds the cheapest way for each piece of a load."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self.quote = load.command.quote.encode() if load.command.csv else b""
        self.rows = 0
        self._clean = clean_records(load.command, load.columns)
        self._direct = direct_copy(load.command, load.columns)
        self._doubtful = _Doubtful(load.command)
        self._fast_bytes = self._careful_bytes = 0

    async def load(self, number: int, piece: Piece) -> int:
        """Load a piece of the file of this number; how many records it has."""
        if piece.more is not None or self._careful_bytes > max(MAX_CAREFUL_BYTES, self._fast_bytes):
            return await self._carefully(number, [piece])
        runs, others = await self._parted(piece)
        if not runs:
            return await self._convert(number, piece)
        size = sum(map(len, runs))
        loaded = await self._attempt(lambda: self._copy(self._direct, runs), size)
        if loaded is None:
            # Days that do not exist look clean, and ACCEPTANYDATE makes null of them: in SQL, at once.
            by_sql = self._load.command.has("acceptanydate")
            return await (self._convert(number, piece) if by_sql else self._smaller(number, piece))
        if not others:
            return loaded
        if len(piece.data) - size > CAREFUL_BYTES:
            together = b"".join(other.data for other in others)
            converted = await self._attempt(lambda: self._convert_all(together), len(together))
            if converted is not None:
                return loaded + converted
        return loaded + await self._carefully(number, others)

    async def _parted(self, piece: Piece) -> tuple[list[memoryview], list[Piece]]:
        """The clean runs of a piece, none if they are not worth it, and its other records."""
        if self._clean is None:
            return [], [piece]
        runs, others = await asyncio.to_thread(part, piece, self._clean, self.quote)
        worth_it = sum(map(len, runs)) > len(piece.data) // 2 and len(piece.data) > CAREFUL_BYTES
        return (runs, others) if worth_it or not others else ([], [piece])

    async def _convert(self, number: int, piece: Piece) -> int:
        converted = await self._attempt(lambda: self._convert_all(piece.data), len(piece.data))
        return await self._smaller(number, piece) if converted is None else converted

    async def _smaller(self, number: int, piece: Piece) -> int:
        """Something in a piece was not clean: load its halves, or each record of it with care."""
        halves = [] if len(piece.data) <= CAREFUL_BYTES else piece.halves(self.quote)
        if len(halves) < 2:
            return await self._carefully(number, [piece])
        return sum([await self.load(number, half) for half in halves])

    async def _carefully(self, number: int, pieces: Sequence[Piece]) -> int:
        self._careful_bytes += sum(len(piece.data) for piece in pieces)
        records, rows = await load_pieces_carefully(self._load, number, pieces)
        self.rows += rows
        return records

    async def _attempt(self, work: Callable[[], Awaitable[Result | None]], size: int) -> int | None:
        """The number of rows that a way has loaded of `size` bytes, or None if it was undone, not liking something.

        Raises UpstreamError for an error that is not the data's.
        """
        upstream = self._load.upstream
        await upstream.run("savepoint rs_copy")
        result = await work()
        if result is None or result.error is not None:
            if result is not None and result.error is not None and not result.error.code.startswith(_OF_DATA):
                raise result.error
            await upstream.run("rollback to savepoint rs_copy; release savepoint rs_copy")
            return None
        await upstream.run("release savepoint rs_copy")
        count = int(result.tag.split()[-1])
        self.rows += count
        self._fast_bytes += size
        return count

    async def _copy(self, statement: str, runs: Iterable[bytes | memoryview]) -> Result:
        return await self._load.upstream.copy_in(statement, _slices(self._load, runs))

    async def _convert_all(self, data: bytes) -> Result | None:
        """Texts into a table of their own, and from there into the target, by one statement that checks them all."""
        if self._doubtful.is_in(data):
            return None
        load = self._load
        columns = ", ".join(f'c{number} text collate "C"' for number in range(len(load.columns)))
        await load.upstream.run(f"create temp table {load.stage} ({columns})")
        result = await self._copy(f"copy {load.stage} from stdin ({reader_options(load.command)})", [data])
        if result.error is None:
            result = await load.upstream.attempt(load.insert())
        if result.error is None:
            await load.upstream.run(f"drop table {load.stage}")
        return result


class _Doubtful:
    """Looks for what PostgreSQL's reader takes and Redshift reads otherwise.

    In CSV that is white space between a quote and a delimiter: Redshift ignores it, PostgreSQL takes it for a part.
    """

    def __init__(self, command: CopyCommand) -> None:
        blanks = [blank for blank in (" ", "\t") if blank != command.delimiter]
        quote, delimiter = command.quote, re.escape(command.delimiter)
        if command.csv:
            self._signs = [sign.encode() for blank in blanks for sign in (quote + blank, blank + quote)]
            quoted, space = re.escape(quote), f"[{''.join(blanks)}]+"
            form = f"{quoted}{space}(?:{delimiter}|[\\r\\n])|(?:^|{delimiter}|\\n){space}{quoted}"
            self._form: re.Pattern[bytes] | None = re.compile(form.encode())
        else:
            self._signs, self._form = [NO_QUOTE.encode()], None
        self._is_end = re.compile(rb"(?:^|\n)\\\.\r?\n")  # to a PostgreSQL before 18 these two end the data

    def is_in(self, data: bytes) -> bool:
        """Whether whole records have it; it may say so of text in quotes that only looks like it."""
        if b"\\." in data and self._is_end.search(data):
            return True
        return any(sign in data for sign in self._signs) and (self._form is None or self._form.search(data) is not None)


async def _slices(load: Load, runs: Iterable[bytes | memoryview]) -> AsyncIterator[bytes]:
    """The runs in messages of a size. Raises SqlError once the client has asked to cancel."""
    for run in runs:
        for start in range(0, len(run), SENT_BYTES):
            load.check_canceled()
            yield bytes(run[start : start + SENT_BYTES])


async def _ahead(pieces: Iterator[Piece]) -> AsyncGenerator[Piece, None]:
    """The pieces; each is fetched, unpacked and cut in a thread while the one before is loaded."""
    upcoming = asyncio.ensure_future(asyncio.to_thread(next, pieces, None))
    try:
        while (piece := await upcoming) is not None:
            upcoming = asyncio.ensure_future(asyncio.to_thread(next, pieces, None))
            yield piece
    finally:
        await asyncio.gather(upcoming, return_exceptions=True)
