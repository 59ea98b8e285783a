"""Runs DAGs that fail: every class of error at every task of every family, and what EMR and the step can do to a run.

As real as `rehearsal.py`; the retries are Airflow's own, without their pauses.

    python -m tests.dags.failing <dag_id of an extraction> <of a load> <of a refresh>
        <of an extraction that shares its cluster> <of another> <file for the results>
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import boto3
from idiscover.errors import ConfigError, DataQualityError, FatalError, NextRunError, RetriableError

from tests.dags.accidents import killed, nothing
from tests.dags.played import Agent, AwsFaults, Played, StepEnd
from tests.dags.rehearsal import DAY, _dag, _verify_sender, prepare_airflow, rehearse
from tests.dags.sharing import scenes as sharing_scenes

WORDS: dict[str, str] = {"where": "somewhere", "got": "3", "expected": "4", "remedy": "turn it off and on"}
ERRORS: dict[str, Exception] = {
    "retriable": RetriableError("the line is down", **WORDS),
    "next_run": NextRunError("the day's calls are used up", **WORDS),
    "config": ConfigError("no such field", **WORDS),
    "fatal": FatalError("a table is missing", **WORDS),
    "data_quality": DataQualityError("counts differ", **WORDS),
    "unforeseen": KeyError("claim_id"),
}
UNITS = [["DE", "FR"], ["IT"]]


@dataclass
class Scene:
    """What goes wrong in one run: in the played parts, in AWS, at the ends of its steps, inside Airflow."""

    faults: dict[str, list[Exception]] = field(default_factory=dict)
    lasting: bool = True
    aws: dict[str, list[str]] = field(default_factory=dict)
    ends: list[StepEnd | Exception] = field(default_factory=lambda: [StepEnd.COMPLETED])
    around: Callable[[], AbstractContextManager[None]] | None = None


@contextmanager
def _killed_after_create() -> Iterator[None]:
    """create_cluster ends each time when its cluster is made and nobody was told of it."""
    from airflow.providers.amazon.aws.operators import emr

    persist = emr.EmrClusterLink.persist

    def killed(*_args: Any, operator: Any, **_kwargs: Any) -> None:
        if operator.task_id == "emr_tasks.create_cluster":
            raise RuntimeError("killed")
        persist(*_args, operator=operator, **_kwargs)

    emr.EmrClusterLink.persist = killed
    try:
        yield
    finally:
        emr.EmrClusterLink.persist = persist


EXTRACTIONS: dict[str, Scene] = {
    **{f"start {name}": Scene(faults={"open_extraction": [error]}) for name, error in ERRORS.items()},
    "start passes": Scene(faults={"open_extraction": [ERRORS["retriable"]] * 2}, lasting=False),
    "create throttled": Scene(aws={"RunJobFlow": ["ThrottlingException"]}),
    "create refused": Scene(aws={"RunJobFlow": ["AccessDeniedException"] * 9}),
    "create killed": Scene(around=_killed_after_create),
    "add lost": Scene(aws={"AddJobFlowSteps": [AwsFaults.LOST]}),
    "add throttled": Scene(aws={"AddJobFlowSteps": ["ThrottlingException"] * 9}),
    "step passes": Scene(ends=[ERRORS["retriable"], StepEnd.KILLED, StepEnd.COMPLETED]),
    **{f"step {name}": Scene(ends=[error]) for name, error in ERRORS.items()},
    "step killed": Scene(ends=[StepEnd.KILLED]),
    "step wordless": Scene(ends=[StepEnd.WORDLESS]),
    "watch killed": Scene(around=killed("emr_tasks.watch_steps")),
    "closing mail killed": Scene(ends=[ERRORS["config"]], around=killed("send_email_cluster_termination")),
    "cluster terminated": Scene(ends=[StepEnd.CANCELLED]),
    "terminate throttled": Scene(aws={"TerminateJobFlows": ["ThrottlingException"] * 2}),
    "terminate refused": Scene(aws={"TerminateJobFlows": ["AccessDeniedException"] * 9}),
    **{f"end {name}": Scene(faults={"close_extraction": [ERRORS[name]]}) for name in ("retriable", "data_quality")},
    "end passes": Scene(faults={"close_extraction": [ERRORS["retriable"]] * 2}, lasting=False),
}
_LOAD_CALLS = {"copy": "copy_pending", "reconcile": "reconcile", "end": "finish_load"}
LOADS: dict[str, Scene] = {
    f"{task} {name}": Scene(faults={call: [error]})
    for task, call in _LOAD_CALLS.items()
    for name, error in ERRORS.items()
}
_REFRESH_CALLS = {"slices": "claim_slices", "call": "call_unit DE+FR", "end": "finish_refresh"}
LOADS["copy killed"] = Scene(around=killed("copy"))
REFRESHES: dict[str, Scene] = {
    f"{task} {name}": Scene(faults={call: [error]})
    for task, call in _REFRESH_CALLS.items()
    for name, error in ERRORS.items()
}
REFRESHES["call passes"] = Scene(faults={"call_unit IT": [ERRORS["retriable"]] * 2}, lasting=False)
REFRESHES["call killed"] = Scene(around=killed("t1.call", 0))
REFRESHES["call mixed"] = Scene(faults={"call_unit DE+FR": [ERRORS["retriable"]], "call_unit IT": [ERRORS["fatal"]]})


def main(extraction: str, load: str, refresh: str, first: str, second: str, results: Path) -> None:
    """Writes a dictionary of family → scenario → facts."""
    played = Played()
    played.install()
    prepare_airflow()
    plan = _dag(extraction).get_task("end").plan
    boto3.client("s3").create_bucket(Bucket=plan.context.buckets.data)
    _verify_sender(_dag(extraction))
    found: dict[str, dict[str, Any]] = {"extraction": {}, "load": {}, "refresh": {}}
    for number, (name, scene) in enumerate(EXTRACTIONS.items()):
        found["extraction"][name] = _run(extraction, scene, played, number)
    for family, dag_id, scenes in (("load", load, LOADS), ("refresh", refresh, REFRESHES)):
        for name, scene in scenes.items():
            found[family][name] = _run(dag_id, scene, played)
    found["sharing"] = sharing_scenes((first, second), played, _dag_without_pauses)
    results.write_text(json.dumps(found, indent=1), encoding="utf-8")


@cache
def _dag_without_pauses(dag_id: str) -> Any:
    """Read once: no scene changes a DAG, and reading all of them takes as long as a task does."""
    dag = _dag(dag_id)
    for task in dag.tasks:
        task.retry_delay, task.retry_exponential_backoff = timedelta(0), 0
    return dag


def _run(dag_id: str, scene: Scene, played: Played, day: int | None = None) -> dict[str, Any]:
    dag = _dag_without_pauses(dag_id)
    played.reset()
    played.units, played.faults, played.lasting = UNITS, dict(scene.faults), scene.lasting
    agent, aws = Agent(os.environ["AWS_ENDPOINT_URL"], played), AwsFaults()
    agent.ends, aws.codes = scene.ends, {operation: list(codes) for operation, codes in scene.aws.items()}
    with agent.at_work(), aws.at_work(), (scene.around or nothing)():
        facts = rehearse(dag, None if day is None else DAY + timedelta(days=day), played)
    return {**facts, "steps": agent.steps}


if __name__ == "__main__":
    main(*sys.argv[1:6], Path(sys.argv[6]))
