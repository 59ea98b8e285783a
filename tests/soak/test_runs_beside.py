"""Backfills over REST beside the daily run, and a run by hand: nothing changes that should not."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.e2e.chain import Chain, patiently
from tests.e2e.killing import settle
from tests.support.aws_runs import midnight

BACKFILLED = ("account", "lab_objective")
DAYS = 2


@pytest.fixture(scope="module")
def lived_in(chain: Chain) -> Chain:
    """The stack with days behind it that can be backfilled."""
    while _days(chain) <= DAYS:
        further = chain.verb("day", timeout_seconds=7200)
        assert further.returncode == 0, further.stdout
    return chain


def _days(chain: Chain) -> int:
    return int(chain.stand().job_metadata("select count(distinct order_date) from job.batch")[0][0])


@pytest.mark.timeout(7200)
def test_backfills_beside_the_daily_run_change_nothing(lived_in: Chain) -> None:
    chain = lived_in
    stand, last = chain.stand(), chain.order_date()
    days = [last - timedelta(days=2), last - timedelta(days=1)]  # the day's own window begins half a day before its end
    before = chain.counts()

    with chain.in_background("day") as day:
        dag_ids = [f"sfdc_to_s3__{name}" for name in BACKFILLED]
        for dag_id in dag_ids:
            stand.api.create_backfill(dag_id, midnight(days[0]), midnight(days[-1]), reprocess="completed")
        patiently(lambda: not any(map(stand.api.open_backfills, dag_ids)), 1800, "the backfills")
    settle(chain)

    assert day.result().returncode == 0, day.result().stdout
    rows = stand.job_metadata(
        "select object, order_date, count(*) from job.batch where run_kind = 'backfill' group by object, order_date"
    )
    assert sorted(rows) == sorted((name, date_, 1) for name in BACKFILLED for date_ in days), "one extraction each"
    assert chain.counts()["batches"] == before["batches"] + len(stand.catalog.objects) + len(rows)
    assert chain.differences() == []


@pytest.mark.timeout(7200)
def test_a_manual_run_reads_on_from_the_watermark(lived_in: Chain) -> None:
    chain = lived_in
    stand = chain.stand()
    before = chain.counts()

    assert stand.api.create_run("sfdc_to_s3__account", {"dag_run_id": "by_hand", "logical_date": None})
    patiently(lambda: stand.api.run_state("sfdc_to_s3__account", "by_hand") == "success", 900, "the manual run")
    settle(chain)

    assert chain.counts()["batches"] == before["batches"] + 1
    assert stand.job_metadata("select run_kind, state from job.batch where run_id = 'by_hand'") == [
        ("manual", "archived")
    ]
    assert chain.differences() == []
