"""Which batches leave stg and source/, which stay, and what the archive holds of them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from idiscover.aws import refresher
from idiscover.aws.archive import archive_applied_batches
from idiscover.aws.job_metadata import open_job_metadata
from idiscover.aws.s3 import Bucket
from idiscover.errors import DataQualityError
from idiscover.lake.keys import archive_prefix, manifest_key
from idiscover.lake.manifest import BatchManifest

from tests.support.aws_platform import Platform
from tests.support.aws_runs import DAY_0, Org, bring_in, lab, refresh, woken_run

NEXT_DAY = DAY_0 + timedelta(days=1)
ROWS = [lab("L1", "DE"), lab("L2", "FR"), lab("L3", "IT")]


def archive(platform: Platform) -> list[str]:
    plan = platform.refresh("itg.lab")
    assert plan.itg is not None
    with open_job_metadata(platform.context) as metadata:
        return archive_applied_batches(metadata, platform.context, plan.itg)


def keys(platform: Platform) -> list[str]:
    bucket = Bucket(platform.context.buckets.data, platform.context.region)
    return [*bucket.list("archive/"), *bucket.list("source/")]


def test_the_archive_can_be_replayed(platform: Platform, org: Org) -> None:
    """Same bytes, a manifest that points at them, and job metadata that knows where they are."""
    bucket = Bucket(platform.context.buckets.data, platform.context.region)
    manifest = bring_in(platform, org, "lab", DAY_0, ROWS)
    originals = [bucket.open_reader(file.key).read() for file in manifest.files]
    bucket.write_text(f"source/lab/{manifest.batch_id}/manifest.refused.json", "{}")  # of a load that was mended
    refresh(platform, "itg.lab", woken_run("itg.lab", 1))
    prefix = archive_prefix("lab", manifest.batch_id)
    assert all(key.startswith(prefix) for key in keys(platform))
    archived = BatchManifest.model_validate_json(bucket.read_text(manifest_key(prefix)))
    assert [bucket.open_reader(file.key).read() for file in archived.files] == originals
    assert archived.model_copy(update={"files": manifest.files}) == manifest
    assert platform.job("select key, sha256 from job.batch_file order by key") == [
        (file.key, file.sha256) for file in archived.files
    ]


def test_a_batch_stays_until_each_of_its_rows_is_in_place(platform: Platform, org: Org) -> None:
    plan, run = platform.refresh("itg.lab"), woken_run("itg.lab", 1)
    first = bring_in(platform, org, "lab", DAY_0, [lab("L1", "DE")])
    org.now += timedelta(days=1)
    second = bring_in(platform, org, "lab", NEXT_DAY, [lab("L1", "DE", version=9), lab("L2", "FR", version=9)])
    assert refresher.claim_slices(plan, run) == [["DE"], ["FR"]]
    refresher.call_unit(plan, run, ["DE"])
    assert archive(platform) == [first.batch_id]  # a row that a newer version has overtaken is in place
    assert platform.warehouse("select distinct _batch_id from stg.lab") == [(second.batch_id,)]
    refresher.call_unit(plan, run, ["FR"])
    assert archive(platform) == [second.batch_id]
    assert platform.warehouse("select * from stg.lab") == []
    assert archive(platform) == []


def test_an_empty_batch_is_archived_too(platform: Platform, org: Org) -> None:
    manifest = bring_in(platform, org, "lab", DAY_0, [])
    assert archive(platform) == [manifest.batch_id]
    assert keys(platform) == [f"archive/lab/{manifest.batch_id}/manifest.json"]


@pytest.mark.parametrize("condition", ["true", "id = 'L1'"])
def test_rows_that_vanished_are_not_taken_for_applied(platform: Platform, org: Org, condition: str) -> None:
    """That stg has nothing left of a batch proves nothing about itg."""
    manifest = bring_in(platform, org, "lab", DAY_0, ROWS)
    platform.warehouse(f"delete from stg.lab where {condition}")
    with pytest.raises(DataQualityError, match=manifest.batch_id):
        archive(platform)
    assert platform.job("select state from job.batch") == [("loaded",)]
    assert all(key.startswith("source/") for key in keys(platform))


def test_a_batch_that_is_only_copied_stays(platform: Platform, org: Org) -> None:
    """Its rows stand in stg, but job metadata does not call it loaded yet: its arrival is not recorded."""
    manifest = bring_in(platform, org, "lab", DAY_0, ROWS)
    platform.job("update job.batch set state = 'pending'")
    for country in ("DE", "FR", "IT"):
        platform.warehouse(f"call itg.load_lab('{country}', '2026-01-05', 'by hand')")
    assert archive(platform) == []
    assert platform.warehouse("select count(*) from stg.lab") == [(3,)]
    assert f"source/lab/{manifest.batch_id}/manifest.json" in keys(platform)


def test_others_files_in_source_are_left_alone(platform: Platform, org: Org) -> None:
    bucket = Bucket(platform.context.buckets.data, platform.context.region)
    for key in ("source/lab/", "source/lab/lab-20260101-of-a-running-step/part-0.csv.gz", "source/lab/note.txt"):
        bucket.write_text(key, "x")
    bring_in(platform, org, "lab", DAY_0, ROWS)
    assert len(archive(platform)) == 0  # nothing is in itg yet
    refresh(platform, "itg.lab", woken_run("itg.lab", 1))
    assert bucket.list("source/") == [
        "source/lab/", "source/lab/lab-20260101-of-a-running-step/part-0.csv.gz", "source/lab/note.txt",
    ]  # fmt: skip
