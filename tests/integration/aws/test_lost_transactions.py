"""Error 1023 and broken connections, wherever they strike: tried again, nothing done twice, nothing lost."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import psycopg2
import pytest
from idiscover.aws import loader, redshift, refresher
from idiscover.errors import RetriableError

from tests.integration.aws.test_refreshes import FACT, Day, day, facts, first_day, run_of
from tests.support.aws_platform import Platform
from tests.support.aws_runs import DAY_0, Org, extract, lab, scheduled_run, woken_run

__all__ = ["day", "first_day"]  # fixtures
LOAD = woken_run("s3_to_redshift__lab", 1)
# A fault, the statement that it strikes, how many tries it takes
FAULTS = [
    ("1023", "^call dm"),
    ("1023", "as unique_key"),  # the question of the checks
    ("1023", "^commit"),  # as a serializable transaction loses that reached its end
    ("drop", "^call dm"),
    ("drop", "as unique_key"),
    ("drop_after", "^commit"),  # it is done, and nobody was told
]
LOAD_FAULTS = [
    ("1023", "^copy"), ("1023", "^lock"), ("1023", "^commit"), ("drop", "^copy"),
    ("drop", "^insert into stg.batch_load"), ("drop_after", "^copy"), ("drop_after", "^commit"),
]  # fmt: skip


@pytest.fixture(autouse=True)
def at_once(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Tries follow each other; faults that were not met are forgotten."""
    monkeypatch.setattr(redshift, "_FIRST_WAIT_SECONDS", 0.01)
    yield
    assert platform.warehouse("select rs.inject_clear()") == [(0,)], "each fault has struck"


def inject(platform: Platform, fault: str, statement: str, times: int) -> None:
    connection = psycopg2.connect(platform.front_dsn)
    connection.autocommit = True  # its own commit would be struck
    with connection.cursor() as cursor:
        cursor.execute("select rs.inject(%s, %s, %s)", [fault, statement, times])
    connection.close()


@pytest.mark.parametrize(("fault", "statement"), FAULTS)
def test_a_refresh_is_tried_again(platform: Platform, day: Day, fault: str, statement: str) -> None:
    day.comes(("T1", "DE", "b"), ("T4", "DE", "b"))
    plan, run = platform.refresh(FACT), run_of(day)
    units = refresher.claim_slices(plan, run)
    inject(platform, fault, statement, 2)
    assert refresher.call_units(plan, run, units)["calls"] == 1
    assert [key for country, key in facts(platform) if country == "DE"] == ["T1", "T4"]
    assert platform.job("select country_code from job.claim_call") == [("DE",)]
    assert platform.job("select check_name, state from job.check_result") == [("unique_key", "passed")]
    assert refresher.finish_refresh(plan, run) is not None


def test_three_times_are_left_to_airflow(platform: Platform, day: Day) -> None:
    day.comes(("T1", "DE", "b"))
    plan, run = platform.refresh(FACT), run_of(day)
    units = refresher.claim_slices(plan, run)
    inject(platform, "1023", "^call dm", 3)
    with pytest.raises(RetriableError, match="1023"):
        refresher.call_units(plan, run, units)
    assert platform.warehouse("select notes from dm.fact_test where test_id = 'T1'") == [("a",)]
    assert platform.job("select * from job.claim_call") == [] == platform.job("select * from job.check_result")
    assert refresher.call_units(plan, run, units)["calls"] == 1


@pytest.mark.parametrize(("fault", "statement"), LOAD_FAULTS)
def test_a_load_is_tried_again(platform: Platform, org: Org, fault: str, statement: str) -> None:
    first = extract(platform, org, "lab", scheduled_run("sfdc_to_s3__lab", DAY_0), [lab("L1", "DE"), lab("L2", "FR")])
    org.now += timedelta(days=1)
    run = scheduled_run("sfdc_to_s3__lab", DAY_0 + timedelta(days=1))
    second = extract(platform, org, "lab", run, [lab("L1", "DE", version=9)])
    inject(platform, fault, statement, 1)
    copied = loader.copy_pending(platform.load("lab"), LOAD)
    assert (copied["copied"], copied["rows"]) == ([first.batch_id, second.batch_id], 3)
    assert platform.warehouse("select id from stg.lab order by _batch_id, id") == [("L1",), ("L2",), ("L1",)]
    assert sorted(loader.reconcile(platform.load("lab"), LOAD)["batches"]) == sorted([first.batch_id, second.batch_id])
    assert platform.warehouse('select sum("rows") from stg.batch_load') == [(3,)]
