"""Edits in the bucket and what becomes of them: DAG files, notices, mails, refusals. Moto's S3 and SES."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from idiscover.aws import publishing
from idiscover.aws.publish_state import PublishState, write_state
from idiscover.aws.publishing import EnsurePools, catalog_in_force, is_news, publish
from idiscover.aws.release_record import STATEMENTS_KEY
from idiscover.aws.s3 import Bucket
from idiscover.errors import ConfigError
from idiscover.lake.keys import PUBLISH_STATE_KEY, RELEASE_KEY
from idiscover.metadata.models import Context

from tests.unit.metadata_samples import KIT, LAB, REPOSITORY, sample_context, sample_files
from tests.unit.published_world import (
    BROKEN_LAB,
    DAGS,
    DATA,
    FACT,
    FACT_FILE,
    OTHER_FACT,
    REGION,
    URI,
    World,
    published_world,
)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """An environment into which the sample was published once."""
    with published_world(monkeypatch) as found:
        yield found


def test_the_first_publication_brings_all_dags_and_the_second_does_nothing(world: World) -> None:
    stubs = {name for name in world.files() if name.endswith(".py")}
    assert {"sfdc_to_s3__lab.py", f"{FACT}.py", "sweep_pending.py"} < stubs and "publish_dags.py" not in stubs
    assert "publish_dags.json" in world.files()
    assert world.pools["emr"] == 3 and "table__dm__fact_test" in world.pools
    before, state = world.files(), world.state()
    world.pools.clear()
    assert world.publish().is_unchanged
    assert (world.files(), world.state(), world.pools, world.mails()) == (before, state, {}, [])


def test_a_run_with_nothing_to_do_asks_for_seven_things(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from botocore.client import BaseClient

    asked: list[str] = []
    plain = BaseClient._make_api_call

    def call(client: BaseClient, operation: str, arguments: dict[str, Any]) -> Any:
        asked.append(operation)
        return plain(client, operation, arguments)

    monkeypatch.setattr(BaseClient, "_make_api_call", call)
    assert world.publish().is_unchanged
    assert sorted(asked) == ["GetObject"] * 3 + ["HeadObject"] * 2 + ["ListObjectVersions", "ListObjectsV2"]


def test_a_sound_edit_reaches_its_dags_and_no_others(world: World) -> None:
    before = world.files()
    version = world.edit(FACT_FILE, OTHER_FACT)
    report = world.publish()
    assert (report.files.written, report.files.deleted) == ([f"{FACT}.json"], [])
    assert list(report.edits) == [FACT_FILE] and report.refused == ()
    header = world.header(FACT)
    assert "Facts of tests." in header["doc_md"] and header["metadata_versions"] == {FACT_FILE: version}
    assert {name for name, text in world.files().items() if before[name] != text} == {f"{FACT}.json"}


def test_a_broken_edit_keeps_its_dags_and_is_explained_mailed_and_mended(world: World) -> None:
    before = world.files()
    good = world.state().files["objects/lab.yaml"]
    version = world.edit("objects/lab.yaml", BROKEN_LAB)
    world.edit(FACT_FILE, OTHER_FACT)
    report = world.publish()
    assert report.news == ("objects/lab.yaml",) and set(report.edits) == {"objects/lab.yaml", FACT_FILE}
    of_lab = {"sfdc_to_s3__lab", "s3_to_redshift__lab", "stg_to_itg__lab", "stg_to_itg__test"}
    assert set(report.files.written) == {f"{name}.json" for name in (*of_lab, FACT)}, "all other edits are published"
    for name in of_lab:
        was, now = json.loads(before[f"{name}.json"]), json.loads(world.files()[f"{name}.json"])
        notice = now["header"].pop("notice")
        assert was["header"].pop("notice") is None and now == was, "it runs as it did"
        for words in ("metadata/objects/lab.yaml", "lab.yaml:11:28", "got: 'idd'", "did you mean: id", version, good):
            assert words in notice, words
    (mail,) = world.mails()
    assert mail[0] == "data-platform@example.com, labs@example.com"
    assert mail[1] == "[iDiscover local] objects/lab.yaml: edit REFUSED (needs a person)"
    for words in ("lab.yaml:11:28", version, good, "sfdc_to_s3__lab", "did you mean: id"):
        assert words in mail[2], words
    assert catalog_in_force(sample_context()).objects["lab"].description == "Labs."
    state = world.state()
    assert state.refused["objects/lab.yaml"].version == version and state.files["objects/lab.yaml"] == good

    assert world.publish().is_unchanged
    world.edit("objects/kit.yaml", KIT.replace("Kits.", "All kits."))
    assert world.publish().news == ()
    assert len(world.mails()) == 1, "one mail per version, whatever else is published"
    assert world.state().refused == state.refused

    world.edit("objects/lab.yaml", BROKEN_LAB + "# again\n")
    assert world.publish().news == ("objects/lab.yaml",)
    mended = world.edit("objects/lab.yaml", LAB.replace("Labs.", "All labs."))
    assert world.publish().mended == ("objects/lab.yaml",)
    assert [subject.split(": ", 1)[1] for _, subject, _ in world.mails()[1:]] == [
        "edit REFUSED (needs a person)",
        "mended",
    ]
    assert world.header("sfdc_to_s3__lab")["notice"] is None
    assert world.header("sfdc_to_s3__lab")["metadata_versions"]["objects/lab.yaml"] == mended


def test_an_edit_that_needs_a_release_is_refused_until_there_was_one(world: World) -> None:
    """Which edits these are: tests/unit/warehouse/test_unreleased.py."""
    before, path = world.files(), "objects/lab.yaml"
    city = "  - {salesforce: City, type: string, length: 40, column: city, description: Where.}\n"
    world.edit(path, LAB + city)
    world.edit(FACT_FILE, OTHER_FACT)
    report = world.publish()
    assert report.news == (path,) and f"{FACT}.json" in report.files.written
    for name in ("sfdc_to_s3__lab", "s3_to_redshift__lab", "stg_to_itg__lab"):
        was, now = json.loads(before[f"{name}.json"]), json.loads(world.files()[f"{name}.json"])
        notice = now["header"].pop("notice")
        assert was["header"].pop("notice") is None and now == was, "it runs as it did"
        assert "an edit needs a release" in notice
    (mail,) = world.mails()
    for words in (
        "objects/lab.yaml: edit REFUSED",
        'alter table itg.lab add column "city" varchar(160);',
        "idiscover deploy --context context/local.yaml --keep-edits",
    ):
        assert words in f"{mail[1]}\n{mail[2]}", words
    assert "city" not in str(catalog_in_force(sample_context()).objects["lab"].fields)
    assert world.publish().is_unchanged and len(world.mails()) == 1

    world.release({path: LAB + city})
    assert world.publish().mended == (path,)
    assert world.header("sfdc_to_s3__lab")["notice"] is None and "city" in world.files()["sfdc_to_s3__lab.json"]
    assert world.mails()[-1][1].endswith("mended") and world.publish().is_unchanged


def test_a_record_of_a_release_that_cannot_be_read_stops_edits_and_says_how_to_write_it_anew(world: World) -> None:
    world.put(STATEMENTS_KEY, '{"table stg.lab": "create')
    world.edit(FACT_FILE, OTHER_FACT)
    with pytest.raises(ConfigError, match=r"statements\.json[\s\S]*remedy: .*idiscover deploy"):
        world.publish()


def test_a_broken_new_file_makes_no_dag_and_its_owner_is_not_known(world: World) -> None:
    before = world.files()
    world.edit("objects/extra.yaml", "object: extra\nowner: nobody\n")
    assert world.publish().news == ("objects/extra.yaml",)
    assert world.files() == before
    assert [to for to, _, _ in world.mails()] == ["data-platform@example.com"]


def test_files_that_went_take_their_dags_along_and_come_back(world: World) -> None:
    kit = ("objects/kit.yaml", "delta_filter/kit.yaml", "tables/itg.kit.yaml")
    before, texts = world.files(), sample_files()
    world.delete(*kit)
    report = world.publish()
    gone = ["s3_to_redshift__kit", "sfdc_to_s3__kit", "stg_to_itg__kit"]
    assert report.files.deleted == [f"{name}.py" for name in gone] + [f"{name}.json" for name in gone]
    assert report.refused == () and world.mails() == []
    for path in kit:
        world.edit(path, texts[path])
    world.publish()
    assert world.files().keys() == before.keys()


def test_what_something_depends_on_cannot_be_deleted(world: World) -> None:
    before = world.files()
    world.delete("objects/unit.yaml", "delta_filter/unit.yaml", "tables/itg.unit.yaml")
    report = world.publish(allow_deletions=True)
    assert {edit.path for edit in report.refused} == {
        "objects/unit.yaml", "delta_filter/unit.yaml", "tables/itg.unit.yaml"
    }  # fmt: skip
    assert world.files().keys() == before.keys()
    assert "The deletion of `metadata/tables/itg.unit.yaml` is refused" in world.header("stg_to_itg__unit")["notice"]
    assert all("deletion REFUSED" in subject for _, subject, _ in world.mails())


@pytest.mark.parametrize("left", ["nothing", "one object"])
def test_too_many_deletions_at_once_have_to_be_allowed(world: World, left: str) -> None:
    before = world.files()
    kept = ("lab",) if left == "one object" else ()
    gone = [path for path in sample_files() if not any(f"{name}.yaml" in path for name in kept)]
    world.delete(*gone)
    if not kept:
        world.edit(FACT_FILE, OTHER_FACT)
        world.delete(FACT_FILE)
    report = world.publish()
    assert {edit.path for edit in report.refused} == {path for path in gone if path.endswith(".yaml")}
    assert world.files().keys() == before.keys()
    assert "--allow-deletions" in world.header(FACT)["notice"]
    if not kept:
        with pytest.raises(ConfigError, match="no metadata"):
            world.publish(allow_deletions=True)
        return
    assert world.publish().is_unchanged, "it is told once"
    assert world.publish(allow_deletions=True).refused == ()
    stubs = {name for name in world.files() if name.endswith(".py")}
    assert stubs == {f"{name}__lab.py" for name in ("sfdc_to_s3", "s3_to_redshift", "stg_to_itg")} | {
        "sweep_pending.py"
    }


def test_a_deletion_that_was_too_much_is_refused_and_other_edits_are_published(world: World) -> None:
    texts = sample_files()
    world.delete(*(path for path in texts if "lab" not in path))
    world.edit("objects/lab.yaml", LAB.replace("Labs.", "All labs."))
    world.publish()
    assert "All labs." in world.header("sfdc_to_s3__lab")["doc_md"]


def test_without_its_state_the_plans_say_what_was_published(world: World) -> None:
    good = world.state().files
    world.client.delete_object(Bucket=DATA, Key=PUBLISH_STATE_KEY)
    assert world.state().files == good
    world.edit("objects/lab.yaml", b"\xff")
    assert world.publish().news == ("objects/lab.yaml",)
    assert "sfdc_to_s3__lab.py" in world.files()


def test_a_dry_run_says_the_same_and_does_nothing(world: World) -> None:
    world.edit("objects/lab.yaml", BROKEN_LAB)
    world.edit(FACT_FILE, OTHER_FACT)
    before = (world.files(), world.state(), dict(world.pools), world.mails())
    world.pools.clear()
    dry = world.publish(dry_run=True)
    assert (world.files(), world.state(), world.mails()) == (before[0], before[1], before[3]) and world.pools == {}
    real = world.publish()
    for fact in ("edits", "news", "mended"):
        assert getattr(dry, fact) == getattr(real, fact)
    assert (dry.files.written, dry.files.deleted) == (real.files.written, real.files.deleted)


def test_a_broken_context_publishes_nothing(world: World) -> None:
    before = world.files()
    world.put("context/local.yaml", "environment: local\n")
    world.edit(FACT_FILE, OTHER_FACT)
    with pytest.raises(ConfigError, match="a key is missing"):
        world.publish()
    assert world.files() == before
    context = sample_context()
    assert [is_news(context, "one"), is_news(context, "one"), is_news(context, "two")] == [True, False, True]
    world.put("context/local.yaml", (REPOSITORY / "context" / "local.yaml").read_text())
    world.publish()
    assert world.state().failure is None and is_news(context, "two")


def test_what_a_deploy_has_not_uploaded_yet_is_waited_for(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    release = {"code_sha": "a" * 40}
    world.put(RELEASE_KEY, json.dumps({**release, "uploading": {FACT_FILE: "…"}}))
    world.edit("objects/lab.yaml", BROKEN_LAB)
    assert world.publish().is_unchanged and world.mails() == []
    with monkeypatch.context() as patch:
        patch.setattr(publishing, "MOST_OF_A_DEPLOY", timedelta())
        assert world.publish().news == ("objects/lab.yaml",), "a deploy that was killed holds nothing up"
    world.put(RELEASE_KEY, json.dumps(release))
    world.edit("objects/lab.yaml", LAB)
    assert world.publish().mended == ("objects/lab.yaml",)


def test_a_publication_that_a_deploy_overtook_does_not_leave_the_deploys_state(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may have written over the deploy's files; with its own state, the next run looks at them again."""
    before = world.state()
    real = publishing.synchronise

    def overtaken(*given: Any) -> None:
        write_state(Bucket(DATA, REGION), before.model_copy(update={"fingerprint": "of the deploy"}))
        real(*given)

    monkeypatch.setattr(publishing, "synchronise", overtaken)
    world.publish(even_if_unchanged=True)
    assert world.state() == before


