"""Stored procedures: bodies and dynamic SQL rewritten, transactions, Redshift's texts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import psycopg2
import pytest

Run = Callable[..., Any]
SQL = Path(__file__).resolve().parents[3] / "sql"

LOAD = """
create or replace procedure itg_test.load_account(
    p_country_code varchar(2), p_as_of_date date, p_run_id varchar(256)
) as $$
declare
    n bigint;
    total numeric(18, 4) := 0;
begin
    create temp table latest as
    select id, name, row_number() over (partition by id order by version desc) as place
    from stg_test.account;
    delete from itg_test.account
    using latest
    where account.id = latest.id and country_code = p_country_code;
    get diagnostics n = row_count;
    insert into itg_test.account (id, name, country_code, deleted, as_of_date)
    select id, nvl(name, 'unknown'), p_country_code, n, p_as_of_date from latest where place = 1;
    get diagnostics n := row_count;
    raise info '% rows', n;
    drop table latest;
end;
$$ language plpgsql;
"""


@pytest.fixture
def house(run: Run) -> Run:
    """stg and itg of a small house, in a transaction that is rolled back."""
    run("create schema stg_test; create schema itg_test")
    run("create table stg_test.account (id varchar(18), name varchar(40), version int) sortkey (id)")
    run(
        "create table itg_test.account (id varchar(18) not null, name varchar(40), country_code varchar(2),"
        " deleted bigint,"
        " as_of_date date, primary key (id)) diststyle key distkey (id) sortkey (country_code, id)"
    )
    run("insert into stg_test.account values ('a', 'old', 1), ('a', 'new', 2), ('b', null, 1)")
    run(LOAD)
    return run


def test_a_load_procedure_in_the_callers_transaction(house: Run, connection: Any) -> None:
    for deleted in (0, 2):  # twice: plans of the first call's temporary table do not get in the way
        assert house("call itg_test.load_account(%s, %s, %s)", "DE", "2026-01-05", "run") == "CALL"
        assert connection.notices[-1].strip() == "INFO:  2 rows"
        assert house("select * from itg_test.account order by id") == [
            ("a", "new", "DE", deleted, date(2026, 1, 5)),
            ("b", "unknown", "DE", deleted, date(2026, 1, 5)),
        ]
    connection.rollback()
    assert house("select to_regclass('itg_test.account')") == [(None,)]


def test_dynamic_sql_is_rewritten(house: Run) -> None:
    house(
        "create procedure itg_test.dyn(p_table varchar, p_top int, result inout varchar) as $$ declare r record; begin "
        "execute 'create temp table d (a varchar encode zstd) distkey (a)'; "
        "execute 'insert into d select nvl(name, ''?'') from ' || p_table || ' minus select ''old'''; "
        "for r in execute 'select top ' || p_top || ' a from d order by a' loop result := result || r.a; end loop; "
        "execute 'select len(''' || result || ''')' into result; end $$ language plpgsql"
    )
    assert house("call itg_test.dyn('stg_test.account', 1, '')") == [("1",)]


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("insert into itg_test.account (id) values (1) on conflict do nothing", "ON CONFLICT"),
        ("truncate itg_test.account", "TRUNCATE cannot be invoked from a procedure that is executing in an atomic"),
        ("commit", "COMMIT or ROLLBACK in dynamic SQL"),
        ("copy itg_test.account from 's3://b/k' iam_role default parquet", "COPY from PARQUET"),
    ],
)
def test_dynamic_sql_is_refused_like_static(house: Run, statement: str, message: str) -> None:
    quoted = statement.replace("'", "''")
    house(f"create procedure itg_test.bad() as $$ begin execute '{quoted}'; end $$ language plpgsql")
    with pytest.raises(psycopg2.Error, match=message):
        house("call itg_test.bad()")


def test_a_variable_wins_over_a_column_of_its_name(house: Run) -> None:
    house(
        "create procedure itg_test.named(result inout int) as $$ declare version int := 7; begin "
        "select sum(version) into result from stg_test.account; end $$ language plpgsql"
    )
    assert house("call itg_test.named(0)") == [(21,)]


def test_out_parameters_are_left_away_in_call(house: Run) -> None:
    house(
        "create procedure itg_test.outs(a in int, b out int, c out varchar(5)) as $$"
        " begin b := a * 2; c := 'x'; end $$ language plpgsql"
    )
    assert house("call itg_test.outs(21)") == [(42, "x")]


def test_errors_of_a_procedure_roll_back_and_reach_the_caller(house: Run, connection: Any) -> None:
    house(
        "create procedure itg_test.fails() as $$ begin insert into stg_test.account values ('z', 'z', 1); "
        "raise exception 'no % today', 'luck'; exception when others then raise info 'seen'; end $$ language plpgsql"
    )
    with pytest.raises(psycopg2.errors.RaiseException, match="no luck today"):
        house("call itg_test.fails()")
    assert "seen" in connection.notices[-1]


def test_truncate_in_a_procedure_commits_and_is_refused_inside_a_transaction(stack: Any) -> None:
    connection = stack.connect()
    try:
        with connection.cursor() as cursor:
            cursor.execute("create table cut (a int); insert into cut values (1)")
            cursor.execute("create procedure cut_it() as $$ begin truncate cut; end $$ language plpgsql")
            connection.commit()
            with pytest.raises(
                psycopg2.Error, match="cannot be invoked from a procedure that is executing in an atomic"
            ):
                cursor.execute("call cut_it()")
            connection.rollback()
            connection.autocommit = True
            cursor.execute("call cut_it()")
            cursor.execute("select count(*) from cut")
            assert cursor.fetchone() == (0,)
            cursor.execute("drop procedure cut_it(); drop table cut")
    finally:
        connection.close()


def test_the_houses_own_tables_and_procedures_are_accepted(run: Run) -> None:
    run("create schema if not exists dm")
    files = sorted((SQL / "ddl" / "dm").glob("*.sql")) + sorted((SQL / "procedures").rglob("*.sql"))
    assert files
    for path in files:
        run(path.read_text(encoding="utf-8"))
