"""The procedures of a release, as text."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from idiscover.metadata.models import Catalog, Family
from idiscover.warehouse.release import release

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
