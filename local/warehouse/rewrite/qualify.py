"""QUALIFY: the rows that a condition on window functions keeps, by a query around the query."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import SYNTAX_ERROR, SqlError, not_emulated
from ..tokens import (
    Kind,
    Token,
    after,
    at,
    before,
    identifier,
    is_name,
    is_op,
    is_word,
    raw,
    significant,
    split,
)

_SET_OPERATIONS = ("union", "except", "intersect", "minus")
_BEHIND_A_NAME = ("where", "group", "having", "order", "limit", "on", "join", "cross", "inner", "left", "right", "full",
                  "natural", "using", "union", "from", "as")  # fmt: skip
_TAIL = ("order", "limit", "offset")
_NO_ALIASES = ("end", "null", "true", "false", "unknown")
_BEFORE_AN_OPERAND = ("is", "not", "and", "or", "like", "ilike", "in", "between", "zone", "to", "escape", "case",
                      "when", "then", "else", "distinct", "all")  # fmt: skip


def is_qualify(tokens: Sequence[Token], index: int) -> bool:
    """Whether the word QUALIFY at `index` is the clause, not a name."""
    if not is_word(tokens[index], "qualify"):
        return False
    previous, following = at(tokens, before(tokens, index)), at(tokens, after(tokens, index))
    if previous is None or following is None:
        return False
    if is_op(previous, ".") or is_op(previous, ",") or is_word(previous, "as", "select", "from", "join"):
        return False
    return not is_word(following, *_BEHIND_A_NAME) and (following.kind is not Kind.OP or following.text == "(")


def rewrite_qualify(tokens: Sequence[Token]) -> list[Token]:
    """The tokens without QUALIFY. Raises SqlError for the few forms that are not emulated."""
    done = list(tokens)
    while (index := _last(done)) is not None:
        start, end = _select_before(done, index), _end(done, index, (*_SET_OPERATIONS, ";"))
        done = [*done[:start], *_Select(done, start, index, end).around(), *done[end:]]
    return done


def _last(tokens: Sequence[Token]) -> int | None:
    return next((index for index in reversed(range(len(tokens))) if is_qualify(tokens, index)), None)


def _select_before(tokens: Sequence[Token], index: int) -> int:
    """The SELECT that a QUALIFY belongs to."""
    depth = 0
    for position in reversed(range(index)):
        depth += is_op(tokens[position], ")") - is_op(tokens[position], "(")
        if depth == 0 and is_word(tokens[position], "select"):
            return position
        if depth < 0:
            break
    raise SqlError("syntax error at or near 'qualify': there is no SELECT", code=SYNTAX_ERROR)


def _end(tokens: Sequence[Token], start: int, stops: Sequence[str]) -> int:
    """Where one of `stops` stands at this level behind `start`, or where the level ends."""
    depth = 0
    for index in range(start, len(tokens)):
        depth += is_op(tokens[index], "(") - is_op(tokens[index], ")")
        if depth < 0 or (depth == 0 and (is_word(tokens[index], *stops) or (is_op(tokens[index], ";")))):
            return index
    return before(tokens, len(tokens)) + 1


@dataclass
class SelectItem:
    """One expression of a select list, and its name in the result."""

    expression: list[Token]
    name: str


class _Select:
    """A SELECT with a QUALIFY: from `start` to `end`, the clause at `index`."""

    def __init__(self, tokens: Sequence[Token], start: int, index: int, end: int) -> None:
        head = after(tokens, start)
        self.distinct = is_word(at(tokens, head), "distinct")
        if is_word(at(tokens, head), "distinct", "all"):
            head = after(tokens, head)
        listed = _end(tokens, head, ("from", "into"))
        if is_word(at(tokens, listed), "into"):
            raise not_emulated("SELECT … INTO with QUALIFY")
        self.items = [select_item(part) for part in split(tokens[head:listed], ",")]
        self.source = list(tokens[listed:index])
        tail = _end(tokens, index + 1, _TAIL)
        tail = min(tail, end)
        self.condition = list(tokens[index + 1 : tail])
        self.tail = list(tokens[tail:end])

    def around(self) -> list[Token]:
        """The query around it."""
        if any(is_op(_last_of(item.expression), "*") for item in self.items):
            return self._around_rows()
        return self._around_columns()

    def _around_columns(self) -> list[Token]:
        order, rest = self._order()
        inner: list[Token] = []
        for number, item in enumerate(self.items):
            inner += [*item.expression, raw(f" as rs_c{number}, ")]
        for number, expression in enumerate(order):
            inner += [*expression, raw(f" as rs_o{number}, ")]
        outer = ", ".join(f"rs_c{number} as {identifier(item.name)}" for number, item in enumerate(self.items))
        return [
            raw(f"select {'distinct ' if self.distinct else ''}{outer} from (select "),
            *inner,
            raw("("),
            *self._resolved(self.condition),
            raw(") as rs_qualify "),
            *self.source,
            raw(") as rs_q where rs_qualify "),
            *rest,
        ]

    def _around_rows(self) -> list[Token]:
        """With a star in the list: the condition sees the rows of the list, whose columns need no qualification."""
        listed: list[Token] = []
        for number, item in enumerate(self.items):
            listed += [raw(", " if number else ""), *item.expression]
            if not is_op(_last_of(item.expression), "*"):
                listed.append(raw(f" as {identifier(item.name)}"))
        return [
            raw(f"select {'distinct ' if self.distinct else ''}(rs_q.rs_i).* from (select rs_i, ("),
            *_unqualified(self.condition),
            raw(") as rs_qualify from (select "),
            *listed,
            raw(" "),
            *self.source,
            raw(") as rs_i) as rs_q where rs_qualify "),
            *_unqualified(self.tail),
        ]

    def _resolved(self, tokens: Sequence[Token]) -> list[Token]:
        """Names of the select list replaced by what they stand for."""
        known = {item.name: item for item in self.items if not _mentions(item.expression, item.name)}
        done: list[Token] = []
        for index, token in enumerate(tokens):
            item = known.get(token.value) if is_name(token) and _stands_alone(tokens, index) else None
            done += [raw("("), *item.expression, raw(")")] if item is not None else [token]
        return done

    def _order(self) -> tuple[list[list[Token]], list[Token]]:
        """The expressions to order by that are none of the list, and the tail with names in their place."""
        if not is_word(at(self.tail, 0), "order"):
            return [], self.tail
        start = after(self.tail, after(self.tail, 0))
        end = _end(self.tail, start, ("limit", "offset"))
        added: list[list[Token]] = []
        parts = []
        names = {item.name for item in self.items}
        for part in split(self.tail[start:end], ","):
            kept = significant(part)
            size = next((n for n, token in enumerate(kept) if is_word(token, "asc", "desc", "nulls")), len(kept))
            plain = size == 1 and (kept[0].kind is Kind.NUMBER or kept[0].value in names)
            expression = kept[0].text if plain else f"rs_o{len(added)}"
            if not plain:
                added.append([piece for token in kept[:size] for piece in (token, raw(" "))])
            parts.append(" ".join([expression, *(token.text for token in kept[size:])]))
        return added, [raw(f"order by {', '.join(parts)} "), *self.tail[end:]]


def _last_of(tokens: Sequence[Token]) -> Token | None:
    kept = significant(tokens)
    return kept[-1] if kept else None


def _stands_alone(tokens: Sequence[Token], index: int) -> bool:
    """Whether a name is neither qualified nor a qualifier nor a function's."""
    previous, following = at(tokens, before(tokens, index)), at(tokens, after(tokens, index))
    return not (is_op(previous, ".") or is_op(following, ".") or is_op(following, "("))


