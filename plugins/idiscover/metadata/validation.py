"""Checks that span several fields or several files. All problems are found, not just the first."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

from idiscover.errors import ConfigError
from idiscover.metadata.models import (
    TEXT_TYPES,
    Catalog,
    CountryColumn,
    CountryVia,
    Family,
    FieldSpec,
    FieldType,
    ObjectSpec,
    TableSpec,
)
from idiscover.metadata.paths import delta_filter_path, object_path, table_path
from idiscover.metadata.statements import parse_call

DAG_ID_MAX_LENGTH = 64  # MWAA's InvokeRestApi takes no longer path segment
NAME_MAX_LENGTH = 40  # leaves room for what is derived from a name, such as load_<name>__superseded

# Columns that the platform or the database adds to a table, and parameters of a procedure.
RESERVED_COLUMNS = frozenset(
    {"oid", "tableoid", "xmin", "cmin", "xmax", "cmax", "ctid", "p_country_code", "p_as_of_date", "p_run_id"}
)

_CRON = re.compile(r"[0-9*/,\-A-Za-z]+( [0-9*/,\-A-Za-z]+){4}")
_INPUT_SCHEMAS: Mapping[Family, tuple[str, ...]] = {
    Family.STG_TO_ITG: ("stg", "itg"),
    Family.ITG_TO_DM: ("itg",),
    Family.DM_TO_DM: ("dm",),
}
_TARGET_SCHEMA = {Family.STG_TO_ITG: "itg", Family.ITG_TO_DM: "dm", Family.DM_TO_DM: "dm"}

Problems = Iterator[ConfigError]


def problems(catalog: Catalog, unread: Collection[str] = ()) -> list[ConfigError]:
    """All problems between fields and files; empty when the catalog is sound.

    Args:
        catalog: what could be read.
        unread: files that exist but could not be read; nothing is called missing because of them.

    Returns:
        Problems whose `where` is a file relative to `metadata/` and whose `key` is a dotted path in it.
    """
    found: list[ConfigError] = []
    for spec in catalog.objects.values():
        for check in _OBJECT_CHECKS:
            found.extend(check(spec, catalog, unread))
    found.extend(_filters_without_object(catalog, unread))
    found.extend(_same_salesforce_object_twice(catalog))
    for table in catalog.tables.values():
        for table_check in _TABLE_CHECKS:
            found.extend(table_check(table, catalog, unread))
    found.extend(_cycles(catalog))
    return found


def _has_delta_filter(spec: ObjectSpec, catalog: Catalog, unread: Collection[str]) -> Problems:
    path = delta_filter_path(spec.object)
    delta = catalog.delta_filters.get(spec.object)
    if delta is None:
        if path not in unread:
            yield ConfigError(
                "an object has no delta filter", where=object_path(spec.object), expected=path, remedy=f"add {path}"
            )
        return
    field = next((item for item in spec.fields if item.salesforce == delta.field), None)
    if field is None or field.type is not FieldType.DATETIME:
        yield ConfigError(
            "the delta field is not one of the object's datetime fields",
            where=path,
            key="field",
            got=delta.field,
            expected=_names(item.salesforce for item in spec.fields if item.type is FieldType.DATETIME),
            remedy=f"list it under fields of {object_path(spec.object)}, or name another",
        )


def _filters_without_object(catalog: Catalog, unread: Collection[str]) -> Problems:
    for name in catalog.delta_filters:
        if name not in catalog.objects and object_path(name) not in unread:
            yield ConfigError(
                "a delta filter has no object",
                where=delta_filter_path(name),
                key="object",
                got=name,
                expected=object_path(name),
                remedy="add the object's file, or remove this one",
            )


def _same_salesforce_object_twice(catalog: Catalog) -> Problems:
    first: dict[str, str] = {}
    for spec in catalog.objects.values():
        known = first.setdefault(spec.salesforce_object.lower(), spec.object)
        if known != spec.object:
            yield ConfigError(
                "a Salesforce object is extracted twice",
                where=object_path(spec.object),
                key="salesforce_object",
                got=spec.salesforce_object,
                expected=f"an object that {object_path(known)} does not extract already",
                remedy="keep one of the two files",
            )


def _fields_are_unique(spec: ObjectSpec, _catalog: Catalog, _unread: Collection[str]) -> Problems:
    for attribute in ("column", "salesforce"):
        seen: set[str] = set()
        for position, field in enumerate(spec.fields):
            value = str(getattr(field, attribute)).lower()
            if value in seen:
                yield ConfigError(
                    "a name stands twice",
                    where=object_path(spec.object),
                    key=f"fields.{position}.{attribute}",
                    got=getattr(field, attribute),
                    remedy="remove the field, or give it another name",
                )
            seen.add(value)


def _columns_are_not_reserved(spec: ObjectSpec, _catalog: Catalog, _unread: Collection[str]) -> Problems:
    for position, field in enumerate(spec.fields):
        if field.column in RESERVED_COLUMNS:
            yield ConfigError(
                "a column name is reserved",
                where=object_path(spec.object),
                key=f"fields.{position}.column",
                got=field.column,
                expected=f"none of {_names(RESERVED_COLUMNS)}",
                remedy="give the column another name",
            )


def _key_and_version_fit(spec: ObjectSpec, _catalog: Catalog, _unread: Collection[str]) -> Problems:
    yield from _column_is(spec, "key", spec.key, {FieldType.ID})
    yield from _column_is(spec, "version_column", spec.version_column, {FieldType.DATETIME})


def _country_rule_fits(spec: ObjectSpec, catalog: Catalog, unread: Collection[str]) -> Problems:
    rule = spec.country
    if isinstance(rule, CountryColumn):
        yield from _column_is(spec, "country.column", rule.column, TEXT_TYPES)
    if not isinstance(rule, CountryVia):
        return
    yield from _column_is(spec, "country.column", rule.column, {FieldType.REFERENCE})
    other = catalog.objects.get(rule.object)
    if other is None and object_path(rule.object) in unread:
        return
    if other is None or other.object == spec.object or not isinstance(other.country, CountryColumn):
        yield ConfigError(
            "the country comes from an object that does not have it",
            where=object_path(spec.object),
            key="country.object",
            got=rule.object,
            expected=_names(name for name, item in catalog.objects.items() if isinstance(item.country, CountryColumn)),
            remedy="name another object whose country rule is column",
        )
    elif other.key != spec.key:
        yield ConfigError(
            "the keys of an object and of the one its country comes from have different names",
            where=object_path(spec.object),
            key="key",
            got=f"{spec.key}, and {other.key} in {object_path(other.object)}",
            expected="the same name: the look-up relies on it",
            remedy="rename one of the columns",
        )


def _schedule_is_cron(spec: ObjectSpec, _catalog: Catalog, _unread: Collection[str]) -> Problems:
    if not _CRON.fullmatch(spec.schedule):
        yield ConfigError(
            "the schedule is not a cron expression",
            where=object_path(spec.object),
            key="schedule",
            got=spec.schedule,
            expected="five fields in UTC, such as 0 0 * * *",
            remedy="correct it",
        )


def _object_name_fits(spec: ObjectSpec, _catalog: Catalog, _unread: Collection[str]) -> Problems:
    longest = max((Family.SFDC_TO_S3, Family.S3_TO_REDSHIFT), key=len)
    yield from _name_fits(spec.object, longest, object_path(spec.object), "object")


def _table_name_fits(table: TableSpec, _catalog: Catalog, _unread: Collection[str]) -> Problems:
    yield from _name_fits(table.name, table.family, table_path(table.table), "table")


def _family_fits(table: TableSpec, _catalog: Catalog, _unread: Collection[str]) -> Problems:
    where, expected = table_path(table.table), _TARGET_SCHEMA[table.family]
    if table.table.split(".")[0] != expected:
        yield ConfigError(
            "family and schema do not fit",
            where=where,
            key="family",
            got=f"{table.family.value} for {table.table}",
            expected=f"a table of schema {expected}",
            remedy="correct family or table",
        )
    allowed = _INPUT_SCHEMAS[table.family]
    for position, item in enumerate(table.inputs):
        if item.table.split(".")[0] not in allowed:
            yield ConfigError(
                "an input does not fit the family",
                where=where,
                key=f"inputs.{position}.table",
                got=item.table,
                expected=f"tables of schema {' or '.join(allowed)} for {table.family.value}",
                remedy="correct the input or the family",
            )


def _itg_table_fits_its_object(table: TableSpec, catalog: Catalog, unread: Collection[str]) -> Problems:
    if table.family is not Family.STG_TO_ITG or object_path(table.name) in unread:
        return
    where, spec = table_path(table.table), catalog.objects.get(table.name)
    if spec is None:
        yield ConfigError(
            "an itg table has no object",
            where=where,
            key="table",
            got=table.table,
            expected=_names(f"itg.{name}" for name in catalog.objects),
            remedy=f"add {object_path(table.name)}, or name the table as its object",
        )
        return
    via = [f"itg.{spec.country.object}"] if isinstance(spec.country, CountryVia) else []
    wanted, got = {f"stg.{spec.object}", *via}, {item.table for item in table.inputs}
    if wanted != got:
        yield ConfigError(
            "an itg table must wait for its stg table and for the table its country comes from, and for nothing else",
            where=where,
            key="inputs",
            got=_names(got),
            expected=_names(wanted),
            remedy="correct the inputs",
        )
    if table.grain != (spec.key,):
        yield ConfigError(
            "the grain of an itg table is its object's key",
            where=where,
            key="grain",
            got=_names(table.grain),
            expected=spec.key,
            remedy=f"write grain: [{spec.key}]",
        )


def _inputs_exist(table: TableSpec, catalog: Catalog, unread: Collection[str]) -> Problems:
    known = {f"stg.{name}" for name in catalog.objects} | set(catalog.tables)
    for position, item in enumerate(table.inputs):
        schema, name = item.table.split(".")
        path = object_path(name) if schema == "stg" else table_path(item.table)
        if item.table not in known and path not in unread:
            yield ConfigError(
                "an input does not exist",
                where=table_path(table.table),
                key=f"inputs.{position}.table",
                got=item.table,
                expected=path,
                remedy="correct the name, or add that file",
            )
    for name, count in Counter(item.table for item in table.inputs).items():
        if count > 1:
            yield ConfigError(
                "an input stands twice",
                where=table_path(table.table),
                key="inputs",
                got=name,
                remedy="keep one",
            )


def _statements_parse(table: TableSpec, _catalog: Catalog, _unread: Collection[str]) -> Problems:
    schema = table.table.split(".")[0]
    for position, text in enumerate(table.statements):
        where, key = table_path(table.table), f"statements.{position}"
        try:
            call = parse_call(text)
        except ConfigError as error:
            yield ConfigError(
                error.what, where=where, key=key, got=error.got, expected=error.expected, remedy=error.remedy
            )
            continue
        if call.schema != schema:
            yield ConfigError(
                "a statement calls a procedure of another schema",
                where=where,
                key=key,
                got=call.qualified_name,
                expected=f"a procedure of schema {schema}",
                remedy="a procedure lies in the schema it writes to",
            )


def _cycles(catalog: Catalog) -> Problems:
    """Tables that wait for themselves; each cycle is told once, beginning at its first name."""
    inputs = {name: sorted(item.table for item in table.inputs) for name, table in catalog.tables.items()}
    done: set[str] = set()
    told: set[frozenset[str]] = set()

    def walk(name: str, trail: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        if name in trail:
            yield trail[trail.index(name) :]
        elif name not in done:
            for source in inputs.get(name, []):
                yield from walk(source, (*trail, name))
            done.add(name)

    for start in sorted(inputs):
        for cycle in walk(start, ()):
            if frozenset(cycle) in told:
                continue
            told.add(frozenset(cycle))
            first = cycle.index(min(cycle))
            order = [*cycle[first:], *cycle[:first], min(cycle)]
            yield ConfigError(
                "tables wait for each other",
                where=table_path(min(cycle)),
                key="inputs",
                got=" needs ".join(order),
                expected="inputs without a cycle",
                remedy="remove one of these inputs",
            )


def _column_is(spec: ObjectSpec, key: str, column: str, types: Collection[FieldType]) -> Problems:
    field = _field_of(spec, column)
    if field is None or field.type not in types:
        yield ConfigError(
            "a column is missing or of the wrong type",
            where=object_path(spec.object),
            key=key,
            got=f"{column} ({field.type.value})" if field else column,
            expected=f"a column of type {_names(item.value for item in types)}: "
            f"{_names(item.column for item in spec.fields if item.type in types) or 'there is none'}",
            remedy="name another column, or add the field",
        )


def _name_fits(name: str, family: Family, where: str, key: str) -> Problems:
    if "__" in name or name.endswith("_"):
        yield ConfigError(
            "a name holds a separator",
            where=where,
            key=key,
            got=name,
            expected="single underscores inside the name: two of them part family and name in a dag_id",
            remedy="rename it",
        )
    limit = min(NAME_MAX_LENGTH, DAG_ID_MAX_LENGTH - len(f"{family.value}__"))
    if len(name) > limit:
        yield ConfigError(
            "a name is too long",
            where=where,
            key=key,
            got=f"{name} ({len(name)} characters)",
            expected=f"at most {limit} characters, so that dag_ids and names of temporary tables fit",
            remedy="shorten it",
        )


def _field_of(spec: ObjectSpec, column: str) -> FieldSpec | None:
    return next((field for field in spec.fields if field.column == column), None)


def _names(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


_OBJECT_CHECKS: tuple[Callable[[ObjectSpec, Catalog, Collection[str]], Problems], ...] = (
    _object_name_fits,
    _has_delta_filter,
    _fields_are_unique,
    _columns_are_not_reserved,
    _key_and_version_fit,
    _country_rule_fits,
    _schedule_is_cron,
)
_TABLE_CHECKS: tuple[Callable[[TableSpec, Catalog, Collection[str]], Problems], ...] = (
    _table_name_fits,
    _family_fits,
    _itg_table_fits_its_object,
    _inputs_exist,
    _statements_parse,
)
