"""Processor time of a stack's parts."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from local.stack.cpu import SCHEDULER, TASKS, Usage, processor_time, spent
from local.stack.layout import Layout, ensure_settings
from local.stack.parts import record_of

_USE = "import sys, time\nwhile time.process_time() < float(sys.argv[1]): pass\n"
# Uses some time itself, and has a child that uses more, which it waits for.
_WORK = f"""{_USE}
import subprocess
subprocess.run([sys.executable, "-c", {_USE!r}, sys.argv[2]])
print("done", flush=True)
time.sleep(60)
"""
_CLOCK_SECONDS = 0.02  # the operating system counts in hundredths


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """A stack of which nothing runs."""
    found = Layout("one", tmp_path / "one")
    ensure_settings(found, {})
    return found


def test_children_count_even_when_they_have_ended_and_the_schedulers_are_its_tasks(layout: Layout) -> None:
    record = record_of(layout, SCHEDULER)
    command = [sys.executable, "-c", _WORK, "0.1", "0.6"]
    process = record.start(command, dict(os.environ), layout.home)
    try:
        while "done" not in (record.log.read_text() if record.log.exists() else ""):
            assert process.is_running()
        used = processor_time(layout)
    finally:
        record.stop(signal.SIGKILL, 5)
    assert set(used) == {SCHEDULER, TASKS}, "nothing else runs"
    assert used[SCHEDULER].seconds >= 0.1 - _CLOCK_SECONDS and used[TASKS].seconds >= 0.6 - _CLOCK_SECONDS
    assert used[SCHEDULER].seconds < used[TASKS].seconds


def test_nothing_is_used_where_nothing_runs(layout: Layout) -> None:
    assert processor_time(layout) == {}


def test_what_was_started_anew_is_left_out() -> None:
    before = {"aws": Usage(1, 10.0), "agent": Usage(2, 5.0)}
    after = {"aws": Usage(1, 12.5), "agent": Usage(3, 1.0), "salesforce": Usage(4, 1.0)}
    assert spent(before, after) == {"aws": 2.5}
