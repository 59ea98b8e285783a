"""Backfills over REST beside the daily run, and a run by hand: nothing changes that should not."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import timedelta

import pytest

from tests.e2e.chain import SCALE, Chain, patiently
from tests.e2e.killing import left_half_done

BACKFILLED = ("account", "lab_objective")
DAYS = 2


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    environment = dict(os.environ)  # asking a stack points this process at it
    chain = Chain(tmp_path_factory.mktemp("stacks of the runs"))
    try:
        first = chain.verb("demo", "--scale", SCALE, timeout_seconds=1800)
        assert first.returncode == 0, first.stdout
        for _ in range(DAYS):
            further = chain.verb("day", timeout_seconds=1800)
            assert further.returncode == 0, further.stdout
        yield chain
    finally:
        chain.verb("reset", "--yes")
        os.environ.clear()
        os.environ.update(environment)


def test_backfills_beside_the_daily_run_change_nothing(chain: Chain) -> None:
    stand, last = chain.stand(), chain.order_date()
    days = [last - timedelta(days=2), last - timedelta(days=1)]  # the day's own window begins half a day before its end
    before = chain.counts()

    with chain.in_background("day") as day:
        dag_ids = [f"sfdc_to_s3__{name}" for name in BACKFILLED]
        for dag_id in dag_ids:
            stand.api.backfill(dag_id, days[0], days[-1])
        patiently(lambda: not any(map(stand.api.open_backfills, dag_ids)), 600, "the backfills")
    chain.wait_until_idle()

    assert day.result().returncode == 0, day.result().stdout
    rows = stand.job_metadata(
        "select object, order_date, count(*) from job.batch where run_kind = 'backfill' group by object, order_date"
    )
    assert sorted(rows) == sorted((name, date_, 1) for name in BACKFILLED for date_ in days), "one extraction each"
    assert chain.counts()["batches"] == before["batches"] + len(stand.catalog.objects) + len(rows)
    assert left_half_done(chain) == []
    assert chain.differences() == []


def test_a_manual_run_reads_on_from_the_watermark(chain: Chain) -> None:
    stand = chain.stand()
    before = chain.counts()

    assert stand.api.create_run("sfdc_to_s3__account", {"dag_run_id": "by_hand", "logical_date": None})
    patiently(lambda: stand.api.run_state("sfdc_to_s3__account", "by_hand") == "success", 300, "the manual run")
    chain.wait_until_idle()

    assert chain.counts()["batches"] == before["batches"] + 1
    assert stand.job_metadata("select run_kind, state from job.batch where run_id = 'by_hand'") == [
        ("manual", "archived")
    ]
    assert left_half_done(chain) == []
    assert chain.differences() == []
