"""The data dictionary: every column that analysts can read, as a view they can query and as a page of docs/."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from idiscover.metadata.models import Catalog
from idiscover.metadata.table_columns import ViewColumn, caption_of
from idiscover.warehouse.types import literal, quoted
from idiscover.warehouse.views import MartView, plain_table, plain_view

TABLE = "dm.data_dictionary"
VIEW = "dm.v_data_dictionary"
COLUMNS: Mapping[str, str] = {
    "view_name": "varchar(128)",
    "column_name": "varchar(63)",
    "column_position": "integer",
    "data_type": "varchar(64)",
    "is_nullable": "boolean",
    "caption": "varchar(1024)",
    "description": "varchar(4096)",
    "column_role": "varchar(16)",
    "format": "varchar(16)",
    "aggregation": "varchar(16)",
    "folder": "varchar(1024)",
    "pii": "varchar(16)",
    "salesforce_origin": "varchar(256)",
    "view_description": "varchar(4096)",
    "grain": "varchar(1024)",
    "owner_name": "varchar(1024)",
    "owner_email": "varchar(320)",
}
_HEAD = "what the columns of dm's views mean. grain: view_name, column_name."
CREATE_TABLE = plain_table(
    TABLE,
    [f"-- {TABLE}: {_HEAD} Filled by each release.", "-- On every node: a few hundred rows that people read."],
    COLUMNS,
    ["view_name", "column_position"],
)
CREATE_VIEW = plain_view(
    VIEW,
    TABLE,
    [f"-- {VIEW}: {_HEAD}"],
    [(name, kind, caption_of(name)) for name, kind in COLUMNS.items()],
)


def fill(views: Sequence[MartView], catalog: Catalog) -> Iterator[tuple[str, str]]:
    """Name and text of the statements that fill the dictionary anew."""
    yield "dictionary: none", f"delete from {TABLE};"
    for view in views:
        rows = ",\n".join(f"({', '.join(row)})" for row in _rows(view, catalog))
        yield f"dictionary {view.name}", f"insert into {TABLE} ({', '.join(map(quoted, COLUMNS))}) values\n{rows};"


def _rows(view: MartView, catalog: Catalog) -> Iterator[list[str]]:
    table = view.table
    for position, column in enumerate(view.columns, start=1):
        texts: list[str | None] = [column.caption, column.description, column.role, column.format, column.aggregation]
        texts += [column.folder, column.pii, salesforce_origin(column, catalog)]
        texts += [table.description, ", ".join(table.grain), table.owner.name, table.owner.email]
        values = [literal(view.name), literal(column.name), str(position), literal(column.type)]
        yield [*values, str(column.is_nullable).lower(), *("null" if text is None else literal(text) for text in texts)]


def salesforce_origin(column: ViewColumn, catalog: Catalog) -> str | None:
    """`Account.Specialty__c`, where the column shows a field of Salesforce."""
    if column.origin is None:
        return None
    _, name, wanted = column.origin.split(".")
    spec = catalog.objects.get(name)
    fields = [field.salesforce for field in spec.fields if field.column == wanted] if spec is not None else []
    return f"{spec.salesforce_object}.{fields[0]}" if spec is not None and fields else None


def page(views: Sequence[MartView], catalog: Catalog) -> str:
    """docs/dictionary.md."""
    parts = [_HEAD, *(_section(view, catalog) for view in views)]
    return "\n".join(parts)


_HEAD = """\
# Data dictionary

<!-- made by idiscover schema from metadata/tables/ and sql/ddl/dm/: edit those -->

Every view that analysts can read, column by column; `dm.v_data_dictionary` has the same in the warehouse.
[marts.md](marts.md) says how each column is computed. *pseudonym*: it stands for a person whom only those who may read
itg can name.
"""


def _section(view: MartView, catalog: Catalog) -> str:
    table = view.table
    head = [
        f"## {view.name}",
        f"{table.description} One row for each {', '.join(f'`{name}`' for name in table.grain)}."
        f" Owner: {table.owner.name}.",
        "",
        "| column | type | caption | meaning | from |",
        "|---|---|---|---|---|",
    ]
    rows = [_row(column, catalog) for column in view.columns]
    return "\n".join([*head, *rows, ""])


def _row(column: ViewColumn, catalog: Catalog) -> str:
    kind = column.type if column.is_nullable else f"{column.type} not null"
    note = "" if column.pii == "none" else " *pseudonym*"
    cells = [column.name, kind, column.caption, column.description + note, salesforce_origin(column, catalog) or ""]
    return "| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in cells) + " |"
