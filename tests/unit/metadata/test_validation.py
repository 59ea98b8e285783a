"""Checks between fields and files: each rule is broken once, and found where it is broken."""

from __future__ import annotations

import pytest
from idiscover.metadata.loading import CatalogError, load_catalog
from idiscover.metadata.validation import problems

from tests.unit.metadata_samples import MemoryReader, sample_catalog, sample_files

OBJECT, TEST, TABLE, DM = "objects/lab.yaml", "objects/test.yaml", "tables/itg.lab.yaml", "tables/dm.fact_test.yaml"
LONG = "l" * 41

BROKEN = [
    (OBJECT, "key: id", "key: name", f"{OBJECT}:7:6", "missing or of the wrong type"),
    (OBJECT, "key: id", "key: ident", f"{OBJECT}:7:6", "missing or of the wrong type"),
    (OBJECT, "key: id", "key: id\nversion_column: name", f"{OBJECT}:8:17", "missing or of the wrong type"),
    (OBJECT, "column: country_code}", "column: is_deleted}", f"{OBJECT}:8:33", "missing or of the wrong type"),
    (OBJECT, "column: name", "column: id", f"{OBJECT}:13:", "stands twice"),
    (OBJECT, "salesforce: Name", "salesforce: id", f"{OBJECT}:13:", "stands twice"),
    (OBJECT, "column: name", "column: xmin", f"{OBJECT}:13:", "reserved"),
    (OBJECT, "salesforce_object: Account", "salesforce_object: test__C", f"{TEST}:2:20", "extracted twice"),
    (OBJECT, '"0 0 * * *"', '"daily"', f"{OBJECT}:6:11", "not a cron expression"),
    (TEST, "column: lab_id, object", "column: notes, object", f"{TEST}:8:30", "missing or of the wrong type"),
    (TEST, "object: lab}", "object: labs}", f"{TEST}:8:46", "an object that has none"),
    (TEST, "object: lab}", "object: unit}", f"{TEST}:8:46", "an object that has none"),
    (TEST, "object: lab}", "object: test}", f"{TEST}:8:46", "come from each other"),
    (TEST, "key: id", "key: test_id", f"{TEST}:7:6", "missing or of the wrong type"),
    ("delta_filter/lab.yaml", "SystemModstamp", "Name", "delta_filter/lab.yaml:2:8", "delta field"),
    (TABLE, "grain: [id]", "grain: [name]", f"{TABLE}:5:8", "grain"),
    (TABLE, "family: stg_to_itg", "family: itg_to_dm", f"{TABLE}:2:9", "family and schema"),
    (TABLE, "{table: stg.lab}", "{table: stg.lab}, {table: itg.unit}", f"{TABLE}:6:9", "and for nothing else"),
    (DM, "itg.unit", "stg.unit", f"{DM}:8:13", "does not fit the family"),
    (DM, "itg.unit", "itg.units", f"{DM}:8:13", "does not exist"),
    (DM, "itg.unit", "itg.test", f"{DM}:7:3", "stands twice"),
    (DM, "cut_off_hours", "source: {table: dm.dim_x}\ncut_off_hours", f"{DM}:9:17", "is no itg table"),
    (DM, "CALL dm.", "CALL itg.", f"{DM}:11:5", "another schema"),
    (DM, "CALL dm.load_fact_test(", "SELECT (", f"{DM}:11:5", "is refused"),
    (DM, ":run_id)", ":run_id); DROP TABLE x", f"{DM}:11:5", "is refused"),
]


RESULT, KIT = "objects/result.yaml", "objects/kit.yaml"
DELTA_LAB, DELTA_RESULT, DELTA_KIT = (f"delta_filter/{name}.yaml" for name in ("lab", "result", "kit"))
# what is added to which files, and what comes of it
READS = {
    "history of an object read whole": ({KIT: "history: true"}, f"{KIT}:14:10", "would grow by the whole object"),
    "history with a formula refresh": (
        {RESULT: "fields:\n  - {salesforce: F__c, type: int, column: f, calculated: true, description: F.}",
         DELTA_RESULT: "formula_refresh: daily"},
        f"{RESULT}:10:10", "would grow by the whole object",
    ),
    "a formula that nobody refreshes": (
        {OBJECT: "fields:\n  - {salesforce: F__c, type: int, column: f, calculated: true, description: F.}"},
        f"{OBJECT}:11:58", "would go stale",
    ),
    "a refresh without a formula": (
        {DELTA_LAB: "formula_refresh: daily"}, f"{DELTA_LAB}:6:18", "no formula to refresh"
    ),
    "a sweep of an object read whole": ({DELTA_KIT: "sweep: daily"}, f"{DELTA_KIT}:6:8", "read already"),
    "a formula refresh of an object read whole": (
        {DELTA_KIT: "formula_refresh: daily"}, f"{DELTA_KIT}:6:18", "read already"
    ),
    "a sweep and a formula refresh": (
        {OBJECT: "fields:\n  - {salesforce: F__c, type: int, column: f, calculated: true, description: F.}",
         DELTA_LAB: "formula_refresh: daily\nsweep: daily"},
        f"{DELTA_LAB}:7:8", "read already",
    ),
    "deletions that nobody sees": ({DELTA_RESULT: "sweep: never"}, f"{DELTA_RESULT}:6:8", "would never be seen"),
}  # fmt: skip


