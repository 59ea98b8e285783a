"""The operators: each finds all places in a body where one small thing could be wrong, and says how.

A change replaces the tokens [start, end) by `text`. All but `predicate_dropped` touch one token.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from local.warehouse.tokens import Kind, is_op, is_word, literal
from tests.mutation.body import Body


@dataclass(frozen=True)
class Change:
    """Tokens [start, end) of the body become `text`."""

    start: int
    end: int
    text: str


Operator = Callable[[Body], Iterator[Change]]


def _swapped(kind: Kind, pairs: Mapping[str, str]) -> Operator:
    """An operator that replaces a token of `pairs` by what stands there for it."""

    def operator(body: Body) -> Iterator[Change]:
        for index in body.places():
            token = body.tokens[index]
            if token.kind is kind and token.value in pairs and not is_op(body.near(index, -1), "."):
                yield Change(index, index + 1, pairs[token.value])

    return operator


def _swapped_functions(pairs: Mapping[str, str]) -> Operator:
    """The same for names of functions, which a parenthesis follows."""

    def operator(body: Body) -> Iterator[Change]:
        for change in _swapped(Kind.WORD, pairs)(body):
            if is_op(body.near(change.start, 1), "("):
                yield change

    return operator


def _arithmetic(body: Body) -> Iterator[Change]:
    """+ and -, * and /; the star of count(*) and cell.* is no operator."""
    for change in _swapped(Kind.OP, {"+": "-", "-": "+", "*": "/", "/": "*"})(body):
        before = body.near(change.start, -1)
        star = is_op(body.tokens[change.start], "*")
        if not (star and (is_op(before, "(") or is_op(before, ",") or is_word(before, "select"))):
            yield change


def _connective(body: Body) -> Iterator[Change]:
    """`and` and `or`, but not the `and` of BETWEEN."""
    between = _ands_of_between(body)
    for change in _swapped(Kind.WORD, {"and": "or", "or": "and"})(body):
        if change.start not in between:
            yield change


def _ands_of_between(body: Body) -> set[int]:
    found: set[int] = set()
    for index in body.places():
        if is_word(body.tokens[index], "between"):
            depth = body.depths[index]
            found.add(
                next(
                    place
                    for place in body.following(index)
                    if body.depths[place] == depth and is_word(body.tokens[place], "and")
                )
            )
    return found


def _not_dropped(body: Body) -> Iterator[Change]:
    """NOT of a condition; that of a column's NOT NULL is none."""
    for index in body.places():
        if is_word(body.tokens[index], "not"):
            column_constraint = is_word(body.near(index, 1), "null") and not is_word(body.near(index, -1), "is")
            if not column_constraint:
                yield Change(index, index + 1, "")


def _distinct_dropped(body: Body) -> Iterator[Change]:
    for index in body.places():
        if is_word(body.tokens[index], "distinct"):
            yield Change(index, index + 1, "")


def _null_test(body: Body) -> Iterator[Change]:
    """`is null` becomes `is not null`."""
    for index in body.places():
        if is_word(body.tokens[index], "is") and is_word(body.near(index, 1), "null"):
            yield Change(index, index + 1, "is not")


def _direction(body: Body) -> Iterator[Change]:
    """DESC becomes ASC; an item of ORDER BY without a direction becomes DESC."""
    yield from _swapped(Kind.WORD, {"desc": "asc", "asc": "desc"})(body)
    for index in body.places():
        if is_word(body.tokens[index], "order") and is_word(body.near(index, 1), "by"):
            yield from _undirected(body, index)


_ORDER_ENDS = ("limit", "rows", "range", "union", "loop")


def _undirected(body: Body, order: int) -> Iterator[Change]:
    depth, item = body.depths[order], order
    for index in body.following(order):
        token = body.tokens[index]
        outside = body.depths[index] < depth or is_op(token, ";")
        ends = outside or (body.depths[index] == depth and (is_op(token, ",") or is_word(token, *_ORDER_ENDS)))
        if ends and not is_word(body.tokens[item], "asc", "desc", "first", "last"):
            yield Change(item, item + 1, f"{body.tokens[item].text} desc")
        if outside or is_word(token, *_ORDER_ENDS):
            return
        item = index


