"""Runs that ended well and are run again, whole or one task alone: nothing changes, nothing is read or called again."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from idiscover.aws import extraction_run, loader, refresher
from idiscover.plan.model import ExtractionPlan, LoadPlan, RefreshPlan

from tests.support.chain_fixtures import beginning
from tests.support.direct_chain import DirectChain, DoneRun
from tests.support.direct_figures import differences, fingerprint, settled_work
from tests.support.direct_stack import DirectStack

# A table of each family, of each country rule, with history and without.
TABLES = ["dm.dm_testing_uptake", "dm.bridge_objective_hcp", "dm.dim_hcp"]


@pytest.fixture(scope="module")
def chain(started_stack: DirectStack) -> Iterator[DirectChain]:
    """A chain that has run two days, a manual run, a backfill, and is quiet."""
    with beginning(started_stack) as begin_chain:
        chain = begin_chain(TABLES)
        first = chain.run_day()
        chain.advance()
        chain.extract("account", chain.manual("account"))
        chain.settle()
        chain.run_day()
        chain.extract("testing_volume", chain.backfill("testing_volume", first))
        chain.settle()
        yield chain


def _run_again(chain: DirectChain, done: DoneRun) -> None:
    """The run's functions from its first task on."""
    if isinstance(done.plan, ExtractionPlan):
        chain.extract(done.plan.object, done.run)
    elif isinstance(done.plan, LoadPlan):
        chain.load(done.plan.object, done.run)
    else:
        chain.refresh(done.plan.table, done.run)


def _each_task_alone(chain: DirectChain, done: DoneRun) -> None:
    """The run's functions from its last to its first: each finds what those before it have left long ago."""
    plan, run = done.plan, done.run
    if isinstance(plan, ExtractionPlan):
        extraction_run.close_extraction(plan, run)
        chain.read(plan.object, run)
    elif isinstance(plan, LoadPlan):
        loader.finish_load(plan, run)
        loader.reconcile(plan, run)
        loader.copy_pending(plan, run)
    else:
        refresher.finish_refresh(plan, run)
        for unit in _units(chain, plan, run.run_id):
            refresher.call_unit(plan, run, unit)
        refresher.claim_slices(plan, run)


def _units(chain: DirectChain, plan: RefreshPlan, run_id: str) -> list[list[str]]:
    [(units,)] = chain.stack.job("select units from job.claim where target = %s and run_id = %s", plan.table, run_id)
    return list(units if isinstance(units, list) else json.loads(units))


@pytest.mark.parametrize("again", [_run_again, _each_task_alone])
def test_a_run_again_changes_nothing(chain: DirectChain, again: object) -> None:
    assert callable(again)
    held, done_so_far = fingerprint(chain), settled_work(chain)
    runs = list(chain.done)
    for done in runs:
        again(chain, done)
    chain.settle()
    assert _changed(held, fingerprint(chain)) == []
    now = settled_work(chain)
    assert (now.query_jobs, now.calls, now.refreshes) == (
        done_so_far.query_jobs,
        done_so_far.calls,
        done_so_far.refreshes,
    )
    assert now.rows_written == done_so_far.rows_written
    assert differences(chain) == []


def _changed(before: dict[str, str], after: dict[str, str]) -> list[str]:
    return sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
