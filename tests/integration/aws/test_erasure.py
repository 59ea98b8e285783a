"""Erasures: nothing of a record is left in any layer, everything else is as if it had never been, and it stays so."""

from __future__ import annotations

import gzip
import itertools
import json
import logging
import re
from datetime import timedelta
from functools import partial
from types import ModuleType
from typing import Any

import pytest
from idiscover.aws import erasure_guard, extraction_run
from idiscover.aws.erasure import ErasureRequest, erase, search
from idiscover.aws.erasure_search import Findings
from idiscover.aws.erasure_tables import Ids
from idiscover.aws.job_metadata import open_job_metadata
from idiscover.aws.job_metadata_claims import claim_alone
from idiscover.aws.object_versions import VersionedBucket
from idiscover.aws.rebuild import rebuild
from idiscover.aws.refresher import current_statements, fail_refresh
from idiscover.aws.s3 import Bucket
from idiscover.errors import ConfigError, NextRunError
from idiscover.lake.manifest import BatchManifest
from idiscover.lake.suppression import SUPPRESSION_KEY, keyed_hash
from idiscover.plan.model import RefreshPlan

from tests.integration.aws.kills import Killer
from tests.integration.aws.test_replay import say_replay, settle
from tests.support.aws_platform import ERASURE_SECRET, Platform
from tests.support.aws_runs import (
    DAY_0,
    Org,
    assay,
    bring_in,
    extract,
    lab,
    load,
    play_step,
    refresh,
    result,
    scheduled_run,
    unit,
    woken_run,
)

RUNS = itertools.count(1)
GONE, SHORT = "001000000000001AAA", "001000000000001"
OTHER = "001000000000002AAA"
DAY_1 = DAY_0 + timedelta(days=1)
DEATHS = (
    r"insert into job.erasure",
    r"write_text suppression/ids",
    r"write_text archive/lab/.*manifest",
    r"insert into job.batch_file",
    r"insert into itg.lab__changes",
    r"delete from itg.lab__changes",  # the marks stand
    r"delete versions",
)


@pytest.fixture(autouse=True)
def no_versions(platform: Platform) -> None:
    """Nothing but the metadata lies in the bucket, in no version: what is searched is the test's own."""
    logging.getLogger("werkzeug").setLevel(logging.WARNING)  # a line per request to moto
    versions = VersionedBucket(platform.context.buckets.data, platform.context.region)
    versions.delete([one for one in versions.versions() if one.layer != "metadata" or not one.is_latest])


def two_days(platform: Platform, org: Org) -> None:
    """A lab that will be erased, in two archived batches; a test of it, with notes about it; a mart."""
    days: list[dict[str, list[Any]]] = [
        {
            "lab": [lab(GONE, "DE", name="Erika"), lab(OTHER, "FR")],
            "test": [assay("T1", GONE, notes=f"see {GONE}, {SHORT} and {OTHER}"), assay("T2", OTHER)],
            "result": [result("R1", "T1"), result("R2", "T2")],
            "unit": [unit("U1")],
        },
        {"lab": [lab(GONE, "DE", 9, "Erika M."), lab(OTHER, "FR", 9)]},
    ]
    for number, content in enumerate(days):
        for name, rows in content.items():
            bring_in(platform, org, name, DAY_0 + timedelta(days=number), rows, ["R1", "R2"])
            refresh(platform, f"itg.{name}", woken_run(f"itg.{name}", next(RUNS)))
        org.now += timedelta(days=1)
    refresh(platform, "dm.fact_test", woken_run("dm.fact_test", next(RUNS)))


