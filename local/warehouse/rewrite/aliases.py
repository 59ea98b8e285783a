"""Lateral column aliases: a name of the select list within itself, in WHERE and in HAVING.

Redshift puts the expression in the alias's place, unless the FROM clause has a column of that name: the column wins.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..tokens import (
    Kind,
    Token,
    after,
    at,
    before,
    closing,
    identifier,
    is_name,
    is_op,
    is_word,
    raw,
    significant,
    split,
    tokenize,
)
from .columns import columns_if_known
from .qualify import select_item
from .surroundings import surroundings

# Their first argument is a part of a date, or a type.
_PART_FIRST = frozenset(
    {"dateadd", "datediff", "date_add", "date_diff", "date_part", "datepart", "extract", "date_trunc", "convert"}
)
# Only in quotes are they names.
_RESERVED = frozenset(
    {"all", "analyse", "analyze", "and", "any", "array", "as", "asc", "authorization", "between", "binary", "both",
     "case", "cast", "check", "collate", "column", "constraint", "create", "cross", "current_date", "current_role",
     "current_schema", "current_time", "current_timestamp", "current_user", "default", "deferrable", "desc", "distinct",
     "do", "else", "end", "except", "false", "fetch", "for", "foreign", "freeze", "from", "full", "grant", "group",
     "having", "ilike", "in", "initially", "inner", "intersect", "into", "is", "isnull", "join", "lateral", "leading",
     "left", "like", "limit", "localtime", "localtimestamp", "natural", "not", "notnull", "null", "offset", "on",
     "only", "or", "order", "outer", "overlaps", "primary", "references", "right", "select", "session_user", "similar",
     "some", "sysdate", "table", "then", "to", "trailing", "true", "union", "unique", "user", "using", "verbose",
     "when", "where", "window", "with"}
)  # fmt: skip
# Words that are none behind or before certain others: `at time zone`, `rows between`, `nulls last`.
_BEHIND = {
    "time": ("at", "with", "without"), "zone": ("time",), "precision": ("double",), "varying": ("character", "char"),
    "first": ("nulls",), "last": ("nulls",), "nulls": ("ignore", "respect"), "row": ("current",), "unknown": ("is",),
    "preceding": ("unbounded",), "following": ("unbounded",), "by": ("partition", "order", "group"),
}  # fmt: skip
_BEFORE = {
    "rows": ("between", "unbounded", "current"), "range": ("between", "unbounded", "current"), "current": ("row",),
    "unbounded": ("preceding", "following"), "nulls": ("first", "last"), "partition": ("by",), "ignore": ("nulls",),
    "respect": ("nulls",), "double": ("precision",),
}  # fmt: skip


@dataclass
class Scope:
    """What a SELECT stands in: the CTEs that it may name, as a WITH clause, and how a query of it is finished."""

    named: Sequence[Token]
    finish: Callable[[Sequence[Token]], str]

    def query(self, tokens: Sequence[Token]) -> str:
        """The text of a query that has the columns of the SELECT in `tokens`, and no rows."""
        # A line comment may be the last of the tokens.
        asked = [*self.named, raw(" select * from ("), *tokens, raw("\n) as rs_asked limit 0")]
        variables = surroundings().variables
        unknown = {*_places(asked, variables, into_subqueries=True)} if variables else set()
        unknown = {place for place in unknown if not _is_behind_a_value(asked, place)}
        return self.finish(
            [raw("null") if token.kind is Kind.PARAM or i in unknown else token for i, token in enumerate(asked)]
        )


def inline_aliases(parts: Sequence[list[Token]], source: Sequence[Token], scope: Scope) -> list[list[Token]]:
    """The clauses in `parts`, the select list first, with aliases in their place; `source` is the FROM clause.

    Raises ColumnsNeeded if it is not known whether the FROM clause has a column of a name.
    """
    listed, *others = parts
    items = [_Item(part) for part in split(listed, ",")]
    named = {item.name for item in items if item.name}
    wanted = {name for place, item in enumerate(items) for name in _used(item.expression, _names(items[:place]))}
    wanted |= {name for part in others for name in _used(part, named) if not _is_plain(part, name)}
    wanted -= surroundings().variables  # a variable stands wherever its name does
    if not wanted:
        return list(parts)
    columns = columns_if_known(scope.query([raw("select * "), *source])) if source else ()
    free = wanted - set(columns) if columns is not None else set()
    expressions: dict[str, list[Token]] = {}
    done: list[Token] = []
    for place, item in enumerate(items):
        replaced = _replaced(item.expression, expressions)
        done += [*([_COMMA] if place else []), *replaced, *(item.rest or _name_kept(item.expression, expressions))]
        if item.name in free:
            expressions[item.name] = [_OPENING, *replaced, _CLOSING]
    return [done, *(_replaced(part, expressions) for part in others)]


_OPENING, _CLOSING, _COMMA = (Token(Kind.OP, mark, mark) for mark in "(),")


class _Item:
    """An item of a select list: its expression, and its alias as it stands, if it has one."""

    def __init__(self, tokens: list[Token]) -> None:
        if not significant(tokens):
            self.expression, self.rest, self.name = list(tokens), [], ""
            return
        item = select_item(tokens)
        self.expression = item.expression
        self.rest = tokens[len(item.expression) :]
        self.name = item.name if self.rest else ""


def _name_kept(expression: Sequence[Token], expressions: dict[str, list[Token]]) -> list[Token]:
    """` as name` for an item that is nothing but an alias: the column is called as it is."""
    kept = significant(expression)
    if len(kept) != 1 or not is_name(kept[0]) or kept[0].value not in expressions:
        return []
    return tokenize(f"\nas {identifier(kept[0].value)} ")


def _is_behind_a_value(tokens: Sequence[Token], index: int) -> bool:
    """Whether a name at `index` can only be an alias, of a relation or of a column."""
    previous = at(tokens, before(tokens, index))
    if is_word(previous, *_RESERVED, "by", "zone", "escape", "top"):
        return False
    return is_name(previous) or is_op(previous, ")")


def _names(items: Sequence[_Item]) -> set[str]:
    return {item.name for item in items if item.name}


def _is_plain(part: Sequence[Token], name: str) -> bool:
    """Whether a GROUP BY has the name as an item of its own, which PostgreSQL understands."""
    if not is_word(at(part, after(part, -1)), "group"):
        return False
    uses = len(_places(part, {name}))
    kept = [significant(item) for item in split(part[after(part, after(part, after(part, -1))) :], ",")]
    return uses == sum(1 for item in kept if len(item) == 1 and item[0].value == name)


def _used(tokens: Sequence[Token], names: set[str]) -> set[str]:
    """Those of the names that stand in an expression by themselves, outside subqueries."""
    if not names:
        return set()
    return {tokens[index].value for index in _places(tokens, names)}


def _places(tokens: Sequence[Token], names: set[str], *, into_subqueries: bool = False) -> list[int]:
    found = []
    index = 0
    while index < len(tokens):
        opens = is_op(tokens[index], "(") and not into_subqueries
        if opens and is_word(at(tokens, after(tokens, index)), "select", "with"):
            index = closing(tokens, index)
        elif is_name(tokens[index]) and tokens[index].value in names and is_column(tokens, index):
            found.append(index)
        index += 1
    return found


def is_column(tokens: Sequence[Token], index: int) -> bool:
    """Whether a name is a column's, and not a function's, a type's, a date part or a part of a longer name."""
    previous, following = at(tokens, before(tokens, index)), at(tokens, after(tokens, index))
    if any(is_op(previous, mark) for mark in (".", "::")) or any(is_op(following, mark) for mark in (".", "(", "=>")):
        return False
    if is_word(previous, "as") or any(side is not None and side.kind is Kind.STRING for side in (previous, following)):
        return False
    if _is_keyword(tokens[index], previous, following):
        return False
    if is_op(previous, "("):
        function = at(tokens, before(tokens, before(tokens, index)))
        return not is_word(function, *_PART_FIRST)
    return True


def _is_keyword(token: Token, previous: Token | None, following: Token | None) -> bool:
    """Whether an unquoted word belongs to the syntax where it stands."""
    if token.kind is not Kind.WORD:
        return False
    word = token.value
    in_phrase = is_word(previous) and previous.value in _BEHIND.get(word, ())
    in_phrase |= is_word(following) and following.value in _BEFORE.get(word, ())
    number = following if word == "rows" else previous if word in ("preceding", "following") else None
    return in_phrase or word in _RESERVED or (number is not None and number.kind is Kind.NUMBER)


def _replaced(tokens: Sequence[Token], expressions: dict[str, list[Token]]) -> list[Token]:
    if not expressions:
        return list(tokens)
    places = set(_places(tokens, set(expressions)))
    done: list[Token] = []
    for index, token in enumerate(tokens):
        done += expressions[token.value] if index in places else [token]
    return done
