"""`idiscover validate` and `idiscover schema` as commands: status, text, JSON."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import Result
from idiscover.cli import places
from idiscover.cli.app import app
from idiscover.cli.compiling import compile_dags
from idiscover.cli.validating import DOCUMENT_VERSION, validate
from idiscover.cli.verbs import load_verbs
from idiscover.metadata.loading import CatalogError
from idiscover.metadata.sql_inventory import SqlInventory
from typer.testing import CliRunner

from tests.unit.metadata_samples import REPOSITORY, sample_files

MISTAKE_KEYS = {"file", "line", "column", "what", "key", "got", "expected", "did_you_mean", "remedy", "excerpt"}


def _run(*words: str, colour: bool = False) -> Result:
    load_verbs()
    return CliRunner().invoke(app, list(words), color=colour)


@pytest.fixture
def samples(tmp_path: Path) -> Path:
    """The sample's metadata as a folder; its path."""
    folder = tmp_path / "metadata"
    for path, text in sample_files().items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def broken(samples: Path) -> Path:
    """The same with two mistakes."""
    path = samples / "objects" / "lab.yaml"
    text = path.read_text(encoding="utf-8").replace("pii: personal", "pii: persnal").replace("key: id", "key: idd")
    path.write_text(text, encoding="utf-8")
    return samples


def test_the_repository_is_sound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)
    said = _run("validate")
    assert said.exit_code == 0
    contexts = len(list((REPOSITORY / "context").glob("*.yaml")))
    assert said.output.startswith("sound: ")
    assert f"(16 objects, 16 delta filters, 39 tables, 7 subjects, {contexts} contexts)" in said.output


def test_what_was_not_checked_is_said(samples: Path, tmp_path: Path) -> None:
    said = _run("validate", "--metadata", str(samples), "--root", str(tmp_path))
    assert said.exit_code == 0
    assert said.output.endswith("; not checked: statements against sql/, which is not here\n")


def test_mistakes_end_with_status_1_and_are_shown_in_their_lines(broken: Path, tmp_path: Path) -> None:
    said = _run("validate", "--metadata", str(broken), "--root", str(tmp_path))
    assert said.exit_code == 1
    assert f"  where: {broken}/objects/lab.yaml:7:6\n    7 | key: idd\n      |      ^^^\n  key: key\n" in said.output
    assert said.output.endswith(
        "2 mistakes in 1 file; looked at 16 files (5 objects, 5 delta filters, 6 tables, 0 contexts)\n"
    )


def test_colours_are_for_terminals_only(broken: Path, tmp_path: Path) -> None:
    words = ("validate", "--metadata", str(broken), "--root", str(tmp_path))
    assert "\x1b[" not in _run(*words).output
    assert "\x1b[31ma column is missing or of the wrong type\x1b[0m" in _run(*words, colour=True).output


@pytest.mark.parametrize("option", [("--json",), ("--format", "json")])
def test_json_is_for_machines(broken: Path, tmp_path: Path, option: tuple[str, ...]) -> None:
    said = _run("validate", "--metadata", str(broken), "--root", str(tmp_path), *option)
    document = json.loads(said.output)
    assert said.exit_code == 1
    assert set(document) == {"version", "sound", "files", "checked", "mistakes"}
    assert (document["version"], document["sound"]) == (DOCUMENT_VERSION, False)
    assert document["files"] == {"objects": 5, "delta_filters": 5, "tables": 6, "contexts": 0}
    assert len(document["checked"]) > 20 and all(rule.endswith(".") for rule in document["checked"])
    assert all(set(mistake) == MISTAKE_KEYS for mistake in document["mistakes"])
    assert document["mistakes"][0] == {
        "file": f"{broken}/objects/lab.yaml",
        "line": 7,
        "column": 6,
        "what": "a column is missing or of the wrong type",
        "key": "key",
        "got": "idd",
        "expected": "a column of type id: id",
        "did_you_mean": "id",
        "remedy": "name another column, or add the field",
        "excerpt": ["    7 | key: idd", "      |      ^^^"],
    }


def test_the_documentation_knows_every_key_of_the_json() -> None:
    page = (REPOSITORY / "docs" / "metadata.md").read_text(encoding="utf-8")
    section = page[page.index("## Checking: idiscover validate") : page.index("## objects/")]
    for key in {"version", "sound", "files", "checked", "mistakes"} | MISTAKE_KEYS:
        assert f"| {key} |" in section


