"""A Python environment for each peer, made when it is first wanted, kept below the cache."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.extract.stage import CACHE, ROOT

LIMITS = ("isal==1.9.1", "pyarrow==26.0.1", "urllib3==2.7.0")
BULK2 = ("simple-salesforce==1.12.10",)
OPERATOR = (
    "apache-airflow==3.3.1",
    "apache-airflow-providers-amazon==9.39.0",
    "apache-airflow-providers-salesforce==5.15.1",
)
DLT = ("dlt==1.31.0", "simple-salesforce==1.12.10")
DLT_SOURCE = "ingestr==0.13.94"  # ships dlt's source; all else that it needs is not wanted here
TAP = ("tap-salesforce==2.8.1",)


def python_with(requirements: Sequence[str], alone: Sequence[str] = ()) -> Path:
    """The Python of an environment with these packages; those of `alone` without what they need.

    Raises:
        RuntimeError: it cannot be made; the text is the installer's.
    """
    name = hashlib.sha256("\n".join([*requirements, "--", *alone]).encode()).hexdigest()[:12]
    folder = CACHE / "environments" / name
    python = folder / "bin" / "python"
    if (folder / "ready").exists():
        return python
    shutil.rmtree(folder, ignore_errors=True)
    uv = ROOT / ".venv" / "bootstrap" / "bin" / "uv"
    if uv.exists():
        _run([str(uv), "venv", "--quiet", "--python", sys.executable, str(folder)])
        install = [str(uv), "pip", "install", "--quiet", "--python", str(python)]
    else:
        _run([sys.executable, "-m", "venv", str(folder)])
        install = [str(python), "-m", "pip", "install", "--quiet"]
    _run([*install, *requirements])
    if alone:
        _run([*install, "--no-deps", *alone])
    (folder / "ready").touch()
    return python


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr.strip() or done.stdout.strip())
