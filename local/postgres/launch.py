"""Start PostgreSQL in the foreground, after making sure that a killed predecessor does not stand in the way.

Run as a script, with the standard library only::

    python launch.py --data-dir D [--uid N --gid N] -- postgres -D D -c …

It waits until the children of a killed postmaster have gone (they keep the shared memory for a moment), removes a
`postmaster.pid` whose process is not this cluster's, drops to another uid if asked, and *executes* the command: the
supervisor's child is then the postmaster itself, with the same pid.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

ORPHAN_WAIT_SECONDS = 20.0
POLL_SECONDS = 0.1


def processes_in(data_dir: Path) -> list[int]:
    """The pids of the processes that work in `data_dir`: a postmaster and its children have it as current directory.

    Empty where there is no /proc (macOS): PostgreSQL's own interlock then refuses, and the supervisor tries again.
    """
    wanted, processes = str(data_dir.resolve()), Path("/proc")
    found = []
    # names only: glob() looks at each entry, and fails on one that has gone meanwhile
    for entry in processes.iterdir() if processes.exists() else ():
        if not entry.name.isdigit():
            continue
        try:
            if str((entry / "cwd").readlink()) == wanted and int(entry.name) != os.getpid():
                found.append(int(entry.name))
        except OSError:
            continue  # gone meanwhile, or another user's: then it is not ours
    return found


def recorded_pid(data_dir: Path) -> int | None:
    """The pid on the first line of postmaster.pid, None if there is no such file or it is half written."""
    try:
        first = (data_dir / "postmaster.pid").read_text(encoding="utf-8").splitlines()[0]
        return abs(int(first))
    except (FileNotFoundError, IndexError, ValueError):
        return None


def command_name(pid: int) -> str:
    """The name of the program that runs as `pid`, empty if there is none."""
    listing = subprocess.run(["ps", "-o", "comm=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return listing.stdout.strip()


def is_this_clusters_postmaster(pid: int, data_dir: Path) -> bool:
    """Whether `pid` is a live postmaster of `data_dir`, and not a newcomer that was given the same number."""
    if Path("/proc/self").exists():
        return pid in processes_in(data_dir)
    return "postgres" in command_name(pid)


def clear_leftovers(data_dir: Path, wait_seconds: float = ORPHAN_WAIT_SECONDS) -> None:
    """Wait for orphaned children of a killed postmaster, then remove its pid file if it is stale.

    Raises SystemExit if the cluster is running already.
    """
    pid = recorded_pid(data_dir)
    if pid is not None and pid != os.getpid() and is_this_clusters_postmaster(pid, data_dir):
        raise SystemExit(f"PostgreSQL already runs on {data_dir} as process {pid}: stop it first")
    deadline = time.monotonic() + wait_seconds
    while processes_in(data_dir):
        if time.monotonic() > deadline:
            pids = processes_in(data_dir)
            raise SystemExit(f"processes {pids} of a killed PostgreSQL still use {data_dir} after {wait_seconds:.0f} s")
        time.sleep(POLL_SECONDS)
    if pid is not None:
        (data_dir / "postmaster.pid").unlink(missing_ok=True)


def drop_privileges(uid: int, gid: int) -> None:
    """Become an ordinary user for good: groups first, the uid last."""
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)


def main(argv: list[str]) -> None:
    """Clear the way, then become the command after `--`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--uid", type=int)
    parser.add_argument("--gid", type=int)
    parser.add_argument("command", nargs=argparse.REMAINDER)
    options = parser.parse_args(argv)
    command = options.command[1:] if options.command[:1] == ["--"] else options.command
    clear_leftovers(options.data_dir)
    if options.uid is not None:
        drop_privileges(options.uid, options.gid)
        os.chdir("/")
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])
