"""Reading metadata: all problems at once, each with file, line, column and remedy."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from idiscover.errors import ConfigError
from idiscover.metadata.loading import CatalogError, FolderReader, file_of, load_catalog, parse_context, parse_table
from idiscover.metadata.yaml_text import read_yaml

from tests.unit.golden_files import check_golden
from tests.unit.metadata_samples import LAB, REPOSITORY, MemoryReader, sample_catalog, sample_files


def broken(**changes: str | None) -> CatalogError:
    """The error of the sample with some files replaced, added or (None) removed."""
    files: dict[str, str | None] = {**sample_files(), **changes}
    with pytest.raises(CatalogError) as caught:
        load_catalog(MemoryReader({path: text for path, text in files.items() if text is not None}))
    return caught.value


def test_the_repositorys_own_metadata_is_sound() -> None:
    catalog = load_catalog(FolderReader(REPOSITORY / "metadata"))
    assert len(catalog.objects) == 16
    assert {f"itg.{name}" for name in catalog.objects} <= set(catalog.tables)
    assert all(version.startswith("sha256:") for version in catalog.versions.values())
    assert len(catalog.versions) == len(catalog.objects) * 2 + len(catalog.tables) + len(catalog.subjects)


def test_the_sample_loads_and_other_files_are_left_alone() -> None:
    catalog = sample_catalog()
    assert list(catalog.objects) == ["kit", "lab", "result", "test", "unit"]
    assert "README.md" not in catalog.versions


def test_every_fault_of_every_file_is_told_at_once() -> None:
    """The text that a person sees is a contract: it is read and approved as a golden file."""
    lab = (
        LAB.replace("grain:", "grian:")
        .replace("type: boolean", "type: bolean")
        .replace("length: 255, ", "")
        .replace("rule: column", "rule: colum")
        .replace("labs@example.com", "labs")
        .replace("description: Labs.", "description: 7")
    )
    error = broken(
        **{
            "objects/lab.yaml": lab,
            "objects/test.yaml": sample_files()["objects/test.yaml"].replace("column: day", "column: notes"),
            "objects/extra.yaml": "object: [",
            "objects/other.yaml": sample_files()["objects/unit.yaml"],
            "delta_filter/unit.yaml": None,
            "delta_filter/test.yaml": "object: test\nobject: test\n",
            "tables/dm.fact_test.yaml": sample_files()["tables/dm.fact_test.yaml"].replace(
                "CALL dm.", "DROP TABLE dm."
            ),
            "notes/wrong.yml": "a: 1",
        }
    )
    check_golden("metadata/all_problems.txt", str(error) + "\n")
    assert len(error.problems) == str(error).count("\n\n")


def test_a_file_that_cannot_be_read_makes_nothing_else_missing() -> None:
    error = broken(**{"objects/lab.yaml": LAB.replace("key: id", "key: ID")})
    assert [problem.where for problem in error.problems] == ["objects/lab.yaml:7:6"]


@pytest.mark.parametrize(
    ("path", "old", "new", "place", "remedy"),
    [
        ("objects/lab.yaml", "salesforce_object:", "salesforce_objct:", ":2:1", "salesforce_object"),
        ("objects/lab.yaml", "{rule: column, column:", "{rule: column, colunm:", ":8:25", "column"),
        ("objects/lab.yaml", "pii: personal", "pii: persnal", ":13:", "personal"),
        ("objects/lab.yaml", "pii: personal", "pi: personal", ":13:", "pii"),
        ("objects/lab.yaml", "Labs.", "12", ":3:14", 'put it in quotes: "12"'),
        ("objects/lab.yaml", "rule: column", "rule: colum", ":8:17", "column"),
        ("tables/dm.fact_test.yaml", "marks: all", "mark: all", ":8:23", "marks"),
        ("delta_filter/lab.yaml", "720", "-1", ":3:19", "correct the value"),
    ],
)
def test_place_and_remedy(path: str, old: str, new: str, place: str, remedy: str) -> None:
    error = broken(**{path: sample_files()[path].replace(old, new, 1)})
    hits = [problem for problem in error.problems if str(problem.where).startswith(f"{path}{place}")]
    assert remedy in [problem.did_you_mean or problem.remedy for problem in hits]


def test_each_problem_names_its_file() -> None:
    files = sample_files()
    error = broken(
        **{
            "objects/lab.yaml": files["objects/lab.yaml"].replace('"0 0 * * *"', "daily"),
            "objects/test.yaml": "object: [",
            "delta_filter/unit.yaml": None,
            "notes/wrong.yml": "a: 1",
        }
    )
    named = {file_of(problem) for problem in error.problems}
    assert named == {"objects/lab.yaml", "objects/test.yaml", "objects/unit.yaml", "notes/wrong.yml"}
    assert file_of(ConfigError("no place")) is None
    assert file_of(ConfigError("of a bucket", where="s3://b/context/x.yaml:3:1")) == "s3://b/context/x.yaml"


def test_norway_is_a_country() -> None:
    text = sample_files()["delta_filter/lab.yaml"].replace(
        "filter: []", "filter: [{field: Country_Code__c, op: in, value: [NO, ON, Y, SE]}]"
    )
    catalog = load_catalog(MemoryReader({**sample_files(), "delta_filter/lab.yaml": text}))
    assert catalog.delta_filters["lab"].filter[0].value == ("NO", "ON", "Y", "SE")


@pytest.mark.parametrize(
    ("text", "place", "what", "got"),
    [
        ("a: 1\n---\nb: 2\n", "2:1", "not the YAML", "another document"),
        ("a: 1\n\tb: 2\n", "2:1", "not the YAML", "'\\t'"),
        ("a: b: c\n", "1:5", "not the YAML", "mapping values"),
        ("a: \x00\n", "1:4", "no text has", "U+0000"),
        ("[" * 3000, None, "nested too deeply", None),
    ],
)
def test_yaml_that_ends_the_reading(text: str, place: str | None, what: str, got: str | None) -> None:
    with pytest.raises(ConfigError) as caught:
        read_yaml(text, "objects/x.yaml")
    assert what in caught.value.what
    assert caught.value.where == "objects/x.yaml" + (f":{place}" if place else "")
    assert (got or "") in str(caught.value.got)


def test_what_is_refused_does_not_hide_the_rest() -> None:
    text = "a: &x 1\nb: *x\nc: !!int two\na: 2\nd: !!set {q}\n? [e]\n: 1\nf: " + "9" * 41 + '\ng: kept\nh: "\\ud83d"\n'
    document = read_yaml(text, "x.yaml")
    assert document.data == {"a": 1, "b": None, "c": None, "d": None, "f": None, "g": "kept", "h": None}
    told = [(str(problem.where), problem.what, str(problem.got)) for problem in document.problems]
    assert sorted(told, key=lambda item: int(item[0].split(":")[1])) == [
        ("x.yaml:1:4", "an anchor is not allowed", "&x"),
        ("x.yaml:2:4", "an alias is not allowed", "*x"),
        ("x.yaml:3:4", "a tag is not allowed", "tag:yaml.org,2002:int"),
        ("x.yaml:4:1", "a key stands twice", "first in line 1"),
        ("x.yaml:5:4", "a tag is not allowed", "tag:yaml.org,2002:set"),
        ("x.yaml:6:3", "a key is not a text", "None"),
        ("x.yaml:8:4", "a number is too long", "41 digits"),
        ("x.yaml:10:4", "a text holds half a character", "'\\ud83d'"),
    ]
    assert document.was_read(("g",)) and not document.was_read(("d", "q"))


def test_a_slip_hides_no_other_mistake_of_its_file() -> None:
    text = LAB.replace("grain:", "grian:").replace("key: id", "key: ident").replace("pii: personal", "pii: persnal")
    told = {(str(problem.where), problem.what) for problem in broken(**{"objects/lab.yaml": text}).problems}
    assert ("objects/lab.yaml:4:1", "a key is unknown") in told
    assert ("objects/lab.yaml:7:6", "a column is missing or of the wrong type") in told
    assert len(told) == 3, "the two slips, and the key that is no column; not what follows from it"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("lookback_minutes: 720", 'lookback_minutes: "720"'),
        ("lookback_minutes: 720", "lookback_minutes: 720.5"),
        ('start: "2015-01-01T00:00:00Z"', "start: 2015"),
        ('start: "2015-01-01T00:00:00Z"', "start: yesterday"),
        ("filter: []", "filter: {}"),
        ("filter: []", "filter: [{field: X__c, op: in, value: A}]"),
        ("filter: []", "filter: [{field: X__c, op: =, value: [A]}]"),
        ("filter: []", "filter: [{field: X__c, op: <, value: null}]"),
    ],
)
def test_values_are_taken_as_they_are_written(old: str, new: str) -> None:
    text = sample_files()["delta_filter/lab.yaml"]
    assert old in text
    assert len(broken(**{"delta_filter/lab.yaml": text.replace(old, new)}).problems) == 1


def test_an_empty_file_is_refused_by_name() -> None:
    assert broken(**{"objects/lab.yaml": ""}).problems[0].where == "objects/lab.yaml:1:1"


def test_text_that_is_not_utf_8_is_one_problem_among_others(tmp_path: Path) -> None:
    for path, text in sample_files().items():
        (tmp_path / path).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / path).write_bytes(text.encode("utf-8"))
    (tmp_path / "objects" / "lab.yaml").write_bytes(LAB.replace("Labs.", "Präzision").encode("latin-1"))
    with pytest.raises(CatalogError, match="not UTF-8") as caught:
        load_catalog(FolderReader(tmp_path))
    assert [file_of(problem) for problem in caught.value.problems] == ["objects/lab.yaml"], "nothing is called missing"


def test_one_table_and_one_context_can_be_read_alone() -> None:
    assert parse_table(sample_files()["tables/dm.fact_test.yaml"], "s3://x").cut_off_hours == 4
    with pytest.raises(CatalogError, match=r"context/x\.yaml:1:1"):
        parse_context("regoin: x\n", "context/x.yaml")


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=60))
def test_any_text_is_metadata_or_a_config_error(text: str) -> None:
    try:
        parse_table(text, "tables/x.yaml")
    except ConfigError as error:
        assert "tables/x.yaml" in str(error)


KEYS = st.text(alphabet="abcdefghij_", min_size=1, max_size=8)
PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**6), 10**6)
    | st.sampled_from(["NO", "yes", "0x1", "1:30", "~x", "a b"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)


@given(PLAIN)
def test_plain_data_is_read_as_it_was_meant(data: object) -> None:
    document = read_yaml(_flow(data), "x.yaml")
    assert document.data == data


def _flow(data: object) -> str:
    """`data` in YAML's flow style, written by hand."""
    if isinstance(data, dict):
        return "{" + ", ".join(f"{key}: {_flow(value)}" for key, value in data.items()) + "}"
    if isinstance(data, list):
        return "[" + ", ".join(_flow(value) for value in data) + "]"
    return {None: "null", True: "true", False: "false"}[data] if data is None or isinstance(data, bool) else str(data)
