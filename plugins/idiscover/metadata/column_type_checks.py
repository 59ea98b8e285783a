"""Checks of what analysts are told of columns against the columns' types in the DDL, where it is at hand."""

from __future__ import annotations

from collections.abc import Callable

from idiscover.errors import ConfigError
from idiscover.metadata.models import Catalog, TableSpec
from idiscover.metadata.object_checks import Problems
from idiscover.metadata.paths import subject_path, table_path
from idiscover.metadata.sql_inventory import SqlInventory
from idiscover.metadata.table_columns import ViewColumn, view_columns

_NUMBERS = ("smallint", "integer", "bigint", "numeric", "real", "double precision")
_FITTING = {
    "integer": _NUMBERS,
    "decimal": _NUMBERS,
    "percent": _NUMBERS,
    "date": ("date", "timestamp"),
    "datetime": ("date", "timestamp"),
}


def _columns_are_shown_as_their_types(table: TableSpec, _catalog: Catalog, sql: SqlInventory) -> Problems:
    """Measures of dm are numbers, and a column's format is one of its type; only measures have an aggregation."""
    found = _view_columns(table, sql)
    for position, column in enumerate(table.columns):
        view_column = found.get(column.name)
        if view_column is None:
            continue  # told elsewhere
        base = view_column.type.partition("(")[0]
        if view_column.role == "measure" and base not in _NUMBERS:
            yield _unfit(table, position, "role", "measure", f"dimension, for {base}")
        elif column.aggregation is not None and view_column.role == "dimension":
            yield _unfit(table, position, "aggregation", column.aggregation, f"none: {base} is a dimension")
        if column.format is not None and base not in _FITTING.get(column.format, (base,)):
            yield _unfit(table, position, "format", column.format, f"one for {base}, or none")


def _ratios_divide_measures(table: TableSpec, catalog: Catalog, sql: SqlInventory) -> Problems:
    """Ratios of a subject divide measures of its view."""
    found = _view_columns(table, sql)
    for subject in catalog.subjects.values():
        if subject.table != table.table:
            continue
        for position, ratio in enumerate(subject.ratios):
            for key in ("numerator", "denominator"):
                column = found.get(getattr(ratio, key))
                if column is not None and column.role != "measure":
                    yield ConfigError(
                        "a ratio divides what is no measure",
                        where=subject_path(subject.subject),
                        key=f"ratios.{position}.{key}",
                        got=f"{column.name}, a dimension of type {column.type}",
                        expected="a measure, which can be summed",
                        remedy=f"name another column, or write role: measure in {table_path(table.table)}",
                    )


def _view_columns(table: TableSpec, sql: SqlInventory) -> dict[str, ViewColumn]:
    standing = sql.tables.get(table.table, {})
    return {column.name: column for column in view_columns(table.columns, standing)}


def _unfit(table: TableSpec, position: int, key: str, got: str, expected: str) -> ConfigError:
    return ConfigError(
        "a column cannot be shown so",
        where=table_path(table.table),
        key=f"columns.{position}.{key}",
        got=got,
        expected=expected,
        remedy=f"correct {key}, or leave it away: the type decides",
    )


COLUMN_TYPE_CHECKS: tuple[Callable[[TableSpec, Catalog, SqlInventory], Problems], ...] = (
    _columns_are_shown_as_their_types,
    _ratios_divide_measures,
)
