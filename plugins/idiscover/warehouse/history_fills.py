"""Histories that begin later than their tables: an object gets `history: true` when rows of it stand in itg. Pure.

What is computed from a history is compared with itg by the checks of its table, and would lack every record that no
batch has brought since. So a release lets the history begin with the version that itg holds of each record; what came
before lies in `archive/`, and `idiscover rebuild` makes the whole history of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from idiscover.warehouse.table_shapes import TableShape
from idiscover.warehouse.types import quoted

SUFFIX = "__history"


@dataclass(frozen=True)
class HistoryFill:
    """A history, the table whose rows it lacks, and the statement that brings them; run again, it changes nothing."""

    history: str
    table: str
    sql: str

    @property
    def described(self) -> str:
        """For people; what it does not do, too."""
        name = self.table.partition(".")[2]
        return (
            f"{self.history}: begins with the versions that {self.table} holds; older ones are in archive/:"
            f" idiscover rebuild {name}"
        )


def history_fills(
    standing: Mapping[str, TableShape],
    wanted: Mapping[str, TableShape],
    released: Mapping[str, TableShape] | None,
) -> list[HistoryFill]:
    """Of the histories of a release those that are new beside a table that is not.

    Args:
        standing: tables of the warehouse.
        wanted: tables of the release.
        released: tables of the release before, where that is known: a history that it did not have was not written
            meanwhile, even if it stands from an earlier one.
    """
    fills: list[HistoryFill] = []
    for name, shape in wanted.items():
        table = name.removesuffix(SUFFIX)
        is_new = name not in standing or (released is not None and name not in released)
        if name.endswith(SUFFIX) and is_new and table in standing:
            fills.append(HistoryFill(name, table, _fill_sql(shape, table)))
    return fills


def _fill_sql(history: TableShape, table: str) -> str:
    """A version is told by its record and its batch, as in the procedure that appends to the history."""
    assert history.dist_key is not None  # histories are spread by the key of their object
    names, key = ", ".join(map(quoted, history.columns)), quoted(history.dist_key)
    return (
        f"insert into {history.name} ({names})\n"
        f"select {', '.join(f'held.{quoted(name)}' for name in history.columns)}\nfrom {table} as held\n"
        f"left join {history.name} as known\n    on held._batch_id = known._batch_id and held.{key} = known.{key}\n"
        f"where known.{key} is null;"
    )
