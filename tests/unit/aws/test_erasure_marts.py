"""The wait of an erasure for the marts: it wakes the first of the tables that are due, and it ends in any case."""

from __future__ import annotations

from typing import Any, cast

import pytest
from idiscover.aws import erasure_marts
from idiscover.aws.erasure_marts import Waiting, dependents
from idiscover.aws.job_metadata import JobMetadata
from idiscover.errors import RetriableError
from idiscover.plan.build import build_plans
from idiscover.plan.model import RefreshPlan

from tests.unit.metadata_samples import sample_catalog, sample_context

MOST_TURNS = 2000  # of a wait: one that does not end would last for ever


class World:
    """Tables that are due, and an Airflow whose runs take half a minute. `outcomes`: of the next runs of a DAG."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        built = build_plans(sample_catalog(), sample_context(), "0" * 40)
        self.plans = dependents([plan for plan in built if isinstance(plan, RefreshPlan)], {"itg.lab"})
        self.due = {"itg.test"}
        self.now = 0.0
        self.obstacles: dict[str, str] = {}
        self.outcomes: dict[str, list[str]] = {}
        self.started: list[str] = []
        self.told: list[str] = []
        self.silent = 0  # questions that are not answered
        self._runs: dict[str, tuple[str, float]] = {}
        monkeypatch.setattr(erasure_marts, "is_claimable", lambda _metadata, plan: plan.table in self.due)
        monkeypatch.setattr(erasure_marts, "open_claim", lambda _metadata, _table: None)

    def wait(self) -> dict[str, str]:
        waiting = Waiting(cast(JobMetadata, None), self.plans, self, self.told.append, self.sleep, lambda: self.now)
        return waiting.wait()

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        assert self.now < MOST_TURNS * seconds, "the wait does not end"
        for dag_id, begun_at in self._runs.values():
            if self.now >= begun_at + 30 and self._outcome(dag_id) == "success":
                self._refresh(dag_id)

    def _outcome(self, dag_id: str) -> str:
        return next(iter(self.outcomes.get(dag_id, [])), "success")

    def _refresh(self, dag_id: str) -> None:
        [plan] = [plan for plan in self.plans if plan.header.dag_id == dag_id]
        if plan.table in self.due:
            self.due = self.due - {plan.table} | {one.table for one in self.plans if plan.table in one.inputs}

    def obstacle(self, dag_id: str) -> str | None:
        self._answer()
        return self.obstacles.get(dag_id)

    def start(self, dag_id: str) -> str:
        self._answer()
        if dag_id in self.started and self.outcomes.get(dag_id):
            self.outcomes[dag_id].pop(0)
        self.started.append(dag_id)
        run_id = f"erase__{len(self.started)}"
        self._runs[run_id] = (dag_id, self.now)
        return run_id

    def state(self, dag_id: str, run_id: str) -> str | None:
        self._answer()
        known, begun_at = self._runs[run_id]
        assert known == dag_id
        return "running" if self.now < begun_at + 30 else self._outcome(dag_id)

    def _answer(self) -> None:
        if self.silent:
            self.silent -= 1
            raise RetriableError("AWS does not answer")


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


def test_tables_are_woken_one_after_the_other_and_once(world: World) -> None:
    assert world.wait() == {}
    assert world.started[0] == "stg_to_itg__test" and sorted(world.started) == [
        "itg_to_dm__fact_test",
        "stg_to_itg__result",
        "stg_to_itg__test",
    ]


def test_a_run_that_takes_long_is_not_started_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world, "state", lambda _dag_id, _run_id: "running" if world.now < 3000 else "success")
    monkeypatch.setattr(world, "_outcome", lambda _dag_id: "running" if world.now < 3000 else "success")
    world.wait()
    assert world.started.count("stg_to_itg__test") == 1
    assert world.told.count("stg_to_itg__test erase__1: running") == 1


def test_a_paused_dag_is_told_at_once_and_the_others_are_waited_for(world: World) -> None:
    world.obstacles = {"stg_to_itg__result": "stg_to_itg__result is paused: unpause it"}
    assert world.wait() == {"itg.result": "stg_to_itg__result is paused: unpause it"}
    assert world.told[0] == "itg.result is not waited for: stg_to_itg__result is paused: unpause it"
    assert world.started == ["stg_to_itg__test", "itg_to_dm__fact_test"]


def test_a_dag_that_is_paused_while_its_run_runs_is_given_up(world: World) -> None:
    world.outcomes = {"stg_to_itg__test": ["running"]}
    sleep = world.sleep

    def pausing(seconds: float) -> None:
        sleep(seconds)
        if world.now > 100:
            world.obstacles = {"stg_to_itg__test": "stg_to_itg__test is paused"}

    world.sleep = pausing  # type: ignore[method-assign]
    assert world.wait() == {"itg.test": "stg_to_itg__test is paused"}


def test_one_failure_is_told_and_followed_by_another_run(world: World) -> None:
    world.outcomes = {"stg_to_itg__test": ["failed", "success"]}
    assert world.wait() == {}
    assert "itg.test: run erase__1 of stg_to_itg__test failed; it is started once more" in world.told
    assert world.started.count("stg_to_itg__test") == 2


def test_the_second_failure_ends_the_wait_for_the_table(world: World) -> None:
    world.outcomes = {"itg_to_dm__fact_test": ["failed", "failed", "failed"]}
    left = world.wait()
    assert list(left) == ["dm.fact_test"] and "2 runs failed" in left["dm.fact_test"]
    last = world.told[-1]
    assert "dm.fact_test" in last and "erase__" in last and "not waited for any more" in last
    assert left["dm.fact_test"].endswith(last.split("run ")[1].split(" of ")[0])
    assert world.started.count("itg_to_dm__fact_test") == 2 and world.due == {"dm.fact_test"}


def test_a_run_that_ended_well_and_left_something_is_followed_by_another(world: World) -> None:
    """Another run's claim was open, and that run has failed since."""
    refresh: Any = world._refresh
    world._refresh = lambda dag_id: refresh(dag_id) if world.now > 200 else None  # type: ignore[method-assign]
    assert world.wait() == {}


def test_an_airflow_that_is_silent_for_a_while_is_asked_again(world: World) -> None:
    world.silent = 20
    assert world.wait() == {}


def test_an_airflow_that_stays_silent_ends_the_wait(world: World) -> None:
    world.silent = 10_000
    with pytest.raises(RetriableError):
        world.wait()


def test_an_airflow_that_tells_of_no_run_any_more_ends_the_wait(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(_dag_id: str, _run_id: str) -> str:
        raise RetriableError("Airflow is busy")

    world.outcomes = {"stg_to_itg__test": ["running"]}
    monkeypatch.setattr(world, "state", busy)
    with pytest.raises(RetriableError, match="Airflow is busy"):
        world.wait()
