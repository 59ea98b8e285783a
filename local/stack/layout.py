"""Where a stack's state lies, and what it remembers between starts: ports and secrets of its own making."""

from __future__ import annotations

import base64
import json
import os
import secrets
import socket
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
HOST = "127.0.0.1"
PORTS = ("postgres", "aws", "salesforce", "warehouse", "airflow")


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
    """The layout of the stack `name`; IDISCOVER_STACKS moves all stacks to another folder."""
    base = Path(os.environ.get("IDISCOVER_STACKS", ROOT / ".stack"))
    return Layout(name=name, home=base / name)


def load_settings(layout: Layout) -> Settings | None:
    """Settings of an earlier start, None before the first."""
    if not layout.settings.exists():
        return None
    return Settings(**json.loads(layout.settings.read_text()))


def ensure_settings(layout: Layout, options: dict[str, str]) -> Settings:
    """Settings of an earlier start, or new ones; written whole, mode 0600."""
    standing = load_settings(layout)
    if standing is not None:
        return standing
    layout.home.mkdir(parents=True, exist_ok=True)
    settings = Settings(
        ports=dict(zip(PORTS, free_ports(len(PORTS)), strict=True)),
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


def save_settings(layout: Layout, settings: Settings) -> None:
    """Writes the settings whole, mode 0600."""
    partial = layout.settings.with_suffix(".partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(settings.__dict__, file, indent=2)
    partial.replace(layout.settings)


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now; held all together while they are chosen, so that they differ."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for item in sockets:
            item.bind((HOST, 0))
        return [item.getsockname()[1] for item in sockets]
    finally:
        for item in sockets:
            item.close()


def is_free(port: int) -> bool:
    """Whether a server could listen on `port`."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
