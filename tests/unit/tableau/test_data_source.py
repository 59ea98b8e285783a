"""Data sources: one against its golden file, those of the repository against Tableau's order and words.

Tableau's own schema is not part of the repository; `idiscover tableau check` holds them to it. What it asks of the
elements that we write stands here as a table.
"""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import pytest
from idiscover.errors import ConfigError, DataQualityError
from idiscover.metadata.loading import FolderReader, load_catalog
from idiscover.metadata.models import Owner
from idiscover.metadata.sql_inventory import SqlColumn, SqlInventory
from idiscover.metadata.subjects import Geography, Hierarchy, Ratio, SubjectSpec
from idiscover.metadata.table_columns import TableColumn, view_columns
from idiscover.tableau.data_source import Warehouse, render_data_source
from idiscover.tableau.schema_check import check_against_schema

from tests.unit.golden_files import check_golden
from tests.unit.metadata_samples import REPOSITORY

WAREHOUSE = Warehouse("warehouse.example.com", 5439, "idiscover")
SQL = SqlInventory.read(REPOSITORY / "sql")
CATALOG = load_catalog(FolderReader(REPOSITORY / "metadata"), SQL)

SUBJECT = SubjectSpec(
    subject="tests",
    title="Tests & labs",
    description="Tests.",
    view="dm.v_fact_test",
    owner=Owner(name="Lab Team", email="labs@example.com"),
    hierarchies=(Hierarchy(name="Place", levels=("country_code", "city")),),
    ratios=(
        Ratio(name="rate", caption="Rate", description="a ÷ b.", numerator="tested", denominator="eligible"),
        Ratio(
            name="mean", caption="Mean", description="b ÷ a.", numerator="eligible", denominator="tested",
            format="decimal", folder="Means",
        ),
    ),
    geography=(Geography(column="country_code", place="country"), Geography(column="city", place="city")),
)  # fmt: skip
TYPES = {
    "country_code": "varchar(2)",
    "city": "varchar(160)",
    "day": "date",
    "is_new": "boolean",
    "tested": "bigint",
    "eligible": "numeric(38,0)",
    "days": "numeric(6,2)",
    "share": "numeric(30,6)",
    "level": "integer",
    "_loaded_at_utc": "timestamp",
}
COLUMNS = view_columns(
    [
        TableColumn(name="country_code", description="Where <it> is."),
        TableColumn(name="city", description='Its "city".', folder="Places"),
        TableColumn(name="day", description="When."),
        TableColumn(name="is_new", description="Whether it is new."),
        TableColumn(name="tested", description="How many.", folder="Counts"),
        TableColumn(name="eligible", description="Of how many.", folder="Counts"),
        TableColumn(name="days", description="How long.", aggregation="maximum"),
        TableColumn(name="share", description="A rate.", format="percent"),
        TableColumn(name="level", description="A number that nobody adds.", role="dimension"),
    ],
    {name: SqlColumn(type_) for name, type_ in TYPES.items()},
)


def test_a_data_source_is_as_it_was_approved() -> None:
    check_golden("tableau/tests.tds", render_data_source(SUBJECT, COLUMNS, WAREHOUSE))


def test_a_subject_for_everybody_has_no_join_and_no_filter() -> None:
    text = render_data_source(SUBJECT.model_copy(update={"by_country": False}), COLUMNS, WAREHOUSE)
    root = ElementTree.fromstring(text)
    assert [item.get("type") for item in root.iter("relation")] == ["table"]
    assert root.find("filter") is None and "entitle" not in text and "USERNAME" not in text


def test_what_is_by_country_shows_a_viewer_only_rows_of_own_countries() -> None:
    """The join is on the country, and the filter keeps what is true of the viewer's name, in any case of letters."""
    root = ElementTree.fromstring(render_data_source(SUBJECT, COLUMNS, WAREHOUSE))
    join = root.find("connection/relation")
    assert join is not None and (join.get("type"), join.get("join")) == ("join", "inner")
    sides = [item.get("op") for item in join.findall("clause/expression/expression")]
    assert sides == ["[v_fact_test].[country_code]", "[v_entitlement].[country_code]"]
    kept = root.find("filter/groupfilter")
    assert kept is not None and (kept.get("function"), kept.get("member")) == ("member", "true")
    formulas = {
        item.get("name"): calculation.get("formula")
        for item in root.iter("column")
        if (calculation := item.find("calculation")) is not None
    }
    assert formulas[kept.get("level")] == "LOWER([user_name]) = LOWER(USERNAME())"
    assert formulas["[rate]"] == "SUM([tested]) / SUM([eligible])"


