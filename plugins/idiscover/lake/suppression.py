"""Records that were erased, known by keyed hashes of their Ids: what guards every way by which one could come back.

The Id itself is written down nowhere. Without the key, nobody can tell whose hash it is, nor try all Ids there are.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from pydantic import BaseModel, ConfigDict

from idiscover.errors import ConfigError
from idiscover.lake.keyed_hashes import hashes_under

SUPPRESSION_KEY = "suppression/ids.json"
SECRET_KEY = "hmac_key"  # in the secret `secrets.erasure`
ID_LENGTH, SHORT_LENGTH = 18, 15  # an Id's first 15 characters are the Id, too: the others are their check sum
REDACTED = "[erased]"  # in a longer text, where an Id was
_CHECK_CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
_IDS = re.compile(r"(?<![A-Za-z0-9])[A-Za-z0-9]{15}(?:[A-Za-z0-9]{3})?(?![A-Za-z0-9])")
_IDS_REMEMBERED = 1 << 16  # by one `erased_by`, so of one page: references repeat themselves; about 15 MB
_KNOWN_TEXT = "the key of erasures"

IsErased = Callable[[str], bool]


class SuppressionList(BaseModel):
    """What `suppression/ids.json` holds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int = 1
    hashes: tuple[str, ...]  # hex, sorted
    key_check: str | None = None  # what the key makes of a known text: tells whether a key is theirs


def keyed_hash(secret: Mapping[str, str], record_id: str) -> str:
    """HMAC-SHA256 of a record's 18-character Id, in hex.

    Args:
        secret: as `secrets.erasure` has it.
        record_id: 18 characters.
    """
    return hmac.new(secret[SECRET_KEY].encode(), record_id.encode(), hashlib.sha256).hexdigest()


def key_check(secret: Mapping[str, str]) -> str:
    """For `SuppressionList.key_check`."""
    return keyed_hash(secret, _KNOWN_TEXT)


def require_key(secret: Mapping[str, str], suppressed: SuppressionList) -> None:
    """With another key, no hash is found, and everybody who was erased would come back unseen.

    Raises:
        ConfigError: the hashes were made with another key.
    """
    if suppressed.key_check not in (None, key_check(secret)):
        raise ConfigError(
            "the key of erasures is not the one that the erased records are known by",
            where=f"the secret secrets.erasure, and {SUPPRESSION_KEY}",
            key=SECRET_KEY,
            expected="the key of the first erasure",
            remedy="put the secret's older version back; the key is never changed",
        )


def whole_id(short: str) -> str:
    """An Id of 15 characters as 18: three more say which of its letters are capitals, five by five."""
    return short + "".join(_check_character(short[start : start + 5]) for start in (0, 5, 10))


def _check_character(five: str) -> str:
    return _CHECK_CHARACTERS[sum(1 << place for place, character in enumerate(five) if character.isupper())]


def erased_by(secret: Mapping[str, str], hashes: Collection[str]) -> IsErased:
    """Whether a value is the Id of an erased record, in either form: formulas of Salesforce give 15 characters."""
    keyed, known = hashes_under(secret[SECRET_KEY].encode()), frozenset(hashes)

    @lru_cache(_IDS_REMEMBERED)
    def is_known(whole: str) -> bool:
        return keyed(whole.encode()) in known

    def is_erased(value: str) -> bool:
        if len(value) == SHORT_LENGTH:
            return is_known(whole_id(value))
        return len(value) == ID_LENGTH and is_known(value)

    return is_erased


def redacting(is_erased: IsErased) -> Callable[[str], str]:
    """What takes Ids of erased records out of longer texts, where they stand as words; an Id alone is no such text."""

    def redact(text: str) -> str:
        # most values of a read: most are short, and hashing an Id twice would cost more than all the rest
        if len(text) < SHORT_LENGTH or (len(text) <= ID_LENGTH and text.isascii() and text.isalnum()):
            return text
        return _IDS.sub(lambda found: REDACTED if is_erased(found[0]) else found[0], text)

    return redact


@dataclass
class ErasedRows:
    """Takes erased records out of rows of text: their own rows go, references to them become empty (null).

    Args:
        is_erased: of a value.
        key: position of the record's own Id; None where that is not known, and any erased Id takes its row along.
        columns: positions of values that may be Ids of other records.
        redact: takes erased Ids out of longer texts.
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
