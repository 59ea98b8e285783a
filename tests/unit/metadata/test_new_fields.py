"""Which new fields may be taken up without a person, and why the others may not; and the file with them."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from idiscover.metadata.loading import parse_object
from idiscover.metadata.models import ObjectSpec
from idiscover.metadata.new_fields import NewFields, judge, with_new_fields
from idiscover.metadata.object_checks import COLUMNS_MAX
from idiscover.metadata.org_describe import read_describe
from idiscover.warehouse.table_changes import ChangeKind, changes_of_edit

from tests.unit.metadata.test_proposals import DELETED, ID, STAMP, field
from tests.unit.metadata.test_refreshing import FEE, FLOW, KNOWN, NAME

SINCE = date(2026, 11, 26)


def judged(
    *new: dict[str, Any],
    known: list[dict[str, Any]] = KNOWN,
    text: str = FLOW,
    names: tuple[str, ...] = (),
    formulas_are_read: bool = False,
) -> NewFields:
    org = read_describe({"name": "Account", "fields": [*known, *new]})
    wanted = names or tuple(item["name"] for item in new)
    return judge(parse_object(text, "lab"), text, org, wanted, formulas_are_read=formulas_are_read)


@pytest.mark.parametrize(
    ("new", "why"),
    [
        (field("Contact__c", "email"), "it may be personal: type email"),
        (field("Birth_Date__c", "date"), "it may be personal: a birth date"),
        (field("Diagnosis__c", "string"), "it may be sensitive: may tell of health"),
        (field("Site__c", "location"), "a compound field"),
        (field("Secret__c", "encryptedstring"), "encrypted"),
        (field("Opens__c", "time"), "no column type here"),
        (field("Margin__c", "double", calculated=True), "it wants formula_refresh in the delta filter"),
        (field("Report__c", "textarea", length=131072), "a text of up to 131,072 characters"),
        (field("Fee__pc", "double"), "its column would be fee, which is that of another field"),
        (field("IsDeleted__c", "string"), None),
    ],
)
def test_what_a_person_decides(new: dict[str, Any], why: str | None) -> None:
    found = judged(new, field("Tier__c", "picklist"))
    if why is None:
        assert found == NewFields((new["name"], "Tier__c"), {})
        return
    assert found.taken == ("Tier__c",), "one that waits holds no other up"
    assert why in found.refused[new["name"]]


def test_a_formula_is_taken_where_its_changes_are_read() -> None:
    formula = field("Margin__c", "double", calculated=True)
    assert judged(formula, formulas_are_read=True).taken == ("Margin__c",)
    remembering = FLOW.replace("load_mode: delta", "load_mode: delta\nhistory: true")
    found = judged(formula, text=remembering, formulas_are_read=True)
    assert "history: true" in found.refused["Margin__c"]


def test_what_the_author_left_out_stays_out_and_what_is_there_is_not_asked() -> None:
    text = f"{FLOW}# left out: Tier__c, Motto__c\n"
    found = judged(field("Tier__c", "picklist"), field("Rank__c", "int"), text=text)
    assert found == NewFields(("Rank__c",), {"Tier__c": "its file names it as left out"})
    assert judged(names=("Fee__c", "fee__c")) == NewFields((), {})


def test_the_new_name_of_another_field_and_one_that_is_gone() -> None:
    renamed = [ID, DELETED, NAME, STAMP]
    found = judged(field("Fees__c", "currency", precision=18, scale=2), known=renamed, names=("Fees__c", "Lost__c"))
    assert found.refused == {
        "Fees__c": "it may be the new name of a field that is missing",
        "Lost__c": "the org does not show it any more",
    }


def test_no_more_columns_than_a_table_has() -> None:
    known = len(parse_object(FLOW, "lab").fields)
    found = judged(*(field(f"A{number:04}__c", "int") for number in range(COLUMNS_MAX)))
    assert len(found.taken) == COLUMNS_MAX - 5 - known
    assert set(found.refused.values()) == {f"a table has at most {COLUMNS_MAX} columns"}
    assert len(found.taken) + len(found.refused) == COLUMNS_MAX


def test_the_file_has_them_with_the_day_and_nothing_else_is_touched() -> None:
    new = [field("Rank__c", "double"), field("Lab_Head__c", "reference", length=18), field("Other__c", "int")]
    grown = [ID, DELETED, {**NAME, "length": 200}, FEE, STAMP]
    org, spec = read_describe({"name": "Account", "fields": [*grown, *new]}), parse_object(FLOW, "lab")
    _, text = with_new_fields(spec, FLOW, org, ["Rank__c", "Lab_Head__c"], SINCE)
    lines = [line for line in text.splitlines() if line not in FLOW.splitlines()]
    assert lines == [
        '  - {salesforce: Rank__c, type: double, column: rank, precision: 18, scale: 2, since: "2026-11-26",',
        '     description: "Rank."}',
        '  - {salesforce: Lab_Head__c, type: reference, column: lab_head_id, since: "2026-11-26",',
        '     description: "Lab_Head."}',
    ]
    assert len(text.splitlines()) == len(FLOW.splitlines()) + 4
    assert added_by(spec, parse_object(text, "lab")) == [
        ("stg.lab", "rank"), ("stg.lab", "lab_head_id"), ("itg.lab", "rank"), ("itg.lab", "lab_head_id"),
    ]  # fmt: skip


def added_by(before: ObjectSpec, after: ObjectSpec) -> list[tuple[str, str]]:
    """Tables and columns; every alteration adds one."""
    changes = changes_of_edit(before, after)
    assert {change.kind for change in changes} == {ChangeKind.ADD_COLUMN}
    return [(change.table, change.column) for change in changes]
