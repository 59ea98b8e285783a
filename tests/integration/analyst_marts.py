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
        yield connection
        connection.close()


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
