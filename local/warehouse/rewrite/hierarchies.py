"""CONNECT BY: the rows of a hierarchy, by a recursive query in place of the relation, with LEVEL as a column more."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import SYNTAX_ERROR, SqlError, not_emulated
from ..tokens import Token, after, at, before, closing, identifier, is_name, is_op, is_word, raw, significant, tokenize
from .aliases import Scope, is_column
from .columns import columns_of

_NOT_A_COLUMN = ("and", "or", "not", "is", "null", "in", "like", "ilike", "between", "true", "false", "case", "when",
                 "then", "else", "end", "similar", "to", "escape", "current_date", "sysdate")  # fmt: skip


class Hierarchy:
    """The relation of a SELECT that has a CONNECT BY: a table, a subquery or a CTE, with nothing joined to it.

    AWS: first CONNECT BY is evaluated, then WHERE; LEVEL is 1 for the rows that START WITH finds.
    """

    def __init__(self, source: Sequence[Token], scope: Scope) -> None:
        """`source` is the FROM clause. Raises ColumnsNeeded for its columns, and SqlError for a join."""
        first = after(source, 0)
        if first == len(source):
            raise SqlError("syntax error at or near 'connect': there is no relation", code=SYNTAX_ERROR)
        end = closing(source, first) + 1 if is_op(at(source, first), "(") else _name_end(source, first)
        behind = significant(source[end:])
        behind = behind[1:] if behind and is_word(behind[0], "as") else behind
        if len(behind) > 1 or (behind and not is_name(behind[0])):
            raise not_emulated("CONNECT BY over a join")
        last = source[before(source, end)]
        self._relation = list(source[first:end])
        self.alias = identifier(behind[0].value if behind else last.value if is_name(last) else "rs_row")
        self.columns = columns_of(scope.query([raw("select * from "), *source[first:]]))

    def source(self, start: Sequence[Token], condition: Sequence[Token]) -> list[Token]:
        """The FROM clause in its place. `start` is empty if every row begins a hierarchy."""
        if not any(is_word(token, "prior") for token in condition):
            raise SqlError("syntax error: CONNECT BY needs a condition with PRIOR", code=SYNTAX_ERROR)
        row = [*tokenize("from "), *self._relation, *tokenize(f" as {self.alias} ")]
        where = [*tokenize("where ("), *start, *tokenize("\n) ")] if start else []
        return [
            *tokenize(f"from (with recursive rs_hierarchy as (select 1 as level, {self.alias}.* "),
            *row,
            *where,
            *tokenize(f"union all select rs_prior.level + 1, {self.alias}.* "),
            *row,
            *tokenize("join rs_hierarchy as rs_prior on rs.check_level(rs_prior.level) and ("),
            *self._connected(condition),
            *tokenize(f"\n)) select * from rs_hierarchy) as {self.alias} "),
        ]

    def _connected(self, condition: Sequence[Token]) -> list[Token]:
        """The condition between a row and the one above it: PRIOR is before what is the latter's."""
        done: list[Token] = []
        index = 0
        while index < len(condition):
            token = condition[index]
            if is_word(token, "prior"):
                name = after(condition, index)
                if not is_name(at(condition, name)):
                    raise SqlError("syntax error: PRIOR takes a column", code=SYNTAX_ERROR)
                end = _name_end(condition, name)
                column = condition[before(condition, end)].value
                done += tokenize(f"rs_prior.{identifier(column)}")
                index = end
                continue
            if is_name(token) and is_column(condition, index) and not is_word(token, *_NOT_A_COLUMN):
                side = "rs_prior" if is_word(token, "level") else self.alias
                done += tokenize(f"{side}.{identifier(token.value)}")
            else:
                done.append(token)
            index += 1
        return done

    def listed(self, tokens: Sequence[Token]) -> list[Token]:
        """A select list whose star does not have LEVEL."""
        columns = ", ".join(f"{self.alias}.{identifier(column)}" for column in self.columns)
        done: list[Token] = []
        for index, token in enumerate(tokens):
            previous = at(tokens, before(tokens, index))
            is_star = is_op(token, "*") and (previous is None or is_op(previous, ","))
            done += tokenize(columns) if is_star else [token]
        return done


def _name_end(tokens: Sequence[Token], start: int) -> int:
    """Behind the possibly qualified name at `start`."""
    end = start
    while is_op(at(tokens, after(tokens, end)), "."):
        end = after(tokens, after(tokens, end))
    return end + 1
