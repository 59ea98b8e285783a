"""Mutants that no test can tell from the procedure, each with a reason in `equivalent.yaml`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.mutation.mutants import Mutant

EQUIVALENT = Path(__file__).with_name("equivalent.yaml")


@dataclass(frozen=True)
class Equivalence:
    """Mutants of some procedures, told by operator, line of code and change; `why` nobody can see them."""

    procedures: tuple[str, ...]
    operator: str
    code: str
    before: str
    after: str
    why: str

    def names(self, mutant: Mutant) -> bool:
        """Whether this is about the mutant."""
        return mutant.procedure in self.procedures and (self.operator, self.code, self.before, self.after) == (
            mutant.operator,
            mutant.code,
            mutant.before,
            mutant.after,
        )


def equivalences() -> list[Equivalence]:
    """What `equivalent.yaml` says, entry by entry."""
    entries = yaml.safe_load(EQUIVALENT.read_text(encoding="utf-8"))
    return [Equivalence(**{**entry, "procedures": tuple(entry["procedures"])}) for entry in entries]
