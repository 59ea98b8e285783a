"""`dm.v_check_result`: whether the last checks of a table passed, for analysts; without keys and queries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from idiscover.metadata.table_columns import caption_of
from idiscover.warehouse.views import plain_table, plain_view

TABLE = "dm.check_result"
VIEW = "dm.v_check_result"
COLUMNS: Mapping[str, str] = {
    "table_name": "varchar(128)",
    "check_name": "varchar(128)",
    "country_code": "varchar(2)",
    "kind": "varchar(32)",
    "severity": "varchar(16)",
    "has_passed": "boolean",
    "failing_count": "bigint",
    "order_date": "date",
    "checked_at_utc": "timestamp",
}
_HEAD = "what the last checks of each table said. grain: table_name, check_name, country_code."
CREATE_TABLE = plain_table(
    TABLE,
    [
        f"-- {TABLE}: {_HEAD}",
        "-- Written by each refresh, also by one whose slices were refused. On every node: a few thousand rows.",
    ],
    {name: f"{kind} not null" for name, kind in COLUMNS.items()},
    ["table_name", "country_code"],
)
CREATE_VIEW = plain_view(
    VIEW,
    TABLE,
    [f"-- {VIEW}: {_HEAD}"],
    [(name, kind, caption_of(name)) for name, kind in COLUMNS.items()],
)
DELETE = f"delete from {TABLE} where table_name = %s and country_code in %s"


def insert(rows: Sequence[Sequence[object]]) -> tuple[str, list[object]]:
    """An INSERT of all rows, each with a value per column, and its parameters; at least one row."""
    places = ", ".join([f"({', '.join(['%s'] * len(COLUMNS))})"] * len(rows))
    return f"insert into {TABLE} ({', '.join(COLUMNS)}) values {places}", [value for row in rows for value in row]
