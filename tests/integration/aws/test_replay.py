"""Replays: archived batches go through stg to itg once more, and change nothing, in whatever order they come."""

from __future__ import annotations

import itertools
import random
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from idiscover.aws import replay as replay_module
from idiscover.aws.job_metadata_batches import BatchRow
from idiscover.aws.replay import batches_to_replay, replay
from idiscover.aws.wakes import ready_consumers
from idiscover.errors import ConfigError, RetriableError

from tests.integration.aws.kills import Killer
from tests.integration.aws.test_kills import killed_once_anywhere, state_of
from tests.support.aws_platform import Platform
from tests.support.aws_runs import DAY_0, Org, bring_in, lab, load, nothing_new, refresh, result, woken_run

RUNS = itertools.count(1)


def a_day_of_labs(platform: Platform, org: Org) -> str:
    """One archived batch; its id."""
    manifest = bring_in(platform, org, "lab", DAY_0, [lab("L1", "DE"), lab("L2", "FR")])
    refresh(platform, "itg.lab", woken_run("itg.lab", next(RUNS)))
    return manifest.batch_id


def three_days_of_results(platform: Platform, org: Org) -> None:
    """Three archived batches with their Ids: a record that changes, one that goes, one that comes."""
    days = [
        ([result("R1", "T1"), result("R2", "T2")], ["R1", "R2"]),
        ([result("R2", "T2", version=9, value="2.000")], ["R2"]),
        ([result("R3", "T1", version=20), result("R2", "T1", version=21)], ["R2", "R3"]),
    ]
    for number, (rows, ids) in enumerate(days):
        day = DAY_0 + timedelta(days=number)
        nothing_new(platform, org, day, "lab", "test")
        bring_in(platform, org, "result", day, rows, ids)
        refresh(platform, "itg.result", woken_run("itg.result", next(RUNS)))
        org.now += timedelta(days=1)


def say_replay(platform: Platform, name: str, *batch_ids: str) -> list[str]:
    plan = platform.load(name)
    return replay(plan, batches_to_replay(plan, batch_ids), "a test", "somebody")


def settle(platform: Platform, name: str) -> None:
    """The load that the verb starts, and the refresh that the load wakes."""
    load(platform, name, woken_run(f"s3_to_redshift__{name}", next(RUNS)))
    assert f"itg.{name}" in ready_consumers(platform.load(name))
    refresh(platform, f"itg.{name}", woken_run(f"itg.{name}", next(RUNS)))


def test_a_replayed_batch_is_pending_arrives_anew_and_is_archived_again(platform: Platform, org: Org) -> None:
    batch_id = a_day_of_labs(platform, org)
    before = state_of(platform)
    assert say_replay(platform, "lab", batch_id) == [batch_id]
    [row] = batches_to_replay(platform.load("lab"), [batch_id])
    assert (row.state, row.manifest_key) == ("pending", f"source/lab/{batch_id}/manifest.json")
    assert say_replay(platform, "lab", batch_id) == []  # it is on its way
    settle(platform, "lab")
    after = state_of(platform)
    assert {name: after[name] for name in ("batches", "files", "itg", "ledger", "stg", "keys")} == {
        name: before[name] for name in ("batches", "files", "itg", "ledger", "stg", "keys")
    }
    assert platform.job("select batch_id, replay, reason, requested_by from job.replay") == [
        (batch_id, 1, "a test", "somebody")
    ]
    say_replay(platform, "lab", batch_id)
    settle(platform, "lab")
    assert platform.job("select replay from job.replay order by 1") == [(1,), (2,)]


@pytest.mark.parametrize("seed", range(2))
def test_replays_in_any_order_change_nothing(platform: Platform, org: Org, seed: int) -> None:
    """Some batches, some of them together, some twice; the newest read of every Id among them."""
    three_days_of_results(platform, org)
    names = ("results", "history", "ids", "stg", "reads", "batches", "files")
    before = state_of(platform)
    assert len(before["results"]) == 2
    batch_ids = [row.batch_id for row in batches_to_replay(platform.load("result"), (), (DAY_0, org.now.date()))]
    rng = random.Random(seed)
    for _ in range(3):
        chosen = rng.sample(batch_ids, rng.randint(1, len(batch_ids)))
        assert sorted(say_replay(platform, "result", *chosen)) == sorted(chosen)
        settle(platform, "result")
    after = state_of(platform)
    assert {name: after[name] for name in names} == {name: before[name] for name in names}


