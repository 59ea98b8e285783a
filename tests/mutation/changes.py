"""Changes to the texts that people write: a procedure of dm, or the one template of all procedures of itg."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tests.mutation.mutants import Mutant, mutants_of
from tests.mutation.procedures import Procedure

ITG_TEMPLATE = "itg.load_{object}"


@dataclass(frozen=True)
class Change:
    """One change of a text, and the mutants that it makes: one, or one of each shape that a template has.

    `code` is the line that changes; of a set operation, which has a line to itself, `above` is the line before it. All
    texts have `{object}` in the place of a template's object.
    """

    text: str
    operator: str
    code: str
    before: str
    after: str
    above: str
    mutants: tuple[Mutant, ...]

    def __str__(self) -> str:
        return str(self.mutants[0])


def changes(procedures: Iterable[Procedure]) -> list[Change]:
    """All changes, in the order of procedures and operators."""
    found: dict[tuple[object, ...], list[Mutant]] = {}
    for procedure in procedures:
        seen = Counter[tuple[str, ...]]()
        for mutant in mutants_of(procedure.name, procedure.sql):
            key = _told(procedure, mutant)
            seen[key] += 1
            found.setdefault((*key, seen[key]), []).append(mutant)
    return [Change(*map(str, key[:-1]), tuple(mutants)) for key, mutants in found.items()]


def _told(procedure: Procedure, mutant: Mutant) -> tuple[str, ...]:
    """Text, operator, line of code, what becomes of what, and the line above a set operation."""
    above = mutant.sql.splitlines()[mutant.line - 2].strip() if mutant.operator == "set_operation" else ""
    told = (mutant.code, mutant.before, mutant.after, above)
    if not procedure.name.startswith("itg."):
        return procedure.name, mutant.operator, *told
    table = procedure.table.split(".")[1]
    return ITG_TEMPLATE, mutant.operator, *(part.replace(table, "{object}") for part in told)


def by_text(found: Iterable[Change]) -> dict[str, list[Change]]:
    """The changes of each text."""
    texts: dict[str, list[Change]] = {}
    for change in found:
        texts.setdefault(change.text, []).append(change)
    return texts


def chosen(found: Iterable[Change], seed: int, per_text: Mapping[str, int], per_operator: int) -> list[Change]:
    """By `seed`, so many changes of each text, and more until there are `per_operator` of each operator."""
    choice, rest = random.Random(seed), list(found)
    choice.shuffle(rest)
    texts, operators, picked = Counter[str](), Counter[str](), []
    for change in sorted(rest, key=lambda item: item.operator):
        if operators[change.operator] < per_operator:
            picked.append(change)
            operators[change.operator] += 1
            texts[change.text] += 1
    for change in rest:
        if change not in picked and texts[change.text] < per_text[change.text]:
            picked.append(change)
            texts[change.text] += 1
    return picked
