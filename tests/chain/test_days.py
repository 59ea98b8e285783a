"""The org's first days through the whole chain: exact after each, each table refreshed once, only deltas travelling."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

import pytest
from idiscover.metadata.models import Catalog
from idiscover.plan.model import ReadMode
from idiscover.plan.reads import daily_read_mode

from local.salesforce.times import ORG_DAY_ZERO
from tests.support.chain_fixtures import beginning
from tests.support.direct_chain import DirectChain
from tests.support.direct_figures import Work, differences, work
from tests.support.direct_stack import DirectStack

DAYS = 6
FURTHER_DAYS = range(1, DAYS)


@dataclass(frozen=True)
class Day:
    """What one day has left behind."""

    order_date: date
    differences: list[str]
    work: Work
    rows: dict[str, int]  # of the batches, by object
    pending: list[tuple[str, str, str, date]]
    states: set[str]  # of all batches so far
    in_source: list[str]
    in_stg: dict[str, int]  # rows by object, where there are any


@pytest.fixture(scope="module")
def days(started_stack: DirectStack) -> Iterator[list[Day]]:
    """The org's first days, run one after the other."""
    with beginning(started_stack) as begin_chain:
        chain = begin_chain()
        played = [_play(chain)]
        for _ in FURTHER_DAYS:
            chain.advance()
            played.append(_play(chain))
        yield played


def _play(chain: DirectChain) -> Day:
    before = work(chain)
    order_date = chain.run_day()
    done = work(chain) - before
    stack = chain.stack
    counts = {name: stack.warehouse(f"select count(*) from stg.{name}")[0][0] for name in chain.objects}
    return Day(
        order_date=order_date,
        differences=[str(difference) for difference in differences(chain)],
        work=done,
        rows={item.object: item.rows for item in chain.manifests.values() if item.order_date == order_date},
        pending=chain.pending(),
        states={state for (state,) in stack.job("select distinct state from job.batch")},
        in_source=chain.bucket.list("source/"),
        in_stg={name: count for name, count in counts.items() if count},
    )


@pytest.mark.parametrize("number", range(DAYS))
def test_every_table_is_as_the_oracle_has_it(days: list[Day], number: int) -> None:
    assert days[number].order_date == ORG_DAY_ZERO + timedelta(days=number)
    assert days[number].differences == []


def test_every_table_is_refreshed_once_per_order_date(days: list[Day], started_stack: DirectStack) -> None:
    tables = started_stack.catalog.tables
    for day in days:
        assert day.work.refreshes == {(table, day.order_date): 1 for table in tables}


def test_nothing_is_left_over(days: list[Day]) -> None:
    for day in days:
        assert day.pending == []
        assert day.states == {"archived"}
        assert day.in_source == []
        assert day.in_stg == {}


def test_only_deltas_travel(days: list[Day], started_stack: DirectStack) -> None:
    first = days[0].work
    for day in days[1:]:
        assert day.work.batches == len(started_stack.catalog.objects)
        assert day.work.query_jobs == _daily_jobs(started_stack.catalog)
        assert day.work.api_calls < 1.2 * first.api_calls  # how often a job is asked for depends on the machine
        assert 0 < day.work.rows_extracted < first.rows_extracted / 3
        assert day.work.bytes_extracted < first.bytes_extracted / 3
        assert day.work.ids["inserted"] < first.ids["inserted"] / 10


def _daily_jobs(catalog: Catalog) -> int:
    """One query job per object, and one more where its Ids are swept."""
    modes = [daily_read_mode(spec, catalog.delta_filters[name]) for name, spec in catalog.objects.items()]
    return len(modes) + modes.count(ReadMode.WINDOW_AND_IDS)


def test_what_did_not_change_is_refreshed_without_a_call(days: list[Day]) -> None:
    """Consumers wait for every input, so a table of which nothing is new is refreshed too; nothing is called then."""
    idle = {table for day in days[1:] for table, _ in day.work.refreshes if not day.work.calls[table]}
    assert any(table.startswith("itg.") for table in idle)
    assert any(table.startswith("dm.") for table in idle)
    for day in days:
        for name, rows in day.rows.items():
            assert day.work.calls[f"itg.{name}"] or not rows, (name, day.order_date)


def test_a_day_costs_what_changed_in_it_however_many_there_were_before(days: list[Day]) -> None:
    """Work of the last two days against that of the first two further ones; the days' changes are alike."""
    for measure in ("api_calls", "query_jobs", "rows_extracted", "rows_written", "rows_read"):
        early, late = (sum(getattr(day.work, measure) for day in some) for some in (days[1:3], days[DAYS - 2 : DAYS]))
        assert late <= 1.5 * early, measure
    calls_early, calls_late = (
        sum(sum(day.work.calls.values()) for day in some) for some in (days[1:3], days[DAYS - 2 : DAYS])
    )
    assert calls_late <= 1.5 * calls_early
