"""Steps that the agent holds, as folders on disk: what a later agent needs to take over after a kill -9.

<root>/<step id>/order.json      what to run; written before the step is claimed
<root>/<step id>/outcome.json    the outcome, once known; it is reported until the server has acknowledged it
<root>/<step id>/<n>/            the n-th attempt to launch (see process.py); only one of them ever runs
"""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local.aws.agent import process


@dataclass(frozen=True)
class Outcome:
    """How a step ended: COMPLETED, FAILED or CANCELLED, with EMR's FailureDetails; `log` is the log that tells more."""

    state: str
    reason: str = ""
    message: str = ""
    log: str = "stderr"


@dataclass
class Held:
    """A step in the agent's hands. `leader` is the pid of its session, once it has been launched."""

    folder: Path
    order: dict[str, Any]
    claimed: bool = False
    child: subprocess.Popen[bytes] | None = None
    leader: int | None = None
    killer: threading.Thread | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def step_id(self) -> str:
        return str(self.order["step_id"])

    @property
    def run(self) -> Path:
        """The folder of the latest attempt."""
        numbers = [int(path.name) for path in self.folder.iterdir() if path.name.isdigit()]
        return self.folder / str(max(numbers, default=0))

    def next_attempt(self) -> Path:
        """A fresh folder to launch from."""
        run = self.folder / str(int(self.run.name) + 1)
        for name in ("work", "tmp"):
            (run / name).mkdir(parents=True)
        return run

    def outcome(self) -> Outcome | None:
        """The outcome, if it is settled."""
        try:
            return Outcome(**json.loads((self.folder / "outcome.json").read_text()))
        except FileNotFoundError:
            return None

    def settle(self, outcome: Outcome) -> None:
        """Write the outcome down; the first one stands."""
        if self.outcome() is None:
            _write(self.folder / "outcome.json", vars(outcome))

    def launched(self) -> bool:
        """Whether the wrapper has begun (or someone has given the launch up)."""
        return (self.run / "launch").exists()

    def drop(self) -> None:
        """Forget the step: the server knows how it ended."""
        # Renamed first, so that a crash in the middle leaves nothing that looks like a step.
        doomed = self.folder.with_name(f".done-{self.folder.name}")
        self.folder.rename(doomed)
        shutil.rmtree(doomed, ignore_errors=True)


def _write(path: Path, value: Any) -> None:
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(value))
    partial.replace(path)


def take(root: Path, order: dict[str, Any]) -> Held:
    """Write down that this step is about to be claimed."""
    fresh = root / f".new-{order['step_id']}"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    _write(fresh / "order.json", order)
    folder = fresh.rename(root / order["step_id"])
    return Held(folder, order)


def find_all(root: Path) -> list[Held]:
    """The steps an earlier agent left, oldest first; leftovers of an interrupted take or drop are removed."""
    root.mkdir(parents=True, exist_ok=True)
    for leftover in root.glob(".*"):
        shutil.rmtree(leftover, ignore_errors=True)
    found = []
    for folder in sorted(root.iterdir(), key=lambda path: path.stat().st_mtime):
        held = Held(folder, json.loads((folder / "order.json").read_text()))
        held.leader = process.wrapper_pid(held.run)
        found.append(held)
    return found
