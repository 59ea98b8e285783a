"""Set-up from nothing: two Python environments and the `idiscover` command. Standard library only.

Run by whatever `python3` there is; finds a Python 3.11, 3.12 or 3.13 for the environments. As in production, Airflow and
Spark do not share one:

    .venv/airflow   Airflow as on MWAA, the stand-ins, the tools of a developer
    .venv/spark     Spark as on EMR, and what the extraction imports

A second run compares one stamp and ends. A failed one says what is missing and how to get it; run it again to go on.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENVS = ROOT / ".venv"
STAMP = VENVS / "stamp"
ENVIRONMENTS = ("airflow", "spark")
INPUTS = ("requirements/airflow.txt", "requirements/spark.txt", "requirements/bootstrap.txt", "pyproject.toml")
SUPPORTED = ((3, 12), (3, 11), (3, 13))  # MWAA's first
NEEDED_BYTES = 4 * 1024**3


class SetupError(Exception):
    """What is missing, and how to get it."""


def main() -> int:
    """Sets up what is not; returns an exit status."""
    try:
        if is_set_up():
            return 0
        set_up()
    except SetupError as error:
        print(f"\nset-up failed: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nset-up interrupted; run it again to go on", file=sys.stderr)
        return 130
    return 0


def fingerprint() -> str:
    """Of everything that the environments are made from, where they stand included."""
    digest = hashlib.sha256(str(ROOT).encode())
    for name in INPUTS:
        digest.update((ROOT / name).read_bytes())
    return digest.hexdigest()


def is_set_up() -> bool:
    """Whether the last set-up was for the files as they are now."""
    return (
        STAMP.exists() and STAMP.read_text() == fingerprint() and all(python_of(name).exists() for name in ENVIRONMENTS)
    )


def set_up() -> None:
    """Makes both environments; the stamp comes last, so that what was cut short is done again."""
    started = time.monotonic()
    STAMP.unlink(missing_ok=True)
    python = find_python()
    check_disk()
    print(f"setting up with {python} in {VENVS}: about 1.5 GB, once; a few minutes", flush=True)
    installer = make_installer(python)
    for name in ENVIRONMENTS:
        make_environment(name, python, installer)
    install_project()
    STAMP.write_text(fingerprint())
    print(f"set up in {time.monotonic() - started:.0f} s", flush=True)


def python_of(name: str) -> Path:
    """The interpreter of an environment."""
    return VENVS / name / "bin" / "python"


def find_python() -> str:
    """The first Python 3.12, 3.11 or 3.13 that runs: $PYTHON, this one, on PATH, in pyenv."""
    names = [f"python{major}.{minor}" for major, minor in SUPPORTED]
    candidates = [os.environ["PYTHON"]] if os.environ.get("PYTHON") else [sys.executable]
    if not os.environ.get("PYTHON"):
        candidates += [path for path in (shutil.which(name) for name in names) if path]
        pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
        for major, minor in SUPPORTED:
            candidates += [str(path) for path in sorted(pyenv.glob(f"{major}.{minor}.*/bin/python"), reverse=True)]
    seen = []
    for candidate in candidates:
        version = version_of(candidate)
        if version in SUPPORTED:
            return candidate
        seen.append(f"{candidate} ({'does not run' if version is None else '.'.join(map(str, version))})")
    raise SetupError(
        "no Python 3.11, 3.12 or 3.13\n"
        f"  looked at: {', '.join(seen)}\n"
        "  remedy: install one (Debian, Ubuntu: apt install python3 python3-venv; macOS: brew install python@3.12; or pyenv),\n"
        "          or name it: make demo PYTHON=/path/to/python3.12"
    )


def version_of(python: str) -> tuple[int, ...] | None:
    """(major, minor) of an interpreter, None if it does not run."""
    try:
        answer = subprocess.run(
            [python, "-c", "import sys; print(*sys.version_info[:2])"], capture_output=True, text=True, timeout=60
        )
    except OSError:
        return None
    return tuple(int(part) for part in answer.stdout.split()) if answer.returncode == 0 else None


def check_disk() -> None:
    """Refuses to begin what the disk cannot hold."""
    free = shutil.disk_usage(ROOT).free
    if free < NEEDED_BYTES:
        raise SetupError(
            f"not enough disk space\n  got: {free / 1024**3:.1f} GiB free at {ROOT}\n"
            f"  expected: {NEEDED_BYTES / 1024**3:.0f} GiB\n  remedy: free some, or clone to another disk"
        )


def make_installer(python: str) -> Path | None:
    """The `uv` of requirements/bootstrap.txt, or None where it cannot be had: pip does it then, slower."""
    home = VENVS / "bootstrap"
    make_venv(home, python)
    command = [home / "bin" / "python", "-m", "pip", "install", "-q", "--require-hashes", "--disable-pip-version-check"]
    result = run([*command, "-r", ROOT / "requirements" / "bootstrap.txt"])
    uv = home / "bin" / "uv"
    return uv if result.returncode == 0 and uv.exists() else None


def make_venv(home: Path, python: str) -> None:
    """A virtual environment at `home`; what stood there is made anew."""
    result = run([python, "-m", "venv", "--clear", home])
    if result.returncode != 0:
        raise SetupError(
            f"{python} cannot make a virtual environment\n{tail(result.stdout)}\n"
            "  remedy: install its venv module (Debian, Ubuntu: apt install python3-venv)"
        )


def make_environment(name: str, python: str, installer: Path | None) -> None:
    """One environment with exactly what its requirements file pins."""
    print(f"  {name}: installing", flush=True)
    make_venv(VENVS / name, python)
    requirements = ROOT / "requirements" / f"{name}.txt"
    result = None
    if installer is not None:
        result = run(
            [installer, "pip", "install", "-q", "--python", python_of(name), "--require-hashes", "-r", requirements]
        )
    if result is None or result.returncode != 0:
        # pip knows mirrors and certificates from its own configuration, which uv does not read
        pip = [python_of(name), "-m", "pip", "install", "-q", "--require-hashes", "--disable-pip-version-check"]
        result = run([*pip, "-r", requirements])
    if result.returncode != 0:
        raise SetupError(explain_install(name, result.stdout))
    print(f"  {name}: compiling", flush=True)
    # a task spends most of its start on imports: with bytecode in place it is up in half the time
    run([python_of(name), "-m", "compileall", "-q", "-j", "0", VENVS / name / "lib"])


def explain_install(name: str, output: str) -> str:
    """What an installer's words mean for the person who reads them."""
    text = output.lower()
    if "hash" in text and "mismatch" in text:
        reason = "a downloaded package is not the one that was pinned"
        remedy = "try again; if it stays, somebody on the way changes packages: ask who runs your package mirror"
    elif any(word in text for word in ("connection", "resolve", "timed out", "network", "ssl", "dns")):
        reason = "the package index cannot be reached"
        remedy = "check the network, or set PIP_INDEX_URL to your mirror"
    elif "no space left" in text:
        reason, remedy = "the disk is full", "free some space"
    else:
        reason, remedy = "a package cannot be installed", "read the lines above; then run it again"
    return f"{reason}\n  where: requirements/{name}.txt\n{tail(output)}\n  remedy: {remedy}"


def install_project() -> None:
    """The project itself, editable, so that the `idiscover` command exists; needs no network."""
    pip = [python_of("airflow"), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    result = run([*pip, "--no-deps", "--no-build-isolation", "--no-index", "-e", ROOT])
    if result.returncode != 0:
        raise SetupError(f"the project cannot be installed\n{tail(result.stdout)}")


def run(command: list) -> subprocess.CompletedProcess[str]:
    """Runs a command; its output, both streams, in `stdout`."""
    environment = {
        key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
    }
    if "PIP_INDEX_URL" in environment:
        environment.setdefault("UV_INDEX_URL", environment["PIP_INDEX_URL"])
    words = [str(word) for word in command]
    return subprocess.run(words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def tail(output: str) -> str:
    """The last lines of an output, indented."""
    return "\n".join(f"    {line}" for line in output.strip().splitlines()[-12:])


if __name__ == "__main__":
    sys.exit(main())
