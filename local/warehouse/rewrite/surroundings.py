"""What a statement of a procedure stands in: variables, and tables that the procedure has yet to make.

PostgreSQL is asked for columns when the procedure is created. Such a table is then a CTE that has its columns, and a
variable is null.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from ..tokens import Kind, Token, after, at, identifier, is_name, is_op, is_word, raw, significant, split
from .ddl import Reader

_NO_COLUMNS = ("primary", "unique", "foreign", "constraint", "check")


@dataclass
class Surroundings:
    """Of the statements of one body, up to the one that is being rewritten."""

    variables: set[str] = field(default_factory=set)
    tables: dict[str, list[Token]] = field(default_factory=dict)  # what `name as ( … )` has between its parentheses

    def ctes(self) -> list[Token]:
        """The tables as the beginning of a WITH clause; empty without any."""
        done: list[Token] = []
        for name, query in self.tables.items():
            done += [raw(", " if done else "with "), raw(f"{identifier(name)} as ("), *query, raw(")")]
        return done


_SURROUNDINGS: ContextVar[Surroundings] = ContextVar("surroundings")


def surroundings() -> Surroundings:
    """Those of the statement that is being rewritten; a statement by itself has none."""
    return _SURROUNDINGS.get(Surroundings())


@contextmanager
def within(around: Surroundings) -> Iterator[None]:
    """Rewrite statements that stand in `around`."""
    token = _SURROUNDINGS.set(around)
    try:
        yield
    finally:
        _SURROUNDINGS.reset(token)


def table_made(tokens: Sequence[Token]) -> tuple[str, list[Token]] | None:
    """The name of the table that a CREATE TABLE makes, and a query in Redshift's SQL that has its columns.

    None for any other statement, and for a table whose name has a schema: no CTE can stand for it.
    """
    reader = Reader(tokens)
    reader.accept("create")
    reader.accept("local")
    if not (reader.accept("temp") or reader.accept("temporary")):
        reader.index = after(reader.tokens, after(reader.tokens, -1))
    if not reader.accept("table"):
        return None
    reader.accept("if", "not", "exists")
    name = reader.take()
    if is_op(reader.peek(), ".") or not is_name(name):
        return None
    elements = reader.group() if is_op(reader.peek(), "(") else []
    rest = reader.rest()
    place = next((i for i, token in enumerate(rest) if is_word(token, "as")), None)
    return name.value, list(rest[place + 1 :]) if place is not None else _row_of(elements)


def _row_of(elements: Sequence[Token]) -> list[Token]:
    """A SELECT of nulls that are called as the columns are."""
    parts = [significant(element) for element in split(elements, ",")]
    like = next((part for part in parts if is_word(at(part, 0), "like")), None)
    if like is not None:
        named = [token for token in like[1:] if not is_word(token, "including", "excluding", "defaults")]
        return [raw("select * from "), *named]
    names = [part[0] for part in parts if part and is_name(part[0]) and not is_word(part[0], *_NO_COLUMNS)]
    columns = ", ".join(f"null as {identifier(token.value)}" for token in names if token.kind is not Kind.TEMP)
    return [raw(f"select {columns}")]
