"""A detached process that is found again: a record, a log, marks in its environment, a stop that reaches all.

Every process of a stack carries two variables, and its children inherit them: which stack, and which part. So a pid
that another process was given meanwhile is not taken for ours, and what a kill -9 left behind is found whatever became
of its parent, its group and its session.
"""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

STACK_MARK = "IDISCOVER_STACK"
PART_MARK = "IDISCOVER_PART"
LOG_BYTES = 32 * 1024**2
_KILL_SECONDS = 5.0
_SAME_START_SECONDS = 2.0


@dataclass(frozen=True)
class ProcessRecord:
    """Where a part's process is recorded, where its output goes, and the marks that it carries."""

    file: Path
    log: Path
    stack: str
    part: str

    def find(self) -> psutil.Process | None:
        """The recorded process if it still runs: known by its marks, or by when it started."""
        record = self._recorded()
        if not record:
            return None
        try:
            process = psutil.Process(int(record["pid"]))
            same = abs(process.create_time() - record["started"]) < _SAME_START_SECONDS
        except psutil.NoSuchProcess:
            return None
        return process if is_alive(process) and (self._marked(process) or same) else None

    def started(self) -> float | None:
        """When the recorded process was started, seconds since the epoch; None where none is recorded."""
        found = self._recorded().get("started")
        return None if found is None else float(found)

    def members(self) -> list[psutil.Process]:
        """Every living process of the part: the recorded one, and all that came from it or from one before it."""
        return [process for process in psutil.process_iter() if is_alive(process) and self._marked(process)]

    def start(self, command: Sequence[str], environment: Mapping[str, str], folder: Path) -> psutil.Process:
        """Starts `command` in a session of its own: it outlives this process and its terminal."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.file.parent.mkdir(parents=True, exist_ok=True)
        if self.log.exists() and self.log.stat().st_size > LOG_BYTES:
            self.log.replace(self.log.with_suffix(".log.1"))
        begun = time.time()
        with self.log.open("ab") as log:
            child = subprocess.Popen(
                list(command),
                env={**environment, STACK_MARK: self.stack, PART_MARK: self.part},
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        partial = self.file.with_suffix(".partial")
        partial.write_text(json.dumps({"pid": child.pid, "started": begun}))
        partial.replace(self.file)
        return psutil.Process(child.pid)

    def stop(self, first: signal.Signals, patience_seconds: float) -> bool:
        """Asks the process to end, then ends it and whatever is left of the part.

        Returns:
            Whether there was anything to stop.
        """
        process = self.find()
        family: set[psutil.Process] = set()
        if process is not None:
            family = {process, *_descendants(process)}
            send(process, first)
            wait([process], patience_seconds)
        left = [member for member in family.union(self.members()) if is_alive(member)]
        end(left)
        self.file.unlink(missing_ok=True)
        return process is not None or bool(left)

    def _recorded(self) -> dict[str, float]:
        try:
            return dict(json.loads(self.file.read_text()))
        except FileNotFoundError:
            return {}

    def _marked(self, process: psutil.Process) -> bool:
        return carries(process, {STACK_MARK: self.stack, PART_MARK: self.part})


def _descendants(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def stack_processes(stack: str) -> list[psutil.Process]:
    """Every living process that any part of a stack started, whoever started it in the end: steps, workers, tasks."""
    return [process for process in psutil.process_iter() if is_alive(process) and carries(process, {STACK_MARK: stack})]


def carries(process: psutil.Process, marks: Mapping[str, str]) -> bool:
    """Whether the process was given these variables; False for one that is another user's, or gone."""
    try:
        environment = process.environ()
    except (psutil.Error, OSError):
        return False
    return all(environment.get(name) == value for name, value in marks.items())


def is_alive(process: psutil.Process) -> bool:
    """Whether it runs; one that only waits to be reaped does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def end(processes: Iterable[psutil.Process]) -> None:
    """SIGTERM, and SIGKILL for those that do not mind it."""
    left = list(processes)
    for process in left:
        send(process, signal.SIGTERM)
    left = wait(left, _KILL_SECONDS)
    for process in left:
        send(process, signal.SIGKILL)
    wait(left, _KILL_SECONDS)


def send(process: psutil.Process, number: signal.Signals) -> None:
    """Sends a signal; that the process has gone meanwhile is fine."""
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return


def wait(processes: Iterable[psutil.Process], seconds: float) -> list[psutil.Process]:
    """Those that still run after `seconds`. A child of this very process has to be reaped, or it never ends."""
    deadline = time.monotonic() + seconds
    left = list(processes)
    while left and time.monotonic() < deadline:
        _, left = psutil.wait_procs(left, timeout=0.05)
        left = [process for process in left if is_alive(process)]
    return left


def log_tail(log: Path, lines: int = 15) -> str:
    """The last lines of a log, indented; for messages about a part that did not come up."""
    if not log.exists():
        return "    (no log)"
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 20_000))
        text = file.read().decode("utf-8", errors="replace")
    return "\n".join(f"    {line}" for line in text.splitlines()[-lines:])
