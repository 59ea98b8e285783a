"""PIVOT and UNPIVOT of a FROM item, as subqueries: an aggregate with a filter per value, a row per column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import SYNTAX_ERROR, SqlError
from ..tokens import (
    Kind,
    Token,
    after,
    at,
    before,
    closing,
    fold,
    identifier,
    is_name,
    is_op,
    is_word,
    literal,
    raw,
    significant,
    split,
    tokenize,
)
from .aliases import Scope
from .columns import columns_of

_AGGREGATES = ("avg", "count", "max", "min", "sum")
_NO_ALIAS = ("pivot", "unpivot", "where", "group", "having", "order", "limit", "offset", "join", "inner", "left",
             "right", "full", "cross", "natural", "on", "using", "union", "except", "intersect", "minus",
             "qualify")  # fmt: skip


@dataclass
class _Place:
    """Where a PIVOT or UNPIVOT stands in a FROM clause, and what it is of."""

    start: int  # of the relation
    end: int  # behind the alias
    word: str
    relation: list[Token]  # as it stands, with its alias
    name: str  # what the relation was known by
    includes_nulls: bool
    inner: list[Token]  # between the parentheses
    alias: list[Token]


def rewrite_pivots(tokens: list[Token], scope: Scope) -> list[Token]:
    """A FROM clause without PIVOT and UNPIVOT. Raises ColumnsNeeded for the columns of what they are of."""
    while (place := _first(tokens)) is not None:
        columns = columns_of(scope.query([raw("select * from "), *place.relation]))
        done = _pivot(place, columns) if place.word == "pivot" else _unpivot(place, columns)
        alias = place.alias or (tokenize(f"as {identifier(place.name)}") if place.name else [])
        tokens = [*tokens[: place.start], *done, *tokenize(" "), *alias, *tokenize(" "), *tokens[place.end :]]
    return tokens


def _first(tokens: Sequence[Token]) -> _Place | None:
    depth = 0
    for index, token in enumerate(tokens):
        depth += is_op(token, "(") - is_op(token, ")")
        if depth == 0 and is_word(token, "pivot", "unpivot"):
            opening = after(tokens, index)
            word = at(tokens, opening)
            nulls = after(tokens, opening)
            if token.value == "unpivot" and is_word(word, "include", "exclude") and is_word(at(tokens, nulls), "nulls"):
                opening = after(tokens, nulls)
            previous = at(tokens, before(tokens, index))
            begins = is_word(previous, "from", "join") or is_op(previous, ",")
            if is_op(at(tokens, opening), "(") and not begins:
                return _place(tokens, index, opening, includes_nulls=is_word(word, "include"))
    return None


def _place(tokens: Sequence[Token], index: int, opening: int, *, includes_nulls: bool) -> _Place:
    start = _relation_before(tokens, index)
    relation = list(tokens[start:index])
    last = significant(relation)[-1]
    close = closing(tokens, opening)
    alias_end = _alias_end(tokens, close)
    return _Place(
        start=start,
        end=alias_end,
        word=tokens[index].value,
        relation=relation,
        name=last.value if is_name(last) else "",
        includes_nulls=includes_nulls,
        inner=list(tokens[opening + 1 : close]),
        alias=list(tokens[close + 1 : alias_end]),
    )


def _relation_before(tokens: Sequence[Token], index: int) -> int:
    """Where the FROM item that ends before `index` begins: behind FROM, a comma or a JOIN."""
    depth = 0
    for place in reversed(range(index)):
        token = tokens[place]
        depth += is_op(token, ")") - is_op(token, "(")
        if depth == 0 and (is_op(token, ",") or is_word(token, "from", "join", "lateral")):
            return after(tokens, place)
        if depth == 0 and is_word(token, "on", "using"):
            raise SqlError(
                f"syntax error: {tokens[index].text.upper()} of a JOIN; it takes a table, a subquery or a CTE",
                code=SYNTAX_ERROR,
            )
    return after(tokens, -1)


def _alias_end(tokens: Sequence[Token], close: int) -> int:
    """Behind `[AS] alias [(columns)]`."""
    index = after(tokens, close)
    explicit = is_word(at(tokens, index), "as")
    index = after(tokens, index) if explicit else index
    if not is_name(at(tokens, index)) or (is_word(at(tokens, index), *_NO_ALIAS) and not explicit):
        return close + 1
    columns = after(tokens, index)
    return closing(tokens, columns) + 1 if is_op(at(tokens, columns), "(") else index + 1


def _parts(place: _Place) -> tuple[list[Token], str, list[list[Token]]]:
    """What stands before FOR, the name behind it, and the list behind IN."""
    word, depth = place.word.upper(), 0
    for index, token in enumerate(place.inner):
        depth += is_op(token, "(") - is_op(token, ")")
        name = after(place.inner, index)
        within = after(place.inner, name)
        opening = after(place.inner, within)
        if depth == 0 and is_word(token, "for"):
            if not is_name(at(place.inner, name)) or not is_word(at(place.inner, within), "in"):
                break
            if not is_op(at(place.inner, opening), "("):
                break
            listed = place.inner[opening + 1 : closing(place.inner, opening)]
            if is_word(at(significant(listed), 0), "select", "with"):
                raise SqlError(f"syntax error: {word} takes no subquery in its IN list", code=SYNTAX_ERROR)
            return place.inner[:index], place.inner[name].value, split(listed, ",")
    raise SqlError(f"syntax error in {word}: expected … FOR name IN ( … )", code=SYNTAX_ERROR)


def _aliased(tokens: Sequence[Token]) -> tuple[list[Token], str | None]:
    """An expression, and the alias behind it; a string or a number before a name makes it one without AS."""
    kept = significant(tokens)
    if len(kept) > 2 and is_word(kept[-2], "as") and is_name(kept[-1]):
        return kept[:-2], kept[-1].value
    if len(kept) > 1 and is_name(kept[-1]) and not is_word(kept[-1], "null") and _ends_value(kept[-2]):
        return kept[:-1], kept[-1].value
    return kept, None


def _ends_value(token: Token) -> bool:
    return token.kind in (Kind.STRING, Kind.NUMBER) or is_name(token) or is_op(token, ")")


def _spaced(tokens: Sequence[Token]) -> list[Token]:
    return [part for token in tokens for part in (token, raw(" "))]


def _default_name(value: Sequence[Token]) -> str:
    """A constant names its column itself; anything else has PostgreSQL's name for a column without one."""
    if len(value) == 1 and (value[0].kind in (Kind.STRING, Kind.NUMBER) or is_word(value[0], "null", "true", "false")):
        return value[0].value
    if len(value) == 2 and is_op(value[0], "-") and value[1].kind is Kind.NUMBER:
        return f"-{value[1].value}"
    return "?column?"


