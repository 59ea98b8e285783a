"""The stages lint and test: commands of this repository's own environment, one after the other."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from idiscover.errors import FatalError

Command = tuple[str, ...]

TEST_COMMANDS: tuple[Command, ...] = (("pytest", "-n", "2", "--dist", "loadfile", "--no-loadscope-reorder", "tests"),)


def lint_commands(root: Path) -> tuple[Command, ...]:
    """What lint runs: form of Python and SQL, metadata against each environment, schemas against the models.

    Args:
        root: the repository.
    """
    contexts = sorted(path.relative_to(root).as_posix() for path in (root / "context").glob("*.yaml"))
    return (
        ("ruff", "check", "."),
        ("ruff", "format", "--check", "."),
        ("sqlfluff", "lint", "-q", "sql"),
        ("idiscover", "sqllint"),
        ("idiscover", "validate", *(word for context in contexts for word in ("--context", context))),
        ("idiscover", "schema", "--check"),
    )


def run_commands(commands: Sequence[Command], root: Path, dry_run: bool) -> Iterator[str]:
    """Yields one line per command before it runs; its output goes where this process' output goes.

    All commands run even if one fails: a person wants to know everything at once.

    Raises:
        FatalError: a command ended with another exit status than 0.
    """
    failed: list[str] = []
    for command in commands:
        text = shlex.join(command)
        yield f"would run: {text}" if dry_run else f"$ {text}"
        if not dry_run and _exit_status(command, root) != 0:
            failed.append(text)
    if failed:
        raise FatalError("a check failed", where="; ".join(failed), remedy="its own output above says what")


def _exit_status(command: Command, root: Path) -> int:
    name, *words = command
    # by its place, not by PATH: a command of another environment would check other versions
    return subprocess.run([Path(sys.executable).parent / name, *words], cwd=root, check=False).returncode
