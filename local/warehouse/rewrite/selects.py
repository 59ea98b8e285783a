"""SELECTs by their clauses, for what PostgreSQL has not: lateral column aliases, EXCLUDE, GROUP BY ALL, PIVOT,
UNPIVOT, CONNECT BY.

The innermost SELECTs come first, so that each rule sees subqueries and CTEs that PostgreSQL understands.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..errors import SYNTAX_ERROR, SqlError, not_emulated
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
from .aliases import Scope, inline_aliases
from .columns import columns_of
from .hierarchies import Hierarchy
from .pivot import rewrite_pivots
from .qualify import is_qualify
from .surroundings import surroundings

_SET_OPERATIONS = ("union", "except", "intersect", "minus")
_CLAUSES = ("from", "into", "where", "group", "having", "order", "limit", "offset", "window", "fetch")
_TAIL = ("order", "limit", "offset", "fetch")
_ENDS = (*_SET_OPERATIONS, "loop", "then")
_AGGREGATES = frozenset(
    {"any_value", "avg", "bit_and", "bit_or", "bool_and", "bool_or", "count", "grouping", "grouping_id", "listagg",
     "max", "median", "min", "percentile_cont", "percentile_disc", "stddev", "stddev_pop", "stddev_samp", "sum",
     "variance", "var_pop", "var_samp"}
)  # fmt: skip

# The text of a query in PostgreSQL's SQL, from one in Redshift's whose SELECTs are done.
Finish = Callable[[Sequence[Token]], str]


def rewrite_selects(tokens: Sequence[Token], finish: Finish) -> list[Token]:
    """A statement or a fragment of one with all its SELECTs done.

    Raises ColumnsNeeded where the columns of a relation have to be known, and SqlError for what cannot be done.
    """
    if not any(is_word(token, "select") for token in tokens):
        return list(tokens)
    return _level(tokens, surroundings().ctes(), finish)


def _level(tokens: Sequence[Token], outer: Sequence[Token], finish: Finish) -> list[Token]:
    """What stands between two parentheses, or the whole; `outer` are the CTEs around it, as a WITH clause."""
    done: list[Token] = []
    named = list(outer)
    index = 0
    while index < len(tokens):
        if not is_op(tokens[index], "("):
            done.append(tokens[index])
            index += 1
            continue
        close = closing(tokens, index)
        name, inner = _cte_name(done), tokens[index + 1 : close]
        if name is None:
            done += [tokens[index], *_level(inner, named, finish), tokens[close]]
        else:
            beside = [*named, raw(", " if named else _with(done)), *name]
            itself = _first_branch(inner) if _is_recursive(done) else []
            scope = [*beside, raw(" ("), *itself, raw(")")] if itself else named
            group = [tokens[index], *_level(inner, scope, finish), tokens[close]]
            named = [*beside, *group]
            done += group
        index = close + 1
    return _selects(done, named, finish)


def _cte_name(done: Sequence[Token]) -> list[Token] | None:
    """`name [(columns)] AS` at the end of what has been seen, if a CTE's query follows."""
    end = before(done, len(done))
    if not is_word(at(done, end), "as"):
        return None
    start = before(done, end)
    if is_op(at(done, start), ")"):
        start = next((i for i in reversed(range(start)) if is_op(done[i], "(") and closing(done, i) == start), 0)
        start = before(done, start)
    previous = at(done, before(done, start))
    if not is_name(at(done, start)) or not (is_word(previous, "with", "recursive") or is_op(previous, ",")):
        return None
    return list(done[start:])


def _is_recursive(done: Sequence[Token]) -> bool:
    """Whether WITH RECURSIVE has been seen: only there does a CTE that names itself mean itself."""
    return any(is_word(token, "recursive") for token in done)


def _with(done: Sequence[Token]) -> str:
    return "with recursive " if _is_recursive(done) else "with "


def _first_branch(tokens: Sequence[Token]) -> list[Token]:
    """What stands before the UNION of a CTE that names itself: it has the CTE's columns. Empty without a UNION."""
    depth = 0
    for index, token in enumerate(tokens):
        depth += is_op(token, "(") - is_op(token, ")")
        if depth == 0 and is_word(token, "union"):
            return list(tokens[:index])
    return []


