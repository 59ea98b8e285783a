"""What can happen around a task, to be entered while a DAG runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any


def killed(task_id: str, map_index: int = -1) -> Callable[[], AbstractContextManager[None]]:
    """Every try of the task ends without having said or done anything."""

    @contextmanager
    def around() -> Iterator[None]:
        from airflow.sdk.execution_time import task_runner

        plain = task_runner.run

        def run(ti: Any, context: Any, log: Any) -> Any:
            if (ti.task_id, ti.map_index) != (task_id, map_index):
                return plain(ti, context, log)
            message, ti.state = task_runner._finalize_task_failure(ti)
            task_runner.SUPERVISOR_COMMS.send(message)
            return ti.state, message, None

        task_runner.run = run
        try:
            yield
        finally:
            task_runner.run = plain

    return around


@contextmanager
def nothing() -> Iterator[None]:
    """Nothing happens."""
    yield
