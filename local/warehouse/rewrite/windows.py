"""Window functions with IGNORE NULLS, which PostgreSQL has not: an element of the array of all values that are none."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..errors import SYNTAX_ERROR, SqlError
from ..tokens import Token, after, at, closing, is_op, is_word, significant

FUNCTIONS = frozenset({"first_value", "last_value", "nth_value", "lag", "lead"})


def nulls_clause(tokens: Sequence[Token], end: int, arguments: list[list[Token]]) -> tuple[bool, int]:
    """Whether IGNORE NULLS stands in the last argument or behind the parenthesis at `end`; where the construct ends.

    IGNORE NULLS and RESPECT NULLS are taken out of the argument.
    """
    kept = [index for index, token in enumerate(arguments[-1]) if token in significant([token])]
    if len(kept) > 2 and is_word(arguments[-1][kept[-1]], "nulls"):
        word = arguments[-1][kept[-2]]
        if is_word(word, "ignore", "respect"):
            arguments[-1] = arguments[-1][: kept[-2]]
            return word.value == "ignore", end
    word_index = after(tokens, end)
    nulls = after(tokens, word_index)
    if is_word(at(tokens, word_index), "ignore", "respect") and is_word(at(tokens, nulls), "nulls"):
        return tokens[word_index].value == "ignore", nulls
    return False, end


def ignoring_nulls(name: str, arguments: Sequence[str], window: str) -> str:
    """The expression for `name` over `window`, ` over ( … )`."""
    value, place = arguments[0], arguments[1] if len(arguments) > 1 else "1"
    if name in ("lag", "lead"):
        frame = "unbounded preceding and 1 preceding" if name == "lag" else "1 following and unbounded following"
        window = f"{window.rstrip().removesuffix(')')} rows between {frame})"
    item = {"first_value": "1", "last_value": "-1", "nth_value": place, "lag": f"-({place})", "lead": place}[name]
    text = f"rs.nth_item(array_agg({value}) filter (where ({value}) is not null){window}, ({item})::integer)"
    return f"coalesce({text}, {arguments[2]})" if len(arguments) > 2 else text


def window_behind(tokens: Sequence[Token], end: int, text: Callable[[Sequence[Token]], str]) -> tuple[str, int]:
    """The text of the OVER clause behind `end`, and its end. Raises SqlError without one, or for a named window."""
    over = after(tokens, end)
    opening = after(tokens, over)
    if not is_word(at(tokens, over), "over") or not is_op(at(tokens, opening), "("):
        raise SqlError("syntax error: IGNORE NULLS needs OVER ( … )", code=SYNTAX_ERROR)
    close = closing(tokens, opening)
    return " over " + text(tokens[opening : close + 1]), close