def _selects(tokens: list[Token], named: Sequence[Token], finish: Finish) -> list[Token]:
    """The SELECTs that stand at this level, the last first."""
    for index in reversed(range(len(tokens))):
        if is_word(tokens[index], "select") and _depth_is_zero(tokens, index):
            end = _end(tokens, index)
            done = _Select(tokens[index:end], Scope(named, finish), in_set=_is_behind_set(tokens, index)).done()
            tokens = [*tokens[:index], *done, *tokens[end:]]
    return tokens


def _is_behind_set(tokens: Sequence[Token], index: int) -> bool:
    """Whether the SELECT at `index` stands behind a set operation: its ORDER BY and LIMIT are of the whole then."""
    previous = before(tokens, index)
    previous = before(tokens, previous) if is_word(at(tokens, previous), "all", "distinct") else previous
    return is_word(at(tokens, previous), *_SET_OPERATIONS)


def _depth_is_zero(tokens: Sequence[Token], index: int) -> bool:
    return sum(is_op(token, "(") - is_op(token, ")") for token in tokens[:index]) == 0


def _end(tokens: Sequence[Token], start: int) -> int:
    """Where the SELECT that begins at `start` ends, at its level."""
    depth, cases = 0, 0
    for index in range(start + 1, len(tokens)):
        token = tokens[index]
        depth += is_op(token, "(") - is_op(token, ")")
        if depth == 0:
            cases += is_word(token, "case") - is_word(token, "end")
            if is_op(token, ";") or (cases == 0 and is_word(token, *_ENDS)):
                return index
    return len(tokens)


@dataclass
class _Clause:
    """A clause of a SELECT: its first word (`list` for the select list), and all tokens of it."""

    word: str
    tokens: list[Token]

    def behind(self, count: int) -> list[Token]:
        """What stands behind its first words."""
        index = after(self.tokens, -1)
        for _ in range(count):
            index = after(self.tokens, index)
        return self.tokens[index:]


class _Select:
    """One SELECT without those inside it."""

    def __init__(self, tokens: Sequence[Token], scope: Scope, *, in_set: bool) -> None:
        self._scope, self._in_set = scope, in_set
        head = after(tokens, 0)
        while is_word(at(tokens, head), "distinct", "all", "top"):
            if is_word(tokens[head], "top"):
                head = after(tokens, head)
                head = closing(tokens, head) if is_op(at(tokens, head), "(") else head
            head = after(tokens, head)
        self.head = list(tokens[:head])
        self.clauses = _clauses(tokens[head:])

    def done(self) -> list[Token]:
        """The SELECT that PostgreSQL understands."""
        self._pivots()
        self._hierarchy()
        excluded = self._excluded()
        self._aliases()
        self._group_by_all()
        return self._without(excluded) if excluded else [*self.head, *_tokens(self.clauses)]

    def _clause(self, word: str) -> _Clause | None:
        return next((clause for clause in self.clauses if clause.word == word), None)

    def _pivots(self) -> None:
        clause = self._clause("from")
        if clause is not None:
            clause.tokens = rewrite_pivots(clause.tokens, self._scope)

    def _hierarchy(self) -> None:
        connect, start, source = self._clause("connect"), self._clause("start"), self._clause("from")
        if connect is None or source is None:
            return
        hierarchy = Hierarchy(source.tokens, self._scope)
        source.tokens = hierarchy.source(start.behind(2) if start else [], connect.behind(2))
        self.clauses[0].tokens = hierarchy.listed(self.clauses[0].tokens)
        self.clauses = [clause for clause in self.clauses if clause not in (connect, start)]

    def _aliases(self) -> None:
        source, listed = self._clause("from"), self.clauses[0]
        conditions = [clause for clause in self.clauses if clause.word in ("where", "having")]
        grouping = self._clause("group")
        parts = [clause.tokens for clause in [listed, *conditions, *([grouping] if grouping else [])]]
        done = inline_aliases(parts, source.tokens if source else [], self._scope)
        for clause, tokens in zip([listed, *conditions, *([grouping] if grouping else [])], done, strict=True):
            clause.tokens = tokens

    def _excluded(self) -> list[str]:
        """The names of an EXCLUDE behind the select list, which is taken off."""
        listed = self.clauses[0]
        place = next((i for i in range(len(listed.tokens)) if _is_exclude(listed.tokens, i)), None)
        if place is None:
            return []
        names = significant(listed.tokens[place + 1 :])
        if is_op(at(names, 0), "(") and closing(names, 0) == len(names) - 1:
            names = names[1:-1]
        if not names or not all(len(part) == 1 and is_name(part[0]) for part in split(names, ",")):
            raise SqlError("syntax error: EXCLUDE takes names of columns", code=SYNTAX_ERROR)
        listed.tokens = [*listed.tokens[:place], *tokenize(" ")]
        return [token.value for token in names if is_name(token)]

    def _without(self, excluded: Sequence[str]) -> list[Token]:
        """A query around the SELECT, of all columns but these."""
        into = [clause for clause in self.clauses if clause.word == "into"]
        clauses = [clause for clause in self.clauses if clause.word != "into"]
        # Both are of what is left: the rows that are distinct, and what orders and limits these or the whole set.
        is_distinct = any(is_word(token, "distinct") for token in self.head)
        outer = self._in_set or is_distinct
        end = next((i for i, clause in enumerate(clauses) if outer and clause.word in _TAIL), len(clauses))
        first, behind = (self.head, tokenize("select ")) if is_distinct else (tokenize("select "), self.head)
        tokens = [*behind, *_tokens(clauses[:end])]
        columns = columns_of(self._scope.query(tokens))
        unknown = next((name for name in excluded if name not in columns), None)
        if unknown is not None:
            raise SqlError(f'column "{unknown}" in EXCLUDE does not exist', code="42703")
        names = ", ".join(f"rs_x{number}" for number in range(len(columns)))
        kept = [f"rs_x{i} as {identifier(name)}" for i, name in enumerate(columns) if name not in excluded]
        if not kept:
            raise SqlError("EXCLUDE leaves no column", code=SYNTAX_ERROR)
        head = [*first, *tokenize(f"{', '.join(kept)} "), *_tokens(into), *tokenize("\nfrom (")]
        return [*head, *tokens, *tokenize(f"\n) as rs_x ({names}) "), *_tokens(clauses[end:])]

    def _group_by_all(self) -> None:
        """GROUP BY ALL: by the places of what is not aggregated."""
        clause = self._clause("group")
        if clause is None:
            return
        kept = significant(clause.tokens)
        if len(kept) != 3 or not is_word(kept[2], "all"):
            return
        items = split(self.clauses[0].tokens, ",")
        if any(is_op(significant(item)[-1], "*") for item in items if significant(item)):
            raise not_emulated("GROUP BY ALL beside a star")
        places = [str(place) for place, item in enumerate(items, 1) if not _is_aggregated(item)]
        clause.tokens = [raw(f"group by {', '.join(places)} " if places else "")]


