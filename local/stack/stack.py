"""Starting, stopping and looking at a stack. Starting again changes nothing: what is well stays, what is dead comes."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from local.postgres import ClusterError
from local.postgres.cluster import RELOCATED_FILE
from local.stack.errors import StackError
from local.stack.layout import (
    ROOT,
    Layout,
    Settings,
    ensure_settings,
    free_ports,
    is_free,
    load_settings,
    make_home,
    ports_of_others,
    save_settings,
)
from local.stack.parts import Part, record_of, stack_parts
from local.stack.process import ProcessRecord, end, log_tail, stack_processes

__all__ = ["PartState", "Say", "StackError", "alone", "forget", "look", "start", "stop"]

Say = Callable[[str], None]

_ROUNDS = 3
_SETTLE_SECONDS = 2.0


@dataclass(frozen=True)
class PartState:
    """How a part is now."""

    part: Part
    pid: int | None
    healthy: bool
    record: ProcessRecord

    @property
    def word(self) -> str:
        """healthy, starting (runs, does not answer yet) or down."""
        if self.pid is None:
            return "down"
        return "healthy" if self.healthy else "starting"


def start(layout: Layout, say: Say, options: dict[str, str] | None = None) -> Settings:
    """Brings every part up, wave by wave.

    Raises:
        StackError: a part did not become healthy in its time; the message has its log's last lines.
    """
    with alone(layout, say):
        settings = _with_usable_ports(layout, ensure_settings(layout, options or {}), say)
        make_home(layout)
        for _ in range(_ROUNDS):
            if not _start_waves(layout, settings, say):
                break
            # a part that lives on another may follow it a moment after: a triggerer without its database
            time.sleep(_SETTLE_SECONDS)
    return settings


def _start_waves(layout: Layout, settings: Settings, say: Say) -> bool:
    """Whether there was anything to do, so that another look is worth it."""
    worked = False
    for wave in _waves(layout, settings):
        started = [part for part in wave if _start_part(layout, settings, part)]
        worked = worked or bool(started)
        for part in wave:
            if _await(layout, part, say, part in started):
                part.after()
            else:
                worked = True
    return worked


def stop(layout: Layout, say: Say) -> None:
    """Stops every part, the last started first, and whatever they left behind; the state stays."""
    if not layout.home.exists():
        say(f"nothing runs: there is no stack {layout.name}")
        return
    with alone(layout, say):
        settings = load_settings(layout)
        stopped = settings is not None and _stop_parts(layout, settings, say)
        # steps whose agent was killed, tasks whose scheduler was: nobody else would end them
        strays = stack_processes(str(layout.home))
        end(strays)
        if strays:
            say(f"  {len(strays)} processes left behind by a killed part: ended")
        if not stopped and not strays:
            say(f"nothing runs of stack {layout.name}")


def _stop_parts(layout: Layout, settings: Settings, say: Say) -> bool:
    """Whether anything ran."""

    def stop_part(part: Part) -> bool:
        begun = time.monotonic()
        found = record_of(layout, part.name).stop(part.stop_signal, part.patience_seconds)
        if found:
            say(f"  {part.name:<22} stopped ({time.monotonic() - begun:.1f} s)")
        return found

    found = False
    for wave in reversed(list(_waves(layout, settings))):
        with ThreadPoolExecutor(len(wave)) as threads:
            found = any(list(threads.map(stop_part, wave))) or found
        orphans = [process for part in wave for process in part.orphans()]
        end(orphans)
        found = found or bool(orphans)
    return found


def forget(layout: Layout, say: Say) -> None:
    """Stops the stack and removes its state, where a killed one left it too.

    Raises:
        StackError: the folder is not a stack's.
    """
    if layout.home.exists() and not layout.settings.exists() and any(layout.home.iterdir()):
        raise StackError(f"{layout.home} is no stack, and is not removed\n  expected: stack.json in it")
    try:
        stop(layout, say)
    except StackError as error:  # settings that cannot be read: that is what a reset is for
        say(str(error))
        end(stack_processes(str(layout.home)))
    with alone(layout, say):
        # renamed first: whatever interrupts this, nothing half removed is taken for a stack
        if layout.home.exists():
            layout.home.rename(_doomed(layout) / str(time.time_ns()))
            say(f"removed {layout.home}")
        for remains in _doomed(layout).iterdir():
            _remove_relocated(remains / "postgres" / RELOCATED_FILE)
            shutil.rmtree(remains)
        _doomed(layout).rmdir()


def _doomed(layout: Layout) -> Path:
    folder = layout.home.parent / f".{layout.name}.removed"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def _remove_relocated(note: Path) -> None:
    """Where root may not run PostgreSQL inside the stack's folder, it lies elsewhere, and a note says where."""
    if note.exists():
        place = Path(note.read_text(encoding="utf-8"))
        if place.name.startswith("idiscover-postgres-") and place.is_dir():
            shutil.rmtree(place)


