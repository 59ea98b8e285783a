"""Set-up from nothing: two Python environments and the `idiscover` command. Standard library only; run by setup.sh.

As in production, Airflow and Spark do not share an environment. The steps, each with a stamp of its own:

    airflow   .venv/airflow: Airflow as on MWAA, the stand-ins, the tools of a developer
    spark     .venv/spark: Spark as on EMR, and what the extraction imports
    project   the `idiscover` command: this repository, editable
    archive   .cache/spark: Spark's classes as its JVM maps them, so that every EMR step starts in half the time

A second run compares stamps and ends. A failed or interrupted one says what is missing and how to get it; run again, it
goes on with the step that it was at.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENVS = ROOT / ".venv"
CACHE = ROOT / ".cache" / "spark"
SUPPORTED = ((3, 11), (3, 12), (3, 13))
NEEDED_BYTES = 3 * 1024**3
INPUTS = {
    "airflow": ("requirements/airflow.txt", "requirements/bootstrap.txt"),
    "spark": ("requirements/spark.txt", "requirements/bootstrap.txt"),
    "project": ("requirements/airflow.txt", "pyproject.toml"),
    "archive": ("requirements/spark.txt",),
}
LEAVES = {
    "airflow": VENVS / "airflow" / "bin" / "python",
    "spark": VENVS / "spark" / "bin" / "python",
    "project": VENVS / "airflow" / "bin" / "idiscover",
    "archive": CACHE,
}
# What a caller may have set for environments of their own.
FOREIGN = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PIP_REQUIRE_VIRTUALENV", "PIP_TARGET", "PIP_USER", "PIP_PREFIX")
_lock = -1


class SetupError(Exception):
    """What is missing, and how to get it."""


def main(arguments: Sequence[str]) -> int:
    """Sets up what is not; with --check only looks. Returns an exit status."""
    if "--check" in arguments:
        return 1 if missing_steps() else 0
    try:
        if sys.version_info[:2] not in SUPPORTED:
            raise SetupError(f"got Python {platform.python_version()}\n  remedy: sh local/setup.sh finds another")
        if missing_steps():
            set_up()
    except SetupError as error:
        print(f"\nset-up failed: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nset-up interrupted; run it again to go on", file=sys.stderr)
        return 130
    return 0


def fingerprint(step: str) -> str:
    """Of everything that a step's result depends on: its files, the Python, where it all stands."""
    python = (*sys.version_info[:2], os.path.realpath(sys.base_prefix))  # the same in an environment made from it
    digest = hashlib.sha256(f"{step} {ROOT} {python}".encode())
    for name in INPUTS[step]:
        digest.update((ROOT / name).read_bytes())
    return digest.hexdigest()


def missing_steps() -> list[str]:
    """Steps whose result is not there, or was made from something else."""
    return [step for step in INPUTS if not _stands(step)]


def _stands(step: str) -> bool:
    stamp = _stamp(step)
    return stamp.exists() and stamp.read_text() == fingerprint(step) and LEAVES[step].exists()


def _stamp(step: str) -> Path:
    return VENVS / f"{step}.stamp"


def set_up() -> None:
    """Does the missing steps; a stamp comes last, so that what was cut short is done again."""
    started = time.monotonic()
    with alone():
        steps = missing_steps()  # anew: somebody else may have done them meanwhile
        if {"airflow", "spark"} & set(steps):
            check_disk()
            print(f"setting up with Python {platform.python_version()}, {sys.executable}, in {VENVS}", flush=True)
            print("about 1.8 GB and a few minutes, once", flush=True)
        makers: dict[str, Callable[[], None]] = {
            "airflow": lambda: make_environment("airflow"),
            "spark": lambda: make_environment("spark"),
            "project": install_project,
            "archive": make_archive,
        }
        for step, make in makers.items():
            if _stands(step):
                continue
            _stamp(step).unlink(missing_ok=True)
            begun = time.monotonic()
            make()
            _stamp(step).write_text(fingerprint(step))
            print(f"  {step:<8} {time.monotonic() - begun:4.0f} s", flush=True)
    print(f"set up in {time.monotonic() - started:.0f} s", flush=True)


