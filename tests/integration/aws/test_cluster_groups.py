"""Clusters that runs share: one is made, nobody loses it while at work, and the last to leave ends it."""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from threading import Barrier, Lock

import pytest
from idiscover.aws.cluster_groups import announce, join, kept, leave
from idiscover.plan.model import ExtractionPlan, RunIdentity

from tests.integration.aws.kills import Killed, Killer
from tests.support.aws_platform import Platform

GROUP = "small"


class Emr:
    """Clusters by id, with their names; `done` is told of every effect."""

    def __init__(self, done: Callable[[str], None] = lambda effect: None) -> None:
        self.names: dict[str, str] = {}
        self.living: set[str] = set()
        self._done, self._lock, self._numbers = done, Lock(), count(1)

    def create(self, name: str) -> str:
        found = self._named(name)
        if found is None:
            with self._lock:
                found = f"j-{next(self._numbers)}"
                self.names[found] = name
                self.living.add(found)
            self._done("RunJobFlow")
        return found

    def takes_steps(self, cluster_id: str) -> bool:
        return cluster_id in self.living

    def end(self, cluster_id: str | None, name: str) -> None:
        found = cluster_id or self._named(name)
        if found in self.living:
            self.living.discard(found)
            self._done("TerminateJobFlows")

    def _named(self, name: str) -> str | None:
        return next((key for key in sorted(self.living) if self.names[key] == name), None)


def run_of(number: int) -> RunIdentity:
    return RunIdentity(dag_id=f"sfdc_to_s3__object_{number}", run_id="scheduled__1", run_type="scheduled")


@pytest.fixture
def plan(platform: Platform) -> ExtractionPlan:
    return platform.extraction("lab").model_copy(update={"cluster_group": GROUP})


def lapse(platform: Platform, run: RunIdentity) -> None:
    platform.job("update job.cluster_member set lease_expires_at_utc = now() where dag_id = %s", run.dag_id)


def states(platform: Platform) -> list[tuple[str | None, str]]:
    return [tuple(row) for row in platform.job("select emr_id, state from job.shared_cluster order by cluster_number")]


def test_runs_that_join_at_once_get_one_cluster(plan: ExtractionPlan) -> None:
    emr, start = Emr(), Barrier(6)

    def enter(number: int) -> tuple[int, str]:
        start.wait()
        member, cluster_id = join(plan, run_of(number), emr)
        return member.number, cluster_id

    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(enter, range(6)))
    assert {cluster_id for _, cluster_id in found} == set(emr.names) == {"j-1"}
    assert len({number for number, _ in found}) == 6
    assert emr.names["j-1"].startswith(f"idiscover {plan.context.environment} {GROUP} ")


def test_the_last_to_leave_ends_the_cluster(platform: Platform, plan: ExtractionPlan) -> None:
    emr = Emr()
    for number in (1, 2):
        join(plan, run_of(number), emr)
    first = leave(plan, run_of(1), GROUP, emr)
    assert first.closing == () and first.others == (run_of(2).dag_id,)
    assert emr.living == {"j-1"}
    assert leave(plan, run_of(1), GROUP, emr) == first, "told again, nothing changes"
    last = leave(plan, run_of(2), GROUP, emr)
    assert [cluster.emr_id for cluster in last.closing] == ["j-1"] and last.others == ()
    assert emr.living == set() and states(platform) == [("j-1", "gone")]
    assert leave(plan, run_of(2), GROUP, emr).closing == (), "EMR was told"
    assert join(plan, run_of(3), emr)[1] == "j-2", "nobody joins what was ended"


def test_a_cluster_stands_for_runs_that_have_begun_and_not_joined_yet(plan: ExtractionPlan) -> None:
    emr = Emr()
    join(plan, run_of(1), emr)
    announce(plan, run_of(2))
    announce(plan, run_of(2))
    assert leave(plan, run_of(1), GROUP, emr).others == (run_of(2).dag_id,)
    assert join(plan, run_of(2), emr)[1] == "j-1"
    announce(plan, run_of(3))
    assert leave(plan, run_of(2), GROUP, emr).closing == ()
    last = leave(plan, run_of(3), GROUP, emr)
    assert len(last.closing) == 1 and emr.living == set(), "whoever is last, whether it joined or not"


def test_announcing_needs_a_group(platform: Platform, plan: ExtractionPlan) -> None:
    announce(plan.model_copy(update={"cluster_group": None}), run_of(1))
    assert platform.job("select count(*) from job.cluster_member") == [(0,)]


def test_a_run_whose_lease_has_lapsed_keeps_nothing(platform: Platform, plan: ExtractionPlan) -> None:
    emr = Emr()
    dead, _ = join(plan, run_of(1), emr)
    join(plan, run_of(2), emr)
    lapse(platform, run_of(1))
    assert leave(plan, run_of(2), GROUP, emr).others == ()
    assert emr.living == set()
    assert not kept(plan, GROUP, dead.number), "it was not dead after all, but its cluster is gone"
    again, cluster_id = join(plan, run_of(1), emr)
    assert cluster_id == "j-2" and again.number != dead.number