def _number(body: Body) -> Iterator[Change]:
    """A whole number is one more, a fraction a tenth more; a type's scale is one less (its precision only bounds)."""
    for index in body.places():
        token = body.tokens[index]
        if token.kind is not Kind.NUMBER:
            continue
        type_name = _type_around(body, index)
        if type_name is None:
            more = int(token.text) + 1 if token.text.isdigit() else f"{float(token.text) + 0.1:g}"
            yield Change(index, index + 1, str(more))
        elif type_name in ("numeric", "decimal") and is_op(body.near(index, -1), ","):
            yield Change(index, index + 1, str(max(int(token.text) - 1, 0)))


def _type_around(body: Body, index: int) -> str | None:
    """`numeric` for both numbers of numeric(18, 6), and so on; None outside a type."""
    opening = -3 if is_op(body.near(index, -1), ",") else -1
    name = body.near(index, opening - 1)
    is_type = is_word(name, "numeric", "decimal", "varchar", "char")
    return name.value if is_type and name is not None and is_op(body.near(index, opening), "(") else None


_ANCHORED = re.compile(r"\^.*\$", re.DOTALL)


def _text(body: Body) -> Iterator[Change]:
    """A text gets a letter more, a day becomes another; a pattern loses each of its anchors."""
    for index in body.places():
        token = body.tokens[index]
        if token.kind is not Kind.STRING or token.value in _PARTS:
            continue
        if _ANCHORED.fullmatch(token.value):
            yield Change(index, index + 1, literal(token.value[1:]))
            yield Change(index, index + 1, literal(token.value[:-1]))
        elif re.match(r"\d{4}-\d\d-\d\d", token.value):
            day = int(token.value[8:10]) % 28 + 1
            yield Change(index, index + 1, literal(f"{token.value[:8]}{day:02}{token.value[10:]}"))
        else:
            yield Change(index, index + 1, literal("_" + token.value))


_PARTS = {"day": "month", "week": "month", "month": "year", "quarter": "year", "year": "month"}


def _date_part(body: Body) -> Iterator[Change]:
    """The part of dateadd, datediff, date_part and date_trunc, quoted or not."""
    for index in body.places():
        token = body.tokens[index]
        function = body.near(index, -2)
        if token.value in _PARTS and is_word(function, "dateadd", "datediff", "date_trunc", "date_part", "extract"):
            other = _PARTS[token.value]
            yield Change(index, index + 1, literal(other) if token.kind is Kind.STRING else other)


def _set_operation(body: Body) -> Iterator[Change]:
    """UNION ALL and UNION become each other, EXCEPT becomes INTERSECT."""
    for index in body.places():
        token = body.tokens[index]
        if is_word(token, "all") and is_word(body.near(index, -1), "union"):
            yield Change(index, index + 1, "")
        elif is_word(token, "union") and not is_word(body.near(index, 1), "all"):
            yield Change(index, index + 1, "union all")
        elif is_word(token, "except", "minus"):
            yield Change(index, index + 1, "intersect")
        elif is_word(token, "intersect"):
            yield Change(index, index + 1, "except")


_PREDICATE_STARTS = ("where", "on", "having", "when", "and", "or", "if", "elsif")
_PREDICATE_ENDS = (
    *(
        "and",
        "or",
        "where",
        "group",
        "order",
        "having",
        "union",
        "except",
        "intersect",
        "left",
        "inner",
        "right",
        "full",
    ),
    *("cross", "join", "limit", "then", "when", "else", "end", "into", "loop"),
)


def _predicate_dropped(body: Body) -> Iterator[Change]:
    """A condition becomes true, or false where OR joins it to another."""
    between = _ands_of_between(body)
    for index in body.places():
        if not is_word(body.tokens[index], *_PREDICATE_STARTS) or index in between:
            continue
        start = next(body.following(index))
        if is_word(body.tokens[start], "exists") and is_word(body.tokens[index], "if"):
            continue  # drop table if exists
        end = _predicate_end(body, start, between)
        stops = body.tokens[next(body.following(end - 1))]
        joined_by_or = is_word(body.tokens[index], "or") or is_word(stops, "or")
        if body.text(start, end) not in ("true", "false"):
            yield Change(start, end, "false" if joined_by_or else "true")


