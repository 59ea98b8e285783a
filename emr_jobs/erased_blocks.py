"""Whether a block of CSV names a record that was erased, told from its bytes.

Almost no block does. What would have to be looked at value by value is found by the words that can be Ids at all, and
each of them is hashed; only a block that does name one is read row by row.
"""

from __future__ import annotations

import string
from dataclasses import dataclass, field

import numpy as np
from idiscover.lake.suppression import ID_LENGTH, SHORT_LENGTH, ErasedRows
from numpy.typing import NDArray

_OF_WORDS = (string.ascii_letters + string.digits).encode()
_WORDS_REMEMBERED = 1 << 16  # about 5 MB
_IS_OF_WORD = bytes(byte in _OF_WORDS for byte in range(256))


@dataclass
class ErasedInBlocks(ErasedRows):
    """`ErasedRows` that also knows of a whole block whether there is anything to do."""

    _harmless: set[bytes] = field(default_factory=set, init=False, repr=False)  # references repeat themselves

    def touches(self, block: bytes) -> bool:
        """Whether an erased Id stands anywhere in `block` as a word, so that its rows have to be looked at."""
        words = id_words(block) - self._harmless
        if any(self.is_erased(word.decode()) for word in words):
            return True
        if len(self._harmless) > _WORDS_REMEMBERED:
            self._harmless.clear()
        self._harmless |= words
        return False


def id_words(block: bytes) -> set[bytes]:
    """The words of 15 or 18 letters and digits: each value that is an Id, and each Id within a longer text."""
    inside = np.frombuffer(b"\0" + block.translate(_IS_OF_WORD) + b"\0", np.bool_)  # no word reaches over either end
    edges = np.flatnonzero(inside[1:] != inside[:-1])
    starts = edges[0::2]
    sizes = edges[1::2] - starts
    return {word for size in (ID_LENGTH, SHORT_LENGTH) for word in _texts(block, starts[sizes == size], size)}


def _texts(block: bytes, starts: NDArray[np.int64], size: int) -> list[bytes]:
    """`size` bytes from each of `starts` on."""
    if not starts.size:
        return []
    every = np.ndarray(len(block) - size + 1, dtype=f"S{size}", buffer=block, strides=(1,))
    found: list[bytes] = every[starts].tolist()
    return found
