"""The steps of the set-up: what is done again after what, what a failure says. All installers but one are stand-ins."""

from __future__ import annotations

import fcntl
import importlib.util
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[3]
STEPS = ["airflow", "spark", "project", "archive"]


class Clone:
    """A repository as the set-up sees it, in a folder with a blank, and installers that only leave their results."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = folder / "a clone"
        (self.root / "local").mkdir(parents=True)
        (self.root / "requirements").mkdir()
        shutil.copy(ROOT / "local" / "setup.py", self.root / "local" / "setup.py")
        for name in ("airflow", "spark", "bootstrap"):
            (self.root / "requirements" / f"{name}.txt").write_text(f"# {name}\n")
        (self.root / "pyproject.toml").write_text("[project]\n")
        self.setup = self.load()
        self.commands: list[str] = []
        self.failing: dict[str, str] = {}
        self.on_run: Callable[[str], None] = lambda line: None
        self.real_run = self.setup.run
        monkeypatch.setattr(self.setup, "run", self._run)

    def load(self) -> ModuleType:
        """local/setup.py of the clone, as a module."""
        spec = importlib.util.spec_from_file_location("setup_under_test", self.root / "local" / "setup.py")
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    def _run(self, command: list[object], extra: object = None) -> subprocess.CompletedProcess[str]:
        line = " ".join(str(word) for word in command).replace(str(self.root), "")
        self.commands.append(line)
        self.on_run(line)
        for words, output in self.failing.items():
            if words in line:
                return subprocess.CompletedProcess(line, 1, output)
        if "-m venv" in line:
            folder = Path(str(command[-1])) / "bin"
            shutil.rmtree(folder.parent, ignore_errors=True)
            folder.mkdir(parents=True)
            (folder / "python").touch()
        if "bootstrap.txt" in line:
            (self.root / ".venv" / "bootstrap" / "bin" / "uv").touch()
        if " -e " in line:
            (self.root / ".venv" / "airflow" / "bin" / "idiscover").touch()
        return subprocess.CompletedProcess(line, 0, "")

    def count(self, words: str) -> int:
        """How many commands held these words."""
        return sum(words in line for line in self.commands)


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Clone:
    """A fresh clone."""
    return Clone(tmp_path, monkeypatch)


def test_a_second_time_does_nothing(clone: Clone) -> None:
    assert clone.setup.main(["--check"]) == 1
    assert clone.setup.missing_steps() == STEPS
    assert clone.setup.main([]) == 0
    done = len(clone.commands)
    assert done > 5
    assert clone.setup.main([]) == 0
    assert clone.setup.main(["--check"]) == 0
    assert len(clone.commands) == done


def test_both_environments_are_installed_by_hash_with_uv(clone: Clone) -> None:
    clone.setup.main([])
    for name in ("airflow", "spark"):
        found = [line for line in clone.commands if f"-r /requirements/{name}.txt" in line]
        assert len(found) == 1 and "--require-hashes" in found[0]
        assert found[0].startswith("/.venv/bootstrap/bin/uv pip install")


@pytest.mark.parametrize(
    ("changed", "again"),
    [
        ("requirements/airflow.txt", ["airflow", "project"]),
        ("requirements/spark.txt", ["spark", "archive"]),
        ("pyproject.toml", ["project"]),
        ("requirements/bootstrap.txt", ["airflow", "spark"]),  # and the command, which lies in one of them
    ],
)
def test_a_change_repeats_what_was_made_from_it_and_nothing_else(clone: Clone, changed: str, again: list[str]) -> None:
    clone.setup.main([])
    path = clone.root / changed
    path.write_text(path.read_text() + "# changed\n")
    assert clone.setup.missing_steps() == again
    assert clone.setup.main([]) == 0
    assert clone.setup.missing_steps() == []


@pytest.mark.parametrize("gone", [".venv/airflow", ".venv/spark/bin/python", ".venv/airflow/bin/idiscover", ".cache"])
def test_what_somebody_removed_comes_back(clone: Clone, gone: str) -> None:
    clone.setup.main([])
    path = clone.root / gone
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert clone.setup.missing_steps()
    assert clone.setup.main([]) == 0
    assert path.exists() and clone.setup.missing_steps() == []


def test_a_clone_that_was_moved_is_set_up_anew(clone: Clone) -> None:
    clone.setup.main([])
    clone.root = clone.root.rename(clone.root.with_name("moved"))
    assert clone.load().missing_steps() == STEPS, "scripts and links name the folder"


def test_another_python_sets_up_anew(clone: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    clone.setup.main([])
    monkeypatch.setattr(sys, "base_prefix", "/some/other/python")
    assert clone.setup.missing_steps() == STEPS


def test_an_interrupted_set_up_goes_on_with_the_step_it_was_at(
    clone: Clone, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(line: str) -> None:
        if "spark.txt" in line:
            raise KeyboardInterrupt

    clone.on_run = interrupt
    assert clone.setup.main([]) == 130
    assert "run it again to go on" in capsys.readouterr().err
    assert clone.setup.missing_steps() == ["spark", "project", "archive"]
    clone.on_run = lambda line: None
    assert clone.setup.main([]) == 0
    assert clone.count("-r /requirements/airflow.txt") == 1
    assert clone.count("-r /requirements/bootstrap.txt") == 1
    assert clone.setup.missing_steps() == []


def test_pip_does_it_where_uv_cannot(clone: Clone) -> None:
    clone.failing["uv pip install"] = "error: no such mirror"
    assert clone.setup.main([]) == 0
    assert clone.count("/.venv/spark/bin/python -m pip install") == 1


def test_pip_does_it_where_there_is_no_uv_for_the_machine(clone: Clone) -> None:
    clone.failing["bootstrap.txt"] = "ERROR: No matching distribution found for uv"
    assert clone.setup.main([]) == 0
    assert clone.count("uv pip install") == 0
    assert clone.count("/.venv/airflow/bin/python -m pip install") == 2


@pytest.mark.parametrize(
    ("words", "output", "said"),
    [
        ("bootstrap.txt", "[Errno -3] Temporary failure in name resolution", "the package index cannot be reached"),
        ("airflow.txt", "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM", "not the one that was pinned"),
        ("spark.txt", "OSError: [Errno 28] No space left on device", "the disk is full"),
        ("airflow.txt", "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed", "SSL_CERT_FILE"),
        ("airflow.txt", "ERROR: something new", "something new"),
        ("-m venv", "ensurepip is not available.", "python3-venv"),
        (" -e ", "error: no pyproject.toml", "the project cannot be installed"),
    ],
)
def test_a_failure_says_what_is_missing(
    clone: Clone, capsys: pytest.CaptureFixture[str], words: str, output: str, said: str
) -> None:
    clone.failing[words] = output
    assert clone.setup.main([]) == 1
    error = capsys.readouterr().err
    assert said in error and output in error
    assert clone.setup.missing_steps()


def test_a_missing_archive_is_no_failure(clone: Clone, capsys: pytest.CaptureFixture[str]) -> None:
    clone.failing["local.aws.agent"] = "no class data sharing archive: out of memory"
    assert clone.setup.main([]) == 0
    assert "steps will start more slowly" in capsys.readouterr().out


def test_too_little_disk_is_said_before_anything_is_begun(
    clone: Clone, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(clone.root)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1024**3))
    assert clone.setup.main([]) == 1
    error = capsys.readouterr().err
    assert "got: 1.0 GiB free" in error and "remedy: free some" in error
    assert clone.commands == []


def test_a_folder_that_cannot_be_written_to_is_said(clone: Clone, capsys: pytest.CaptureFixture[str]) -> None:
    (clone.root / ".venv").write_text("a file in the way")
    assert clone.setup.main([]) == 1
    assert "no place to write" in capsys.readouterr().err


def test_two_at_once_take_turns_and_the_second_finds_all_done(clone: Clone, capfd: pytest.CaptureFixture[str]) -> None:
    (clone.root / ".venv").mkdir()
    held = os.open(clone.root / ".venv" / "lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(held, fcntl.LOCK_EX)
    codes: list[int] = []
    second = threading.Thread(target=lambda: codes.append(clone.setup.main([])))
    second.start()
    time.sleep(0.3)
    assert clone.commands == [], "it waits"
    # what the first one would have left
    for step, leaf in clone.setup.LEAVES.items():
        leaf.parent.mkdir(parents=True, exist_ok=True)
        leaf.touch()
        (clone.root / ".venv" / f"{step}.stamp").write_text(clone.setup.fingerprint(step))
    os.close(held)
    second.join(10)
    assert (codes, clone.commands) == ([0], [])
    assert "another set-up is at work" in capfd.readouterr().out


def test_a_python_that_will_not_do_is_refused(
    clone: Clone, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clone.setup, "SUPPORTED", ((2, 7),))
    assert clone.setup.main([]) == 1
    assert "sh local/setup.sh" in capsys.readouterr().err


def test_pips_own_words_without_a_network_are_understood(
    clone: Clone, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A real pip, asked for a real pin, against an index that nobody serves."""
    monkeypatch.setattr(clone.setup, "run", clone.real_run)
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    for name in ("PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(clone.setup, "make_venv", lambda home: None)
    python = clone.root / ".venv" / "bootstrap" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    shutil.copy(Path(sys.prefix) / "pyvenv.cfg", python.parent.parent / "pyvenv.cfg")
    (python.parent.parent / "lib").symlink_to(Path(sys.prefix) / "lib")
    shutil.copy(ROOT / "requirements" / "bootstrap.txt", clone.root / "requirements" / "bootstrap.txt")
    assert clone.setup.main([]) == 1
    error = capsys.readouterr().err
    assert "the package index cannot be reached" in error and "remedy: check the network" in error
