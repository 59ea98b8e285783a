"""Checks of objects and their delta filters; each yields what is wrong, and goes on."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator

from idiscover.errors import ConfigError
from idiscover.metadata.models import (
    TEXT_TYPES,
    Catalog,
    CountryColumn,
    CountryNone,
    CountryVia,
    FieldSpec,
    FieldType,
    ObjectSpec,
)
from idiscover.metadata.paths import delta_filter_path, object_path

# Columns that the platform or the database adds to a table, and parameters of a procedure.
RESERVED_COLUMNS = frozenset(
    {"oid", "tableoid", "xmin", "cmin", "xmax", "cmax", "ctid", "p_country_code", "p_as_of_date", "p_run_id"}
)

_CRON = re.compile(r"[0-9*/,\-A-Za-z]+( [0-9*/,\-A-Za-z]+){4}")

Problems = Iterator[ConfigError]


def names(found: Iterable[str]) -> str:
    """Sorted, on one line."""
    return ", ".join(sorted(found))


def _has_delta_filter(spec: ObjectSpec, catalog: Catalog, unread: Collection[str]) -> Problems:
    path = delta_filter_path(spec.object)
    delta = catalog.delta_filters.get(spec.object)
    if delta is None:
        if path not in unread:
            yield ConfigError(
                "an object has no delta filter", where=object_path(spec.object), expected=path, remedy=f"add {path}"
            )
        return
    if delta.field is None and spec.load_mode == "full":
        return  # no window is ever cut
    field = next((item for item in spec.fields if item.salesforce == delta.field), None)
    if field is None or field.type is not FieldType.DATETIME:
        yield ConfigError(
            "the delta field is not one of the object's datetime fields",
            where=path,
            key="field",
            got=delta.field or "no field, with load_mode: delta",
            expected=names(item.salesforce for item in spec.fields if item.type is FieldType.DATETIME),
            remedy=f"list it under fields of {object_path(spec.object)}, or name another",
        )


def filters_without_object(catalog: Catalog, unread: Collection[str]) -> Problems:
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


def same_salesforce_object_twice(catalog: Catalog) -> Problems:
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
                expected=f"none of {names(RESERVED_COLUMNS)}",
                remedy="give the column another name",
            )


def _key_and_version_fit(spec: ObjectSpec, _catalog: Catalog, _unread: Collection[str]) -> Problems:
    yield from _column_is(spec, "key", spec.key, {FieldType.ID})
    if spec.has_version_of_its_own:
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
    if other is None or isinstance(other.country, CountryNone):
        yield ConfigError(
            "the country comes from an object that has none",
            where=object_path(spec.object),
            key="country.object",
            got=rule.object,
            expected=names(
                name
                for name, item in catalog.objects.items()
                if name != spec.object and not isinstance(item.country, CountryNone)
            ),
            remedy="name another object, whose country rule is column or via",
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


def _country_ends_somewhere(spec: ObjectSpec, catalog: Catalog, _unread: Collection[str]) -> Problems:
    """A chain of `via` has to lead to a column; a circle is told once, at the first of its names."""
    trail = [spec.object]
    step: ObjectSpec | None = spec
    while step is not None and isinstance(step.country, CountryVia):
        if step.country.object in trail:
            if step.country.object == spec.object == min(trail):
                yield ConfigError(
                    "the countries of objects come from each other",
                    where=object_path(spec.object),
                    key="country.object",
                    got=" via ".join([*trail, spec.object]),
                    expected="a chain that ends at an object whose country rule is column",
                    remedy="give one of them the rule column or none",
                )
            return
        trail.append(step.country.object)
        step = catalog.objects.get(step.country.object)


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


def _column_is(spec: ObjectSpec, key: str, column: str, types: Collection[FieldType]) -> Problems:
    field = _field_of(spec, column)
    if field is None or field.type not in types:
        yield ConfigError(
            "a column is missing or of the wrong type",
            where=object_path(spec.object),
            key=key,
            got=f"{column} ({field.type.value})" if field else column,
            expected=f"a column of type {names(item.value for item in types)}: "
            f"{names(item.column for item in spec.fields if item.type in types) or 'there is none'}",
            remedy="name another column, or add the field",
        )


def _field_of(spec: ObjectSpec, column: str) -> FieldSpec | None:
    return next((field for field in spec.fields if field.column == column), None)


OBJECT_CHECKS: tuple[Callable[[ObjectSpec, Catalog, Collection[str]], Problems], ...] = (
    _has_delta_filter,
    _fields_are_unique,
    _columns_are_not_reserved,
    _key_and_version_fit,
    _country_rule_fits,
    _country_ends_somewhere,
    _schedule_is_cron,
)