@contextmanager
def alone() -> Iterator[None]:
    """One set-up at a time. Children hold the lock too: an installer that outlives a killed set-up is waited for."""
    global _lock
    try:
        VENVS.mkdir(exist_ok=True)
        _lock = os.open(VENVS / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise SetupError(f"no place to write\n  got: {error}\n  remedy: clone to a folder of your own") from error
    try:
        try:
            fcntl.flock(_lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("another set-up is at work here; waiting for it", flush=True)
            fcntl.flock(_lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(_lock)


def check_disk() -> None:
    """Refuses to begin what the disk cannot hold."""
    free = shutil.disk_usage(ROOT).free
    if free < NEEDED_BYTES:
        raise SetupError(
            f"not enough disk space\n  got: {free / 1024**3:.1f} GiB free at {ROOT}\n"
            f"  expected: {NEEDED_BYTES / 1024**3:.0f} GiB\n  remedy: free some, or clone to another disk"
        )


def make_environment(name: str) -> None:
    """One environment with exactly what its requirements file pins."""
    print(f"  {name}: installing", flush=True)
    uv = make_installer()
    make_venv(VENVS / name)
    requirements = ROOT / "requirements" / f"{name}.txt"
    python = VENVS / name / "bin" / "python"
    result = None
    if uv is not None:
        command = [uv, "pip", "install", "-q", "--python", python, "--require-hashes", "-r", requirements]
        result = run(command, extra=_uv_settings())
    if result is None or result.returncode != 0:
        # pip knows mirrors and certificates from its own configuration, most of which uv does not read
        result = run(_pip(python, "--require-hashes", "-r", requirements))
    if result.returncode != 0:
        raise SetupError(explain_install(name, result.stdout))
    # a task spends most of its start on imports: with bytecode in place it is up in half the time
    run([python, "-m", "compileall", "-q", "-j", "0", VENVS / name / "lib"])


def make_installer() -> Path | None:
    """The `uv` of requirements/bootstrap.txt; None where there is none for this machine: then pip does it, slower."""
    home = VENVS / "bootstrap"
    uv = home / "bin" / "uv"
    mark = home / "made"
    wanted = fingerprint("airflow")
    if mark.exists() and mark.read_text() == wanted:
        return uv if uv.exists() else None
    make_venv(home)
    requirements = ROOT / "requirements" / "bootstrap.txt"
    result = run(_pip(home / "bin" / "python", "--require-hashes", "-r", requirements))
    if result.returncode != 0 and fault_of(result.stdout) in ("network", "certificate", "disk", "changed"):
        raise SetupError(explain_install("bootstrap", result.stdout))
    mark.write_text(wanted)
    return uv if result.returncode == 0 and uv.exists() else None


def make_venv(home: Path) -> None:
    """A virtual environment at `home`; what stood there is made anew."""
    result = run([sys.executable, "-m", "venv", "--clear", home])
    if result.returncode == 0:
        return
    remedy = "install its venv module (Debian, Ubuntu: apt install python3-venv), or name another: make demo PYTHON=…"
    if fault_of(result.stdout) == "disk":
        remedy = "free some space"
    raise SetupError(f"{sys.executable} cannot make a virtual environment\n{tail(result.stdout)}\n  remedy: {remedy}")


def install_project() -> None:
    """The project itself, editable, so that the `idiscover` command exists; needs no network."""
    python = VENVS / "airflow" / "bin" / "python"
    result = run(_pip(python, "--no-deps", "--no-build-isolation", "--no-index", "-e", ROOT))
    if result.returncode != 0:
        raise SetupError(f"the project cannot be installed\n{tail(result.stdout)}")


def make_archive() -> None:
    """Spark's start-up archive. Without one steps start more slowly, and the agent tries again in the background."""
    print("  archive: one training run of Spark", flush=True)
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="idiscover-") as state:
        places = ["--state-dir", state, "--cache-dir", CACHE, "--spark-python", VENVS / "spark" / "bin" / "python"]
        command = [VENVS / "airflow" / "bin" / "python", "-m", "local.aws.agent", "--prepare", *places]
        result = run(command)
    if result.returncode != 0:
        print(f"  no archive, EMR steps will start more slowly:\n{tail(result.stdout)}", flush=True)


FAULTS = {
    "changed": (
        ("do not match the hashes", "hash mismatch", "mismatched hash"),
        "a downloaded package is not the one that was pinned",
        "try again; if it stays, somebody on the way changes packages: ask who runs your package mirror",
    ),
    "disk": (("no space left", "quota exceeded"), "the disk is full", "free some space, or clone to another disk"),
    "certificate": (
        ("certificate verify failed", "invalid peer certificate", "unknownissuer", "sslerror"),
        "the package index shows a certificate that this machine does not trust",
        "behind a company proxy: set SSL_CERT_FILE and PIP_CERT to its CA file",
    ),
    "network": (
        ("name resolution", "newconnectionerror", "connection", "timed out", "unreachable", "dns error", "proxyerror"),
        "the package index cannot be reached",
        "check the network; behind a proxy set HTTPS_PROXY, with a mirror of your own PIP_INDEX_URL",
    ),
}


def fault_of(output: str) -> str | None:
    """Which of FAULTS an installer complains about."""
    text = output.lower()
    return next((name for name, (words, _, _) in FAULTS.items() if any(word in text for word in words)), None)


def explain_install(name: str, output: str) -> str:
    """What an installer's words mean for the person who reads them."""
    fault = fault_of(output)
    reason, remedy = "a package cannot be installed", "read the lines above; then run it again"
    if fault is not None:
        _, reason, remedy = FAULTS[fault]
    return f"{reason}\n  where: requirements/{name}.txt\n{tail(output)}\n  remedy: {remedy}"


def _pip(python: Path, *arguments: object) -> list[object]:
    # three retries: a network that is not there is said after seconds
    return [python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--retries", "3", *arguments]


def _uv_settings() -> dict[str, str]:
    """pip's mirror and certificate, as uv wants to be told."""
    result = run([VENVS / "bootstrap" / "bin" / "python", "-m", "pip", "config", "list"])
    pairs = (line.partition("=") for line in result.stdout.splitlines() if "=" in line)
    known = {name.rpartition(".")[2]: value.strip("'\"") for name, _, value in pairs}
    wanted = {"UV_DEFAULT_INDEX": "index-url", "SSL_CERT_FILE": "cert"}
    found = {name: known[option] for name, option in wanted.items() if option in known and name not in os.environ}
    return {"UV_NO_PROGRESS": "1", **found}


def run(command: Sequence[object], extra: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Runs a command; its output, both streams, in `stdout`."""
    environment = {key: value for key, value in os.environ.items() if key not in FOREIGN}
    return subprocess.run(
        [str(word) for word in command],
        env={**environment, **(extra or {})},
        cwd=ROOT,
        pass_fds=[_lock] if _lock >= 0 else [],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )


def tail(output: str) -> str:
    """The last lines of an output, indented."""
    return "\n".join(f"    {line}" for line in output.strip().splitlines()[-12:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
