"""Bulk API CSV in, the lake's CSV out, a block at a time.

In: UTF-8, every value quoted, a header row on every page; values hold newlines, quotes, NULs.
Out: the same rows with constant columns added; every non-empty value quoted, an empty one left
empty and unquoted (null: Salesforce's CSV does not tell it from an empty text), LF at row ends. NUL
characters are dropped and counted, as Redshift refuses them. It refuses exponents of decimals too: what
Salesforce prints as `1.2E7` is written as `12000000`.

Blocks of rows as Salesforce writes them go through `csv_blocks`, thousands of values at once. From the first block on
that it does not take, the rest of the page is read value by value, strictly: what is wrong with it is found there.
"""

from __future__ import annotations

import codecs
import csv
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from itertools import chain

from idiscover.errors import DataQualityError
from idiscover.lake.csv_lines import MAX_VALUE_CHARACTERS, csv_line, csv_values

from emr_jobs.csv_blocks import BlockRewriter, without_exponent

_MAX_LINE_CHARACTERS = 64 << 20  # what a broken page without line ends may pile up at most
_ROWS_PER_BLOCK = 256
_BLOCK_BYTES = 96 * 1024  # at least: two chunks of a page; what numpy makes of it stays in the processor's caches


class CsvRewriter:
    """Rewrites one page. `rows`, `suppressed` and `nul_characters` count what went through so far.

    Args:
        source_columns: Salesforce names in SELECT order, as the page's header must have them.
        target_columns: the names to write for them.
        constants: (column, value) pairs added at the end of every row.
        where: named in errors.
        decimals: positions of the columns that hold decimals.
        keeps: may change the values of a row in place; a row that it does not keep is left out, and counted in
            `suppressed`, not in `rows`.
    """

    def __init__(
        self,
        source_columns: Sequence[str],
        target_columns: Sequence[str],
        constants: Sequence[tuple[str, str]],
        where: str,
        decimals: Sequence[int] = (),
        keeps: Callable[[list[str]], bool] | None = None,
    ) -> None:
        self._source_columns = tuple(source_columns)
        self._header = csv_line((*target_columns, *(name for name, _ in constants)))
        self._suffix = "," + csv_line([value for _, value in constants]) if constants else "\n"
        self._where = where
        self._decimals = tuple(decimals)
        self._keeps = keeps
        self._plain = BlockRewriter(len(self._source_columns), self._suffix.encode(), self._decimals)
        self._is_header_read = False
        self.rows = 0
        self.suppressed = 0
        self.nul_characters = 0

    def rewrite(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """The page's rows as blocks of whole lines, the header line first.

        Raises:
            DataQualityError: no header, another header, a row of another width, broken quoting or
                encoding; a page that was cut inside a row is one of these.
        """
        csv.field_size_limit(MAX_VALUE_CHARACTERS)
        pieces = (self._without_nuls(chunk) for chunk in chunks)
        try:
            rest = yield from self._by_blocks(pieces)
            yield from self._by_values(chain([rest], pieces))
        except (csv.Error, UnicodeDecodeError) as error:
            raise self._fault(
                "A page is not valid CSV", got=f"{error} after {self.rows + self.suppressed} rows"
            ) from error

    def _by_blocks(self, pieces: Iterator[bytes]) -> Generator[bytes, None, bytes]:
        """Rewrites rows as long as blocks of them are plain; returns what was taken from `pieces` and not rewritten."""
        if self._keeps is not None:
            return b""
        block = b""
        while True:
            more = b"".join(_at_least(_BLOCK_BYTES, pieces))
            block += more
            if len(block) > MAX_VALUE_CHARACTERS:  # may hold a value that is too long: the reader of values refuses it
                return block
            if not self._is_header_read:
                line, end, block_after = block.partition(b"\n")
                if not end:
                    return block
                yield self._read_header(csv.reader([line.decode() + "\n"], strict=True))
                block = block_after
            rewritten = self._plain.rewrite(block)
            if rewritten is None:
                return block
            if rewritten.rows:
                self.rows += rewritten.rows
                yield rewritten.text
                block = block[rewritten.used :]
            if not more:
                return block

    def _by_values(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        reader = csv.reader(self._lines(pieces), strict=True)
        if not self._is_header_read:
            yield self._read_header(reader)
        yield from self._blocks(reader)

    def _read_header(self, reader: Iterator[list[str]]) -> bytes:
        """Checks the page's header; returns the file's."""
        self._check_header(next(reader, None))
        self._is_header_read = True
        return self._header.encode()

    def _blocks(self, reader: Iterable[list[str]]) -> Iterator[bytes]:
        width, suffix = len(self._source_columns), self._suffix
        block: list[str] = []
        for row in reader:
            if len(row) != width:
                got = f"{len(row)} values in row {self.rows + self.suppressed + 1}"
                raise self._fault("A row has another number of values than the header", got=got, expected=width)
            if self._keeps is not None and not self._keeps(row):
                self.suppressed += 1
                continue
            for position in self._decimals:
                if "E" in row[position]:
                    row[position] = without_exponent(row[position])
            block.append(csv_values(row))
            self.rows += 1
            if len(block) == _ROWS_PER_BLOCK:
                yield (suffix.join(block) + suffix).encode()
                block.clear()
        if block:
            yield (suffix.join(block) + suffix).encode()

    def _lines(self, pieces: Iterable[bytes]) -> Iterator[str]:
        """Lines split at LF alone: other line ends of Unicode belong to the values."""
        decoder = codecs.getincrementaldecoder("utf-8")()
        rest = ""
        for piece in pieces:
            lines = (rest + decoder.decode(piece)).split("\n")
            rest = lines.pop()
            for line in lines:
                yield line + "\n"
            if len(rest) > _MAX_LINE_CHARACTERS:
                raise self._fault("A line of a page does not end", got=f"{len(rest)} characters")
        rest += decoder.decode(b"", final=True)
        if rest:
            yield rest

    def _without_nuls(self, chunk: bytes) -> bytes:
        if b"\0" not in chunk:  # faster than to count
            return chunk
        self.nul_characters += chunk.count(0)
        return chunk.replace(b"\0", b"")

    def _check_header(self, header: list[str] | None) -> None:
        found = tuple(name.casefold() for name in header or ())
        if found != tuple(name.casefold() for name in self._source_columns):
            raise self._fault(
                "A page's header is not what was selected",
                got=",".join(header) if header else "no header row",
                expected=",".join(self._source_columns),
            )

    def _fault(self, what: str, got: str, expected: object = None) -> DataQualityError:
        return DataQualityError(what, where=self._where, got=got, expected=expected, remedy="run the extraction again")


def _at_least(size: int, pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Pieces until they are `size` bytes together, or there are no more."""
    taken = 0
    while taken < size:
        piece = next(pieces, None)
        if piece is None:
            return
        taken += len(piece)
        yield piece
