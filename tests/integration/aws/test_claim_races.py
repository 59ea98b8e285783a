"""Many at once, for real: producers announce, consumers claim, and some die; nothing is lost, nothing comes twice."""

from __future__ import annotations

import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from threading import Barrier

import psycopg2
import pytest
from idiscover.aws.job_metadata import JobMetadata
from idiscover.aws.job_metadata_arrivals import Mark, record_arrivals, record_marks
from idiscover.aws.job_metadata_claims import (
    Statements,
    finish_claim,
    marks_of_claim,
    release_claim,
    renewed_claim,
    take_claim,
)
from idiscover.errors import RetriableError
from idiscover.plan.model import ConsumerPlan, RefreshPlan, RunKind

from tests.support.aws_platform import Platform

TARGET = "dm.target"
PLAN = RefreshPlan.model_construct(table=TARGET, inputs=("itg.a",), cut_off_hours=6)
CONSUMER = ConsumerPlan(table=TARGET, marks="same")
STATEMENTS = Statements((), "v")
PRODUCERS, ANNOUNCEMENTS, CONSUMERS = 4, 25, 4
DAY = date(2026, 1, 5)


def connected(platform: Platform) -> JobMetadata:
    return JobMetadata(psycopg2.connect(platform.job_dsn))


def announce(platform: Platform, producer: int) -> None:
    """Changes of order dates old and new, of all kinds."""
    chance = random.Random(producer)
    with connected(platform) as metadata:
        for number in range(ANNOUNCEMENTS):
            kind, day = chance.choice(list(RunKind)), DAY + timedelta(days=chance.randrange(3))
            key = f"{producer} {number}"
            with metadata.transaction() as cursor:
                record_marks(cursor, "itg.a", CONSUMER, kind, day, [Mark(key, "DE", None)])
                record_arrivals(cursor, "itg.a", [CONSUMER], kind, day, key)


def consume(platform: Platform, consumer: int, rounds: int) -> Counter[str]:
    """Claims, and finishes, fails or dies; the marks of what it finished."""
    chance, finished = random.Random(100 + consumer), Counter[str]()
    with connected(platform) as metadata:
        for number in range(rounds):
            run_id = f"{consumer} {number}"
            claim = take_claim(metadata, PLAN, run_id, STATEMENTS)
            if claim is None:
                continue
            keys = [mark.change_key for mark in marks_of_claim(metadata, claim.claim_id)]
            end = chance.choice(["finish", "finish", "fail", "die"])
            if end == "finish" and finish_claim(metadata, claim, (), [], {}):
                finished.update(keys)
            elif end == "fail":
                release_claim(metadata, TARGET, run_id)
            elif end == "die":
                platform.job("update job.claim set expires_at_utc = now() where claim_id = %s", claim.claim_id)
    return finished


def test_many_at_once(platform: Platform) -> None:
    with ThreadPoolExecutor(PRODUCERS + CONSUMERS) as pool:
        producing = [pool.submit(announce, platform, number) for number in range(PRODUCERS)]
        consuming = [pool.submit(consume, platform, number, 40) for number in range(CONSUMERS)]
        for future in producing:
            future.result()
        finished = sum((future.result() for future in consuming), Counter[str]())
    finished += _drain(platform)
    assert finished == Counter({f"{p} {n}": 1 for p in range(PRODUCERS) for n in range(ANNOUNCEMENTS)})
    states = platform.job("select claim.state from job.slice_mark left join job.claim using (claim_id)")
    assert states == [("finished",)] * (PRODUCERS * ANNOUNCEMENTS)


def _drain(platform: Platform) -> Counter[str]:
    """What is left when everybody has gone, claimed by one run after the other."""
    platform.job("update job.claim set expires_at_utc = now() where state = 'open'")
    finished = Counter[str]()
    with connected(platform) as metadata:
        while (claim := take_claim(metadata, PLAN, f"last {len(finished)}", STATEMENTS)) is not None:
            marks = marks_of_claim(metadata, claim.claim_id)
            assert finish_claim(metadata, claim, (), [], {})
            finished.update(mark.change_key for mark in marks)
            finished[""] += 1
    del finished[""]
    return finished


def test_of_runs_that_come_at_once_one_gets_the_claim(platform: Platform) -> None:
    with connected(platform) as metadata, metadata.transaction() as cursor:
        record_arrivals(cursor, "itg.a", [CONSUMER], RunKind.MANUAL, DAY, "x")
    start = Barrier(6)

    def run(number: int) -> bool:
        with connected(platform) as metadata:
            start.wait()
            return take_claim(metadata, PLAN, f"run {number}", STATEMENTS) is not None

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(run, range(6))) == [False] * 5 + [True]


@pytest.mark.parametrize("round_number", range(5))
def test_finishing_and_taking_over_at_once(platform: Platform, round_number: int) -> None:
    """Either the slow run finishes and nothing is left, or the next takes all of it; never both, never neither."""
    with connected(platform) as metadata, metadata.transaction() as cursor:
        record_arrivals(cursor, "itg.a", [CONSUMER], RunKind.MANUAL, DAY, "x")
    with connected(platform) as metadata:
        slow = take_claim(metadata, PLAN, "slow", STATEMENTS)
    assert slow is not None
    platform.job("update job.claim set expires_at_utc = now()")
    start = Barrier(2)

    def finish() -> bool:
        with connected(platform) as metadata:
            start.wait()
            return finish_claim(metadata, slow, (), [], {})

    def take_over() -> bool:
        with connected(platform) as metadata:
            start.wait()
            return take_claim(metadata, PLAN, "next", STATEMENTS) is not None

    with ThreadPoolExecutor(2) as pool:
        outcomes = [pool.submit(finish), pool.submit(take_over)]
        finished, taken = (outcome.result() for outcome in outcomes)
    assert finished != taken
    with connected(platform) as metadata:
        assert (renewed_claim(metadata, TARGET, "next") is not None) == taken
        assert renewed_claim(metadata, TARGET, "slow") is None


def test_inside_alone_over_several_transactions(platform: Platform) -> None:
    """A second one waits until the first is out, and is let in at once when the first dies."""
    with connected(platform) as second, ThreadPoolExecutor(1) as pool:
        first = connected(platform)
        entered: list[str] = []

        def enter() -> None:
            with second.exclusive("archive", "account"):
                entered.append("second")

        with first.exclusive("archive", "account"):
            waiting = pool.submit(enter)
            with connected(platform) as third, third.exclusive("archive", "another"):
                assert not waiting.done() and entered == []
            with first.transaction() as cursor:
                cursor.execute("select pg_backend_pid()")
                pid = cursor.fetchone()[0]
            platform.job("select pg_terminate_backend(%s)", pid)  # as a kill -9 of its process would
            waiting.result(timeout=30)
        assert entered == ["second"]
        with pytest.raises(RetriableError), first.transaction() as cursor:
            cursor.execute("select 1")
