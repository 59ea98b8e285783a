"""What a person runs so that standing tables of an object follow its file: a deploy never changes a table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from idiscover.metadata.models import TEXT_TYPES, FieldSpec, ObjectSpec
from idiscover.warehouse.types import column_type, quoted


@dataclass(frozen=True)
class Alteration:
    """A statement; or, where Redshift has none (`sql` is None), what is to be done in words."""

    sql: str | None
    note: str = ""
    adds: tuple[str, str] | None = None  # table and column, of a statement that adds one


def alterations(before: ObjectSpec, after: ObjectSpec) -> Iterator[Alteration]:
    """What brings the tables of `before` to `after`, column by column."""
    tables = [f"stg.{after.object}", f"itg.{after.object}"]
    if before.history:
        tables.append(f"itg.{after.object}__history")
    standing = {field.column: field for field in before.fields}
    for field in after.fields:
        known = standing.get(field.column)
        if known is None:
            for table in tables:
                sql = f"alter table {table} add column {quoted(field.column)} {column_type(field)};"
                yield Alteration(sql, adds=(table, field.column))
        elif column_type(known) != column_type(field):
            yield from _other_type(tables, known, field)


def _other_type(tables: list[str], before: FieldSpec, after: FieldSpec) -> Iterator[Alteration]:
    old, new = column_type(before), column_type(after)
    if before.type in TEXT_TYPES and after.type in TEXT_TYPES:
        for table in tables:
            yield Alteration(f"alter table {table} alter column {quoted(after.column)} type {new};")
        return
    yield Alteration(
        None,
        f"{after.column}: {old} → {new}, which Redshift does not alter in place. Give the field another column name in "
        "the file, so that a new column holds the new type and the old one keeps what it has; or drop and rebuild",
    )
