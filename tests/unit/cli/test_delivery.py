"""The stages of a release that need no environment: lint, test, build."""

from __future__ import annotations

import hashlib
import io
import json
import re
import shutil
import zipfile
from pathlib import Path

import pytest
from idiscover.cli.delivery.artifacts import Artifact, build, key_of, make_artifacts, read_artifacts
from idiscover.cli.delivery.checks import TEST_COMMANDS, lint_commands, run_commands
from idiscover.errors import ConfigError, FatalError

ROOT = Path(__file__).resolve().parents[3]


def content(name: str) -> bytes:
    return next(artifact.content for artifact in make_artifacts(ROOT) if artifact.name == name)


def test_plugins_are_what_airflow_needs_and_no_more() -> None:
    with zipfile.ZipFile(io.BytesIO(content("plugins.zip"))) as archive:
        names = archive.namelist()
    assert names == sorted(names)
    assert {".airflowignore", "idiscover_plugin.py", "idiscover/plan/model.py"} <= set(names)
    assert not [name for name in names if "cli/" in name or "__pycache__" in name or name.startswith("local")]


def test_the_same_sources_give_the_same_bytes(tmp_path: Path) -> None:
    """Another folder, other times of the files, files of another order of making."""
    for part in ("plugins", "requirements"):
        shutil.copytree(ROOT / part, tmp_path / part, copy_function=shutil.copyfile)
    assert make_artifacts(tmp_path) == make_artifacts(ROOT)


def test_requirements_are_pinned_and_leave_airflow_alone() -> None:
    first, *lines = content("requirements.txt").decode().splitlines()
    digest = hashlib.sha256(content("constraints.txt")).hexdigest()
    assert first == f'--constraint "/usr/local/airflow/dags/constraints-{digest[:16]}.txt"'
    assert all(re.fullmatch(r"[a-z0-9-]+(\[[a-z0-9,]+\])?==[0-9][0-9a-z.]*", line) for line in lines)
    names = {re.split(r"[\[=]", line)[0] for line in lines}
    assert {"simple-salesforce", "apache-airflow-providers-amazon", "psycopg2-binary"} <= names
    assert "apache-airflow" not in names
    constraints = content("constraints.txt").decode().splitlines()
    assert {re.sub(r"\[.*\]", "", line) for line in lines} <= set(constraints)


def test_other_constraints_lie_beside_those_that_mwaa_runs_with() -> None:
    """Files in dags/ are live at once: a worker that starts before the update must find what it found before."""
    one, other = (Artifact("constraints.txt", text) for text in (b"boto3==1\n", b"boto3==2\n"))
    assert key_of(one) != key_of(other) and key_of(one).startswith("dags/constraints-")
    assert key_of(Artifact("plugins.zip", b"PK")) == "plugins.zip", "whose versions MWAA is told of"


def test_a_build_writes_once_and_is_read_back(tmp_path: Path) -> None:
    assert all(line.endswith("would be written") for line in build(ROOT, tmp_path / "dist", dry_run=True))
    assert not (tmp_path / "dist").exists()
    assert all(line.endswith(", written") for line in build(ROOT, tmp_path / "dist"))
    assert all(line.endswith(", unchanged") for line in build(ROOT, tmp_path / "dist"))
    assert {a.name: a.sha256 for a in read_artifacts(tmp_path / "dist")} == {
        a.name: a.sha256 for a in make_artifacts(ROOT)
    }


def test_what_was_changed_after_the_build_is_not_deployed(tmp_path: Path) -> None:
    list(build(ROOT, tmp_path))
    (tmp_path / "requirements.txt").write_text("simple-salesforce\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"not the one that was built(.|\n)*requirements\.txt"):
        read_artifacts(tmp_path)
    (tmp_path / "artifacts.json").unlink()
    with pytest.raises(ConfigError, match="there is no build here"):
        read_artifacts(tmp_path)


def test_a_requirement_without_a_version_is_named(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "plugins", tmp_path / "plugins")
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements" / "mwaa.in").write_text("boto3\nnobody-pins-this\n", encoding="utf-8")
    (tmp_path / "requirements" / "mwaa.txt").write_text("boto3==1.0\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="nobody-pins-this"):
        make_artifacts(tmp_path)


def test_lint_checks_every_context() -> None:
    validate = next(command for command in lint_commands(ROOT) if command[:2] == ("idiscover", "validate"))
    assert [word for word in validate if word.endswith(".yaml")] == sorted(
        f"context/{path.name}" for path in (ROOT / "context").glob("*.yaml")
    )


def test_the_stage_runs_what_make_test_runs() -> None:
    [(name, *options, folder)] = TEST_COMMANDS
    [line] = [line for line in (ROOT / "Makefile").read_text(encoding="utf-8").splitlines() if " -m pytest -n" in line]
    assert f"-m {name} {' '.join(options)} " in line and line.endswith(f" {folder}")


def test_all_commands_run_and_each_that_fails_is_named(tmp_path: Path) -> None:
    failing = ("python", "-c", "raise SystemExit(3)")
    writing = ("python", "-c", "open('ran', 'w').close()")
    with pytest.raises(FatalError, match="SystemExit"):
        list(run_commands([failing, writing], tmp_path, dry_run=False))
    assert (tmp_path / "ran").exists()


def test_a_dry_run_runs_nothing(tmp_path: Path) -> None:
    lines = list(run_commands([("python", "-c", "open('ran', 'w').close()")], tmp_path, dry_run=True))
    assert [line.partition(":")[0] for line in lines] == ["would run"]
    assert not (tmp_path / "ran").exists()


def test_the_record_names_every_artifact(tmp_path: Path) -> None:
    list(build(ROOT, tmp_path))
    record = json.loads((tmp_path / "artifacts.json").read_text(encoding="utf-8"))
    assert sorted(record) == ["constraints.txt", "plugins.zip", "requirements.txt"]
