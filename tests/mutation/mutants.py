"""All mutants of a procedure, in a fixed order."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from tests.mutation.body import Body
from tests.mutation.operators import OPERATORS


@dataclass(frozen=True)
class Mutant:
    """A procedure with one change.

    `line` counts from 1 in the procedure's text, `occurrence` from 1 among the operator's changes in that line; `code`
    is that line, `before` and `after` what the change replaces by what.
    """

    procedure: str
    operator: str
    line: int
    occurrence: int
    code: str
    before: str
    after: str
    sql: str = field(repr=False)

    def __str__(self) -> str:
        return (
            f"{self.procedure}:{self.line}:{self.operator}:{self.occurrence}"
            f"  {self.before!r} -> {self.after!r}  in: {self.code}"
        )


def mutants_of(procedure: str, sql: str) -> list[Mutant]:
    """All mutants of the CREATE PROCEDURE in `sql`, operator by operator, in the order of the text."""
    body = Body(sql)
    found: list[Mutant] = []
    for operator, find in OPERATORS.items():
        seen: Counter[int] = Counter()
        for change in sorted(find(body), key=lambda item: item.start):
            line = body.line(change.start)
            seen[line] += 1
            before, mutated = body.text(change.start, change.end), body.replaced(change.start, change.end, change.text)
            place = (procedure, operator, line, seen[line], body.code(change.start))
            found.append(Mutant(*place, before, change.text, mutated))
    return found
