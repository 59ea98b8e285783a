"""What declared checks of data (`table_checks_spec.py`) are held to: names that exist, and tables that are in step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from idiscover.errors import ConfigError
from idiscover.metadata.expressions import Condition, parse_condition
from idiscover.metadata.models import DECIMAL_TYPES, Catalog, FieldType, PiiClass, TableSpec
from idiscover.metadata.object_checks import Problems, names
from idiscover.metadata.paths import object_path, table_path
from idiscover.metadata.spelling import nearest
from idiscover.metadata.sql_inventory import SqlInventory
from idiscover.metadata.table_checks_spec import (
    AcceptedValues,
    Expression,
    ForeignKey,
    Freshness,
    NotNull,
    Reconciliation,
    TableCheck,
    UniqueKey,
    checks_in_force,
)

LABEL_MAX_LENGTH = 63
SYSTEM_COLUMNS_OF_ITG = frozenset({"_country_code", "_read_at_utc", "_batch_id", "_run_id", "_loaded_at_utc"})


@dataclass(frozen=True)
class _Kind:
    """Types of columns that a check can do something with: of fields, and of columns of dm, without their sizes."""

    fields: frozenset[FieldType]
    columns: frozenset[str]


_NUMBERS = _Kind(
    DECIMAL_TYPES | {FieldType.INT},
    frozenset({"smallint", "int", "integer", "bigint", "numeric", "decimal", "real", "double precision"}),
)
_TIMES = _Kind(frozenset({FieldType.DATE, FieldType.DATETIME}), frozenset({"date", "timestamp", "timestamptz"}))


@dataclass(frozen=True)
class _Named:
    """A column that a check names: at which key of its file, and of which table."""

    key: str
    table: str
    column: str
    kind: _Kind | None = None  # what will do
    is_told: bool = False  # its values stand in results and mails, and may not be personal


def _checks_are_told_apart(table: TableSpec, _catalog: Catalog, _unread: Collection[str]) -> Problems:
    """Each check of a table has a name of its own."""
    labels = Counter(check.label for check in checks_in_force(table.checks))
    for position, check in enumerate(table.checks):
        key, where = f"checks.{position}.name", table_path(table.table)
        if labels[check.label] > 1:
            yield ConfigError(
                "two checks of a table have the same name",
                where=where,
                key=key,
                got=check.label,
                expected="a name that stands once",
                remedy="give one of them a name:",
            )
        elif len(check.label) > LABEL_MAX_LENGTH:
            yield ConfigError(
                "the name of a check is too long",
                where=where,
                key=key,
                got=check.label,
                expected=f"at most {LABEL_MAX_LENGTH} characters",
                remedy="give it a shorter name:",
            )


def _checks_look_at_inputs(table: TableSpec, _catalog: Catalog, _unread: Collection[str]) -> Problems:
    """Checks compare a table with its inputs or itself, and with no table that may be refreshed later."""
    inputs = {item.table for item in table.inputs if not item.table.startswith("stg.")}
    for position, check in enumerate(table.checks):
        if isinstance(check, ForeignKey):
            key, other, allowed = "references", check.references, inputs | {table.table}
        elif isinstance(check, Reconciliation):
            key, other, allowed = "source", check.source, inputs
        else:
            continue
        if other not in allowed:
            yield ConfigError(
                "a check looks at a table that is no input",
                where=table_path(table.table),
                key=f"checks.{position}.{key}",
                got=other,
                expected=names(allowed) or "a table of itg or dm among the inputs",
                did_you_mean=nearest(other, allowed),
                remedy="correct the name, or check it in the file of a table that waits for both",
            )


def _conditions_can_be_read(table: TableSpec, _catalog: Catalog, _unread: Collection[str]) -> Problems:
    """Conditions of checks are of the small part of SQL that cannot fail."""
    for position, check in enumerate(table.checks):
        for key, _, text in _conditions(check, table.table):
            try:
                parse_condition(text)
            except ConfigError as error:
                yield error.at(table_path(table.table), f"checks.{position}.{key}")


def _columns_of_itg_exist(table: TableSpec, catalog: Catalog, unread: Collection[str]) -> Problems:
    """Columns of itg that checks name are fields of the object, of a type that will do."""
    for named in _named_columns(table):
        schema, name = named.table.split(".")
        spec = catalog.objects.get(name)
        if schema != "itg" or spec is None or object_path(name) in unread:
            continue
        fields = {field.column: field for field in spec.fields}
        yield from _unknown(table, named, fields.keys() | SYSTEM_COLUMNS_OF_ITG)
        field = fields.get(named.column)
        if field is None:
            continue
        if named.kind is not None and field.type not in named.kind.fields:
            yield _of_another_type(table, named, field.type.value, [kind.value for kind in named.kind.fields])
        elif named.is_told and field.pii is not PiiClass.NONE:
            yield ConfigError(
                "a check would tell what is personal",
                where=table_path(table.table),
                key=named.key,
                got=f"{named.table}.{named.column}, pii {field.pii.value}",
                expected="a field with pii none",
                remedy="name another column",
            )


def _columns_of_dm_exist(table: TableSpec, _catalog: Catalog, sql: SqlInventory) -> Problems:
    """Columns of dm that checks name are in the table's DDL, and of a type that will do."""
    for named in _named_columns(table):
        columns = sql.tables.get(named.table)
        if not named.table.startswith("dm.") or columns is None:
            continue
        yield from _unknown(table, named, columns)
        column = columns.get(named.column)
        if column is not None and named.kind is not None and column.base_type not in named.kind.columns:
            yield _of_another_type(table, named, column.type, named.kind.columns)


