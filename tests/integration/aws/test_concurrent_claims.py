"""Two processes at one table's claims, each over a connection of its own: one wins, and nothing is torn."""

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
    Claim,
    Statements,
    claim_of_run,
    finish_claim,
    marks_of_claim,
    release_claim,
    take_claim,
)
from idiscover.plan.model import ConsumerPlan, RefreshPlan, RunKind

from tests.support.aws_platform import Platform
from tests.support.aws_runs import DAY_0

TABLE, AFTER = "dm.fact_test", ConsumerPlan(table="dm.after", marks="same")
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


def test_of_two_claimers_one_wins(platform: Platform, plan: RefreshPlan) -> None:
    with metadata(platform) as first, metadata(platform) as second:
        for number in range(ROUNDS):
            arrive(platform, number)
            claims = at_once(
                lambda number=number: take_claim(first, plan, f"first {number}", STATEMENTS),
                lambda number=number: take_claim(second, plan, f"second {number}", STATEMENTS),
            )
            (won,) = [claim for claim in claims if claim is not None]
            assert [mark.change_key for mark in marks_of_claim(first, won.claim_id)] == [f"change {number}"]
            assert finish_claim(second, won, (), [], {})


def test_one_run_that_asks_twice_at_once_has_one_claim(platform: Platform, plan: RefreshPlan) -> None:
    """A task that Airflow takes for dead is started again while it still runs."""
    with metadata(platform) as first, metadata(platform) as second:
        arrive(platform, 1)
        claims = at_once(
            lambda: take_claim(first, plan, "run", STATEMENTS), lambda: take_claim(second, plan, "run", STATEMENTS)
        )
        assert claims[0] == claims[1] is not None


def test_a_claim_either_lapses_or_finishes(platform: Platform, plan: RefreshPlan) -> None:
    """Both at once would refresh again what is finished, or lose what was marked."""
    with metadata(platform) as slow, metadata(platform) as other:
        for number in range(ROUNDS):
            arrive(platform, number)
            claim = take_claim(slow, plan, f"slow {number}", STATEMENTS)
            assert claim is not None
            platform.job("update job.claim set expires_at_utc = now() - interval '1 s' where state = 'open'")
            finished, taken = at_once(
                lambda claim=claim: finish_claim(slow, claim, [AFTER], [Mark(str(claim.claim_id), "DE", None)], {}),
                lambda number=number: take_claim(other, plan, f"other {number}", STATEMENTS),
            )
            assert finished == (taken is None)
            passed_on = platform.job("select count(*) from job.slice_mark where change_key = %s", str(claim.claim_id))
            assert passed_on == [(1 if finished else 0,)]
            if taken is not None:
                assert marks_of_claim(other, taken.claim_id) == [Mark(f"change {number}", "DE", None)]
                assert finish_claim(other, taken, (), [], {})


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


def test_what_arrives_while_a_claim_is_taken_is_in_it_or_after_it(platform: Platform, plan: RefreshPlan) -> None:
    seen: list[str] = []

    def drain(connection: JobMetadata, name: str) -> Claim | None:
        claim = take_claim(connection, plan, name, STATEMENTS)
        if claim is not None:
            seen.extend(mark.change_key for mark in marks_of_claim(connection, claim.claim_id))
            assert finish_claim(connection, claim, (), [], {})
        return claim

    with metadata(platform) as connection:
        for number in range(ROUNDS):
            at_once(
                lambda number=number: arrive(platform, number),
                lambda number=number: drain(connection, f"run {number}"),
            )
        for number in range(3):
            drain(connection, f"last {number}")
    assert sorted(seen) == sorted(f"change {number}" for number in range(ROUNDS))
    assert platform.job("select count(*) from job.input_arrival where claim_id is null") == [(0,)]


def test_a_lease_is_long_enough_to_be_renewed(platform: Platform, plan: RefreshPlan) -> None:
    with metadata(platform) as connection:
        arrive(platform, 1)
        take_claim(connection, plan, "run", STATEMENTS)
        platform.job("update job.claim set expires_at_utc = now() + interval '1 s'")
        take_claim(connection, plan, "run", STATEMENTS)
        assert platform.job("select expires_at_utc - now() > %s from job.claim", timedelta(minutes=30)) == [(True,)]