class Runs:
    """An Airflow whose runs are through at once."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform

    def obstacle(self, dag_id: str) -> str | None:
        return None

    def start(self, dag_id: str) -> str:
        plan = self.platform.plans[dag_id]
        assert isinstance(plan, RefreshPlan)
        run = woken_run(dag_id, next(RUNS))
        refresh(self.platform, plan.table, run)
        return run.run_id

    def state(self, dag_id: str, run_id: str) -> str | None:
        return "success"


def request_for(platform: Platform, told: list[str], *ids: str) -> ErasureRequest:
    context, whose = platform.context, Ids(ids or (GONE,))
    return ErasureRequest(context, platform.plans, whose, told.append, Runs(platform), pause=lambda _seconds: None)


def say_erase(platform: Platform, *ids: str) -> Findings:
    return erase(request_for(platform, [], *ids), "somebody", "a request of 5 January")


def test_broken_rows_of_the_record_go_with_their_file(platform: Platform, org: Org) -> None:
    """Files in quarantine/ are for people to look at; those of others stay."""
    two_days(platform, org)
    bucket = Bucket(platform.context.buckets.data, platform.context.region)
    folder = "quarantine/lab/lab-20260105-0123456789ab"
    for name, rows in (("part-000-00000", [GONE, OTHER]), ("part-000-00001", [OTHER])):
        text = '"id","name","_column","_reason","_page"\n' + "".join(f'"{one}","x","name","y","z"\n' for one in rows)
        for _ in range(2):  # two versions of each
            with bucket.open_writer(f"{folder}/{name}.csv.gz") as out:
                out.write(gzip.compress(text.encode()))
    assert say_erase(platform).is_empty
    versions = VersionedBucket(platform.context.buckets.data, platform.context.region)
    assert [one.key for one in versions.versions("quarantine/")] == [f"{folder}/part-000-00001.csv.gz"] * 2


def counted(monkeypatch: pytest.MonkeyPatch, module: ModuleType, name: str) -> list[str]:
    """Grows by each call of a function."""
    calls: list[str] = []
    real = getattr(module, name)

    def counting(*given: Any) -> Any:
        calls.append(name)
        return real(*given)

    monkeypatch.setattr(module, name, counting)
    return calls


def bucket_of(platform: Platform) -> Bucket:
    return Bucket(platform.context.buckets.data, platform.context.region)


def manifests(platform: Platform, name: str) -> list[BatchManifest]:
    keys = platform.job("select manifest_key from job.batch where object = %s order by batch_id", name)
    return [BatchManifest.model_validate_json(bucket_of(platform).read_text(key)) for (key,) in keys]


def everything(platform: Platform) -> bytes:
    """All versions of all objects, unpacked, and all tables as text: looked at by other code than the platform's."""
    s3, name = platform.client("s3"), platform.context.buckets.data
    content = b""
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=name):
        for version in page.get("Versions", []):
            body = s3.get_object(Bucket=name, Key=version["Key"], VersionId=version["VersionId"])["Body"].read()
            content += gzip.decompress(body) if body.startswith(b"\x1f\x8b") else body
    for ask, schemas in ((platform.warehouse, ("stg", "itg", "dm")), (platform.job, ("job",))):
        for (table,) in ask(
            "select table_schema || '.' || table_name from information_schema.tables where table_schema in %s", schemas
        ):
            content += repr(ask(f"select * from {table}")).encode()
    return content


def test_nothing_is_left_and_the_rest_is_as_it_was(platform: Platform, org: Org) -> None:
    two_days(platform, org)
    bucket = bucket_of(platform)
    bucket.write_text("status/some_dag/some_run/copy.json", json.dumps({"error": f"{GONE} is refused"}))
    bucket.write_text("source/lab/lab-20260101-refused/part-00000.csv.gz", GONE)  # of a step that broke off
    platform.job(
        "insert into job.step_log (dag_id, run_id, run_type, step, state, document)"
        " values ('d', 'r', 'manual', 's', 'failed', %s)",
        json.dumps({"error": f"about {SHORT}"}),
    )
    assert SHORT.encode() in everything(platform)
    found = search(request_for(platform, []))
    assert {"source/", "archive/", "status/", "itg.lab", "itg.test", "job.step_log"} <= set(found.counts)
    assert say_erase(platform).is_empty
    assert SHORT.encode() not in everything(platform) and b"Erika" not in everything(platform)
    assert platform.warehouse("select id from itg.lab") == [(OTHER,)]
    assert platform.warehouse("select id, lab_id, _country_code, notes from itg.test order by 1") == [
        ("T1", None, "ZZ", f"see [erased], [erased] and {OTHER}"),
        ("T2", OTHER, "FR", "none"),
    ]
    assert platform.warehouse("select id, _country_code from itg.result order by 1") == [("R1", "ZZ"), ("R2", "FR")]
    assert platform.warehouse("select country_code, test_id from dm.fact_test order by 1") == [
        ("FR", "T2"),
        ("ZZ", "T1"),
    ]
    assert bucket.read_text("status/some_dag/some_run/copy.json") == json.dumps({"error": "[erased] is refused"})
    assert bucket.list("source/lab/") == []
    _the_record_says_what_was_done(platform)


def _the_record_says_what_was_done(platform: Platform) -> None:
    """And not whose it was."""
    known = keyed_hash(ERASURE_SECRET, GONE)
    [(key_hash, who, why, state, objects, counts)] = platform.job(
        "select key_hash, requested_by, reason, state, objects, counts from job.erasure"
    )
    assert (key_hash, who, why, state) == (known, "somebody", "a request of 5 January", "done")
    assert objects == ["lab", "test"]
    assert counts["itg.lab"] == 1 and counts["itg.test"] == 1 and counts["archive/"] >= 3
    assert json.loads(bucket_of(platform).read_text(SUPPRESSION_KEY))["hashes"] == [known]


