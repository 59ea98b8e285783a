"""Checks that span several fields or several files. All problems are found, not just the first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping

from idiscover.errors import ConfigError
from idiscover.metadata.models import Catalog, CountryVia, Family, ObjectSpec, TableSpec
from idiscover.metadata.object_checks import (
    OBJECT_CHECKS,
    Problems,
    filters_without_object,
    names,
    same_salesforce_object_twice,
)
from idiscover.metadata.paths import object_path, table_path
from idiscover.metadata.read_checks import READ_CHECKS
from idiscover.metadata.statements import parse_call

DAG_ID_MAX_LENGTH = 64  # MWAA's InvokeRestApi takes no longer path segment
NAME_MAX_LENGTH = 40  # leaves room for what is derived from a name, such as load_<name>__superseded

_INPUT_SCHEMAS: Mapping[Family, tuple[str, ...]] = {
    Family.STG_TO_ITG: ("stg", "itg"),
    Family.ITG_TO_DM: ("itg",),
    Family.DM_TO_DM: ("dm",),
}
_TARGET_SCHEMA = {Family.STG_TO_ITG: "itg", Family.ITG_TO_DM: "dm", Family.DM_TO_DM: "dm"}


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
    found.extend(filters_without_object(catalog, unread))
    found.extend(same_salesforce_object_twice(catalog))
    for table in catalog.tables.values():
        for table_check in _TABLE_CHECKS:
            found.extend(table_check(table, catalog, unread))
    found.extend(_cycles(catalog))
    return found


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
            expected=names(f"itg.{name}" for name in catalog.objects),
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
            got=names(got),
            expected=names(wanted),
            remedy="correct the inputs",
        )
    if table.grain != (spec.key,):
        yield ConfigError(
            "the grain of an itg table is its object's key",
            where=where,
            key="grain",
            got=names(table.grain),
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


def _source_exists(table: TableSpec, catalog: Catalog, unread: Collection[str]) -> Problems:
    if table.source is None or table_path(table.source.table) in unread:
        return
    known = [name for name, spec in catalog.tables.items() if spec.family is Family.STG_TO_ITG]
    if table.family is Family.STG_TO_ITG or table.source.table not in known:
        yield ConfigError(
            "the source of a table's rows is no itg table",
            where=table_path(table.table),
            key="source.table",
            got=table.source.table,
            expected=f"for a table of dm, one of {names(known)}",
            remedy="correct the name, or leave source away",
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


_OBJECT_CHECKS: tuple[Callable[[ObjectSpec, Catalog, Collection[str]], Problems], ...] = (
    _object_name_fits,
    *OBJECT_CHECKS,
    *READ_CHECKS,
)
_TABLE_CHECKS: tuple[Callable[[TableSpec, Catalog, Collection[str]], Problems], ...] = (
    _table_name_fits,
    _family_fits,
    _itg_table_fits_its_object,
    _inputs_exist,
    _source_exists,
    _statements_parse,
)