def test_a_replay_mends_rows_that_itg_lost(platform: Platform, org: Org) -> None:
    batch_id = a_day_of_labs(platform, org)
    before = state_of(platform)["itg"]
    platform.warehouse("delete from itg.lab where id = 'L2'")
    say_replay(platform, "lab", batch_id)
    settle(platform, "lab")
    assert state_of(platform)["itg"] == before


def test_a_replay_that_is_killed_is_said_again(platform: Platform, org: Org, monkeypatch: pytest.MonkeyPatch) -> None:
    batches: list[str] = []

    def prepare() -> None:
        batches[:] = [a_day_of_labs(platform, org)]

    def work() -> None:
        say_replay(platform, "lab", *batches)

    effects = killed_once_anywhere(platform, monkeypatch, prepare, work)
    assert len(effects) == 5  # two files, the manifest, the ledger, job metadata


def test_the_archive_in_the_middle_of_a_replay_loses_nothing(
    platform: Platform, org: Org, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A replay dies with its copies in source/; the next refresh sweeps them; the replay is said again."""
    batch_id = a_day_of_labs(platform, org)
    before = state_of(platform)
    killer = Killer(monkeypatch)
    assert killer.run(partial(say_replay, platform, "lab", batch_id), lambda effect: effect.startswith("write_text"))
    bring_in(platform, org, "lab", DAY_0 + timedelta(days=1), [])
    refresh(platform, "itg.lab", woken_run("itg.lab", next(RUNS)))
    assert not [key for key in state_of(platform)["keys"] if key.startswith(f"source/lab/{batch_id}")]
    say_replay(platform, "lab", batch_id)
    settle(platform, "lab")
    assert state_of(platform)["itg"] == before["itg"]


def test_a_replay_that_has_lost_its_lock_forgets_nothing(
    platform: Platform, org: Org, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its connection broke while it copied, and whoever waited for the files is at them now."""
    batch_id = a_day_of_labs(platform, org)
    before = state_of(platform)
    copy_batch = replay_module.copy_batch

    def copy_and_break(*given: Any) -> None:
        copy_batch(*given)
        assert platform.job("select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory'") == [(True,)]

    with monkeypatch.context() as patched, pytest.raises(RetriableError):
        patched.setattr(replay_module, "copy_batch", copy_and_break)
        say_replay(platform, "lab", batch_id)
    after = state_of(platform)
    assert {name: after[name] for name in ("batches", "ledger")} == {
        name: before[name] for name in ("batches", "ledger")
    }
    assert say_replay(platform, "lab", batch_id) == [batch_id]


def test_what_is_not_meant_is_refused(platform: Platform, org: Org) -> None:
    batch_id = a_day_of_labs(platform, org)
    plan = platform.load("lab")
    with pytest.raises(ConfigError, match="no such batch of the object"):
        batches_to_replay(plan, [batch_id, "lab-20260105-nothing"])
    with pytest.raises(ConfigError, match="a batch of lab"):
        batches_to_replay(platform.load("unit"), [batch_id])
    with pytest.raises(ConfigError, match="neither batches nor days"):
        batches_to_replay(plan)
    with pytest.raises(ConfigError, match="no batch of these days"):
        batches_to_replay(plan, (), (DAY_0 + timedelta(days=1), DAY_0 + timedelta(days=9)))


def test_a_batch_of_other_columns_is_refused_before_it_blocks_a_load(platform: Platform, org: Org) -> None:
    """The object has lost a field since."""
    batch_id = a_day_of_labs(platform, org)
    plan = platform.load("lab")
    narrower = plan.model_copy(update={"columns": plan.columns[1:]})
    chosen: list[BatchRow] = batches_to_replay(plan, [batch_id])
    with pytest.raises(ConfigError, match="other columns than stg has today"):
        replay(narrower, chosen, None, "somebody")
    assert platform.job("select state from job.batch") == [("archived",)]
