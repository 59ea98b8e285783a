"""What columns a relation has: rules ask, and whoever rewrites finds out from PostgreSQL and rewrites again.

The rules see one statement and no catalogue. A rule that has to know columns calls `columns_of` with a query; if the
answer is not known, ColumnsNeeded ends the rewriting. Its query is run, and the rewriting begins again with the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import TypeVar

from ..errors import SqlError

T = TypeVar("T")
# The names of a query's columns, in order, or why PostgreSQL cannot tell: a procedure has yet to make the table, say.
Columns = tuple[str, ...] | SqlError

_HINT = (
    "PIVOT, UNPIVOT and EXCLUDE need the columns of the relation when a statement is run or a procedure is created. "
    "In a procedure that makes the table by dynamic SQL, put them into dynamic SQL too."
)
_KNOWN: ContextVar[Mapping[str, Columns]] = ContextVar("known columns")


class ColumnsNeeded(Exception):
    """A rule cannot go on without the columns of `query`, which gives no rows and is PostgreSQL's SQL already."""

    def __init__(self, query: str) -> None:
        super().__init__(query)
        self.query = query


def columns_if_known(query: str) -> tuple[str, ...] | None:
    """The names of the columns of `query`, None if PostgreSQL cannot tell.

    Raises ColumnsNeeded if nobody has asked PostgreSQL yet.
    """
    known = _KNOWN.get({})
    if query not in known:
        raise ColumnsNeeded(query)
    columns = known[query]
    return None if isinstance(columns, SqlError) else columns


def columns_of(query: str) -> tuple[str, ...]:
    """The names of the columns of `query`. Raises ColumnsNeeded, and SqlError if PostgreSQL cannot tell."""
    columns = columns_if_known(query)
    if columns is None:
        reason = _KNOWN.get({})[query]
        assert isinstance(reason, SqlError)
        raise SqlError(reason.message, code=reason.code, detail=reason.detail, hint=_HINT)
    return columns


def knowing(known: Mapping[str, Columns], rewrite: Callable[[], T]) -> T:
    """What `rewrite` gives where the columns of these queries are known. Raises ColumnsNeeded for others."""
    token = _KNOWN.set(known)
    try:
        return rewrite()
    finally:
        _KNOWN.reset(token)
