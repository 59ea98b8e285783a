"""A warehouse with a release in it and made-up rows in the marts that analysts read most."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import psycopg2
from idiscover.metadata.loading import FolderReader, load_catalog
from idiscover.metadata.sql_inventory import SqlColumn, SqlInventory
from idiscover.warehouse.release import release
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor
from psycopg2.extras import execute_values

from tests.support.warehouse_stack import running_warehouse

REPOSITORY = Path(__file__).resolve().parents[2]
CATALOG = load_catalog(FolderReader(REPOSITORY / "metadata"))
SQL = SqlInventory.read(REPOSITORY / "sql")
COUNTRIES = ("DE", "FR", "ZZ")
ROWS = {"dm.dm_testing_uptake": 400, "dm.dm_objective_attainment": 90, "dm.dm_field_coverage": 120, "dm.dim_country": 3}
ROWS["dm.dm_data_freshness"] = 38
_STATES = ("Current", "Quiet", "Different", "Empty")


@contextmanager
def filled_marts(folder: Path) -> Iterator[Connection]:
    """A connection through the front; what is in the marts is committed."""
    with running_warehouse(folder) as dsn:
        connection = psycopg2.connect(dsn)
        with connection, connection.cursor() as cursor:
            for statement in release(CATALOG, REPOSITORY / "sql"):
                cursor.execute(statement.sql)
            for table, count in ROWS.items():
                columns = columns_of(table)
                rows = [
                    tuple(_value(name, column, number) for name, column in columns.items()) for number in range(count)
                ]
                names = ", ".join(columns)
                execute_values(cursor, f"insert into {table} ({names}) values %s", rows)
            _fill_calendar(cursor)
        yield connection
        connection.close()


def _fill_calendar(cursor: Cursor) -> None:
    """The months of 2025 are over, that of the order date is not; and rows of months that nobody should be shown."""
    months = [(date(2025, month, 1), month - 13) for month in range(1, 13)] + [(date(2026, 1, 1), 0)]
    execute_values(
        cursor,
        "insert into dm.dim_date"
        " (country_code, date_key, month_start, months_from_as_of, _as_of_date, _run_id, _loaded_at_utc) values %s",
        [(day, day, away) for day, away in months],
        template="('ZZ', %s, %s, %s, '2026-01-05', 'run', '2026-01-06')",
    )
    names = ", ".join(columns_of("dm.dm_testing_uptake"))
    for month in ("1900-01-01", "2026-01-01", "4000-12-01"):
        copied = names.replace(" month,", f" date '{month}',")
        cursor.execute(
            f"insert into dm.dm_testing_uptake ({names}) select {copied} from dm.dm_testing_uptake"
            " where month = '2025-03-01'"
        )


def columns_of(table: str) -> dict[str, SqlColumn]:
    """The columns of a table of dm."""
    assert SQL is not None
    return dict(SQL.tables[table])


def _value(name: str, column: SqlColumn, number: int) -> object:
    """Something that fits the column, another for most numbers; null now and then where it may be."""
    if column.is_nullable and number % 7 == 3:
        return None
    if name in ("country_code", "iso_country_code"):
        return COUNTRIES[number % 3]
    if name == "status":
        return _STATES[number % 4]
    kind, _, size = column.type.rstrip(")").partition("(")
    if kind == "varchar":
        return f"{number // 5} {name}"[: int(size)]
    made = {
        "date": date(2025, 1 + number // 7 % 12, 1),
        "timestamp": datetime(2026, 1, 6, 2) + timedelta(seconds=number),
        "boolean": number % 2 == 0,
        "numeric": Decimal(number * 37 % 1000) + (Decimal(number) / 1000 if not column.type.endswith(",0)") else 0),
    }
    return made.get(kind, number * 3 % 50)
