"""Changes that no test can see, each with a reason in `equivalent.yaml`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.mutation.changes import Change

EQUIVALENT = Path(__file__).with_name("equivalent.yaml")


@dataclass(frozen=True)
class Equivalence:
    """Changes of some texts, told by operator, line of code and what becomes of what; `why` nobody can see them.

    `above` tells set operations apart, by the line before them; without it, all of them are meant.
    """

    texts: tuple[str, ...]
    operator: str
    code: str
    before: str
    after: str
    why: str
    above: str | None = None

    def names(self, change: Change) -> bool:
        """Whether this is about the change."""
        told = (self.operator, self.code, self.before, self.after)
        is_there = self.above in (None, change.above)
        return (
            change.text in self.texts
            and is_there
            and told == (change.operator, change.code, change.before, change.after)
        )


def equivalences() -> list[Equivalence]:
    """What `equivalent.yaml` says, entry by entry."""
    entries = yaml.safe_load(EQUIVALENT.read_text(encoding="utf-8")) or []
    return [Equivalence(**{**entry, "texts": tuple(entry["texts"])}) for entry in entries]
