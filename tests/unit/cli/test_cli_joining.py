"""A verb finds the laptop's stand-ins by the context alone, and an AWS that its caller has chosen otherwise."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from idiscover.aws import clients
from idiscover.cli.joining import joins
from idiscover.cli.main import main
from idiscover.cli.places import read_context

from local.stack.layout import PORTS

ROOT = Path(__file__).resolve().parents[3]
CONTEXT = str(ROOT / "context" / "local.yaml")
PORTS_OF_NOBODY = dict.fromkeys(PORTS, 9)


@pytest.fixture(autouse=True)
def variables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No AWS of the caller's, and no stack; whatever a join sets is gone after the test."""
    monkeypatch.setattr(os, "environ", os.environ.copy())
    # what an earlier test made has that test's credentials
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    clients._made.cache_clear()
    for name in list(os.environ):
        if name.startswith("AWS_"):
            del os.environ[name]
    os.environ["IDISCOVER_STACKS"] = str(tmp_path)
    yield
    clients._made.cache_clear()  # among them are clients without credentials


def stack(folder: Path, name: str) -> None:
    """A stack that has been started once."""
    (folder / name).mkdir()
    settings = {"ports": PORTS_OF_NOBODY, "passwords": {}, "keys": {}, "options": {}}
    (folder / name / "stack.json").write_text(json.dumps(settings))


def status(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    """What `idiscover status` says where nobody answers."""
    monkeypatch.setattr(sys, "argv", ["idiscover", "status", "--context", CONTEXT])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 1
    return capsys.readouterr().err


def test_the_console_script_joins_the_stack(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stack(tmp_path, "other")
    os.environ["IDISCOVER_STACK"] = "other"
    # asking would take its time: nobody listens there
    monkeypatch.setattr("idiscover.cli.status.command.running_dags", lambda context: sys.exit(1))
    status(monkeypatch, capsys)
    assert os.environ["AWS_ENDPOINT_URL"] == "http://127.0.0.1:9"
    assert os.environ["REQUESTS_CA_BUNDLE"] == str(tmp_path / "other" / "salesforce" / "tls" / "ca.pem")
    assert joins == {}, "no other caller in this process is sent there"


def test_without_a_stack_nothing_is_set(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    assert "AWS cannot be asked" in status(monkeypatch, capsys)
    assert "AWS_ENDPOINT_URL" not in os.environ


def test_a_stack_that_cannot_be_meant_ends_in_words(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    os.environ["IDISCOVER_STACK"] = "../elsewhere"
    assert "cannot be called '../elsewhere'" in status(monkeypatch, capsys)


@pytest.mark.parametrize("name", ["AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID"])
def test_a_callers_choice_stands(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(joins, "local", lambda: {name: "the stack's"})
    os.environ[name] = "mine"
    read_context(CONTEXT)
    assert os.environ[name] == "mine"
