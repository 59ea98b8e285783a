"""Every process of the stack killed in the middle of each family, seed after seed; the oracle agrees after each day."""

from __future__ import annotations

import pytest

from tests.e2e.chain import Chain
from tests.e2e.killing import KillingDay, kills_of, left_half_done

SEEDS = range(1, 9)


@pytest.mark.timeout(7200)
@pytest.mark.parametrize("seed", SEEDS)
def test_every_process_is_killed_once(chain: Chain, seed: int) -> None:
    day = KillingDay(chain, kills_of(seed))

    day.run()

    print("\n".join(day.log))
    assert day.done == day.kills, "a kill that met nobody proves nothing"
    assert left_half_done(chain) == []
    assert chain.differences() == []
