"""The end of an extraction: what is refused and how one gets out of that, and what is registered."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
from idiscover.aws import batch_checks, extraction_run, job_metadata
from idiscover.aws.extraction_run import batch_stands, close_extraction, open_extraction
from idiscover.aws.job_metadata import open_job_metadata
from idiscover.aws.job_metadata_batches import FILES, register_batch
from idiscover.aws.s3 import Bucket
from idiscover.errors import DataQualityError, FatalError, RetriableError
from idiscover.lake.keys import manifest_key
from idiscover.lake.manifest import BatchManifest
from idiscover.plan.model import ExtractionRequest

from tests.support.aws_platform import Platform
from tests.support.aws_runs import (
    DAY_0,
    Org,
    extract,
    lab,
    load,
    manifest_of,
    play_step,
    scheduled_run,
    woken_run,
    write_files,
    write_manifest,
)

RUN = scheduled_run("sfdc_to_s3__lab", DAY_0)
ROWS = [lab("L1", "DE"), lab("L2", "FR"), lab("L3", None)]


def bucket_of(platform: Platform) -> Bucket:
    return Bucket(platform.context.buckets.data, platform.context.region)


def names_in(platform: Platform, request: ExtractionRequest) -> list[str]:
    return [key.removeprefix(request.target_prefix) for key in bucket_of(platform).list(request.target_prefix)]


def test_a_batch_is_registered_with_all_that_its_manifest_says(platform: Platform, org: Org) -> None:
    manifest = extract(platform, org, "lab", RUN, ROWS)
    rows = platform.job(
        "select object, run_id, run_kind, order_date, rows, bytes, counts, state, manifest_key from job.batch"
    )
    assert rows == [
        ("lab", RUN.run_id, "scheduled", DAY_0, 3, manifest.bytes, manifest.counts.model_dump(), "pending",
         f"source/lab/{manifest.batch_id}/manifest.json")
    ]  # fmt: skip
    files = platform.job("select key, rows, bytes, sha256 from job.batch_file order by key")
    assert files == [(file.key, file.rows, file.bytes, file.sha256) for file in manifest.files]
    assert platform.job("select lock_expires_at_utc from job.run_window") == [(None,)]
    assert batch_stands(platform.extraction("lab"), RUN)


def with_counts(**changes: int | None) -> Callable[[BatchManifest], BatchManifest]:
    return lambda manifest: manifest.model_copy(update={"counts": manifest.counts.model_copy(update=changes)})


def with_fields(**changes: Any) -> Callable[[BatchManifest], BatchManifest]:
    return lambda manifest: manifest.model_copy(update=changes)


def with_file(**changes: Any) -> Callable[[BatchManifest], BatchManifest]:
    def change(manifest: BatchManifest) -> BatchManifest:
        return manifest.model_copy(
            update={"files": (manifest.files[0].model_copy(update=changes), *manifest.files[1:])}
        )

    return change


REFUSED = {
    "the job counted another number": (with_counts(job_rows=4), "job 4, parsed 3"),
    "a row was lost while parsing": (with_counts(parsed_rows=2), "parsed 2"),
    "a row was lost while writing": (with_counts(file_rows=2), "in files 2"),
    "pages announced another number": (with_counts(page_rows=5), "announced by pages 5"),
    "COUNT() says otherwise, twice": (with_counts(count_before=7, count_after=7), r"COUNT\(\) 7"),
    "the files' rows are others": (with_file(rows=9), "listed in the manifest 10"),
    "a file is missing": (with_file(key="source/lab/nowhere/part-0.csv.gz"), "no object"),
    "a file has another size": (with_file(bytes=1), "expected: 1 bytes"),
    "it is another batch's": (with_fields(batch_id="lab-20260105-000000000000"), "another window"),
    "it is another object's": (with_fields(object="test"), "another window"),
    "it is of another day": (with_fields(order_date=DAY_0.replace(day=6)), "another window"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_and_read_again(platform: Platform, org: Org, name: str) -> None:
    """A refused manifest is out of the way, so that the run, cleared from create_cluster, reads anew."""
    change, message = REFUSED[name]
    plan = platform.extraction("lab")
    request = open_extraction(plan, RUN)
    manifest = manifest_of(request, write_files(request, ROWS, org.now), org.now)
    write_manifest(request, change(manifest))
    with pytest.raises(DataQualityError, match=message) as refused:
        close_extraction(plan, RUN)
    assert RUN.run_id in str(refused.value) and "emr_tasks.create_cluster with downstream" in str(refused.value)
    assert "manifest.refused.json" in names_in(platform, request)
    assert "manifest.json" not in names_in(platform, request)
    assert not batch_stands(plan, RUN)
    assert (
        platform.job("select count(*) from job.batch") == [(0,)] == platform.job("select count(*) from job.watermark")
    )
    with pytest.raises(FatalError, match="the batch was refused"):  # `end` cleared alone
        close_extraction(plan, RUN)
    assert open_extraction(plan, RUN) == request
    play_step(request, ROWS, org.now)
    assert close_extraction(plan, RUN).rows == 3


def test_a_moving_org_is_no_difference(platform: Platform, org: Org) -> None:
    plan = platform.extraction("lab")
    request = open_extraction(plan, RUN)
    manifest = manifest_of(request, write_files(request, ROWS, org.now), org.now)
    write_manifest(request, with_counts(count_before=2, count_after=4, page_rows=None)(manifest))
    assert close_extraction(plan, RUN).rows == 3


def test_what_is_no_manifest_is_refused(platform: Platform, org: Org) -> None:
    plan = platform.extraction("lab")
    request = open_extraction(plan, RUN)
    bucket_of(platform).write_text(manifest_key(request.target_prefix), json.dumps({"batch_id": 1}))
    with pytest.raises(DataQualityError, match="not readable"):
        close_extraction(plan, RUN)
    assert not batch_stands(plan, RUN)


def test_without_a_manifest_there_is_no_batch(platform: Platform, org: Org) -> None:
    plan = platform.extraction("lab")
    with pytest.raises(FatalError, match="no window"):
        close_extraction(plan, RUN)
    request = open_extraction(plan, RUN)
    write_files(request, ROWS, org.now)
    with pytest.raises(FatalError, match="left no manifest"):
        close_extraction(plan, RUN)
    assert not batch_stands(plan, RUN)


def test_closing_again_changes_nothing(platform: Platform, org: Org) -> None:
    plan = platform.extraction("lab")
    manifest = extract(platform, org, "lab", RUN, ROWS)
    before = [platform.job(f"select * from job.{table}") for table in ("batch", "batch_file", "watermark")]
    assert close_extraction(plan, RUN) == manifest
    assert [platform.job(f"select * from job.{table}") for table in ("batch", "batch_file", "watermark")] == before
    load(platform, "lab", woken_run("s3_to_redshift__lab", 1))
    assert close_extraction(plan, RUN) == manifest
    assert platform.job("select state from job.batch") == [("loaded",)]


def test_a_loaded_batch_is_not_registered_anew(platform: Platform, org: Org) -> None:
    """The load was quicker than a task that was slow to register, or is tried again."""
    manifest = extract(platform, org, "lab", RUN, ROWS)
    load(platform, "lab", woken_run("s3_to_redshift__lab", 1))
    before = [platform.job(f"select * from job.{table}") for table in ("batch", "batch_file")]
    with open_job_metadata(platform.context) as metadata:
        register_batch(metadata, manifest.model_copy(update={"files": ()}), "scheduled", "elsewhere", org.now)
    assert [platform.job(f"select * from job.{table}") for table in ("batch", "batch_file")] == before


def test_a_cleared_run_whose_batch_stands_locks_nothing(platform: Platform, org: Org) -> None:
    extract(platform, org, "lab", RUN, ROWS)
    open_extraction(platform.extraction("lab"), RUN)
    assert platform.job("select lock_expires_at_utc from job.run_window") == [(None,)]


def test_a_manifest_half_moved_aside_is_still_refused(
    platform: Platform, org: Org, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between the copy and the delete: both stand, and neither may be taken for good."""
    plan = platform.extraction("lab")
    request = open_extraction(plan, RUN)
    manifest = manifest_of(request, write_files(request, ROWS, org.now), org.now)
    write_manifest(request, with_counts(job_rows=4)(manifest))
    with monkeypatch.context() as patched:
        patched.setattr(Bucket, "delete", _killed)
        with pytest.raises(KeyboardInterrupt):
            close_extraction(plan, RUN)
    assert {"manifest.json", "manifest.refused.json"} <= set(names_in(platform, request))
    assert not batch_stands(plan, RUN)
    open_extraction(plan, RUN)
    assert "manifest.json" not in names_in(platform, request)


