"""A real embedded PostgreSQL, the front as a process before it, and moto's S3: one of each for all tests here."""

from __future__ import annotations

import gzip
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import psycopg2
import pytest
from moto.server import ThreadedMotoServer

from local.postgres import PostgresCluster

PASSWORD = "front-test"
REPOSITORY = Path(__file__).resolve().parents[3]
BUCKET = "lake"
AWS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "eu-central-1"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Stack:
    """Where everything listens."""

    port: int
    upstream: str
    endpoint: str
    process: subprocess.Popen[bytes] = field(repr=False)

    def connect(self, **options: Any) -> Any:
        """A psycopg2 connection through the front."""
        return psycopg2.connect(
            host="127.0.0.1", port=self.port, user="postgres", password=PASSWORD, dbname="warehouse", **options
        )


def start_front(port: int, upstream: str, endpoint: str, state: Path, *options: str) -> subprocess.Popen[bytes]:
    """The front as a process of its own, ready."""
    environment = {**os.environ, **AWS, "AWS_ENDPOINT_URL": endpoint, "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-m", "local.warehouse", "--port", str(port), "--upstream", upstream]
    process = subprocess.Popen(
        [*command, "--state-dir", str(state), *options],
        env=environment,
        cwd=REPOSITORY,
        stderr=(state.parent / "front.log").open("ab"),
    )
    deadline = time.monotonic() + 30
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return process
        except OSError:
            assert process.poll() is None and time.monotonic() < deadline, (state.parent / "front.log").read_text()
            time.sleep(0.1)


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    directory = tmp_path_factory.mktemp("warehouse")
    cluster = PostgresCluster(directory / "data", free_port(), PASSWORD)
    cluster.initialise()
    server = subprocess.Popen(cluster.command(), stderr=(directory / "postgres.log").open("wb"))
    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto.start()
    endpoint = "http://{}:{}".format(*moto.get_host_and_port())
    try:
        deadline = time.monotonic() + 30
        while not cluster.is_ready():
            assert server.poll() is None and time.monotonic() < deadline, (directory / "postgres.log").read_text()
            time.sleep(0.1)
        cluster.ensure_databases(["warehouse"])
        port, upstream = free_port(), cluster.dsn("warehouse")
        front = start_front(port, upstream, endpoint, directory / "state")
        try:
            yield Stack(port, upstream, endpoint, front)
        finally:
            front.terminate()
            front.wait(timeout=10)
    finally:
        moto.stop()
        server.terminate()
        server.wait(timeout=30)


@pytest.fixture
def connection(stack: Stack) -> Iterator[Any]:
    """A psycopg2 connection in its default mode: a transaction begins by itself. Rolled back at the end."""
    opened = stack.connect()
    yield opened
    opened.close()


Run = Callable[..., Any]


@pytest.fixture
def run(connection: Any) -> Run:
    """Run a statement; its rows, or its status if it gives none."""

    def execute(sql: str, *parameters: object) -> Any:
        with connection.cursor() as cursor:
            cursor.execute(sql, parameters or None)
            return cursor.fetchall() if cursor.description else cursor.statusmessage

    return execute


@pytest.fixture
def one(run: Run) -> Run:
    """The one value of a query."""
    return lambda sql, *parameters: run(sql, *parameters)[0][0]


@dataclass
class Lake:
    """The bucket that COPY reads."""

    client: Any

    def put(self, key: str, data: bytes, *, pack: bool = True) -> str:
        """Store a file (gzip unless `pack` is false); its URI."""
        self.client.put_object(Bucket=BUCKET, Key=key, Body=gzip.compress(data, 1) if pack else data)
        return f"s3://{BUCKET}/{key}"

    def manifest(self, key: str, uris: list[str], *, mandatory: bool = True) -> str:
        """Store a manifest of these files; its URI."""
        entries = [{"url": uri, "mandatory": mandatory} for uri in uris]
        return self.put(key, json.dumps({"entries": entries}).encode(), pack=False)


@pytest.fixture(scope="module")
def lake(stack: Stack) -> Lake:
    """A bucket, made for each file of tests: whoever begins with an empty moto in this process empties this one too."""
    client = boto3.client(
        "s3",
        endpoint_url=stack.endpoint,
        region_name="eu-central-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    with suppress(client.exceptions.BucketAlreadyOwnedByYou):
        client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    return Lake(client)
