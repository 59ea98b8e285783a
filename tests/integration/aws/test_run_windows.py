"""Windows in job metadata: frozen, locked, and the watermark that batches move."""

from __future__ import annotations

import random
import threading
from datetime import UTC, datetime, timedelta

import psycopg2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from idiscover.aws.extraction_run import close_extraction, open_extraction, release_lock
from idiscover.aws.job_metadata import JobMetadata
from idiscover.aws.job_metadata_batches import register_batch
from idiscover.aws.job_metadata_windows import watermark
from idiscover.aws.s3 import Bucket
from idiscover.errors import RetriableError
from idiscover.lake.keys import status_key
from idiscover.plan.model import ExtractionRequest, ReadMode, RunIdentity

from tests.support.aws_platform import Platform, empty_job_metadata
from tests.support.aws_runs import DAY_0, Org, extract, lab, manifest_of, midnight, play_step, scheduled_run

DAG_ID = "sfdc_to_s3__lab"
NEXT_DAY = DAY_0 + timedelta(days=1)


def backfill(first_day: int, run_id: str = "backfill") -> RunIdentity:
    """A backfill of one day before the first."""
    start = midnight(DAY_0) - timedelta(days=first_day)
    return RunIdentity(
        dag_id=DAG_ID,
        run_id=f"{run_id}__{first_day}",
        run_type="backfill",
        interval_start_utc=start,
        interval_end_utc=start + timedelta(days=1),
    )


def mark_of(platform: Platform) -> datetime | None:
    rows = platform.job("select watermark_at_utc at time zone 'UTC' from job.watermark where object = 'lab'")
    return rows[0][0].replace(tzinfo=UTC) if rows else None


def lapse(platform: Platform, run: RunIdentity) -> None:
    platform.job(
        "update job.run_window set lock_expires_at_utc = now() - interval '1 second' where run_id = %s", run.run_id
    )


def test_a_retry_reads_what_was_announced(platform: Platform, org: Org) -> None:
    plan, run = platform.extraction("lab"), RunIdentity(dag_id=DAG_ID, run_id="manual__1", run_type="manual")
    first = open_extraction(plan, run)
    assert first.window.end_utc == org.now
    org.now += timedelta(hours=5)
    again = open_extraction(plan, run)
    assert again == first
    stored = Bucket(plan.context.buckets.data, plan.context.region).read_text(
        status_key(DAG_ID, "manual__1", "request")
    )
    assert ExtractionRequest.model_validate_json(stored) == first


def test_a_weekly_sweep_comes_once_a_week(platform: Platform, org: Org) -> None:
    swept = {"daily_read_mode": ReadMode.WINDOW_AND_IDS, "due_every_days": 7}
    plan = platform.extraction("lab").model_copy(update=swept)
    modes = []
    for day in range(9):
        run = scheduled_run(DAG_ID, DAY_0 + timedelta(days=day))
        org.now = midnight(DAY_0) + timedelta(days=day + 1, hours=2)
        request = open_extraction(plan, run)
        modes.append(request.window.read_mode)
        play_step(request, [], org.now)
        close_extraction(plan, run)
    assert [day for day, mode in enumerate(modes) if mode is ReadMode.WINDOW_AND_IDS] == [0, 7]


def test_a_retry_does_not_ask_the_org_again(platform: Platform, org: Org, monkeypatch: pytest.MonkeyPatch) -> None:
    plan, run = platform.extraction("lab"), scheduled_run(DAG_ID, DAY_0)
    first = open_extraction(plan, run)

    def unreachable(_secret: object, _version: str) -> Org:
        raise AssertionError("the org was asked")

    monkeypatch.setattr("idiscover.aws.extraction_run.open_session", unreachable)
    assert open_extraction(plan, run) == first


def test_a_backfill_that_reprocesses_a_run_has_its_own_window(platform: Platform, org: Org) -> None:
    """Under the same run_id, Airflow only changes the type of the run."""
    plan, run = platform.extraction("lab"), scheduled_run(DAG_ID, DAY_0)
    first = open_extraction(plan, run)
    play_step(first, [lab("L1", "DE")], org.now)
    close_extraction(plan, run)
    second = open_extraction(plan, run.model_copy(update={"run_type": "backfill"}))
    assert second.window.batch_id != first.window.batch_id
    assert second.window.start_utc == midnight(DAY_0)


def test_an_overlapping_run_waits_and_freezes_nothing(platform: Platform, org: Org) -> None:
    plan, first = platform.extraction("lab"), scheduled_run(DAG_ID, DAY_0)
    open_extraction(plan, first)
    with pytest.raises(RetriableError) as refused:
        open_extraction(plan, backfill(0))
    assert first.run_id in str(refused.value) and "2026-01-05T00:00:00+00:00" in str(refused.value)
    assert platform.job("select run_id from job.run_window") == [(first.run_id,)]


@pytest.mark.parametrize("way", ["released", "lapsed", "closed"])
def test_a_lock_ends(platform: Platform, org: Org, way: str) -> None:
    plan, first = platform.extraction("lab"), scheduled_run(DAG_ID, DAY_0)
    request = open_extraction(plan, first)
    if way == "released":
        release_lock(plan, first)
    elif way == "lapsed":
        lapse(platform, first)
    else:
        play_step(request, [], org.now)
        close_extraction(plan, first)
    open_extraction(plan, backfill(0))
    if way != "closed":  # whose batch stands, and that needs no lock
        with pytest.raises(RetriableError):
            open_extraction(plan, first)


