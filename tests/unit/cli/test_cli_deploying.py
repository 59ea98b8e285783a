"""A deploy from this repository to a bucket of moto's: what it writes, what it spares, what it says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from idiscover.aws import publishing
from idiscover.aws.release_record import STATEMENTS_KEY
from idiscover.aws.s3 import Bucket
from idiscover.cli import deploying
from idiscover.cli.contracting import renew
from idiscover.cli.deploying import deploy
from idiscover.errors import ConfigError, FatalError, IdiscoverError, RetriableError
from idiscover.lake.keys import PUBLISH_STATE_KEY, RELEASE_KEY
from moto import mock_aws

from tests.support.moto_buckets import store, stored_buckets
from tests.unit.cli.deploy_environment import (
    DAGS,
    DATA,
    ROOT,
    Environment,
    FirstDeploy,
    empty_environment,
)


@pytest.fixture(scope="module")
def aws() -> Iterator[None]:
    """moto, which keeps what it stores from one test to the next."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE", "AWS_SESSION_TOKEN"):
            patch.delenv(name, raising=False)
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "testing")
        with mock_aws():
            yield


@pytest.fixture
def environment(aws: None, tmp_path: Path) -> Iterator[Environment]:
    """An empty environment, and a clone of what a deploy reads."""
    with empty_environment(tmp_path) as found:
        yield found


@pytest.fixture(scope="module")
def first_deploy(aws: None, tmp_path_factory: pytest.TempPathFactory) -> FirstDeploy:
    """The first deploy into an empty environment, done once for all tests that begin after it."""
    with empty_environment(tmp_path_factory.mktemp("first deploy")) as found:
        found.deploy()
        return FirstDeploy(dict(stored_buckets()), found.applied, found.pools)


@pytest.fixture
def deployed(first_deploy: FirstDeploy, environment: Environment) -> Environment:
    """An environment after its first deploy, object by object and version by version."""
    store(first_deploy.buckets)
    environment.applied += first_deploy.applied
    environment.pools.update(first_deploy.pools)
    return environment


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


def test_an_edit_in_the_bucket_stops_a_deploy_and_is_shown(deployed: Environment) -> None:
    key = "metadata/tables/dm.dim_lab.yaml"
    deployed.write(key, deployed.read(key) + "# edited in the bucket\n")
    before, said = deployed.versions(), []
    for options in ({}, {"dry_run": True}):
        said.clear()
        with pytest.raises(ConfigError, match=r"edited in the bucket.*[\s\S]*dm\.dim_lab\.yaml \(edited there\)"):
            said.extend(deployed.lines(**options))
        assert len(said) == 1 and "+# edited in the bucket" in said[0].splitlines()
    assert deployed.versions() == before


def test_an_edit_in_the_bucket_is_kept_and_named_until_it_is_overwritten(deployed: Environment) -> None:
    key = "metadata/tables/dm.dim_lab.yaml"
    edited = deployed.read(key) + "# edited in the bucket\n"
    deployed.write(key, edited)
    for _ in range(2):
        said = deployed.deploy(keep_edits=True)
        assert "kept as edited in the bucket: tables/dm.dim_lab.yaml (edited there)" in said
        assert deployed.read(key) == edited
    mine = edit(deployed.root / key)
    assert "(edited there, and otherwise here)" in deployed.deploy(keep_edits=True)
    assert deployed.read(key) == edited
    assert "kept" not in deployed.deploy(overwrite=True)
    assert deployed.read(key) == mine
    deployed.write(key, edited)
    deployed.deploy(overwrite=True)  # it brings what the release before it brought
    assert "uploading" not in json.loads(deployed.read(RELEASE_KEY)), "publish_dags would wait for its end"
    assert "kept" not in deployed.deploy()