def _tokens(clauses: Sequence[_Clause]) -> list[Token]:
    return [token for clause in clauses for token in clause.tokens]


def _clauses(tokens: Sequence[Token]) -> list[_Clause]:
    found = [_Clause("list", [])]
    depth = 0
    for index, token in enumerate(tokens):
        depth += is_op(token, "(") - is_op(token, ")")
        previous = at(tokens, before(tokens, index))
        begins = is_word(token, *_CLAUSES) or is_qualify(tokens, index) or _is_hierarchical(tokens, index)
        if depth == 0 and begins and not is_op(previous, ".") and not is_word(previous, "as", "within", "distinct"):
            found.append(_Clause(token.value, []))
        found[-1].tokens.append(token)
    return found


def _is_hierarchical(tokens: Sequence[Token], index: int) -> bool:
    """Whether START WITH or CONNECT BY begins at `index`."""
    following = at(tokens, after(tokens, index))
    starts, connects = is_word(tokens[index], "start"), is_word(tokens[index], "connect")
    return (starts and is_word(following, "with")) or (connects and is_word(following, "by"))


def _is_exclude(tokens: Sequence[Token], index: int) -> bool:
    """Whether the word EXCLUDE at `index` ends a select list, and is no name in it."""
    previous, following = at(tokens, before(tokens, index)), at(tokens, after(tokens, index))
    if not is_word(tokens[index], "exclude") or previous is None or following is None:
        return False
    if not _depth_is_zero(tokens, index):
        return False
    ends_item = is_op(previous, "*") or is_op(previous, ")") or is_name(previous) or previous.kind is Kind.NUMBER
    return ends_item and not is_word(previous, "as") and (is_name(following) or is_op(following, "("))


def _is_aggregated(item: Sequence[Token]) -> bool:
    """Whether an aggregate or a window function stands in an item, outside subqueries."""
    index = 0
    while index < len(item):
        opening = after(item, index)
        if is_op(item[index], "(") and is_word(at(item, opening), "select", "with"):
            index = closing(item, index)
        elif is_word(item[index], "over", *_AGGREGATES) and is_op(at(item, opening), "("):
            return True
        index += 1
    return False
