"""Checks of what dm tables say of their columns; each yields what is wrong. Its first line says what has to be so."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection

from idiscover.errors import ConfigError
from idiscover.metadata.models import Catalog, FieldSpec, PiiClass, TableColumn, TableSpec
from idiscover.metadata.object_checks import Problems, names
from idiscover.metadata.paths import object_path, table_path
from idiscover.metadata.spelling import nearest
from idiscover.metadata.table_columns import caption_of

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")  # what XML cannot hold
_LONGEST_CAPTION, _LONGEST_DESCRIPTION = 1024, 4096  # bytes, as dm.data_dictionary has room for


def shown_text(text: str, where: str, key: str, longest: int | None = None) -> Problems:
    """What keeps a text from being shown to analysts: control signs, or more than `longest` bytes."""
    if found := _CONTROL.search(text):
        yield ConfigError(
            "a text has a sign that cannot be shown",
            where=where,
            key=key,
            got=f"U+{ord(found[0]):04X} at position {found.start() + 1}",
            expected="letters, digits, signs and line breaks",
            remedy="take it out",
        )
    if longest is not None and len(text.encode()) > longest:
        yield ConfigError(
            "a text is too long for the data dictionary",
            where=where,
            key=key,
            got=f"{len(text.encode())} bytes",
            expected=f"at most {longest}",
            remedy="shorten it",
        )


def _texts_can_be_shown(table: TableSpec, _catalog: Catalog, _unread: Collection[str]) -> Problems:
    """What a table of dm and its columns say for analysts can be shown, and fits into the data dictionary."""
    if not table.columns:
        return
    where = table_path(table.table)
    yield from shown_text(table.description, where, "description", _LONGEST_DESCRIPTION)
    for position, column in enumerate(table.columns):
        key = f"columns.{position}"
        yield from shown_text(column.description, where, f"{key}.description", _LONGEST_DESCRIPTION)
        yield from shown_text(column.caption or "", where, f"{key}.caption", _LONGEST_CAPTION)
        yield from shown_text(column.folder or "", where, f"{key}.folder", _LONGEST_CAPTION)


def _columns_stand_once(table: TableSpec, _catalog: Catalog, _unread: Collection[str]) -> Problems:
    """A table of dm describes a column once, two columns have two captions; a table of itg describes none."""
    where = table_path(table.table)
    if table.columns and table.table.startswith("itg."):
        yield ConfigError(
            "a table of itg describes columns",
            where=where,
            key="columns",
            got=names(column.name for column in table.columns),
            expected=f"no columns: {object_path(table.name)} has them",
            remedy="remove columns",
        )
        return
    taken: set[str] = set()
    for position, column in enumerate(table.columns):
        caption = column.caption or caption_of(column.name)
        for key, text in (("name", column.name), ("caption", caption)):
            if f"{key} {text}" in taken:
                yield ConfigError(
                    f"a column's {key} stands twice",
                    where=where,
                    key=f"columns.{position}.{key}",
                    got=text,
                    remedy="keep one" if key == "name" else "give each column a caption of its own",
                )
        taken |= {f"name {column.name}", f"caption {caption}"}


def _origins_exist(table: TableSpec, catalog: Catalog, unread: Collection[str]) -> Problems:
    """The origin of a column is a field of an object."""
    for position, column in enumerate(table.columns):
        if column.origin is None or _origin(column, catalog) is not None:
            continue
        name = column.origin.split(".")[1]
        if object_path(name) in unread:
            continue
        known = [f"itg.{spec.object}.{field.column}" for spec in catalog.objects.values() for field in spec.fields]
        yield ConfigError(
            "the origin of a column does not exist",
            where=table_path(table.table),
            key=f"columns.{position}.origin",
            got=column.origin,
            expected=f"a column of {object_path(name)}" if name in catalog.objects else "itg.<object>.<column>",
            did_you_mean=nearest(column.origin, known),
            remedy="correct the name, or leave origin away if the column is computed",
        )


def _nothing_personal_reaches_dm(table: TableSpec, catalog: Catalog, _unread: Collection[str]) -> Problems:
    """No column of dm comes from a personal field or has the name of one, unless it is protected or says why not."""
    personal = {
        field.column: f"itg.{spec.object}.{field.column}"
        for spec in catalog.objects.values()
        for field in spec.fields
        if _is_personal(field)
    }
    for position, column in enumerate(table.columns):
        if column.not_personal is not None:
            continue
        field = _origin(column, catalog)
        key, found = "origin", column.origin
        if column.origin is None and column.name in personal:
            key, found = "name", personal[column.name]
        elif field is None or not _is_personal(field):
            continue
        yield ConfigError(
            "a personal field reaches dm",
            where=table_path(table.table),
            key=f"columns.{position}.{key}",
            got=f"{table.table}.{column.name} of {found}, which is personal",
            expected="a column that names nobody",
            remedy=f"leave it out of dm, or write protect: hash or mask at {found}; or, if it is no person's after all,"
            f" say why: not_personal",
        )


def _origin(column: TableColumn, catalog: Catalog) -> FieldSpec | None:
    if column.origin is None:
        return None
    _, name, wanted = column.origin.split(".")
    spec = catalog.objects.get(name)
    return next((field for field in spec.fields if field.column == wanted), None) if spec is not None else None


def _is_personal(field: FieldSpec) -> bool:
    return field.pii is not PiiClass.NONE and field.protect is None


COLUMN_CHECKS: tuple[Callable[[TableSpec, Catalog, Collection[str]], Problems], ...] = (
    _columns_stand_once,
    _texts_can_be_shown,
    _origins_exist,
    _nothing_personal_reaches_dm,
)
