"""What a deploy does with the bucket's metadata: pure, from the texts here, the texts there, and the last release."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass
class MetadataDelta:
    """Files by what is to be done with them; `result` is what the bucket holds afterwards.

    `edits`: path → in words, what was done to a file in the bucket since the last release and is spared; `conflicts`:
    those of them that were changed here as well.
    """

    result: dict[str, str]
    write: dict[str, str] = field(default_factory=dict)
    delete: list[str] = field(default_factory=list)
    edits: dict[str, str] = field(default_factory=dict)
    conflicts: set[str] = field(default_factory=set)
    hashes: dict[str, str] = field(default_factory=dict)

    @property
    def kept(self) -> list[str]:
        """The edits, a text for each."""
        return [f"{path} ({words})" for path, words in self.edits.items()]


def differences(key: str, before: str | None, after: str | None, sides: tuple[str, str] = ("here", "bucket")) -> str:
    """A unified diff between two texts of a file; None where it is not there. `sides` names them."""
    lines = difflib.unified_diff(
        (before or "").splitlines(),
        (after or "").splitlines(),
        f"{sides[0]}/{key}" if before is not None else "/dev/null",
        f"{sides[1]}/{key}" if after is not None else "/dev/null",
        lineterm="",
    )
    return "\n".join(lines)


def checksum(texts: Iterable[str]) -> str:
    """Of texts in their order; hex."""
    digest = hashlib.sha256()
    for text in texts:
        digest.update(text.encode("utf-8", "surrogateescape") + b"\0")
    return digest.hexdigest()


def compare(
    here: Mapping[str, str], there: Mapping[str, str], last: Mapping[str, Any], overwrite: bool
) -> MetadataDelta:
    """What brings `here` to `there`, sparing what was edited there since the last release.

    Args:
        here: path → text of the repository.
        there: path → text of the bucket.
        last: the last release: `metadata`, path → checksum; `uploading`, the same of one that was cut short.
        overwrite: spare nothing.
    """
    delta = MetadataDelta(result=dict(there))
    released: Mapping[str, str] = last.get("metadata", {})
    uploading: Mapping[str, str] = last.get("uploading", {})
    for path in sorted({*here, *there, *released}):
        mine, standing = here.get(path), there.get(path)
        ours = {released.get(path), uploading.get(path)} - {None}
        if mine is not None:
            delta.hashes[path] = checksum([mine])
        if mine == standing:
            continue
        if not overwrite and _was_edited(standing, ours, path in released):
            delta.edits[path] = _what(mine, standing, ours)
            if (checksum([mine]) not in ours) if mine is not None else path in released:
                delta.conflicts.add(path)
            delta.hashes.pop(path, None)
            if path in released:
                delta.hashes[path] = released[path]
        elif mine is None:
            delta.delete.append(path)
            del delta.result[path]
        else:
            delta.write[path] = delta.result[path] = mine
    return delta


def _was_edited(standing: str | None, ours: set[str | None], was_released: bool) -> bool:
    """Whether the bucket holds something else than a release of ours brought; `ours`: checksums that one may have."""
    return was_released if standing is None else checksum([standing]) not in ours


def _what(mine: str | None, standing: str | None, ours: set[str | None]) -> str:
    if standing is None:
        return "deleted there"
    if not ours:
        return "new there" if mine is None else "there before the first release"
    if mine is None:
        return "edited there, deleted here"
    return "edited there" if checksum([mine]) in ours else "edited there, and otherwise here"
