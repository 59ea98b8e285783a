"""Whether all rows of a block keep their contract, told from the bytes of its values, thousands of values at once.

What numpy finds plainly right is right. What it doubts (a text with more bytes than it may have characters, a 29th of
February, an exponent, a number of many digits) is looked at by the contract itself, value by value; few values are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
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
        """Where values start, or for some an example of a date and time instead. Shape: (values,)."""
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
        ends = np.ascontiguousarray(separators.reshape(-1, self._width).T)
        starts = np.empty_like(ends)
        starts[1:] = ends[:-1]
        starts[0, 1:], starts[0, 0] = ends[-1, :-1], -1
        starts += 2
        lengths = ends - starts
        lengths -= 1
        values = BlockValues(block, starts, lengths)
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

    numbers = of(*_NUMBERS)
    yield of(FieldType.ID, FieldType.REFERENCE), _ids
    yield of(FieldType.BOOLEAN), _booleans
    yield of(FieldType.DATE), _dates
    yield of(FieldType.DATETIME), _datetimes
    yield numbers, Numbers([columns[position] for position in numbers])


def _ids(values: BlockValues) -> Flags:
    lengths = values.lengths
    return (lengths != ID_LENGTHS[1]) & (lengths != ID_LENGTHS[0]) & (lengths != 0)


def _booleans(values: BlockValues) -> Flags:
    """Known by one comparison: of the value and its closing quote, which are eight bytes at most."""
    words = _words(values.octets(values.starts.ravel(), _WORD)).reshape(values.lengths.shape)
    sizes = values.lengths & 7  # longer ones are too long to be right
    return words & _BOOLEAN_MASKS[sizes] != _BOOLEAN_WORDS[sizes]


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
_DATETIME = Form("1000-00-00T00:00:00.000Z", "9999-19-39T29:59:59.999Z")


def _by_two_digits(known: Mapping[int, int], others: int) -> Octets:
    """A table: two digits as they lie in a word, the second in the higher byte → what is known of their number."""
    table = np.full(1 << 16, others, dtype=np.uint8)
    for number, value in known.items():
        table[number // 10 + (number % 10 << 8)] = value
    return table


_LAST_DAYS = _by_two_digits(  # of each month; a 29th of February is doubted
    dict(enumerate((31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31), start=1)), others=0
)
_DAYS = _by_two_digits({day: day for day in range(1, 32)}, others=255)
_NO_HOURS = _by_two_digits(dict.fromkeys(range(24), 0), others=1).astype(bool)


def _dates(values: BlockValues) -> Flags:
    other = values.lengths != _DATE_LENGTH
    above, doubtful = _DATE.compare(values.octets(values.instead(other), _DATE.size))
    doubtful |= _no_days(above)
    return doubtful.reshape(other.shape) | (other & (values.lengths != 0))


def _datetimes(values: BlockValues) -> Flags:
    other = values.lengths != _DATETIME_LENGTH
    above, doubtful = _DATETIME.compare(values.octets(values.instead(other), _DATETIME.size))
    doubtful |= _no_days(above)
    doubtful |= _NO_HOURS[_two_digits(above, 11)]
    return doubtful.reshape(other.shape) | (other & (values.lengths != 0))


def _no_days(above: Words) -> Flags:
    """Which of these are no days of the calendar."""
    found: Flags = _DAYS[_two_digits(above, 8)] > _LAST_DAYS[_two_digits(above, 5)]
    return found


def _two_digits(above: Words, place: int) -> NDArray[np.uint16]:
    """Two digits of each text, as they lie in its words."""
    word, byte = divmod(place, _WORD)
    return (above[:, word] >> np.uint64(8 * byte)).astype(np.uint16)


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
        sizes = np.minimum(lengths, _NUMBER_BYTES).ravel()
        negative = octets[:, 0] == ord("-")
        place, unlike = np.full(sizes.shape, _NUMBER_BYTES), np.zeros(sizes.shape, dtype=bool)
        for number in range(-(-int(sizes.max()) // _WORD)):  # mostly one word is enough
            words = (_words(octets)[:, number] ^ _ZEROS) & _INSIDE[number][sizes]
            if number == 0 and negative.any():
                words ^= negative * np.uint64(ord("-") ^ ord("0"))
            points = _zero_bytes(words ^ _POINTS)
            if points.any():
                words ^= (points >> np.uint64(7)) * np.uint64(ord(".") ^ ord("0"))
                found = points != 0
                unlike |= found & (place < _NUMBER_BYTES)
                unlike |= points & (points - np.uint64(1)) != 0
                place = np.where(found, _first_byte(points) + number * _WORD, place)
            unlike |= ((words + _ABOVE_NINE) | words) & _TOP_BITS != 0
        return self._sizes_are_wrong(values, *(one.reshape(lengths.shape) for one in (place, negative, unlike)))

    def _sizes_are_wrong(self, values: BlockValues, place: Integers, negative: Flags, doubtful: Flags) -> Flags:
        """Adds what has too many digits, or too few, to what is doubtful. `place`: of the point."""
        lengths = values.lengths
        whole = np.minimum(place, lengths) - negative
        behind = lengths - 1 - place  # digits; fewer than none without a point
        doubtful |= (whole < 1) | (whole > self._whole) | (behind == 0)
        if (behind > self._fraction).any():
            doubtful |= behind - self._ends_with_zero(values) > self._fraction
        if self._is_int.any():
            doubtful |= (behind >= 0) & self._is_int
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
# How many bytes a boolean has → the mask of what is compared, and what it has to be: null is a quote alone.
_BOOLEAN_MASKS, _BOOLEAN_WORDS = np.zeros(_WORD, dtype=np.uint64), np.ones(_WORD, dtype=np.uint64)
for _text in ("", *BOOLEANS):
    _BOOLEAN_MASKS[len(_text)] = _first_bytes(len(_text) + 1)
    _BOOLEAN_WORDS[len(_text)] = int.from_bytes(f'{_text}"'.encode(), "little")
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
