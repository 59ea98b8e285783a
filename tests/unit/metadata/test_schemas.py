"""JSON Schemas: fresh, named by every file, and of one mind with the models."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from idiscover.cli.schema_files import schema_files, stale, write
from idiscover.errors import ConfigError
from idiscover.metadata.base import Model
from idiscover.metadata.loading import CatalogError, file_of, load_catalog
from idiscover.metadata.reference import BEGIN, SECTIONS, key_table, with_tables
from idiscover.metadata.schemas import SCHEMAS, SchemaFile, render_schemas
from idiscover.metadata.yaml_text import read_yaml
from jsonschema import Draft202012Validator

from tests.unit.metadata_samples import REPOSITORY, MemoryReader, sample_files

FILES = [(item, path) for item in SCHEMAS for path in sorted((REPOSITORY / item.folder).glob("*.yaml"))]


def _validator(item: SchemaFile) -> Draft202012Validator:
    return Draft202012Validator(json.loads(render_schemas()[item.path]))


VALIDATORS = {item.path: _validator(item) for item in SCHEMAS}


def _faults(item: SchemaFile, text: str) -> list[str]:
    return [error.message for error in VALIDATORS[item.path].iter_errors(read_yaml(text, "x.yaml").data)]


def test_what_is_made_from_the_models_is_fresh() -> None:
    assert stale(REPOSITORY) == [], "run idiscover schema"


def test_every_file_of_the_repository_is_looked_at() -> None:
    count = {item.folder: sum(1 for known, _ in FILES if known is item) for item in SCHEMAS}
    assert min(count.values()) >= 1 and sum(count.values()) > 70


@pytest.mark.parametrize(("item", "path"), FILES, ids=lambda value: value.name if isinstance(value, Path) else None)
def test_every_file_names_its_schema_and_fits_it(item: SchemaFile, path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    first = text.splitlines()[0]
    assert first == item.first_line
    assert (path.parent / first.rpartition("=")[2]).resolve() == REPOSITORY / item.path
    assert _faults(item, text) == []


@pytest.mark.parametrize("item", SCHEMAS, ids=lambda item: item.path)
def test_schemas_are_schemas(item: SchemaFile) -> None:
    Draft202012Validator.check_schema(VALIDATORS[item.path].schema)


@pytest.mark.parametrize("model", SECTIONS.values(), ids=lambda model: model.__name__)
def test_every_key_has_a_description(model: type[Model]) -> None:
    lacking = [name for name, info in model.model_fields.items() if not (info.description or "").endswith(".")]
    assert not lacking, "editors and the reference show it: write one sentence"


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        ("objects/lab.yaml", "grain:", "grian:"),
        ("objects/lab.yaml", "type: boolean", "type: bolean"),
        ("objects/lab.yaml", "length: 255, ", ""),
        ("objects/lab.yaml", "precision: 18, ", ""),
        ("objects/lab.yaml", "labs@example.com", "labs"),
        ("objects/lab.yaml", "description: Labs.", "description: 7"),
        ("objects/lab.yaml", "rule: column", "rule: colum"),
        ("objects/lab.yaml", "key: id", "key: ID"),
        ("objects/lab.yaml", "object: lab\n", ""),
        ("delta_filter/lab.yaml", "720", "-1"),
        ("delta_filter/lab.yaml", "720", '"720"'),
        ("delta_filter/lab.yaml", "filter: []", "sweep: dialy"),
        ("tables/dm.fact_test.yaml", "marks: all", "marks: al"),
        ("tables/dm.fact_test.yaml", "family: itg_to_dm", "family: sfdc_to_s3"),
        ("tables/dm.fact_test.yaml", "cut_off_hours: 4", "uses_as_of_date: yes"),
    ],
)
def test_editors_mark_what_the_models_refuse(path: str, old: str, new: str) -> None:
    text = sample_files()[path]
    item = next(item for item in SCHEMAS if item.folder == f"metadata/{path.split('/')[0]}")
    assert _faults(item, text) == []
    assert old in text
    assert _faults(item, text.replace(old, new, 1)) != []


def test_stale_files_are_found_and_written(tmp_path: Path) -> None:
    page = (REPOSITORY / "docs" / "metadata.md").read_text(encoding="utf-8")
    (tmp_path / "docs").mkdir()
    changed = page.replace("| key | name | required |", "| key | word | required |")
    (tmp_path / "docs" / "metadata.md").write_text(changed, encoding="utf-8")
    assert stale(tmp_path) == sorted(["docs/metadata.md", *render_schemas()])
    assert write(tmp_path) == sorted(["docs/metadata.md", *render_schemas()])
    assert stale(tmp_path) == [] and write(tmp_path) == []
    assert (tmp_path / "docs" / "metadata.md").read_text(encoding="utf-8") == page
    (tmp_path / "metadata" / "schema" / "table.schema.json").unlink()
    assert stale(tmp_path) == ["metadata/schema/table.schema.json"]


def test_a_page_without_room_for_a_table_is_refused() -> None:
    page = (REPOSITORY / "docs" / "metadata.md").read_text(encoding="utf-8")
    head = "### owner\n"
    at = page.index(BEGIN, page.index(head))
    with pytest.raises(ConfigError, match="no place for a table") as caught:
        with_tables(page[:at] + page[at + len(BEGIN) :], "docs/metadata.md")
    assert caught.value.key == "owner"


def test_elsewhere_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not the repository"):
        schema_files(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_row_of_the_reference() -> None:
    rows = key_table(SECTIONS["delta_filter/<object>.yaml"]).splitlines()
    assert rows[0] == "| key | type | default | meaning |"
    assert "| sweep | never, daily, weekly, monthly | never | `daily`: every scheduled run," in rows[7]
    assert re.match(r"\| lookback_minutes \| whole number, 0 to 44640 \| required \| How far", rows[4])


PATHS = sorted(path for path in sample_files() if path.endswith(".yaml"))
SNIPPETS = [*": \n\t\"'[]{}#", "- ", "&a ", "*a", "!!x ", "null", "yes", "-1", "9" * 50]


@given(st.sampled_from(PATHS), st.floats(0, 1), st.integers(0, 12), st.sampled_from(SNIPPETS))
@settings(max_examples=80, deadline=None)
def test_whatever_is_typed_is_told_or_sound_for_models_and_editors(
    path: str, place: float, removed: int, typed: str
) -> None:
    files = sample_files()
    at = int(place * len(files[path]))
    files[path] = files[path][:at] + typed + files[path][at + removed :]
    try:
        load_catalog(MemoryReader(files))
    except CatalogError as error:
        assert error.problems and all(file_of(problem) and problem.remedy for problem in error.problems)
    else:
        item = next(item for item in SCHEMAS if item.folder == f"metadata/{path.split('/')[0]}")
        assert _faults(item, files[path]) == []
