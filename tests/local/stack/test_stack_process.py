"""Processes that are found again: after a kill, behind a recycled pid, with children, in folders with blanks."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from local.stack import process as process_module
from local.stack.process import PART_MARK, STACK_MARK, ProcessRecord, log_tail, stack_processes

SLEEPER = "import time; print('here', flush=True); time.sleep(120)"
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('here', flush=True); time.sleep(120)"
)
PARENT = (
    "import subprocess, sys, time;"
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(120)']);"
    "print('child', child.pid, flush=True); time.sleep(120)"
)


@pytest.fixture
def record(tmp_path: Path) -> Iterator[ProcessRecord]:
    """A record in a folder with a blank; whatever it started is ended after the test."""
    folder = tmp_path / "a stack"
    found = ProcessRecord(folder / "pids" / "part.json", folder / "logs" / "part.log", str(folder), "part")
    yield found
    found.stop(signal.SIGKILL, 5)


def start(record: ProcessRecord, code: str) -> psutil.Process:
    """Starts python code as the record's process, once it has printed its first line."""
    process = record.start([sys.executable, "-c", code], dict(os.environ), record.file.parent.parent.parent)
    wait_for(lambda: record.log.stat().st_size > 0)
    return process


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Polls until the condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.02)


def is_gone(pid: int) -> bool:
    """Whether no such process runs; one that only waits to be reaped does not run."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_a_process_is_found_by_another_record_object(record: ProcessRecord) -> None:
    process = start(record, SLEEPER)
    again = ProcessRecord(record.file, record.log, record.stack, record.part).find()
    assert again is not None
    assert again.pid == process.pid


def test_it_leads_a_session_of_its_own(record: ProcessRecord) -> None:
    process = start(record, SLEEPER)
    assert os.getsid(process.pid) == process.pid != os.getsid(0)


def test_a_killed_process_is_not_found(record: ProcessRecord) -> None:
    process = start(record, SLEEPER)
    os.kill(process.pid, signal.SIGKILL)
    wait_for(lambda: record.find() is None)


def test_a_recycled_pid_is_not_taken_for_the_part(record: ProcessRecord) -> None:
    record.file.parent.mkdir(parents=True)
    record.file.write_text(json.dumps({"pid": os.getpid(), "started": psutil.Process().create_time() - 60}))
    assert record.find() is None


def test_stop_ends_the_process_and_forgets_it(record: ProcessRecord) -> None:
    process = start(record, SLEEPER)
    assert record.stop(signal.SIGTERM, 5)
    assert is_gone(process.pid)
    assert record.find() is None
    assert not record.stop(signal.SIGTERM, 5), "there is nothing left to stop"


def test_stop_does_not_wait_for_ever(record: ProcessRecord) -> None:
    process = start(record, STUBBORN)
    assert record.stop(signal.SIGTERM, 0.3)
    assert is_gone(process.pid)


def test_stop_reaches_the_children_that_a_kill_left_behind(record: ProcessRecord) -> None:
    process = start(record, PARENT)
    child = int(record.log.read_text().split()[1])
    os.kill(process.pid, signal.SIGKILL)
    wait_for(lambda: record.find() is None)
    assert not is_gone(child), "the child outlives its parent: that is what the test is about"
    assert record.stop(signal.SIGTERM, 5)
    assert is_gone(child)


def test_the_log_is_continued_by_the_next_start(record: ProcessRecord) -> None:
    start(record, SLEEPER)
    record.stop(signal.SIGTERM, 5)
    start(record, "import time; print('again', flush=True); time.sleep(120)")
    wait_for(lambda: record.log.read_text() == "here\nagain\n")


def test_the_tail_of_a_log_is_its_last_lines_whatever_bytes_they_hold(tmp_path: Path) -> None:
    log = tmp_path / "part.log"
    assert "no log" in log_tail(log)
    log.write_bytes(b"first\n" + b"\xff" + b"line\n" * 30 + b"last")
    assert log_tail(log, 3) == "    line\n    line\n    last"


def test_a_clock_that_was_set_does_not_hide_the_part(record: ProcessRecord) -> None:
    process = start(record, SLEEPER)
    document = json.loads(record.file.read_text())
    record.file.write_text(json.dumps({**document, "started": document["started"] - 86_400}))
    found = record.find()
    assert found is not None and found.pid == process.pid


def test_a_record_of_another_time_ends_nobody(record: ProcessRecord) -> None:
    """After a restart of the machine the recorded pid may be a stranger's, who leads a session as a part would."""
    stranger = subprocess.Popen([sys.executable, "-c", SLEEPER], start_new_session=True, stdout=subprocess.DEVNULL)
    try:
        record.file.parent.mkdir(parents=True)
        record.file.write_text(json.dumps({"pid": stranger.pid, "started": time.time() - 86_400}))
        assert record.find() is None
        assert not record.stop(signal.SIGKILL, 5)
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_part_that_writes_its_title_over_its_memory_is_found(record: ProcessRecord) -> None:
    code = "import setproctitle, time; setproctitle.setproctitle('worker ' * 200); print('here', flush=True);"
    process = record.start(
        [sys.executable, "-c", code + "time.sleep(120)"], {**os.environ, "SPT_NOENV": "1"}, record.file.parents[2]
    )
    wait_for(lambda: record.log.stat().st_size > 0)
    assert [member.pid for member in record.members()] == [process.pid]


def test_a_child_that_left_its_session_is_of_the_stack_and_one_of_another_stack_is_not(record: ProcessRecord) -> None:
    other = ProcessRecord(record.file.with_name("other.json"), record.log, record.stack + " two", record.part)
    code = PARENT.replace("'import time; time.sleep(120)']", "'import time; time.sleep(120)'], start_new_session=True")
    start(record, code)
    stranger = other.start([sys.executable, "-c", SLEEPER], dict(os.environ), record.file.parents[2])
    try:
        child = int(record.log.read_text().split()[1])
        assert child in {process.pid for process in stack_processes(record.stack)}
        assert stranger.pid not in {process.pid for process in stack_processes(record.stack)}
        assert record.stop(signal.SIGTERM, 5)
        assert is_gone(child) and not is_gone(stranger.pid)
    finally:
        other.stop(signal.SIGKILL, 5)


def test_a_child_gets_the_marks_by_which_it_is_found(record: ProcessRecord) -> None:
    process = start(record, SLEEPER)
    environment = process.environ()
    assert (environment[STACK_MARK], environment[PART_MARK]) == (record.stack, record.part)


def test_a_log_that_has_grown_large_is_put_aside(record: ProcessRecord, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_module, "LOG_BYTES", 3)
    start(record, SLEEPER)
    record.stop(signal.SIGKILL, 5)
    start(record, SLEEPER)
    assert record.log.read_text() == "here\n"
    assert record.log.with_suffix(".log.1").read_text() == "here\n"
