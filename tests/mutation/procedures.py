"""The procedures of a release, as text."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from idiscover.metadata.models import Catalog, Family
from idiscover.warehouse.procedures import render_itg_procedure
from idiscover.warehouse.release import release
from psycopg2.extensions import connection as Connection

from tests.integration.itg_world import SAMPLES

REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Procedure:
    """The procedure that loads `table`; `sql` is its CREATE PROCEDURE."""

    table: str
    sql: str

    @property
    def name(self) -> str:
        """Such as `dm.load_dim_lab`."""
        schema, table = self.table.split(".")
        return f"{schema}.load_{table}"


def itg_procedures(catalog: Catalog) -> dict[str, Procedure]:
    """Table → procedure, for one object of each shape that the template has."""
    specs = {f"itg.{name}": catalog.objects[name] for name in SAMPLES}
    return {table: Procedure(table, render_itg_procedure(spec, REPOSITORY / "sql")) for table, spec in specs.items()}


def dm_procedures(catalog: Catalog) -> dict[str, Procedure]:
    """Table → procedure, inputs before what is computed from them."""
    texts = {Path(statement.name).stem: statement.sql for statement in release(catalog, REPOSITORY / "sql")}
    tables = [table for table in catalog.tables if table.startswith("dm.")]
    ordered = sorted(sorted(tables), key=lambda table: _depth(catalog, table))
    return {table: Procedure(table, texts[f"load_{table.removeprefix('dm.')}"]) for table in ordered}


def _depth(catalog: Catalog, table: str) -> int:
    """0 for a table of itg; one more than the deepest input for others."""
    spec = catalog.tables[table]
    if spec.family is Family.STG_TO_ITG:
        return 0
    return 1 + max(_depth(catalog, item.table) for item in spec.inputs)


def empty(connection: Connection) -> None:
    """No rows in any table."""
    with connection, connection.cursor() as cursor:
        cursor.execute("select schemaname, tablename from pg_tables where schemaname in ('stg', 'itg', 'dm')")
        for schema, table in cursor.fetchall():
            cursor.execute(f'delete from {schema}."{table}"')
