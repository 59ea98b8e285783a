"""Which edits of metadata need SQL that the warehouse does not have yet: only a release brings it. Pure.

An edit needs a release if what its DAGs run meets tables or procedures that are neither those that the last release
has recorded nor those that the metadata in force have. Comments, descriptions, and the order of columns do not matter.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from idiscover.errors import ConfigError
from idiscover.metadata.last_good import EditCheck
from idiscover.metadata.models import Catalog, ObjectSpec, TableSpec
from idiscover.metadata.paths import delta_filter_path, object_path, table_path
from idiscover.metadata.sql_inventory import SqlInventory
from idiscover.metadata.validation import WITH_SQL
from idiscover.plan.build import itg_plan
from idiscover.warehouse.migration_plan import described
from idiscover.warehouse.release import ReleaseStatement, tables_of
from idiscover.warehouse.table_changes import changes_of_edit
from idiscover.warehouse.winners import winner_ctes

NEEDS_RELEASE = "an edit needs a release"


def unreleased(
    recorded: Sequence[ReleaseStatement] | None, in_force: Catalog | None, environment: str
) -> EditCheck | None:
    """The check; None where nothing is known of the warehouse.

    Args:
        recorded: statements of the last release; None if it has recorded none, then `in_force` alone counts.
        in_force: what was published last.
        environment: its name, for the remedy.
    """
    if recorded is None and in_force is None:
        return None
    texts = {statement.name: statement.sql for statement in recorded or ()}
    inventory = None if recorded is None else SqlInventory.of(texts.values())
    release = (
        f"idiscover deploy --context context/{environment}.yaml --keep-edits (Jenkins: ENVIRONMENT {environment},"
        " BUCKET_EDITS --keep-edits)"
    )

    def check(catalog: Catalog, edits: Collection[str]) -> list[ConfigError]:
        found = list(_of_objects(catalog, edits, texts, in_force, release))
        if inventory is not None:
            found += _of_tables(catalog, edits, inventory, in_force, release)
        return found

    return check


def _of_objects(
    catalog: Catalog, edits: Collection[str], texts: Mapping[str, str], in_force: Catalog | None, release: str
) -> Iterator[ConfigError]:
    for name, spec in catalog.objects.items():
        table = f"itg.{name}"
        before = in_force.objects.get(name) if in_force is not None else None
        files = [object_path(name), *([table_path(table)] if table in catalog.tables else [])]
        if before is None:
            files.append(delta_filter_path(name))  # new as well: by itself it has no object
        edited = [path for path in files if path in edits]
        if not edited:
            continue
        wanted = _needs(spec, has_itg_table=table in catalog.tables)
        standing = _needs(before, _had_table(in_force, table)) if before is not None else {}
        lacking = {item for item, need in wanted.items() if need != standing.get(item) and not _has(texts, item, need)}
        history = f"table itg.{name}__history"
        if history in standing and history not in wanted and (not texts or history in texts):
            lacking.add(f"procedure itg.load_{name}")  # which goes on writing history
        for path in edited if lacking else ():
            yield _refusal(path, sorted(lacking), before, spec, release)


def _of_tables(
    catalog: Catalog, edits: Collection[str], inventory: SqlInventory, in_force: Catalog | None, release: str
) -> Iterator[ConfigError]:
    for table in (spec for spec in catalog.tables.values() if table_path(spec.table) in edits):
        before = in_force.tables.get(table.table) if in_force is not None else None
        known = {str(fault) for fault in _faults(before, catalog, inventory)}
        for fault in _faults(table, catalog, inventory):
            if str(fault) not in known:
                yield ConfigError(
                    fault.what,
                    where=fault.where,
                    key=fault.key,
                    got=fault.got,
                    expected=f"what the last release has brought; or {fault.expected}",
                    did_you_mean=fault.did_you_mean,
                    remedy=f"{fault.remedy}, and release it: {release}",
                )


def _faults(table: TableSpec | None, catalog: Catalog, inventory: SqlInventory) -> Iterator[ConfigError]:
    if table is not None:
        for check in WITH_SQL:
            yield from check(table, catalog, inventory)


def _refusal(
    path: str, lacking: Collection[str], before: ObjectSpec | None, after: ObjectSpec, release: str
) -> ConfigError:
    changes = changes_of_edit(before, after) if before is not None else []
    by_itself = " ".join(change.sql for change in changes if change.is_automatic)
    planned = "; ".join(described(change) for change in changes if change.needs_migration)
    remedy = f"write a migration, for a deploy does not do by itself: {planned}. Then " if planned else ""
    does = f"that runs {by_itself} " if by_itself else ""
    return ConfigError(
        NEEDS_RELEASE,
        where=path,
        got=f"metadata for which the warehouse lacks: {', '.join(lacking)}",
        expected="tables and procedures as the last release has brought them",
        remedy=f"{remedy}release it: {release}; {does}the edit is in force after that. Or take it back",
    )


def _had_table(in_force: Catalog | None, table: str) -> bool:
    return in_force is not None and table in in_force.tables


def _needs(spec: ObjectSpec, has_itg_table: bool) -> dict[str, str]:
    """Name of a release's statement → what of it the object's DAGs rely on."""
    tables = [item for item in tables_of(spec, has_itg_table=has_itg_table) if item.name.startswith("table ")]
    needs = {item.name: _without_comments(item.sql) for item in tables}
    if has_itg_table:
        needs[f"procedure itg.load_{spec.object}"] = _plain(winner_ctes(itg_plan(spec), country="p_country_code"))
    return needs


def _has(texts: Mapping[str, str], name: str, need: str) -> bool:
    text = texts.get(name, "")
    # of a procedure the part that is rendered from the object's rules; the columns are those of its tables
    return need in _plain(text) if name.startswith("procedure ") else need == _without_comments(text)


def _plain(sql: str) -> str:
    """`sql` whatever its indentation."""
    return "\n".join(line.strip() for line in sql.splitlines())


def _without_comments(ddl: str) -> str:
    """The lines of a CREATE TABLE in the order of the alphabet: columns are named wherever they are used."""
    lines = (line.strip().removesuffix(",") for line in ddl.splitlines())
    return "\n".join(sorted(line for line in lines if line and not line.startswith("--")))