def test_a_context_that_was_edited_in_the_bucket_stops_a_deploy_too(deployed: Environment) -> None:
    key = "context/local.yaml"
    edited = deployed.read(key).replace("retries: 2", "retries: 1")
    deployed.write(key, edited)
    said: list[str] = []
    with pytest.raises(ConfigError, match=r"context/local\.yaml \(edited there\)"):
        said.extend(deployed.lines())
    assert "+  retries: 1" in said[0].splitlines() and "--- here/context/local.yaml" in said[0]
    assert f"context: s3://{DATA}/{key} kept" in deployed.deploy(keep_edits=True)
    assert deployed.read(key) == edited
    assert deployed.plan("sfdc_to_s3__account")["context"]["airflow"]["retries"] == 1, "that runs go by"
    assert deployed.publish().is_unchanged
    deployed.write(key, "deployed: local\n")
    assert "the context as edited in the bucket is faulty" in deployed.deploy(keep_edits=True)
    assert deployed.plan("sfdc_to_s3__account")["context"]["airflow"]["retries"] == 2
    with pytest.raises(ConfigError, match="a key is missing"):
        deployed.publish()
    deployed.deploy(overwrite=True)
    assert deployed.read(key) == (deployed.root / key).read_text()


def test_an_edit_in_the_bucket_reaches_the_dags(deployed: Environment) -> None:
    key = "metadata/objects/account.yaml"
    deployed.write(key, deployed.read(key).replace("description: ", "description: Edited there. ", 1))
    said = deployed.deploy(keep_edits=True)
    assert "0 uploaded; kept as edited" in said and " 0 files written" not in said


def test_what_was_pulled_deploys(deployed: Environment) -> None:
    key = "metadata/tables/dm.dim_lab.yaml"
    deployed.write(key, edited := deployed.read(key) + "# edited in the bucket\n")
    assert "1 file would be brought here" in deployed.pull(dry_run=True)
    assert (deployed.root / key).read_text() != edited
    said = deployed.pull()
    assert "+# edited in the bucket" in said and "1 file brought here: tables/dm.dim_lab.yaml (edited there)" in said
    assert (deployed.root / key).read_text() == edited
    assert "0 uploaded" in deployed.deploy()
    assert deployed.pull() == "0 files brought here"


def test_a_file_that_was_changed_on_both_sides_is_not_pulled(deployed: Environment) -> None:
    one, other = "metadata/tables/dm.dim_lab.yaml", "metadata/objects/account.yaml"
    for key in (one, other):
        deployed.write(key, deployed.read(key) + "# edited in the bucket\n")
    mine, others = edit(deployed.root / one), (deployed.root / other).read_text()
    with pytest.raises(ConfigError, match=r"here and in the bucket[\s\S]*got: tables/dm\.dim_lab\.yaml\n"):
        deployed.pull()
    assert [(deployed.root / key).read_text() for key in (one, other)] == [mine, others]
    deployed.pull(overwrite=True)
    assert (deployed.root / one).read_text() == deployed.read(one)


def test_an_edit_of_the_context_is_pulled_too(deployed: Environment) -> None:
    key, file = "context/local.yaml", deployed.root / "context" / "local.yaml"
    mine = file.read_text()
    deployed.write(key, edited := mine.replace("retries: 2", "retries: 1"))
    said = deployed.pull(dry_run=True)
    assert "+  retries: 1" in said.splitlines() and "1 file would be brought here: context/local.yaml" in said
    assert file.read_text() == mine
    assert "1 file brought here: context/local.yaml (edited there)" in deployed.pull()
    assert file.read_text() == edited and deployed.pull() == "0 files brought here"
    file.write_text(f"{mine}# here\n")
    deployed.write(key, mine.replace("retries: 2", "retries: 3"))
    with pytest.raises(ConfigError, match=r"here and in the bucket[\s\S]*got: context/local\.yaml"):
        deployed.pull()
    assert "retries: 3" not in file.read_text()
    deployed.client.delete_object(Bucket=DATA, Key=key)
    file.write_text(mine)
    assert deployed.pull() == "0 files brought here" and file.read_text() == mine


