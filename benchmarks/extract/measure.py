"""What a process and all that it starts use: seconds, processor seconds, memory."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

_SECONDS_BETWEEN_LOOKS = 0.5


@dataclass(frozen=True)
class Usage:
    """Of one run. Memory is the largest sum over the processes that were there at a moment.

    RSS counts what processes share once for each of them, PSS once in all.
    """

    seconds: float
    cpu_seconds: float
    peak_rss_bytes: int
    peak_pss_bytes: int
    peak_python_pss_bytes: int


@dataclass
class _Watch:
    """Peaks so far, and the processor time of every process that was ever seen."""

    peaks: dict[str, int] = field(default_factory=lambda: dict.fromkeys(("rss", "pss", "python"), 0))
    cpu: dict[tuple[int, float], float] = field(default_factory=dict)

    def look(self, root: psutil.Process) -> None:
        sums = dict.fromkeys(self.peaks, 0)
        for process in [root, *root.children(recursive=True)]:
            try:
                with process.oneshot():
                    memory, times = process.memory_full_info(), process.cpu_times()
                    self.cpu[process.pid, process.create_time()] = times.user + times.system
                    is_python = Path(process.exe()).name.startswith("python")
            except (psutil.NoSuchProcess, psutil.AccessDenied):  # it ended meanwhile
                continue
            sums["rss"] += memory.rss
            sums["pss"] += memory.pss
            sums["python"] += memory.pss if is_python else 0
        self.peaks = {name: max(peak, sums[name]) for name, peak in self.peaks.items()}


class RunFailed(Exception):
    """A command ended with another status than 0; the text is the end of what it said."""


def run(command: Sequence[str], environment: Mapping[str, str], folder: Path, output: Path) -> Usage:
    """Run a command to its end, its stdout into a file.

    Raises:
        RunFailed: its exit status is not 0.
    """
    watch, errors, started = _Watch(), folder / "stderr.txt", time.monotonic()
    with output.open("wb") as out, errors.open("wb") as err:
        process = subprocess.Popen(command, env=dict(environment), cwd=folder, stdout=out, stderr=err)
        try:
            _look_until_it_ends(process, watch)
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait(30)
    seconds = time.monotonic() - started
    if process.returncode:
        raise RunFailed("\n".join(errors.read_text(errors="replace").splitlines()[-3:]))
    return Usage(seconds, sum(watch.cpu.values()), watch.peaks["rss"], watch.peaks["pss"], watch.peaks["python"])


def _look_until_it_ends(process: subprocess.Popen[bytes], watch: _Watch) -> None:
    root = psutil.Process(process.pid)
    while True:
        try:
            watch.look(root)
        except psutil.NoSuchProcess:
            process.wait()
            return
        try:
            process.wait(_SECONDS_BETWEEN_LOOKS)
            return
        except subprocess.TimeoutExpired:
            continue


def cpu_seconds(pid: int) -> float:
    """Processor seconds of one process so far."""
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)