def _of_another_type(table: TableSpec, named: _Named, got: str, expected: Collection[str]) -> ConfigError:
    return ConfigError(
        "a check names a column of another type",
        where=table_path(table.table),
        key=named.key,
        got=f"{named.table}.{named.column}, of type {got}",
        expected=f"a column of type {names(expected)}",
        remedy="name another column",
    )


def _unknown(table: TableSpec, named: _Named, known: Collection[str]) -> Iterator[ConfigError]:
    if named.column not in known:
        yield ConfigError(
            "a check names a column that does not exist",
            where=table_path(table.table),
            key=named.key,
            got=f"{named.table}.{named.column}",
            expected=names(known),
            did_you_mean=nearest(named.column, known),
            remedy="correct the name",
        )


def _named_columns(table: TableSpec) -> Iterator[_Named]:
    for position, check in enumerate(table.checks):
        here = f"checks.{position}"
        if isinstance(check, UniqueKey | NotNull):
            is_told = isinstance(check, UniqueKey)  # the key itself; of a null the grain is told
            for place, column in enumerate(check.columns):
                yield _Named(f"{here}.columns.{place}", table.table, column, is_told=is_told)
        elif isinstance(check, AcceptedValues):
            yield _Named(f"{here}.column", table.table, check.column)
        elif isinstance(check, Freshness):
            yield _Named(f"{here}.column", table.table, check.column, _TIMES, is_told=True)
        elif isinstance(check, ForeignKey):
            yield _Named(f"{here}.column", table.table, check.column)
            yield _Named(f"{here}.key", check.references, check.key)
        elif isinstance(check, Reconciliation):
            for place, item in enumerate(check.sums):
                key = f"{here}.sums.{place}"
                yield _Named(f"{key}.column", table.table, item.column, _NUMBERS, is_told=True)
                if item.source_expression is None:
                    source_key = "source_column" if item.source_column else "column"
                    yield _Named(
                        f"{key}.{source_key}", check.source, item.source_column or item.column, _NUMBERS, is_told=True
                    )
        for key, other, text in _conditions(check, table.table):
            for column in sorted(_columns(text)):
                yield _Named(f"{here}.{key}", other, column)


def _conditions(check: TableCheck, table: str) -> Iterator[tuple[str, str, str]]:
    """Key, table and text of each condition of a check."""
    if isinstance(check, Expression):
        yield "holds", table, check.holds
    elif isinstance(check, ForeignKey):
        if check.rows is not None:
            yield "rows", table, check.rows
    elif isinstance(check, Reconciliation):
        for place, item in enumerate(check.sums):
            if item.source_expression is not None:
                yield f"sums.{place}.source_expression", check.source, item.source_expression
        if check.source_rows is not None:
            yield "source_rows", check.source, check.source_rows
        if check.target_rows is not None:
            yield "target_rows", table, check.target_rows


def _columns(text: str) -> Collection[str]:
    try:
        condition: Condition = parse_condition(text)
    except ConfigError:
        return ()  # told elsewhere
    return condition.columns


CHECK_RULES: tuple[Callable[[TableSpec, Catalog, Collection[str]], Problems], ...] = (
    _checks_are_told_apart,
    _checks_look_at_inputs,
    _conditions_can_be_read,
    _columns_of_itg_exist,
)
CHECK_RULES_WITH_SQL: tuple[Callable[[TableSpec, Catalog, SqlInventory], Problems], ...] = (_columns_of_dm_exist,)
