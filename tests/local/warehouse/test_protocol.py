"""The wire: psycopg2, redshift_connector, asyncpg and a raw client; transactions, pipelines, cancels, many at once."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import os
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import asyncpg
import psycopg2
import pytest
import redshift_connector

from local.warehouse import wire
from local.warehouse.copy.command import CopyContext
from local.warehouse.faults import Faults
from local.warehouse.history import History
from local.warehouse.session import Session
from local.warehouse.upstream import Upstream

from .conftest import PASSWORD, Stack, free_port, start_front

Run = Callable[..., Any]


@pytest.mark.parametrize("size", [1, 3, 7, 100])
def test_rows_that_follow_one_another_are_framed_as_one(size: int) -> None:
    rows = [wire.data_row(["a" * n, None]) for n in range(4)]
    messages = [wire.message(b"T"), *rows[:3], wire.command_complete("D"), rows[3], wire.ready_for_query("I")]
    stream = b"".join(messages)
    framer, apart = wire.Framer(), wire.Framer()
    blocks = [stream[start : start + size] for start in range(0, len(stream), size)]
    found = [pair for block in blocks for pair in framer.feed(block, ord("D"))]
    assert b"".join(data for _, data in found) == stream and all(data[0] == kind for kind, data in found)
    assert [data for block in blocks for _, data in apart.feed(block)] == messages
    if size > len(stream) // 2:
        assert len(found) < len(messages)


class _Wire:
    """What is written to PostgreSQL or to a client: the types of the messages."""

    def __init__(self) -> None:
        self.kinds = ""

    def write(self, data: bytes) -> None:
        self.kinds += "".join(chr(kind) for kind, _ in wire.Framer().feed(data))

    async def drain(self) -> None:
        """Nothing is waited for."""


@pytest.mark.parametrize("text", ["select 1", "select a as b, b + 1 from t"])
def test_nothing_waits_for_what_postgresql_skips_behind_an_error(text: str) -> None:
    async def batch() -> tuple[str, str]:
        up, down = _Wire(), _Wire()
        upstream = Upstream(asyncio.StreamReader(), cast("Any", up), down)
        context, history = CopyContext(cast("Any", None), "u"), History(cast("Any", None), itertools.count())
        session = Session(asyncio.StreamReader(), down, upstream, context, Faults(), history)

        def answer(data: bytes) -> None:
            down.write(upstream._answer(data[0], data))

        await session._message(b"P", wire.parse(b"\0", "selec", bytes(2)))
        answer(wire.error({"S": "ERROR", "C": "42601", "M": "syntax error"}))
        await session._message(b"P", wire.parse(b"\0", text, bytes(2)))
        await session._message(b"B", wire.message(b"B", bytes(8)))
        await session._message(b"E", wire.message(b"E", bytes(5)))
        await session._message(b"S", wire.message(b"S"))
        answer(wire.ready_for_query("I"))
        await upstream.drain()
        return up.kinds, down.kinds

    up, down = asyncio.run(asyncio.wait_for(batch(), 5))
    assert "Q" not in up and down == "EZ"


def test_the_server_says_it_is_8_0_2(connection: Any, one: Run) -> None:
    assert connection.server_version == 80002
    assert "Redshift" in one("select version()")


def test_a_refused_statement_fails_the_transaction(connection: Any, run: Run) -> None:
    run("create table lost (a int)")
    with pytest.raises(psycopg2.errors.FeatureNotSupported, match="ON CONFLICT"):
        run("insert into lost values (1) on conflict do nothing")
    with pytest.raises(psycopg2.errors.InFailedSqlTransaction):
        run("select 1")
    connection.rollback()
    assert run("select 1") == [(1,)]
    with pytest.raises(psycopg2.errors.UndefinedTable):
        run("select * from lost")


def test_a_failed_copy_fails_the_transaction(connection: Any, run: Run) -> None:
    run("create table lost (a int)")
    with pytest.raises(psycopg2.Error, match="nonexistent table"):
        run("copy nowhere from 's3://lake/x' iam_role default csv")
    with pytest.raises(psycopg2.errors.InFailedSqlTransaction):
        run("copy lost from 's3://lake/x' iam_role default csv")
    connection.rollback()
    assert run("select 1") == [(1,)]


def test_redshift_connector_with_bound_parameters(stack: Stack) -> None:
    with redshift_connector.connect(
        host="127.0.0.1", port=stack.port, user="postgres", password=PASSWORD, database="warehouse", ssl=False
    ) as connection:
        cursor = connection.cursor()
        cursor.execute("create temp table bound (a int, b varchar)")
        cursor.execute("insert into bound values (%s, %s)", (1, "ก"))
        cursor.execute("select nvl(a, 0) + %s, b from bound", (41,))
        assert list(map(tuple, cursor.fetchall())) == [(42, "ก")]
        with pytest.raises(redshift_connector.ProgrammingError, match="RETURNING"):
            cursor.execute("insert into bound values (%s) returning a", (1,))
        connection.rollback()
        cursor.execute("select 1")
        assert tuple(cursor.fetchone()) == (1,)


def test_redshift_connector_tells_a_failed_copy(stack: Stack) -> None:
    with redshift_connector.connect(
        host="127.0.0.1", port=stack.port, user="postgres", password=PASSWORD, database="warehouse", ssl=False
    ) as connection:
        cursor = connection.cursor()
        with pytest.raises(redshift_connector.ProgrammingError, match="nonexistent table"):
            cursor.execute("copy nowhere from 's3://lake/x' iam_role default csv")
        connection.rollback()
        cursor.execute("select top 1 2 as two")
        assert tuple(cursor.fetchone()) == (2,)


def test_asyncpg_prepares_pipelines_and_streams(stack: Stack) -> None:
    async def talk() -> None:
        connection = await asyncpg.connect(
            host="127.0.0.1", port=stack.port, user="postgres", password=PASSWORD, database="warehouse", ssl=False
        )
        try:
            await connection.execute("create temp table piped (a int, b varchar(10))")
            await connection.executemany("insert into piped values ($1, $2)", [(n, f"v{n}") for n in range(2000)])
            prepared = await connection.prepare("select top 1 nvl(b, 'x') from piped where a = $1 order by a")
            assert await prepared.fetchval(1999) == "v1999"
            async with connection.transaction():
                total = 0
                async for row in connection.cursor("select a from piped order by a", prefetch=100):
                    total += row["a"]
            assert total == 1999 * 1000
            with pytest.raises(asyncpg.PostgresError, match="ON CONFLICT"):
                await connection.fetch("insert into piped values ($1, 'x') on conflict do nothing", 1)
            assert await connection.fetchval("select count(*) from piped") == 2000
        finally:
            await connection.close()

    asyncio.run(talk())


def test_large_results_and_values_pass_whole(one: Run, run: Run) -> None:
    value = "ü" * 3_000_000
    digest = hashlib.md5(value.encode()).hexdigest()
    assert one("select md5(%s)", value) == digest
    assert one("select repeat('ü', 3000000)") == value
    rows = run("select n, repeat('x', 200) from generate_series(1, 50000) as n")
    assert len(rows) == 50000
    assert sum(row[0] for row in rows) == 50000 * 50001 // 2


def test_many_connections_at_once(stack: Stack) -> None:
    failures: list[object] = []

    def work(number: int) -> None:
        try:
            with stack.connect() as connection, connection.cursor() as cursor:
                cursor.execute("create temp table mine as select %s as n", (number,))
                for _ in range(5):
                    cursor.execute("select nvl(n, 0), pg_sleep(0.02) from mine")
                    if cursor.fetchone()[0] != number:
                        failures.append(number)
            connection.close()
        except psycopg2.Error as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_cancel_reaches_postgresql(connection: Any, run: Run) -> None:
    threading.Timer(0.5, connection.cancel).start()
    started = time.monotonic()
    with pytest.raises(psycopg2.errors.QueryCanceled):
        run("select pg_sleep(30)")
    assert time.monotonic() - started < 10


def test_a_wrong_password_and_a_wrong_database_are_refused(stack: Stack) -> None:
    for wrong in ({"password": "no"}, {"dbname": "postgres"}):
        options = {"user": "postgres", "password": PASSWORD, "dbname": "warehouse", **wrong}
        with pytest.raises(psycopg2.OperationalError, match=r"password|does not exist"):
            psycopg2.connect(host="127.0.0.1", port=stack.port, **options)


@contextmanager
def raw_client(stack: Stack) -> Iterator[socket.socket]:
    """A socket to the front before its login."""
    with socket.create_connection(("127.0.0.1", stack.port), timeout=10) as client:
        yield client


def test_an_ssl_request_is_answered_with_n(stack: Stack) -> None:
    with raw_client(stack) as client:
        client.sendall(struct.pack("!ii", 8, 80877103))
        assert client.recv(1) == b"N"


def test_nonsense_ends_a_connection_and_nothing_else(stack: Stack, one: Run) -> None:
    with raw_client(stack) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.recv(1024) == b""
    assert one("select 1") == 1


def messages_of(connection: Any, sql: str) -> list[bytes]:
    """The types of the messages that a simple Query gets, read off a raw socket borrowed from psycopg2."""
    with socket.socket(fileno=os.dup(connection.fileno())) as wire:
        wire.setblocking(True)
        wire.settimeout(10)
        body = sql.encode() + b"\0"
        wire.sendall(b"Q" + struct.pack("!i", len(body) + 4) + body)
        data, kinds = b"", []
        while True:
            while len(data) >= 5 and len(data) > (size := struct.unpack_from("!i", data, 1)[0]):
                kinds.append(data[:1])
                if data[:1] == b"Z":
                    assert data[size + 1 :] == b"", "bytes behind ReadyForQuery"
                    return kinds
                data = data[size + 1 :]
            data += wire.recv(65536)


@pytest.mark.parametrize(
    ("sql", "kinds"),
    [
        ("", "IZ"),
        ("-- nothing", "IZ"),
        ("select 1; select 2", "TDCTDCZ"),
        ("select 1; insert into t values (1) on conflict do nothing", "EZ"),
        ("select 1; copy nowhere from 's3://lake/k' iam_role default csv; select 2", "TDCEZ"),
        ("create temp table one_ready (a int); truncate one_ready; select 1", "CCTDCZ"),
        ("selec", "EZ"),
        ("select 'unterminated", "EZ"),
    ],
)
def test_each_query_gets_one_ready_for_query(connection: Any, sql: str, kinds: str) -> None:
    assert b"".join(messages_of(connection, sql)).decode() == kinds


def test_a_script_with_a_failed_copy_leaves_nothing(stack: Stack, run: Run) -> None:
    with stack.connect() as other:
        kinds = messages_of(other, "create table half (a int); copy nowhere from 's3://lake/k' iam_role default csv")
        assert kinds[-2:] == [b"E", b"Z"]
    other.close()
    assert run("select to_regclass('half')") == [(None,)]


def test_a_killed_front_leaves_nothing_behind_and_another_takes_over(stack: Stack, tmp_path: Path) -> None:
    port = free_port()
    process = start_front(port, stack.upstream, stack.endpoint, tmp_path / "state")
    options = {"host": "127.0.0.1", "port": port, "user": "postgres", "password": PASSWORD, "dbname": "warehouse"}
    connection = psycopg2.connect(**options)
    with connection.cursor() as cursor:
        cursor.execute("create table half_done (a int)")
    process.kill()
    process.wait()
    process = start_front(port, stack.upstream, stack.endpoint, tmp_path / "state")
    try:
        with psycopg2.connect(**options) as again, again.cursor() as cursor:
            cursor.execute("select to_regclass('half_done')")
            assert cursor.fetchone() == (None,)
        again.close()
    finally:
        process.terminate()
        assert process.wait(timeout=10) == 0
