"""The command line itself: verbs, options, and errors that end in words with exit status 1."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from botocore.config import Config
from idiscover.aws import clients, s3
from idiscover.cli.main import main

ROOT = Path(__file__).resolve().parents[3]


@dataclass
class Said:
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str


Command = Callable[..., Said]


@pytest.fixture
def idiscover(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Command:
    """The console script, in this process; its AWS is an address that nobody serves."""
    monkeypatch.chdir(ROOT)
    environment = {
        "IDISCOVER_STACKS": str(tmp_path / "stacks"),
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "COLUMNS": "200",
        "NO_COLOR": "1",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    for module in (clients, s3):
        monkeypatch.setattr(module, "CLIENT_CONFIG", Config(retries={"total_max_attempts": 1}))

    def call(*words: str) -> Said:
        monkeypatch.setattr(sys, "argv", ["idiscover", *words])
        with pytest.raises(SystemExit) as end:
            main()
        said = capsys.readouterr()
        return Said(int(end.value.code or 0), said.out, said.err)

    return call


def test_help_names_every_verb(idiscover: Command) -> None:
    result = idiscover("--help")
    assert result.code == 0
    for verb in (
        "compile",
        "deploy",
        "doctor",
        "plan",
        "publish",
        "pull",
        "status",
        "up",
        "demo",
        "day",
        "down",
        "reset",
        "stack",
        "logs",
        "verify",
    ):
        assert f" {verb} " in result.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("compile", "--metadata", "no such folder", "--dry-run"), "no such folder"),
        (("compile", "--context", "nowhere.yaml"), "nowhere.yaml"),
        (("compile", "--context", "s3://no-bucket/context.yaml"), "s3://no-bucket/context.yaml"),
        (("deploy", "--dry-run"), "s3://idiscover-local"),
        (("deploy", "--root", "docs"), "not the repository"),
        (("publish",), "s3://idiscover-local"),
        (("pull", "--dry-run"), "s3://idiscover-local"),
        (("down", "--stack", "none/"), "cannot be called 'none/'"),
        (("stack", "--stack", "none"), "there is no stack none"),
        (("stack", "--stack", "../.."), "cannot be called '../..'"),
        (("reset", "--yes", "--stack", ".."), "cannot be called '..'"),
        (("logs", "postgres", "--stack", "none"), "there are: none"),
    ],
)
def test_an_error_ends_in_words(idiscover: Command, words: tuple[str, ...], said: str, tmp_path: Path) -> None:
    result = idiscover(*words)
    assert result.code == 1
    assert said in result.out + result.err
    assert not (tmp_path / "stacks").exists()


@pytest.mark.parametrize(
    "words",
    [
        ("up", "--scale", "big"),
        ("up", "--scale", "0"),
        ("up", "--seed", "1.5"),
        ("fly",),
        ("deploy", "--overwrite", "--keep-edits"),
    ],
)
def test_a_wrong_option_is_refused_before_anything_is_made(
    idiscover: Command, words: tuple[str, ...], tmp_path: Path
) -> None:
    assert idiscover(*words).code == 2
    assert not (tmp_path / "stacks").exists()


def test_what_a_reset_would_remove_has_to_be_a_stack(idiscover: Command, tmp_path: Path) -> None:
    precious = tmp_path / "stacks" / "photos" / "1998.jpg"
    precious.parent.mkdir(parents=True)
    precious.write_text("the sea")
    result = idiscover("reset", "--yes", "--stack", "photos")
    assert result.code == 1
    assert "is no stack" in result.err
    assert precious.read_text() == "the sea"


def test_compiling_outside_the_repository_says_so(
    idiscover: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = ["--metadata", str(ROOT / "metadata"), "--context", str(ROOT / "context" / "local.yaml")]
    monkeypatch.chdir(tmp_path)
    result = idiscover("compile", *places)
    assert result.code == 1
    assert "--root" in result.err
    assert list(tmp_path.iterdir()) == []
    assert idiscover("compile", *places, "--root", str(ROOT)).code == 0
    assert (tmp_path / "dags" / "generated" / "sfdc_to_s3__account.py").is_file()


def test_a_dry_run_of_compile_writes_nothing(idiscover: Command, tmp_path: Path) -> None:
    result = idiscover("compile", "--out", str(tmp_path / "dags"), "--dry-run")
    assert result.code == 0
    assert "would be written" in result.out
    assert not (tmp_path / "dags").exists()


def test_the_installed_command_has_the_verbs_of_local() -> None:
    """As a user calls it: a process, the script of the environment, the entry points of the installed package."""
    script = Path(sys.executable).with_name("idiscover")
    result = subprocess.run([script, "stack", "--help"], capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
    assert "--stack" in result.stdout
