"""Checks of tables against the SQL of the repository, where it is at hand: what a statement names has to be there."""

from __future__ import annotations

from collections.abc import Callable

from idiscover.errors import ConfigError
from idiscover.metadata.models import Catalog, Family, TableSpec
from idiscover.metadata.object_checks import Problems, names
from idiscover.metadata.paths import table_path
from idiscover.metadata.spelling import nearest
from idiscover.metadata.sql_inventory import SqlInventory
from idiscover.metadata.statements import parse_call

RENDERED_PARAMETERS = 3  # of a procedure of itg: country, order date, run


def _procedures_exist(table: TableSpec, catalog: Catalog, sql: SqlInventory) -> Problems:
    """Procedures that statements call exist, and take as many arguments."""
    rendered = {item.table.replace(".", ".load_"): RENDERED_PARAMETERS for item in _itg_tables(catalog)}
    known, own = {**sql.procedures, **rendered}, table.table.replace(".", ".load_")
    for position, text in enumerate(table.statements):
        try:
            call = parse_call(text)
        except ConfigError:
            continue  # told elsewhere
        key, where = f"statements.{position}", table_path(table.table)
        near = nearest(call.qualified_name, [name for name in known if name.startswith(call.schema)])
        if call.qualified_name not in known:
            if near == own and len(table.statements) == 1:
                continue  # told elsewhere: no statement fills the table
            yield ConfigError(
                "a statement calls a procedure that does not exist",
                where=where,
                key=key,
                got=call.qualified_name,
                expected=f"create or replace procedure {call.qualified_name} in sql/procedures/{table.family.value}/",
                did_you_mean=near,
                remedy="correct the name, or write the procedure",
            )
        elif len(call.arguments) != known[call.qualified_name]:
            yield ConfigError(
                "a statement passes another number of arguments than its procedure takes",
                where=where,
                key=key,
                got=f"{len(call.arguments)} arguments",
                expected=f"{known[call.qualified_name]}, as {call.qualified_name} has parameters",
                remedy="correct the statement",
            )


def _dm_tables_exist(table: TableSpec, _catalog: Catalog, sql: SqlInventory) -> Problems:
    """Tables of dm have their DDL, with the columns of their grain."""
    if table.family is Family.STG_TO_ITG or not table.table.startswith("dm."):
        return
    where, columns = table_path(table.table), sql.tables.get(table.table)
    if columns is None:
        yield ConfigError(
            "a table of dm has no DDL",
            where=where,
            key="table",
            got=table.table,
            expected=f"create table if not exists {table.table} in sql/ddl/dm/{table.name}.sql",
            did_you_mean=nearest(table.table, sql.tables),
            remedy="correct the name, or write that file",
        )
        return
    for position, column in enumerate(table.grain):
        if column not in columns:
            yield ConfigError(
                "a column of the grain is not in the table",
                where=where,
                key=f"grain.{position}",
                got=column,
                expected=names(name for name in columns if not name.startswith("_")),
                did_you_mean=nearest(column, columns),
                remedy="correct the name",
            )


def _dm_columns_are_described(table: TableSpec, _catalog: Catalog, sql: SqlInventory) -> Problems:
    """Tables of dm describe each column of their DDL, and no other."""
    standing = sql.tables.get(table.table)
    if table.family is Family.STG_TO_ITG or standing is None:
        return  # told elsewhere
    where, ddl = table_path(table.table), f"sql/ddl/dm/{table.name}.sql"
    described = [column.name for column in table.columns]
    lacking = [name for name in standing if not name.startswith("_") and name not in described]
    for position, name in enumerate(described):
        if name not in standing:
            near = nearest(name, lacking)
            yield ConfigError(
                "a described column is not in the table",
                where=where,
                key=f"columns.{position}.name",
                got=name,
                expected=f"a column of {ddl}",
                did_you_mean=near,
                remedy="correct the name, or add the column to the DDL",
            )
            lacking = [column for column in lacking if column != near]
    if lacking:
        yield ConfigError(
            "a column of the table is not described",
            where=where,
            key="columns",
            got=f"no {names(lacking)}",
            expected=f"every column of {ddl} but those that begin with _",
            remedy=f'add to columns: - {{name: {lacking[0]}, description: "what it means, for analysts"}}',
        )


def _itg_tables(catalog: Catalog) -> list[TableSpec]:
    return [table for table in catalog.tables.values() if table.family is Family.STG_TO_ITG]


SQL_CHECKS: tuple[Callable[[TableSpec, Catalog, SqlInventory], Problems], ...] = (
    _procedures_exist,
    _dm_tables_exist,
    _dm_columns_are_described,
)