def test_the_counts_of_every_hop_still_agree(platform: Platform, org: Org) -> None:
    """Of batches in archive/, of one that waits in stg, and of one that waits in source/."""
    two_days(platform, org)
    bring_in(platform, org, "lab", org.now.date(), [lab(GONE, "DE", 20), lab(OTHER, "FR", 20)])
    pending = scheduled_run("sfdc_to_s3__lab", org.now.date() + timedelta(days=1))
    extract(platform, org, "lab", pending, [lab(GONE, "DE", 30), lab(OTHER, "DE", 30)])
    say_erase(platform)
    files = platform.job("select batch_id, key, rows, bytes, sha256 from job.batch_file where key like '%%/lab/%%'")
    for manifest in manifests(platform, "lab"):
        assert (manifest.rows, manifest.counts.erased, manifest.counts.job_rows) == (1, 1, 2)
        assert {(manifest.batch_id, f.key, f.rows, f.bytes, f.sha256) for f in manifest.files} <= set(files)
        assert [bucket_of(platform).size(file.key) for file in manifest.files] == [
            file.bytes for file in manifest.files
        ]
    assert platform.job("select distinct rows from job.batch where object = 'lab'") == [(1,)]
    assert platform.warehouse("select distinct \"rows\" from stg.batch_load where object = 'lab'") == [(1,)]
    extraction_run.close_extraction(platform.extraction("lab"), pending)  # cleared: it counts again
    load(platform, "lab", woken_run("s3_to_redshift__lab", next(RUNS)))  # reconciles
    refresh(platform, "itg.lab", woken_run("itg.lab", next(RUNS)))
    assert platform.warehouse("select id, _country_code from itg.lab") == [(OTHER, "DE")]
    assert platform.job("select distinct state from job.batch where object = 'lab'") == [("archived",)]