def look(layout: Layout) -> list[PartState]:
    """Every part as it is now; empty where there is no stack."""
    settings = load_settings(layout)
    return [] if settings is None else [_state(layout, part) for part in stack_parts(layout, settings)]


def _state(layout: Layout, part: Part) -> PartState:
    record = record_of(layout, part.name)
    process = record.find()
    return PartState(part, process.pid if process else None, process is not None and part.healthy(), record)


def _waves(layout: Layout, settings: Settings) -> Iterator[list[Part]]:
    for number in sorted({part.wave for part in stack_parts(layout, settings)}):
        # made anew: what a part is started with may only be known once the wave before it is up
        yield [part for part in stack_parts(layout, settings) if part.wave == number]


def _start_part(layout: Layout, settings: Settings, part: Part) -> bool:
    """Whether the part had to be started."""
    record = record_of(layout, part.name)
    if record.find() is not None and not (part.holds_code and _is_older_than_code(record)):
        return False
    record.stop(part.stop_signal, part.patience_seconds)  # children that a kill -9 left behind hold its port and files
    layout.logs.mkdir(parents=True, exist_ok=True)
    try:
        part.prepare()
    except (ClusterError, OSError, subprocess.SubprocessError) as error:
        raise StackError(f"{part.name} cannot be prepared\n  got: {error}") from error
    current = next(item for item in stack_parts(layout, settings) if item.name == part.name)
    record.start(current.command, current.environment, layout.home)
    return True


def _is_older_than_code(record: ProcessRecord) -> bool:
    """Whether code under plugins/ was changed after the process had started."""
    started = record.started()
    return started is not None and any(path.stat().st_mtime > started for path in (ROOT / "plugins").rglob("*.py"))


def _await(layout: Layout, part: Part, say: Say, was_started: bool) -> bool:
    """Returns once the part is healthy; False if one that was found running has ended meanwhile."""
    record = record_of(layout, part.name)
    begun = time.monotonic()
    while not part.healthy():
        if record.find() is None:
            if not was_started:
                return False
            raise StackError(f"{part.name} has ended\n  its log, {record.log}:\n{log_tail(record.log)}")
        if time.monotonic() - begun > part.start_seconds:
            raise StackError(
                f"{part.name} runs, but is not healthy after {part.start_seconds:.0f} s\n"
                f"  its log, {record.log}:\n{log_tail(record.log)}"
            )
        time.sleep(0.1)
    if was_started:
        say(f"  {part.name:<22} up ({time.monotonic() - begun:.1f} s)")
    return True


def _with_usable_ports(layout: Layout, settings: Settings, say: Say) -> Settings:
    """Ports of parts that do not run may have been taken by somebody else since; those are chosen anew."""
    own = {part.port: record_of(layout, part.name) for part in stack_parts(layout, settings) if part.port}
    taken = [name for name, port in settings.ports.items() if not is_free(port) and not _holds(own.get(port))]
    if not taken:
        return settings
    avoid = {*settings.ports.values(), *ports_of_others(layout)}
    fresh = dict(zip(taken, free_ports(len(taken), avoid), strict=True))
    say(f"  ports taken by others, chosen anew: {', '.join(taken)}")
    # everybody else holds the old addresses
    for part in reversed(stack_parts(layout, settings)):
        record_of(layout, part.name).stop(part.stop_signal, part.patience_seconds)
    moved = replace(settings, ports={**settings.ports, **fresh})
    save_settings(layout, moved)
    return moved


def _holds(record: ProcessRecord | None) -> bool:
    """Whether our own part, or what a kill left of it, is behind the port."""
    return record is not None and (record.find() is not None or bool(record.members()))


@contextmanager
def alone(layout: Layout, say: Say) -> Iterator[None]:
    """One starter, stopper or provisioner of a stack at a time."""
    layout.home.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(layout.home.parent / f".{layout.name}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"  somebody else starts or stops the stack {layout.name} just now; waiting")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
