"""What a day costs in runs: each load and each refresh is woken once, in whatever order the runs end."""

from __future__ import annotations

import random

import pytest

from tests.support.chain_fixtures import Begin


@pytest.mark.parametrize("seed", [0, 1])
def test_a_day_wakes_every_load_and_every_refresh_once(begin: Begin, seed: int) -> None:
    chain = begin()
    objects = list(chain.objects)
    random.Random(seed).shuffle(objects)
    for name in objects:
        chain.extract(name)
    chain.settle(choose=random.Random(seed).choice)
    begun = chain.stack.job("select dag_id, step from job.step_log where step in ('copy', 'slices')")
    assert sorted(dag_id for dag_id, step in begun if step == "copy") == sorted(
        chain.load_plan(name).header.dag_id for name in objects
    )
    assert sorted(dag_id for dag_id, step in begun if step == "slices") == sorted(
        chain.refresh_plan(table).header.dag_id for table in chain.catalog.tables
    )
