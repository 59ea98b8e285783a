"""How an edit of an object's file changes its tables that stand. Pure."""

from __future__ import annotations

from idiscover.metadata.models import ObjectSpec
from idiscover.warehouse.release import tables_of
from idiscover.warehouse.table_changes import TableChange, table_changes
from idiscover.warehouse.table_shapes import TableShape, shapes_of


def alterations(before: ObjectSpec, after: ObjectSpec, *, has_itg_table: bool = True) -> list[TableChange]:
    """What a deploy of `after` does to the tables of `before`, or needs a migration for; what may stay is left out."""
    standing, wanted = _shapes(before, has_itg_table), _shapes(after, has_itg_table)
    changes = table_changes(standing, {name: shape for name, shape in wanted.items() if name in standing})
    return [change for change in changes if not change.is_harmless]


def _shapes(spec: ObjectSpec, has_itg_table: bool) -> dict[str, TableShape]:
    return shapes_of(statement.sql for statement in tables_of(spec, has_itg_table=has_itg_table))
