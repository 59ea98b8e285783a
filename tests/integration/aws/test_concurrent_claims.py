"""One run's claim, asked for, renewed and ended by two processes at once: Airflow may take a living task for dead."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import psycopg2
import pytest
from idiscover.aws.job_metadata import JobMetadata
from idiscover.aws.job_metadata_arrivals import Mark, record_arrivals, record_marks
from idiscover.aws.job_metadata_claims import (
    Statements,
    claim_of_run,
    finish_claim,
    release_claim,
    take_claim,
)
from idiscover.plan.model import ConsumerPlan, RefreshPlan, RunKind

from tests.support.aws_platform import Platform
from tests.support.aws_runs import DAY_0

TABLE = "dm.fact_test"
STATEMENTS = Statements(("CALL dm.load()",), "v")
ROUNDS = 8


@pytest.fixture
def plan(platform: Platform) -> RefreshPlan:
    return platform.refresh(TABLE)


def metadata(platform: Platform) -> JobMetadata:
    return JobMetadata(psycopg2.connect(platform.job_dsn))


def arrive(platform: Platform, number: int) -> None:
    """A manual refresh of itg.test, which is ready at once."""
    consumer = ConsumerPlan(table=TABLE, marks="same")
    with metadata(platform) as connection, connection.transaction() as cursor:
        record_marks(cursor, "itg.test", consumer, RunKind.MANUAL, DAY_0, [Mark(f"change {number}", "DE", None)])
        record_arrivals(cursor, "itg.test", [consumer], RunKind.MANUAL, DAY_0, f"change {number}")


def at_once(*works: Callable[[], Any]) -> list[Any]:
    """The answers of all, started together; an error of one is raised here."""
    start, answers = threading.Barrier(len(works)), [None] * len(works)
    errors: list[BaseException] = []

    def one(place: int, work: Callable[[], Any]) -> None:
        start.wait()
        try:
            answers[place] = work()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=one, args=item) for item in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    if errors:
        raise errors[0]
    return answers


def test_one_run_that_asks_twice_at_once_has_one_claim(platform: Platform, plan: RefreshPlan) -> None:
    with metadata(platform) as first, metadata(platform) as second:
        arrive(platform, 1)
        claims = at_once(
            lambda: take_claim(first, plan, "run", STATEMENTS), lambda: take_claim(second, plan, "run", STATEMENTS)
        )
        assert claims[0] == claims[1] is not None


def test_a_claim_is_either_released_or_finished(platform: Platform, plan: RefreshPlan) -> None:
    with metadata(platform) as first, metadata(platform) as second:
        for number in range(ROUNDS):
            arrive(platform, number)
            claim = take_claim(first, plan, f"run {number}", STATEMENTS)
            assert claim is not None
            finished, _ = at_once(
                lambda claim=claim: finish_claim(first, claim, (), [], {}),
                lambda number=number: release_claim(second, TABLE, f"run {number}"),
            )
            pending = platform.job("select count(*) from job.slice_mark where claim_id is null")
            assert pending == [(0 if finished else 1,)]
            assert (claim_of_run(first, TABLE, f"run {number}") is not None) == finished
            if not finished:
                again = take_claim(first, plan, f"again {number}", STATEMENTS)
                assert again is not None and finish_claim(first, again, (), [], {})


def test_a_lease_is_long_enough_to_be_renewed(platform: Platform, plan: RefreshPlan) -> None:
    with metadata(platform) as connection:
        arrive(platform, 1)
        take_claim(connection, plan, "run", STATEMENTS)
        platform.job("update job.claim set expires_at_utc = now() + interval '1 s'")
        take_claim(connection, plan, "run", STATEMENTS)
        assert platform.job("select expires_at_utc - now() > %s from job.claim", timedelta(minutes=30)) == [(True,)]
