"""Checks of tables; each yields what is wrong, and goes on. The first line of a check says what has to be so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping

from idiscover.errors import ConfigError
from idiscover.metadata.column_checks import COLUMN_CHECKS
from idiscover.metadata.models import Catalog, CountryVia, Family, TableSpec
from idiscover.metadata.object_checks import Problems, name_fits, names
from idiscover.metadata.paths import object_path, table_path
from idiscover.metadata.spelling import nearest
from idiscover.metadata.statements import parse_call

_INPUT_SCHEMAS: Mapping[Family, tuple[str, ...]] = {
    Family.STG_TO_ITG: ("stg", "itg"),
    Family.ITG_TO_DM: ("itg",),
    Family.DM_TO_DM: ("dm",),
}
_TARGET_SCHEMA = {Family.STG_TO_ITG: "itg", Family.ITG_TO_DM: "dm", Family.DM_TO_DM: "dm"}

# Tables whose procedures are rendered with a part for each table of a schema, themselves left out.
TELL_OF_EVERY_TABLE: Mapping[str, str] = {"dm.fact_source_table": "itg", "dm.dm_data_freshness": "dm"}


def _table_name_fits(table: TableSpec, _catalog: Catalog, _unread: Collection[str]) -> Problems:
    """Names of tables fit into dag_ids, are no words that Redshift reserves, and in dm no names of views."""
    yield from name_fits(table.name, table.family, table_path(table.table), "table")
    if table.table.startswith("dm.v_"):
        yield ConfigError(
            "a table of dm has the name of a view",
            where=table_path(table.table),
            key="table",
            got=table.table,
            expected="a name that does not begin with v_: dm.v_<table> is the view of a table",
            remedy="name the table otherwise",
        )


def _family_fits(table: TableSpec, _catalog: Catalog, _unread: Collection[str]) -> Problems:
    """A table and its inputs lie in the schemas of its family."""
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
    """A table of itg has an object, that object's inputs and its key as grain."""
    if table.family is not Family.STG_TO_ITG or object_path(table.name) in unread or table.table.startswith("dm."):
        return
    where, spec = table_path(table.table), catalog.objects.get(table.name)
    if spec is None:
        known = [f"itg.{name}" for name in catalog.objects]
        yield ConfigError(
            "an itg table has no object",
            where=where,
            key="table",
            got=table.table,
            expected=names(known),
            did_you_mean=nearest(table.table, known),
            remedy=f"add {object_path(table.name)}, or name the table as its object",
        )
        return
    via = [f"itg.{spec.country.object}"] if isinstance(spec.country, CountryVia) else []
    wanted, got = {f"stg.{spec.object}", *via}, {item.table for item in table.inputs}
    is_known = not isinstance(spec.country, CountryVia) or spec.country.object in catalog.objects  # else told there
    if is_known and wanted != got:
        yield ConfigError(
            "an itg table must wait for its stg table and for the table its country comes from, and for nothing else",
            where=where,
            key="inputs",
            got=names(got),
            expected=names(wanted),
            remedy="correct the inputs",
        )
    has_key = any(field.column == spec.key for field in spec.fields)  # else that is told, and the rest follows
    if has_key and table.grain != (spec.key,):
        yield ConfigError(
            "the grain of an itg table is its object's key",
            where=where,
            key="grain",
            got=names(table.grain),
            expected=spec.key,
            remedy=f"write grain: [{spec.key}]",
        )


def _inputs_exist(table: TableSpec, catalog: Catalog, unread: Collection[str]) -> Problems:
    """Inputs exist, and each stands once."""
    known = {f"stg.{name}" for name in catalog.objects} | set(catalog.tables)
    fitting = [name for name in known if name.split(".")[0] in _INPUT_SCHEMAS[table.family] and name != table.table]
    for position, item in enumerate(table.inputs):
        schema, name = item.table.split(".")
        path = object_path(name) if schema == "stg" else table_path(item.table)
        is_own = table.family is Family.STG_TO_ITG and item.table == f"stg.{table.name}"  # of which its object is told
        if item.table not in known and path not in unread and not is_own:
            yield ConfigError(
                "an input does not exist",
                where=table_path(table.table),
                key=f"inputs.{position}.table",
                got=item.table,
                expected=path,
                did_you_mean=nearest(item.table, fitting),
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


def _every_table_is_told_of(table: TableSpec, catalog: Catalog, _unread: Collection[str]) -> Problems:
    """dm.fact_source_table waits for every table of itg, dm.dm_data_freshness for every table of dm."""
    schema = TELL_OF_EVERY_TABLE.get(table.table)
    told = {name for name in catalog.tables if name.split(".")[0] == schema} - {table.table}
    for name in sorted(told - {item.table for item in table.inputs}):
        yield ConfigError(
            "a table is told of but not waited for",
            where=table_path(table.table),
            key="inputs",
            got=f"no {name}",
            expected=f"every table that load_{table.name} is rendered for",
            remedy=f"add to inputs: - {{table: {name}, marks: reference}}",
        )


def _source_exists(table: TableSpec, catalog: Catalog, unread: Collection[str]) -> Problems:
    """The source of a table's rows is a table of itg."""
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
            did_you_mean=nearest(table.source.table, known),
            remedy="correct the name, or leave source away",
        )


def _statements_parse(table: TableSpec, _catalog: Catalog, _unread: Collection[str]) -> Problems:
    """Statements are CALLs of procedures of the table's schema, one of them its own."""
    where, schema = table_path(table.table), table.table.split(".")[0]
    called, is_sound = set(), True
    for position, text in enumerate(table.statements):
        key = f"statements.{position}"
        try:
            call = parse_call(text)
        except ConfigError as error:
            is_sound = False
            yield error.at(where, key)
            continue
        called.add(call.qualified_name)
        if call.schema != schema:
            is_sound = False
            yield ConfigError(
                "a statement calls a procedure of another schema",
                where=where,
                key=key,
                got=call.qualified_name,
                expected=f"a procedure of schema {schema}",
                remedy="a procedure lies in the schema it writes to",
            )
    own = f"{schema}.load_{table.name}"
    if is_sound and own not in called:
        yield ConfigError(
            "no statement fills the table",
            where=where,
            key="statements",
            got=names(called),
            expected=f"CALL {own}(:country_code, :as_of_date, :run_id)",
            did_you_mean=nearest(own, called) and own,
            remedy="add that statement, or correct the name",
        )


def cycles(catalog: Catalog) -> Problems:
    """No table waits for itself, directly or through others."""
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


TABLE_CHECKS: tuple[Callable[[TableSpec, Catalog, Collection[str]], Problems], ...] = (
    _table_name_fits,
    _family_fits,
    _itg_table_fits_its_object,
    _inputs_exist,
    _every_table_is_told_of,
    _source_exists,
    _statements_parse,
    *COLUMN_CHECKS,
)
