"""Checks of a table's data, as people declare them in its file: `checks:` in `metadata/tables/<schema>.<table>.yaml`.

Each looks at the slices that a refresh has just written, in the refresh's own transaction. What a check is as SQL says
`warehouse/checks.py`; whether the names in it exist, `check_rules.py`. (`table_checks.py` checks the files, not data.)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field, model_validator

from idiscover.metadata.base import ColumnName, Model, Name, PlainText, QualifiedName, Text, unfit

UNKNOWN_MEMBER = "UNKNOWN"  # a key of dm that points nowhere
REFERENCE_SLICE = "ZZ"  # rows without a country, and reference data

Value = PlainText | bool | int


class _Check(Model):
    """What all kinds of checks have."""

    name: Name | None = Field(
        default=None,
        description="What results, mails and `idiscover status` call it; each name once in a table. Left out, it is"
        " made of the kind and the column.",
    )
    severity: Literal["fail", "warn"] = Field(
        default="fail",
        description="`fail`: the slice is rolled back, so that its last good rows stay in place, and the run fails."
        " `warn`: the run goes on, and the owner is told.",
    )

    @property
    def parts_of_label(self) -> Sequence[str]:
        """Names of columns or tables that tell it from others of its kind."""
        return ()

    @property
    def label(self) -> str:
        """What it is called everywhere."""
        return self.name or "_".join([self.kind, *(part.strip("_").replace(".", "_") for part in self.parts_of_label)])  # type: ignore[attr-defined]


class UniqueKey(_Check):
    """No two rows have the same key."""

    kind: Literal["unique_key"] = Field(description="No two rows have the same values in these columns.")
    columns: tuple[ColumnName, ...] = Field(
        default=(), description="The key. Left out: the table's grain, which is checked in any case."
    )
    scope: Literal["table", "slice"] = Field(
        default="table",
        description="Among which rows. `table`: no row of another slice may have a key that was written, either; the"
        " key's columns of the whole table are read for it, unless the country is part of the key. `slice`: within the"
        " slices that were written.",
    )

    @property
    def parts_of_label(self) -> Sequence[str]:
        """The key; none for the grain."""
        return self.columns


class NotNull(_Check):
    """Columns always have a value."""

    kind: Literal["not_null"] = Field(description="These columns have a value in every row.")
    columns: tuple[ColumnName, ...] = Field(min_length=1, description="Columns without nulls.")

    @property
    def parts_of_label(self) -> Sequence[str]:
        """The columns."""
        return self.columns


class AcceptedValues(_Check):
    """A column holds one of a few values."""

    kind: Literal["accepted_values"] = Field(description="The column holds one of these values, or null.")
    column: ColumnName = Field(description="The column.")
    values: tuple[Value, ...] = Field(
        min_length=1, description="All values that it may have, besides null: texts, whole numbers, or true and false."
    )

    @model_validator(mode="after")
    def _values_are_of_one_type(self) -> AcceptedValues:
        if len({type(value) for value in self.values}) > 1:
            raise unfit("values of one type", "put texts in quotes", {"values": ["?"]})
        return self

    @property
    def parts_of_label(self) -> Sequence[str]:
        """The column."""
        return (self.column,)


class ForeignKey(_Check):
    """A column points to a row of another table."""

    kind: Literal["foreign_key"] = Field(description="What the column holds stands in a column of another table.")
    column: ColumnName = Field(description="The column that points; null points nowhere, and passes.")
    references: QualifiedName = Field(
        description="A table of itg or dm that the table is computed from, or itself: of any other, nobody knows"
        " whether it was refreshed before."
    )
    key: ColumnName = Field(description="Its column that is pointed to.")
    allow: tuple[PlainText, ...] = Field(
        default=(), description="Values that need no row there, such as `UNKNOWN`, the unknown member of dm."
    )
    rows: Text | None = Field(
        default=None,
        description="Which rows have to point there, as an expression over this table's columns (see `holds`), such as"
        " `_country_code <> 'ZZ'`. Left out: all.",
    )
    slices: Literal["same", "any"] = Field(
        default="any",
        description="`same`: the row has to lie in the same slice; only these slices of the other table are read."
        " `any`: wherever it lies, as with reference data.",
    )

    @property
    def parts_of_label(self) -> Sequence[str]:
        """The column."""
        return (self.column,)


class RowCount(_Check):
    """A slice does not grow or shrink beyond measure."""

    kind: Literal["row_count"] = Field(
        description="A slice has about as many rows as its last good state: the rows that stood there before the"
        " refresh, each country compared with itself. A slice that was empty passes."
    )
    min_percent: int | None = Field(
        default=None, ge=0, le=100, description="Of the rows before, it has at least this many percent."
    )
    max_percent: int | None = Field(
        default=None, ge=100, le=100_000, description="Of the rows before, it has at most this many percent."
    )
    from_rows: int = Field(
        default=100, ge=1, description="Slices that had fewer rows, and still have fewer, are not compared."
    )
    slices: Literal["countries", "all"] = Field(
        default="countries",
        description="`countries`: all slices but `ZZ`, where rows stand until their country is known: it grows and"
        " shrinks as it pleases. `all`: it too, for tables of reference data.",
    )

    @model_validator(mode="after")
    def _has_a_bound(self) -> RowCount:
        if self.min_percent is None and self.max_percent is None:
            raise unfit("min_percent or max_percent", "add one of them, or both", {"min_percent": 0})
        return self


class Freshness(_Check):
    """A slice has something new."""

    kind: Literal["freshness"] = Field(
        description="The newest value of a column is not too old, by the order date of the refresh. A slice without"
        " rows passes."
    )
    column: ColumnName = Field(description="A column of times or days, with nothing personal.")
    at_most_days: int = Field(
        ge=1, le=3660, description="Days from the newest value to the end of the order date, at most."
    )
    slices: Literal["countries", "all"] = Field(
        default="countries",
        description="`countries`: all slices but `ZZ`, where rows without a country stand. `all`: it too, for tables of"
        " reference data.",
    )

    @property
    def parts_of_label(self) -> Sequence[str]:
        """The column."""
        return (self.column,)


class Sum(Model):
    """A column whose sum is compared."""

    column: ColumnName = Field(description="A column of numbers.")
    source_column: ColumnName | None = Field(
        default=None, description="The column of the source; left out, it has the same name."
    )
    source_expression: Text | None = Field(
        default=None,
        description="Instead of a column: an expression over columns of the source (see `holds`), such as"
        " `coalesce(tested_patients, 0)`.",
    )


class Reconciliation(_Check):
    """Counts and sums of a slice are those of the table that it comes from."""

    kind: Literal["reconciliation"] = Field(
        description="Each slice has as many rows as the same slice of another table, and the same sums."
    )
    source: QualifiedName = Field(
        description="A table that this one is computed from, one of its inputs: of any other, nobody knows whether it"
        " was refreshed before."
    )
    rows: bool = Field(default=True, description="true: numbers of rows are compared.")
    sums: tuple[Sum, ...] = Field(default=(), description="Sums that are compared; nulls count as 0.")
    source_rows: Text | None = Field(
        default=None,
        description="Which rows of the source count, as an expression over its columns (see `holds`), such as `not"
        " coalesce(is_deleted, false)`. Left out: all.",
    )
    target_rows: Text | None = Field(
        default=None, description="Which rows of this table count, as an expression over its columns. Left out: all."
    )
    unknown_member: bool = Field(
        default=False, description="true: slice `ZZ` has one row more than the source, the unknown member."
    )

    @property
    def parts_of_label(self) -> Sequence[str]:
        """The source."""
        return (self.source,)

    @model_validator(mode="after")
    def _compares_something(self) -> Reconciliation:
        if not self.rows and not self.sums:
            raise unfit("rows: true, or sums", "remove rows: false, or add sums", {"rows": True})
        return self


class Expression(_Check):
    """A condition that every row meets."""

    kind: Literal["expression"] = Field(description="A condition holds in every row; where it is null, it holds.")
    name: Name = Field(description="What results, mails and `idiscover status` call it; each name once in a table.")
    holds: Text = Field(
        max_length=500,
        description="The condition: columns of the table, numbers, texts in single quotes, `date '2026-01-05'`, true,"
        " false, null; `= <> < <= > >=`, `is null`, `in (…)`, `between … and …`, `and`, `or`, `not`, `+ - *`, brackets;"
        " `abs`, `coalesce`, `length`, `lower`, `nullif`, `round`, `upper`. Nothing else: no subquery, and no division,"
        " which may fail.",
    )


TableCheck = Annotated[
    UniqueKey | NotNull | AcceptedValues | ForeignKey | RowCount | Freshness | Reconciliation | Expression,
    Field(discriminator="kind"),
]


def checks_in_force(declared: Sequence[TableCheck]) -> tuple[TableCheck, ...]:
    """Those that are declared, and first of all the one of the grain, which every table has."""
    if any(isinstance(check, UniqueKey) and not check.columns for check in declared):
        return tuple(declared)
    return (UniqueKey(kind="unique_key"), *declared)
