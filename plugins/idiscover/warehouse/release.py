"""What a release brings to the warehouse, in the order in which it has to stand there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from idiscover.metadata.models import Catalog, ObjectSpec
from idiscover.metadata.sql_inventory import SqlInventory
from idiscover.warehouse import check_results, dictionary, entitlement
from idiscover.warehouse.ddl import (
    BATCH_LOAD,
    column_comments,
    create_history_table,
    create_ids_table,
    create_itg_table,
    create_side_tables,
    create_stg_table,
)
from idiscover.warehouse.grants import grants
from idiscover.warehouse.migration_ledger import LEDGER, TABLE
from idiscover.warehouse.procedures import render_dm_procedure, render_itg_procedure
from idiscover.warehouse.views import MartView, comments, create_view, mart_views

SCHEMAS = ("stg", "itg", "dm")
VIEW = "view "  # what the name of a view's statement begins with
HAND_WRITTEN = ("procedures/stg_to_itg", "procedures/itg_to_dm", "procedures/dm_to_dm")
DM_TEMPLATES = ("procedures/itg_to_dm", "procedures/dm_to_dm")


@dataclass(frozen=True)
class ReleaseStatement:
    """One statement, to be run as it is; running all of them again changes nothing."""

    name: str
    sql: str


def release(catalog: Catalog, sql_root: Path) -> list[ReleaseStatement]:
    """All statements of a release.

    Args:
        catalog: checked metadata.
        sql_root: the folder `sql/`.

    Returns:
        Schemas, tables of stg and itg with their comments, tables of dm, the two ledgers, then procedures and the views
        of analysts.
    """
    return [
        *(ReleaseStatement(f"schema {name}", f"create schema if not exists {name};") for name in SCHEMAS),
        *_tables(catalog),
        *_files(sql_root, "ddl/dm"),
        ReleaseStatement(f"table {entitlement.TABLE}", entitlement.CREATE_TABLE),
        ReleaseStatement(f"table {dictionary.TABLE}", dictionary.CREATE_TABLE),
        ReleaseStatement(f"table {check_results.TABLE}", check_results.CREATE_TABLE),
        ReleaseStatement("table stg.batch_load", BATCH_LOAD),
        ReleaseStatement(f"table {TABLE}", LEDGER),
        *_itg_procedures(catalog, sql_root),
        *_dm_procedures(catalog, sql_root),
        *(statement for folder in HAND_WRITTEN for statement in _files(sql_root, folder)),
        *_views(catalog, sql_root),
    ]


def for_analysts(
    statements: Sequence[ReleaseStatement], catalog: Catalog, sql_root: Path, role: str | None
) -> list[ReleaseStatement]:
    """The statements of a release, and behind them comments, dictionary, and what lets `role` read the views.

    Args:
        statements: of `release`.
        catalog: checked metadata.
        sql_root: the folder `sql/`.
        role: of the warehouse; None: nobody is granted anything.
    """
    views = _mart_views(catalog, sql_root)
    texts = [
        *((f"comments {view.table.table}", comments(view)) for view in views),
        *dictionary.fill(views, catalog),
        *(grants(role, view_names(statements)) if role is not None else ()),
    ]
    return [*statements, *(ReleaseStatement(name, sql) for name, sql in texts)]


def view_names(statements: Sequence[ReleaseStatement]) -> list[str]:
    """The views of a release, with their schema."""
    return [item.name.removeprefix(VIEW) for item in statements if item.name.startswith(VIEW)]


def _tables(catalog: Catalog) -> Iterator[ReleaseStatement]:
    for name, spec in sorted(catalog.objects.items()):
        yield from tables_of(spec, has_itg_table=f"itg.{name}" in catalog.tables)


def tables_of(spec: ObjectSpec, *, has_itg_table: bool) -> Iterator[ReleaseStatement]:
    """Tables of an object in stg and itg, with their side tables and comments."""
    name = spec.object
    yield ReleaseStatement(f"table stg.{name}", create_stg_table(spec))
    for comment, sql in column_comments(f"stg.{name}", spec.fields):
        yield ReleaseStatement(comment, sql)
    yield ReleaseStatement(f"table stg.{name}__ids", create_ids_table(spec))
    if not has_itg_table:
        return
    yield ReleaseStatement(f"table itg.{name}", create_itg_table(spec))
    for comment, sql in column_comments(f"itg.{name}", spec.fields):
        yield ReleaseStatement(comment, sql)
    for table, sql in create_side_tables(spec):
        yield ReleaseStatement(f"table {table}", sql)
    if spec.history:
        yield ReleaseStatement(f"table itg.{name}__history", create_history_table(spec))
        for comment, sql in column_comments(f"itg.{name}__history", spec.fields):
            yield ReleaseStatement(comment, sql)


def _itg_procedures(catalog: Catalog, sql_root: Path) -> Iterator[ReleaseStatement]:
    for name, spec in sorted(catalog.objects.items()):
        if f"itg.{name}" in catalog.tables:
            yield ReleaseStatement(f"procedure itg.load_{name}", render_itg_procedure(spec, sql_root))


def _dm_procedures(catalog: Catalog, sql_root: Path) -> Iterator[ReleaseStatement]:
    for path in sorted(path for folder in DM_TEMPLATES for path in (sql_root / folder).glob("*.sql.j2")):
        name = path.relative_to(sql_root).as_posix()
        yield ReleaseStatement(name.removesuffix(".j2"), render_dm_procedure(name, catalog, sql_root))


def _mart_views(catalog: Catalog, sql_root: Path) -> list[MartView]:
    inventory = SqlInventory.read(sql_root)
    return mart_views(catalog, inventory) if inventory is not None else []


def _views(catalog: Catalog, sql_root: Path) -> Iterator[ReleaseStatement]:
    for view in _mart_views(catalog, sql_root):
        yield ReleaseStatement(f"{VIEW}{view.name}", create_view(view))
    if entitlement.COUNTRIES in catalog.tables:  # which tells of every country
        yield ReleaseStatement(f"{VIEW}{entitlement.VIEW}", entitlement.CREATE_VIEW)
    yield ReleaseStatement(f"{VIEW}{dictionary.VIEW}", dictionary.CREATE_VIEW)
    yield ReleaseStatement(f"{VIEW}{check_results.VIEW}", check_results.CREATE_VIEW)


def _files(sql_root: Path, folder: str) -> Iterator[ReleaseStatement]:
    """Hand-written files, one statement each, by name."""
    for path in sorted((sql_root / folder).glob("*.sql")):
        yield ReleaseStatement(path.relative_to(sql_root).as_posix(), path.read_text(encoding="utf-8"))
