"""Whether a block of CSV names a record that was erased, told from its bytes.

Almost no block does. What would have to be looked at value by value is found by the words that can be Ids at all, and
each of them is hashed; only a block that does name one is read row by row.
"""

from __future__ import annotations

import string
from dataclasses import dataclass

import numpy as np
from idiscover.lake.suppression import ID_LENGTH, SHORT_LENGTH, ErasedRows

_OF_WORDS = (string.ascii_letters + string.digits).encode()
_IS_OF_WORD = bytes(byte in _OF_WORDS for byte in range(256))


@dataclass
class ErasedInBlocks(ErasedRows):
    """`ErasedRows` that also knows of a whole block whether there is anything to do."""

    def touches(self, block: bytes) -> bool:
        """Whether an erased Id stands anywhere in `block` as a word, so that its rows have to be looked at."""
        return any(map(self.is_erased, id_words(block)))


def id_words(block: bytes) -> set[str]:
    """The words of 15 or 18 letters and digits: each value that is an Id, and each Id within a longer text."""
    inside = np.frombuffer(b"\0" + block.translate(_IS_OF_WORD) + b"\0", np.uint8)  # no word reaches over either end
    edges = np.flatnonzero(inside[1:] != inside[:-1])
    words = edges.reshape(-1, 2)  # (start, end) of each
    sizes = words[:, 1] - words[:, 0]
    ids = words[(sizes == ID_LENGTH) | (sizes == SHORT_LENGTH)]
    return {word.decode() for word in {block[start:end] for start, end in ids.tolist()}}
