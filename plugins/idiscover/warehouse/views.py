"""What analysts read: `dm.v_<table>` for each table of dm, and the comments on both, rendered from metadata.

The views bind to their tables: a column's comment stands on them, catalogues list their columns, and a release that
breaks one fails itself instead of somebody's dashboard. A release makes a view anew only if its columns have changed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from idiscover.metadata.models import Catalog, Family, TableSpec
from idiscover.metadata.sql_inventory import SqlInventory
from idiscover.metadata.sql_types import normal_type
from idiscover.metadata.table_columns import ViewColumn, view_columns
from idiscover.warehouse import entitlement
from idiscover.warehouse.types import literal, quoted

VIEW_PREFIX = "v_"
_SOURCE = re.compile(r'\bfrom\s+(?:"?dm"?\s*\.\s*)?"?(\w+)"?\s*;?\s*$', re.IGNORECASE)
_COLUMN = re.compile(r'^    "([^"]+)",? -- ([^:]+?)(?: not null)?: ', re.MULTILINE)


@dataclass(frozen=True)
class MartView:
    """`dm.v_<table>`: the table's columns without those of the operators.

    Attributes:
        table: what it shows.
        columns: in its order.
    """

    table: TableSpec
    columns: tuple[ViewColumn, ...]

    @property
    def name(self) -> str:
        """With its schema."""
        return view_of(self.table.table)


def view_of(table: str) -> str:
    """The view that analysts see instead of a table of dm: `dm.dim_lab` → `dm.v_dim_lab`."""
    schema, _, name = table.partition(".")
    return f"{schema}.{VIEW_PREFIX}{name}"


def views_on(table: str) -> list[str]:
    """The views of a release that read a table of dm."""
    return [view_of(table), *([entitlement.VIEW] if table == entitlement.COUNTRIES else [])]


def mart_views(catalog: Catalog, sql: SqlInventory) -> list[MartView]:
    """The view of each table of dm that has its DDL, by name."""
    tables = (table for _, table in sorted(catalog.tables.items()) if table.family is not Family.STG_TO_ITG)
    return [
        MartView(table, view_columns(table.columns, sql.tables[table.table]))
        for table in tables
        if table.table in sql.tables
    ]


def create_view(view: MartView) -> str:
    """The view; each column with its type and caption beside it, so that the text tells when one of them changes."""
    head = [f"-- {view.name}: {_line(view.table.description)}", f"-- grain: {', '.join(view.table.grain)}."]
    columns = [(column.name, _kind(column), _line(column.caption)) for column in view.columns]
    return plain_view(view.name, view.table.table, head, columns)


def plain_view(name: str, table: str, head: Sequence[str], columns: Sequence[tuple[str, str, str]]) -> str:
    """A view that shows columns of one table as they are.

    Args:
        name: with its schema.
        table: what it shows.
        head: comments.
        columns: name, type, and a text beside it.
    """
    last = len(columns) - 1
    lines = [
        f"    {quoted(column)}{',' if place < last else ''} -- {kind}: {text}"
        for place, (column, kind, text) in enumerate(columns)
    ]
    return "\n".join([*head, f"create or replace view {name} as", "select", *lines, f"from {table};"])


def plain_table(name: str, head: Sequence[str], columns: Mapping[str, str], sort_key: Sequence[str]) -> str:
    """A small table that analysts join or read, whole on every node.

    Args:
        name: with its schema.
        head: comments.
        columns: name → type, and `not null` where it is so.
        sort_key: columns.
    """
    lines = ",\n".join(f"    {quoted(column)} {kind}" for column, kind in columns.items())
    tail = [")", "diststyle all", f"sortkey ({', '.join(sort_key)});"]
    return "\n".join([*head, f"create table if not exists {name} (", lines, *tail])


def columns_of(sql: str) -> list[tuple[str, str]] | None:
    """Names and types of what `plain_view` has written, which its columns determine; None of any other view."""
    found = [(name, normal_type(kind)) for name, kind in _COLUMN.findall(sql)]
    return found or None


def reads_from(definition: str) -> str:
    """The table that a plain view shows, by its text or by what the catalogue makes of it; without its schema.

    A view follows a table that is renamed: one whose text says `dm.a` may show what is `dm.a_before` by now.
    """
    found = _SOURCE.search(definition)
    return found[1].lower() if found is not None else ""


def comments(view: MartView) -> str:
    """Comments on a table of dm, on its view, and on the columns of both."""
    described = f"{view.table.description} Grain: {', '.join(view.table.grain)}."
    return "\n".join(
        [
            f"comment on table {view.table.table} is {literal(described)};",
            f"comment on view {view.name} is {literal(described)};",
            *_column_comments(view.table.table, view.columns),
            *_column_comments(view.name, view.columns),
        ]
    )


def _column_comments(relation: str, columns: Sequence[ViewColumn]) -> Iterator[str]:
    for column in columns:
        yield f"comment on column {relation}.{quoted(column.name)} is {literal(column.description)};"


def _kind(column: ViewColumn) -> str:
    return column.type if column.is_nullable else f"{column.type} not null"


def _line(text: str) -> str:
    return " ".join(text.split())
