"""Statements whose rewriting has to know columns: PostgreSQL is asked for them, in the client's transaction."""

from __future__ import annotations

from .errors import SqlError
from .rewrite import Action, Statement, rewrite_knowing
from .rewrite.columns import Columns, ColumnsNeeded
from .upstream import Connection, Result

_SAVEPOINT = "rs_columns"
# Classes of errors that say nothing of the query: conflicts, resources, locks, a request to cancel.
_OF_THE_MOMENT = ("40", "53", "55", "57")


async def settle(statement: Statement, upstream: Connection) -> Statement:
    """The statement, rewritten if it was left for later; everything asked before has been answered. Raises SqlError."""
    known: dict[str, Columns] = {}
    while statement.action is Action.LATER:
        try:
            statement = rewrite_knowing(statement.sql, known)
        except ColumnsNeeded as needed:
            known[needed.query] = await _columns(needed.query, upstream)
    return statement


async def _columns(query: str, upstream: Connection) -> Columns:
    """The names of the columns of `query`, or PostgreSQL's error; a transaction block does not suffer from it.

    Raises SqlError for one that is not the query's.
    """
    if upstream.status == "E":
        raise SqlError("current transaction is aborted, commands ignored until end of transaction block", code="25P02")
    in_block = upstream.status == "T"
    if in_block:
        await upstream.run(f"savepoint {_SAVEPOINT}")
    found: list[tuple[str, int]] = []
    result = await upstream.attempt(query, Result(begin=found.extend))
    if in_block:
        if result.error is not None:
            await upstream.run(f"rollback to savepoint {_SAVEPOINT}")
        await upstream.run(f"release savepoint {_SAVEPOINT}")
    if result.error is not None and result.error.code.startswith(_OF_THE_MOMENT):
        raise result.error
    return result.error or tuple(name for name, _ in found)