@pytest.mark.parametrize("name", READS)
def test_what_does_not_go_together(name: str) -> None:
    added, place, what = READS[name]
    files = sample_files()
    for path, text in added.items():
        if text.startswith("fields:"):
            files[path] = files[path].replace("fields:", text)
        else:
            files[path] = files[path].replace("sweep: daily\n", "") + text + "\n"
    assert any(where.startswith(place) and what in text for where, text in found(files)), found(files)


def test_a_formula_that_is_refreshed_is_sound() -> None:
    files = sample_files()
    formula = "fields:\n  - {salesforce: F__c, type: int, column: f, calculated: true, description: F.}"
    files[OBJECT] = files[OBJECT].replace("fields:", formula)
    files[DELTA_LAB] += "formula_refresh: daily\n"
    load_catalog(MemoryReader(files))


def test_countries_that_come_from_each_other_are_told_once() -> None:
    """test has the country of result, and result that of test."""
    files = sample_files()
    files[TEST] = files[TEST].replace("object: lab}", "object: result}")
    files["tables/itg.test.yaml"] = files["tables/itg.test.yaml"].replace("itg.lab", "itg.result")
    told = [(where, text) for where, text in found(files) if "come from each other" in text]
    assert told == [(f"{RESULT}:8:47", "the countries of objects come from each other")]


def found(files: dict[str, str]) -> list[tuple[str, str]]:
    with pytest.raises(CatalogError) as caught:
        load_catalog(MemoryReader(files))
    return [(str(problem.where), problem.what) for problem in caught.value.problems]


@pytest.mark.parametrize(("path", "old", "new", "place", "what"), BROKEN, ids=[f"{row[0]}-{row[2]}" for row in BROKEN])
def test_each_rule(path: str, old: str, new: str, place: str, what: str) -> None:
    files = sample_files()
    assert old in files[path]
    files[path] = files[path].replace(old, new, 1)
    assert any(where.startswith(place) and what in text for where, text in found(files))


def test_a_sound_catalog_has_no_problems() -> None:
    assert problems(sample_catalog()) == []


@pytest.mark.parametrize(
    ("gone", "place"),
    [
        ("delta_filter/lab.yaml", OBJECT),
        (OBJECT, "delta_filter/lab.yaml"),
        (OBJECT, TABLE),
        (OBJECT, TEST),
        ("tables/itg.lab.yaml", "tables/itg.test.yaml"),
    ],
)
def test_a_missing_file_is_missed_by_those_that_need_it(gone: str, place: str) -> None:
    files = sample_files()
    del files[gone]
    assert any(where.startswith(place) for where, _ in found(files))


def test_tables_that_wait_for_each_other_are_told_once() -> None:
    files = sample_files()
    for name, source in (("a", "c"), ("b", "a"), ("c", "b"), ("d", "a")):
        files[f"tables/dm.{name}.yaml"] = (
            files[DM]
            .replace("fact_test", name)
            .replace("itg_to_dm", "dm_to_dm")
            .replace("itg.test", f"dm.{source}")
            .replace("itg.unit", "dm.fact_test")
        )
    assert found(files) == [("tables/dm.a.yaml:7:3", "tables wait for each other")]


def test_names_that_would_break_a_dag_id() -> None:
    files = sample_files()
    for name in (LONG, "lab__x"):
        for path in ("objects/lab.yaml", "delta_filter/lab.yaml"):
            text = files[path].replace("object: lab", f"object: {name}", 1)
            files[path.replace("lab", name)] = text.replace("Account", f"A{len(name)}__c")
    what = [text for where, text in found(files) if where.startswith("objects/l")]
    assert sorted(what) == ["a name holds a separator", "a name is too long"]
