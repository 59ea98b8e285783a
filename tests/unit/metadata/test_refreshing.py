"""What has changed in the org since a file was written; and that nothing else in the file is touched."""

from __future__ import annotations

import difflib
from typing import Any

import pytest
from idiscover.metadata.loading import FolderReader, load_catalog
from idiscover.metadata.models import Catalog
from idiscover.metadata.org_describe import read_describe
from idiscover.metadata.paths import object_path
from idiscover.metadata.refreshing import Refresh, compare, refreshed_filter, refreshed_object
from idiscover.metadata.yaml_edit import YamlEdit
from idiscover.metadata.yaml_text import read_yaml
from idiscover.warehouse.table_changes import changes_of_edit

from local.salesforce import schema
from local.salesforce.describe import describe
from tests.unit.metadata.test_proposals import DELETED, ID, STAMP, field
from tests.unit.metadata_samples import REPOSITORY, MemoryReader, sample_files

PATH, FILTER = "objects/lab.yaml", "delta_filter/lab.yaml"
FLOW = """\
# kept by hand
object: lab
salesforce_object: Account   # where it comes from
description: Labs.
grain: one row per lab
owner: {name: Lab Team, email: labs@example.com}
schedule: '0 0 * * *'
key: id
country: {rule: none}
load_mode: delta
fields:
  - {salesforce: Id, type: id, column: id, description: Record id.}
  - {salesforce: IsDeleted, type: boolean, column: is_deleted, description: In the bin.}
  # the name on the door
  - {salesforce: Name, type: string, length: 80, column: title,
     description: "Lab's name", pii: personal}  # agreed with the labs

  - salesforce: Fee__c
    type: currency   # in EUR
    precision: 18
    scale: 2
    column: fee
    description: What a test costs.
  - {salesforce: SystemModstamp, type: datetime, column: system_modstamp, description: Version.}
# the end
"""
NAME, FEE = field("Name", "string"), field("Fee__c", "currency", precision=18, scale=2)
KNOWN = [ID, DELETED, NAME, FEE, STAMP]


def files_with(text: str = FLOW, **more: str) -> dict[str, str]:
    # nobody has the country of this lab
    wanted = ("unit", "kit")
    kept = {path: content for path, content in sample_files().items() if any(name in path for name in wanted)}
    return {
        **kept,
        PATH: text,
        FILTER: sample_files()[FILTER],
        "tables/itg.lab.yaml": sample_files()["tables/itg.lab.yaml"],
        **more,
    }


def refreshed(
    fields: list[dict[str, Any]], text: str = FLOW, delta: str = "", **options: Any
) -> tuple[Refresh, str, Catalog]:
    """The differences, the new text, and all metadata with it."""
    files = files_with(text)
    files[FILTER] += delta
    before = load_catalog(MemoryReader(files))
    org = read_describe({"name": "Account", "label": "Account", "fields": fields})
    refresh = compare(before.objects["lab"], files[PATH], org, **options)
    new = refreshed_object(refresh, files[PATH])
    files[FILTER] = refreshed_filter(refresh, before.delta_filters["lab"], files[FILTER])
    files[PATH] = new
    return refresh, new, load_catalog(MemoryReader(files))


def changes(text: str) -> list[str]:
    """Lines that are not as in FLOW, with + or -."""
    lines = difflib.ndiff(FLOW.splitlines(), text.splitlines())
    return [line for line in lines if line.startswith(("+", "-"))]


def test_nothing_has_changed() -> None:
    refresh, text, _ = refreshed(KNOWN)
    assert (refresh.added, refresh.changed, refresh.missing, text) == ((), (), (), FLOW)


def test_new_fields_stand_behind_the_others_and_everything_else_stays() -> None:
    new = [field("Title__c", "string"), field("Mail__c", "email")]
    refresh, text, catalog = refreshed([*new, *KNOWN])
    assert changes(text) == [
        "+   - {salesforce: Title__c, type: string, column: title_2, length: 80,",
        '+      description: "Title."}',
        "+   - {salesforce: Mail__c, type: email, column: mail, length: 80, pii: personal,",
        '+      description: "Mail."}  # to confirm: type email',
    ]
    assert text.endswith("# the end\n") and len(refresh.to_confirm) == 1
    assert [item.column for item in catalog.objects["lab"].fields][-2:] == ["title_2", "mail"]


def test_what_has_grown_grows_in_its_place() -> None:
    wider = [ID, DELETED, {**NAME, "length": 120}, {**FEE, "precision": 18, "scale": 4}, STAMP]
    refresh, text, catalog = refreshed(wider)
    assert changes(text) == [
        "-   - {salesforce: Name, type: string, length: 80, column: title,",
        "+   - {salesforce: Name, type: string, length: 120, column: title,",
        "-     precision: 18",
        "+     precision: 20",
        "-     scale: 2",
        "+     scale: 4",
    ]
    assert [change.differences for change in refresh.changed] == [("length 80 → 120",), ("scale 2 → 4",)]
    found = changes_of_edit(refresh.spec, catalog.objects["lab"])
    assert [change.sql for change in found if change.is_automatic] == [
        'alter table stg.lab alter column "title" type varchar(480);',
        'alter table itg.lab alter column "title" type varchar(480);',
    ]
    assert [(change.table, change.what) for change in found if change.needs_migration] == [
        ("stg.lab", "fee: numeric(18, 2) → numeric(20, 4)"), ("itg.lab", "fee: numeric(18, 2) → numeric(20, 4)"),
    ]  # fmt: skip


