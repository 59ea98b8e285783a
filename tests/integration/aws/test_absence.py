"""Reads of every Id from the manifest to itg: what is loaded of them, what leaves itg, what stays in stg."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from idiscover.aws import loader
from idiscover.aws.extraction_run import close_extraction, open_extraction
from idiscover.aws.s3 import Bucket
from idiscover.errors import DataQualityError, RetriableError
from idiscover.lake.keys import manifest_key
from idiscover.lake.manifest import BatchManifest
from idiscover.plan.model import ReadMode, RunIdentity

from tests.support.aws_platform import Platform
from tests.support.aws_runs import (
    DAY_0,
    Org,
    assay,
    bring_in,
    extract,
    kit,
    lab,
    load,
    manifest_of,
    midnight,
    nothing_new,
    refresh,
    result,
    scheduled_run,
    woken_run,
    write_files,
    write_ids,
    write_manifest,
)

SWEEP = scheduled_run("sfdc_to_s3__result", DAY_0)
LOAD = woken_run("s3_to_redshift__result", 1)
ROWS = [result("R1", "T1"), result("R2", "T2")]
IDS = ["R0", "R1", "R2"]


@pytest.fixture
def parents(platform: Platform, org: Org) -> None:
    """A lab in DE with test T1, one in FR with test T2, in itg."""
    for name, rows in (("lab", [lab("L1", "DE"), lab("L2", "FR")]), ("test", [assay("T1", "L1"), assay("T2", "L2")])):
        bring_in(platform, org, name, DAY_0, rows)
        refresh(platform, f"itg.{name}", woken_run(f"itg.{name}", 0))


class Days:
    """One day's run of an object after the other, up to itg."""

    def __init__(self, platform: Platform, org: Org, name: str) -> None:
        self.platform, self.org, self.name, self.day = platform, org, name, DAY_0

    def comes(self, rows: list[Any], ids: list[str] | None = None) -> tuple[BatchManifest, dict[str, Any]]:
        """A day's batch, and what its refresh ends with."""
        if self.name == "result" and self.day > DAY_0:
            nothing_new(self.platform, self.org, self.day, "lab", "test")
        manifest = bring_in(self.platform, self.org, self.name, self.day, rows, ids or [])
        ended = refresh(self.platform, f"itg.{self.name}", woken_run(f"itg.{self.name}", self.day.toordinal()))
        assert ended is not None
        self.day += timedelta(days=1)
        self.org.now += timedelta(days=1)
        return manifest, ended

    def held(self) -> list[tuple[Any, ...]]:
        return self.platform.warehouse(f"select id, _country_code from itg.{self.name} order by 1")


def test_ids_come_with_their_rows(platform: Platform, org: Org) -> None:
    manifest = extract(platform, org, "result", SWEEP, ROWS, IDS)
    assert (manifest.read_mode, manifest.rows, manifest.id_count) == (ReadMode.WINDOW_AND_IDS, 2, 3)
    copied = loader.copy_pending(platform.load("result"), LOAD)
    assert (copied["rows"], copied["ids"], copied["bytes"]) == (2, 3, manifest.bytes)
    loader.reconcile(platform.load("result"), LOAD)
    found = platform.warehouse("select id, _batch_id from stg.result__ids order by 1")
    assert found == [(key, manifest.batch_id) for key in IDS]
    ledger = platform.warehouse('select "rows", ids, absence_at_utc from stg.batch_load')
    assert ledger == [(2, 3, org.now.replace(tzinfo=None))]
    assert platform.job("select read_mode, ids, absence_at_utc, counts -> 'ids' ->> 'file_rows' from job.batch") == [
        ("window_and_ids", 3, org.now, "3")
    ]
    assert platform.job("select content, sum(rows) from job.batch_file group by 1 order by 1") == [
        ("ids", 3), ("rows", 2),
    ]  # fmt: skip


def test_a_whole_read_has_its_ids_among_its_rows(platform: Platform, org: Org) -> None:
    manifest = bring_in(platform, org, "kit", DAY_0, [kit("K1", 1), kit("K2", 5)])
    assert (manifest.read_mode, manifest.ids, manifest.id_count) == (ReadMode.WHOLE, None, 2)
    assert platform.warehouse("select id, _batch_id from stg.kit__ids order by 1") == [
        ("K1", manifest.batch_id), ("K2", manifest.batch_id),
    ]  # fmt: skip


