"""Which edits need a release: those whose DAGs would meet tables or procedures that the warehouse does not have."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from idiscover.metadata.last_good import MetadataFile, RefusedEdit, soundest
from idiscover.metadata.loading import load_catalog
from idiscover.warehouse.release import ReleaseStatement
from idiscover.warehouse.unreleased import unreleased

from tests.unit.metadata_samples import DM, KIT, LAB, MemoryReader, sample_files, sample_release

SOUND = {path: text for path, text in sample_files().items() if path.endswith(".yaml")}
RELEASED = sample_release(SOUND)
IN_FORCE = load_catalog(MemoryReader(SOUND))
FACT_FILE = "tables/dm.fact_test.yaml"
CITY = "  - {salesforce: City, type: string, length: 40, column: city, description: Where.}\n"
FEE = next(line for line in LAB.splitlines(keepends=True) if "Fee__c" in line)
NEW_OBJECT = {
    "objects/extra.yaml": KIT.replace("object: kit", "object: extra").replace("Kit__c", "Extra__c"),
    "delta_filter/extra.yaml": SOUND["delta_filter/kit.yaml"].replace("kit", "extra"),
    "tables/itg.extra.yaml": SOUND["tables/itg.kit.yaml"].replace("kit", "extra"),
}

# what is edited → file, text before, text after, words of the refusal
NEEDED: dict[str, tuple[str, str, str, str]] = {
    "a new field": ("objects/lab.yaml", FEE, FEE + CITY, 'alter table itg.lab add column "city" varchar(160);'),
    "a field less": ("objects/lab.yaml", FEE, "", "table itg.lab, table stg.lab"),
    "another column": ("objects/lab.yaml", "column: order", "column: fee", "renamed, or another: order → fee"),
    "a longer text": ("objects/lab.yaml", "length: 255", "length: 300", 'alter column "name" type varchar(1200)'),
    "another type": (
        "objects/test.yaml", "type: int, column: count", "type: string, length: 20, column: count",
        "write a migration, for a deploy does not do by itself: stg.test: other type: count: bigint → varchar(80)",
    ),
    "another country rule": (
        "objects/unit.yaml", "country: {rule: none}", "country: {rule: column, column: id}", "procedure itg.load_unit",
    ),
    "no history": ("objects/result.yaml", "history: true", "history: false", "procedure itg.load_result"),
    "a history": (
        "objects/test.yaml", "load_mode: delta", "load_mode: delta\nhistory: true", "table itg.test__history"
    ),
    "another key": ("objects/kit.yaml", "column: id", "column: kit_id", "table stg.kit__ids"),
}  # fmt: skip

HARMLESS: dict[str, tuple[str, str, str]] = {
    "a description": ("objects/lab.yaml", "description: Labs.", "description: All labs."),
    "a comment on a column": ("objects/lab.yaml", "A reserved word.", "Another., pii: personal"),
    "the order of columns": ("objects/lab.yaml", LAB[LAB.index(FEE) :], LAB[LAB.index(FEE) + len(FEE) :] + FEE),
    "a schedule": ("objects/lab.yaml", '"0 0 * * *"', '"0 6 * * *"'),
    "an owner's address": ("objects/lab.yaml", "labs@example.com", "others@example.com"),
    "another source": ("objects/unit.yaml", "Unit__c", "Units__c"),
    "a lookback": ("delta_filter/lab.yaml", "720", "60"),
    "a statement more": (
        FACT_FILE, "statements:\n", "statements:\n  - CALL dm.load_fact_test('FR', :as_of_date, :run_id)\n"
    ),
    "a cut-off": (FACT_FILE, "cut_off_hours: 4", "cut_off_hours: 5"),
}  # fmt: skip


def files(texts: Mapping[str, str], version: str) -> dict[str, MetadataFile]:
    return {path: MetadataFile(text.encode(), version) for path, text in texts.items()}


def refused(edits: Mapping[str, str], released: list[ReleaseStatement] | None) -> tuple[RefusedEdit, ...]:
    good = files(SOUND, "good")
    check = unreleased(released, IN_FORCE, "prod")
    return soundest({**good, **files(edits, "edit")}, good, check).refused


def edit_of(path: str, old: str, new: str) -> dict[str, str]:
    assert old in SOUND[path]
    text = SOUND[path].replace(old, new)
    if new == "column: kit_id":
        return {path: text.replace("key: id", "key: kit_id"), "tables/itg.kit.yaml": _with_key(path, "kit_id")}
    if "rule: column" in new:  # its country is that of a column of text
        text = text.replace("column: id}", "column: code}").replace(
            "fields:\n", "fields:\n  - {salesforce: Code, type: string, length: 2, column: code, description: Of.}\n"
        )
    return {path: text}


def _with_key(path: str, key: str) -> str:
    table = path.replace("objects/", "tables/itg.")
    return SOUND[table].replace("grain: [id]", f"grain: [{key}]")


@pytest.mark.parametrize("has_record", [True, False])
@pytest.mark.parametrize("name", NEEDED)
def test_an_edit_that_meets_other_sql_needs_a_release_and_then_none(name: str, has_record: bool) -> None:
    *edit, words = NEEDED[name]
    edits = edit_of(*edit)
    found = refused(edits, RELEASED if has_record else None)
    assert edit[0] in {item.path for item in found} <= edits.keys()
    (told,) = {str(problem) for item in found for problem in item.problems if item.path == edit[0]}
    assert told.startswith("an edit needs a release")
    assert words in told and "idiscover deploy --context context/prod.yaml --keep-edits" in told
    assert refused(edits, sample_release(SOUND | edits)) == ()


@pytest.mark.parametrize("has_record", [True, False])
@pytest.mark.parametrize("name", HARMLESS)
def test_an_edit_that_meets_the_same_sql_needs_none(name: str, has_record: bool) -> None:
    assert refused(edit_of(*HARMLESS[name]), RELEASED if has_record else None) == ()


def test_a_new_object_waits_with_all_its_files_and_holds_nobody_up() -> None:
    found = refused({**NEW_OBJECT, FACT_FILE: DM.replace("hours: 4", "hours: 5")}, RELEASED)
    assert {edit.path for edit in found} == NEW_OBJECT.keys()
    assert {problem.what for edit in found for problem in edit.problems} == {"an edit needs a release"}
    assert refused(NEW_OBJECT, sample_release(SOUND | NEW_OBJECT)) == ()


@pytest.mark.parametrize(
    ("new", "got"),
    [
        (
            DM.replace("columns:\n", "  - CALL dm.load_fact_tests(:country_code, :as_of_date, :run_id)\ncolumns:\n"),
            "dm.load_fact_tests",
        ),
        (DM.replace(":as_of_date, ", ""), "2 arguments"),
        (DM.replace("grain: [test_id]", "grain: [kit_id]"), "kit_id"),
    ],
)
def test_a_table_whose_sql_no_release_has_brought_is_refused(new: str, got: str) -> None:
    (edit,) = refused({FACT_FILE: new}, RELEASED)
    (told,) = map(str, edit.problems)
    assert edit.path == FACT_FILE and f"got: {got}" in told
    assert "what the last release has brought" in told and "--keep-edits" in told


def test_what_another_version_of_the_code_renders_otherwise_is_no_edit() -> None:
    """Between the stages environment and deploy, the warehouse has the SQL of the release before."""
    older = [ReleaseStatement(item.name, item.sql.replace("varchar", "character varying")) for item in RELEASED]
    path, old, new = HARMLESS["a description"]
    assert refused(edit_of(path, old, new), older) == ()
    assert [edit.path for edit in refused(edit_of(*NEEDED["a new field"][:3]), older)] == ["objects/lab.yaml"]


def test_where_nothing_is_known_nothing_is_asked() -> None:
    assert unreleased(None, None, "prod") is None
    first = files(SOUND, "first")
    assert soundest(first, {}, unreleased(RELEASED, None, "prod")).refused == ()
