"""A block of Bulk CSV rewritten at once, if it is as Salesforce writes it: every value quoted, LF at row ends.

What is looked at is quotes, not bytes. Of the quotes of such a block every other opens: between one that closes and the
next that opens there is nothing (an escaped quote) or one byte (the end of a value, or of a row), and every other byte
belongs to a value. Whatever is different, or breaks the contract of its row, is left to the caller.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emr_jobs.block_checks import TAIL, BlockChecks
from emr_jobs.contract import Contract

_QUOTE, _COMMA, _END = b'",\n'
_ROW_END = b"\0"  # stands for it until constants are put in: there are no NULs in a block
_GONE = b"\xff"  # stands for what is left out: no UTF-8 holds it
_LAST_SPACE = 0x3000  # no code point above is white space
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
    """Places of what follows the end of a value, and the indexes of values that hold a quote, once for each."""

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
        self._protected = np.array(sorted(contract.protected), dtype=np.int64)
        self._trimmed = np.array(sorted(contract.trimmed - contract.protected.keys()), dtype=np.int64)

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
        kinds = characters[plain.separators]
        ends = np.flatnonzero(kinds == _END)
        if np.count_nonzero(kinds == _COMMA) + ends.size != kinds.size:
            return None
        if not np.array_equal(ends, np.arange(1, ends.size + 1) * self._width - 1):
            return None
        if not ends.size:
            return Rewritten(b"", 0, 0)
        separators = plain.separators[: ends[-1] + 1]
        used = int(separators[-1]) + 1
        str(memoryview(block)[:used], "utf-8")
        escaped = plain.escaped[: np.searchsorted(plain.escaped, len(separators))]
        exponents = self._checks.exponents(block + TAIL, separators, escaped)
        if exponents is None:
            return Rewritten(None, ends.size, used)
        rows = characters[:used]
        indexes = self._to_change(rows, separators, exponents)
        pieces = list(self._changed(block[:used], separators, indexes)) if indexes.size else []
        if len(pieces) > 1:
            rows = np.frombuffer(b"".join(pieces), np.uint8)
            changed = _plain(rows)
            assert changed is not None  # values are other ones, and quoted as they were
            separators = changed.separators
        return Rewritten(self._written(rows, separators), ends.size, used)

    def _to_change(self, rows: NDArray[np.uint8], separators: Positions, exponents: Collection[int]) -> Positions:
        """Indexes, sorted, of the values that may be written otherwise than they came; few texts have to be trimmed."""
        firsts = np.arange(0, len(separators), self._width)[:, np.newaxis]
        found = [(firsts + self._protected).ravel(), np.array(sorted(exponents), dtype=np.int64)]
        if self._trimmed.size:
            texts = (firsts + self._trimmed).ravel()
            starts, ends = _starts(separators, texts), separators[texts] - 1
            found.append(texts[_BEGINS_SPACE[rows[starts]] | _ENDS_SPACE[rows[ends - 1]]])
        return np.unique(np.concatenate(found))

    def _changed(self, rows: bytes, separators: Positions, indexes: Positions) -> Iterator[bytes]:
        """The rows in pieces, values of `indexes` trimmed and protected, and exponents written out."""
        starts = _starts(separators, indexes)
        done = 0
        for index, start, end in zip(
            indexes.tolist(), starts.tolist(), (separators[indexes] - 1).tolist(), strict=True
        ):
            value = rows[start:end].decode().replace('""', '"')
            written = self._contract.written(index % self._width, value)
            if written != value:
                yield rows[done:start]
                yield written.replace('"', '""').encode()
                done = end
        yield rows[done:]

    def _written(self, rows: NDArray[np.uint8], separators: Positions) -> bytes:
        """Without the quotes of empty values, and with the suffix at row ends."""
        written = rows.copy()
        written[separators[self._width - 1 :: self._width]] = ord(_ROW_END)
        empty = separators[1:][separators[1:] - separators[:-1] == _EMPTY_LENGTH]
        if separators[0] == _EMPTY_LENGTH - 1:
            empty = np.append(empty, separators[0])
        written[empty - 1] = written[empty - 2] = ord(_GONE)
        return written.tobytes().replace(_GONE, b"").replace(_ROW_END, self._suffix)


def _starts(separators: Positions, indexes: Positions) -> Positions:
    """Where values begin, behind their opening quotes."""
    return np.where(indexes > 0, separators[indexes - 1] + 2, 1)


_SPACES = [chr(code).encode() for code in range(_LAST_SPACE + 1) if chr(code).isspace()]
# Which bytes begin or end a white space; other characters have some of them, too, and are looked at further.
_BEGINS_SPACE = np.isin(np.arange(256), [space[0] for space in _SPACES])
_ENDS_SPACE = np.isin(np.arange(256), [space[-1] for space in _SPACES])


def _plain(characters: NDArray[np.uint8]) -> _Plain | None:
    """What follows the end of a value, as far as the block tells; None if its quotes are not plain."""
    quotes = np.flatnonzero(characters == _QUOTE)
    opening, closing = quotes[0::2], quotes[1::2]
    if not opening.size:
        return None if characters.size else _Plain(quotes, quotes)
    if opening[0] != 0:
        return None
    gaps = opening[1:] - closing[: len(opening) - 1]
    ended = gaps == 2
    separators, escaped = closing[: len(gaps)] + 1, quotes[:0]
    if not ended.all():
        inside = np.flatnonzero(~ended)
        if not (gaps[inside] == 1).all():
            return None
        separators, escaped = separators[ended], inside - np.arange(len(inside))
    last = int(quotes[-1]) + 1
    if len(opening) == len(closing) and last < len(characters):
        separators = np.append(separators, last)
    return _Plain(separators, escaped)
