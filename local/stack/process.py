"""A detached process that is found again: a record of pid and start time, a log, a stop that reaches its children."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

_SAME_START_SECONDS = 2.0


@dataclass(frozen=True)
class ProcessRecord:
    """Where a part's process is recorded, and where its output goes."""

    file: Path
    log: Path

    def find(self) -> psutil.Process | None:
        """The recorded process if it still runs; a pid that another process got meanwhile is not it."""
        if not self.file.exists():
            return None
        record = json.loads(self.file.read_text())
        try:
            process = psutil.Process(record["pid"])
            same = abs(process.create_time() - record["started"]) < _SAME_START_SECONDS
            return process if same and process.status() != psutil.STATUS_ZOMBIE else None
        except psutil.NoSuchProcess:
            return None

    def started(self) -> float | None:
        """When the recorded process was started, seconds since the epoch; None where none is recorded."""
        return float(json.loads(self.file.read_text())["started"]) if self.file.exists() else None

    def start(self, command: Sequence[str], environment: Mapping[str, str], folder: Path) -> psutil.Process:
        """Starts `command` in a session of its own: it outlives this process and its terminal."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            child = subprocess.Popen(
                list(command),
                env=dict(environment),
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        process = psutil.Process(child.pid)
        partial = self.file.with_suffix(".partial")
        partial.write_text(json.dumps({"pid": child.pid, "started": process.create_time()}))
        partial.replace(self.file)
        return process

    def stop(self, first: signal.Signals, patience_seconds: float) -> bool:
        """Asks the process to end, then ends it and whatever is left of its session.

        Returns:
            Whether there was anything to stop.
        """
        process = self.find()
        session = _session_members(self._recorded_pid())
        if process is None and not session:
            self.file.unlink(missing_ok=True)
            return False
        if process is not None:
            process.send_signal(first)
            _wait([process], patience_seconds)
        for member in _session_members(self._recorded_pid()):
            _signal(member, signal.SIGTERM)
        left = _wait(_session_members(self._recorded_pid()), 5)
        for member in left:
            _signal(member, signal.SIGKILL)
        _wait(left, 5)
        self.file.unlink(missing_ok=True)
        return True

    def _recorded_pid(self) -> int:
        return int(json.loads(self.file.read_text())["pid"]) if self.file.exists() else -1


def _session_members(session: int) -> list[psutil.Process]:
    """Processes of the session that the recorded process leads or led; its children after a kill -9 too."""
    if session <= 0:
        return []
    members = []
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) == session and process.status() != psutil.STATUS_ZOMBIE:
                members.append(process)
        except (ProcessLookupError, psutil.NoSuchProcess, PermissionError):
            continue
    return members


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return


def _wait(processes: Sequence[psutil.Process], seconds: float) -> list[psutil.Process]:
    """Those that still run after `seconds`. A child of this very process has to be reaped, or it never ends."""
    deadline = time.monotonic() + seconds
    left = list(processes)
    while left and time.monotonic() < deadline:
        _, left = psutil.wait_procs(left, timeout=0.1)
        left = [process for process in left if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]
    return left


def log_tail(log: Path, lines: int = 15) -> str:
    """The last lines of a log, indented; for messages about a part that did not come up."""
    if not log.exists():
        return "    (no log)"
    text = log.read_bytes()[-20_000:].decode("utf-8", errors="replace")
    return "\n".join(f"    {line}" for line in text.splitlines()[-lines:])