def test_an_empty_window_still_brings_the_ids(platform: Platform, org: Org) -> None:
    """A second run of the same day: nothing is left to read, but it says what there is."""
    extract(platform, org, "result", SWEEP, ROWS, IDS)
    org.now = midnight(DAY_0)  # a clock that goes back makes the window empty
    run = RunIdentity(dag_id="sfdc_to_s3__result", run_id="manual__1", run_type="manual")
    manifest = extract(platform, org, "result", run, [], ["R1"])
    assert (manifest.job_ids, manifest.rows, manifest.id_count) == ((), 0, 1)
    load(platform, "result", LOAD)
    assert platform.warehouse("select ids from stg.batch_load order by 1") == [(1,), (3,)]
    assert platform.job("select state from job.batch") == [("loaded",)] * 2


def test_a_record_that_is_gone_leaves_itg_and_marks_its_slice(platform: Platform, org: Org, parents: None) -> None:
    days = Days(platform, org, "result")
    days.comes(ROWS, ["R1", "R2"])
    assert days.held() == [("R1", "DE"), ("R2", "FR")]
    manifest, ended = days.comes([], ["R2"])
    assert days.held() == [("R2", "FR")]
    assert (ended["units"], ended["changes"], ended["ids"]["removed"]) == ([["DE"]], 1, 1)
    assert ended["archived"] == [manifest.batch_id]
    assert platform.warehouse("select id from itg.result__history order by 1") == [("R1",), ("R2",)]


def test_a_whole_read_takes_formulas_up_and_drops_what_it_lacks(platform: Platform, org: Org) -> None:
    days = Days(platform, org, "kit")
    days.comes([kit("K1", 1), kit("K2", 5)])
    _, ended = days.comes([kit("K2", 6)])
    assert platform.warehouse("select id, age from itg.kit") == [("K2", 6)]
    counts = {kind: count for kind, count in ended["ids"].items() if count}
    assert counts == {"updated": 1, "removed": 1}
    _, ended = days.comes([kit("K2", 6)])
    assert (ended["changes"], ended["ids"]["unchanged"]) == (0, 1)


def test_only_the_newest_reads_ids_stay(platform: Platform, org: Org, parents: None) -> None:
    days = Days(platform, org, "result")
    days.comes(ROWS, ["R1", "R2"])
    newest, _ = days.comes([], ["R1", "R2"])
    assert platform.warehouse("select distinct _batch_id from stg.result__ids") == [(newest.batch_id,)]
    assert platform.warehouse("select batch_id from stg.batch_load where absence_at_utc is not null"
                              " and object = 'result'") == [(newest.batch_id,)]  # fmt: skip
    assert platform.warehouse("select count(*) from itg.result__absence") == [(2,)]
    bucket = Bucket(platform.context.buckets.data, platform.context.region)
    names = [key.split("/")[-1] for key in bucket.list(f"archive/result/{newest.batch_id}/")]
    assert names == ["ids-00000.csv.gz", "ids-00001.csv.gz", "manifest.json"]
    assert bucket.list("source/result/") == []


