"""Writers of one table wait for one another, isolation levels, and faults on demand."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg2
import pytest
import redshift_connector

from .conftest import PASSWORD, Stack, free_port, start_front

Run = Callable[..., Any]


@pytest.fixture
def table(stack: Stack) -> Iterator[str]:
    """A committed table."""
    _execute(stack, "create table locked (a int); insert into locked values (1)")
    yield "locked"
    _execute(stack, "drop table locked")


def _execute(stack: Stack, sql: str) -> list[tuple[Any, ...]]:
    connection = stack.connect()
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()


def _waits(stack: Stack, sql: str) -> bool:
    """Whether a statement of another session is still waiting after a while; it is given up then."""
    connection = stack.connect()
    try:
        with connection.cursor() as cursor:
            cursor.execute("set statement_timeout to 300")
            cursor.execute(sql)
            return False
    except psycopg2.errors.QueryCanceled:
        return True
    finally:
        connection.close()


def test_a_second_writer_waits_and_a_reader_does_not(stack: Stack, table: str, run: Run, connection: Any) -> None:
    run("insert into locked values (2)")
    assert _waits(stack, "insert into locked values (3)")
    assert _waits(stack, "update locked set a = 4 where a = 1")
    assert not _waits(stack, "select count(*) from locked")
    connection.commit()
    assert not _waits(stack, "insert into locked values (3)")


def test_a_locked_table_can_not_be_read(stack: Stack, table: str, run: Run) -> None:
    run("lock locked")
    assert _waits(stack, "select count(*) from locked")


def test_temporary_tables_are_not_locked(run: Run) -> None:
    run("create temp table mine (a int); insert into mine values (1)")
    assert run("select count(*) from pg_locks where locktype = 'advisory'") == [(0,)]


@pytest.mark.parametrize("level", ["snapshot", "serializable"])
def test_a_conflict_is_error_1023(stack: Stack, table: str, tmp_path: Path, level: str) -> None:
    port = free_port()
    process = start_front(port, stack.upstream, stack.endpoint, tmp_path / "state", "--isolation", level)
    sessions = [Stack(port, stack.upstream, stack.endpoint, process).connect() for _ in range(2)]
    try:
        with sessions[0].cursor() as first, sessions[1].cursor() as second:
            for cursor in (first, second):
                cursor.execute("select a from locked")
            first.execute("update locked set a = 5")
            sessions[0].commit()
            with pytest.raises(psycopg2.errors.InternalError_, match="1023") as caught:
                second.execute("update locked set a = 6")
            assert caught.value.diag.message_detail.startswith("Serializable isolation violation on table - ")
    finally:
        for session in sessions:
            session.close()
        process.terminate()
        process.wait(timeout=10)


def test_error_1023_on_demand(stack: Stack, run: Run, connection: Any) -> None:
    _execute(stack, "select rs.inject('1023', '^select 4[12]', 2)")
    for number in (41, 42):
        with pytest.raises(psycopg2.errors.InternalError_, match="1023") as caught:
            run(f"select\n {number}")
        assert "transactions forming the cycle are: " in caught.value.diag.message_detail
        with pytest.raises(psycopg2.errors.InFailedSqlTransaction):
            run("select 1")
        connection.rollback()
    assert run("select 42") == [(42,)]


def test_error_1023_on_commit_loses_the_transaction(stack: Stack, table: str, run: Run, connection: Any) -> None:
    _execute(stack, "select rs.inject('1023', '^commit')")
    run("insert into locked values (2)")
    with pytest.raises(psycopg2.errors.InternalError_, match="1023"):
        connection.commit()
    connection.rollback()
    assert run("select count(*) from locked") == [(1,)]


@pytest.mark.parametrize(("fault", "rows"), [("drop", 1), ("drop_after", 2)])
def test_a_connection_breaks_on_demand(stack: Stack, table: str, fault: str, rows: int) -> None:
    _execute(stack, f"select rs.inject('{fault}', 'insert into locked')")
    with pytest.raises(psycopg2.OperationalError, match="closed the connection"):
        _execute(stack, "insert into locked values (2)")
    assert _execute(stack, "select count(*) from locked") == [(rows,)]


@pytest.mark.parametrize(("fault", "rows"), [("1023", 1), ("drop", 1), ("drop_after", 2)])
def test_faults_in_the_extended_protocol(stack: Stack, table: str, fault: str, rows: int) -> None:
    _execute(stack, f"select rs.inject('{fault}', 'insert into locked')")
    connection = redshift_connector.connect(
        host="127.0.0.1", port=stack.port, user="postgres", password=PASSWORD, database="warehouse", ssl=False
    )
    connection.autocommit = True
    with pytest.raises((redshift_connector.Error, OSError), match="1023" if fault == "1023" else None):
        connection.cursor().execute("insert into locked values (%s)", (2,))
    assert _execute(stack, "select count(*) from locked") == [(rows,)]


def test_faults_that_nobody_waits_for_are_forgotten(stack: Stack) -> None:
    _execute(stack, "select rs.inject('drop', 'select 43', 3)")
    assert _execute(stack, "select rs.inject_clear()") == [(3,)]
    assert _execute(stack, "select 43") == [(43,)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("'flood', 'x'", "one of 1023"),
        ("'1023', '('", "regular"),
        ("'1023', ''", "empty pattern"),
        ("'1023', 'x', 0", "times"),
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(run: Run, arguments: str, message: str) -> None:
    with pytest.raises(psycopg2.Error, match=message):
        run(f"select rs.inject({arguments})")


def test_nobody_without_the_secret_reaches_the_service(stack: Stack) -> None:
    with pytest.raises(psycopg2.OperationalError, match="rs_front"):
        psycopg2.connect(host="127.0.0.1", port=stack.port, user="rs_front", dbname="rs_front")


def test_two_writers_of_two_tables_in_turn_are_a_deadlock(stack: Stack, table: str) -> None:
    _execute(stack, "create table locked_too (a int)")
    sessions = [stack.connect(), stack.connect()]
    failures: list[str] = []

    def write(session: Any, target: str) -> None:
        try:
            session.cursor().execute(f"insert into {target} values (9)")
        except psycopg2.Error as error:
            failures.append(str(error))
            session.rollback()

    try:
        write(sessions[0], "locked")
        write(sessions[1], "locked_too")
        waiting = threading.Thread(target=write, args=(sessions[0], "locked_too"))
        waiting.start()
        time.sleep(0.1)
        write(sessions[1], "locked")
        waiting.join(timeout=20)
        assert [failure.split("\n")[0] for failure in failures] == ["deadlock detected"]
    finally:
        for session in sessions:
            session.close()
        _execute(stack, "drop table locked_too")