def _killed(*_: object) -> None:
    raise KeyboardInterrupt


def test_a_pending_batch_whose_window_is_read_again_takes_on_the_new_rows(platform: Platform, org: Org) -> None:
    """The load refused it; the run was cleared; its step has read the window again."""
    plan = platform.extraction("lab")
    first = extract(platform, org, "lab", RUN, ROWS)
    request = open_extraction(plan, RUN)
    bucket = bucket_of(platform)
    extraction_run.move_aside(bucket, request.target_prefix)
    assert not batch_stands(plan, RUN)
    bucket.delete(bucket.list(request.target_prefix))  # as the step does with leftovers
    assert not batch_stands(plan, RUN)  # not even if the step dies now
    play_step(request, ROWS[:2], org.now)
    assert batch_stands(plan, RUN)
    second = close_extraction(plan, RUN)
    assert (first.rows, second.rows) == (3, 2)
    assert platform.job("select rows, state from job.batch") == [(2, "pending")]
    assert platform.job("select count(*), sum(rows) from job.batch_file") == [(2, 2)]


def test_a_read_that_has_lost_sight_of_records_is_refused(platform: Platform, org: Org) -> None:
    """Every count agrees, yet a third is missing: nothing is registered, the watermark stays, and it is read again."""
    plan = platform.extraction("result")
    first, second = (scheduled_run(plan.header.dag_id, DAY_0 + timedelta(days=day)) for day in (0, 1))
    every_id = [f"R{number}" for number in range(700)]
    extract(platform, org, "result", first, [], every_id)
    watermark = platform.job("select watermark_at_utc from job.watermark")
    org.now += timedelta(days=1)

    request = open_extraction(plan, second)
    play_step(request, [], org.now, every_id[:500])
    with pytest.raises(DataQualityError, match="far fewer records") as refused:
        close_extraction(plan, second)

    assert "got: 500 Ids" in str(refused.value) and "about 700, at least 80 %" in str(refused.value)
    assert platform.job("select watermark_at_utc from job.watermark") == watermark
    assert platform.job("select count(*) from job.batch") == [(1,)]
    assert open_extraction(plan, second) == request
    play_step(request, [], org.now, every_id[:560])
    assert close_extraction(plan, second).id_count == 560, "a fifth may go"


@pytest.mark.parametrize(
    ("before", "now", "most_gone_percent"), [(100, 0, 20), (None, 0, 20), (1000, 800, 20), (1000, 0, 100), (5, 900, 0)]
)
def test_what_may_go(before: int | None, now: int, most_gone_percent: int) -> None:
    manifest = cast(BatchManifest, SimpleNamespace(id_count=now))
    batch_checks.check_gone(manifest, before, most_gone_percent, "here")


def test_nothing_is_registered_while_somebody_rewrites_the_files(
    platform: Platform, org: Org, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An erasure is at a pending batch whose `end` is cleared: the manifest that was read may be an old one by now."""
    plan = platform.extraction("lab")
    play_step(open_extraction(plan, RUN), ROWS, org.now)
    monkeypatch.setattr(job_metadata, "_LONGEST_WAIT", "200ms")
    with (
        open_job_metadata(platform.context) as another,
        another.exclusive(FILES, "lab"),
        pytest.raises(RetriableError),
    ):
        close_extraction(plan, RUN)
    assert platform.job("select count(*) from job.batch") == [(0,)]
    assert close_extraction(plan, RUN).rows == 3
