"""The parts of a stack: what runs, in which order, and how each shows that it is well."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

import psutil
import psycopg2
import requests

from local.postgres import PostgresCluster
from local.stack.environment import (
    ADMIN,
    airflow_environment,
    airflow_url,
    aws_environment,
    aws_url,
    base_environment,
    salesforce_url,
    tableau_url,
)
from local.stack.errors import StackError
from local.stack.layout import HOST, ROOT, Layout, Settings, write_secret
from local.stack.process import ProcessRecord, is_alive, log_tail
from local.warehouse import UPSTREAM_VARIABLE

DATABASES = ["airflow", "jobmeta", "warehouse"]
SPARK_PYTHON = ROOT / ".venv" / "spark" / "bin" / "python"
MAX_STEPS = "2"
BEAT_SECONDS = 30
_PRELOAD = Path(__file__).parent / "preload"
# What runs on this machine is not asked over a proxy.
_LOCAL = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True)
class Part:
    """One process of the stack.

    `prepare` runs before each start and is free when there is nothing to do; `after` runs once it is healthy. The
    command stands in the machine's list of processes for all to read: secrets go into the environment.
    """

    name: str
    command: list[str]
    environment: dict[str, str]
    healthy: Callable[[], bool]
    port: int | None = None
    prepare: Callable[[], None] = lambda: None
    after: Callable[[], None] = lambda: None
    stop_signal: signal.Signals = signal.SIGTERM
    patience_seconds: float = 20
    start_seconds: float = 120
    wave: int = 0  # parts of a wave start together; the next wave waits for them
    holds_code: bool = False  # of plugins/, in memory: it has to be started anew once that has changed
    orphans: Callable[[], list[psutil.Process]] = list  # what a kill left and no mark shows


def stack_parts(layout: Layout, settings: Settings) -> list[Part]:
    """All parts, in the order of their start."""
    return [
        _postgres(layout, settings),
        _aws(layout, settings),
        _salesforce(layout, settings),
        _warehouse(layout, settings),
        *_tableau(layout, settings),
        _agent(layout, settings),
        _dag_sync(layout, settings),
        *_airflow(layout, settings),
    ]


def record_of(layout: Layout, name: str) -> ProcessRecord:
    """Where a part's process and output are."""
    return ProcessRecord(layout.home / "pids" / f"{name}.json", layout.logs / f"{name}.log", str(layout.home), name)


def postgres_cluster(layout: Layout, settings: Settings) -> PostgresCluster:
    """The stack's PostgreSQL."""
    return PostgresCluster(layout.state("postgres"), settings.ports["postgres"], settings.passwords["postgres"])


def _postgres(layout: Layout, settings: Settings) -> Part:
    cluster = postgres_cluster(layout, settings)
    return Part(
        name="postgres",
        # the command names binaries that only an initialised cluster has
        command=cluster.command() if layout.state("postgres").exists() else [],
        environment=base_environment(layout, settings),
        healthy=cluster.is_ready,
        port=settings.ports["postgres"],
        prepare=cluster.initialise,
        after=lambda: cluster.ensure_databases(DATABASES),
        stop_signal=signal.SIGINT,
        orphans=lambda: _orphans(cluster),
    )


def _orphans(cluster: PostgresCluster) -> list[psutil.Process]:
    """Children of a killed server: PostgreSQL writes its titles over the environment that would show the marks."""
    found = []
    for pid in cluster.processes():
        try:
            found.append(psutil.Process(pid))
        except psutil.NoSuchProcess:
            continue
    return [process for process in found if is_alive(process)]


def _aws(layout: Layout, settings: Settings) -> Part:
    return Part(
        name="aws",
        command=_module("local.aws.server", "--port", settings.ports["aws"], "--state-dir", layout.state("aws")),
        environment=aws_environment(layout, settings),
        healthy=lambda: _answers(f"{aws_url(settings)}/idiscover/health"),
        port=settings.ports["aws"],
    )