@pytest.mark.parametrize("path", ["../outside.yaml", "/outside.yaml", "objects/../../outside.yaml"])
def test_a_key_that_leads_out_of_the_folder_is_not_pulled(deployed: Environment, path: str) -> None:
    deployed.write("metadata/tables/dm.dim_lab.yaml", "edited")
    deployed.write(f"metadata/{path}", "outside")
    before = sorted(item for item in deployed.root.parent.rglob("*") if item.is_file())
    mine = (deployed.root / "metadata" / "tables" / "dm.dim_lab.yaml").read_text()
    with pytest.raises(ConfigError, match="leads out of the folder of metadata"):
        deployed.pull()
    assert sorted(item for item in deployed.root.parent.rglob("*") if item.is_file()) == before
    assert (deployed.root / "metadata" / "tables" / "dm.dim_lab.yaml").read_text() == mine


def test_files_that_came_and_went_in_the_bucket_are_pulled_with_their_faults(
    deployed: Environment,
) -> None:
    deployed.client.delete_object(Bucket=DATA, Key="metadata/tables/dm.dm_data_freshness.yaml")
    deployed.write("metadata/objects/surprise.yaml", "nothing: of the sort\n")
    said = deployed.pull()
    assert not (deployed.root / "metadata/tables/dm.dm_data_freshness.yaml").exists()
    assert (deployed.root / "metadata/objects/surprise.yaml").is_file()
    assert "surprise.yaml (new there)" in said and "as they stand here now, the metadata has" in said


def test_pools_stand_before_the_dags_and_publish_dags_comes_after_its_plan(environment: Environment) -> None:
    said = environment.deploy()
    assert environment.pools["emr"] == 3 and "table__itg__account" in environment.pools
    assert f"pools: {len(environment.pools)} ensured" in said
    dag = environment.client.get_object(Bucket=DAGS, Key="dags/publish_dags.py")["Body"].read()
    assert dag == (ROOT / "dags" / "publish_dags.py").read_bytes()
    assert f"{DAGS}/dags/generated/publish_dags.json" in environment.versions()


def test_a_deploy_leaves_publish_dags_nothing_to_do(deployed: Environment) -> None:
    assert deployed.publish().is_unchanged
    deployed.client.delete_object(Bucket=DATA, Key=PUBLISH_STATE_KEY)
    report = deployed.publish()
    assert (report.edits, report.files.written, report.files.deleted) == ({}, [], []), "the plans know their versions"


def test_a_table_that_is_gone_here_goes_there_with_its_dag(deployed: Environment) -> None:
    # nothing is computed from this one
    gone = ("subjects/data_freshness.yaml", "tables/dm.dm_data_freshness.yaml")
    for path in gone:
        (deployed.root / "metadata" / path).unlink()
    before = deployed.versions()
    with pytest.raises(ConfigError, match=r"would break what is built on a view[\s\S]*dm\.v_dm_data_freshness"):
        deployed.deploy()
    assert deployed.versions() == before
    renew(deployed.root, "another view tells of it")
    said = deployed.deploy()
    assert f"2 deleted: {', '.join(gone)}" in said
    assert "4 deleted" in said, "of both, the table's DAG and the subject's: a plan and a file"
    with pytest.raises(deployed.client.exceptions.NoSuchKey):
        deployed.read("metadata/tables/dm.dm_data_freshness.yaml")


def test_an_edit_that_takes_a_column_out_of_a_view_is_not_kept_by_a_deploy(deployed: Environment) -> None:
    key = "metadata/tables/dm.dim_user.yaml"
    head, _, columns = deployed.read(key).partition("  - {name: division")
    deployed.write(key, head + columns[columns.index("  - {name: manager_id") :])
    edit(deployed.root / "metadata" / "objects" / "biomarker.yaml")
    before = deployed.versions()
    with pytest.raises(ConfigError, match=r"would break what is built on a view[\s\S]*dm\.v_dim_user\.division"):
        deployed.deploy(keep_edits=True)
    assert deployed.versions() == before


def test_wrong_metadata_here_deploys_nothing(environment: Environment) -> None:
    path = environment.root / "metadata" / "objects" / "account.yaml"
    path.write_text(path.read_text().replace("type: id", "type: idd", 1))
    with pytest.raises(ConfigError, match=r"account\.yaml"):
        environment.deploy()
    assert (environment.versions(), environment.applied) == ({}, [])


