"""A block of Bulk CSV rewritten at once, if it is as Salesforce writes it: every value quoted, LF at row ends.

What is looked at is quotes, not bytes. Of the quotes of such a block every other opens: between one that closes and the
next that opens there is nothing (an escaped quote) or one byte (the end of a value, or of a row), and every other byte
belongs to a value. Whatever is different, or needs a look at single values, is left to the caller.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_QUOTE, _COMMA, _END, _EXPONENT = b'",\nE'
_ROW_END = b"\0"  # stands for it until constants are put in: there are no NULs in a block
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
        self._decimals = np.array(decimals, dtype=np.int64)

    def rewrite(self, block: bytes) -> Rewritten | None:
        """The whole rows at the beginning of `block`, which begins with a row and holds no NUL.

        Returns:
            None if the block is not plain, a row has another width, or a decimal has an exponent.

        Raises:
            UnicodeDecodeError: it is no UTF-8.
        """
        characters = np.frombuffer(block, np.uint8)
        separators = _separators(characters)
        if separators is None:
            return None
        kinds = characters[separators]
        ends = np.flatnonzero(kinds == _END)
        if not ends.size:
            return Rewritten(b"", 0, 0)
        separators, kinds = separators[: ends[-1] + 1], kinds[: ends[-1] + 1]
        if not self._are_rows(kinds) or self._has_exponents(characters, separators):
            return None
        used = int(separators[-1]) + 1
        str(memoryview(block)[:used], "utf-8")
        return Rewritten(self._written(characters[:used], separators), len(kinds) // self._width, used)

    def _are_rows(self, kinds: NDArray[np.uint8]) -> bool:
        """Whether every so many separators there is the end of a row, and nowhere else."""
        if len(kinds) % self._width:
            return False
        table = kinds.reshape(-1, self._width)
        return bool((table[:, -1] == _END).all() and (table[:, :-1] == _COMMA).all())

    def _has_exponents(self, characters: NDArray[np.uint8], separators: NDArray[np.int64]) -> bool:
        if not self._decimals.size:
            return False
        exponents = np.flatnonzero(characters[: separators[-1]] == _EXPONENT)
        columns = np.searchsorted(separators, exponents) % self._width
        return bool(np.isin(columns, self._decimals).any())

    def _written(self, rows: NDArray[np.uint8], separators: NDArray[np.int64]) -> bytes:
        """Without the quotes of empty values, and with the suffix at row ends."""
        written = rows.copy()
        written[separators[self._width - 1 :: self._width]] = ord(_ROW_END)
        empty = separators[np.diff(separators, prepend=-1) == _EMPTY_LENGTH]
        if empty.size:
            kept = np.ones(len(rows), dtype=bool)
            kept[empty - 1] = kept[empty - 2] = False
            written = written[kept]
        return written.tobytes().replace(_ROW_END, self._suffix)


def _separators(characters: NDArray[np.uint8]) -> NDArray[np.int64] | None:
    """Where values end, as far as the block tells; None if it is not plain."""
    quotes = np.flatnonzero(characters == _QUOTE)
    opening, closing = quotes[0::2], quotes[1::2]
    if not opening.size:
        return None if characters.size else quotes
    if opening[0] != 0:
        return None
    gaps = opening[1:] - closing[: len(opening) - 1]
    ended = gaps == 2
    if not (ended | (gaps == 1)).all():
        return None
    separators = closing[: len(gaps)][ended] + 1
    last = int(quotes[-1]) + 1
    if len(opening) == len(closing) and last < len(characters):
        separators = np.append(separators, last)
    kinds = characters[separators]
    return separators if ((kinds == _COMMA) | (kinds == _END)).all() else None