def test_an_edit_of_the_context_reaches_every_dag(world: World) -> None:
    text = (REPOSITORY / "context" / "local.yaml").read_text()
    world.put("context/local.yaml", text.replace("retries: 2", "retries: 1"))
    report = world.publish()
    assert {name for name in world.files() if name.endswith(".json")} == set(report.files.written)


def test_a_mail_that_cannot_be_sent_stops_nothing(world: World) -> None:
    boto3.client("ses", region_name=REGION).delete_identity(Identity="idiscover@example.com")
    world.edit("objects/lab.yaml", BROKEN_LAB)
    report = world.publish()
    assert len(report.warnings) == 1 and "could not be sent" in report.warnings[0]
    assert world.publish().is_unchanged


def test_pools_that_cannot_be_made_leave_the_dag_files_alone(world: World) -> None:
    before = world.files()
    world.edit(FACT_FILE, OTHER_FACT)

    def refuse(context: Context) -> EnsurePools:
        def ensure(wanted: Mapping[str, int]) -> int:
            raise ConfigError("Airflow does not accept the request")

        return ensure

    with pytest.raises(ConfigError):
        publish(URI, REGION, refuse)
    assert world.files() == before
    assert world.publish().files.written == [f"{FACT}.json"]


@pytest.mark.parametrize(
    "text", ["", '{"fingerprint": "3f', b"\xff", '{"version": 2, "files": []}', "[]"], ids=range(5)
)
def test_a_state_that_cannot_be_read_is_made_anew_from_the_plans_and_told_once(world: World, text: str | bytes) -> None:
    good = world.state()
    world.put(PUBLISH_STATE_KEY, text)
    assert world.publish(dry_run=True).refused == () and world.mails() == []
    report = world.publish()
    assert (report.edits, report.files.written, report.files.deleted) == ({}, [], [])
    assert world.state() == good and world.publish().is_unchanged
    (mail,) = world.mails()
    assert mail[0] == "data-platform@example.com" and mail[1].endswith("publish_dags: its state was made anew")
    for words in (f"s3://{DATA}/{PUBLISH_STATE_KEY}", "made anew from the plans", "Find out who wrote"):
        assert words in mail[2], words