def test_what_has_shrunk_is_told_and_kept() -> None:
    refresh, text, _ = refreshed([ID, DELETED, {**NAME, "length": 40}, FEE, STAMP])
    assert text == FLOW
    [change] = refresh.changed
    assert (change.differences, change.grown) == (("length 80 → 40",), None)


def test_another_type() -> None:
    _, text, catalog = refreshed([ID, DELETED, NAME, field("Fee__c", "string", length=30), STAMP])
    assert changes(text) == [
        "-     type: currency   # in EUR",
        "+     type: string",
        "+     length: 30   # in EUR",
    ]
    assert catalog.objects["lab"].fields[3].length == 30


def test_a_field_that_became_a_formula_changes_what_is_read() -> None:
    _, text, catalog = refreshed([ID, DELETED, {**NAME, "calculated": True}, FEE, STAMP], delta="sweep: daily\n")
    assert "type: string, calculated: true, length: 80" in text
    assert (catalog.delta_filters["lab"].sweep, catalog.delta_filters["lab"].formula_refresh) == ("never", "daily")


def test_a_formula_that_is_none_any_more() -> None:
    formula = FLOW.replace("type: string,", "type: string, calculated: true,")
    _, text, catalog = refreshed(KNOWN, formula, "formula_refresh: daily\n")
    assert text == FLOW
    assert (catalog.delta_filters["lab"].sweep, catalog.delta_filters["lab"].formula_refresh) == ("daily", "never")


def test_an_object_with_history_takes_no_formulas() -> None:
    text = FLOW.replace("load_mode: delta\n", "load_mode: delta\nhistory: true\n")
    refresh, new, _ = refreshed([*KNOWN, field("Age__c", "double", calculated=True)], text)
    assert refresh.added == ()
    assert "Age__c" in refresh.notes[0]
    assert new == f"{text}# left out: Age__c\n"


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        (field("Fees__c", "currency", precision=18, scale=2), "Fees__c"),
        (field("Price__c", "currency", precision=18, scale=2, label="What a test costs"), "Price__c"),
        (field("Fees__c", "string"), None),
        (field("Other__c", "currency", precision=18, scale=2), None),
    ],
)
def test_a_field_that_is_gone_is_told_and_stays(new: dict[str, Any], expected: str | None) -> None:
    refresh, text, _ = refreshed([ID, DELETED, NAME, STAMP, new])
    [missing] = refresh.missing
    assert (missing.spec.column, missing.renamed_to) == ("fee", expected)
    assert "salesforce: Fee__c" in text
    assert (new["name"] in text) == (expected is None), "what may be the old one's new name is left to a person"


def test_what_may_be_a_new_name_is_taken_if_it_is_asked_for() -> None:
    fields = [ID, DELETED, NAME, STAMP, field("Fees__c", "currency", precision=18, scale=2)]
    for options in ({"wanted": ["Fees__c"]}, {"everything": True}):
        assert [item.column for item in refreshed(fields, **options)[0].added] == ["fees"]


def test_what_was_left_out_is_not_proposed_again_unless_it_is_wanted() -> None:
    text = FLOW + "# left out: Photo__c (too large), Fax, Age__c\n"
    fields = [*KNOWN, field("Fax", "phone"), field("Age__c", "double"), field("New__c", "string")]
    assert [item.field.name for item in refreshed(fields, text)[0].added] == ["New__c"]
    _, all_of_them, _ = refreshed(fields, text, everything=True)
    assert "# left out: Photo__c (too large)\n" in all_of_them
    _, one, _ = refreshed(fields, text, wanted=["Fax"])
    assert one.endswith("# left out: Photo__c (too large), Age__c\n# left out: New__c\n")


def test_a_list_in_one_line_and_a_list_without_a_last_line_end() -> None:
    edit = YamlEdit("a: [{b: 1}, {b: 3}]  # four\n")
    edit.insert(("a",), 1, "{b: 2}")
    edit.append(("a",), ["{b: 4}"])
    assert edit.text() == "a: [{b: 1}, {b: 2}, {b: 3}, {b: 4}]  # four\n"
    edit = YamlEdit("a:\n- 1\n- 2")
    edit.append(("a",), ["3"])
    assert read_yaml(edit.text(), "x").data == {"a": [1, 2, 3]}


def test_the_repositorys_objects_are_as_the_org_has_them() -> None:
    """Nothing has changed or gone; what they leave out is known, and a second look finds nothing more."""
    reader = FolderReader(REPOSITORY / "metadata")
    left_out = {}
    for name, spec in load_catalog(reader).objects.items():
        org = read_describe(describe(schema.OBJECTS[spec.salesforce_object], "62.0"))
        text = reader.read(object_path(name))[0]
        refresh = compare(spec, text, org)
        assert (refresh.changed, refresh.missing) == ((), ()), name
        left_out[name] = [item.field.name for item in refresh.added]
        assert compare(spec, refreshed_object(refresh, text), org, wanted=()).added == ()
    assert {name: names for name, names in left_out.items() if names} == {
        "record_type": ["NamespacePrefix", "Description"]
    }
