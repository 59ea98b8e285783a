"""An object of the org against the columns that are read of it: what stops a run, and what is only told."""

from __future__ import annotations

from typing import Any

import pytest
from idiscover.errors import ConfigError
from idiscover.metadata.models import FieldType
from idiscover.metadata.org_describe import OrgObject, read_describe
from idiscover.plan.drift import SchemaDrift, compare, shapes
from idiscover.plan.model import ColumnPlan

from tests.unit.notify.examples import EXTRACTION

COLUMNS = (
    ColumnPlan(salesforce="Id", type=FieldType.ID, column="id"),
    ColumnPlan(salesforce="Name", type=FieldType.STRING, column="name", length=80),
    ColumnPlan(salesforce="Lab__c", type=FieldType.REFERENCE, column="lab_id"),
    ColumnPlan(salesforce="Price__c", type=FieldType.CURRENCY, column="price", precision=18, scale=2),
    ColumnPlan(salesforce="Kits__c", type=FieldType.INT, column="kits"),
    ColumnPlan(salesforce="Is_Open__c", type=FieldType.BOOLEAN, column="is_open"),
)
FIELDS: dict[str, dict[str, Any]] = {
    "Id": {"type": "id", "length": 18},
    "Name": {"type": "string", "length": 80},
    "Lab__c": {"type": "reference", "length": 18},
    "Price__c": {"type": "currency", "precision": 18, "scale": 2},
    "Kits__c": {"type": "int"},
    "Is_Open__c": {"type": "boolean"},
}


def org(**changes: dict[str, Any] | None) -> OrgObject:
    """The object with some fields otherwise; None: gone."""
    fields = {name: field for name, field in {**FIELDS, **changes}.items() if field is not None}
    return read_describe({"name": "Kit__c", "fields": [{"name": name, **field} for name, field in fields.items()]})


def drift(known: OrgObject | None = None, **changes: dict[str, Any] | None) -> SchemaDrift:
    return compare(COLUMNS, org(**changes), None if known is None else shapes(known))


def test_an_org_that_is_as_the_metadata_says_has_no_news() -> None:
    assert drift() == drift(org()) == SchemaDrift()
    drift().require_readable(EXTRACTION)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"Price__c": None}, "Price__c is missing"),
        ({"Lab__c": None, "Labb__c": FIELDS["Lab__c"]}, "Lab__c is missing, perhaps renamed to Labb__c"),
        ({"Lab__c": None, "Labb__c": {"type": "boolean"}}, "Lab__c is missing"),
        ({"Name": {"type": "encryptedstring"}}, "Name cannot be carried any more: encrypted"),
        ({"Kits__c": {"type": "double", "precision": 18, "scale": 0}}, r"Kits__c is double\(18,0\) now"),
        (
            {"Is_Open__c": {"type": "picklist", "length": 40}},
            r"Is_Open__c is picklist\(40\) now, and its column holds bool",
        ),
        ({"Lab__c": {"type": "string", "length": 18}}, r"Lab__c is string\(18\) now"),
    ],
)
def test_what_cannot_be_read_is_named_before_anything_is_asked(changes: dict[str, Any], told: str) -> None:
    found = drift(**changes)
    with pytest.raises(ConfigError, match=told) as caught:
        found.require_readable(EXTRACTION)
    assert f"idiscover onboard {EXTRACTION.salesforce_object}" in str(caught.value.remedy)
    assert found.news == ()


def test_all_of_it_is_named_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        drift(Price__c=None, Kits__c=None, Is_Open__c={"type": "date"}).require_readable(EXTRACTION)
    assert [text.split()[0] for text in str(caught.value.got).split("; ")] == ["Price__c", "Kits__c", "Is_Open__c"]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"Name": {"type": "string", "length": 255}}, "Name: up to 255 characters now, and its column takes 80"),
        ({"Price__c": {"type": "currency", "precision": 18, "scale": 4}}, "Price__c: currency(18,4) now"),
        ({"Price__c": {"type": "double", "precision": 20, "scale": 2}}, "Price__c: double(20,2) now"),
        ({"Kits__c": {"type": "int", "calculated": True}}, "Kits__c: a formula now: it changes without a trace"),
    ],
)
def test_what_has_grown_is_told_and_read_all_the_same(changes: dict[str, Any], told: str) -> None:
    found = drift(**changes)
    found.require_readable(EXTRACTION)
    assert len(found.news) == 1 and found.news[0].startswith(told)


@pytest.mark.parametrize(
    "changes",
    [
        {"Name": {"type": "string", "length": 40}},
        {"Name": {"type": "picklist", "length": 80}},
        {"Name": {"type": "reference"}},
        {"Price__c": {"type": "int"}},
        {"Price__c": {"type": "percent", "precision": 5, "scale": 2}},
    ],
)
def test_what_the_column_holds_anyhow_is_no_news(changes: dict[str, Any]) -> None:
    assert drift(**changes) == SchemaDrift()


def test_a_new_field_is_told_once() -> None:
    new = {"Score__c": {"type": "double", "precision": 5, "scale": 1}, "Note__c": {"type": "base64"}}
    assert drift(**new).news == (), "what metadata leaves out from the beginning is a choice"
    assert drift(org(), **new).added == ("Score__c is new: double(5,1)", "Note__c is new: base64")
    assert drift(org(**new), **new).news == ()


def test_a_formula_that_is_none_any_more_is_told() -> None:
    formula = tuple(column.model_copy(update={"calculated": column.column == "kits"}) for column in COLUMNS)
    assert [text.partition(":")[::2] for text in compare(formula, org(), None).news] == [
        ("Kits__c", " no formula any more: it changes with SystemModstamp, and windows read it")
    ]


def test_names_are_compared_in_any_case() -> None:
    assert drift(Name=None, NAME=FIELDS["Name"]) == SchemaDrift()
