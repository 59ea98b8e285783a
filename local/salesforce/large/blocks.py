"""Blocks of CSV rows on disk, compressed, from which any range of rows is sent as one gzip stream.

A block is a raw deflate stream that ends in a full flush: it refers to nothing before it, and ends on a byte. Blocks
that lie whole in a range are sent as they are; only the range's ends are compressed anew. The check sum that gzip wants
at the end is put together from those of the blocks.

`rows.deflate` holds the blocks; `rows.index` an entry for each: where it ends, its length and CRC-32 when it is plain,
and where its rows end. An entry is written after its block: all that a kill leaves is a block that is made again.
"""

import struct
import zlib
from array import array
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path
from typing import BinaryIO

from isal import isal_zlib

from local.salesforce.large.rows import BLOCK_ROWS, block_rows
from local.salesforce.results import CsvDialect

PLAIN = CsvDialect(",", "\n")
_LEVEL = 2  # of isal; Salesforce's own is not known
_RAW_DEFLATE = -15
_GZIP_HEADER = b"\x1f\x8b\x08\0\0\0\0\0\0\xff"
_NO_MORE_BLOCKS = b"\x03\0"  # an empty deflate block, marked as the last
_BLOCKS_FOR_A_POOL = 20  # fewer are made sooner than it starts
_ENTRY = struct.Struct(f"<QLL{BLOCK_ROWS}L")


@dataclass(frozen=True)
class Block:
    """An entry of the index. `row_ends` are offsets in the plain block."""

    start: int
    end: int
    length: int
    crc: int
    row_ends: tuple[int, ...]


class BlockStore:
    """The rows of all large objects, in `folder`, which is made once there are any."""

    def __init__(self, folder: Path) -> None:
        self._data, self._index = folder / "rows.deflate", folder / "rows.index"

    def make(self, rows: int, told: Callable[[int], None] = lambda _: None) -> None:
        """See to it that the first `rows` rows are there; `told` is called with the number of those that are."""
        first, wanted = self._block_count(), -(-rows // BLOCK_ROWS)
        if first >= wanted:
            return
        self._data.parent.mkdir(parents=True, exist_ok=True)
        end = self.block(first - 1).end if first else 0
        with self._data.open("ab") as data, self._index.open("ab") as index:
            data.truncate(end)
            index.truncate(first * _ENTRY.size)
            for done, (packed, entry) in enumerate(_made(range(first, wanted)), first + 1):
                data.write(packed)
                data.flush()
                end += len(packed)
                index.write(_ENTRY.pack(end, *entry))
                told(done * BLOCK_ROWS)

    def block(self, number: int) -> Block:
        """The entry of block `number`, which must be there."""
        before = 0
        with self._index.open("rb") as index:
            if number:
                index.seek((number - 1) * _ENTRY.size)
                (before,) = struct.unpack("<Q", index.read(8))
            index.seek(number * _ENTRY.size)
            end, length, crc, *row_ends = _ENTRY.unpack(index.read(_ENTRY.size))
        return Block(before, end, length, crc, tuple(row_ends))

    def plain(self, rows: range) -> Iterator[bytes]:
        """The CSV of a range of rows, a block or a part of one at a time."""
        with self._data.open("rb") as data:
            for number, part in _parts(rows):
                block = self.block(number)
                yield _cut(block, _unpacked(data, block), part)

    def gzipped(self, header: bytes, rows: range) -> Iterator[bytes]:
        """`header` and a range of rows as one gzip stream."""
        yield _GZIP_HEADER + _pack(header)
        crc, length = zlib.crc32(header), len(header)
        with self._data.open("rb") as data:
            for number, part in _parts(rows):
                block = self.block(number)
                if len(part) == BLOCK_ROWS:
                    yield _packed(data, block)
                    crc, added = combined_crc(crc, block.crc, block.length), block.length
                else:
                    text = _cut(block, _unpacked(data, block), part)
                    yield _pack(text)
                    crc, added = zlib.crc32(text, crc), len(text)
                length += added
        yield _NO_MORE_BLOCKS + struct.pack("<LL", crc, length & 0xFFFFFFFF)

    def _block_count(self) -> int:
        return self._index.stat().st_size // _ENTRY.size if self._index.exists() else 0


def _made(blocks: range) -> Iterator[tuple[bytes, tuple[int, ...]]]:
    if len(blocks) < _BLOCKS_FOR_A_POOL:
        yield from map(_make, blocks)
        return
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        yield from pool.map(_make, blocks)


def _make(number: int) -> tuple[bytes, tuple[int, ...]]:
    """A block, compressed, and its entry without the end."""
    lines = [PLAIN.line(values) for values in block_rows(number)]
    text = b"".join(lines)
    ends, end = array("L"), 0
    for line in lines:
        end += len(line)
        ends.append(end)
    return _pack(text), (len(text), zlib.crc32(text), *ends)


def _pack(text: bytes) -> bytes:
    """`text` as deflate blocks that refer to nothing before them and end on a byte."""
    packer = isal_zlib.compressobj(_LEVEL, isal_zlib.DEFLATED, _RAW_DEFLATE)
    packed: bytes = packer.compress(text) + packer.flush(isal_zlib.Z_FULL_FLUSH)
    return packed


def _packed(data: BinaryIO, block: Block) -> bytes:
    data.seek(block.start)
    return data.read(block.end - block.start)


def _unpacked(data: BinaryIO, block: Block) -> bytes:
    text: bytes = isal_zlib.decompressobj(_RAW_DEFLATE).decompress(_packed(data, block))
    return text


def _parts(rows: range) -> Iterator[tuple[int, range]]:
    """(block, which of its rows) for all blocks that a range of rows touches."""
    at = rows.start
    while at < rows.stop:
        number, first = divmod(at, BLOCK_ROWS)
        last = min(BLOCK_ROWS, first + rows.stop - at)
        yield number, range(first, last)
        at += last - first


def _cut(block: Block, text: bytes, rows: range) -> bytes:
    start = block.row_ends[rows.start - 1] if rows.start else 0
    return text[start : block.row_ends[rows.stop - 1]]


# --- CRC-32 of two texts, one behind the other, from the CRC-32 of each: arithmetic on polynomials over GF(2) modulo
# the CRC's own, with the coefficient of x**0 in the highest bit

_POLYNOMIAL = 0xEDB88320
_ONE = 1 << 31


def combined_crc(first: int, second: int, second_length: int) -> int:
    """CRC-32 of a text of which the beginning has CRC `first`, and the last `second_length` bytes have CRC `second`."""
    return _product(_shift(second_length), first) ^ second


@lru_cache(maxsize=1 << 14)
def _shift(length: int) -> int:
    """x to the power of the bits of `length` bytes."""
    power, square = _ONE, _ONE >> 8  # x**8
    while length:
        if length & 1:
            power = _product(square, power)
        square = _product(square, square)
        length >>= 1
    return power


def _product(left: int, right: int) -> int:
    product, bit = 0, _ONE
    while bit and left & (bit * 2 - 1):
        if left & bit:
            product ^= right
        bit >>= 1
        right = (right >> 1) ^ (_POLYNOMIAL if right & 1 else 0)
    return product