# Element → its children, in the order in which the schema wants them, and its attributes.
GRAMMAR: dict[str, tuple[list[str], set[str]]] = {
    "datasource": (
        ["connection", "aliases", "column", "drill-paths", "folders-common", "filter"],
        {"formatted-name", "caption", "inline", "source-platform", "version"},
    ),
    "aliases": ([], {"enabled"}),
    "column": (
        ["calculation", "desc"],
        {
            "aggregation", "caption", "datatype", "default-format", "hidden", "name", "role", "semantic-role", "type",
        },
    ),
    "calculation": ([], {"class", "formula"}),
    "desc": (["formatted-text"], set()),
    "formatted-text": (["run"], set()),
    "run": ([], set()),
    "drill-paths": (["drill-path"], set()),
    "drill-path": (["field"], {"name"}),
    "field": ([], set()),
    "folders-common": (["folder"], set()),
    "folder": (["folder-item"], {"name"}),
    "folder-item": ([], {"name", "type"}),
    "filter": (["groupfilter"], {"class", "column"}),
    "groupfilter": ([], {"function", "level", "member"}),
}  # fmt: skip
VALUES = {
    "role": {"dimension", "measure"},
    "type": {"nominal", "ordinal", "quantitative", "field"},
    "datatype": {"integer", "real", "string", "datetime", "date", "boolean"},
    "aggregation": {"Sum", "Avg", "Min", "Max"},
}


def _check(element: Element) -> None:
    """Below <connection> the schema takes anything."""
    children, attributes = GRAMMAR[element.tag]
    assert set(element.attrib) <= attributes, element.tag
    for name, value in element.attrib.items():
        assert value in VALUES.get(name, {value}), f"{element.tag} {name}={value}"
    order = [children.index(child.tag) for child in element]
    assert order == sorted(order), f"{element.tag}: {[child.tag for child in element]}"
    for child in element:
        if child.tag != "connection":
            _check(child)


@pytest.mark.parametrize("name", CATALOG.subjects)
def test_subjects_of_the_repository(name: str) -> None:
    subject = CATALOG.subjects[name]
    assert SQL is not None
    columns = view_columns(CATALOG.tables[subject.table].columns, SQL.tables[subject.table])
    text = render_data_source(subject, columns, WAREHOUSE)
    root = ElementTree.fromstring(text)
    _check(root)
    fields = {item.get("name") for item in root.findall("column")}
    assert len(fields) == len(root.findall("column"))
    captions = [item.get("caption") for item in root.findall("column") if item.get("hidden") is None]
    assert None not in captions and len(captions) == len(set(captions))
    assert all((item.findtext("desc/formatted-text/run") or "") for item in root.findall("column[@caption]"))
    mapped = {item.get("key") for item in root.findall("connection/cols/map")}
    calculated = {item.get("name") for item in root.findall("column") if item.find("calculation") is not None}
    assert mapped == fields - calculated
    named = {item.text for item in root.iter("field")} | {item.get("name") for item in root.iter("folder-item")}
    assert named <= fields
    assert "password" not in text.replace("username-password", "")
    assert [item.get("username") for item in root.iter("connection") if item.get("class") == "redshift"] == [""]


SCHEMA = """<?xml version="1.0"?>
<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:user="http://www.tableausoftware.com/xml/user">
  <xs:import namespace="http://www.tableausoftware.com/xml/user"/>
  <xs:import namespace="http://www.w3.org/XML/1998/namespace"/>
  <xs:complexType name="DataSource-CT">
    <xs:sequence><xs:element name="aliases"/></xs:sequence>
    <xs:attribute name="inline" type="xs:boolean" use="required"/>
    <xs:attributeGroup ref="user:UserAttributes-AG"/>
    <xs:attribute ref="xml:base"/>
  </xs:complexType>
</xs:schema>
"""


def test_a_schema_finds_what_is_not_valid(tmp_path: Path) -> None:
    """One of the form of Tableau's, with its imports of schemas that are nowhere."""
    schema = tmp_path / "twb.xsd"
    schema.write_text(SCHEMA, encoding="utf-8")
    check_against_schema({"good.tds": '<datasource inline="true"><aliases/></datasource>'}, schema)
    with pytest.raises(DataQualityError, match=r"bad\.tds:1: .*inline.*required"):
        check_against_schema({"bad.tds": "<datasource><aliases/></datasource>"}, schema)


@pytest.mark.parametrize("text", ["no xml", "<x/>", SCHEMA.replace("xml/user", "xml/other")])
def test_what_is_no_schema_is_refused(text: str, tmp_path: Path) -> None:
    schema = tmp_path / "twb.xsd"
    schema.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"not Tableau's schema(.|\n)*remedy: name the schema"):
        check_against_schema({}, schema)
