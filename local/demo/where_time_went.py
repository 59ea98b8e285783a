"""Where a day's time went: processor time by part, tasks by kind, and the chain that the day's end waited for.

What it cannot see: how a task's time outside the platform's own code divides into starting its process, parsing its DAG
and asking Airflow; what of a Spark step is the JVM's start; and whether others used the processors too.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlparse

from idiscover.aws.clients import client
from idiscover.lake.keys import status_key
from idiscover.plan.tableau import DAG_PREFIX
from rich.console import Console
from rich.table import Table

from local.demo.critical_path import EndedTask, Link, RunKey, Wakes, critical_path
from local.demo.stand import Stand

_WATCH_STEPS = "emr_tasks.watch_steps"
_EXTRACTION = "sfdc_to_s3"
_OF_THE_PLATFORM = frozenset({"sweep_pending", "publish_dags"})
_WAITING = "waiting for a turn"
_CALLS, _COPY, _SPARK, _PLATFORM = "CALLs", "COPY", "Spark", "platform"
_EMR, _AROUND = "EMR, mails", "Airflow around it"
KINDS = (_WAITING, _AROUND, _EMR, _SPARK, _COPY, _CALLS, _PLATFORM)
Inside = Mapping[EndedTask, Mapping[str, float]]
"""Seconds by kind that lie inside a task's time."""


@dataclass(frozen=True)
class DayRecord:
    """What a day left behind."""

    begun_at: datetime
    tasks: list[EndedTask]
    wakes: Wakes
    inside: Inside


def record_of_day(stand: Stand, begun_at: datetime) -> DayRecord:
    """The day that began then and is over now."""
    tasks = list(_ended_tasks(stand, begun_at))
    woken = sorted({task.run for task in tasks if not task.dag_id.startswith((_EXTRACTION, DAG_PREFIX))})
    return DayRecord(
        begun_at, tasks, {run: list(_events(stand, run)) for run in woken}, _inside(stand, tasks, begun_at)
    )


def print_where_time_went(
    console: Console, day: DayRecord, processor_seconds: Mapping[str, float], cores: int, wall_seconds: float
) -> None:
    """Three tables: the processors, the tasks, the critical path."""
    console.print(_processors(processor_seconds, cores, wall_seconds))
    console.print(_tasks(day))
    of_the_day = [task for task in day.tasks if not task.dag_id.startswith(DAG_PREFIX)]  # it waits for no Tableau
    console.print(_path(critical_path(of_the_day, day.wakes, day.begun_at), day))


def split(task: EndedTask, inside: Inside) -> dict[str, float]:
    """A task's time by kind; what is known lies inside, the rest is Airflow's, or EMR's in an extraction."""
    known = dict(inside.get(task, {}))
    rest = _EMR if task.dag_id.startswith(_EXTRACTION) else _AROUND
    known[rest] = max(0.0, (task.ended_at - task.started_at).total_seconds() - sum(known.values()))
    return known


def _ended_tasks(stand: Stand, since: datetime) -> Iterator[EndedTask]:
    """Tasks that had a process of their own, those of no object and no table left out."""
    for item in stand.api.ended_tasks(since):
        if item["pid"] and item["start_date"] and item["end_date"] and item["dag_id"] not in _OF_THE_PLATFORM:
            yield EndedTask(
                dag_id=item["dag_id"],
                run_id=item["dag_run_id"],
                task_id=item["task_id"],
                map_index=item["map_index"],
                started_at=datetime.fromisoformat(item["start_date"]),
                ended_at=datetime.fromisoformat(item["end_date"]),
            )


def _events(stand: Stand, run: RunKey) -> Iterator[tuple[str, str, datetime]]:
    for event in stand.api.waking_events(*run):
        if event["source_dag_id"]:
            yield event["source_dag_id"], event["source_run_id"], datetime.fromisoformat(event["timestamp"])


