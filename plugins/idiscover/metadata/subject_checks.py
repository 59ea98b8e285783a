"""Checks of subjects; each yields what is wrong, and goes on. The first line of a check says what has to be so."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

from idiscover.errors import ConfigError
from idiscover.metadata.column_checks import shown_text
from idiscover.metadata.models import Catalog, TableSpec
from idiscover.metadata.object_checks import DAG_ID_MAX_LENGTH, Problems
from idiscover.metadata.paths import subject_path, table_path
from idiscover.metadata.spelling import nearest
from idiscover.metadata.subjects import SubjectSpec
from idiscover.metadata.table_columns import caption_of

COUNTRY = "country_code"
_NAME_MAX_LENGTH = DAG_ID_MAX_LENGTH - len("publish_tableau_")
FILTER_FIELDS = ("user_name", "is_entitled")  # that a data source by country has of its own: its filter is on them


def _name_fits(subject: SubjectSpec, _catalog: Catalog, _unread: Collection[str]) -> Problems:
    """The name of a subject fits into its dag_id."""
    if "__" in subject.subject or len(subject.subject) > _NAME_MAX_LENGTH:
        yield ConfigError(
            "a subject's name does not fit into a dag_id",
            where=subject_path(subject.subject),
            key="subject",
            got=f"{subject.subject} ({len(subject.subject)} characters)",
            expected=f"at most {_NAME_MAX_LENGTH} characters, single underscores",
            remedy="rename it, and its file",
        )


def _view_exists(subject: SubjectSpec, catalog: Catalog, unread: Collection[str]) -> Problems:
    """The view of a subject is that of a table of dm."""
    if subject.table in catalog.tables or table_path(subject.table) in unread:
        return
    views = [name.replace("dm.", "dm.v_", 1) for name in catalog.tables if name.startswith("dm.")]
    yield ConfigError(
        "a subject's view does not exist",
        where=subject_path(subject.subject),
        key="view",
        got=subject.view,
        expected=f"dm.v_<table>, of a table with a file such as {table_path(subject.table)}",
        did_you_mean=nearest(subject.view, views),
        remedy="correct the name, or add that file",
    )


def _columns_exist(subject: SubjectSpec, catalog: Catalog, _unread: Collection[str]) -> Problems:
    """Hierarchies, ratios and geography of a subject name columns of its view."""
    table = catalog.tables.get(subject.table)
    if table is None or not table.columns:
        return  # told elsewhere
    known = [column.name for column in table.columns]
    for key, column in _named_columns(subject):
        if column not in known:
            yield ConfigError(
                "a subject names a column that its view does not have",
                where=subject_path(subject.subject),
                key=key,
                got=column,
                expected=f"a column that {table_path(subject.table)} describes",
                did_you_mean=nearest(column, known),
                remedy="correct the name",
            )
    if subject.by_country and COUNTRY not in known:
        yield ConfigError(
            "a subject by country needs a country",
            where=subject_path(subject.subject),
            key="by_country",
            got=f"no {COUNTRY} in {subject.view}",
            expected=f"a column {COUNTRY}",
            remedy="write by_country: false, if everybody may see all rows",
        )


def _titles_are_apart(subject: SubjectSpec, catalog: Catalog, _unread: Collection[str]) -> Problems:
    """No two subjects have one title, by which Tableau tells data sources apart."""
    title = subject.title.casefold()
    others = [
        name for name, spec in catalog.subjects.items() if name < subject.subject and spec.title.casefold() == title
    ]
    if others:
        yield ConfigError(
            "a subject's title stands twice",
            where=subject_path(subject.subject),
            key="title",
            got=subject.title,
            expected=f"another title than that of {subject_path(others[0])}, over which it would be published",
            remedy="change one of them",
        )


def _filter_keeps_its_fields(subject: SubjectSpec, catalog: Catalog, _unread: Collection[str]) -> Problems:
    """No field of a subject by country has a name that the filter by country needs."""
    if not subject.by_country:
        return
    table = catalog.tables.get(subject.table)
    for column in table.columns if table is not None else ():
        if column.name in FILTER_FIELDS:
            yield _taken(subject, "view", f"{subject.view}.{column.name}", "a view without such a column")
    for position, ratio in enumerate(subject.ratios):
        if ratio.name in FILTER_FIELDS:
            yield _taken(
                subject, f"ratios.{position}.name", ratio.name, "a name that the filter by country leaves free"
            )


def _texts_can_be_shown(subject: SubjectSpec, _catalog: Catalog, _unread: Collection[str]) -> Problems:
    """Texts of a subject have no control signs, which no data source can hold."""
    texts = {"title": subject.title, "description": subject.description}
    for position, hierarchy in enumerate(subject.hierarchies):
        texts[f"hierarchies.{position}.name"] = hierarchy.name
    for position, ratio in enumerate(subject.ratios):
        for key in ("caption", "description", "folder"):
            texts[f"ratios.{position}.{key}"] = getattr(ratio, key) or ""
    for key, text in texts.items():
        yield from shown_text(text, subject_path(subject.subject), key)


def _fields_are_apart(subject: SubjectSpec, catalog: Catalog, _unread: Collection[str]) -> Problems:
    """A ratio has a name that no column has, and a caption that no other field has."""
    table = catalog.tables.get(subject.table)
    captions = _captions(table) if table is not None else {}
    for position, ratio in enumerate(subject.ratios):
        if ratio.name in captions.values():
            yield _taken(subject, f"ratios.{position}.name", ratio.name, "a name that no column of the view has")
        if captions.get(ratio.caption, ratio.name) != ratio.name:
            yield _taken(subject, f"ratios.{position}.caption", ratio.caption, "a caption that no other field has")
        captions.setdefault(ratio.caption, ratio.name)


def _taken(subject: SubjectSpec, key: str, got: str, expected: str) -> ConfigError:
    where = subject_path(subject.subject)
    return ConfigError("a field stands twice", where=where, key=key, got=got, expected=expected, remedy="rename it")


def _captions(table: TableSpec) -> dict[str, str]:
    """Caption → name of the table's columns."""
    return {column.caption or caption_of(column.name): column.name for column in table.columns}


def _named_columns(subject: SubjectSpec) -> Iterator[tuple[str, str]]:
    """Dotted path in the file, and the column named there."""
    for position, hierarchy in enumerate(subject.hierarchies):
        yield from ((f"hierarchies.{position}.levels.{level}", name) for level, name in enumerate(hierarchy.levels))
    for position, ratio in enumerate(subject.ratios):
        yield f"ratios.{position}.numerator", ratio.numerator
        yield f"ratios.{position}.denominator", ratio.denominator
    for position, item in enumerate(subject.geography):
        yield f"geography.{position}.column", item.column


SUBJECT_CHECKS: tuple[Callable[[SubjectSpec, Catalog, Collection[str]], Problems], ...] = (
    _name_fits,
    _view_exists,
    _columns_exist,
    _titles_are_apart,
    _filter_keeps_its_fields,
    _fields_are_apart,
    _texts_can_be_shown,
)
