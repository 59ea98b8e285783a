"""Records that were erased, known by keyed hashes of their Ids: what guards every way by which one could come back.

The Id itself is written down nowhere. Without the key, nobody can tell whose hash it is, nor try all Ids there are.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

SUPPRESSION_KEY = "suppression/ids.json"
SECRET_KEY = "hmac_key"  # in the secret `secrets.erasure`
ID_LENGTH = 18

IsErased = Callable[[str], bool]


class SuppressionList(BaseModel):
    """What `suppression/ids.json` holds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int = 1
    hashes: tuple[str, ...]  # hex, sorted


def keyed_hash(secret: Mapping[str, str], record_id: str) -> str:
    """HMAC-SHA256 of a record's 18-character Id, in hex.

    Args:
        secret: as `secrets.erasure` has it.
        record_id: 18 characters.
    """
    return hmac.new(secret[SECRET_KEY].encode(), record_id.encode(), hashlib.sha256).hexdigest()


def erased_by(secret: Mapping[str, str], hashes: Collection[str]) -> IsErased:
    """Whether a value is the Id of an erased record."""
    return lambda value: len(value) == ID_LENGTH and keyed_hash(secret, value) in hashes


@dataclass
class ErasedRows:
    """Takes erased records out of rows of text: their own rows go, references to them become empty (null).

    Args:
        is_erased: of a value.
        key: position of the record's own Id; None where that is not known, and any erased Id takes its row along.
        columns: positions of values that may be Ids of other records.
        redact: takes erased Ids out of longer texts; where they are known by their hashes only, nobody can.
    """

    is_erased: IsErased
    key: int | None
    columns: Sequence[int]
    redact: Callable[[str], str] | None = None
    dropped: int = 0  # rows
    changed: int = 0  # values

    def __call__(self, row: list[str]) -> bool:
        """Changes values in place; whether the row stays."""
        keys = self.columns if self.key is None else (self.key,)
        if any(self.is_erased(row[position]) for position in keys):
            self.dropped += 1
            return False
        for position in self.columns:
            value = row[position]
            if value and (instead := self._instead(value)) != value:
                row[position] = instead
                self.changed += 1
        return True

    def _instead(self, value: str) -> str:
        if self.is_erased(value):
            return ""
        return self.redact(value) if self.redact else value