def test_a_broken_edit_that_is_kept_keeps_its_dags(deployed: Environment) -> None:
    plan = deployed.plan("sfdc_to_s3__account")
    deployed.write("metadata/objects/account.yaml", "nothing: of the sort\n")
    edit(deployed.root / "metadata" / "objects" / "biomarker.yaml")
    said = deployed.deploy(keep_edits=True)
    assert "1 uploaded" in said and "refused, as edited in the bucket: objects/account.yaml" in said
    after = deployed.plan("sfdc_to_s3__account")
    assert "refused" in after["header"].pop("notice") and plan["header"].pop("notice") is None
    assert after == plan
    assert deployed.publish().news == ("objects/account.yaml",), "whose mails are those of publish_dags"
    assert "is refused" in deployed.mails()[-1]


def test_what_is_kept_in_the_bucket_has_to_fit_what_comes(deployed: Environment) -> None:
    key = "metadata/tables/dm.dim_lab.yaml"
    deployed.write(key, deployed.read(key) + "# edited in the bucket\n")
    for name in ("objects/account.yaml", "delta_filter/account.yaml", "tables/itg.account.yaml"):
        (deployed.root / "metadata" / name).unlink()
    (deployed.root / key).unlink()
    before = deployed.versions()
    with pytest.raises(ConfigError):
        deployed.deploy(keep_edits=True)
    assert deployed.versions() == before


def test_what_an_editor_leaves_beside_the_files_is_not_deployed(environment: Environment) -> None:
    (environment.root / "metadata" / "objects" / ".account.yaml.swp").write_bytes(b"\xff\x00")
    (environment.root / "metadata" / "objects" / "notes.txt").write_text("remember the milk")
    environment.deploy()
    assert not [key for key in environment.versions() if key.endswith((".swp", ".txt")) and "/metadata/" in key]


