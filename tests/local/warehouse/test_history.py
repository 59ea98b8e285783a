"""The history of statements: what it keeps, who sees it, how long."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg2
import pytest

from local.warehouse.copy.journal import Journal
from local.warehouse.rewrite import rewrite_script

from .conftest import Lake, Stack
from .test_copy import AUTH

Run = Callable[..., Any]


@pytest.mark.parametrize(
    ("sql", "kind"),
    [
        ("select 1", "SELECT"),
        ("with a as (select 1) select * from a", "SELECT"),
        ("insert into t select 1", "INSERT"),
        ("create temp table t as select 1 as a", "CTAS"),
        ("select 1 as a into t", "CTAS"),
        ("create table t (a int)", "DDL"),
        ("truncate t", "DDL"),
        ("merge into t using s on t.a = s.a when matched then delete when not matched then insert values (1)", "MERGE"),
        ("commit", "UTILITY"),
        ("call p()", "UTILITY"),
        ("copy t from 's3://lake/x' iam_role default", "COPY"),
    ],
)
def test_types_of_statements(sql: str, kind: str) -> None:
    (statement,) = rewrite_script(sql)
    assert (statement.kind, statement.source) == (kind, sql)


@pytest.mark.parametrize(
    ("sql", "kept"),
    [
        ("create user u password 'It''s \\'one'  valid until '2027-01-01'", "password '***'  valid until '2027-01-01'"),
        ("alter user u password E'a' createuser", "password '***' createuser"),
        ("copy t from 's3://x' credentials as 'aws_access_key_id=a;aws_secret_access_key=b'", "credentials as '***'"),
        ("unload ('select 1') to 's3://x' access_key_id 'a' Secret_Access_Key 'b'", "'***' Secret_Access_Key '***'"),
        ("create user u password'a'", "password'***'"),
        ("create user u password /* of u */ $$a$$ createuser", "password /* of u */ '***' createuser"),
        ("create user u password 'a'\n'b'", "password '***'\n'***'"),
        ("copy t from 's3://x' with credentials -- of the lake\n'aws_access_key_id=a'", "-- of the lake\n'***'"),
        (
            "create procedure p() language plpgsql as $$ begin execute 'create user u password ''a''''b'''; copy t"
            " from 's3://x' credentials 'aws_access_key_id=c;aws_secret_access_key=d'; end $$",
            "begin execute 'create user u password ''***'''; copy t from 's3://x' credentials '***'; end $$",
        ),
        (
            "select 'alter user u password ''' || 'it', 'aws_secret_access_key=d'",
            "select 'alter user u password ***' || 'it', 'aws_secret_access_key=***'",
        ),
        ("select 'the password ''is''', password, 'a' as credentials from t", ", password, 'a' as credentials from t"),
    ],
)
def test_secrets_are_not_kept(sql: str, kept: str) -> None:
    (statement,) = rewrite_script(sql)
    assert statement.source.endswith(kept)


def test_what_was_run_stands_in_the_views_at_once(connection: Any, run: Run) -> None:
    connection.autocommit = True
    run("select /* first */ 1; create temp table h (a int); select /* last */ * from h union all select 2")
    with pytest.raises(psycopg2.errors.DivisionByZero):
        run("select /* bad */ 1 / 0; select /* never */ 1")
    run("select /* long */ '" + "x" * 250 + "'")
    mine = "where pid = pg_backend_pid() and"
    found = run(
        "select trim(query_type), trim(status), trim(error_message), returned_rows, trim(query_text), elapsed_time >= 0"
        " from sys_query_history where session_id = pg_backend_pid() order by query_id"
    )
    assert [row[:5] for row in found][:4] == [
        ("SELECT", "success", "", 1, "select /* first */ 1"),
        ("DDL", "success", "", None, "create temp table h (a int)"),
        ("SELECT", "success", "", 1, "select /* last */ * from h union all select 2"),
        ("SELECT", "failed", "division by zero", None, "select /* bad */ 1 / 0"),
    ]
    assert len(found) == 5 and all(row[5] for row in found)
    assert run(f"select querytxt like '%bad%', aborted from stl_query {mine} querytxt like '%/* %' order by query") == [
        (False, 0), (False, 0), (True, 1), (False, 0)
    ]  # fmt: skip
    parts = run(
        f"select sequence, len(text) from stl_querytext {mine} text like '%x%' order by query, sequence limit 2"
    )
    assert parts == [(0, 200), (1, 70)]
    assert run(f"select trim(text) from stl_ddltext {mine} true") == [("create temp table h (a int)",)]
    assert run(f"select count(*) from svl_qlog {mine} substring like 'select /* first%'") == [(1,)]
    waited = "select distinct w.service_class, w.total_queue_time from stl_wlm_query w join stl_query q using (query)"
    assert run(f"{waited} {mine} w.total_exec_time > 0") == [(100, 0)]
    assert run("select max(sequence) from sys_query_text where session_id = pg_backend_pid()") == [(0,)]


def test_prepared_statements_and_loads_are_there(connection: Any, run: Run, lake: Lake) -> None:
    uri = lake.put("history/file", b"1\n", pack=False)
    run("prepare p as select $1::int; execute p(1); create temp table loaded (a int)")
    run(f"copy loaded from '{uri}' {AUTH} csv")
    (loaded,) = run("select query, trim(querytxt) from stl_query where query = pg_last_copy_id()")
    assert loaded[1].startswith("copy loaded from 's3:")
    joined = "select count(*) from stl_load_commits c join stl_query q on q.query = c.query"
    assert run(f"{joined} where c.query = {loaded[0]}") == [(1,)]
    texts = "select trim(text) from svl_statementtext where pid = pg_backend_pid() and type = 'UTILITY'"
    assert ("execute p(1)",) in run(texts)


def test_nobody_sees_the_statements_of_others(stack: Stack, connection: Any, run: Run) -> None:
    connection.autocommit = True
    run("select 'of the superuser'")
    run("create user watcher password 'Watcher-1'")
    try:
        address = {"host": "127.0.0.1", "port": stack.port, "dbname": "warehouse"}
        other = psycopg2.connect(user="watcher", password="Watcher-1", **address)
        with other.cursor() as cursor:
            cursor.execute("select 'of the watcher'")
            cursor.execute("select count(*) from stl_query where querytxt like '%of the superuser%'")
            assert cursor.fetchone() == (0,)
            cursor.execute("select count(*) from stl_query where querytxt like '%of the watcher%'")
            assert cursor.fetchone()[0] >= 1
            with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                cursor.execute("select * from rs.statement")
        other.close()
        assert run("select count(*) > 0 from stl_query where querytxt like '%of the watcher%'") == [(True,)]
        assert run("select trim(text) from stl_ddltext where text like 'create user watcher%'") == [
            ("create user watcher password '***'",)
        ]
    finally:
        run("drop user watcher")


def test_the_oldest_go(stack: Stack) -> None:
    journal = Journal(stack.upstream)

    def rows(first: int, count: int, ended: float) -> list[tuple[object, ...]]:
        return [(first + n, "nobody", 1, "SELECT", "a\tb\\\n\0", ended, ended, None, "", "") for n in range(count)]

    with psycopg2.connect(stack.upstream) as direct, direct.cursor() as cursor:
        cursor.execute("select extract(epoch from now())::float8")
        now = cursor.fetchone()[0]
        journal.record_statements(rows(1, 5, now - 8 * 86400))
        journal.record_statements(rows(2_000_000_000_000, 995, now))
        cursor.execute("select count(*), min(source) from rs.statement where user_name = 'nobody'")
        assert cursor.fetchone() == (995, "a\tb\\\n?")
        cursor.execute("select rs.trim_history(10)")
        cursor.execute("select count(*), min(query) from rs.statement")
        assert cursor.fetchone() == (10, 2_000_000_000_985)
        cursor.execute("delete from rs.statement where user_name = 'nobody'")
    direct.close()
