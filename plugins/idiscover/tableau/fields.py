"""Tableau's words for a column: data type, type, aggregation, format, semantic role."""

from __future__ import annotations

from collections.abc import Mapping

from idiscover.metadata.subjects import Place
from idiscover.metadata.table_columns import Aggregation, Format, ViewColumn

# Redshift's types without their sizes, as the DDL and as the catalog's views name them.
_DATA_TYPES: Mapping[str, str] = {
    "smallint": "integer",
    "integer": "integer",
    "int": "integer",
    "bigint": "integer",
    "numeric": "real",
    "decimal": "real",
    "real": "real",
    "double precision": "real",
    "boolean": "boolean",
    "date": "date",
    "timestamp": "datetime",
    "timestamp without time zone": "datetime",
}
_AGGREGATIONS: Mapping[Aggregation, str] = {"sum": "Sum", "average": "Avg", "minimum": "Min", "maximum": "Max"}
_FORMATS: Mapping[Format, str | None] = {
    "integer": "n#,##0;-#,##0",
    "decimal": "n#,##0.00;-#,##0.00",
    "percent": "p0.0%",
    "date": "*yyyy-mm-dd",
    "datetime": "*yyyy-mm-dd hh:mm",
    "text": None,
}
_PLACES: Mapping[Place, str] = {"country": "[Country].[ISO3166_2]", "city": "[City].[Name]"}


def bracketed(name: str) -> str:
    """A field's name as Tableau writes it; a closing bracket inside is doubled."""
    return f"[{name.replace(']', ']]')}]"


def data_type(column: ViewColumn) -> str:
    """`string`, `integer`, `real`, `boolean`, `date` or `datetime`: numbers with decimals are real in Tableau."""
    return data_type_of(column.type)


def data_type_of(type_: str) -> str:
    """The same of a type's text, such as `numeric(30,6)`."""
    base = type_.partition("(")[0].strip()
    return _DATA_TYPES.get(base, "string")


def kind(column: ViewColumn) -> str:
    """`quantitative` for measures, `ordinal` for what has an order, `nominal` for the rest."""
    if column.role == "measure":
        return "quantitative"
    return "nominal" if data_type(column) in ("string", "boolean") else "ordinal"


def number_format(shown: Format) -> str | None:
    """How Tableau shows a value; None: as it does by itself."""
    return _FORMATS[shown]


def default_format(column: ViewColumn) -> str | None:
    """The same of a column. Whole numbers that group, such as a year, are shown without separators."""
    is_label = column.role == "dimension" and column.format == "integer"
    return None if is_label else number_format(column.format)


def aggregation(column: ViewColumn) -> str | None:
    """What a measure does by default; None for a dimension."""
    return _AGGREGATIONS[column.aggregation] if column.aggregation is not None else None


def semantic_role(place: Place) -> str:
    """What lets Tableau find a place on a map."""
    return _PLACES[place]
