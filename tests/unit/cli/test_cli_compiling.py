"""Compiling writes what changed, in the order in which a reader in between sees whole DAGs."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from idiscover.aws.dag_files import CompileReport, synchronise
from idiscover.cli.compiling import compile_dags
from idiscover.errors import ConfigError

ROOT = Path(__file__).resolve().parents[3]
CONTEXT = str(ROOT / "context" / "local.yaml")
SHA = "a" * 40

dag_files = st.dictionaries(
    st.sampled_from([f"{name}{kind}" for name in "abcd" for kind in (".py", ".json")]), st.text()
)


class Recorder:
    """A target in memory that notes what was done to it, in order."""

    def __init__(self, files: dict[str, str]) -> None:
        self.files = dict(files)
        self.done: list[tuple[str, str]] = []

    def list(self) -> list[str]:
        """Names of the files."""
        return list(self.files)

    def read(self, name: str) -> str:
        """Text of a file."""
        return self.files[name]

    def write(self, name: str, text: str) -> None:
        """Notes and writes."""
        self.done.append(("write", name))
        self.files[name] = text

    def delete(self, name: str) -> None:
        """Notes and deletes."""
        self.done.append(("delete", name))
        del self.files[name]


@given(before=dag_files, wanted=dag_files)
def test_the_target_ends_as_wanted_and_deletions_come_last(before: dict[str, str], wanted: dict[str, str]) -> None:
    target, report = Recorder(before), CompileReport(out="memory")
    synchronise(wanted, target, report, dry_run=False)
    assert target.files == wanted
    written = [name for what, name in target.done if what == "write"]
    deleted = [name for what, name in target.done if what == "delete"]
    assert target.done == [("write", name) for name in written] + [("delete", name) for name in deleted]
    assert set(written) == {name for name in wanted if before.get(name) != wanted[name]}
    assert [name.endswith(".py") for name in written] == sorted(name.endswith(".py") for name in written)
    assert [name.endswith(".json") for name in deleted] == sorted(name.endswith(".json") for name in deleted)
    assert (report.written, report.deleted) == (written, deleted)
    assert set(report.unchanged) == set(wanted) - set(written)


@given(before=dag_files, wanted=dag_files)
def test_a_dry_run_says_the_same_and_does_nothing(before: dict[str, str], wanted: dict[str, str]) -> None:
    dry, real = CompileReport(out="memory"), CompileReport(out="memory")
    target = Recorder(before)
    synchronise(wanted, target, dry, dry_run=True)
    assert (target.files, target.done) == (before, [])
    synchronise(wanted, target, real, dry_run=False)
    assert (dry.written, dry.deleted, dry.unchanged) == (real.written, real.deleted, real.unchanged)


def test_the_repositorys_metadata_compiles_to_a_folder_once(tmp_path: Path) -> None:
    out = str(tmp_path / "the dags")
    first = compile_dags(str(ROOT / "metadata"), CONTEXT, out, SHA)
    names = {path.name for path in Path(out).iterdir()}
    assert {f"{plan.header.dag_id}{kind}" for plan in first.plans for kind in (".py", ".json")} < names
    assert first.written and not first.unchanged
    second = compile_dags(str(ROOT / "metadata"), CONTEXT, out, SHA)
    assert (second.written, second.deleted) == ([], [])
    assert len(second.unchanged) == len(names)


def test_a_dag_whose_metadata_is_gone_loses_its_files(tmp_path: Path) -> None:
    out = tmp_path / "dags"
    compile_dags(str(ROOT / "metadata"), CONTEXT, str(out), SHA)
    (out / "sfdc_to_s3__gone.py").write_text("a stub of an object that is no more")
    (out / "sfdc_to_s3__gone.json").write_text("{}")
    (out / ".airflowignore").write_text("kept")
    report = compile_dags(str(ROOT / "metadata"), CONTEXT, str(out), SHA)
    assert report.deleted == ["sfdc_to_s3__gone.py", "sfdc_to_s3__gone.json"]
    assert (out / ".airflowignore").exists()


def test_wrong_metadata_writes_nothing(tmp_path: Path) -> None:
    metadata, out = tmp_path / "metadata", tmp_path / "dags"
    shutil.copytree(ROOT / "metadata", metadata)
    compile_dags(str(metadata), CONTEXT, str(out), SHA)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    broken = metadata / "objects" / "account.yaml"
    broken.write_text(broken.read_text().replace("type: id", "type: idd", 1))
    with pytest.raises(ConfigError, match=r"account\.yaml"):
        compile_dags(str(metadata), CONTEXT, str(out), "b" * 40)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_a_context_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.yaml"):
        compile_dags(str(ROOT / "metadata"), str(tmp_path / "nowhere.yaml"), str(tmp_path / "dags"), SHA)