def _salesforce(layout: Layout, settings: Settings) -> Part:
    state = layout.state("salesforce")
    options = [
        word for name in ("seed", "scale") if name in settings.options for word in (f"--{name}", settings.options[name])
    ]
    return Part(
        name="salesforce",
        command=_module(
            "local.salesforce", "serve", "--port", settings.ports["salesforce"], "--state-dir", state, *options
        ),
        environment=base_environment(layout, settings),
        healthy=lambda: _answers_tls(f"{salesforce_url(settings)}/idiscover/health", state / "tls" / "ca.pem"),
        port=settings.ports["salesforce"],
        start_seconds=300,  # the first start makes the event log
    )


def _warehouse(layout: Layout, settings: Settings) -> Part:
    cluster = postgres_cluster(layout, settings)
    return Part(
        name="warehouse",
        command=_module(
            "local.warehouse",
            *("--port", settings.ports["warehouse"]),
            *("--state-dir", layout.state("warehouse")),
        ),
        environment={**base_environment(layout, settings), UPSTREAM_VARIABLE: cluster.dsn("warehouse")},
        healthy=lambda: _logs_in(settings),
        port=settings.ports["warehouse"],
        wave=1,
    )


def _tableau(layout: Layout, settings: Settings) -> list[Part]:
    """None in a stack of an earlier version, before its next start. Its certificate is the org's: one is trusted."""
    if "tableau" not in settings.ports:
        return []
    tls = layout.state("salesforce") / "tls"
    return [
        Part(
            name="tableau",
            command=_module(
                "local.tableau",
                *("--port", settings.ports["tableau"]),
                *("--state-dir", layout.state("tableau")),
                *("--certificate", tls / "server.pem"),
                *("--key", tls / "server.key"),
            ),
            environment=base_environment(layout, settings),
            healthy=lambda: _answers_tls(f"{tableau_url(settings)}/idiscover/health", tls / "ca.pem"),
            port=settings.ports["tableau"],
            wave=1,  # the org has made the certificate by then
        )
    ]


def _agent(layout: Layout, settings: Settings) -> Part:
    cache = ROOT / ".cache" / "spark"
    return Part(
        name="agent",
        command=_module(
            "local.aws.agent",
            *("--state-dir", layout.state("agent")),
            *("--endpoint", aws_url(settings)),
            *("--max-steps", MAX_STEPS),
            *("--spark-python", SPARK_PYTHON),
            *("--cache-dir", cache),
        ),
        environment=base_environment(layout, settings),
        healthy=lambda: _agent_beats(settings),
        wave=1,
    )


def _dag_sync(layout: Layout, settings: Settings) -> Part:
    beat = layout.state("dag_sync") / "beat"
    return Part(
        name="dag_sync",
        command=_module("local.stack.dag_sync", "--target", layout.dags, "--beat", beat),
        environment=base_environment(layout, settings),
        healthy=lambda: beat.exists() and time.time() - beat.stat().st_mtime < BEAT_SECONDS,
        prepare=lambda: beat.unlink(missing_ok=True),
        wave=1,
    )


def _airflow(layout: Layout, settings: Settings) -> list[Part]:
    environment = airflow_environment(layout, settings)
    preloaded = {**environment, "PYTHONPATH": os.pathsep.join([environment["PYTHONPATH"], str(_PRELOAD)])}
    health = f"{airflow_url(settings)}/api/v2/monitor/health"
    python = str(Path(sys.executable))

    def part(name: str, verb: str, healthy: Callable[[], bool], **rest: object) -> Part:
        return Part(
            name=name,
            command=[python, "-m", "airflow", *verb.split()],
            environment=preloaded if rest.get("holds_code") else environment,
            healthy=healthy,
            start_seconds=180,
            **rest,  # type: ignore[arg-type]
        )

    def component(key: str, verb: str, *, holds_code: bool = False) -> Part:
        name = f"airflow-{key.replace('_', '-')}"
        return part(name, verb, lambda: _beats(health, key, record_of(layout, name)), wave=3, holds_code=holds_code)

    return [
        part(
            "airflow-api",
            "api-server",
            lambda: _answers(health),
            port=settings.ports["airflow"],
            prepare=lambda: _prepare_airflow(layout, settings),
            wave=2,
            patience_seconds=8,  # it keeps nothing, and waits for browsers that keep their connections
        ),
        # Logs are read from their files: the servers for them take fixed ports, on every address of the machine.
        component("scheduler", "scheduler --skip-serve-logs", holds_code=True),
        component("dag_processor", "dag-processor", holds_code=True),
        component("triggerer", "triggerer --skip-serve-logs"),
    ]


