"""Processes of a step: started through a wrapper that leaves traces on disk, found again, and killed as a whole tree.

The wrapper is a shell in a session of its own. Its traces in the run directory tell a later agent everything:

    launch/     made by whoever comes first, the wrapper or an agent that gives the launch up: it starts at most once
    pid         the wrapper's pid and the second it started
    exit_code   written after the command ended
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

GRACE_SECONDS = 5.0
# A pid counts as ours only if its process began within this many seconds of the time the wrapper wrote down.
START_TOLERANCE_SECONDS = 5.0
_WRAPPER = """
trap : TERM INT HUP
run=$1; shift
mkdir "$run/launch" 2>/dev/null || exit 0
echo "$$ $(date +%s)" >"$run/pid.partial" && mv "$run/pid.partial" "$run/pid"
cd "$run/work" || exit 1
"$@" >"$run/stdout" 2>"$run/stderr" </dev/null
echo "$?" >"$run/exit_code.partial" && mv "$run/exit_code.partial" "$run/exit_code"
"""


def start(run: Path, command: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start `command` under the wrapper, in a new session, with `run`/work as its directory."""
    (run / "work").mkdir(exist_ok=True)
    return subprocess.Popen(
        ["/bin/sh", "-c", _WRAPPER, "step", str(run), *command],
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def give_up_launch(run: Path) -> bool:
    """Take the right to launch away from the wrapper; False if the wrapper has already begun."""
    try:
        (run / "launch").mkdir()
    except FileExistsError:
        return False
    return True


def exit_code(run: Path) -> int | None:
    """The command's exit code; None while it is not known."""
    try:
        return int((run / "exit_code").read_text())
    except (FileNotFoundError, ValueError):
        return None


def _recorded(run: Path) -> tuple[int, int] | None:
    """The wrapper's pid and the second it started, as it wrote them down."""
    try:
        pid, started = (int(word) for word in (run / "pid").read_text().split())
    except (FileNotFoundError, ValueError):
        return None
    return pid, started


def wrapper_pid(run: Path) -> int | None:
    """The pid of the wrapper, if it is still the process that wrote it down."""
    recorded = _recorded(run)
    if recorded is None:
        return None
    pid, started = recorded
    try:
        process = psutil.Process(pid)
        if abs(process.create_time() - started) > START_TOLERANCE_SECONDS or process.status() == psutil.STATUS_ZOMBIE:
            return None
    except psutil.Error:
        return None
    return pid


def session(run: Path) -> int | None:
    """The session in which what the wrapper started may still live; None if that number can mean something else now."""
    recorded = _recorded(run)
    if recorded is None or psutil.boot_time() > recorded[1] + START_TOLERANCE_SECONDS:
        return None
    pid = recorded[0]
    return pid if wrapper_pid(run) == pid or not psutil.pid_exists(pid) or _is_zombie(pid) else None


def _is_zombie(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.Error:
        return True


def tree(leader: int) -> list[psutil.Process]:
    """Every living process of the leader's session, and all their descendants.

    Spark's Python daemon makes itself a process group of its own, so a group would miss it; nobody leaves the session.
    """
    found: dict[int, psutil.Process] = {}
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if os.getsid(process.pid) == leader and process.status() != psutil.STATUS_ZOMBIE:
                found[process.pid] = process
                found.update((child.pid, child) for child in process.children(recursive=True))
    return list(found.values())


def kill_tree(leader: int, grace_seconds: float = GRACE_SECONDS) -> int:
    """SIGTERM, then SIGKILL for what still lives after the grace; returns how many processes were signalled."""
    signalled = {process.pid for process in _signal_all(tree(leader), signal.SIGTERM)}
    deadline = time.monotonic() + grace_seconds
    while tree(leader) and time.monotonic() < deadline:
        time.sleep(0.1)
    # What is forked while we kill is caught in the next round.
    while remaining := tree(leader):
        signalled.update(process.pid for process in _signal_all(remaining, signal.SIGKILL))
        time.sleep(0.05)
    return len(signalled)


def _signal_all(processes: list[psutil.Process], number: signal.Signals) -> list[psutil.Process]:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(number)
    return processes