@pytest.mark.parametrize(
    ("words", "said_why"),
    [
        (("--metadata", "nowhere"), "no metadata"),
        (("--context", "nowhere.yaml"), "no such context"),
        (("--context", "context/lokal.yaml"), "did you mean: context/local.yaml"),
        (("--format", "xml"), "xml"),
        (("--all",), "--all"),
    ],
)
def test_what_cannot_be_checked_ends_with_status_2(
    words: tuple[str, ...], said_why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(REPOSITORY)
    said = _run("validate", *words)
    assert said.exit_code == 2
    assert said_why in said.output + said.stderr


def test_contexts_that_are_named_are_checked_and_no_others(samples: Path, tmp_path: Path) -> None:
    place = tmp_path / "local.yaml"
    text = (REPOSITORY / "context" / "local.yaml").read_text(encoding="utf-8")
    place.write_text(text.replace("region: us-east-1", "region: Virginia"), encoding="utf-8")
    said = _run("validate", "--metadata", str(samples), "--root", str(tmp_path), "--context", str(place))
    assert said.exit_code == 1
    assert f"  where: {place}:" in said.output and "1 mistake in 1 file" in said.output
    place.write_bytes(b"environment: \xe4\n")
    assert _run("validate", "--metadata", str(samples), "--context", str(place)).exit_code == 2


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (b"ada,Uk", r"a country code is none(.|\n)*where: \S*local\.entitlement\.csv:2"),
        (b"\xe4da,DE", r"the file is not UTF-8(.|\n)*where: \S*local\.entitlement\.csv:2:1"),
        (b'"ada,DE', r"a row cannot be read(.|\n)*where: \S*local\.entitlement\.csv:2"),
    ],
)
def test_the_entitlement_beside_a_context_is_checked(line: bytes, told: str, samples: Path, tmp_path: Path) -> None:
    place = tmp_path / "local.yaml"
    shutil.copy(REPOSITORY / "context" / "local.yaml", place)
    (tmp_path / "local.entitlement.csv").write_bytes(b"user_name,country_code\n" + line + b"\n")
    said = _run("validate", "--metadata", str(samples), "--root", str(tmp_path), "--context", str(place))
    assert said.exit_code == 1 and re.search(told, said.output), said.output


@dataclass
class _Bucket:
    """A bucket with the sample's metadata and a mistake in them, as `aws.s3.Bucket`."""

    name: str
    region: str

    def list(self, prefix: str) -> list[str]:
        """Keys below a prefix."""
        return [f"metadata/{path}" for path in sample_files() if f"metadata/{path}".startswith(prefix)]

    def read_text_version(self, key: str) -> tuple[str, str]:
        """Text and version."""
        return sample_files()[key.removeprefix("metadata/")].replace("pii: personal", "pii: persnal"), "v1"


@pytest.mark.parametrize("place", ["s3://bucket/metadata", "s3://bucket/metadata/"])
def test_a_bucket_is_read_as_a_folder(place: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(places, "Bucket", _Bucket)
    (mistake,) = validate(place, [], tmp_path).mistakes
    assert (mistake.place.file, mistake.place.line) == ("s3://bucket/metadata/objects/lab.yaml", 13)
    assert mistake.excerpt[0].endswith("pii: persnal}")


def test_a_compile_refuses_what_validate_finds(samples: Path, tmp_path: Path) -> None:
    """dm.load_fact_test is no procedure of this repository."""
    context, out = str(REPOSITORY / "context" / "local.yaml"), tmp_path / "dags"
    compile_dags(str(samples), context, str(out), "0" * 40)
    shutil.rmtree(out)
    sql = SqlInventory.read(REPOSITORY / "sql")
    with pytest.raises(CatalogError, match="a procedure that does not exist"):
        compile_dags(str(samples), context, str(out), "0" * 40, sql=sql)
    assert not out.exists()


def test_schema_says_what_is_stale(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    shutil.copy(REPOSITORY / "docs" / "metadata.md", tmp_path / "docs")
    said = _run("schema", "--check", "--root", str(tmp_path))
    assert said.exit_code == 1
    assert "metadata/schema/object.schema.json: is not up to date" in said.output
    assert _run("schema", "--root", str(tmp_path)).exit_code == 0
    assert _run("schema", "--check", "--root", str(tmp_path)).exit_code == 0