def _predicate_end(body: Body, start: int, between: set[int]) -> int:
    """Behind the last significant token of the condition that begins at `start`."""
    depth, last = body.depths[start], start
    for index in body.following(start):
        token = body.tokens[index]
        outside = body.depths[index] < depth or (body.depths[index] == depth and is_op(token, ";"))
        same = body.depths[index] == depth and index not in between
        if outside or (same and (is_word(token, *_PREDICATE_ENDS) or is_op(token, ","))):
            return last + 1
        last = index
    return last + 1


def _column_swapped(body: Body) -> Iterator[Change]:
    """A column becomes another one that the same query uses (of the same table) and whose name ends alike."""
    families: dict[tuple[int, str, str], list[str]] = {}
    columns = [index for index in body.places() if _is_column(body, index)]
    for index in columns:
        names = families.setdefault(_family(body, index), [])
        if body.tokens[index].value not in names:
            names.append(body.tokens[index].value)
    for index in columns:
        names = sorted(families[_family(body, index)])
        if len(names) > 1:
            other = names[(names.index(body.tokens[index].value) + 1) % len(names)]
            yield Change(index, index + 1, other)


def _family(body: Body, index: int) -> tuple[int, str, str]:
    qualifier = body.near(index, -2) if is_op(body.near(index, -1), ".") else None
    return body.scopes[index], qualifier.value if qualifier else "", body.tokens[index].value.rsplit("_", 1)[-1]


_NOT_COLUMNS = re.compile(r"p_|v_")


def _is_column(body: Body, index: int) -> bool:
    """A name with an underscore that is read: no variable, table, alias or target of an INSERT."""
    token, before, after = body.tokens[index], body.near(index, -1), body.near(index, 1)
    if token.kind is not Kind.WORD or "_" not in token.value.strip("_") or _NOT_COLUMNS.match(token.value):
        return False
    if is_op(after, "(") or is_op(after, ".") or is_word(after, "as"):
        return False
    if is_op(before, "."):
        return not is_word(body.near(index, -2), "stg", "itg", "dm")
    return not is_word(before, "as", "from", "join", "into", "table", "update") and not _in_insert_list(body, index)


def _in_insert_list(body: Body, index: int) -> bool:
    """Whether the parentheses around the token list the columns of an INSERT."""
    depth = body.depths[index]
    while depth and body.depths[index] >= depth:
        index = body.before(index)
    return depth > 0 and is_op(body.tokens[index], "(") and is_word(body.near(index, -4), "into")


OPERATORS: dict[str, Operator] = {
    "boundary": _swapped(Kind.OP, {"<": "<=", "<=": "<", ">": ">=", ">=": ">"}),
    "negated_comparison": _swapped(Kind.OP, {"=": "<>", "<>": "=", "~": "!~", "!~": "~"}),
    "arithmetic": _arithmetic,
    "connective": _connective,
    "not_dropped": _not_dropped,
    "null_test": _null_test,
    "join_kind": _swapped(Kind.WORD, {"inner": "left", "left": "inner", "full": "left"}),
    "aggregate": _swapped_functions({"min": "max", "max": "min", "sum": "max", "avg": "max"}),
    "distinct_dropped": _distinct_dropped,
    "function": _swapped_functions(
        {
            "row_number": "rank",
            "rank": "dense_rank",
            "dense_rank": "rank",
            "lead": "lag",
            "lag": "lead",
            "first_value": "last_value",
            "last_value": "first_value",
            "greatest": "least",
            "least": "greatest",
            "floor": "ceil",
            "ceil": "floor",
            "percentile_cont": "percentile_disc",
        }
    ),
    "direction": _direction,
    "number": _number,
    "text": _text,
    "date_part": _date_part,
    "boolean": _swapped(Kind.WORD, {"true": "false", "false": "true"}),
    "set_operation": _set_operation,
    "predicate_dropped": _predicate_dropped,
    "column_swapped": _column_swapped,
}
