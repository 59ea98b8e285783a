"""The whole chain on a small org: day 0 and three more, each compared with the oracle row by row, column by column."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.e2e.chain import SCALE, Chain

DAYS = 3


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    """A stack in a folder with a blank in its name; nothing of it is left after the tests."""
    environment = dict(os.environ)
    found = Chain(tmp_path_factory.mktemp("the stacks") / "all of them")
    yield found
    found.run("reset", "--yes")
    os.environ.clear()
    os.environ.update(environment)


def assert_day_is_exact(chain: Chain, output: str) -> None:
    """The oracle agrees, and every table was refreshed once."""
    differences = chain.differences()
    shown = "\n".join(str(difference) for difference in differences[:20])
    assert not differences, f"{len(differences)} differences\n{shown}\n\n{output}"
    assert chain.refreshes(chain.order_date) == dict.fromkeys(chain.stand.catalog.tables, 1)


@pytest.mark.timeout(1800)
def test_day_0_and_three_more_are_exact(chain: Chain) -> None:
    demo = chain.run("demo", "--scale", SCALE)
    assert demo.status == 0, demo.output
    assert demo.agreeing_hops > len(chain.stand.catalog.objects) * 2
    assert_day_is_exact(chain, demo.output)
    first = chain.order_date
    for number in range(1, DAYS + 1):
        day = chain.run("day")
        assert day.status == 0, day.output
        assert (chain.order_date - first).days == number
        assert day.agreeing_hops >= demo.agreeing_hops
        assert_day_is_exact(chain, day.output)
        assert chain.bytes_of(chain.order_date) < chain.bytes_of(first) / 2, "only deltas travel"


@pytest.mark.timeout(600)
def test_a_day_that_was_run_is_only_counted_again(chain: Chain) -> None:
    before = chain.stand.job_metadata("select count(*) from job.batch")
    again = chain.run("demo")
    assert again.status == 0, again.output
    assert "0 runs created" in again.output
    assert chain.stand.job_metadata("select count(*) from job.batch") == before


@pytest.mark.timeout(300)
def test_one_row_less_is_found(chain: Chain) -> None:
    chain.change_warehouse(
        "delete from itg.testing_volume where id = (select min(id) from itg.testing_volume where tested_patients > 0)"
    )
    verdict = chain.run("verify")
    assert verdict.status == 1, verdict.output
    assert "DIFFERS" in verdict.output


@pytest.mark.timeout(300)
def test_reset_leaves_nothing(chain: Chain) -> None:
    home = chain.stand.layout.home
    assert home.exists()
    assert chain.run("reset", "--yes").status == 0
    assert not home.exists()
