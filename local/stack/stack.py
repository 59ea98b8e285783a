"""Starting, stopping and looking at a stack. Starting again changes nothing: what is well stays, what is dead comes."""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from local.stack.layout import Layout, Settings, ensure_settings, free_ports, is_free, load_settings, save_settings
from local.stack.parts import Part, record_of, stack_parts
from local.stack.process import ProcessRecord, log_tail

Say = Callable[[str], None]

_ROUNDS = 3
_SETTLE_SECONDS = 2.0


class StackError(RuntimeError):
    """A part did not come up; the message has its log's last lines."""


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
        StackError: a part did not become healthy in its time.
    """
    with _alone(layout):
        settings = _with_usable_ports(layout, ensure_settings(layout, options or {}), say)
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
    """Stops every part, the last started first; the state stays."""
    settings = load_settings(layout)
    if settings is None:
        say("nothing runs: there is no such stack")
        return
    with _alone(layout):
        for part in reversed(stack_parts(layout, settings)):
            begun = time.monotonic()
            if record_of(layout, part.name).stop(part.stop_signal, part.patience_seconds):
                say(f"  {part.name:<22} stopped ({time.monotonic() - begun:.1f} s)")


def forget(layout: Layout, say: Say) -> None:
    """Stops the stack and removes its state."""
    stop(layout, say)
    if layout.home.exists():
        shutil.rmtree(layout.home)
        say(f"removed {layout.home}")


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
    if record.find() is not None:
        return False
    record.stop(part.stop_signal, part.patience_seconds)  # children that a kill -9 left behind hold its port and files
    layout.logs.mkdir(parents=True, exist_ok=True)
    part.prepare()
    current = next(item for item in stack_parts(layout, settings) if item.name == part.name)
    record.start(current.command, current.environment, layout.home)
    return True


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
    fresh = dict(zip(taken, free_ports(len(taken)), strict=True))
    say(f"  ports taken by others, chosen anew: {', '.join(taken)}")
    # everybody else holds the old addresses
    for part in reversed(stack_parts(layout, settings)):
        record_of(layout, part.name).stop(part.stop_signal, part.patience_seconds)
    moved = replace(settings, ports={**settings.ports, **fresh})
    save_settings(layout, moved)
    return moved


def _holds(record: ProcessRecord | None) -> bool:
    """Whether our own part, or what a kill left of it, is behind the port."""
    return record is not None and record.file.exists()


@contextmanager
def _alone(layout: Layout) -> Iterator[None]:
    """One starter or stopper of a stack at a time."""
    layout.home.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(layout.home.parent / f".{layout.name}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def names(parts: Sequence[Part]) -> list[str]:
    """Names of parts, in the order of their start."""
    return [part.name for part in parts]
