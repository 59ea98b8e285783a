"""How much processor time the parts of a stack have used."""

from __future__ import annotations

from dataclasses import dataclass

import psutil

from local.stack.layout import Layout, load_settings
from local.stack.parts import record_of, stack_parts

SCHEDULER = "airflow-scheduler"
TASKS = "airflow tasks"  # what the scheduler's workers and their processes use


@dataclass(frozen=True)
class Usage:
    """Processor time (user and system, seconds) of a part's process `pid` and of all that came from it."""

    pid: int
    seconds: float


def processor_time(layout: Layout) -> dict[str, Usage]:
    """Usage per running part since it started; the scheduler's tasks apart from the scheduler.

    Processes that have ended count in the one that waited for them. What nobody waited for, and what left its part's
    tree, is not seen.
    """
    settings = load_settings(layout)
    found: dict[str, Usage] = {}
    for part in [] if settings is None else stack_parts(layout, settings):
        process = record_of(layout, part.name).find()
        if process is None:
            continue
        own, descendants = _own_and_descendants(process)
        if part.name == SCHEDULER:
            found[SCHEDULER] = Usage(process.pid, own)
            found[TASKS] = Usage(process.pid, descendants)
        else:
            found[part.name] = Usage(process.pid, own + descendants)
    return found


def spent(before: dict[str, Usage], after: dict[str, Usage]) -> dict[str, float]:
    """Seconds between two looks, per part; without those that were started anew in between."""
    return {
        name: usage.seconds - before[name].seconds
        for name, usage in after.items()
        if name in before and before[name].pid == usage.pid
    }


def _own_and_descendants(process: psutil.Process) -> tuple[float, float]:
    try:
        times = process.cpu_times()
        own, descendants = times.user + times.system, times.children_user + times.children_system
        for child in process.children(recursive=True):
            descendants += _all_of(child)
    except psutil.NoSuchProcess:
        return 0.0, 0.0
    return own, descendants


def _all_of(process: psutil.Process) -> float:
    """A process's own time and that of its ended children; 0 if it has ended meanwhile."""
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system + times.children_user + times.children_system)