def test_a_read_stays_until_its_absences_are_applied(
    platform: Platform, org: Org, parents: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its rows are all in place; but the one call that should have come has not."""
    days = Days(platform, org, "result")
    days.comes(ROWS, ["R1", "R2"])
    with monkeypatch.context() as patched:
        patched.setattr("idiscover.aws.refresher.call_statements", _book_without_calling)
        manifest, ended = days.comes([], ["R2"])
    assert ended["archived"] == [] and ("R1", "DE") in days.held()
    later, ended = days.comes([], ["R2"])
    assert sorted(ended["archived"]) == sorted([manifest.batch_id, later.batch_id])
    assert days.held() == [("R2", "FR")]


def _book_without_calling(
    _cursor: object, _claim: object, _run_id: str, unit: list[str]
) -> list[tuple[str, str, float]]:
    """A procedure that does nothing."""
    return [(country, "CALL", 0.0) for country in unit]


def test_a_newest_read_that_is_loaded_again_buries_nobody_else(platform: Platform, org: Org, parents: None) -> None:
    """Taken out of the ledger, to be brought again: the read before it, whose Ids are gone, must not count then."""
    days = Days(platform, org, "result")
    days.comes(ROWS, ["R1", "R2"])
    newest, _ = days.comes([], ["R1", "R2"])
    platform.warehouse("delete from stg.batch_load where batch_id = %s", newest.batch_id)
    platform.warehouse("delete from itg.result__absence where batch_id = %s", newest.batch_id)
    refresh(platform, "itg.result", woken_run("itg.result", 99))
    for country in ("DE", "FR"):
        platform.warehouse(f"call itg.load_result('{country}', '2026-01-05', 'by hand')")
    assert days.held() == [("R1", "DE"), ("R2", "FR")]


@pytest.mark.parametrize("change", ["missing", "too many"])
def test_ids_that_do_not_arrive_as_counted_load_nothing(platform: Platform, org: Org, change: str) -> None:
    plan = platform.extraction("result")
    request = open_extraction(plan, SWEEP)
    files = write_files(request, ROWS, org.now)
    listed = write_ids(request, IDS)
    write_ids(request, IDS[:-1] if change == "missing" else [*IDS, "R9"])  # over the files that the manifest lists
    stored = Bucket(request.data_bucket, request.region)
    listed = tuple(file.model_copy(update={"bytes": stored.size(file.key)}) for file in listed)
    write_manifest(request, manifest_of(request, files, org.now, listed))
    manifest = close_extraction(plan, SWEEP)
    with pytest.raises(DataQualityError, match=r"Ids in manifest 3, in stg (2|4)") as refused:
        loader.copy_pending(platform.load("result"), LOAD)
    assert manifest.batch_id in str(refused.value)
    for table in ("stg.result", "stg.result__ids", "stg.batch_load"):
        assert platform.warehouse(f"select * from {table}") == []


WRONG = {
    "a sweep without Ids": {"ids": None},
    "a sweep without its time": {"absence_at_utc": None},
    "a sweep that says it is none": {"read_mode": ReadMode.WINDOW},
}


@pytest.mark.parametrize("name", WRONG)
def test_a_manifest_that_tells_of_absence_otherwise_than_it_should(platform: Platform, org: Org, name: str) -> None:
    plan = platform.extraction("result")
    request = open_extraction(plan, SWEEP)
    manifest = manifest_of(request, write_files(request, ROWS, org.now), org.now, write_ids(request, IDS))
    write_manifest(request, manifest.model_copy(update=WRONG[name]))
    with pytest.raises(DataQualityError, match=r"tell of absence|another window"):
        close_extraction(plan, SWEEP)
    key = manifest_key(request.target_prefix)
    assert not Bucket(request.data_bucket, request.region).exists(key)


def test_ids_that_count_otherwise_are_refused(platform: Platform, org: Org) -> None:
    plan = platform.extraction("result")
    request = open_extraction(plan, SWEEP)
    manifest = manifest_of(request, write_files(request, ROWS, org.now), org.now, write_ids(request, IDS))
    assert manifest.ids is not None
    counts = manifest.ids.counts.model_copy(update={"job_rows": 4})
    ids = manifest.ids.model_copy(update={"counts": counts})
    write_manifest(request, manifest.model_copy(update={"ids": ids}))
    with pytest.raises(DataQualityError, match=r"(?s)Ids.*job 4, parsed 3"):
        close_extraction(plan, SWEEP)


def test_two_reads_of_every_id_exclude_each_other(platform: Platform, org: Org) -> None:
    """Whatever their windows: this one's is empty, and overlaps nothing."""
    plan = platform.extraction("result")
    extract(platform, org, "result", SWEEP, [], [])
    first = RunIdentity(dag_id="sfdc_to_s3__result", run_id="manual__1", run_type="manual")
    open_extraction(plan, first)
    org.now = midnight(DAY_0)
    second = first.model_copy(update={"run_id": "manual__2"})
    with pytest.raises(RetriableError, match="window_and_ids"):
        open_extraction(plan, second)
    backfill = RunIdentity(
        dag_id="sfdc_to_s3__result",
        run_id="backfill__1",
        run_type="backfill",
        interval_start_utc=midnight(DAY_0) - timedelta(days=9),
        interval_end_utc=midnight(DAY_0) - timedelta(days=8),
    )
    assert open_extraction(plan, backfill).window.read_mode is ReadMode.WINDOW
