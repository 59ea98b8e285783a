"""Checks of the machine that the command line runs on, whatever the environment."""

from __future__ import annotations

import platform
import re
import shutil
import sys
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path

from idiscover.cli.doctor.checks import Check, Finding, Report, fail, ok, some, warn

SUPPORTED = ((3, 11), (3, 12), (3, 13))
_FEW_BYTES = 1024**3
_PIN = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^]]*\])?==([^\s;\\]+)", re.MULTILINE)


def machine_checks(root: Path) -> list[Check]:
    """Python, what is installed beside it, disk.

    Args:
        root: the repository, or a folder that is none.
    """
    return [
        Check("Python", _python, "use Python 3.12"),
        Check("requirements", lambda: _requirements(root), "make setup"),
        Check("disk", lambda: _disk(root), "free some space"),
    ]


def _python() -> Report:
    version = platform.python_version()
    if sys.version_info[:2] in SUPPORTED:
        yield ok("Python", f"{version}, {sys.executable}")
    else:
        supported = ", ".join(f"{major}.{minor}" for major, minor in SUPPORTED)
        yield fail("Python", f"{version}, {sys.executable}", f"use one of {supported}: make setup PYTHON=…")


def _requirements(root: Path) -> Iterator[Finding]:
    """What is installed against what is pinned for this environment."""
    file = root / "requirements" / "airflow.txt"
    if not file.is_file():
        yield warn("requirements", "not checked: this is not the repository", "run it in the repository, or --root")
        return
    wanted = pins(file.read_text(encoding="utf-8"))
    installed = {normal(item.metadata["Name"]): item.version for item in distributions() if item.metadata["Name"]}
    other = {name: installed.get(name) for name, version in wanted.items() if installed.get(name) != version}
    if not other:
        yield ok("requirements", f"{len(wanted)} packages as requirements/airflow.txt pins them")
        return
    shown = some(f"{name} {found or 'missing'}, not {wanted[name]}" for name, found in other.items())
    yield warn("requirements", f"{len(other)} of {len(wanted)} packages drifted: {shown}", "make setup")


def pins(text: str) -> dict[str, str]:
    """Normalised name → version of the pinned requirements of a file; those for other machines are left out."""
    found = {}
    for match in _PIN.finditer(text):
        line = text[match.start() : text.find("\n", match.start())]
        if ";" not in line or _applies(line.partition(";")[2]):
            found[normal(match[1])] = match[2]
    return found


def _applies(marker: str) -> bool:
    from packaging.markers import InvalidMarker, Marker

    try:
        return Marker(marker.strip().rstrip("\\").strip()).evaluate()
    except InvalidMarker:
        return False


def normal(name: str) -> str:
    """A package's name as all tools compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _disk(root: Path) -> Report:
    free = shutil.disk_usage(root if root.exists() else Path()).free
    told = f"{free / 1024**3:.1f} GiB free"
    if free < _FEW_BYTES:
        yield warn("disk", told, "free some space: a stack's data and logs need a few GiB")
    else:
        yield ok("disk", told)
