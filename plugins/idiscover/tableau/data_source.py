"""A subject as a Tableau data source (.tds): a live connection to its view, and all that analysts are told of it.

The order of elements is that of Tableau's schema: connection, aliases, column*, drill-paths, folders-common,
semantic-values, filter. No user name and no password stand in it: Tableau asks for them, or publishing embeds them on
the server.

Who sees what: where a subject is by country, its view is joined with `dm.v_entitlement` on the country, and a data
source filter keeps the rows of the viewer's own user name. Analysts cannot remove it from a published data source.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from idiscover.metadata.subjects import Hierarchy, Ratio, SubjectSpec
from idiscover.metadata.table_columns import ViewColumn
from idiscover.tableau.fields import (
    aggregation,
    bracketed,
    data_type,
    default_format,
    kind,
    number_format,
    semantic_role,
)

FORMAT_VERSION = "18.1"  # of the file; Tableau 2018.1 and later read it, and write it still
ENTITLEMENT = "v_entitlement"  # dm.v_entitlement (user_name, country_code)
COUNTRY, USER = "country_code", "user_name"
ENTITLED = "is_entitled"  # the calculated field that the filter is on
_ENTITLED_COUNTRY = f"{COUNTRY} ({ENTITLEMENT})"


@dataclass(frozen=True)
class Warehouse:
    """Where the views are; no login."""

    host: str
    port: int
    database: str


def render_data_source(subject: SubjectSpec, columns: Sequence[ViewColumn], warehouse: Warehouse) -> str:
    """The text of `<subject>.tds`.

    Args:
        subject: what is shown.
        columns: of its view, in their order.
        warehouse: where the view is.
    """
    root = Element("datasource", {"formatted-name": subject.subject, "caption": subject.title, "inline": "true"})
    root.set("source-platform", "linux")
    root.set("version", FORMAT_VERSION)
    root.append(_connection(subject, columns, warehouse))
    SubElement(root, "aliases", enabled="yes")
    root.extend(_columns(subject, columns))
    if subject.hierarchies:
        root.append(_drill_paths(subject.hierarchies))
    folders = _folders(subject, columns)
    if folders is not None:
        root.append(folders)
    if subject.by_country:
        root.append(_filter())
    ElementTree.indent(root)
    return f"<?xml version='1.0' encoding='utf-8'?>\n{ElementTree.tostring(root, encoding='unicode')}\n"


def _connection(subject: SubjectSpec, columns: Iterable[ViewColumn], warehouse: Warehouse) -> Element:
    connection, name = Element("connection", {"class": "federated"}), f"redshift.{subject.subject}"
    named = SubElement(SubElement(connection, "named-connections"), "named-connection")
    named.attrib |= {"caption": warehouse.host, "name": name}
    SubElement(
        named,
        "connection",
        {
            "authentication": "username-password",
            "class": "redshift",
            "dbname": warehouse.database,
            "one-time-sql": "",
            "port": str(warehouse.port),
            "schema": "dm",
            "server": warehouse.host,
            "sslmode": "require",
            "username": "",
        },
    )
    connection.append(_relation(subject, name))
    connection.append(_column_map(subject, columns))
    return connection


def _relation(subject: SubjectSpec, connection: str) -> Element:
    view = _table(_view(subject), connection)
    if not subject.by_country:
        return view
    join = Element("relation", {"join": "inner", "type": "join"})
    clause = SubElement(join, "clause", {"type": "join"})
    equal = SubElement(clause, "expression", {"op": "="})
    for table in (_view(subject), ENTITLEMENT):
        SubElement(equal, "expression", {"op": f"{bracketed(table)}.{bracketed(COUNTRY)}"})
    join.extend([view, _table(ENTITLEMENT, connection)])
    return join


def _table(name: str, connection: str) -> Element:
    return Element("relation", {"connection": connection, "name": name, "table": f"[dm].[{name}]", "type": "table"})


def _column_map(subject: SubjectSpec, columns: Iterable[ViewColumn]) -> Element:
    """Which column of which table each field is."""
    places = {column.name: (_view(subject), column.name) for column in columns}
    if subject.by_country:
        places |= {_ENTITLED_COUNTRY: (ENTITLEMENT, COUNTRY), USER: (ENTITLEMENT, USER)}
    cols = Element("cols")
    for field, (table, column) in places.items():
        SubElement(cols, "map", {"key": bracketed(field), "value": f"{bracketed(table)}.{bracketed(column)}"})
    return cols


def _columns(subject: SubjectSpec, columns: Iterable[ViewColumn]) -> Iterable[Element]:
    places = {item.column: semantic_role(item.place) for item in subject.geography}
    yield from (_column(column, places) for column in columns)
    yield from (_ratio(ratio) for ratio in subject.ratios)
    if subject.by_country:
        yield from (_hidden(name) for name in (_ENTITLED_COUNTRY, USER))
        yield _entitled()


def _column(column: ViewColumn, places: Mapping[str, str]) -> Element:
    attributes = {
        "aggregation": aggregation(column),
        "caption": column.caption,
        "datatype": data_type(column),
        "default-format": default_format(column),
        "name": bracketed(column.name),
        "role": column.role,
        "semantic-role": places.get(column.name),
        "type": kind(column),
    }
    element = Element("column", {key: value for key, value in attributes.items() if value is not None})
    element.append(_description(column.description))
    return element


def _ratio(ratio: Ratio) -> Element:
    attributes = {
        "caption": ratio.caption,
        "datatype": "real",
        "default-format": number_format(ratio.format) or "",
        "name": bracketed(ratio.name),
        "role": "measure",
        "type": "quantitative",
    }
    formula = f"SUM({bracketed(ratio.numerator)}) / SUM({bracketed(ratio.denominator)})"
    return _calculated(attributes, formula, ratio.description)


def _hidden(name: str) -> Element:
    attributes = {"datatype": "string", "hidden": "true", "name": bracketed(name)}
    return Element("column", {**attributes, "role": "dimension", "type": "nominal"})


def _entitled() -> Element:
    attributes = {"caption": "Entitled", "datatype": "boolean", "hidden": "true", "name": bracketed(ENTITLED)}
    formula = f"LOWER({bracketed(USER)}) = LOWER(USERNAME())"
    return _calculated(
        {**attributes, "role": "dimension", "type": "nominal"},
        formula,
        "Whether the row's country is one of the viewer's.",
    )


def _calculated(attributes: Mapping[str, str], formula: str, description: str) -> Element:
    element = Element("column", dict(attributes))
    SubElement(element, "calculation", {"class": "tableau", "formula": formula})
    element.append(_description(description))
    return element


def _description(text: str) -> Element:
    description = Element("desc")
    SubElement(SubElement(description, "formatted-text"), "run").text = text
    return description


def _drill_paths(hierarchies: Iterable[Hierarchy]) -> Element:
    paths = Element("drill-paths")
    for hierarchy in hierarchies:
        path = SubElement(paths, "drill-path", {"name": hierarchy.name})
        for level in hierarchy.levels:
            SubElement(path, "field").text = bracketed(level)
    return paths


def _folders(subject: SubjectSpec, columns: Iterable[ViewColumn]) -> Element | None:
    """Folders in the order of their first fields; None where no field has one.

    Levels of a hierarchy are listed in their hierarchy, and Tableau shows them nowhere else.
    """
    levels = {level for hierarchy in subject.hierarchies for level in hierarchy.levels}
    placed = [(column.folder, column.name) for column in columns if column.name not in levels]
    placed += [(ratio.folder, ratio.name) for ratio in subject.ratios]
    names = list(dict.fromkeys(folder for folder, _ in placed if folder is not None))
    if not names:
        return None
    folders = Element("folders-common")
    for name in names:
        folder = SubElement(folders, "folder", {"name": name})
        for item in (field for place, field in placed if place == name):
            SubElement(folder, "folder-item", {"name": bracketed(item), "type": "field"})
    return folders


def _filter() -> Element:
    element = Element("filter", {"class": "categorical", "column": bracketed(ENTITLED)})
    SubElement(element, "groupfilter", {"function": "member", "level": bracketed(ENTITLED), "member": "true"})
    return element


def _view(subject: SubjectSpec) -> str:
    return subject.view.partition(".")[2]
