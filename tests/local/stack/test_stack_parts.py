"""What the parts of a stack are told, and what counts as well."""

from __future__ import annotations

import http.server
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from local.aws import MWAA_VARIABLE
from local.aws.agent.spark import Spark
from local.aws.agent.spark import environment as step_environment
from local.aws.mwaa import Airflow
from local.stack.environment import MWAA_ENVIRONMENT, airflow_environment, airflow_url, base_environment
from local.stack.errors import StackError
from local.stack.layout import HOST, Layout, Settings, ensure_settings
from local.stack.parts import _beats, record_of, stack_parts
from local.stack.process import PART_MARK, STACK_MARK
from local.warehouse import UPSTREAM_VARIABLE


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """A stack in a folder with a blank."""
    return Layout("one", tmp_path / "the stacks" / "one")


@pytest.fixture
def settings(layout: Layout) -> Settings:
    """Its settings."""
    return ensure_settings(layout, {})


class Health:
    """Airflow's health document as the API server would answer it."""

    def __init__(self) -> None:
        self.document: dict[str, object] = {}
        health = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = json.dumps(health.document).encode()
                self.send_response(200)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Quiet."""

        self.server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.server.server_port}/"

    def say(self, status: str, heartbeat: float | None) -> None:
        """What it answers from now on about the triggerer; the heartbeat in seconds since the epoch."""
        text = None if heartbeat is None else datetime.fromtimestamp(heartbeat, UTC).isoformat().replace("+00:00", "Z")
        self.document = {"triggerer": {"status": status, "latest_triggerer_heartbeat": text}}


@pytest.fixture
def health() -> Iterator[Health]:
    """A health endpoint on a free port."""
    found = Health()
    yield found
    found.server.shutdown()
    found.server.server_close()


def test_a_component_is_well_by_a_heartbeat_of_its_own_only(layout: Layout, health: Health) -> None:
    record = record_of(layout, "airflow-triggerer")
    health.say("healthy", time.time())
    assert not _beats(health.url, "triggerer", record), "nobody was started"
    record.start([sys.executable, "-c", "import time; time.sleep(60)"], dict(os.environ), layout.home.parent.parent)
    started = record.started()
    assert started is not None
    try:
        health.say("healthy", started - 5)
        assert not _beats(health.url, "triggerer", record), "that was the one before, which was killed"
        health.say("healthy", started + 1)
        assert _beats(health.url, "triggerer", record)
        health.say("unhealthy", started + 1)
        assert not _beats(health.url, "triggerer", record)
        health.say("healthy", None)
        assert not _beats(health.url, "triggerer", record)
    finally:
        record.stop(signal.SIGKILL, 5)


def test_health_on_this_machine_is_not_asked_over_a_proxy(
    layout: Layout, health: Health, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    record = record_of(layout, "airflow-triggerer")
    record.file.parent.mkdir(parents=True)
    record.file.write_text(json.dumps({"pid": os.getpid(), "started": time.time() - 10}))
    health.say("healthy", time.time())
    assert _beats(health.url, "triggerer", record)


def test_no_part_listens_on_a_port_that_another_stack_would_want_too(layout: Layout, settings: Settings) -> None:
    parts = {part.name: part for part in stack_parts(layout, settings)}
    # their log servers have fixed ports, and listen on every address
    for name in ("airflow-scheduler", "airflow-triggerer"):
        assert "--skip-serve-logs" in parts[name].command
    ports = [part.port for part in parts.values() if part.port]
    assert sorted(ports) == sorted(settings.ports.values())


def test_names_differ_and_waves_follow_what_needs_what(layout: Layout, settings: Settings) -> None:
    waves = {part.name: part.wave for part in stack_parts(layout, settings)}
    assert len(waves) == len(stack_parts(layout, settings)) == 11
    assert waves["postgres"] < waves["warehouse"]
    assert waves["aws"] < waves["agent"]
    assert waves["airflow-api"] < waves["airflow-scheduler"]
    assert waves["salesforce"] < waves["tableau"]  # whose certificate it takes


def test_nothing_of_the_callers_settings_reaches_a_part(
    layout: Layout, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_PROFILE", "PYTHONPATH", "AIRFLOW__CORE__EXECUTOR", "HTTPS_PROXY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, "the caller's")
    for environment in (base_environment(layout, settings), airflow_environment(layout, settings)):
        assert "the caller's" not in environment.values()


def test_two_stacks_share_no_address_and_no_secret(tmp_path: Path) -> None:
    environments = []
    for name in ("one", "two"):
        layout = Layout(name, tmp_path / name)
        environments.append(airflow_environment(layout, ensure_settings(layout, {})))
    for key in (
        "AWS_ENDPOINT_URL",
        "AIRFLOW_HOME",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL",
        "AIRFLOW__CORE__FERNET_KEY",
        "AIRFLOW__API_AUTH__JWT_SECRET",
        "REQUESTS_CA_BUNDLE",
    ):
        assert environments[0][key] != environments[1][key], key


def test_no_secret_stands_in_a_command_line(layout: Layout, settings: Settings) -> None:
    layout.home.mkdir(parents=True, exist_ok=True)
    secrets = [*settings.passwords.values(), *settings.keys.values()]
    for part in stack_parts(layout, settings):
        line = " ".join(part.command)
        assert not [secret for secret in secrets if secret in line], part.name


def test_the_front_is_told_its_database_in_the_environment(layout: Layout, settings: Settings) -> None:
    parts = {part.name: part for part in stack_parts(layout, settings)}
    upstream = parts["warehouse"].environment[UPSTREAM_VARIABLE]
    assert upstream.endswith(f"@127.0.0.1:{settings.ports['postgres']}/warehouse")
    assert UPSTREAM_VARIABLE not in parts["agent"].environment


def test_the_aws_stand_in_alone_is_told_how_to_reach_airflow(layout: Layout, settings: Settings) -> None:
    parts = {part.name: part for part in stack_parts(layout, settings)}
    told = Airflow(**json.loads(parts["aws"].environment[MWAA_VARIABLE]))
    assert told == Airflow(MWAA_ENVIRONMENT, airflow_url(settings), "admin", settings.passwords["admin"])
    assert [name for name, part in parts.items() if MWAA_VARIABLE in part.environment] == ["aws"]


def test_a_step_is_known_as_the_stacks_but_not_as_the_agents(
    layout: Layout, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """An agent that is started again finds its steps alive; when the stack goes down they end."""
    monkeypatch.setenv(STACK_MARK, str(layout.home))
    monkeypatch.setenv(PART_MARK, "agent")
    spark = Spark(tmp_path / "python", tmp_path, tmp_path, 2, 768, tmp_path)
    environment = step_environment(spark, tmp_path, "http://127.0.0.1:9", {})
    assert environment[STACK_MARK] == str(layout.home)
    assert PART_MARK not in environment


def test_a_front_that_only_accepts_connections_is_not_well(layout: Layout, settings: Settings) -> None:
    parts = {part.name: part for part in stack_parts(layout, settings)}
    with socket.socket() as silent:
        silent.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        silent.bind((HOST, settings.ports["warehouse"]))
        silent.listen()
        assert not parts["warehouse"].healthy()


def test_a_mirror_that_has_stopped_beating_is_not_well(layout: Layout, settings: Settings) -> None:
    mirror = next(part for part in stack_parts(layout, settings) if part.name == "dag_sync")
    beat = layout.state("dag_sync") / "beat"
    assert not mirror.healthy()
    beat.parent.mkdir(parents=True)
    beat.touch()
    assert mirror.healthy()
    os.utime(beat, (time.time() - 120, time.time() - 120))
    assert not mirror.healthy()


def test_what_forks_has_everything_in_memory_and_no_thread(layout: Layout, settings: Settings) -> None:
    """Neither a thread nor a connection survives a fork; and nobody else pays for the imports."""
    parts = {part.name: part for part in stack_parts(layout, settings)}
    preloading = {name for name, part in parts.items() if "preload" in part.environment["PYTHONPATH"]}
    assert preloading == {"airflow-scheduler", "airflow-dag-processor"}
    assert preloading == {name for name, part in parts.items() if part.holds_code}
    program = (
        "import airflow_local_settings, sys, threading\n"
        "assert airflow_local_settings.__all__ == [], 'Airflow takes every other name for a setting'\n"
        "wanted = ('idiscover.aws.refresher', 'airflow.providers.amazon.aws.operators.emr', 'simple_salesforce')\n"
        "print([name in sys.modules for name in wanted], threading.active_count())\n"
    )
    answer = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        env=parts["airflow-scheduler"].environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert answer.stdout.splitlines()[-1] == "[True, True, True] 1"


def test_a_migration_that_fails_shows_its_log(
    layout: Layout, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout.logs.mkdir(parents=True)
    broken = tmp_python(layout.home, "echo the database is on fire; exit 3")
    monkeypatch.setattr(sys, "executable", str(broken))
    api = next(part for part in stack_parts(layout, settings) if part.name == "airflow-api")
    with pytest.raises(StackError, match="the database is on fire"):
        api.prepare()
    assert not (layout.airflow_home / "schema").exists(), "it is tried again"


def tmp_python(folder: Path, script: str) -> Path:
    """Something that is called as an interpreter would be."""
    path = folder / "python"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path
