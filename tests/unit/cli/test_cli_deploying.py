"""A deploy from this repository to a bucket of moto's: what it writes, what it spares, what it says."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from idiscover.cli import deploying
from idiscover.cli.deploying import RELEASE_KEY, deploy
from idiscover.errors import ConfigError, IdiscoverError
from moto import mock_aws

ROOT = Path(__file__).resolve().parents[3]
DATA, DAGS = "idiscover-local", "idiscover-local-dags"


class Environment:
    """The buckets, and a clone of what a deploy reads."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.client = boto3.client("s3", region_name="us-east-1")
        self.applied: list[int] = []
        for bucket in (DATA, DAGS):
            self.client.create_bucket(Bucket=bucket)
            self.client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})

    def deploy(self, **options: bool) -> str:
        """One deploy; what it said."""
        return "\n".join(deploy(self.root, str(self.root / "context" / "local.yaml"), **options))

    def read(self, key: str) -> str:
        """Text of an object of the data bucket."""
        return str(self.client.get_object(Bucket=DATA, Key=key)["Body"].read().decode())

    def write(self, key: str, text: str) -> None:
        """Somebody edits the data bucket."""
        self.client.put_object(Bucket=DATA, Key=key, Body=text.encode())

    def versions(self) -> dict[str, list[str]]:
        """All versions of all objects of both buckets."""
        found: dict[str, list[str]] = {}
        for bucket in (DATA, DAGS):
            for item in self.client.list_object_versions(Bucket=bucket).get("Versions", []):
                found.setdefault(f"{bucket}/{item['Key']}", []).append(item["VersionId"])
        return found


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Environment]:
    """An empty environment, without the databases: that the SQL is to be run is noted."""
    root = tmp_path / "a clone"
    for name in ("metadata", "context", "sql", "plugins", "emr_jobs", "requirements"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        found = Environment(root)
        real = deploying._apply_sql

        def apply(context: object, statements: list[object], job_ddl: str, dry_run: bool) -> str:
            found.applied += [] if dry_run else [len(statements)]
            said = real(context, statements, job_ddl, True)  # type: ignore[arg-type]
            return said if dry_run else said.replace("would be ", "")

        monkeypatch.setattr(deploying, "_apply_sql", apply)
        yield found


def edit(path: Path) -> str:
    """Changes a file harmlessly; its new text."""
    path.write_text(path.read_text() + "# a remark\n")
    return path.read_text()


def test_the_first_deploy_brings_everything_and_the_second_nothing(environment: Environment) -> None:
    first = environment.deploy()
    paths = sorted(
        path.relative_to(environment.root).as_posix() for path in (environment.root / "metadata").rglob("*.yaml")
    )
    assert f"metadata: {len(paths)} files, {len(paths)} uploaded" in first
    assert all(environment.read(path) == (environment.root / path).read_text() for path in paths)
    sha = json.loads(environment.read(RELEASE_KEY))["code_sha"]
    for name in ("extract.py", "idiscover.zip", "bootstrap.sh", "requirements.txt"):
        assert f"{DATA}/script/{sha}/{name}" in environment.versions()
    before = environment.versions()
    assert any(key.startswith(f"{DAGS}/dags/generated/") for key in before)
    second = environment.deploy()
    assert environment.versions() == before, "not one object was written again"
    assert len(environment.applied) == 1
    assert "0 uploaded" in second and "tables and procedures: unchanged" in second and "0 files written" in second


def test_a_dry_run_says_what_the_deploy_then_does_and_does_nothing(environment: Environment) -> None:
    dry = environment.deploy(dry_run=True)
    assert (environment.versions(), environment.applied) == ({}, [])
    assert dry.replace("would be ", "") == environment.deploy()
    edit(environment.root / "metadata" / "objects" / "account.yaml")
    before = environment.versions()
    dry = environment.deploy(dry_run=True)
    assert environment.versions() == before
    assert dry.replace("would be ", "") == environment.deploy(), "the DAG files that follow from it included"


def test_an_edit_in_the_bucket_is_kept_and_named_until_it_is_overwritten(environment: Environment) -> None:
    environment.deploy()
    key = "metadata/tables/dm.dim_lab.yaml"
    edited = environment.read(key) + "# edited in the bucket\n"
    environment.write(key, edited)
    for _ in range(2):
        said = environment.deploy()
        assert "kept as edited in the bucket: tables/dm.dim_lab.yaml (edited there)" in said
        assert environment.read(key) == edited
    mine = edit(environment.root / key)
    assert "(edited there, and otherwise here)" in environment.deploy()
    assert environment.read(key) == edited
    assert "kept" not in environment.deploy(overwrite=True)
    assert environment.read(key) == mine


def test_an_edit_in_the_bucket_reaches_the_dags(environment: Environment) -> None:
    environment.deploy()
    key = "metadata/objects/account.yaml"
    environment.write(key, environment.read(key).replace("description: ", "description: Edited there. ", 1))
    said = environment.deploy()
    assert "0 uploaded; kept as edited" in said and " 0 files written" not in said


def test_a_table_that_is_gone_here_goes_there_with_its_dag(environment: Environment) -> None:
    environment.deploy()
    # nothing is computed from this one
    (environment.root / "metadata" / "tables" / "dm.dm_data_freshness.yaml").unlink()
    said = environment.deploy()
    assert "1 deleted: tables/dm.dm_data_freshness.yaml" in said and "2 deleted" in said
    with pytest.raises(environment.client.exceptions.NoSuchKey):
        environment.read("metadata/tables/dm.dm_data_freshness.yaml")


def test_wrong_metadata_here_deploys_nothing(environment: Environment) -> None:
    path = environment.root / "metadata" / "objects" / "account.yaml"
    path.write_text(path.read_text().replace("type: id", "type: idd", 1))
    with pytest.raises(ConfigError, match=r"account\.yaml"):
        environment.deploy()
    assert (environment.versions(), environment.applied) == ({}, [])


def test_what_is_kept_in_the_bucket_has_to_fit_too(environment: Environment) -> None:
    environment.deploy()
    environment.write("metadata/objects/account.yaml", "nothing: of the sort\n")
    edit(environment.root / "metadata" / "objects" / "biomarker.yaml")
    before = environment.versions()
    with pytest.raises(ConfigError, match=r"account\.yaml"):
        environment.deploy()
    assert environment.versions() == before


def test_what_an_editor_leaves_beside_the_files_is_not_deployed(environment: Environment) -> None:
    (environment.root / "metadata" / "objects" / ".account.yaml.swp").write_bytes(b"\xff\x00")
    (environment.root / "metadata" / "objects" / "notes.txt").write_text("remember the milk")
    environment.deploy()
    assert not [key for key in environment.versions() if key.endswith((".swp", ".txt")) and "/metadata/" in key]


def test_a_deploy_that_was_killed_half_way_is_finished_by_the_next(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment.deploy()
    changed = [environment.root / "metadata" / "objects" / f"{name}.yaml" for name in ("account", "biomarker")]
    for path in changed:
        edit(path)
    with monkeypatch.context() as patch:
        patch.setattr(deploying, "_upload_context", lambda *rest: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            environment.deploy()
    for path in changed:
        edit(path)
    said = environment.deploy()
    assert "2 uploaded" in said and "kept" not in said


def test_an_environment_that_is_not_there_is_said_in_words(environment: Environment) -> None:
    context = environment.root / "context" / "local.yaml"
    context.write_text(context.read_text().replace("idiscover-local\n", "idiscover-elsewhere\n"))
    with pytest.raises(IdiscoverError, match="idiscover-elsewhere"):
        environment.deploy()


def test_another_folder_than_the_repository_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not the repository"):
        list(deploy(tmp_path, "context/local.yaml"))
