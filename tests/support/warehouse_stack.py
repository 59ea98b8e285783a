"""A warehouse of its own for a test: an embedded PostgreSQL with the Redshift front before it."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import psycopg2

from local.postgres.cluster import PostgresCluster

DATABASE = "warehouse"
START_TIMEOUT_SECONDS = 60
REPOSITORY = Path(__file__).resolve().parents[2]


@contextmanager
def running_warehouse(folder: Path) -> Iterator[str]:
    """DSN of the front, as DAG code would get it; both processes end with the context."""
    with running_postgres(folder) as cluster, running_front(folder, cluster) as dsn:
        yield dsn


@contextmanager
def running_postgres(folder: Path) -> Iterator[PostgresCluster]:
    """A PostgreSQL with an empty database `warehouse`; its process ends with the context."""
    cluster = PostgresCluster(folder / "data", _free_port(), secrets.token_hex(8))
    cluster.initialise()
    with _process(cluster.command(), cluster.is_ready, folder / "postgres.log"):
        cluster.ensure_databases([DATABASE])
        yield cluster


@contextmanager
def running_front(
    folder: Path, cluster: PostgresCluster, environment: Mapping[str, str] | None = None
) -> Iterator[str]:
    """DSN of a front before `cluster`'s database `warehouse`; its process ends with the context.

    Args:
        folder: for its log and state.
        cluster: a running one.
        environment: what the front sees besides this process's own, such as where S3 is.
    """
    port, upstream = _free_port(), cluster.dsn(DATABASE)
    dsn = upstream.replace(f"127.0.0.1:{cluster.port}", f"127.0.0.1:{port}")
    command = [sys.executable, "-m", "local.warehouse", "--port", str(port), "--upstream", upstream]
    command += ["--state-dir", str(folder / "front")]
    with _process(command, lambda: _answers(dsn), folder / "front.log", environment):
        yield dsn


@contextmanager
def _process(
    command: Sequence[str], is_ready: Callable[[], bool], log: Path, environment: Mapping[str, str] | None = None
) -> Iterator[None]:
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=output, cwd=REPOSITORY, env={**os.environ, **(environment or {})}
        )
    try:
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while not is_ready():
            if process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"{command[:3]} did not start: {log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.1)
        yield
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=30)


def _answers(dsn: str) -> bool:
    try:
        connection = psycopg2.connect(dsn, connect_timeout=3)
    except psycopg2.OperationalError:
        return False
    connection.close()
    return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
