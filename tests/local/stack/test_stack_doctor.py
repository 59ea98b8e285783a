"""What the doctor asks of a laptop besides: environments, Java, the stack's parts and their ports."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from idiscover.cli.doctor.checks import Finding, Outcome, run_checks

from local import doctor
from local.stack.layout import HOST


@pytest.fixture
def taken_port() -> Iterator[int]:
    """A port that somebody listens on."""
    with socket.socket() as server:
        server.bind((HOST, 0))
        server.listen()
        yield server.getsockname()[1]


def state(name: str, pid: int | None, healthy: bool, port: int | None = None) -> Any:
    """A part as `look` tells of it."""
    word = "down" if pid is None else "healthy" if healthy else "starting"
    return SimpleNamespace(part=SimpleNamespace(name=name, port=port), pid=pid, healthy=healthy, word=word)


def findings(name: str) -> list[Finding]:
    """What the check of that name finds."""
    return list(run_checks(check for check in doctor.stack_checks("default") if check.name == name))


def parts(monkeypatch: pytest.MonkeyPatch, *states: Any) -> list[Finding]:
    """What is found of a stack with these parts."""
    monkeypatch.setattr(doctor, "look", lambda _: list(states))
    return findings("stack")


def test_a_stack_that_is_well(monkeypatch: pytest.MonkeyPatch) -> None:
    [finding] = parts(monkeypatch, state("postgres", 1, True, 1), state("agent", 2, True))
    assert (finding.outcome, finding.found) == (Outcome.OK, "default: 2 parts are healthy")


def test_parts_that_are_not_well(monkeypatch: pytest.MonkeyPatch, taken_port: int) -> None:
    found = parts(
        monkeypatch,
        state("postgres", 1, True, 1),
        state("agent", None, False),
        state("airflow", 3, False),
        state("aws", None, False, taken_port),
    )
    assert [item.outcome for item in found] == [Outcome.FAIL] * 3
    assert [item.found for item in found] == [
        "agent is down",
        "airflow is starting",
        f"aws is down, and somebody else listens on its port {taken_port}",
    ]
    assert all("idiscover up" in str(item.remedy) for item in found)


def test_no_stack_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    [finding] = parts(monkeypatch)
    assert (finding.outcome, finding.remedy) == (Outcome.WARN, "idiscover up --stack default")


def test_environments_that_are_missing_broken_or_out_of_date(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho no such library >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr(doctor, "missing_steps", lambda: ["archive"])
    monkeypatch.setattr(doctor, "LEAVES", {"airflow": broken, "spark": tmp_path / "nowhere"})
    stale, airflow, spark = findings("environments")
    assert stale.outcome is Outcome.WARN and stale.found.startswith("archive ")
    assert airflow.outcome is Outcome.FAIL and airflow.found.endswith("does not run: no such library")
    assert spark.outcome is Outcome.FAIL and str(tmp_path / "nowhere") in spark.found
    assert {item.remedy for item in (stale, airflow, spark)} == {"make setup"}


def test_a_machine_without_java(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nexit 1\n")
    python.chmod(0o755)
    monkeypatch.setattr(doctor, "LEAVES", {"spark": python})
    monkeypatch.setattr("local.aws.agent.java._installed", lambda: [])
    [finding] = findings("Java")
    assert finding.outcome is Outcome.FAIL and finding.remedy