def _inside(stand: Stand, tasks: Iterable[EndedTask], since: datetime) -> dict[EndedTask, dict[str, float]]:
    """From the steps' logs, the claims' calls and EMR's steps. A step's own time contains its CALLs."""
    by_run: dict[RunKey, list[EndedTask]] = defaultdict(list)
    for task in tasks:
        by_run[task.run].append(task)
    found: dict[EndedTask, Counter[str]] = defaultdict(Counter)

    def add(run: RunKey, at: datetime, kind: str, seconds: float) -> None:
        for task in by_run[run]:
            if task.started_at <= at <= task.ended_at:
                found[task][kind] += seconds
                return

    for dag_id, run_id, step, seconds, at in stand.job_metadata(
        "select dag_id, run_id, step, (document ->> 'step_seconds')::float, written_at_utc from job.step_log"
        " where written_at_utc >= %s and document ->> 'step_seconds' is not null",
        [since],
    ):
        add((dag_id, run_id), at, _COPY if step == "copy" else _PLATFORM, seconds)
    dags = {spec.table: f"{spec.family.value}__{spec.name}" for spec in stand.catalog.tables.values()}
    for table, run_id, seconds, at in stand.job_metadata(
        "select target, run_id, seconds, called_at_utc from job.claim_call join job.claim using (claim_id)"
        " where called_at_utc >= %s",
        [since],
    ):
        add((dags[table], run_id), at, _CALLS, seconds)
        add((dags[table], run_id), at, _PLATFORM, -seconds)
    by_request = {status_key(*run, "request"): run for run in by_run}  # a cluster may be that of several runs
    for request, begun_at, ended_at in _spark_steps(stand, since):
        for task in by_run[by_request[request]] if request in by_request else ():
            if task.task_id == _WATCH_STEPS:
                overlap = (min(ended_at, task.ended_at) - max(begun_at, task.started_at)).total_seconds()
                found[task][_SPARK] = max(0.0, overlap)
    return {task: {kind: max(0.0, seconds) for kind, seconds in kinds.items()} for task, kinds in found.items()}


def _spark_steps(stand: Stand, since: datetime) -> Iterator[tuple[str, datetime, datetime]]:
    """Of each cluster's steps that have ended: the key of the request that it was told, and from when to when."""
    emr = client("emr", stand.context.region)
    for page in emr.get_paginator("list_clusters").paginate():
        for cluster in page["Clusters"]:
            if cluster["Status"]["Timeline"]["CreationDateTime"] < since:
                return  # the newest come first
            for step in emr.list_steps(ClusterId=cluster["Id"])["Steps"]:
                times = step["Status"]["Timeline"]
                if "StartDateTime" in times and "EndDateTime" in times:
                    request = urlparse(step["Config"]["Args"][-1]).path.removeprefix("/")
                    yield request, times["StartDateTime"], times["EndDateTime"]


def _processors(seconds: Mapping[str, float], cores: int, wall_seconds: float) -> Table:
    total = sum(seconds.values())
    busy = total / (wall_seconds * cores) if wall_seconds else 0
    table = Table("part", "processor seconds", "share", title=f"Processors: {busy:.0%} of {cores} cores were busy")
    for part, used in sorted(seconds.items(), key=lambda item: -item[1]):
        table.add_row(part, f"{used:.1f}", f"{used / total:.0%}" if total else "")
    table.add_row("all", f"{total:.1f}", "")
    return table


def _tasks(day: DayRecord) -> Table:
    """Per family and task: how many, how long, and of what."""
    groups: dict[tuple[str, str], list[EndedTask]] = defaultdict(list)
    for task in day.tasks:
        is_of_tableau = task.dag_id.startswith(DAG_PREFIX)
        family = DAG_PREFIX.rstrip("_") if is_of_tableau else task.dag_id.split("__")[0]
        groups[family, task.task_id].append(task)
    table = Table("family", "task", "number", "seconds", *KINDS[1:], title=f"{len(day.tasks)} tasks")
    for (family, task_id), members in sorted(groups.items(), key=lambda item: min(t.started_at for t in item[1])):
        kinds = _sum(split(task, day.inside) for task in members)
        table.add_row(family, task_id, str(len(members)), _number(sum(kinds.values())), *_cells(kinds))
    return table


def _path(path: list[Link], day: DayRecord) -> Table:
    total = _sum({_WAITING: link.waited_seconds, **split(link.task, day.inside)} for link in path)
    title = "Critical path: what the day's end had to wait for, in seconds"
    table = Table("at", "DAG", "task", *KINDS, title=title)
    for link in path:
        kinds = {_WAITING: link.waited_seconds, **split(link.task, day.inside)}
        at = (link.task.started_at - day.begun_at).total_seconds()
        table.add_row(f"{at:.0f}", link.task.dag_id, link.task.task_id, _number(link.waited_seconds), *_cells(kinds))
    table.add_row(f"{sum(total.values()):.0f}", "", "all", _number(total[_WAITING]), *_cells(total))
    return table


def _sum(parts: Iterable[Mapping[str, float]]) -> Counter[str]:
    total: Counter[str] = Counter()
    for part in parts:
        total.update(part)  # type: ignore[arg-type]
    return total


def _cells(kinds: Mapping[str, float]) -> list[str]:
    return [_number(kinds.get(kind, 0)) for kind in KINDS[1:]]


def _number(seconds: float) -> str:
    return f"{seconds:.1f}" if seconds >= 0.05 else ""