def test_a_deploy_that_was_killed_half_way_is_finished_by_the_next(
    deployed: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = [deployed.root / "metadata" / "objects" / f"{name}.yaml" for name in ("account", "biomarker")]
    for path in changed:
        edit(path)
    with monkeypatch.context() as patch:
        patch.setattr(deploying, "_upload_context", lambda *rest: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            deployed.deploy()
    for path in changed:
        edit(path)
    said = deployed.deploy()
    assert "2 uploaded" in said and "kept" not in said


def test_a_deploy_whose_sql_is_refused_leaves_metadata_and_dags_as_they_are(
    deployed: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else publish_dags would bring metadata into force whose tables are not there."""
    edit(deployed.root / "metadata" / "objects" / "account.yaml")
    ddl = deployed.root / "sql" / "job_metadata" / "ddl.sql"
    before, released, applied = deployed.versions(), ddl.read_text(), len(deployed.applied)
    ddl.write_text("refused")

    def refuse(*_rest: object) -> str:
        raise FatalError("the database refuses a statement")

    with monkeypatch.context() as patch:
        patch.setattr(deploying, "apply_sql", refuse)
        with pytest.raises(FatalError):
            deployed.deploy()
    after, record = deployed.versions(), f"{DATA}/{RELEASE_KEY}"
    assert {**after, record: before[record]} == before
    assert deployed.publish().is_unchanged
    ddl.write_text(released)  # back to the release before: who knows how far the other one came
    deployed.deploy()
    assert len(deployed.applied) == applied + 1


def test_a_deploy_after_one_that_was_killed_is_waited_for_though_it_uploads_nothing(
    deployed: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    edit(deployed.root / "metadata" / "objects" / "account.yaml")
    records: list[int] = []
    for _ in range(2):
        with monkeypatch.context() as patch:
            patch.setattr(deploying, "_upload_context", lambda *rest: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                deployed.deploy()
        assert "uploading" in json.loads(deployed.read(RELEASE_KEY))
        records.append(len(deployed.versions()[f"{DATA}/{RELEASE_KEY}"]))
    assert records[1] == records[0] + 1


def test_an_environment_that_is_not_there_is_said_in_words(environment: Environment) -> None:
    context = environment.root / "context" / "local.yaml"
    context.write_text(context.read_text().replace("idiscover-local\n", "idiscover-elsewhere\n"))
    with pytest.raises(IdiscoverError, match="idiscover-elsewhere"):
        environment.deploy()


def test_another_folder_than_the_repository_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not the repository"):
        list(deploy(tmp_path, "context/local.yaml"))


def test_an_edit_that_needs_a_release_is_refused_until_a_deploy_that_keeps_it(deployed: Environment) -> None:
    key = "metadata/objects/biomarker.yaml"
    city = "  - {salesforce: City__c, type: string, length: 40, column: city, description: Where.}\n"
    deployed.write(key, deployed.read(key).rstrip() + "\n" + city)
    report = deployed.publish()
    assert report.news == ("objects/biomarker.yaml",)
    assert "idiscover deploy --context context/local.yaml --keep-edits" in str(report.refused[0].problems[0])
    assert "city" not in deployed.plan("s3_to_redshift__biomarker")["columns"]
    assert "refused" not in deployed.deploy(keep_edits=True) and len(deployed.applied) == 2
    assert "city" in deployed.plan("s3_to_redshift__biomarker")["columns"]
    assert deployed.publish().mended == ("objects/biomarker.yaml",), "whose mails are those of publish_dags"
    assert deployed.publish().is_unchanged


def test_a_deploy_leaves_it_to_publish_dags_to_tell_of_a_state_that_cannot_be_read(deployed: Environment) -> None:
    good = json.loads(deployed.read(PUBLISH_STATE_KEY))
    deployed.write(PUBLISH_STATE_KEY, "[")
    assert " 0 files written" in deployed.deploy()
    assert deployed.read(PUBLISH_STATE_KEY) == "[" and deployed.mails() == []
    report = deployed.publish()
    assert (report.edits, report.refused, len(deployed.mails())) == ({}, (), 1)
    assert json.loads(deployed.read(PUBLISH_STATE_KEY)) == good


def test_what_is_edited_while_a_deploy_is_at_work_is_not_deployed_over(deployed: Environment) -> None:
    """By a person, or by publish_dags, which takes a field of the org up: its column and its record would be lost."""
    path = "metadata/objects/account.yaml"
    procedure = deployed.root / "sql/procedures/dm_to_dm/load_dm_lab_360.sql"
    procedure.write_text(procedure.read_text() + "-- another\n")
    taken = deployed.read(path) + "# with a field that was taken up\n"
    recorded = deployed.read(STATEMENTS_KEY)
    deployed.meanwhile = lambda: deployed.write(path, taken)
    with pytest.raises(RetriableError, match="while this deploy was at work") as refused:
        deployed.deploy()
    assert refused.value.got == "objects/account.yaml"
    assert len(deployed.applied) == 1 and deployed.read(STATEMENTS_KEY) == recorded
    assert deployed.read(path) == taken
    deployed.meanwhile = lambda: None
    deployed.deploy(keep_edits=True)
    assert deployed.read(path) == taken and len(deployed.applied) == 2


def test_a_record_of_sql_that_cannot_be_read_is_written_anew(deployed: Environment) -> None:
    """As its message says."""
    recorded = deployed.read(STATEMENTS_KEY)
    deployed.write(STATEMENTS_KEY, recorded[:100])
    deployed.deploy()
    assert deployed.read(STATEMENTS_KEY) == recorded


def test_publish_dags_waits_from_the_sql_of_a_deploy_on(deployed: Environment) -> None:
    procedure = deployed.root / "sql/procedures/dm_to_dm/load_dm_lab_360.sql"
    procedure.write_text(procedure.read_text() + "-- another\n")
    unchanged: list[bool] = []
    # else it would find something to do: the release's record has changed
    deployed.meanwhile = lambda: unchanged.append(publishing._is_under_way(*record_of(deployed)))
    deployed.deploy()
    assert unchanged == [True] and not publishing._is_under_way(*record_of(deployed))


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
