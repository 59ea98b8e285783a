"""Columns of a dm table as analysts meet them: what people write of one, and what follows from its type in the DDL."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import Field, model_validator

from idiscover.metadata.base import ItgColumn, Model, Name, Text, unfit
from idiscover.metadata.sql_inventory import SqlColumn

Role = Literal["dimension", "measure"]
Format = Literal["integer", "decimal", "percent", "date", "datetime", "text"]
Aggregation = Literal["sum", "average", "minimum", "maximum"]

LOADED_AT = "_loaded_at_utc"
_MEASURE_TYPES = ("bigint", "numeric")
_ACRONYMS = {"hcp": "HCP", "hcps": "HCPs", "id": "ID", "tat": "TAT", "iso": "ISO", "utc": "(UTC)"}


class TableColumn(Model):
    """One column of a dm table; its type and whether it may be null stand in sql/ddl/dm/ alone."""

    name: Name = Field(description="The column, as in the table's DDL.")
    description: Text = Field(
        description="What it means, for analysts: the comment on the column, the data dictionary, the tooltip."
    )
    caption: Text | None = Field(
        default=None,
        description="Its name for people. Left out, it is made of the name: `testing_rate` becomes `Testing rate`.",
    )
    origin: ItgColumn | None = Field(
        default=None,
        description="The column of itg whose values it shows, as they are or under another form, such as"
        " `itg.account.specialty`. Left out: it is computed.",
    )
    pii: Literal["none", "pseudonym"] = Field(
        default="none",
        description="`pseudonym`: it stands for a person whom only those who may read itg can name. Nothing more"
        " personal reaches dm.",
    )
    not_personal: Text | None = Field(
        default=None,
        description="Why it holds nothing personal though its origin does, or a personal field has its name.",
    )
    role: Role | None = Field(
        default=None,
        description="Whether it groups or is computed with. Left out: `measure` for `bigint` and `numeric`, `dimension`"
        " for all other types.",
    )
    format: Format | None = Field(
        default=None,
        description="How a value is shown. Left out, the type decides: `integer` for whole numbers, `decimal` for"
        " numbers with decimals, `date`, `datetime`, else `text`. `percent` shows 0.25 as 25 %.",
    )
    folder: Text | None = Field(default=None, description="Group of columns that it is listed in; none: at the top.")
    aggregation: Aggregation | None = Field(
        default=None,
        description="What a measure does by default over several rows. Left out: `average` for percent and decimal,"
        " `sum` for others. Only for measures.",
    )

    @model_validator(mode="after")
    def _aggregation_needs_a_measure(self) -> TableColumn:
        if self.aggregation is not None and self.role == "dimension":
            raise unfit("no aggregation, for role dimension", "remove aggregation, or write role: measure")
        return self


@dataclass(frozen=True)
class ViewColumn:
    """A column of `dm.v_<table>` with all that is known of it.

    Attributes:
        name: in table and view.
        type: as in the DDL, lower case, without blanks in the brackets: `numeric(30,6)`.
        is_nullable: whether it may be null.
        aggregation: of a measure; None for a dimension.
    """

    name: str
    type: str
    is_nullable: bool
    caption: str
    description: str
    origin: str | None
    pii: Literal["none", "pseudonym"]
    role: Role
    format: Format
    folder: str | None
    aggregation: Aggregation | None


_LOADED_AT_COLUMN = TableColumn.model_construct(  # a name that metadata cannot have
    name=LOADED_AT,
    description="When the row was written, UTC. All rows of a country are written together.",
    caption="Loaded at (UTC)",
)


def view_columns(columns: Iterable[TableColumn], sql: Mapping[str, SqlColumn]) -> tuple[ViewColumn, ...]:
    """Columns of a table's view: the described ones in their order, then `_loaded_at_utc`.

    Args:
        columns: of the table's file.
        sql: the columns of its DDL; what it does not have is left out, as a check of the metadata tells of it.
    """
    shown = (*columns, _LOADED_AT_COLUMN)
    return tuple(_with_defaults(column, sql[column.name]) for column in shown if column.name in sql)


def _with_defaults(column: TableColumn, sql: SqlColumn) -> ViewColumn:
    role: Role = column.role or ("measure" if sql.base_type in _MEASURE_TYPES else "dimension")
    shown = column.format or _format_of(sql)
    by_format: Aggregation = "average" if shown in ("percent", "decimal") else "sum"
    return ViewColumn(
        name=column.name,
        type=sql.type,
        is_nullable=sql.is_nullable,
        caption=column.caption or caption_of(column.name),
        description=column.description,
        origin=column.origin,
        pii=column.pii,
        role=role,
        format=shown,
        folder=column.folder,
        aggregation=(column.aggregation or by_format) if role == "measure" else None,
    )


def caption_of(name: str) -> str:
    """A column's name for people: `p50_tat_days` becomes `P50 TAT days`."""
    words = [_ACRONYMS.get(word, word) for word in name.strip("_").split("_")]
    first = words[0]
    return " ".join([first[0].upper() + first[1:], *words[1:]])


def _format_of(sql: SqlColumn) -> Format:
    if sql.base_type in ("smallint", "integer", "bigint"):
        return "integer"
    if sql.base_type == "numeric":
        return "integer" if sql.type.endswith(",0)") else "decimal"
    return {"date": "date", "timestamp": "datetime"}.get(sql.base_type, "text")  # type: ignore[return-value]
