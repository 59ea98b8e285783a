"""The embedded cluster: as root and as a plain user, in awkward directories, after a kill -9 and half-way through."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg2
import pytest

from local.postgres import PostgresCluster
from local.postgres.privileges import UNPRIVILEGED_UID, LaunchMode, namespace_prefix

PASSWORD = "se cret/@:%é"
ROOT = os.geteuid() == 0
REPOSITORY = Path(__file__).resolve().parents[3]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def running(cluster: PostgresCluster) -> Iterator[subprocess.Popen[bytes]]:
    """The server, ready; stopped on leaving if it still runs."""
    process = subprocess.Popen(cluster.command(), stderr=subprocess.PIPE)
    try:
        deadline = time.monotonic() + 30
        while not cluster.is_ready():
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                raise AssertionError(process.communicate()[1].decode())
            time.sleep(0.1)
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)


def one(dsn: str, sql: str) -> object:
    connection = psycopg2.connect(dsn)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchone()[0] if cursor.description else None
    finally:
        connection.close()


@pytest.fixture
def closed_directory() -> Iterator[Path]:
    """A directory whose parent nobody else may enter, with a space in its name."""
    parent = Path(tempfile.mkdtemp(prefix="closed "))
    parent.chmod(0o700)
    yield parent / "my cluster"
    shutil.rmtree(parent)


def test_a_closed_directory_with_a_space_and_a_password_that_needs_quoting(closed_directory: Path) -> None:
    cluster = PostgresCluster(closed_directory, free_port(), PASSWORD)
    cluster.initialise()
    with running(cluster):
        cluster.ensure_databases(["airflow", "job meta"])
        cluster.ensure_databases(["airflow", "job meta", "warehouse"])
        assert one(cluster.dsn("job meta"), "select current_database()") == "job meta"
        assert one(cluster.dsn("warehouse"), "select current_setting('listen_addresses')") == "127.0.0.1"
        wrong = PostgresCluster(closed_directory, cluster.port, "wrong")
        assert not wrong.is_ready()
    assert not cluster.is_ready()


def test_data_survive_kill_9_and_a_stale_pid_file_does_not_matter(closed_directory: Path) -> None:
    cluster = PostgresCluster(closed_directory, free_port(), PASSWORD)
    cluster.initialise()
    with running(cluster) as process:
        one(cluster.dsn("postgres"), "create table kept as select generate_series(1, 1000) as n")
        process.kill()
        process.wait()
    # The recorded process number now belongs to somebody else: this test.
    pid_file = closed_directory / "postmaster.pid"
    lines = pid_file.read_text().splitlines()
    pid_file.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")
    cluster.initialise()
    with running(cluster):
        assert one(cluster.dsn("postgres"), "select sum(n) from kept") == 500500


def test_a_second_server_on_the_same_directory_is_refused(closed_directory: Path) -> None:
    cluster = PostgresCluster(closed_directory, free_port(), PASSWORD)
    cluster.initialise()
    with running(cluster):
        second = subprocess.run(cluster.command(), capture_output=True, text=True, timeout=60, check=False)
        assert second.returncode != 0
        assert "already runs" in second.stderr
        assert cluster.is_ready()


def test_a_kill_during_initdb_leaves_no_cluster(closed_directory: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from local.postgres import PostgresCluster;"
        "PostgresCluster(Path(sys.argv[1]), 1, 'x').initialise()"
    )
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    victim = subprocess.Popen([sys.executable, "-c", code, str(closed_directory)], env=environment)
    deadline = time.monotonic() + 30
    while not list(closed_directory.parent.glob(".*.init-*/data/base")) and time.monotonic() < deadline:
        time.sleep(0.02)
    victim.kill()
    victim.wait()
    assert not closed_directory.exists()
    cluster = PostgresCluster(closed_directory, free_port(), PASSWORD)
    cluster.initialise()  # while the orphaned initdb still writes, or tidies up
    with running(cluster):
        assert one(cluster.dsn("postgres"), "select 1") == 1
    assert not list(closed_directory.parent.glob(".*.init-*"))


def test_as_a_plain_user(closed_directory: Path) -> None:
    """For root, a user namespace stands for the plain user: the interpreter may lie in a tree closed to real ones."""
    script = (
        "import os, subprocess, sys, time, signal; from pathlib import Path\n"
        "from local.postgres import PostgresCluster\n"
        "assert os.geteuid() != 0\n"
        "c = PostgresCluster(Path(sys.argv[1]), int(sys.argv[2]), 'pw'); c.initialise()\n"
        "p = subprocess.Popen(c.command())\n"
        "for _ in range(100):\n"
        "    if c.is_ready(): break\n"
        "    time.sleep(0.1)\n"
        "ready = c.is_ready(); p.send_signal(signal.SIGINT); p.wait(); print('ready', ready)\n"
    )
    done = subprocess.run(
        [*(namespace_prefix() if ROOT else []), sys.executable, "-c", script, str(closed_directory), str(free_port())],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert "ready True" in done.stdout, done.stderr


if ROOT:  # nobody else can drop privileges

    def test_without_user_namespaces_root_drops_to_another_uid(closed_directory: Path) -> None:
        cluster = PostgresCluster(closed_directory, free_port(), PASSWORD, mode=LaunchMode.DROP)
        cluster.initialise()
        cluster.initialise()
        place = Path((closed_directory / "relocated").read_text())
        try:
            with running(cluster) as process:
                assert one(cluster.dsn("postgres"), "select 1") == 1
                status = Path(f"/proc/{process.pid}/status").read_text()
                assert f"Uid:\t{UNPRIVILEGED_UID}" in status
        finally:
            shutil.rmtree(place)