def _prepare_airflow(layout: Layout, settings: Settings) -> None:
    """Password file and schema; the schema is looked at only after Airflow's version changed.

    Raises:
        StackError: Airflow could not make its schema.
    """
    layout.airflow_home.mkdir(parents=True, exist_ok=True)
    layout.dags.mkdir(parents=True, exist_ok=True)
    passwords = layout.airflow_home / "passwords.json"
    if not passwords.exists():
        write_secret(passwords, json.dumps({ADMIN: settings.passwords["admin"]}))
    stamp = layout.airflow_home / "schema"
    if stamp.exists() and stamp.read_text() == version("apache-airflow"):
        return
    path = layout.logs / "airflow-migrate.log"
    with path.open("wb") as log:
        command = [sys.executable, "-m", "airflow", "db", "migrate"]
        done = subprocess.run(
            command, env=airflow_environment(layout, settings), stdout=log, stderr=subprocess.STDOUT, cwd=layout.home
        )
    if done.returncode != 0:
        raise StackError(f"Airflow cannot make its database schema\n  its log, {path}:\n{log_tail(path)}")
    stamp.write_text(version("apache-airflow"))


def _module(name: str, *arguments: object) -> list[str]:
    return [sys.executable, "-m", name, *(str(argument) for argument in arguments)]


def _answers(url: str) -> bool:
    try:
        with _LOCAL.open(url, timeout=3) as answer:
            return answer.status == 200
    except (OSError, urllib.error.URLError):
        return False


def _answers_tls(url: str, ca: Path) -> bool:
    if not ca.exists():
        return False
    try:
        with requests.Session() as session:
            session.trust_env = False
            return session.get(url, verify=str(ca), timeout=3).status_code == 200
    except requests.RequestException:
        return False


def _logs_in(settings: Settings) -> bool:
    """Whether the front lets a client in and answers; that something listens on its port says less."""
    try:
        connection = psycopg2.connect(
            host=HOST,
            port=settings.ports["warehouse"],
            dbname="warehouse",
            user="postgres",
            password=settings.passwords["postgres"],
            connect_timeout=3,
        )
    except psycopg2.OperationalError:
        return False
    try:
        with connection.cursor() as cursor:
            cursor.execute("select 1")
            return bool(cursor.fetchone() == (1,))
    except psycopg2.Error:
        return False
    finally:
        connection.close()


def _agent_beats(settings: Settings) -> bool:
    """Whether the agent has told the server lately that it is there."""
    try:
        with _LOCAL.open(f"{aws_url(settings)}/idiscover/health", timeout=3) as answer:
            document = json.load(answer)
    except (OSError, urllib.error.URLError, ValueError):
        return False
    seconds = document.get("agent_heartbeat_age_seconds")
    return isinstance(seconds, int | float) and seconds < 15


def _beats(health: str, key: str, record: ProcessRecord) -> bool:
    """Whether an Airflow component is well by a heartbeat of its own: that of a killed one looks well for a while."""
    started = record.started()
    try:
        with _LOCAL.open(health, timeout=3) as answer:
            found = json.load(answer).get(key, {})
    except (OSError, urllib.error.URLError, ValueError):
        return False
    heartbeat = found.get(f"latest_{key}_heartbeat")
    if found.get("status") != "healthy" or heartbeat is None or started is None:
        return False
    return datetime.fromisoformat(heartbeat).timestamp() >= started