def test_a_disjoint_backfill_and_another_object_run_beside_it(platform: Platform, org: Org) -> None:
    extract(platform, org, "lab", scheduled_run(DAG_ID, DAY_0), [])
    open_extraction(platform.extraction("lab"), scheduled_run(DAG_ID, NEXT_DAY))  # from noon of day 0, the lookback
    open_extraction(platform.extraction("lab"), backfill(1))
    open_extraction(platform.extraction("lab"), backfill(3))
    open_extraction(platform.extraction("test"), scheduled_run("sfdc_to_s3__test", NEXT_DAY))
    with pytest.raises(RetriableError):
        open_extraction(platform.extraction("lab"), backfill(0))


def test_an_empty_window_is_in_nobodys_way(platform: Platform, org: Org) -> None:
    """It begins after its end, and what lies between was not asked for."""
    plan = platform.extraction("lab")
    assert open_extraction(plan, backfill(-3)).window.is_empty  # of a day to come
    org.now += timedelta(days=9)
    open_extraction(plan, scheduled_run(DAG_ID, DAY_0 + timedelta(days=5)))
    assert open_extraction(plan, backfill(-20)).window.is_empty
    with pytest.raises(RetriableError):
        open_extraction(plan, backfill(-2))


def test_of_two_that_come_at_once_one_gets_the_lock(platform: Platform, org: Org) -> None:
    outcomes: list[str] = []
    start = threading.Barrier(2)

    def attempt(run: RunIdentity) -> None:
        start.wait()
        try:
            open_extraction(platform.extraction("lab"), run)
            outcomes.append("got it")
        except RetriableError:
            outcomes.append("waits")

    runs = (scheduled_run(DAG_ID, DAY_0), backfill(0))
    threads = [threading.Thread(target=attempt, args=(run,)) for run in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["got it", "waits"]


def test_the_lock_outlasts_the_slowest_cluster(platform: Platform, org: Org) -> None:
    """45 minutes to come, the step, 30 minutes to go."""
    open_extraction(platform.extraction("lab"), scheduled_run(DAG_ID, DAY_0))
    rows = platform.job("select lock_expires_at_utc - now() from job.run_window")
    step = timedelta(minutes=platform.context.emr.step_timeout_minutes)
    assert rows[0][0] > step + timedelta(minutes=75)


def test_the_watermark_follows_days_and_jumps_no_gap(platform: Platform, org: Org) -> None:
    extract(platform, org, "lab", scheduled_run(DAG_ID, DAY_0), [])
    assert mark_of(platform) == midnight(NEXT_DAY)
    org.now += timedelta(days=30)
    ahead = backfill(-10)  # of a day that lies beyond the watermark
    extract(platform, org, "lab", ahead, [])
    assert mark_of(platform) == midnight(NEXT_DAY)
    extract(platform, org, "lab", backfill(100), [])
    assert mark_of(platform) == midnight(NEXT_DAY)
    extract(platform, org, "lab", scheduled_run(DAG_ID, DAY_0 + timedelta(days=9)), [])  # the nine days between
    assert mark_of(platform) == midnight(DAY_0 + timedelta(days=10))


WINDOWS = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), min_size=1, max_size=8)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(windows=WINDOWS, seed=st.integers(0, 99))
def test_any_batches_in_any_order(platform: Platform, windows: list[tuple[int, int]], seed: int) -> None:
    """Independently: what lies before the watermark has been read, all of it; and it never goes back."""
    empty_job_metadata(platform.job_dsn)
    plan, order = platform.extraction("lab"), random.Random(seed)
    start = plan.start
    covered: set[int] = set()
    reached = 0
    connection = psycopg2.connect(platform.job_dsn)
    with JobMetadata(connection) as metadata:
        for number, (first, last) in enumerate(order.sample(windows, len(windows))):
            request = _request(platform, number, start + timedelta(hours=first), start + timedelta(hours=last))
            manifest = manifest_of(request, [], start)
            for _ in range(2):  # registering again moves nothing
                register_batch(metadata, manifest, "manual", "key", start)
            covered |= set(range(first, last))
            if first <= reached:
                reached = max(reached, last)
            found = watermark(metadata, "lab")
            assert found == (start + timedelta(hours=reached) if reached else None)
            assert set(range(reached)) <= covered


def _request(platform: Platform, number: int, start: datetime, end: datetime) -> ExtractionRequest:
    from idiscover.aws import extraction_run
    from idiscover.plan.model import ReadMode, RunKind, Window

    run = RunIdentity(dag_id=DAG_ID, run_id=f"manual__{number}", run_type="manual")
    window = Window(
        object="lab",
        run_id=run.run_id,
        run_kind=RunKind.MANUAL,
        order_date=DAY_0,
        batch_id=f"lab-20260105-{number:012d}",
        start_utc=start,
        end_utc=end,
        read_mode=ReadMode.WINDOW,
    )
    return extraction_run.extraction_request(platform.extraction("lab"), run, window)
