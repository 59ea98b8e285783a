"""Rules for the shape of statements: TOP, MINUS, temporary targets, and what Redshift refuses or the front lacks."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import not_emulated, refused
from ..tokens import Kind, Token, after, at, before, closing, is_op, is_word, raw, render
from .expressions import rewrite_expressions
from .qualify import rewrite_qualify
from .selects import rewrite_selects
from .super import rewrite_super
from .system import rewrite_system_names

_SET_OPERATIONS = ("union", "except", "intersect", "minus")


def rewrite_query(tokens: Sequence[Token]) -> list[Token]:
    """Check and reshape a statement or a fragment of one (SELECT, INSERT, UPDATE, DELETE, an expression)."""
    refuse(tokens)
    return _reshaped(rewrite_selects(tokens, finished))


def finished(tokens: Sequence[Token]) -> str:
    """PostgreSQL's text of a query whose SELECTs are done."""
    return render(rewrite_expressions(_reshaped(rewrite_system_names(tokens))))


def _reshaped(tokens: Sequence[Token]) -> list[Token]:
    done = rewrite_qualify(rewrite_super(tokens))
    first = at(done, after(done, -1))
    if is_word(first, "delete"):
        done = _delete(done)
    if is_word(first, "select", "with"):
        done = _into_temporary(done)
    return _top(_minus(done))


def refuse(tokens: Sequence[Token]) -> None:
    """Raise SqlError for what Redshift does not have, and for what it has and the front has not."""
    writes = is_word(at(tokens, after(tokens, -1)), "insert", "create", "update", "delete", "merge")
    for index, token in enumerate(tokens):
        if token.kind is Kind.WORD:
            _refuse_word(tokens, index)
        if is_op(token, "(") and is_op(at(tokens, index + 1), "+") and is_op(at(tokens, index + 2), ")"):
            raise not_emulated("an outer join by (+)")
        if writes and is_word(token, "generate_series") and is_op(at(tokens, after(tokens, index)), "("):
            raise refused("generate_series() outside a query of the leader node alone")


def _refuse_word(tokens: Sequence[Token], index: int) -> None:
    word = tokens[index].value
    following, previous = at(tokens, after(tokens, index)), at(tokens, before(tokens, index))
    if is_op(previous, ".") or is_op(following, "."):
        return
    if word == "on" and is_word(following, "conflict"):
        raise refused("ON CONFLICT", "use MERGE, or DELETE and INSERT in one transaction")
    if word == "returning" and previous is not None and not is_op(previous, ",") and not is_word(previous, "as"):
        raise refused("RETURNING")
    if word == "siblings" and is_word(previous, "order") and is_word(following, "by"):
        raise not_emulated("ORDER SIBLINGS BY")
    if word == "distinct" and is_word(following, "on"):
        raise refused("SELECT DISTINCT ON", "use ROW_NUMBER()")
    if word == "distinct" and is_word(following, "from") and is_word(previous, "is", "not"):
        raise refused("IS DISTINCT FROM", "compare with NVL, or with = and IS NULL")
    if word == "filter" and is_op(previous, ")") and is_op(following, "("):
        raise refused("the FILTER clause of an aggregate", "use CASE inside the aggregate")
    if word == "lateral" and (is_word(previous, "from", "join", "cross") or is_op(previous, ",")):
        raise refused("LATERAL")
    if word in _SET_OPERATIONS[1:] and is_word(following, "all"):
        raise refused(f"{word.upper()} ALL")
    if word == "order" and is_word(following, "by") and is_word(_behind(tokens, index, 2), "all"):
        raise not_emulated("ORDER BY ALL")


def _behind(tokens: Sequence[Token], index: int, count: int) -> Token | None:
    """The significant token that stands so many behind `index`."""
    for _ in range(count):
        index = after(tokens, index)
    return at(tokens, index)


def _delete(tokens: list[Token]) -> list[Token]:
    """DELETE t WHERE … gets its FROM."""
    first = after(tokens, -1)
    if is_word(at(tokens, after(tokens, first)), "from"):
        return tokens
    return [*tokens[: first + 1], raw(" from"), *tokens[first + 1 :]]


def _into_temporary(tokens: list[Token]) -> list[Token]:
    """SELECT … INTO #t makes a temporary table."""
    for index, token in enumerate(tokens):
        target = at(tokens, after(tokens, index))
        if is_word(token, "into") and target is not None and target.kind is Kind.TEMP:
            return [*tokens[: index + 1], raw(" temp"), *tokens[index + 1 :]]
    return tokens


def _minus(tokens: list[Token]) -> list[Token]:
    done = list(tokens)
    for index, token in enumerate(tokens):
        if not is_word(token, "minus"):
            continue
        following, previous = at(tokens, after(tokens, index)), at(tokens, before(tokens, index))
        starts_query = is_word(following, "select", "with") or is_op(following, "(")
        if starts_query and not is_op(previous, ".") and not is_word(previous, "as"):
            done[index] = raw("except")
    return done


def _top(tokens: list[Token]) -> list[Token]:
    """SELECT TOP n … becomes SELECT … LIMIT n, at the end of that SELECT. The innermost come first."""
    for index in reversed(range(len(tokens))):
        if not is_word(tokens[index], "top"):
            continue
        previous, amount = at(tokens, before(tokens, index)), after(tokens, index)
        if not is_word(previous, "select", "distinct", "all"):
            continue
        count = at(tokens, amount)
        if count is None or not (count.kind in (Kind.NUMBER, Kind.PARAM) or is_op(count, "(")):
            continue
        last = closing(tokens, amount) if is_op(count, "(") else amount
        end = _end_of_select(tokens, last + 1)
        limit = [raw(" limit "), *tokens[amount : last + 1], raw(" ")]
        tokens = [*tokens[:index], *tokens[last + 1 : end], *limit, *tokens[end:]]
    return tokens


def _end_of_select(tokens: Sequence[Token], start: int) -> int:
    """Where the SELECT that goes on at `start` ends: its closing parenthesis, a semicolon or the end."""
    depth = 0
    for index in range(start, len(tokens)):
        token = tokens[index]
        depth += is_op(token, "(") - is_op(token, ")")
        if depth < 0 or (depth == 0 and is_op(token, ";")):
            return index
        if depth == 0 and is_word(token, *_SET_OPERATIONS):
            raise not_emulated("TOP beside a set operation without parentheses")
    # A line comment at the very end would swallow what is put behind it.
    return before(tokens, len(tokens)) + 1
