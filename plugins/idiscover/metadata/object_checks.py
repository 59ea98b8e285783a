"""Checks of objects and their delta filters; each yields what is wrong, and goes on.

The first line of a check says what has to be so: `idiscover validate` tells it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator

from idiscover.errors import ConfigError
from idiscover.metadata.models import (
    TEXT_TYPES,
    Catalog,
    CountryColumn,
    CountryNone,
    CountryVia,
    Family,
    FieldSpec,
    FieldType,
    ObjectSpec,
)
from idiscover.metadata.paths import delta_filter_path, object_path
from idiscover.metadata.reserved_words import REDSHIFT_RESERVED_WORDS
from idiscover.metadata.schedules import EXPECTED as CRON
from idiscover.metadata.schedules import cron_fault
from idiscover.metadata.spelling import nearest

DAG_ID_MAX_LENGTH = 50  # MWAA's InvokeRestApi takes paths of 64 characters, such as /dags/<dag_id>/dagRuns
NAME_MAX_LENGTH = 34  # with s3_to_redshift__ in front, a dag_id; leaves room for load_<name>__superseded too
COLUMNS_MAX = 1600  # of a Redshift table
SYSTEM_COLUMNS = 5  # of a table of itg: see docs/architecture.md
RESERVED_OBJECTS = frozenset({"batch_load", "table_migration"})  # in stg the ledgers of loads and of changed tables
# Columns that the platform or the database adds to a table, and parameters of a procedure.
RESERVED_COLUMNS = frozenset(
    {"oid", "tableoid", "xmin", "cmin", "xmax", "cmax", "ctid", "p_country_code", "p_as_of_date", "p_run_id"}
)

Problems = Iterator[ConfigError]


def names(found: Iterable[str]) -> str:
    """Sorted, on one line."""
    return ", ".join(sorted(found))


def name_fits(name: str, family: Family, where: str, key: str) -> Problems:
    """Names of objects and tables fit into dag_ids, and are no words that Redshift reserves."""
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
    if name in REDSHIFT_RESERVED_WORDS:
        yield ConfigError(
            "a name is reserved by Redshift",
            where=where,
            key=key,
            got=name,
            expected="a name that SQL can write without quotes",
            remedy=f"rename it, for example to sf_{name}",
        )


def _object_name_fits(spec: ObjectSpec, _catalog: Catalog, _unread: Collection[str]) -> Problems:
    """Names of objects fit into dag_ids, and are no words that Redshift reserves."""
    longest = max((Family.SFDC_TO_S3, Family.S3_TO_REDSHIFT), key=len)
    yield from name_fits(spec.object, longest, object_path(spec.object), "object")
    if spec.object in RESERVED_OBJECTS:
        yield ConfigError(
            "a name is that of a table of the platform's own",
            where=object_path(spec.object),
            key="object",
            got=spec.object,
            expected=f"any other: stg.{spec.object} is the ledger of loads",
            remedy=f"rename it, for example to sf_{spec.object}",
        )


def _has_delta_filter(spec: ObjectSpec, catalog: Catalog, unread: Collection[str]) -> Problems:
    """An object has a delta filter, whose field is one of its datetime fields."""
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
    times = [item.salesforce for item in spec.fields if item.type is FieldType.DATETIME]
    if delta.field not in times:
        yield ConfigError(
            "the delta field is not one of the object's datetime fields",
            where=path,
            key="field",
            got=delta.field or "no field, with load_mode: delta",
            expected=names(times) or "there is none",
            did_you_mean=nearest(delta.field, times),
            remedy=f"list it under fields of {object_path(spec.object)}, or name another",
        )


def filters_without_object(catalog: Catalog, unread: Collection[str]) -> Problems:
    """A delta filter has an object."""
    for name in catalog.delta_filters:
        if name not in catalog.objects and object_path(name) not in unread:
            yield ConfigError(
                "a delta filter has no object",
                where=delta_filter_path(name),
                key="object",
                got=name,
                expected=object_path(name),
                did_you_mean=nearest(name, catalog.objects),
                remedy="add the object's file, or remove this one",
            )


def same_salesforce_object_twice(catalog: Catalog) -> Problems:
    """No Salesforce object is extracted twice."""
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
    """No field and no column of an object stands twice."""
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
    """No column is named as one that the database has, or as a parameter of a procedure."""
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


def _fields_fit_into_a_table(spec: ObjectSpec, _catalog: Catalog, _unread: Collection[str]) -> Problems:
    """A table has room for all fields."""
    most = COLUMNS_MAX - SYSTEM_COLUMNS
    if len(spec.fields) > most:
        yield ConfigError(
            "an object has more fields than a table has room for",
            where=object_path(spec.object),
            key="fields",
            got=f"{len(spec.fields)} fields",
            expected=f"at most {most}: Redshift's tables have up to {COLUMNS_MAX} columns",
            remedy="leave out the fields that nobody reads",
        )


def _is_deleted_is_is_deleted(spec: ObjectSpec, _catalog: Catalog, _unread: Collection[str]) -> Problems:
    """IsDeleted is a boolean, and its column is is_deleted: procedures know it by that name."""
    for position, field in enumerate(spec.fields):
        is_field, is_column = field.salesforce == "IsDeleted", field.column == "is_deleted"
        if is_field != is_column or (is_field and field.type is not FieldType.BOOLEAN):
            yield ConfigError(
                "IsDeleted and is_deleted belong together",
                where=object_path(spec.object),
                key=f"fields.{position}",
                got=f"{field.salesforce} as {field.column} ({field.type.value})",
                expected="salesforce: IsDeleted, type: boolean, column: is_deleted",
                remedy="correct the field",
            )


def _key_and_version_fit(spec: ObjectSpec, _catalog: Catalog, _unread: Collection[str]) -> Problems:
    """Key and version are columns of the types id and datetime."""
    yield from _column_is(spec, "key", spec.key, {FieldType.ID})
    if spec.has_version_of_its_own:
        yield from _column_is(spec, "version_column", spec.version_column, {FieldType.DATETIME})


def _late_fields_may_be_null(spec: ObjectSpec, _catalog: Catalog, _unread: Collection[str]) -> Problems:
    """What every batch needs has no since: key, version, country and is_deleted."""
    country = None if isinstance(spec.country, CountryNone) else spec.country.column
    needed = {spec.key, spec.version_column, country, "is_deleted"}
    for position, field in enumerate(spec.fields):
        if field.since is not None and field.column in needed:
            yield ConfigError(
                "a batch may not lack this column, and since says so",
                where=object_path(spec.object),
                key=f"fields.{position}.since",
                got=field.column,
                expected="since with columns that may be null",
                remedy="remove since, and read the records anew once it is released: idiscover resync " + spec.object,
            )


def _country_rule_fits(spec: ObjectSpec, catalog: Catalog, unread: Collection[str]) -> Problems:
    """The country comes from a text column, or through a reference from an object that has one."""
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
        known = [
            name
            for name, item in catalog.objects.items()
            if name != spec.object and not isinstance(item.country, CountryNone)
        ]
        yield ConfigError(
            "the country comes from an object that has none",
            where=object_path(spec.object),
            key="country.object",
            got=rule.object,
            expected=names(known),
            did_you_mean=nearest(rule.object, known),
            remedy="name another object, whose country rule is column or via",
        )
    elif other.key != spec.key and _has_key(other) and _has_key(spec):  # else that is told, and the rest follows
        yield ConfigError(
            "the keys of an object and of the one its country comes from have different names",
            where=object_path(spec.object),
            key="key",
            got=f"{spec.key}, and {other.key} in {object_path(other.object)}",
            expected="the same name: the look-up relies on it",
            remedy="rename one of the columns",
        )


def _country_stays_readable(spec: ObjectSpec, _catalog: Catalog, _unread: Collection[str]) -> Problems:
    """A column that holds a country is not protected."""
    if not isinstance(spec.country, CountryColumn):
        return
    for position, field in enumerate(spec.fields):
        if field.column == spec.country.column and field.protect is not None:
            yield ConfigError(
                "the country of a record is protected, and its slice could not be told",
                where=object_path(spec.object),
                key=f"fields.{position}.protect",
                got=f"protect: {field.protect.value} of {field.column}, the column of country",
                expected="no protect",
                remedy="remove protect, or take the country from another column",
            )


def _country_ends_somewhere(spec: ObjectSpec, catalog: Catalog, _unread: Collection[str]) -> Problems:
    """A chain of via leads to a column; a circle is told once, at the first of its names."""
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
    """Schedules are cron expressions that come to pass."""
    fault = cron_fault(spec.schedule)
    if fault is not None:
        yield ConfigError(
            "the schedule is not a cron expression",
            where=object_path(spec.object),
            key="schedule",
            got=f"{spec.schedule} ({fault})",
            expected=CRON,
            remedy="correct it",
        )


def _column_is(spec: ObjectSpec, key: str, column: str, types: Collection[FieldType]) -> Problems:
    field = _field_of(spec, column)
    if field is None or field.type not in types:
        fitting = [item.column for item in spec.fields if item.type in types]
        yield ConfigError(
            "a column is missing or of the wrong type",
            where=object_path(spec.object),
            key=key,
            got=f"{column} ({field.type.value})" if field else column,
            expected=f"a column of type {names(item.value for item in types)}: {names(fitting) or 'there is none'}",
            did_you_mean=nearest(column, fitting) if field is None else None,
            remedy="name another column, or add the field",
        )


def _has_key(spec: ObjectSpec) -> bool:
    field = _field_of(spec, spec.key)
    return field is not None and field.type is FieldType.ID


def _field_of(spec: ObjectSpec, column: str) -> FieldSpec | None:
    return next((field for field in spec.fields if field.column == column), None)


OBJECT_CHECKS: tuple[Callable[[ObjectSpec, Catalog, Collection[str]], Problems], ...] = (
    _object_name_fits,
    _has_delta_filter,
    _fields_are_unique,
    _columns_are_not_reserved,
    _fields_fit_into_a_table,
    _is_deleted_is_is_deleted,
    _key_and_version_fit,
    _late_fields_may_be_null,
    _country_rule_fits,
    _country_stays_readable,
    _country_ends_somewhere,
    _schedule_is_cron,
)