def test_of_an_unreadable_state_and_a_broken_plan_the_rest_is_made_anew(world: World) -> None:
    world.edit("objects/lab.yaml", BROKEN_LAB)
    world.publish()
    world.put(PUBLISH_STATE_KEY, "[")
    world.client.put_object(Bucket=DAGS, Key=f"dags/generated/{FACT}.json", Body=b"{")
    report = world.publish()
    assert report.news == ("objects/lab.yaml",), "it is told once more: who was told stood in the state"
    assert report.files.written == [f"{FACT}.json"] and world.header(FACT)["notice"] is None
    assert world.publish().is_unchanged


def test_a_failure_is_mailed_though_the_state_cannot_be_read(world: World) -> None:
    world.put(PUBLISH_STATE_KEY, "[")
    assert [is_news(sample_context(), "one"), is_news(sample_context(), "one")] == [True, False]


WRONG: dict[str, tuple[Callable[[World], object], str]] = {
    "nothing was deployed": (
        lambda world: world.client.delete_object(Bucket=DATA, Key=RELEASE_KEY), "nothing was deployed"
    ),
    "the last good version is gone": (
        lambda world: world.put(
            PUBLISH_STATE_KEY, PublishState(files={"objects/lab.yaml": "gone"}).model_dump_json()
        ),
        "last good version",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_published_is_told(world: World, name: str) -> None:
    action, words = WRONG[name]
    before = world.files()
    action(world)
    world.edit("objects/lab.yaml", BROKEN_LAB)
    with pytest.raises(ConfigError, match=words):
        world.publish()
    assert world.files() == before


def test_the_dag_file_of_the_repository_reads_the_plan_that_is_written_with_the_others() -> None:
    text = (Path(REPOSITORY) / "dags" / "publish_dags.py").read_text()
    assert '/ "generated" / "publish_dags.json"' in text and "airflow" in text.lower() and len(text.splitlines()) < 30


KEY_LINE = "  protection: idiscover/local/protection\n"
HASHED_LAB = LAB.replace("type: string", "type: string, protect: hash", 1)


def test_an_edit_that_hashes_without_a_key_is_refused_until_the_context_names_one(world: World) -> None:
    context = (REPOSITORY / "context" / "local.yaml").read_text()
    assert KEY_LINE in context and HASHED_LAB != LAB
    world.put("context/local.yaml", context.replace(KEY_LINE, ""))
    world.release({"objects/lab.yaml": HASHED_LAB})  # its tables are there
    world.edit("objects/lab.yaml", HASHED_LAB)
    (edit,) = world.publish().refused
    (problem,) = edit.problems
    assert (edit.path, problem.what) == ("objects/lab.yaml", "values are to be hashed, and the context names no key")
    assert problem.remedy == "make the secret and name it, or take protect: hash back"
    world.put("context/local.yaml", context)
    assert world.publish().mended == ("objects/lab.yaml",)


def test_a_context_that_loses_its_key_under_hashes_changes_no_dag(world: World) -> None:
    world.release({"objects/lab.yaml": HASHED_LAB})
    world.edit("objects/lab.yaml", HASHED_LAB)
    assert world.publish().refused == ()
    before, context = world.files(), (REPOSITORY / "context" / "local.yaml").read_text()
    world.put("context/local.yaml", context.replace(KEY_LINE, ""))
    with pytest.raises(ConfigError, match="values are to be hashed, and the context names no key"):
        world.publish()
    assert world.files() == before
