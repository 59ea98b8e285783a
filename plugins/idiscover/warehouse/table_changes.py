"""What brings standing tables to those that a release wants: applied by itself, or planned for a person. Pure.

Redshift adds a nullable column at once and without touching a row, and makes a VARCHAR longer. Everything else either
loses something, or copies the table, or is refused; a person decides it, in a migration (`migration_files.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from idiscover.metadata.models import ObjectSpec
from idiscover.warehouse.release import tables_of
from idiscover.warehouse.table_shapes import Column, TableShape, shapes_of
from idiscover.warehouse.types import quoted
from idiscover.warehouse.views import views_on


class ChangeKind(StrEnum):
    """Of a change, and what becomes of it."""

    CREATE_TABLE = "create table"  # automatic
    ADD_COLUMN = "add column"  # automatic
    WIDEN_COLUMN = "widen column"  # automatic, outside a transaction
    ADD_NOT_NULL = "add column, not null"
    RENAME = "column renamed, or another"
    RETYPE = "other type"
    NULLABILITY = "other nullability"
    KEYS = "other keys"
    LEFT_COLUMN = "column left over"  # harmless: nothing writes it
    SHORTER_COLUMN = "column longer than needed"  # harmless


AUTOMATIC = frozenset({ChangeKind.CREATE_TABLE, ChangeKind.ADD_COLUMN, ChangeKind.WIDEN_COLUMN})
HARMLESS = frozenset({ChangeKind.LEFT_COLUMN, ChangeKind.SHORTER_COLUMN})


@dataclass(frozen=True)
class TableChange:
    """One difference between a table that stands and the one that is wanted.

    Attributes:
        table: qualified.
        column: the column; empty where it is the whole table.
        kind: what it is.
        what: in words.
        sql: the statement of an automatic one; of another the statements that a migration would have.
        why: why it is not done by itself; empty of an automatic one.
    """

    table: str
    column: str
    kind: ChangeKind
    what: str
    sql: str
    why: str = ""

    @property
    def is_automatic(self) -> bool:
        """Whether a deploy does it by itself."""
        return self.kind in AUTOMATIC

    @property
    def is_harmless(self) -> bool:
        """Whether runs go on as before if nobody does anything."""
        return self.kind in HARMLESS

    @property
    def needs_migration(self) -> bool:
        """Whether a deploy stops for it."""
        return not self.is_automatic and not self.is_harmless


def table_changes(
    standing: Mapping[str, TableShape],
    wanted: Mapping[str, TableShape],
    released: Mapping[str, TableShape] | None = None,
) -> list[TableChange]:
    """The differences, table by table as `wanted` has them.

    Args:
        standing: tables of the warehouse.
        wanted: tables of the release.
        released: tables of the release before; where a column of them goes and one of its type comes, it may have been
            renamed. What stands, where that is not known.
    """
    found: list[TableChange] = []
    for name, after in wanted.items():
        before = standing.get(name)
        if before is None:
            found.append(TableChange(name, "", ChangeKind.CREATE_TABLE, "new table", after.ddl))
            continue
        known = (released or standing).get(name, before)
        found += [*_columns(before, after, known), *_keys(before, after)]
    return found


def changes_of_edit(before: ObjectSpec, after: ObjectSpec, *, has_itg_table: bool = True) -> list[TableChange]:
    """What a deploy of an object's edited file does to its tables, or needs a migration for; what may stay is left out.

    Tables that come with the edit are left out, too: they are made whole.
    """
    standing = shapes_of_object(before, has_itg_table=has_itg_table)
    wanted = shapes_of_object(after, has_itg_table=has_itg_table)
    changes = table_changes(standing, {name: shape for name, shape in wanted.items() if name in standing})
    return [change for change in changes if not change.is_harmless]


def shapes_of_object(spec: ObjectSpec, *, has_itg_table: bool = True) -> dict[str, TableShape]:
    """The tables of an object, as a release of its file makes them."""
    return shapes_of(statement.sql for statement in tables_of(spec, has_itg_table=has_itg_table))


def _columns(before: TableShape, after: TableShape, known: TableShape) -> Iterator[TableChange]:
    gone = {
        name: column for name, column in known.columns.items() if name not in after.columns and name in before.columns
    }
    for name, column in after.columns.items():
        standing = before.columns.get(name)
        if standing is None:
            yield _missing(after, name, column, gone)
        elif standing.type != column.type:
            yield _other_type(before, after, name)
        elif standing.not_null != column.not_null:
            yield _other_nullability(before, after, name)
    for name, column in before.columns.items():
        if name not in after.columns:
            yield _left_over(after, name, column)


def _missing(table: TableShape, name: str, column: Column, gone: Mapping[str, Column]) -> TableChange:
    add = f"alter table {table.name} add column {quoted(name)} {column.type}"
    alike = [other for other, standing in gone.items() if standing == column]
    if alike:
        sql = f"alter table {table.name} rename column {quoted(alike[0])} to {quoted(name)};"
        what = f"{', '.join(alike)} → {name}: renamed, or one goes and another comes?"
        why = (
            "a column of the same type goes in the same release. Added by itself, the new one would be null where the "
            f"old one has values. Renamed: as below. Another: {add};"
        )
        return TableChange(table.name, name, ChangeKind.RENAME, what, sql, why)
    if column.not_null:
        sql = f"{add} default … not null;"
        why = "Redshift adds a NOT NULL column with a default only, and which value the rows that stand get is a choice"
        return TableChange(table.name, name, ChangeKind.ADD_NOT_NULL, f"{name} {column.type} not null", sql, why)
    return TableChange(table.name, name, ChangeKind.ADD_COLUMN, f"{name} {column.type}", f"{add};")


def _other_type(standing: TableShape, table: TableShape, name: str) -> TableChange:
    before, after = standing.columns[name], table.columns[name]
    what = f"{name}: {before.type} → {after.type}"
    sizes = _varchar_size(before.type), _varchar_size(after.type)
    if sizes[0] is not None and sizes[1] is not None and before.not_null == after.not_null:
        alter = f"alter table {table.name} alter column {quoted(name)} type {after.type};"
        if sizes[1] > sizes[0]:
            return TableChange(table.name, name, ChangeKind.WIDEN_COLUMN, what, alter)
        why = "a longer column holds every value; Redshift shortens it only if no value is longer"
        return TableChange(table.name, name, ChangeKind.SHORTER_COLUMN, what, alter, why)
    why = "Redshift changes no other type than the length of a VARCHAR in place"
    if after.not_null or name in _key_columns(table):
        return TableChange(table.name, name, ChangeKind.RETYPE, what, _copy_sql(standing, table, {name: after}), why)
    return TableChange(table.name, name, ChangeKind.RETYPE, what, _swap_sql(table.name, name, after.type), why)


def _other_nullability(standing: TableShape, table: TableShape, name: str) -> TableChange:
    after = table.columns[name]
    what = f"{name}: {'nullable → not null' if after.not_null else 'not null → nullable'}"
    why = "Redshift neither sets nor drops NOT NULL in place"
    return TableChange(table.name, name, ChangeKind.NULLABILITY, what, _copy_sql(standing, table, {name: after}), why)


def _left_over(table: TableShape, name: str, column: Column) -> TableChange:
    sql = f"{_without_view(table.name)}alter table {table.name} drop column {quoted(name)};"
    if column.not_null:
        what, why = f"{name} goes, which is not null", "rows of the release have no value for it and would be refused"
        return TableChange(table.name, name, ChangeKind.NULLABILITY, what, sql, why)
    why = "nothing writes it any more, and what it holds would be lost; the release before needs it to go back to"
    return TableChange(table.name, name, ChangeKind.LEFT_COLUMN, f"{name} {column.type}", sql, why)


def _keys(before: TableShape, after: TableShape) -> Iterator[TableChange]:
    clauses: list[str] = []
    if before.dist_key != after.dist_key:
        style = "diststyle all" if "diststyle all" in after.ddl.lower() else "diststyle even"
        clauses.append(f"alter distkey {quoted(after.dist_key)}" if after.dist_key else f"alter {style}")
    if before.sort_key != after.sort_key:
        names = ", ".join(quoted(name) for name in after.sort_key)
        clauses.append(f"alter sortkey ({names})" if names else "alter sortkey none")
    if clauses:
        what = f"{_key_text(before)} → {_key_text(after)}"
        sql = f"alter table {after.name} {', '.join(clauses)};"
        why = "Redshift writes the whole table anew, for as long as that takes, while loads of it wait"
        yield TableChange(after.name, "", ChangeKind.KEYS, what, sql, why)


def _key_text(table: TableShape) -> str:
    return f"distkey ({table.dist_key or 'none'}) sortkey ({', '.join(table.sort_key) or 'none'})"


def _key_columns(table: TableShape) -> set[str]:
    return {*table.sort_key, *([table.dist_key] if table.dist_key else [])}


def _varchar_size(kind: str) -> int | None:
    return int(kind[8:-1]) if kind.startswith("varchar(") else None


def _without_view(table: str) -> str:
    """A column of dm cannot go while a view of analysts shows it; the deploy makes them anew."""
    return f"drop view if exists {', '.join(views_on(table))};\n" if table.startswith("dm.") else ""


def _swap_sql(table: str, name: str, kind: str) -> str:
    old, new = quoted(name), quoted(f"{name}__new")
    return (
        f"{_without_view(table)}alter table {table} add column {new} {kind};\n"
        f"update {table} set {new} = cast({old} as {kind});\n"
        f"alter table {table} drop column {old};\n"
        f"alter table {table} rename column {new} to {old};"
    )


def _copy_sql(standing: TableShape, table: TableShape, cast: Mapping[str, Column]) -> str:
    """A table of the wanted form is filled, and takes the name; the deploy makes views and grants on it anew.

    Columns that do not stand yet have no values to copy: they stay null, or a person says what else.
    Nobody writes it meanwhile: rows that came between the copy and the drop would be lost. Without `cascade`: what
    other people have built on it stops the migration, and does not go without a word.
    """
    schema, _, bare_name = table.name.partition(".")
    ddl = table.ddl[table.ddl.lower().find("create table") :].strip().removesuffix(";")
    made = ddl.replace(table.name, f"{table.name}__new", 1)
    names = [name for name in table.columns if name in standing.columns]
    values = [f"cast({quoted(one)} as {cast[one].type})" if one in cast else quoted(one) for one in names]
    return (
        f"lock {table.name};\n"
        f"{_without_view(table.name)}{made};\n"
        f"insert into {table.name}__new ({', '.join(map(quoted, names))})\n"
        f"select {', '.join(values)}\nfrom {table.name};\n"
        f"drop table {table.name};\n"
        f"alter table {schema}.{bare_name}__new rename to {bare_name};"
    )
