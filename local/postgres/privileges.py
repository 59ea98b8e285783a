"""How to run PostgreSQL's binaries, which refuse to run as root.

Three ways, the first that works is taken:

* ``direct``: not root, nothing to do;
* ``namespace``: root, and ``unshare`` can make a user namespace in which root is seen as an ordinary uid. Files stay
  owned by root outside, so a directory tree closed to everyone else is no obstacle;
* ``drop``: root without user namespaces (some containers). Binaries and data then live in a directory that the
  unprivileged uid can reach, and a launcher drops to that uid before it executes the binary.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from enum import StrEnum
from pathlib import Path

UNPRIVILEGED_UID = 65534
UNPRIVILEGED_GID = 65534
PROBE_TIMEOUT_SECONDS = 20


class LaunchMode(StrEnum):
    """How a PostgreSQL binary is started by this user on this machine."""

    DIRECT = "direct"
    NAMESPACE = "namespace"
    DROP = "drop"


def namespace_prefix() -> list[str]:
    """The argv prefix that shows root as an ordinary uid; `unshare` executes in place, so the pid stays the same."""
    return ["unshare", "--user", f"--map-user={UNPRIVILEGED_UID}", f"--map-group={UNPRIVILEGED_GID}"]


def choose_mode(probe_binary: Path) -> LaunchMode:
    """Find out how `probe_binary` (PostgreSQL's `postgres`) can be run here, by running it with `--version`."""
    if os.geteuid() != 0:
        return LaunchMode.DIRECT
    if shutil.which("unshare") is None:
        return LaunchMode.DROP
    probe = subprocess.run(
        [*namespace_prefix(), str(probe_binary), "--version"],
        capture_output=True,
        timeout=PROBE_TIMEOUT_SECONDS,
        check=False,
    )
    return LaunchMode.NAMESPACE if probe.returncode == 0 else LaunchMode.DROP
