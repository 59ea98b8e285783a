"""Who is woken: the consumers for which something is ready, once it is, and no other."""

from __future__ import annotations

from datetime import timedelta

import psycopg2
from idiscover.aws import refresher
from idiscover.aws.job_metadata import JobMetadata
from idiscover.aws.job_metadata_arrivals import record_arrivals
from idiscover.aws.wakes import ready_consumers
from idiscover.plan.model import RunKind

from tests.support.aws_platform import Platform
from tests.support.aws_runs import DAY_0, Org, assay, bring_in, lab, refresh, woken_run

FACT = "dm.fact_test"  # of itg.test, which is of stg.test and itg.lab, and of itg.unit


def arrives(platform: Platform, table: str, kind: RunKind = RunKind.SCHEDULED, number: int = 0) -> None:
    """What the end of a refresh of `table` writes for its consumers."""
    plan = platform.refresh(table)
    with JobMetadata(psycopg2.connect(platform.job_dsn)) as metadata, metadata.transaction() as cursor:
        day = DAY_0 + timedelta(days=number)
        record_arrivals(cursor, table, plan.consumers, kind, day, f"claim of {table} {number}")


def test_an_input_wakes_nobody_before_the_last_has_come(platform: Platform, org: Org) -> None:
    bring_in(platform, org, "test", DAY_0, [assay("T1", "L1")])
    assert ready_consumers(platform.load("test")) == [], "itg.lab is still to come"
    bring_in(platform, org, "lab", DAY_0, [lab("L1", "DE")])
    assert ready_consumers(platform.load("lab")) == ["itg.lab"]
    assert refresh(platform, "itg.lab", woken_run("itg.lab", 1)) is not None
    assert ready_consumers(platform.refresh("itg.lab")) == ["itg.test"]
    assert ready_consumers(platform.load("test")) == ["itg.test"], "its end, tried again, would see it too"


def test_of_two_inputs_that_come_at_once_the_later_to_commit_wakes(platform: Platform) -> None:
    arrives(platform, "itg.test")
    assert ready_consumers(platform.refresh("itg.test")) == []
    arrives(platform, "itg.unit")
    assert ready_consumers(platform.refresh("itg.unit")) == [FACT]


def test_manual_runs_and_backfills_wake_at_once(platform: Platform) -> None:
    for kind in (RunKind.MANUAL, RunKind.BACKFILL):
        arrives(platform, "itg.unit", kind)
        assert ready_consumers(platform.refresh("itg.unit")) == [FACT]
        assert refresh(platform, FACT, woken_run(FACT, len(kind))) is not None
        assert ready_consumers(platform.refresh("itg.unit")) == [], "nothing is left to take"


def test_what_comes_while_a_run_is_at_work_wakes_the_run_after_it(platform: Platform) -> None:
    arrives(platform, "itg.test")
    arrives(platform, "itg.unit")
    refresher.claim_slices(platform.refresh(FACT), woken_run(FACT, 1))
    assert ready_consumers(platform.refresh("itg.unit")) == []
    arrives(platform, "itg.unit", RunKind.MANUAL)
    assert ready_consumers(platform.refresh("itg.unit")) == [FACT]


def test_the_next_day_waits_for_its_own_inputs(platform: Platform) -> None:
    for table in ("itg.test", "itg.unit"):
        arrives(platform, table)
    assert refresh(platform, FACT, woken_run(FACT, 1)) is not None
    arrives(platform, "itg.test", number=1)
    assert ready_consumers(platform.refresh("itg.test")) == []
    arrives(platform, "itg.unit", number=1)
    assert ready_consumers(platform.refresh("itg.unit")) == [FACT]