def test_it_does_not_come_back(platform: Platform, org: Org, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not by a replay, not by a rebuild, not even if the archive's files come back from a backup."""
    two_days(platform, org)
    bucket = bucket_of(platform)
    before = {key: bucket.open_reader(key).read() for key in bucket.list("archive/lab/")}
    say_erase(platform)
    for key, content in before.items():
        bucket.write_bytes(key, content)  # manifests, too
    batch_ids = [batch_id for (batch_id,) in platform.job("select batch_id from job.batch where object = 'lab'")]
    say_replay(platform, "lab", *batch_ids)
    settle(platform, "lab")
    assert platform.warehouse("select id from itg.lab") == [(OTHER,)]
    for key, content in before.items():
        bucket.write_bytes(key, content)
    told: list[str] = []
    asked = counted(monkeypatch, erasure_guard, "erasure_secret")
    rebuild(platform.refresh("itg.lab"), platform.load("lab"), told.append)
    assert asked == ["erasure_secret"]  # once, not for each of the two batches
    assert platform.warehouse("select id from itg.lab") == [(OTHER,)]
    files = [key for key in before if key.endswith(".csv.gz") and GONE.encode() in gzip.decompress(before[key])]
    assert len(files) == 2 and all(any(f"s3://{bucket.name}/{key}" in line for line in told) for key in files)
    assert not search(request_for(platform, [])).is_empty  # the backup's own objects are still there, and are found
    assert say_erase(platform).is_empty
    assert say_erase(platform, OTHER).is_empty
    assert platform.warehouse("select count(*) from itg.lab") == [(0,)]
    hashes = json.loads(bucket.read_text(SUPPRESSION_KEY))["hashes"]
    assert hashes == sorted(keyed_hash(ERASURE_SECRET, one) for one in (GONE, OTHER))


def test_what_the_platform_did_not_write_is_told_and_left_alone(platform: Platform, org: Org) -> None:
    """Somebody's own file may hold a thousand others."""
    bring_in(platform, org, "lab", DAY_0, [lab(GONE, "DE"), lab(OTHER, "FR")])
    bucket = bucket_of(platform)
    for text in (f"{OTHER}, once {GONE}", f"{OTHER}, {GONE}"):
        bucket.write_text("exports/labs.csv", text)
    bucket.write_text("emr-logs/j-1/steps/s-1/stdout", f"about {SHORT}")
    left = say_erase(platform)
    assert left.lines == ["exports/: 2 versions of 1 objects"]
    assert bucket.read_text("exports/labs.csv") == f"{OTHER}, {GONE}" and bucket.list("emr-logs/") == []
    assert platform.job("select state from job.erasure") == [("running",)]
    bucket.write_text("exports/labs.csv", OTHER)
    versions = VersionedBucket(bucket.name, platform.context.region)
    versions.delete([one for one in versions.versions("exports/") if not one.is_latest])
    assert say_erase(platform).is_empty
    assert platform.job("select state from job.erasure") == [("done",)]


def test_an_extraction_that_began_before_is_waited_for(platform: Platform, org: Org) -> None:
    """Its step may have read the list before the record was on it: what it wrote is erased, too."""
    two_days(platform, org)
    run = scheduled_run("sfdc_to_s3__lab", org.now.date())
    plan = platform.extraction("lab")
    request = extraction_run.open_extraction(plan, run)
    told: list[str] = []

    def step_ends(_seconds: float) -> None:
        if platform.job("select 1 from job.batch where batch_id = %s", request.window.batch_id):
            return
        play_step(request, [lab(GONE, "DE", 40)], org.now)
        extraction_run.close_extraction(plan, run)

    paused = ErasureRequest(**{**vars(request_for(platform, told)), "pause": step_ends})
    assert erase(paused, "somebody", None).is_empty
    assert sum("waits for the extraction" in line and run.run_id in line for line in told) == 1
    assert platform.job("select rows from job.batch where batch_id = %s", request.window.batch_id) == [(0,)]


def test_an_erasure_that_is_killed_is_said_again(platform: Platform, org: Org, monkeypatch: pytest.MonkeyPatch) -> None:
    """It dies after each of its steps once."""
    for name, rows in (("lab", [lab(GONE, "DE"), lab(OTHER, "FR")]), ("test", [assay("T1", GONE)])):
        bring_in(platform, org, name, DAY_0, rows)
        refresh(platform, f"itg.{name}", woken_run(f"itg.{name}", next(RUNS)))
    killer = Killer(monkeypatch)
    for place in DEATHS:
        assert killer.run(partial(say_erase, platform), partial(re.search, place)), (place, killer.effects)
    assert say_erase(platform).is_empty
    assert SHORT.encode() not in everything(platform)
    assert platform.job("select state, objects from job.erasure") == [("done", ["lab", "test"])]
    for name in ("lab", "test"):
        rows = sum(manifest.rows for manifest in manifests(platform, name))
        assert platform.job("select sum(rows)::int from job.batch where object = %s", name) == [(rows,)]
        assert platform.warehouse('select sum("rows")::int from stg.batch_load where object = %s', name) == [(rows,)]
    assert platform.warehouse("select id, lab_id, _country_code from itg.test") == [("T1", None, "ZZ")]
    assert platform.job("select count(*) from job.claim where state = 'open'") == [(0,)]


def test_an_erasure_that_has_lost_its_claim_leaves_the_table_to_whoever_has_it(platform: Platform, org: Org) -> None:
    """The machine slept while files were written anew."""
    bring_in(platform, org, "lab", DAY_0, [lab(GONE, "DE"), lab(OTHER, "FR")])
    refresh(platform, "itg.lab", woken_run("itg.lab", next(RUNS)))
    plan = platform.refresh("itg.lab")

    def lose(line: str) -> None:
        if "values out of" not in line:
            return
        platform.job("update job.claim set expires_at_utc = now() - interval '1 second' where state = 'open'")
        with open_job_metadata(platform.context) as metadata:
            assert claim_alone(metadata, plan, "another", current_statements(plan)) is not None

    losing = ErasureRequest(**{**vars(request_for(platform, [])), "tell": lose})
    with pytest.raises(NextRunError, match="another run has taken the table"):
        erase(losing, "somebody", None)
    assert platform.warehouse("select id from itg.lab order by 1") == [(GONE,), (OTHER,)]
    fail_refresh(plan, woken_run("itg.lab", 0).model_copy(update={"run_id": "another"}))
    assert say_erase(platform).is_empty
    assert platform.warehouse("select id from itg.lab") == [(OTHER,)]


def test_without_a_key_nothing_begins(platform: Platform, org: Org) -> None:
    secrets = platform.context.secrets.model_copy(update={"erasure": None})
    context = platform.context.model_copy(update={"secrets": secrets})
    without = ErasureRequest(**{**vars(request_for(platform, [])), "context": context})
    with pytest.raises(ConfigError, match="does not name the secret of erasures"):
        erase(without, "somebody", None)
    assert platform.job("select * from job.erasure") == []
