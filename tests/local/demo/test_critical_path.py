"""What a day waited for, from tasks whose times are made up."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from local.demo.critical_path import EndedTask, Wakes, critical_path

BEGUN = datetime(2026, 1, 6, 2, tzinfo=UTC)


def at(seconds: float) -> datetime:
    """So many seconds into the day."""
    return BEGUN + timedelta(seconds=seconds)


def task(dag_id: str, task_id: str, started: float, ended: float, run_id: str = "r", map_index: int = -1) -> EndedTask:
    """A task instance."""
    return EndedTask(dag_id, run_id, task_id, at(started), at(ended), map_index)


def test_a_path_goes_back_over_tasks_events_and_earlier_runs() -> None:
    extracted = [task("extract", "step", 1, 10), task("extract", "end", 11, 12)]
    copied = [task("load", "copy", 14, 20), task("load", "end", 20.5, 22)]
    busy = task("refresh", "end", 21, 30, run_id="before")
    refreshed = [
        task("refresh", "slices", 31, 32),
        task("refresh", "call", 33, 40, map_index=0),
        task("refresh", "call", 40, 47, map_index=1),
        task("refresh", "end", 48, 49),
    ]
    aside = task("other", "end", 3, 29)
    wakes: Wakes = {
        ("load", "r"): [("extract", "r", at(12))],
        ("refresh", "r"): [("load", "r", at(22))],
        ("refresh", "before"): [("other", "r", at(20))],
    }
    path = critical_path([*refreshed, aside, busy, *copied, *extracted], wakes, BEGUN)
    assert [link.task for link in path] == [busy, *refreshed], "its DAG was at work when the event came"
    assert [link.waited_seconds for link in path] == [21, 1, 1, 0, 1]
    path = critical_path([*refreshed, aside, *copied, *extracted], wakes, BEGUN)
    assert [link.task for link in path] == [*extracted, *copied, *refreshed]
    assert [link.waited_seconds for link in path] == [1, 1, 2, 0.5, 9, 1, 0, 1]
    assert sum(link.waited_seconds + link.ran_seconds for link in path) == 49, "the whole day is told, once"


def test_the_end_of_a_task_may_be_written_after_its_event() -> None:
    before, after = task("load", "end", 1, 5.03), task("refresh", "slices", 5.01, 6)
    path = critical_path([before, after], {("refresh", "r"): [("load", "r", at(5))]}, BEGUN)
    assert [link.task for link in path] == [before, after]
    assert path[1].waited_seconds == 0


def test_a_day_without_tasks_has_no_path() -> None:
    assert critical_path([], {}, BEGUN) == []


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 20), st.sampled_from("ABC")), min_size=1, max_size=12))
def test_a_path_is_in_order_and_adds_up_to_the_day(rows: list[tuple[int, int, str]]) -> None:
    tasks = [
        task(dag_id, f"task {number}", started, started + lasted, run_id=f"run {number % 3}")
        for number, (started, lasted, dag_id) in enumerate(rows)
    ]
    path = critical_path(tasks, {}, BEGUN)
    assert path[-1].task.ended_at == max(item.ended_at for item in tasks)
    assert all(one.task.ended_at <= two.task.started_at for one, two in itertools.pairwise(path))
    total = sum(link.waited_seconds + link.ran_seconds for link in path)
    assert abs(total - (path[-1].task.ended_at - BEGUN).total_seconds()) < 1e-6
