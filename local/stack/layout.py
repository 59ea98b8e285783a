"""Where a stack's state lies, and what it remembers between starts: ports and secrets of its own making."""

from __future__ import annotations

import base64
import json
import os
import random
import re
import secrets
import socket
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

from local.stack.errors import StackError

ROOT = Path(__file__).resolve().parent.parent.parent
HOST = "127.0.0.1"
_ADDED_PORTS = ("tableau",)  # that stacks of earlier versions do not have before their next start
PORTS = ("postgres", "aws", "salesforce", "warehouse", "airflow", *_ADDED_PORTS)
# Below those that systems give to outgoing connections: one of these would hold a port of ours now and then.
PORT_RANGE = range(20000, 30000)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")


@dataclass(frozen=True)
class Layout:
    """Folders and files of one stack, under `.stack/<name>/`."""

    name: str
    home: Path

    @property
    def settings(self) -> Path:
        """Ports, passwords and keys; readable by its owner only."""
        return self.home / "stack.json"

    @property
    def logs(self) -> Path:
        """One log per part."""
        return self.home / "logs"

    @property
    def dags(self) -> Path:
        """What Airflow reads: a copy of the DAG bucket, as on MWAA."""
        return self.home / "dags"

    @property
    def airflow_home(self) -> Path:
        """AIRFLOW_HOME."""
        return self.home / "airflow"

    def state(self, part: str) -> Path:
        """The state directory of a part."""
        return self.home / part


@dataclass(frozen=True)
class Settings:
    """What a stack makes up once and keeps."""

    ports: dict[str, int]
    passwords: dict[str, str]
    keys: dict[str, str]
    options: dict[str, str]


def stack_layout(name: str) -> Layout:
    """The layout of the stack `name`; IDISCOVER_STACKS moves all stacks to another folder.

    Raises:
        StackError: that is no name for a stack.
    """
    if not _NAME.fullmatch(name):
        raise StackError(f"a stack cannot be called {name!r}\n  expected: up to 32 letters, digits, - and _")
    base = Path(os.environ.get("IDISCOVER_STACKS") or ROOT / ".stack")
    return Layout(name=name, home=base.absolute() / name)


def make_home(layout: Layout) -> None:
    """The stack's folder, closed to others: in it lie passwords, keys, and the data themselves.

    Raises:
        StackError: it cannot be made.
    """
    try:
        for folder in (layout.home.parent, layout.home):
            if not folder.exists():
                folder.mkdir(parents=True, mode=0o700)
        layout.home.chmod(0o700)
    except OSError as error:
        raise StackError(
            f"no folder for the stack\n  got: {error}\n  remedy: name one that you may write to: IDISCOVER_STACKS=…"
        ) from error


def load_settings(layout: Layout) -> Settings | None:
    """Settings of an earlier start, None before the first.

    Raises:
        StackError: they cannot be read.
    """
    try:
        document = json.loads(layout.settings.read_text())
        settings = Settings(**document)
        missing = set(PORTS) - set(settings.ports) - set(_ADDED_PORTS)
        if missing:
            raise ValueError(f"no port of {', '.join(sorted(missing))}")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, TypeError) as error:
        raise StackError(
            f"the stack's settings cannot be read\n  where: {layout.settings}\n  got: {error}\n"
            f"  remedy: idiscover reset --stack {layout.name}"
        ) from error
    return settings


def ensure_settings(layout: Layout, options: dict[str, str]) -> Settings:
    """Settings of an earlier start, or new ones; written whole, mode 0600.

    Raises:
        StackError: the stack stands already, and was made with other options.
    """
    standing = load_settings(layout)
    if standing is not None:
        other = {name: value for name, value in options.items() if standing.options.get(name) != value}
        if other:
            raise StackError(
                f"the stack {layout.name} stands already, and its org with it\n"
                f"  got: {_words(other)}\n  expected: {_words(standing.options) or 'neither --seed nor --scale'}\n"
                f"  remedy: idiscover reset --stack {layout.name}, or another --stack"
            )
        return _with_added_ports(layout, standing)
    make_home(layout)
    settings = Settings(
        ports=dict(zip(PORTS, free_ports(len(PORTS), ports_of_others(layout)), strict=True)),
        passwords={name: secrets.token_urlsafe(18) for name in ("postgres", "admin")},
        keys={
            "fernet": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
            "jwt": secrets.token_urlsafe(48),
            "api": secrets.token_urlsafe(32),
        },
        options=options,
    )
    save_settings(layout, settings)
    return settings


def _with_added_ports(layout: Layout, standing: Settings) -> Settings:
    lacking = [name for name in _ADDED_PORTS if name not in standing.ports]
    if not lacking:
        return standing
    free = free_ports(len(lacking), {*standing.ports.values(), *ports_of_others(layout)})
    settings = replace(standing, ports={**standing.ports, **dict(zip(lacking, free, strict=True))})
    save_settings(layout, settings)
    return settings


def _words(options: dict[str, str]) -> str:
    return " ".join(f"--{name} {value}" for name, value in options.items())


def save_settings(layout: Layout, settings: Settings) -> None:
    """Writes the settings whole, mode 0600."""
    write_secret(layout.settings, json.dumps(settings.__dict__, indent=2))


def write_secret(path: Path, text: str) -> None:
    """Writes a file whole that only its owner may read."""
    partial = path.with_suffix(".partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    partial.replace(path)


def ports_of_others(layout: Layout) -> set[int]:
    """What the stacks beside this one have, whether they run now or not."""
    taken: set[int] = set()
    for path in layout.home.parent.glob("*/stack.json"):
        if path != layout.settings:
            try:
                taken.update(json.loads(path.read_text())["ports"].values())
            except (OSError, ValueError, KeyError):
                continue  # half made, or not for us to read: what it listens on is found taken anyway
    return taken


def free_ports(count: int, avoid: Collection[int] = ()) -> list[int]:
    """Ports that nobody listens on now, all different.

    Raises:
        StackError: there are not enough.
    """
    found: list[int] = []
    for port in random.sample(PORT_RANGE, len(PORT_RANGE)):
        if len(found) == count:
            return found
        if port not in avoid and is_free(port):
            found.append(port)
    raise StackError(f"no free ports between {PORT_RANGE.start} and {PORT_RANGE.stop}")


def is_free(port: int) -> bool:
    """Whether a server could listen on `port`."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
