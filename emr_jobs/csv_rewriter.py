"""Bulk API CSV in, the lake's CSV out, a block at a time.

In: UTF-8, every value quoted, a header row on every page; values hold newlines, quotes, NULs.
Out: the same rows with constant columns added; every non-empty value quoted, an empty one left
empty and unquoted (null: Salesforce's CSV does not tell it from an empty text), LF at row ends. NUL
characters are dropped and counted, as Redshift refuses them. It refuses exponents of decimals too: what
Salesforce prints as `1.2E7` is written as `12000000`.

A row that breaks its contract is left out, and handed on with what is wrong with it. Of the others, values are
trimmed and protected as the contract says.

Blocks of rows as Salesforce writes them go through `csv_blocks`, thousands of values at once. A block in which a row
breaks its contract, or may not be kept as it is, is read value by value, strictly; so is, from the first block on that
is not as Salesforce writes it, the rest of the page: what is wrong with it is found there.
"""

from __future__ import annotations

import codecs
import csv
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from itertools import chain
from typing import Protocol

from idiscover.errors import DataQualityError
from idiscover.lake.csv_lines import MAX_VALUE_CHARACTERS, csv_line, csv_values

from emr_jobs.contract import Breach, Contract
from emr_jobs.csv_blocks import BlockRewriter

_MAX_LINE_CHARACTERS = 64 << 20  # what a broken page without line ends may pile up at most
_ROWS_PER_BLOCK = 256
_BLOCK_BYTES = 256 * 1024  # of less, numpy's calls would cost more than their work; more would leave the caches


TakeBroken = Callable[[Sequence[str], Sequence[Breach]], None]


class KeepsRows(Protocol):
    """Leaves out rows, or changes them."""

    def __call__(self, row: list[str]) -> bool:
        """Change the values of a row in place; whether the row is kept."""
        ...

    def touches(self, block: bytes) -> bool:
        """Whether there may be a row in a block that is not kept as it is."""
        ...


class CsvRewriter:
    """Rewrites one page. `rows`, `suppressed`, `quarantined` and `nul_characters` count what went through so far.

    Args:
        contract: of the rows: their columns in SELECT order, as the page's header must have them, and the names to
            write for them.
        constants: (column, value) pairs added at the end of every row.
        where: named in errors.
        keeps: a row that it does not keep is left out, and counted in `suppressed`, not in `rows`.
        quarantine: is given the rows that break the contract, their protected values protected; they are counted in
            `quarantined`. Without it, the first of them is an error.
    """

    def __init__(
        self,
        contract: Contract,
        constants: Sequence[tuple[str, str]],
        where: str,
        keeps: KeepsRows | None = None,
        quarantine: TakeBroken | None = None,
    ) -> None:
        self._contract = contract
        self._source_columns = tuple(column.salesforce for column in contract.columns)
        self._header = csv_line((*(column.column for column in contract.columns), *(name for name, _ in constants)))
        self._suffix = "," + csv_line([value for _, value in constants]) if constants else "\n"
        self._where = where
        self._keeps = keeps
        self._quarantine = quarantine or self._refuse
        self._plain = BlockRewriter(contract, self._suffix.encode())
        self._is_header_read = False
        self.rows = 0
        self.suppressed = 0
        self.quarantined = 0
        self.nul_characters = 0

    @property
    def parsed(self) -> int:
        """Rows that were read."""
        return self.rows + self.suppressed + self.quarantined

    def rewrite(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """The page's rows as blocks of whole lines, the header line first.

        Raises:
            DataQualityError: no header, another header, a row of another width, broken quoting or
                encoding; a page that was cut inside a row is one of these. Or what `quarantine` raises.
        """
        csv.field_size_limit(MAX_VALUE_CHARACTERS)
        pieces = (self._without_nuls(chunk) for chunk in chunks)
        try:
            rest = yield from self._by_blocks(pieces)
            yield from self._by_values(chain([rest], pieces))
        except (csv.Error, UnicodeDecodeError) as error:
            raise self._fault("A page is not valid CSV", got=f"{error} after {self.parsed} rows") from error

    def _by_blocks(self, pieces: Iterator[bytes]) -> Generator[bytes, None, bytes]:
        """Rewrites rows as long as blocks of them are plain; returns what was taken from `pieces` and not rewritten."""
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
            if rewritten.text is None or self._touches(block[: rewritten.used]):
                yield from self._blocks(csv.reader(self._lines([block[: rewritten.used]]), strict=True))
            elif rewritten.rows:
                self.rows += rewritten.rows
                yield rewritten.text
            block = block[rewritten.used :]
            if not more:
                return block

    def _touches(self, block: bytes) -> bool:
        return self._keeps is not None and self._keeps.touches(block)

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
        suffix = self._suffix
        block: list[str] = []
        for row in reader:
            if not self._is_kept(row):
                continue
            block.append(csv_values(row))
            self.rows += 1
            if len(block) == _ROWS_PER_BLOCK:
                yield (suffix.join(block) + suffix).encode()
                block.clear()
        if block:
            yield (suffix.join(block) + suffix).encode()

    def _is_kept(self, row: list[str]) -> bool:
        """Whether a row is written; its values are changed to what is written."""
        width = len(self._source_columns)
        if len(row) != width:
            got = f"{len(row)} values in row {self.parsed + 1}"
            raise self._fault("A row has another number of values than the header", got=got, expected=width)
        if self._keeps is not None and not self._keeps(row):
            self.suppressed += 1
            return False
        contract = self._contract
        breaches = contract.breaches(row)
        for position in contract.protected if breaches else contract.changed:
            row[position] = contract.written(position, row[position])
        if breaches:
            self._quarantine(row, breaches)
            self.quarantined += 1
            return False
        for position in contract.decimals:
            if "E" in row[position]:
                row[position] = contract.written(position, row[position])
        return True

    def _refuse(self, _row: Sequence[str], breaches: Sequence[Breach]) -> None:
        raise self._fault("A row breaks its contract", got=f"{breaches[0]} in row {self.parsed + 1}")

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
