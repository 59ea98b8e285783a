"""Random histories: whenever the chain is at rest, itg and dm are what the oracle makes of the reads it loaded."""

from __future__ import annotations

import pytest

from tests.integration.aws.kills import Killer
from tests.support.chain_fixtures import Begin
from tests.support.direct_player import Player, assert_exact_at_rest

# Labs and what moves with them, directly and over objectives; reference data; marts with and without history.
TABLES = ["dm.dm_testing_uptake", "dm.bridge_objective_hcp", "dm.dim_hcp"]
RESTS = 2
ACTIONS = 9


@pytest.mark.parametrize("seed", [1, 2])
def test_every_rest_is_exact(begin: Begin, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    chain = begin(TABLES, seed=seed)
    player = Player(chain, seed, Killer(monkeypatch))
    for _ in range(RESTS):
        player.play(ACTIONS)
        assert_exact_at_rest(player)
