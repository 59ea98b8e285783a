"""A block of Bulk CSV rewritten at once, if it is as Salesforce writes it: every value quoted, LF at row ends.

What is looked at is quotes, not bytes. Of the quotes of such a block every other opens: between one that closes and the
next that opens there is nothing (an escaped quote) or one byte (the end of a value, or of a row), and every other byte
belongs to a value. Whatever is different, or breaks the contract of its row, is left to the caller.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emr_jobs.block_checks import TAIL, BlockChecks
from emr_jobs.contract import Contract

_QUOTE, _COMMA, _END = b'",\n'
_ROW_END = b"\0"  # stands for it until constants are put in: there are no NULs in a block
_EMPTY_LENGTH = 3  # from the end of a value to the end of an empty one: two quotes and a separator

Positions = NDArray[np.int64]


@dataclass(frozen=True)
class Rewritten:
    """The rows of a block that are whole: how many, and how many bytes of the block they were.

    `text` is what is written for them; None if they have to be looked at one by one.
    """

    text: bytes | None
    rows: int
    used: int


@dataclass(frozen=True)
class _Plain:
    """Where the values of a block end, as far as the block tells, and the indexes of values that hold a quote."""

    separators: Positions
    escaped: Positions


class BlockRewriter:
    """Rewrites blocks.

    Args:
        contract: of the rows.
        suffix: what a row ends with: the constants behind a comma, and LF.
    """

    def __init__(self, contract: Contract, suffix: bytes) -> None:
        self._width = len(contract.columns)
        self._suffix = suffix
        self._contract = contract
        self._checks = BlockChecks(contract)

    def rewrite(self, block: bytes) -> Rewritten | None:
        """The whole rows at the beginning of `block`, which begins with a row and holds no NUL.

        Returns:
            None if the block is not plain, or a row has another width.

        Raises:
            UnicodeDecodeError: it is no UTF-8.
        """
        characters = np.frombuffer(block, np.uint8)
        plain = _plain(characters)
        if plain is None:
            return None
        separators = plain.separators
        kinds = characters[separators]
        ends = np.flatnonzero(kinds == _END)
        if not ends.size:
            return Rewritten(b"", 0, 0)
        separators, kinds = separators[: ends[-1] + 1], kinds[: ends[-1] + 1]
        if not self._are_rows(kinds):
            return None
        rows, used = len(kinds) // self._width, int(separators[-1]) + 1
        str(memoryview(block)[:used], "utf-8")
        escaped = plain.escaped[: np.searchsorted(plain.escaped, len(separators))]
        if not self._checks.are_kept(block + TAIL, separators, escaped):
            return Rewritten(None, rows, used)
        if self._contract.changed:
            block = b"".join(self._changed(block, separators))
            characters = np.frombuffer(block, np.uint8)
            changed = _plain(characters)
            assert changed is not None  # values are other ones, and quoted as they were
            return Rewritten(self._written(characters, changed.separators), rows, used)
        return Rewritten(self._written(characters[:used], separators), rows, used)

    def _are_rows(self, kinds: NDArray[np.uint8]) -> bool:
        """Whether every so many separators there is the end of a row, and nowhere else."""
        if len(kinds) % self._width:
            return False
        table = kinds.reshape(-1, self._width)
        return bool((table[:, -1] == _END).all() and (table[:, :-1] == _COMMA).all())

    def _changed(self, block: bytes, separators: Positions) -> Iterator[bytes]:
        """The rows in pieces, with values that are trimmed and protected."""
        changed = self._contract.changed
        firsts = np.concatenate(([1], separators[:-1] + 2)).reshape(-1, self._width)[:, changed]
        lasts = separators.reshape(-1, self._width)[:, changed] - 1
        done = 0
        for starts, ends in zip(firsts.tolist(), lasts.tolist(), strict=True):
            for position, start, end in zip(changed, starts, ends, strict=True):
                value = block[start:end].decode().replace('""', '"')
                written = self._contract.written(position, value)
                if written != value:
                    yield block[done:start]
                    yield written.replace('"', '""').encode()
                    done = end
        yield block[done : int(separators[-1]) + 1]

    def _written(self, rows: NDArray[np.uint8], separators: Positions) -> bytes:
        """Without the quotes of empty values, and with the suffix at row ends."""
        written = rows.copy()
        written[separators[self._width - 1 :: self._width]] = ord(_ROW_END)
        empty = separators[np.diff(separators, prepend=-1) == _EMPTY_LENGTH]
        if empty.size:
            kept = np.ones(len(rows), dtype=bool)
            kept[empty - 1] = kept[empty - 2] = False
            written = written[kept]
        return written.tobytes().replace(_ROW_END, self._suffix)


def _plain(characters: NDArray[np.uint8]) -> _Plain | None:
    """Where values end; None if the block is not plain."""
    quotes = np.flatnonzero(characters == _QUOTE)
    opening, closing = quotes[0::2], quotes[1::2]
    if not opening.size:
        return None if characters.size else _Plain(quotes, quotes)
    if opening[0] != 0:
        return None
    gaps = opening[1:] - closing[: len(opening) - 1]
    ended = gaps == 2
    inside = np.flatnonzero(~ended)
    if not (gaps[inside] == 1).all():
        return None
    separators = closing[: len(gaps)][ended] + 1
    last = int(quotes[-1]) + 1
    if len(opening) == len(closing) and last < len(characters):
        separators = np.append(separators, last)
    kinds = characters[separators]
    if not ((kinds == _COMMA) | (kinds == _END)).all():
        return None
    return _Plain(separators, inside - np.arange(len(inside)))
