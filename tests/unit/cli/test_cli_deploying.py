"""A deploy from this repository to a bucket of moto's: what it writes, what it spares, what it says."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import boto3
import pytest
from idiscover.aws import publishing
from idiscover.aws.publishing import PublishReport, publish
from idiscover.aws.release_record import STATEMENTS_KEY
from idiscover.aws.s3 import Bucket
from idiscover.aws.table_migrations import ReleaseSql
from idiscover.cli import deploying
from idiscover.cli.contracting import renew
from idiscover.cli.deploying import deploy
from idiscover.cli.pulling import pull
from idiscover.errors import ConfigError, FatalError, IdiscoverError, RetriableError
from idiscover.lake.keys import PUBLISH_STATE_KEY, RELEASE_KEY
from idiscover.metadata.models import Context
from moto import mock_aws
from moto.core import DEFAULT_ACCOUNT_ID
from moto.ses.models import ses_backends

ROOT = Path(__file__).resolve().parents[3]
DATA, DAGS = "idiscover-local", "idiscover-local-dags"
Say = Callable[[], None]


class Environment:
    """The buckets, and a clone of what a deploy reads."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.client = boto3.client("s3", region_name="us-east-1")
        self.applied: list[int] = []
        self.pools: dict[str, int] = {}
        self.meanwhile: Say = lambda: None  # happens before the SQL of a deploy
        for bucket in (DATA, DAGS):
            self.client.create_bucket(Bucket=bucket)
            self.client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})

    def deploy(self, **options: bool) -> str:
        """One deploy; what it said."""
        return "\n".join(self.lines(**options))

    def lines(self, **options: bool) -> Iterator[str]:
        """One deploy, line by line."""
        return deploy(self.root, str(self.root / "context" / "local.yaml"), ensure_pools=self.ensure_pools, **options)

    def ensure_pools(self, wanted: Mapping[str, int]) -> int:
        """Airflow's pools, which stand before the files of the DAGs that need them."""
        assert not [key for key in self.versions() if key.endswith(".py") and "/generated/" in key] or self.pools
        self.pools.update(wanted)
        return len(wanted)

    def pull(self, **options: bool) -> str:
        """Brings edits of the bucket to the clone; what was said."""
        return "\n".join(pull(self.root, str(self.root / "context" / "local.yaml"), **options))

    def publish(self) -> PublishReport:
        """What the DAG publish_dags does."""
        uri = f"s3://{DATA}/context/local.yaml"
        return publish(uri, "us-east-1", lambda context: self.ensure_pools)

    def plan(self, dag_id: str) -> dict[str, Any]:
        """A plan as it lies beside its DAG file."""
        body = self.client.get_object(Bucket=DAGS, Key=f"dags/generated/{dag_id}.json")["Body"]
        return dict(json.load(body))

    def mails(self) -> list[str]:
        """Raw mails that were sent."""
        return [mail.raw_data for mail in ses_backends[DEFAULT_ACCOUNT_ID]["us-east-1"].sent_messages]

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
    for name in ("metadata", "context", "sql", "plugins", "emr_jobs", "requirements", "dags"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__", "generated"))
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        found = Environment(root)
        boto3.client("ses", region_name="us-east-1").verify_email_identity(EmailAddress="idiscover@example.com")
        real_check, real_apply = deploying.check_sql, deploying.apply_sql

        def apply(
            context: Context, sql: ReleaseSql, job_ddl: str, dry_run: bool, require: Say, record: Say
        ) -> Iterator[str]:
            found.meanwhile()
            if not dry_run:
                require()
                found.applied.append(len(sql.statements))
            for said in real_apply(context, sql, job_ddl, True, require, record):
                yield said if dry_run else said.replace("would be ", "")
            if not dry_run:
                record()

        # the warehouse is as the last release has left it
        monkeypatch.setattr(deploying, "check_sql", lambda context, sql, _dry_run: real_check(context, sql, True))
        monkeypatch.setattr(deploying, "apply_sql", apply)
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


def test_an_edit_in_the_bucket_stops_a_deploy_and_is_shown(environment: Environment) -> None:
    environment.deploy()
    key = "metadata/tables/dm.dim_lab.yaml"
    environment.write(key, environment.read(key) + "# edited in the bucket\n")
    before, said = environment.versions(), []
    for options in ({}, {"dry_run": True}):
        said.clear()
        with pytest.raises(ConfigError, match=r"edited in the bucket.*[\s\S]*dm\.dim_lab\.yaml \(edited there\)"):
            said.extend(environment.lines(**options))
        assert len(said) == 1 and "+# edited in the bucket" in said[0].splitlines()
    assert environment.versions() == before


def test_an_edit_in_the_bucket_is_kept_and_named_until_it_is_overwritten(environment: Environment) -> None:
    environment.deploy()
    key = "metadata/tables/dm.dim_lab.yaml"
    edited = environment.read(key) + "# edited in the bucket\n"
    environment.write(key, edited)
    for _ in range(2):
        said = environment.deploy(keep_edits=True)
        assert "kept as edited in the bucket: tables/dm.dim_lab.yaml (edited there)" in said
        assert environment.read(key) == edited
    mine = edit(environment.root / key)
    assert "(edited there, and otherwise here)" in environment.deploy(keep_edits=True)
    assert environment.read(key) == edited
    assert "kept" not in environment.deploy(overwrite=True)
    assert environment.read(key) == mine
    environment.write(key, edited)
    environment.deploy(overwrite=True)  # it brings what the release before it brought
    assert "uploading" not in json.loads(environment.read(RELEASE_KEY)), "publish_dags would wait for its end"
    assert "kept" not in environment.deploy()


def test_a_context_that_was_edited_in_the_bucket_stops_a_deploy_too(environment: Environment) -> None:
    environment.deploy()
    key = "context/local.yaml"
    edited = environment.read(key).replace("retries: 2", "retries: 1")
    environment.write(key, edited)
    said: list[str] = []
    with pytest.raises(ConfigError, match=r"context/local\.yaml \(edited there\)"):
        said.extend(environment.lines())
    assert "+  retries: 1" in said[0].splitlines() and "--- here/context/local.yaml" in said[0]
    assert f"context: s3://{DATA}/{key} kept" in environment.deploy(keep_edits=True)
    assert environment.read(key) == edited
    assert environment.plan("sfdc_to_s3__account")["context"]["airflow"]["retries"] == 1, "that runs go by"
    assert environment.publish().is_unchanged
    environment.write(key, "environment: local\n")
    assert "the context as edited in the bucket is faulty" in environment.deploy(keep_edits=True)
    assert environment.plan("sfdc_to_s3__account")["context"]["airflow"]["retries"] == 2
    with pytest.raises(ConfigError, match="a key is missing"):
        environment.publish()
    environment.deploy(overwrite=True)
    assert environment.read(key) == (environment.root / key).read_text()


def test_an_edit_in_the_bucket_reaches_the_dags(environment: Environment) -> None:
    environment.deploy()
    key = "metadata/objects/account.yaml"
    environment.write(key, environment.read(key).replace("description: ", "description: Edited there. ", 1))
    said = environment.deploy(keep_edits=True)
    assert "0 uploaded; kept as edited" in said and " 0 files written" not in said


def test_what_was_pulled_deploys(environment: Environment) -> None:
    environment.deploy()
    key = "metadata/tables/dm.dim_lab.yaml"
    environment.write(key, edited := environment.read(key) + "# edited in the bucket\n")
    assert "1 file would be brought here" in environment.pull(dry_run=True)
    assert (environment.root / key).read_text() != edited
    said = environment.pull()
    assert "+# edited in the bucket" in said and "1 file brought here: tables/dm.dim_lab.yaml (edited there)" in said
    assert (environment.root / key).read_text() == edited
    assert "0 uploaded" in environment.deploy()
    assert environment.pull() == "0 files brought here"


def test_a_file_that_was_changed_on_both_sides_is_not_pulled(environment: Environment) -> None:
    environment.deploy()
    one, other = "metadata/tables/dm.dim_lab.yaml", "metadata/objects/account.yaml"
    for key in (one, other):
        environment.write(key, environment.read(key) + "# edited in the bucket\n")
    mine, others = edit(environment.root / one), (environment.root / other).read_text()
    with pytest.raises(ConfigError, match=r"here and in the bucket[\s\S]*got: tables/dm\.dim_lab\.yaml\n"):
        environment.pull()
    assert [(environment.root / key).read_text() for key in (one, other)] == [mine, others]
    environment.pull(overwrite=True)
    assert (environment.root / one).read_text() == environment.read(one)


def test_an_edit_of_the_context_is_pulled_too(environment: Environment) -> None:
    environment.deploy()
    key, file = "context/local.yaml", environment.root / "context" / "local.yaml"
    mine = file.read_text()
    environment.write(key, edited := mine.replace("retries: 2", "retries: 1"))
    said = environment.pull(dry_run=True)
    assert "+  retries: 1" in said.splitlines() and "1 file would be brought here: context/local.yaml" in said
    assert file.read_text() == mine
    assert "1 file brought here: context/local.yaml (edited there)" in environment.pull()
    assert file.read_text() == edited and environment.pull() == "0 files brought here"
    file.write_text(f"{mine}# here\n")
    environment.write(key, mine.replace("retries: 2", "retries: 3"))
    with pytest.raises(ConfigError, match=r"here and in the bucket[\s\S]*got: context/local\.yaml"):
        environment.pull()
    assert "retries: 3" not in file.read_text()
    environment.client.delete_object(Bucket=DATA, Key=key)
    file.write_text(mine)
    assert environment.pull() == "0 files brought here" and file.read_text() == mine


@pytest.mark.parametrize("path", ["../outside.yaml", "/outside.yaml", "objects/../../outside.yaml"])
def test_a_key_that_leads_out_of_the_folder_is_not_pulled(environment: Environment, path: str) -> None:
    environment.deploy()
    environment.write("metadata/tables/dm.dim_lab.yaml", "edited")
    environment.write(f"metadata/{path}", "outside")
    before = sorted(item for item in environment.root.parent.rglob("*") if item.is_file())
    mine = (environment.root / "metadata" / "tables" / "dm.dim_lab.yaml").read_text()
    with pytest.raises(ConfigError, match="leads out of the folder of metadata"):
        environment.pull()
    assert sorted(item for item in environment.root.parent.rglob("*") if item.is_file()) == before
    assert (environment.root / "metadata" / "tables" / "dm.dim_lab.yaml").read_text() == mine


def test_files_that_came_and_went_in_the_bucket_are_pulled_with_their_faults(
    environment: Environment,
) -> None:
    environment.deploy()
    environment.client.delete_object(Bucket=DATA, Key="metadata/tables/dm.dm_data_freshness.yaml")
    environment.write("metadata/objects/surprise.yaml", "nothing: of the sort\n")
    said = environment.pull()
    assert not (environment.root / "metadata/tables/dm.dm_data_freshness.yaml").exists()
    assert (environment.root / "metadata/objects/surprise.yaml").is_file()
    assert "surprise.yaml (new there)" in said and "as they stand here now, the metadata has" in said


def test_pools_stand_before_the_dags_and_publish_dags_comes_after_its_plan(environment: Environment) -> None:
    said = environment.deploy()
    assert environment.pools["emr"] == 3 and "table__itg__account" in environment.pools
    assert f"pools: {len(environment.pools)} ensured" in said
    dag = environment.client.get_object(Bucket=DAGS, Key="dags/publish_dags.py")["Body"].read()
    assert dag == (ROOT / "dags" / "publish_dags.py").read_bytes()
    assert f"{DAGS}/dags/generated/publish_dags.json" in environment.versions()


def test_a_deploy_leaves_publish_dags_nothing_to_do(environment: Environment) -> None:
    environment.deploy()
    assert environment.publish().is_unchanged
    environment.client.delete_object(Bucket=DATA, Key=PUBLISH_STATE_KEY)
    report = environment.publish()
    assert (report.edits, report.files.written, report.files.deleted) == ({}, [], []), "the plans know their versions"


def test_a_table_that_is_gone_here_goes_there_with_its_dag(environment: Environment) -> None:
    environment.deploy()
    # nothing is computed from this one
    gone = ("subjects/data_freshness.yaml", "tables/dm.dm_data_freshness.yaml")
    for path in gone:
        (environment.root / "metadata" / path).unlink()
    before = environment.versions()
    with pytest.raises(ConfigError, match=r"would break what is built on a view[\s\S]*dm\.v_dm_data_freshness"):
        environment.deploy()
    assert environment.versions() == before
    renew(environment.root, "another view tells of it")
    said = environment.deploy()
    assert f"2 deleted: {', '.join(gone)}" in said and "2 deleted" in said.replace("2 deleted: ", "")
    with pytest.raises(environment.client.exceptions.NoSuchKey):
        environment.read("metadata/tables/dm.dm_data_freshness.yaml")


def test_an_edit_that_takes_a_column_out_of_a_view_is_not_kept_by_a_deploy(environment: Environment) -> None:
    environment.deploy()
    key = "metadata/tables/dm.dim_user.yaml"
    head, _, columns = environment.read(key).partition("  - {name: division")
    environment.write(key, head + columns[columns.index("  - {name: manager_id") :])
    edit(environment.root / "metadata" / "objects" / "biomarker.yaml")
    before = environment.versions()
    with pytest.raises(ConfigError, match=r"would break what is built on a view[\s\S]*dm\.v_dim_user\.division"):
        environment.deploy(keep_edits=True)
    assert environment.versions() == before


def test_wrong_metadata_here_deploys_nothing(environment: Environment) -> None:
    path = environment.root / "metadata" / "objects" / "account.yaml"
    path.write_text(path.read_text().replace("type: id", "type: idd", 1))
    with pytest.raises(ConfigError, match=r"account\.yaml"):
        environment.deploy()
    assert (environment.versions(), environment.applied) == ({}, [])


def test_a_broken_edit_that_is_kept_keeps_its_dags(environment: Environment) -> None:
    environment.deploy()
    plan = environment.plan("sfdc_to_s3__account")
    environment.write("metadata/objects/account.yaml", "nothing: of the sort\n")
    edit(environment.root / "metadata" / "objects" / "biomarker.yaml")
    said = environment.deploy(keep_edits=True)
    assert "1 uploaded" in said and "refused, as edited in the bucket: objects/account.yaml" in said
    after = environment.plan("sfdc_to_s3__account")
    assert "refused" in after["header"].pop("notice") and plan["header"].pop("notice") is None
    assert after == plan
    assert environment.publish().news == ("objects/account.yaml",), "whose mails are those of publish_dags"
    assert "is refused" in environment.mails()[-1]


def test_what_is_kept_in_the_bucket_has_to_fit_what_comes(environment: Environment) -> None:
    environment.deploy()
    key = "metadata/tables/dm.dim_lab.yaml"
    environment.write(key, environment.read(key) + "# edited in the bucket\n")
    for name in ("objects/account.yaml", "delta_filter/account.yaml", "tables/itg.account.yaml"):
        (environment.root / "metadata" / name).unlink()
    (environment.root / key).unlink()
    before = environment.versions()
    with pytest.raises(ConfigError):
        environment.deploy(keep_edits=True)
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


def test_a_deploy_whose_sql_is_refused_leaves_metadata_and_dags_as_they_are(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else publish_dags would bring metadata into force whose tables are not there."""
    environment.deploy()
    edit(environment.root / "metadata" / "objects" / "account.yaml")
    ddl = environment.root / "sql" / "job_metadata" / "ddl.sql"
    before, released, applied = environment.versions(), ddl.read_text(), len(environment.applied)
    ddl.write_text("refused")

    def refuse(*_rest: object) -> str:
        raise FatalError("the database refuses a statement")

    with monkeypatch.context() as patch:
        patch.setattr(deploying, "apply_sql", refuse)
        with pytest.raises(FatalError):
            environment.deploy()
    after, record = environment.versions(), f"{DATA}/{RELEASE_KEY}"
    assert {**after, record: before[record]} == before
    assert environment.publish().is_unchanged
    ddl.write_text(released)  # back to the release before: who knows how far the other one came
    environment.deploy()
    assert len(environment.applied) == applied + 1


def test_a_deploy_after_one_that_was_killed_is_waited_for_though_it_uploads_nothing(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment.deploy()
    edit(environment.root / "metadata" / "objects" / "account.yaml")
    records: list[int] = []
    for _ in range(2):
        with monkeypatch.context() as patch:
            patch.setattr(deploying, "_upload_context", lambda *rest: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                environment.deploy()
        assert "uploading" in json.loads(environment.read(RELEASE_KEY))
        records.append(len(environment.versions()[f"{DATA}/{RELEASE_KEY}"]))
    assert records[1] == records[0] + 1


def test_an_environment_that_is_not_there_is_said_in_words(environment: Environment) -> None:
    context = environment.root / "context" / "local.yaml"
    context.write_text(context.read_text().replace("idiscover-local\n", "idiscover-elsewhere\n"))
    with pytest.raises(IdiscoverError, match="idiscover-elsewhere"):
        environment.deploy()


def test_another_folder_than_the_repository_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not the repository"):
        list(deploy(tmp_path, "context/local.yaml"))


def test_an_edit_that_needs_a_release_is_refused_until_a_deploy_that_keeps_it(environment: Environment) -> None:
    environment.deploy()
    key = "metadata/objects/biomarker.yaml"
    city = "  - {salesforce: City__c, type: string, length: 40, column: city, description: Where.}\n"
    environment.write(key, environment.read(key).rstrip() + "\n" + city)
    report = environment.publish()
    assert report.news == ("objects/biomarker.yaml",)
    assert "idiscover deploy --context context/local.yaml --keep-edits" in str(report.refused[0].problems[0])
    assert "city" not in environment.plan("s3_to_redshift__biomarker")["columns"]
    assert "refused" not in environment.deploy(keep_edits=True) and len(environment.applied) == 2
    assert "city" in environment.plan("s3_to_redshift__biomarker")["columns"]
    assert environment.publish().mended == ("objects/biomarker.yaml",), "whose mails are those of publish_dags"
    assert environment.publish().is_unchanged


def test_a_deploy_leaves_it_to_publish_dags_to_tell_of_a_state_that_cannot_be_read(environment: Environment) -> None:
    environment.deploy()
    good = json.loads(environment.read(PUBLISH_STATE_KEY))
    environment.write(PUBLISH_STATE_KEY, "[")
    assert " 0 files written" in environment.deploy()
    assert environment.read(PUBLISH_STATE_KEY) == "[" and environment.mails() == []
    report = environment.publish()
    assert (report.edits, report.refused, len(environment.mails())) == ({}, (), 1)
    assert json.loads(environment.read(PUBLISH_STATE_KEY)) == good


def test_what_is_edited_while_a_deploy_is_at_work_is_not_deployed_over(environment: Environment) -> None:
    """By a person, or by publish_dags, which takes a field of the org up: its column and its record would be lost."""
    environment.deploy()
    path = "metadata/objects/account.yaml"
    procedure = environment.root / "sql/procedures/dm_to_dm/load_dm_lab_360.sql"
    procedure.write_text(procedure.read_text() + "-- another\n")
    taken = environment.read(path) + "# with a field that was taken up\n"
    recorded = environment.read(STATEMENTS_KEY)
    environment.meanwhile = lambda: environment.write(path, taken)
    with pytest.raises(RetriableError, match="while this deploy was at work") as refused:
        environment.deploy()
    assert refused.value.got == "objects/account.yaml"
    assert len(environment.applied) == 1 and environment.read(STATEMENTS_KEY) == recorded
    assert environment.read(path) == taken
    environment.meanwhile = lambda: None
    environment.deploy(keep_edits=True)
    assert environment.read(path) == taken and len(environment.applied) == 2


def test_publish_dags_waits_from_the_sql_of_a_deploy_on(environment: Environment) -> None:
    environment.deploy()
    procedure = environment.root / "sql/procedures/dm_to_dm/load_dm_lab_360.sql"
    procedure.write_text(procedure.read_text() + "-- another\n")
    unchanged: list[bool] = []
    # else it would find something to do: the release's record has changed
    environment.meanwhile = lambda: unchanged.append(publishing._is_under_way(*record_of(environment)))
    environment.deploy()
    assert unchanged == [True] and not publishing._is_under_way(*record_of(environment))


def record_of(environment: Environment) -> tuple[Bucket, dict[str, Any]]:
    return Bucket(DATA, "us-east-1"), json.loads(environment.read(RELEASE_KEY))


def test_hashes_without_a_key_are_not_deployed(environment: Environment) -> None:
    """Whether the file comes without the key, or the key goes under files that stand."""
    path, settings = environment.root / "metadata/objects/account.yaml", environment.root / "context/local.yaml"
    line, phone = "  protection: idiscover/local/protection\n", "column: phone, length: 40, pii: personal,"
    with_key, text = settings.read_text(), path.read_text()
    assert line in with_key and phone in text
    path.write_text(text.replace(phone, f"{phone} protect: hash,"))
    settings.write_text(with_key.replace(line, ""))
    with pytest.raises(ConfigError, match="values are to be hashed, and the context names no key"):
        environment.deploy()
    assert environment.applied == [] and not [key for key in environment.versions() if "/metadata/" in key]
    settings.write_text(with_key)
    environment.deploy()
    settings.write_text(with_key.replace(line, ""))
    with pytest.raises(ConfigError, match="make the secret and name it"):
        environment.deploy()
    assert len(environment.applied) == 1 and environment.read("context/local.yaml") == with_key
