"""Random histories of all objects and tables, seed after seed; as tests/chain/test_random_histories.py, for longer."""

from __future__ import annotations

import pytest

from tests.integration.aws.kills import Killer
from tests.support.chain_fixtures import Begin
from tests.support.direct_player import Player, assert_exact_at_rest

SEEDS = range(100, 120)
RESTS = 4
ACTIONS = 16


@pytest.mark.timeout(7200)
@pytest.mark.parametrize("seed", SEEDS)
def test_every_rest_is_exact(begin: Begin, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    player = Player(begin(seed=seed), seed, Killer(monkeypatch))
    for _ in range(RESTS):
        player.play(ACTIONS)
        assert_exact_at_rest(player)