def test_a_sign_of_life_renews_the_lease(platform: Platform, plan: ExtractionPlan) -> None:
    emr = Emr()
    member, _ = join(plan, run_of(1), emr)
    join(plan, run_of(2), emr)
    lapse(platform, run_of(1))
    assert kept(plan, GROUP, member.number)
    assert leave(plan, run_of(2), GROUP, emr).others == (run_of(1).dag_id,)
    again, cluster_id = join(plan, run_of(1), emr)
    assert (again.number, cluster_id) == (member.number, "j-1")
    leave(plan, run_of(1), GROUP, emr)
    assert not kept(plan, GROUP, member.number), "it has left"


def test_a_cluster_that_emr_has_lost_gives_way_to_another(platform: Platform, plan: ExtractionPlan) -> None:
    emr = Emr()
    first, _ = join(plan, run_of(1), emr)
    emr.living.clear()
    assert join(plan, run_of(2), emr)[1] == "j-2"
    assert states(platform) == [("j-1", "gone"), ("j-2", "open")]
    assert not kept(plan, GROUP, first.number), "its step was lost with the cluster"
    second, cluster_id = join(plan, run_of(1), emr)
    assert cluster_id == "j-2" and second.number != first.number, "its old step is not taken for a new one"
    leave(plan, run_of(2), GROUP, emr)
    assert emr.living == {"j-2"}
    leave(plan, run_of(1), GROUP, emr)
    assert emr.living == set()


def test_other_code_or_settings_need_another_cluster(plan: ExtractionPlan) -> None:
    emr = Emr()
    newer = plan.model_copy(update={"code_sha": "1" * 40})
    assert join(plan, run_of(1), emr)[1] == "j-1"
    announce(plan, run_of(3))
    assert join(newer, run_of(2), emr)[1] == "j-2"
    assert join(newer, run_of(3), emr)[1] == "j-2", "announced before the deploy, it joins after it"
    leave(plan, run_of(1), GROUP, emr)
    assert emr.living == {"j-2"}
    for number in (2, 3):
        leave(newer, run_of(number), GROUP, emr)
    assert emr.living == set()
    other = plan.model_copy(update={"cluster_group": "large"})
    join(plan, run_of(1), emr)
    join(other, run_of(2), emr)
    leave(plan, run_of(1), GROUP, emr)
    assert emr.living == {"j-4"}


def test_what_a_killed_run_has_made_is_found_by_its_name(plan: ExtractionPlan) -> None:
    def killed(effect: str) -> None:
        raise Killed

    emr = Emr(killed)
    with pytest.raises(Killed):
        join(plan, run_of(1), emr)
    assert emr.living == {"j-1"}
    with pytest.raises(Killed):
        leave(plan, run_of(1), GROUP, emr)
    assert emr.living == set(), "nobody knew its id"


def test_killed_after_each_effect_and_tried_again(
    platform: Platform, plan: ExtractionPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    killer = Killer(monkeypatch)

    def played(kill_at: int | None) -> tuple[Emr, list[str]]:
        """Two runs, task by task, each tried again once it was killed; the effects of those that were not."""
        platform.empty()
        emr, effects, left = Emr(killer.done), list[str](), count(1)
        for task in (
            lambda: announce(plan, run_of(1)),
            lambda: join(plan, run_of(1), emr),
            lambda: join(plan, run_of(2), emr),
            lambda: leave(plan, run_of(2), GROUP, emr),
            lambda: leave(plan, run_of(1), GROUP, emr),
        ):
            if killer.run(task, lambda effect: next(left) == kill_at):
                assert not killer.run(task)
            effects += killer.effects
        return emr, effects

    _, effects = played(None)
    assert [name for name in effects if "JobFlow" in name] == ["RunJobFlow", "TerminateJobFlows"]
    for number, effect in enumerate(effects, start=1):
        emr, _ = played(number)
        assert list(emr.names) == ["j-1"] and emr.living == set(), f"killed after {effect}"
        assert states(platform) == [("j-1", "gone")], f"killed after {effect}"
        assert platform.job("select count(*) from job.cluster_member where left_at_utc is null") == [(0,)]


def test_many_at_once_never_lose_their_cluster(platform: Platform, plan: ExtractionPlan) -> None:
    emr = Emr()

    def work(number: int) -> int:
        chance, lost = random.Random(number), 0
        for again in range(12):
            run = run_of(number).model_copy(update={"run_id": f"run {again}"})
            if chance.random() < 0.5:
                announce(plan, run)
            member, cluster_id = join(plan, run, emr)
            lost += not kept(plan, GROUP, member.number)
            lost += not emr.takes_steps(cluster_id)
            leave(plan, run, GROUP, emr)
        return lost

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(work, range(4))) == 0
    assert emr.living == set() and {state for _, state in states(platform)} == {"gone"}
    assert len(emr.names) == len(set(emr.names.values())), "no two clusters of one name"
