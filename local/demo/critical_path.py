"""What a day had to wait for: the chain of tasks that ends with the day's last. Pure.

Airflow does not record what a task waited for, but what there is to wait for: the tasks before it in its run, the event
that woke its run, and the run of its DAG before that one, as consumers have one run at a time. The last of those to end
was what held it up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

RunKey = tuple[str, str]
"""dag_id and run_id."""
Wakes = Mapping[RunKey, Sequence[tuple[str, str, datetime]]]
"""Of each run, the events that it was woken by: dag_id and run_id of where they come from, and when."""

_CLOCK = timedelta(milliseconds=50)  # a task's end is written a moment after the event that it emits


@dataclass(frozen=True)
class EndedTask:
    """A task instance of the day that ran in a process of its own."""

    dag_id: str
    run_id: str
    task_id: str
    started_at: datetime
    ended_at: datetime
    map_index: int = -1

    @property
    def run(self) -> RunKey:
        """Its run."""
        return self.dag_id, self.run_id


@dataclass(frozen=True)
class Link:
    """A task of the critical path, and since when nothing but Airflow held it up."""

    task: EndedTask
    free_at: datetime

    @property
    def waited_seconds(self) -> float:
        """From when it could have started to its start."""
        return max(0.0, (self.task.started_at - self.free_at).total_seconds())

    @property
    def ran_seconds(self) -> float:
        """From its start to its end."""
        return (self.task.ended_at - self.task.started_at).total_seconds()


def critical_path(tasks: Sequence[EndedTask], wakes: Wakes, begun_at: datetime) -> list[Link]:
    """The links from `begun_at` to the task that ended last, in order; empty without tasks."""
    path: list[Link] = []
    task = max(tasks, key=lambda item: item.ended_at, default=None)
    while task is not None:
        before = _held_up_by(task, tasks, wakes)
        path.append(Link(task, begun_at if before is None else min(before.ended_at, task.started_at)))
        task = before
    return path[::-1]


def _held_up_by(task: EndedTask, tasks: Sequence[EndedTask], wakes: Wakes) -> EndedTask | None:
    """The last to end of all that had to end before `task`."""
    limit = task.started_at + _CLOCK
    earlier = [other for other in tasks if other.ended_at <= limit and other != task]
    own = [other for other in earlier if other.run == task.run]
    if own:
        return max(own, key=lambda other: other.ended_at)
    sources = {(dag_id, run_id) for dag_id, run_id, at in wakes.get(task.run, ()) if at <= limit}
    candidates = [other for other in earlier if other.run in sources or other.dag_id == task.dag_id]
    return max(candidates, key=lambda other: other.ended_at, default=None)
