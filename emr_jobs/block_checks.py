"""Whether all rows of a block keep their contract, told from the bytes of its values, thousands of values at once.

What numpy finds plainly right is right. What it doubts (a text with more bytes than it may have characters, a 29th of
February, an exponent, a number of many digits) is looked at by the contract itself, value by value; few values are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from idiscover.metadata.models import DECIMAL_TYPES, TEXT_TYPES, VARCHAR_MAX_BYTES, FieldType
from idiscover.plan.model import ColumnPlan
from numpy.typing import NDArray

from emr_jobs.contract import BOOLEANS, ID_LENGTHS, Contract

_EXAMPLE = b"2000-01-01T00:00:00.000Z"
# Behind a block: what is read instead of a value that is null or of another length, and room to read past its end.
TAIL = _EXAMPLE + bytes(16)

_WORD = 8  # bytes
_NUMBER_BYTES = 2 * _WORD  # longer numbers are doubted
_NUMBERS = frozenset({*DECIMAL_TYPES, FieldType.INT})
_DATE_LENGTH, _DATETIME_LENGTH = 10, 24
_MOST_BYTES = {
    FieldType.ID: ID_LENGTHS[1],
    FieldType.REFERENCE: ID_LENGTHS[1],
    FieldType.BOOLEAN: len("false"),
    FieldType.DATE: _DATE_LENGTH,
    FieldType.DATETIME: _DATETIME_LENGTH,
}

Flags = NDArray[np.bool_]
Integers = NDArray[np.int64]
Octets = NDArray[np.uint8]
Words = NDArray[np.uint64]


@dataclass(frozen=True)
class BlockValues:
    """The values of some columns of a block, which `TAIL` follows.

    Attributes:
        block: the bytes.
        starts: where a value's first byte is. Shape: (columns, rows), as numpy is quick along the last.
        lengths: how many bytes it has, between its quotes. Shape: (columns, rows).
    """

    block: bytes
    starts: Integers
    lengths: Integers

    def of(self, columns: Integers) -> BlockValues:
        """Those of some columns."""
        return BlockValues(self.block, self.starts[columns], self.lengths[columns])

    def instead(self, of: Flags) -> Integers:
        """Where values start, or an example of a date and time (and of the number 2) instead. Shape: (values,)."""
        return np.where(of, len(self.block) - len(TAIL), self.starts).ravel()

    def octets(self, starts: Integers, size: int) -> Octets:
        """`size` bytes from each of `starts` on. Shape: (values, size)."""
        every = np.ndarray(len(self.block) - size + 1, dtype=f"V{size}", buffer=self.block, strides=(1,))
        return every[starts].view(np.uint8).reshape(-1, size)


Doubts = Callable[[BlockValues], Flags]  # which values are not plainly right; nulls are right


class BlockChecks:
    """Checks blocks against a contract."""

    def __init__(self, contract: Contract) -> None:
        columns = contract.columns
        self._contract = contract
        self._width = len(columns)
        self._required = np.array(sorted(contract.required), dtype=np.int64)
        self._is_text = np.array([column.type in TEXT_TYPES for column in columns])
        self._is_text_of = self._is_text  # of each value of a block
        self._most_bytes = np.array([_most_bytes(column) for column in columns])[:, np.newaxis]
        self._doubts = [(np.array(places), doubts) for places, doubts in _doubts(columns) if places]

    def exponents(self, block: bytes, separators: Integers, escaped: Integers) -> set[int] | None:
        """Whether every row keeps the contract; if so, indexes of the decimals that have an exponent.

        Args:
            block: whole rows as Salesforce writes them, something behind them, and `TAIL`.
            separators: where each value of the rows ends: the byte behind its closing quote.
            escaped: indexes of values that hold a quote; some stand there twice.

        Returns:
            None if a row breaks it.
        """
        starts = np.empty_like(separators)
        starts[0] = 1
        np.add(separators[:-1], 2, out=starts[1:])
        lengths = separators - starts
        lengths -= 1
        values = BlockValues(block, starts.reshape(-1, self._width).T, lengths.reshape(-1, self._width).T)
        if not values.lengths[self._required].all():
            return None
        found: set[int] = set()
        for index in self._doubtful(values, escaped):
            position, value = index % self._width, self._value(values, index)
            if self._contract.breach_of(position, value) is not None:
                return None
            if self._contract.has_exponent(position, value):
                found.add(index)
        return found

    def _doubtful(self, values: BlockValues, escaped: Integers) -> Iterator[int]:
        """Indexes of values, some twice."""
        if self._is_text_of.size < values.starts.size:
            self._is_text_of = np.tile(self._is_text, values.starts.shape[1])
        yield from escaped[~self._is_text_of[escaped]].tolist()
        yield from self._indexes(values.lengths > self._most_bytes, np.arange(self._width))
        for columns, doubts in self._doubts:
            yield from self._indexes(doubts(values.of(columns)), columns)

    def _indexes(self, found: Flags, columns: Integers) -> list[int]:
        if not found.any():
            return []
        places, rows = np.nonzero(found)
        indexes: list[int] = (rows * self._width + columns[places]).tolist()
        return indexes

    def _value(self, values: BlockValues, index: int) -> str:
        row, position = divmod(index, self._width)
        start, length = int(values.starts[position, row]), int(values.lengths[position, row])
        return values.block[start : start + length].decode().replace('""', '"')


def _most_bytes(column: ColumnPlan) -> int:
    """A value with no more bytes is surely not too long."""
    if column.type in TEXT_TYPES:
        return min(column.length or VARCHAR_MAX_BYTES, VARCHAR_MAX_BYTES)
    return _NUMBER_BYTES if column.type in _NUMBERS else _MOST_BYTES[column.type]


def _doubts(columns: Sequence[ColumnPlan]) -> Iterator[tuple[list[int], Doubts]]:
    """Positions of columns, and what doubts their values."""

    def of(*kinds: FieldType) -> list[int]:
        return [position for position, column in enumerate(columns) if column.type in kinds]

    dates, numbers = of(FieldType.DATE, FieldType.DATETIME), of(*_NUMBERS)
    yield of(FieldType.ID, FieldType.REFERENCE), _ids
    yield of(FieldType.BOOLEAN), _booleans
    yield dates, Dates([columns[position] for position in dates])
    yield of(FieldType.DATETIME), _times
    yield numbers, Numbers([columns[position] for position in numbers])


def _ids(values: BlockValues) -> Flags:
    lengths = values.lengths
    return (lengths != ID_LENGTHS[1]) & (lengths != ID_LENGTHS[0]) & (lengths != 0)


def _booleans(values: BlockValues) -> Flags:
    """With its closing quote, a text of at most eight bytes is known by one comparison; null is that quote alone."""
    words = _words(values.octets(values.starts.ravel(), _WORD))[:, 0]
    found = np.zeros(len(words), dtype=bool)
    for text in ('"', *(f'{name}"' for name in BOOLEANS)):
        found |= (words & _first_bytes(len(text))) == int.from_bytes(text.encode(), "little")
    return ~found.reshape(values.starts.shape)


class Form:
    """Texts of one length whose characters lie between those of two examples.

    Args:
        low, high: the examples.
    """

    def __init__(self, low: str, high: str) -> None:
        self.size = -(-len(low) // _WORD) * _WORD  # whole words are read; what is behind the text may be anything
        rest = self.size - len(low)
        lows = np.frombuffer(low.encode() + bytes(rest), np.uint8)
        highs = np.frombuffer(high.encode() + b"\xff" * rest, np.uint8)
        self._low, self._span = lows, highs - lows
        self._tiles = (self._low, self._span)

    def compare(self, octets: Octets) -> tuple[Words, Flags]:
        """How far each character lies above the low example, eight to a word, and which texts have not the form."""
        count = len(octets)
        low, span = self._tiles
        if low.size < octets.size:  # one long row is compared much faster than many short ones
            self._tiles = low, span = np.tile(self._low, count), np.tile(self._span, count)
        above = octets.ravel() - low[: octets.size]
        beyond = _words((above > span[: octets.size]).view(np.uint8).reshape(octets.shape))
        return _words(above.reshape(octets.shape)), beyond.any(axis=1) if beyond.any() else np.zeros(count, dtype=bool)


# what a digit may be at its place; hours, days and months are looked at further, a year before 1000 is doubted
_DATE = Form("1000-00-00", "9999-19-39")
_TIME = Form("T00:00:00.000Z", "T29:59:59.999Z")

# Two digits as they lie in a word, the second in the higher byte → the number; what are no digits is doubted.
_NO_NUMBER = 255
_TWO_DIGITS = np.full(1 << 16, _NO_NUMBER, dtype=np.uint8)
for _number in range(100):
    _TWO_DIGITS[_number // 10 + (_number % 10 << 8)] = _number
_LAST_DAYS = np.zeros(_NO_NUMBER + 1, dtype=np.uint8)  # of each month; a 29th of February is doubted
_LAST_DAYS[1:13] = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


class Dates:
    """Dates, and the dates of datetimes."""

    def __init__(self, columns: Sequence[ColumnPlan]) -> None:
        self._lengths = np.array([_MOST_BYTES.get(column.type, 0) for column in columns])[:, np.newaxis]

    def __call__(self, values: BlockValues) -> Flags:
        other = values.lengths != self._lengths
        above, doubtful = _DATE.compare(values.octets(values.instead(other), _DATE.size))
        days = _two_digits(above[:, 1], 0)
        doubtful |= days > _LAST_DAYS[_two_digits(above[:, 0], 5)]
        doubtful |= days == 0
        return doubtful.reshape(other.shape) | (other & (values.lengths != 0))


def _times(values: BlockValues) -> Flags:
    """Of datetimes, what follows the date; their length is looked at with it."""
    starts = values.instead(values.lengths != _DATETIME_LENGTH) + _DATE_LENGTH
    above, doubtful = _TIME.compare(values.octets(starts, _TIME.size))
    doubtful |= _two_digits(above[:, 0], 1) > 23
    return doubtful.reshape(values.starts.shape)


def _two_digits(words: Words, place: int) -> Octets:
    """The number of two digits at a place of words whose digits are 0 to 9."""
    numbers: Octets = _TWO_DIGITS[words >> np.uint64(8 * place) & np.uint64(0xFFFF)]
    return numbers


class Numbers:
    """Numbers of at most sixteen bytes, such as `-12.50` and `7`, two words of eight bytes each.

    The sign and a point are found and taken for zeros; then every byte has to be a digit.
    """

    def __init__(self, columns: Sequence[ColumnPlan]) -> None:
        sizes = np.array([_digits(column) for column in columns], dtype=np.int64).reshape(-1, 2, 1)
        self._whole, self._fraction = sizes[:, 0], sizes[:, 1]
        self._is_int = np.array([column.type is FieldType.INT for column in columns])[:, np.newaxis]

    def __call__(self, values: BlockValues) -> Flags:
        lengths = values.lengths
        octets = values.octets(values.starts.ravel(), _NUMBER_BYTES)
        negative = octets[:, 0] == ord("-")
        sizes = np.minimum(lengths, _NUMBER_BYTES).ravel()
        place, unlike = np.array(_NUMBER_BYTES), np.array(False)
        for number in range(-(-int(sizes.max()) // _WORD)):  # mostly one word is enough
            words = (_words(octets)[:, number] ^ _ZEROS) & _INSIDE[number][sizes]
            if number == 0:
                words ^= negative * np.uint64(ord("-") ^ ord("0"))
            points = _zero_bytes(words ^ _POINTS)
            words ^= (points >> np.uint64(7)) * np.uint64(ord(".") ^ ord("0"))
            found = points != 0
            unlike = unlike | (found & (place < _NUMBER_BYTES))
            unlike |= (((words + _ABOVE_NINE) | words) & _TOP_BITS | points & (points - np.uint64(1))) != 0
            place = np.where(found, _first_byte(points) + number * _WORD, place)
        place, unlike = (np.broadcast_to(one, sizes.shape).reshape(lengths.shape) for one in (place, unlike))
        whole = np.minimum(place, lengths) - negative.reshape(lengths.shape)
        fraction = lengths - 1 - place - self._ends_with_zero(values)
        doubtful = unlike | (whole < 1) | (whole > self._whole) | (fraction > self._fraction)
        doubtful |= place == lengths - 1  # a point at the end
        doubtful |= (place < lengths) & self._is_int
        return doubtful & (lengths != 0)

    def _ends_with_zero(self, values: BlockValues) -> Flags:
        """Zeros at the end of a fraction do not count; of several, one is known here."""
        found: Flags = np.frombuffer(values.block, np.uint8)[values.starts + values.lengths - 1] == ord("0")
        return found


def _digits(column: ColumnPlan) -> tuple[int, int]:
    """How many digits may stand before the point, and after it."""
    if column.precision is None or column.scale is None:
        return _NUMBER_BYTES, _NUMBER_BYTES
    return column.precision - column.scale, column.scale


def _each_byte(value: int) -> np.uint64:
    return np.uint64(int.from_bytes(bytes([value]) * _WORD, "little"))


def _first_bytes(count: int) -> np.uint64:
    """A mask of a word's first bytes."""
    return np.uint64((1 << 8 * count) - 1)


_ZEROS, _POINTS = _each_byte(ord("0")), _each_byte(ord(".") ^ ord("0"))
_TOP_BITS, _OTHER_BITS = _each_byte(0x80), _each_byte(0x7F)
_ABOVE_NINE = _each_byte(0x7F - 9)  # added to a byte of 10 to 127, it sets its top bit
# Of each of a number's words, how many bytes the number has → a mask of those in it.
_INSIDE = [
    np.array([_first_bytes(min(max(size - first, 0), _WORD)) for size in range(_NUMBER_BYTES + 1)])
    for first in range(0, _NUMBER_BYTES, _WORD)
]


def _words(octets: Octets) -> Words:
    """Every eight bytes as a number, the first byte the lowest."""
    return octets.view("<u8")


def _zero_bytes(words: Words) -> Words:
    """The top bit of each byte that is zero."""
    return ~((words & _OTHER_BITS) + _OTHER_BITS | words) & _TOP_BITS


def _first_byte(marks: Words) -> Integers:
    """Which byte of a word is the first to have its top bit set."""
    return np.bitwise_count(marks - np.uint64(1)).astype(np.int64) >> 3
