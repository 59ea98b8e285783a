"""Names of tasks, and what their states in one run say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow.sdk import Context

GROUP = "emr_tasks"
START_MAIL = "send_email_cluster_start"
CREATE = f"{GROUP}.create_cluster"
ADD_STEPS = f"{GROUP}.add_steps"
WATCH_STEPS = f"{GROUP}.watch_steps"
TERMINATE = f"{GROUP}.terminate_cluster"
WATCH_TERMINATION = f"{GROUP}.watch_termination"
CLOSING_MAIL = "send_email_cluster_termination"
END = "end"
SLICES = "t1.slices"
CALL = "t1.call"

CHAIN = (START_MAIL, CREATE, ADD_STEPS, WATCH_STEPS, TERMINATE, WATCH_TERMINATION, CLOSING_MAIL, END)

_WORK, _CLEAN_UP = CHAIN[:4], CHAIN[4:6]
FINISHED = frozenset({"success", "failed", "skipped", "upstream_failed", "removed"})


def task_states(context: Context) -> dict[str, str | None]:
    """State of every task of this run; a mapped task's key ends with `_<map index>`."""
    ti = context["ti"]
    states = ti.get_task_states(dag_id=ti.dag_id, run_ids=[ti.run_id])
    return {task: None if state is None else str(state) for task, state in states.get(ti.run_id, {}).items()}


def faults(states: Mapping[str, str | None]) -> dict[str, str]:
    """The tasks of an extraction that did not do their part, with their state, in the order of the chain.

    The work must have succeeded: a run marked failed by hand leaves its later tasks skipped, and that is no success.
    The clean-up may be skipped, where there was no cluster. A mail that was not sent is no fault.
    """
    wrong = {task: states.get(task) or "not run" for task in _WORK if states.get(task) != "success"}
    for task in _CLEAN_UP:
        if states.get(task) not in ("success", "skipped"):
            wrong[task] = states.get(task) or "not run"
    return wrong


def cluster_is_done(states: Mapping[str, str | None]) -> bool:
    """Whether the run's cluster was already terminated, so that an earlier task of the chain was cleared alone."""
    return states.get(TERMINATE) in FINISHED
