"""A block of Bulk CSV rewritten at once, if it is as Salesforce writes it: every value quoted, LF at row ends.

What is looked at is quotes, not bytes. Of the quotes of such a block every other opens: between one that closes and the
next that opens there is nothing (an escaped quote) or one byte (the end of a value, or of a row), and every other byte
belongs to a value. Whatever is different is left to the caller. Decimals with an exponent are looked at one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

import numpy as np
from numpy.typing import NDArray

_QUOTE, _COMMA, _END, _EXPONENT = b'",\nE'
_ROW_END = b"\0"  # stands for it until constants are put in: there are no NULs in a block
_GONE = b"\xff"  # stands for what is left out: no UTF-8 holds it
_LAST_DIGIT = ord("9")  # signs come before digits
_EMPTY_LENGTH = 3  # from the end of a value to the end of an empty one: two quotes and a separator


@dataclass(frozen=True)
class Rewritten:
    """The rows of a block that are whole: as they are written, how many, and how many bytes of the block they were."""

    text: bytes
    rows: int
    used: int


class BlockRewriter:
    """Rewrites blocks.

    Args:
        width: values of a row.
        suffix: what a row ends with: the constants behind a comma, and LF.
        decimals: positions of the columns that hold decimals.
    """

    def __init__(self, width: int, suffix: bytes, decimals: Sequence[int]) -> None:
        self._width = width
        self._suffix = suffix
        self._is_decimal = np.zeros(width, dtype=bool)
        self._is_decimal[list(decimals)] = True

    def rewrite(self, block: bytes) -> Rewritten | None:
        """The whole rows at the beginning of `block`, which begins with a row and holds no NUL.

        Returns:
            None if the block is not plain, or a row has another width.

        Raises:
            UnicodeDecodeError: it is no UTF-8.
        """
        characters = np.frombuffer(block, np.uint8)
        separators = _separators(characters)
        if separators is None:
            return None
        kinds = characters[separators]
        ends = np.flatnonzero(kinds == _END)
        if np.count_nonzero(kinds == _COMMA) + ends.size != kinds.size:
            return None
        if not np.array_equal(ends, np.arange(1, ends.size + 1) * self._width - 1):
            return None
        if not ends.size:
            return Rewritten(b"", 0, 0)
        separators = separators[: ends[-1] + 1]
        used = int(separators[-1]) + 1
        str(memoryview(block)[:used], "utf-8")
        rows, separators = self._without_exponents(characters[:used], separators)
        return Rewritten(self._written(rows, separators), ends.size, used)

    def _without_exponents(
        self, rows: NDArray[np.uint8], separators: NDArray[np.int64]
    ) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """The rows with every exponent of a decimal written out, and their separators."""
        exponents = np.flatnonzero(rows == _EXPONENT) if self._is_decimal.any() else separators[:0]
        exponents = exponents[rows[exponents + 1] <= _LAST_DIGIT]  # a letter is no exponent's beginning
        values = np.searchsorted(separators, exponents)
        values = values[self._is_decimal[values % self._width]]
        if not values.size:
            return rows, separators
        text, pieces, at = rows.tobytes(), [], 0
        for value in np.unique(values).tolist():
            start, end = int(separators[value - 1]) + 2 if value else 1, int(separators[value]) - 1
            pieces += [text[at:start], without_exponent(text[start:end].decode()).encode()]
            at = end
        rows = np.frombuffer(b"".join([*pieces, text[at:]]), np.uint8)
        found = _separators(rows)
        assert found is not None  # no quote came or went
        return rows, found

    def _written(self, rows: NDArray[np.uint8], separators: NDArray[np.int64]) -> bytes:
        """Without the quotes of empty values, and with the suffix at row ends."""
        written = rows.copy()
        written[separators[self._width - 1 :: self._width]] = ord(_ROW_END)
        empty = separators[1:][separators[1:] - separators[:-1] == _EMPTY_LENGTH]
        if separators[0] == _EMPTY_LENGTH - 1:
            empty = np.append(empty, separators[0])
        written[empty - 1] = written[empty - 2] = ord(_GONE)
        return written.tobytes().replace(_GONE, b"").replace(_ROW_END, self._suffix)


def without_exponent(number: str) -> str:
    """`1.2E7` as `12000000`; what is no number stays as it is, for COPY to name."""
    try:
        return format(Decimal(number), "f")
    except InvalidOperation:
        return number


def _separators(characters: NDArray[np.uint8]) -> NDArray[np.int64] | None:
    """What follows the end of a value, as far as the block tells; None if its quotes are not plain."""
    quotes = np.flatnonzero(characters == _QUOTE)
    opening, closing = quotes[0::2], quotes[1::2]
    if not opening.size:
        return None if characters.size else quotes
    if opening[0] != 0:
        return None
    gaps = opening[1:] - closing[: len(opening) - 1]
    ended = gaps == 2
    separators = closing[: len(gaps)] + 1
    if not ended.all():
        if not (ended | (gaps == 1)).all():
            return None
        separators = separators[ended]
    last = int(quotes[-1]) + 1
    if len(opening) == len(closing) and last < len(characters):
        separators = np.append(separators, last)
    return separators
