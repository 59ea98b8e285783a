"""Brings the views of dm to those of a release, inside its transaction: readers meet the old ones or the new ones."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from psycopg2.extensions import cursor as Cursor

from idiscover.metadata.entitlement import Entitlement
from idiscover.metadata.sql_types import normal_type
from idiscover.warehouse import entitlement
from idiscover.warehouse.grants import ROLE_STANDS, create_role
from idiscover.warehouse.release import VIEW, ReleaseStatement
from idiscover.warehouse.views import VIEW_PREFIX, columns_of, reads_from

_STANDING = """\
select n.nspname || '.' || c.relname, a.attname, format_type(a.atttypid, a.atttypmod), pg_get_viewdef(c.oid)
from pg_catalog.pg_class as c
inner join pg_catalog.pg_namespace as n on c.relnamespace = n.oid
inner join pg_catalog.pg_attribute as a on c.oid = a.attrelid
where n.nspname = 'dm' and c.relkind = 'v' and a.attnum > 0 and not a.attisdropped
order by 1, a.attnum"""


@dataclass(frozen=True)
class ViewChanges:
    """What has to become of the standing views of dm.

    Attributes:
        drop: views whose columns or table are other ones, or that no release has any more; with their schema.
        keep: views that are as the release wants them: nobody has to wait for their readers.
    """

    drop: tuple[str, ...]
    keep: frozenset[str]

    def to_run(self, statements: Iterable[ReleaseStatement]) -> list[ReleaseStatement]:
        """The release, with views dropped before its tables, and without views that are right already."""
        drops = [ReleaseStatement(f"drop {name}", f"drop view if exists {name};") for name in self.drop]
        kept = {f"{VIEW}{name}" for name in self.keep}
        return [*drops, *(statement for statement in statements if statement.name not in kept)]


def view_changes(cursor: Cursor, statements: Sequence[ReleaseStatement]) -> ViewChanges:
    """Compares the views that stand with those of a release."""
    cursor.execute(_STANDING)
    standing: dict[str, list[tuple[str, str]]] = {}
    sources: dict[str, str] = {}
    for view, column, kind, definition in cursor.fetchall():
        if view.startswith(f"dm.{VIEW_PREFIX}"):
            standing.setdefault(view, []).append((column, normal_type(kind)))
            sources[view] = reads_from(definition)
    wanted = {item.name.removeprefix(VIEW): item.sql for item in statements if item.name.startswith(VIEW)}
    keep = frozenset(
        name
        for name, sql in wanted.items()
        if name in standing and columns_of(sql) == standing[name] and reads_from(sql) == sources[name]
    )
    return ViewChanges(tuple(sorted(standing.keys() - keep)), keep)


def ensure_role(cursor: Cursor, role: str | None) -> None:
    """The role of analysts stands from now on. Without a name there is none.

    Raises:
        FatalError: it does not, and the login may not create roles.
    """
    if role is None:
        return
    cursor.execute(ROLE_STANDS, [role])
    if cursor.fetchone() is None:
        cursor.execute(create_role(role))


def fill_entitlement(cursor: Cursor, rows: Sequence[Entitlement]) -> None:
    """`dm.entitlement` holds these rows and no other; readers see the old ones until the transaction ends."""
    cursor.execute(entitlement.DELETE)
    if rows:
        cursor.execute(*entitlement.insert(rows))
