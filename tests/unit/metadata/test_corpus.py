"""Broken configurations, each with all that `idiscover validate` says of it: tests/corpus/<case>/.

A case is `case.yaml`, what is changed in a sound repository, and `message.txt`, the report as it was last approved by a
person. The sound repository is that of metadata_samples.py with what lies in tests/corpus/base/. Of `case.yaml`:

    about: what is wrong, a sentence
    rename: {path: new path}
    edit: {path: [{old: text, new: text}, …]}     the old text stands there once, or its first place is meant
    add: {path: text}
    remove: [path, …]
    encoding: {path: other than utf-8}

`UPDATE_GOLDEN=1 pytest tests/unit/metadata/test_corpus.py` writes the messages anew; `git diff` shows what changed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from idiscover.cli.validating import ValidationReport, validate

from tests.unit.golden_files import check_golden_file
from tests.unit.metadata_samples import REPOSITORY, sample_files

CORPUS = REPOSITORY / "tests" / "corpus"
BASE = CORPUS / "base"
CASES = sorted(path.parent.name for path in CORPUS.glob("*/case.yaml"))
KEYS = {"about", "rename", "edit", "add", "remove", "encoding"}


def _base() -> dict[str, str]:
    """Path relative to a repository → text."""
    found = {f"metadata/{path}": text for path, text in sample_files().items() if path.endswith(".yaml")}
    for path in sorted(BASE.rglob("*")):
        if path.is_file():
            found[path.relative_to(BASE).as_posix()] = path.read_text(encoding="utf-8")
    return found


def _changed(case: Mapping[str, Any]) -> dict[str, bytes]:
    files = _base()
    for path, new in case.get("rename", {}).items():
        files[new] = files.pop(path)
    for path, edits in case.get("edit", {}).items():
        for edit in edits:
            assert edit["old"] in files[path], f"{path} has no {edit['old']!r}"
            files[path] = files[path].replace(edit["old"], edit["new"], 1)
    files |= case.get("add", {})
    for path in case.get("remove", []):
        del files[path]
    return {path: text.encode(case.get("encoding", {}).get(path, "utf-8")) for path, text in files.items()}


def _report(files: Mapping[str, bytes], folder: Path, monkeypatch: pytest.MonkeyPatch) -> ValidationReport:
    """What `idiscover validate` finds in a repository of these files."""
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    monkeypatch.chdir(folder)
    return validate("metadata", [str(path) for path in sorted(Path("context").glob("*.yaml"))], Path("sql"))


def _case(name: str) -> dict[str, Any]:
    case: dict[str, Any] = yaml.safe_load((CORPUS / name / "case.yaml").read_text(encoding="utf-8"))
    assert set(case) <= KEYS and case["about"].endswith(".")
    return case


def test_the_base_is_sound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report = _report({path: text.encode() for path, text in _base().items()}, tmp_path, monkeypatch)
    assert report.is_sound, report.text()
    assert report.text() == (
        "sound: 18 files (5 objects, 5 delta filters, 7 tables, 1 context)\n"
        f"checked: YAML, keys and values, {len(report.checked)} rules between them (--json lists all)"
    )


def test_there_are_enough_of_them() -> None:
    assert len(CASES) >= 60


@pytest.mark.parametrize("name", CASES)
def test_message(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report = _report(_changed(_case(name)), tmp_path, monkeypatch)
    assert not report.is_sound
    check_golden_file(CORPUS / name / "message.txt", report.text() + "\n")
    _every_mistake_is_whole(report, tmp_path)


def _every_mistake_is_whole(report: ValidationReport, folder: Path) -> None:
    """It names a file that is there, or a line and column of it that are there, and says what to do."""
    for mistake in json.loads(report.json())["mistakes"]:
        path = folder / mistake["file"]
        assert path.is_file(), mistake["file"]
        assert mistake["remedy"], mistake["what"]
        assert mistake["got"] or mistake["expected"] or "missing" in mistake["what"] or "stands" in mistake["what"]
        if mistake["line"] is not None and mistake["excerpt"]:
            line = path.read_bytes().decode("utf-8").splitlines()[mistake["line"] - 1]
            assert 1 <= mistake["column"] <= len(line) + 1
            assert "^" in mistake["excerpt"][1]
