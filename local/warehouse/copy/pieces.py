"""A file cut into pieces of whole records, and a piece's records parted into those that are clean and the others."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

PIECE_BYTES = 4 * 1024 * 1024
# Quotes that are not closed within this are left to the careful way, with all that is behind them.
MAX_OPEN_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True)
class Piece:
    """Whole records, each with its line end; `lines_before` of their file stand before them.

    `more` is the rest of the file, where no end of a record was found.
    """

    lines_before: int
    data: bytes
    more: Iterator[bytes] | None = None

    def halves(self, quote: bytes) -> list[Piece]:
        """Two pieces with about half of the records each, or the piece itself if it has only one."""
        middle = last_record_end(self.data[: len(self.data) // 2], quote) or record_end(self.data, 0, quote)
        if middle == len(self.data):
            return [self]
        lines = self.lines_before + self.data.count(b"\n", 0, middle)
        return [Piece(self.lines_before, self.data[:middle]), Piece(lines, self.data[middle:])]


@dataclass
class Cutter:
    """Cuts the blocks of one file, and counts its bytes. `quote` is empty where there are no quotes."""

    header_lines: int
    quote: bytes
    bytes: int = field(default=0, init=False)

    def pieces(self, blocks: Iterable[bytes]) -> Iterator[Piece]:
        """The pieces in their order, the header lines left out. The last line gets an end if it has none."""
        lines, held, size = self.header_lines, [], 0
        remaining = self._behind_header(iter(blocks))
        for block in remaining:
            held.append(block)
            size += len(block)
            if size < PIECE_BYTES:
                continue
            data = b"".join(held)
            end = last_record_end(data, self.quote)
            if end:
                yield Piece(lines, data[:end])
                lines += data.count(b"\n", 0, end)
            elif size > MAX_OPEN_BYTES:
                yield Piece(lines, data, remaining)
                return
            held, size = [data[end:]], size - end
        if data := b"".join(held):
            yield Piece(lines, data if data.endswith(b"\n") else data + b"\n")

    def _behind_header(self, blocks: Iterator[bytes]) -> Iterator[bytes]:
        left = self.header_lines
        for block in blocks:
            self.bytes += len(block)
            body = block
            while left and body:
                _, newline, body = body.partition(b"\n")
                left -= len(newline)
            if body:
                yield body


def last_record_end(data: bytes, quote: bytes) -> int:
    """Where the last whole record of `data`, which begins with a record, ends; 0 if none does."""
    end = data.rfind(b"\n") + 1
    quotes = data.count(quote, 0, end) if quote else 0
    while end and quotes % 2:
        earlier = data.rfind(b"\n", 0, end - 1) + 1
        quotes -= data.count(quote, earlier, end)
        end = earlier
    return end


def record_end(data: bytes, start: int, quote: bytes) -> int:
    """Where the record that begins at `start` ends: behind the first line end that is not within quotes."""
    quotes, position = 0, start
    while (end := data.find(b"\n", position) + 1) > 0:
        quotes += data.count(quote, position, end) if quote else 0
        if quotes % 2 == 0:
            return end
        position = end
    return len(data)


def part(piece: Piece, clean: re.Pattern[bytes], quote: bytes) -> tuple[list[memoryview], list[Piece]]:
    """The runs of records that `clean` matches, and those of the others."""
    data, view = piece.data, memoryview(piece.data)
    runs: list[memoryview] = []
    others: list[tuple[int, int]] = []
    position = 0
    while position < len(data):
        match = clean.match(data, position)
        end = match.end() if match else position
        if end > position:
            runs.append(view[position:end])
        if end == len(data):
            break
        position = record_end(data, end, quote)
        start = others.pop()[0] if others and others[-1][1] == end else end
        others.append((start, position))
    found, counted, lines = [], 0, piece.lines_before
    for start, end in others:
        lines += data.count(b"\n", counted, start)
        counted = start
        found.append(Piece(lines, data[start:end]))
    return runs, found
