"""Whatever is edited, the metadata that are published are sound, and have every edit that can be published."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from idiscover.errors import ConfigError
from idiscover.metadata import last_good
from idiscover.metadata.last_good import ContentReader, MetadataFile, SoundMetadata, soundest
from idiscover.metadata.loading import CatalogError, load_catalog
from idiscover.metadata.models import Catalog

from tests.unit.metadata_samples import DELTA, DM, ITG, KIT, LAB, RESULT, TEST, UNIT, sample_files

SOUND = {path: text for path, text in sample_files().items() if path.endswith(".yaml")}
NEW_OBJECT = {
    "objects/extra.yaml": KIT.replace("object: kit", "object: extra").replace("Kit__c", "Extra__c"),
    "delta_filter/extra.yaml": DELTA.format(name="extra"),
    "tables/itg.extra.yaml": ITG.format(name="extra", inputs="{table: stg.extra}"),
}
GONE = None

# Path → its possible edits. Sound and faulty ones, those that only others make faulty, and deletions.
EDITS: dict[str, list[str | None]] = {
    "objects/lab.yaml": [LAB.replace("Labs.", "All labs."), LAB.replace("type: id", "type: idd"), GONE],
    "objects/test.yaml": [TEST.replace("object: lab}", "object: unit}"), TEST.replace("key: id", "key: day")],
    "objects/unit.yaml": [UNIT.replace("Units of", "Names of units of"), "units\n", GONE],
    "objects/result.yaml": [RESULT.replace("history: true", "history: false"), RESULT.replace("Result__c", "Kit__c")],
    "delta_filter/kit.yaml": [DELTA.format(name="kit").replace("720", "-1"), GONE],
    "tables/itg.unit.yaml": [ITG.format(name="unit", inputs="{table: stg.unit}, {table: itg.lab}"), GONE],
    "tables/dm.fact_test.yaml": [DM.replace("hours: 4", "hours: 5"), DM.replace("itg.unit", "itg.nothing"), GONE],
    **{path: [text] for path, text in NEW_OBJECT.items()},
}


def files(texts: Mapping[str, str | None], version: str) -> dict[str, MetadataFile]:
    return {path: MetadataFile(None if text is None else text.encode(), version) for path, text in texts.items()}


GOOD = files(SOUND, "good")
edited = st.fixed_dictionaries({}, optional={path: st.sampled_from(texts) for path, texts in EDITS.items()})


def found_for(edits: Mapping[str, str | None]) -> SoundMetadata:
    return soundest({**GOOD, **files(edits, "edit")}, GOOD)


def is_sound(chosen: Mapping[str, MetadataFile]) -> bool:
    try:
        load_catalog(ContentReader(chosen))
    except CatalogError:
        return False
    return True


@settings(max_examples=40, deadline=None)
@given(edits=edited)
def test_the_result_is_sound_and_no_refused_edit_could_be_taken_in(edits: dict[str, str | None]) -> None:
    found = found_for(edits)
    assert is_sound(found.files)
    refused = {edit.path for edit in found.refused}
    assert refused <= edits.keys()
    for path in {*GOOD, *edits}:
        expected = edits[path] if path in edits and path not in refused else SOUND.get(path)
        chosen = found.files.get(path)
        assert (chosen and chosen.content) == (None if expected is None else expected.encode()), path
    for edit in found.refused:
        assert edit.problems and edit.good == GOOD.get(edit.path) and edit.edit.version == "edit"
        assert not is_sound({**found.files, edit.path: edit.edit}), f"{edit.path} could be published"


@settings(max_examples=40, deadline=None)
@given(edits=edited, notes=st.sets(st.sampled_from(["objects/kit.yaml", "tables/itg.result.yaml"]), min_size=1))
def test_an_edit_that_harms_nobody_is_published_whatever_else_is_edited(
    edits: dict[str, str | None], notes: set[str]
) -> None:
    remarks = {path: SOUND[path] + "# a remark\n" for path in notes}
    found = found_for({**edits, **remarks})
    assert not notes & {edit.path for edit in found.refused}
    assert all(found.files[path].version == "edit" for path in notes)


@pytest.mark.parametrize(
    ("edits", "refused"),
    [
        ({}, set()),
        ({"objects/lab.yaml": "units\n", "tables/dm.fact_test.yaml": EDITS["tables/dm.fact_test.yaml"][0]}, {"lab"}),
        # the fault shows at a file that nobody has edited
        ({"tables/itg.unit.yaml": GONE}, {"itg.unit"}),
        ({"objects/lab.yaml": GONE}, {"lab"}),
        # an object that is taken away whole, and something depends on its table
        ({f"{folder}/{name}.yaml": GONE for folder, name in
          (("objects", "unit"), ("delta_filter", "unit"), ("tables", "itg.unit"))}, {"unit", "itg.unit"}),
        # and one that nothing depends on
        ({f"{folder}/{name}.yaml": GONE for folder, name in
          (("objects", "kit"), ("delta_filter", "kit"), ("tables", "itg.kit"))}, set()),
        (NEW_OBJECT, set()),
        # a new object without its delta filter: neither it nor its table can be published
        ({path: text for path, text in NEW_OBJECT.items() if "delta" not in path}, {"extra", "itg.extra"}),
        # an edit of a file that shows the fault of another one is innocent
        ({"tables/itg.unit.yaml": GONE, "tables/dm.fact_test.yaml": EDITS["tables/dm.fact_test.yaml"][0]},
         {"itg.unit"}),
    ],
)  # fmt: skip
def test_what_is_refused(edits: dict[str, str | None], refused: set[str]) -> None:
    found = found_for(edits)
    assert {edit.path.rpartition("/")[2].removesuffix(".yaml") for edit in found.refused} == refused


def test_a_refused_edit_says_what_is_wrong_and_where() -> None:
    (edit,) = found_for({"objects/lab.yaml": LAB.replace("type: id", "type: idd")}).refused
    assert [problem.where for problem in edit.problems] == ["objects/lab.yaml:11:28"]
    assert (edit.edit.version, edit.good, edit.is_deletion) == ("edit", GOOD["objects/lab.yaml"], False)
    (edit,) = found_for({"tables/itg.unit.yaml": GONE}).refused
    assert edit.is_deletion and "dm.fact_test" in str(edit.problems[0])


def test_a_file_that_is_not_utf8_is_an_edit_like_any_other() -> None:
    current = {**GOOD, "objects/lab.yaml": MetadataFile("Präzision".encode("latin-1"), "edit")}
    (edit,) = soundest(current, GOOD).refused
    assert edit.path == "objects/lab.yaml" and "UTF-8" in str(edit.problems[0])


def test_without_anything_published_faulty_files_are_left_out_with_what_needs_them() -> None:
    found = soundest(files({**SOUND, "objects/unit.yaml": "units\n"}, "first"), {})
    names = {edit.path for edit in found.refused}
    assert names == {"objects/unit.yaml", "delta_filter/unit.yaml", "tables/itg.unit.yaml", "tables/dm.fact_test.yaml"}
    assert set(found.catalog.objects) == {"lab", "test", "result", "kit"}


def test_each_refused_edit_is_tried_again_a_number_of_times_that_does_not_grow_with_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    faulty: dict[str, str | None] = {f"objects/a{number}.yaml": "units\n" for number in range(8)}
    remarks: dict[str, str | None] = {path: text + "# a remark\n" for path, text in SOUND.items()}
    reads: list[int] = []

    def read(reader: ContentReader) -> Catalog:
        reads.append(1)
        return load_catalog(reader)

    def blame_all_at_first(_catalog: Catalog, edits: Collection[str]) -> list[ConfigError]:
        return [ConfigError("in bad company", where=path) for path in edits] if len(reads) < 3 else []

    monkeypatch.setattr(last_good, "load_catalog", read)
    found = soundest({**GOOD, **files(faulty | remarks, "edit")}, GOOD, blame_all_at_first)
    assert {edit.path for edit in found.refused} == faulty.keys()
    assert len(reads) <= 2 * len(faulty | remarks), "not one for each pair of edits"


def test_metadata_that_are_sound_no_more_are_told() -> None:
    with pytest.raises(CatalogError):
        soundest(files({"objects/lab.yaml": "units\n"}, "x"), files({"objects/lab.yaml": "units\n"}, "x"))
