"""Which Python setup.sh takes, and what it says where there is none; on a PATH of stand-in interpreters."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
# Answers setup.sh's probe as an interpreter of some version would, and says that it was chosen.
STAND_IN = """#!/bin/sh
case $1 in
-c) echo "{answer}"; exit {status} ;;
*) echo "chosen: $0"; echo "script: $2" ;;
esac
"""


class Machine:
    """A repository in a folder with a blank, a home, and a folder of programs that is all there is on PATH."""

    def __init__(self, folder: Path) -> None:
        self.repository, self.home, self.programs = folder / "a clone", folder / "a home", folder / "bin"
        (self.repository / "local").mkdir(parents=True)
        self.home.mkdir()
        self.programs.mkdir()
        for name in ("setup.sh", "setup.py"):
            shutil.copy(ROOT / "local" / name, self.repository / "local" / name)
        for name in ("dirname", "cat"):
            found = shutil.which(name)
            assert found is not None
            (self.programs / name).symlink_to(found)

    def python(self, name: str, answer: str, status: int = 0, folder: Path | None = None) -> Path:
        """An interpreter that says of itself `answer` (version, and what it lacks)."""
        path = (folder or self.programs) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(STAND_IN.format(answer=answer, status=status))
        path.chmod(0o755)
        return path

    def set_up(self, **variables: str) -> subprocess.CompletedProcess[str]:
        """Runs setup.sh as make does: in the repository, by a relative path."""
        shell = shutil.which("sh")
        assert shell is not None
        return subprocess.run(
            [shell, "local/setup.sh"],
            cwd=self.repository,
            env={"PATH": str(self.programs), "HOME": str(self.home), **variables},
            capture_output=True,
            text=True,
            timeout=30,
        )


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A machine without any Python."""
    return Machine(tmp_path)


def chosen(result: subprocess.CompletedProcess[str]) -> str:
    """The interpreter that was handed the work."""
    assert result.returncode == 0, result.stderr
    return result.stdout.splitlines()[0].removeprefix("chosen: ")


def test_python3_is_taken_if_it_will_do(machine: Machine) -> None:
    wanted = machine.python("python3", "3.11")
    machine.python("python3.12", "3.12")
    result = machine.set_up()
    assert chosen(result) == str(wanted)
    assert result.stdout.splitlines()[1] == "script: local/setup.py"


def test_an_unsupported_python3_is_passed_over_for_one_that_will_do(machine: Machine) -> None:
    machine.python("python3", "3.14", 1)
    wanted = machine.python("python3.13", "3.13")
    assert chosen(machine.set_up()) == str(wanted)


def test_one_that_was_built_without_a_library_is_passed_over(machine: Machine) -> None:
    machine.python("python3", "3.12, without ensurepip", 1)
    wanted = machine.python("python3.11", "3.11")
    assert chosen(machine.set_up()) == str(wanted)


def test_pyenv_is_looked_at_last_and_mwaas_version_first(machine: Machine) -> None:
    machine.python("python3", "3.9", 1)
    versions = machine.home / ".pyenv" / "versions"
    machine.python("python", "3.11", folder=versions / "3.11.7" / "bin")
    wanted = machine.python("python", "3.12", folder=versions / "3.12.1" / "bin")
    assert chosen(machine.set_up()) == str(wanted)


def test_pyenv_may_live_elsewhere(machine: Machine, tmp_path: Path) -> None:
    wanted = machine.python("python", "3.13", folder=tmp_path / "py env" / "versions" / "3.13.0" / "bin")
    assert chosen(machine.set_up(PYENV_ROOT=str(tmp_path / "py env"))) == str(wanted)


def test_the_python_that_is_named_is_taken_whatever_else_there_is(machine: Machine, tmp_path: Path) -> None:
    machine.python("python3", "3.12")
    wanted = machine.python("my python", "3.13", folder=tmp_path / "some where")
    assert chosen(machine.set_up(PYTHON=str(wanted))) == str(wanted)


def test_a_tilde_in_the_named_python_is_the_home(machine: Machine) -> None:
    wanted = machine.python("python3.13", "3.13", folder=machine.home / "bin")
    assert chosen(machine.set_up(PYTHON="~/bin/python3.13")) == str(wanted)


def test_a_named_python_that_will_not_do_is_not_replaced_by_another(machine: Machine) -> None:
    machine.python("python3", "3.12")
    old = machine.python("python3.8", "3.8", 1)
    result = machine.set_up(PYTHON=str(old))
    assert result.returncode == 1
    assert f"{old} (3.8)" in result.stderr
    assert "PYTHON=/path/to/python3.12" in result.stderr


def test_a_named_python_that_is_not_there_is_said(machine: Machine) -> None:
    machine.python("python3", "3.12")
    result = machine.set_up(PYTHON="/nowhere/python3")
    assert result.returncode == 1
    assert "/nowhere/python3 (there is none)" in result.stderr


def test_without_any_the_message_says_what_was_looked_at_and_how_to_get_one(machine: Machine) -> None:
    machine.python("python3", "3.6", 1)
    machine.python("python3.12", "3.12, without ensurepip", 1)
    machine.python("python3.11", "", 127)
    result = machine.set_up()
    assert (result.returncode, result.stdout) == (1, "")
    for words in (
        f"{machine.programs}/python3 (3.6)",
        f"{machine.programs}/python3.12 (3.12, without ensurepip)",
        f"{machine.programs}/python3.11 (does not run)",
        "remedy: install one whole",
        "apt install python3 python3-venv",
    ):
        assert words in result.stderr


def test_on_a_machine_without_python_that_is_said(machine: Machine) -> None:
    result = machine.set_up()
    assert result.returncode == 1
    assert "there is no python on PATH" in result.stderr


def test_the_probe_runs_on_this_python_and_finds_it_whole(machine: Machine) -> None:
    """The real probe: this interpreter gets past it, and meets a clone that has no requirements."""
    result = machine.set_up(PYTHON=sys.executable)
    assert "no usable Python" not in result.stderr
    assert "airflow.txt" in result.stderr


def test_make_hands_the_named_python_on(tmp_path: Path) -> None:
    make = shutil.which("make")
    if make is None:
        pytest.fail("make is needed to set up, and to test")
    shutil.copy(ROOT / "Makefile", tmp_path / "Makefile")
    (tmp_path / "local").mkdir()
    (tmp_path / "local" / "setup.sh").write_text('echo "PYTHON is $PYTHON"\n')
    environment = {
        name: value for name, value in os.environ.items() if name not in ("PYTHON", "MAKEFLAGS", "MAKELEVEL")
    }
    for words, extra in ((["PYTHON=/a b/python3"], {}), ([], {"PYTHON": "/a b/python3"})):
        result = subprocess.run(
            [make, "setup", *words], cwd=tmp_path, env={**environment, **extra}, capture_output=True, text=True
        )
        assert result.stdout.strip() == "PYTHON is /a b/python3", result.stderr