def _ends_operand(token: Token | None) -> bool:
    if token is None:
        return False
    return is_name(token) or is_op(token, ")") or token.kind in (Kind.STRING, Kind.NUMBER)


def _mentions(expression: Sequence[Token], name: str) -> bool:
    return any(is_name(token) and token.value == name for token in expression)


def select_item(tokens: Sequence[Token]) -> SelectItem:
    """An expression of a select list, its alias taken off; without one, the name that PostgreSQL would give it."""
    kept = significant(tokens)
    if not kept:
        raise SqlError("syntax error: an empty expression in a select list", code=SYNTAX_ERROR)
    last, previous = kept[-1], at(kept, len(kept) - 2)
    if len(kept) > 2 and is_word(previous, "as"):
        return SelectItem(_until(tokens, previous), last.value)
    is_alias = is_name(last) and _ends_operand(previous) and not is_word(last, *_NO_ALIASES)
    if len(kept) > 1 and is_alias and not is_word(previous, *_BEFORE_AN_OPERAND):
        return SelectItem(_until(tokens, last), last.value)
    if is_name(last):
        return SelectItem(list(tokens), "case" if is_word(last, "end") else last.value)
    return SelectItem(list(tokens), kept[0].value if is_word(kept[0]) and is_op(at(kept, 1), "(") else "?column?")


def _until(tokens: Sequence[Token], stop: Token | None) -> list[Token]:
    last = max(index for index, token in enumerate(tokens) if token is stop)
    return list(tokens[:last])


def _unqualified(tokens: Sequence[Token]) -> list[Token]:
    """`t.a` as `a`."""
    done = list(tokens)
    for index in reversed(range(len(done))):
        if is_op(done[index], ".") and is_name(at(done, before(done, index))) and is_name(at(done, after(done, index))):
            del done[before(done, index) : after(done, index)]
    return done