def _pivot(place: _Place, columns: Sequence[str]) -> list[Token]:
    """`(select the other columns, an aggregate per value from the relation group by the other columns)`."""
    head, name, values = _parts(place)
    aggregate, aggregate_alias = _aliased(head)
    words = aggregate[1:] if is_word(at(aggregate, 0), "approximate") else aggregate
    if not is_word(at(words, 0), *_AGGREGATES) or not is_op(at(words, 1), "(") or closing(words, 1) != len(words) - 1:
        raise SqlError("syntax error in PIVOT: expected AVG, COUNT, MAX, MIN or SUM of something", code=SYNTAX_ERROR)
    _check_columns(place, [name], columns)
    used = {token.value for token in words[1:] if is_name(token)} | {name}
    groups = [identifier(column) for column in columns if column not in used]
    done = tokenize(f"(select {', '.join(groups)}{', ' if groups else ''}")
    for number, item in enumerate(values):
        value, alias = _aliased(item)
        if not value:
            raise SqlError("syntax error in PIVOT: an empty value in the IN list", code=SYNTAX_ERROR)
        column = alias or _default_name(value)
        column = f"{column}_{aggregate_alias}" if aggregate_alias else column
        done += [raw(", ")] if number else []
        done += [*_spaced(aggregate), raw(f"filter (where {identifier(name)} is not distinct from ("), *_spaced(value)]
        done.append(raw(f")) as {identifier(fold(column))}"))
    grouping = f" group by {', '.join(groups)}" if groups else ""
    return [*done, *tokenize(" from "), *place.relation, *tokenize(f"{grouping})")]


def _unpivot(place: _Place, columns: Sequence[str]) -> list[Token]:
    """`(select the other columns, name, value from the relation, lateral (values (name, column), …))`."""
    head, name, listed = _parts(place)
    kept = significant(head)
    if len(kept) != 1 or not is_name(kept[0]):
        raise SqlError("syntax error in UNPIVOT: expected the name of the column of values", code=SYNTAX_ERROR)
    value = identifier(kept[0].value)
    items = [_unpivoted(item) for item in listed]
    _check_columns(place, [column for column, _ in items], columns)
    taken = {column for column, _ in items}
    rest = "".join(f"{identifier(column)}, " for column in columns if column not in taken)
    rows = ", ".join(f"({literal(alias)}::varchar, {identifier(column)})" for column, alias in items)
    where = "" if place.includes_nulls else f" where rs_u.{value} is not null"
    columns_made = f"rs_u ({identifier(name)}, {value})"
    return [
        *tokenize(f"(select {rest}rs_u.{identifier(name)}, rs_u.{value} from "),
        *place.relation,
        *tokenize(" cross join "),
        raw(" lateral "),
        *tokenize(f"(values {rows}) as {columns_made}{where})"),
    ]


def _unpivoted(tokens: Sequence[Token]) -> tuple[str, str]:
    """A column of UNPIVOT's IN list, and what it is called in the column of names."""
    kept = significant(tokens)
    behind = kept[2:] if is_word(at(kept, 1), "as") else kept[1:]
    are_aliases = [is_name(token) or token.kind is Kind.STRING for token in behind]
    if not is_name(at(kept, 0)) or are_aliases not in ([], [True]):
        raise SqlError("syntax error in UNPIVOT: expected columns behind IN, with an alias or none", code=SYNTAX_ERROR)
    return kept[0].value, behind[0].value if behind else kept[0].value


def _check_columns(place: _Place, names: Sequence[str], columns: Sequence[str]) -> None:
    unknown = next((name for name in names if name not in columns), None)
    if unknown is not None:
        raise SqlError(f'column "{unknown}" of {place.word.upper()} does not exist', code="42703")
