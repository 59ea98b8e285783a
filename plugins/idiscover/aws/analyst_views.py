"""Brings the views of dm to those of a release, inside its transaction: readers meet the old ones or the new ones."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from psycopg2 import errors
from psycopg2.extensions import cursor as Cursor

from idiscover.aws.postgres import describe
from idiscover.errors import ConfigError
from idiscover.metadata.entitlement import Entitlement
from idiscover.metadata.sql_types import normal_type
from idiscover.warehouse import entitlement
from idiscover.warehouse.grants import ROLE_STANDS, create_role
from idiscover.warehouse.release import VIEW, ReleaseStatement, view_names
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
        drop: views whose columns or table are other ones, or that the release before had and this one has not; with
            their schema.
        keep: views that are as the release wants them: nobody has to wait for their readers.
    """

    drop: tuple[str, ...]
    keep: frozenset[str]

    def to_run(self, statements: Iterable[ReleaseStatement]) -> list[ReleaseStatement]:
        """The release, with views dropped where it makes them, and without views that are right already.

        Not earlier: readers wait from the drop to the end, and what comes before the views waits for loads.
        """
        drops = [ReleaseStatement(f"drop {name}", f"drop view if exists {name};") for name in self.drop]
        kept = {f"{VIEW}{name}" for name in self.keep}
        to_run = [statement for statement in statements if statement.name not in kept]
        place = next((at for at, item in enumerate(to_run) if item.name.startswith(VIEW)), len(to_run))
        return [*to_run[:place], *drops, *to_run[place:]]


def view_changes(
    cursor: Cursor, statements: Sequence[ReleaseStatement], released: Sequence[ReleaseStatement] | None
) -> ViewChanges:
    """Compares the views that stand with those of a release. Those that no release has made are not touched.

    Args:
        cursor: in the release's transaction.
        statements: of the release.
        released: of the release before; None where none has been recorded.
    """
    cursor.execute(_STANDING)
    standing: dict[str, list[tuple[str, str]]] = {}
    sources: dict[str, str] = {}
    for view, column, kind, definition in cursor.fetchall():
        if view.startswith(f"dm.{VIEW_PREFIX}"):
            standing.setdefault(view, []).append((column, normal_type(kind)))
            sources[view] = reads_from(definition)
    wanted = {item.name.removeprefix(VIEW): item.sql for item in statements if item.name.startswith(VIEW)}
    ours = {*wanted, *view_names(released or ())}
    keep = frozenset(
        name
        for name, sql in wanted.items()
        if name in standing and columns_of(sql) == standing[name] and reads_from(sql) == sources[name]
    )
    return ViewChanges(tuple(sorted((standing.keys() & ours) - keep)), keep)


def ensure_role(cursor: Cursor, role: str | None) -> None:
    """The role of analysts stands from now on. Without a name there is none.

    Raises:
        ConfigError: it does not, and the login may not create roles; or it does, and the login does not see it.
    """
    if role is None:
        return
    cursor.execute(ROLE_STANDS, [role])
    if cursor.fetchone() is not None:
        return
    try:
        cursor.execute(create_role(role))
    except (errors.InsufficientPrivilege, errors.DuplicateObject) as error:
        raise ConfigError(
            "the role of analysts cannot be made",
            where="Redshift",
            key="redshift.analyst_role",
            got=describe(error),
            expected=f"a login of secrets.redshift that may create roles, or that has the role {role}",
            remedy=f"somebody who may: create role {role}; grant role {role} to that login; or analyst_role: null",
        ) from None


def fill_entitlement(cursor: Cursor, rows: Sequence[Entitlement]) -> None:
    """`dm.entitlement` holds these rows and no other; readers see the old ones until the transaction ends."""
    cursor.execute(entitlement.DELETE)
    if rows:
        cursor.execute(*entitlement.insert(rows))
