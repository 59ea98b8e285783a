"""Rows of a view as csv blocks, read through a cursor of the warehouse: memory holds one block, whatever the view."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor
from psycopg2.extensions import new_type, register_type

from idiscover.aws.postgres import transaction
from idiscover.errors import ConfigError

ROWS_PER_BLOCK = 50_000
_CURSOR = "rows_of_view"
# Type codes of the wire protocol, which are the same in Redshift and PostgreSQL.
_TYPES = {
    16: "boolean",
    20: "bigint",
    21: "smallint",
    23: "integer",
    25: "text",
    700: "real",
    701: "double precision",
    1042: "text",
    1043: "text",
    1082: "date",
    1114: "timestamp",
    1700: "numeric",
}
# Values stay as the server wrote them: no digit is lost, and none is parsed twice.
_AS_WRITTEN = new_type(tuple(_TYPES), "AS_WRITTEN", lambda text, _cursor: text)


@dataclass(frozen=True)
class RowType:
    """A column of a result: `type` without sizes; of a numeric with its digits."""

    name: str
    type: str
    precision: int | None = None
    scale: int | None = None


@dataclass(frozen=True)
class Block:
    """Some rows as csv: no header, every value quoted, null unquoted and empty."""

    rows: int
    text: str


class ViewRows:
    """The result of one query, block by block; `columns` are known from the start."""

    def __init__(self, cursor: Cursor, query: str, where: str) -> None:
        self._cursor = cursor
        register_type(_AS_WRITTEN, cursor)
        cursor.execute(f"declare {_CURSOR} cursor for {query}")
        self._next = self._fetch()
        self.columns = _row_types(cursor.description, where)

    def blocks(self) -> Iterator[Block]:
        """All rows, in the order of the query; once."""
        while self._next:
            yield Block(len(self._next), "".join(map(_csv_line, self._next)))
            self._next = self._fetch()

    def _fetch(self) -> list[tuple[str | None, ...]]:
        self._cursor.execute(f"fetch forward {ROWS_PER_BLOCK} from {_CURSOR}")
        return self._cursor.fetchall()


@contextmanager
def view_rows(connection: Connection, view: str, columns: Sequence[str]) -> Iterator[ViewRows]:
    """Rows of a view, at one moment.

    Args:
        connection: to the warehouse.
        view: with its schema; it and `columns` are names of the metadata.
        columns: that are read, in this order.

    Raises:
        ConfigError: a column is of a type that has no exact counterpart.
        FatalError, RetriableError: see `postgres.transaction`.
    """
    names = ", ".join(f'"{name}"' for name in columns)
    with transaction(connection, view) as cursor:
        yield ViewRows(cursor, f"select {names} from {view}", view)


def _row_types(description: Sequence[Sequence[object]], where: str) -> tuple[RowType, ...]:
    found = []
    for name, code, _, _, precision, scale, _ in description:
        type_ = _TYPES.get(code)  # type: ignore[call-overload]
        is_exact = type_ != "numeric" or (isinstance(precision, int) and 1 <= precision <= 38)
        if type_ is None or not is_exact:
            raise ConfigError(
                "a column's type has no exact counterpart in Hyper",
                where=where,
                key=str(name),
                got=f"type code {code}, precision {precision}",
                expected="boolean, a whole number, numeric(p, s), real, double precision, text, date or timestamp",
                remedy="cast it in the view",
            )
        digits = (precision, scale) if type_ == "numeric" else (None, None)
        found.append(RowType(str(name), type_, *digits))  # type: ignore[arg-type]
    return tuple(found)


def _csv_line(row: tuple[str | None, ...]) -> str:
    return ",".join(["" if value is None else '"' + value.replace('"', '""') + '"' for value in row]) + "\n"
