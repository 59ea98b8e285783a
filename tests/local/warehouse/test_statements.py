"""MERGE, QUALIFY, ALTER TABLE APPEND, materialized views, LISTAGG over windows, grouping sets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg2
import pytest

from local.warehouse.errors import SqlError
from local.warehouse.rewrite import rewrite_script

Run = Callable[..., Any]

UPDATE = (
    "merge into target using source on target.id = source.id"
    " when matched then update set id = source.id, name = nvl(source.name, '?')"
    " when not matched then insert values (source.id, source.name)"
)


@pytest.fixture
def tables(run: Run) -> Run:
    """The tables of AWS's examples of MERGE."""
    run("create temp table target (id int, name char(10)); create temp table source (id int, name char(10))")
    return run


def _rows(run: Run) -> list[tuple[int, str]]:
    return [(number, name.strip()) for number, name in run("select * from target order by 1, 2")]


def test_merge_updates_and_inserts(tables: Run) -> None:
    tables("insert into target values (101, 'Bob'), (102, 'John'), (103, 'Susan')")
    tables("insert into source values (102, 'Tony'), (103, 'Alice'), (104, 'Bill')")
    tables(UPDATE)
    assert _rows(tables) == [(101, "Bob"), (102, "Tony"), (103, "Alice"), (104, "Bill")]
    tables("insert into source values (105, 'David')")
    tables(UPDATE.replace("update set id = source.id, name = nvl(source.name, '?')", "delete"))
    assert _rows(tables) == [(101, "Bob"), (105, "David")]


@pytest.mark.parametrize("alias", ["source", "source s", "source as s", "(select id, name from source) as s"])
def test_merge_removes_duplicates(tables: Run, alias: str) -> None:
    tables("insert into target values (30, 'Tony'), (30, 'Daisy'), (11, 'Alice'), (23, 'Bill'), (23, 'Nikki')")
    tables("insert into source values (23, 'David'), (22, 'Clarence')")
    name = alias.split()[-1]
    tables(f"merge into target using {alias} on target.id = {name}.id remove duplicates")
    assert _rows(tables) == [(11, "Alice"), (22, "Clarence"), (23, "David"), (30, "Daisy"), (30, "Tony")]


@pytest.mark.parametrize(
    "statement",
    [
        UPDATE,
        UPDATE.replace("update set id = source.id, name = nvl(source.name, '?')", "delete"),
        "merge into target using source on target.id = source.id remove duplicates",
    ],
)
def test_a_row_that_matches_twice_is_an_error(tables: Run, statement: str) -> None:
    tables("insert into target values (1, 'Bob'), (2, 'John')")
    tables("insert into source values (1, 'Tony'), (1, 'Alice'), (3, 'Bill')")
    with pytest.raises(psycopg2.errors.InternalError_, match=r"^Found multiple matches to update the same tuple\."):
        tables(statement)


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("merge into t using t on t.a = t.a remove duplicates", "same table"),
        ("merge into t as x using s on x.a = s.a remove duplicates", "no alias"),
        ("merge into t using (select * from t) s on t.a = s.a remove duplicates", "cannot reference target table"),
        ("merge into t using s on t.a = s.a when matched then delete", "once each"),
        ("merge into t using s on t.a = s.a when matched and s.b then delete when not matched then insert values (1)",
         "WHEN … MATCHED AND"),
        ("merge into t using s on t.a = s.a", "WHEN clauses"),
    ],
)  # fmt: skip
def test_what_redshifts_merge_has_not_is_refused(statement: str, message: str) -> None:
    with pytest.raises(SqlError, match=message):
        rewrite_script(statement)


def test_merge_in_a_procedure(tables: Run) -> None:
    tables("insert into target values (1, 'Bob'); insert into source values (1, null), (2, 'Ann')")
    tables(f"create procedure pg_temp.m() as $$ begin {UPDATE}; end $$ language plpgsql")
    tables("call pg_temp.m()")
    assert _rows(tables) == [(1, "?"), (2, "Ann")]


@pytest.fixture
def sales(run: Run) -> Run:
    """Versions of three things."""
    run("create temp table sales (id int, version int, price decimal(5,2))")
    run("insert into sales values (1, 1, 5), (1, 2, 6), (2, 1, 7), (3, 4, 8), (3, 4, 9)")
    return run


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("select id, version from sales qualify row_number() over (partition by id order by version desc) = 1"
         " order by id",
         [(1, 2), (2, 1), (3, 4)]),
        ("select id, nvl(version, 0) v, row_number() over (partition by id order by price) as rn from sales"
         " where id < 3 qualify rn = 1 order by price desc",
         [(2, 1, 1), (1, 1, 1)]),
        ("select * from sales s where s.id <> 3 qualify rank() over (partition by s.id order by s.version) = 2",
         [(1, 2, 6)]),
        ("select *, price * 2 as twice from sales qualify count(*) over (partition by id) = 1 order by id limit 5",
         [(2, 1, 7, 14)]),
        ("select distinct id from sales qualify count(*) over (partition by id, version) > 1", [(3,)]),
        ("select id, sum(price) from sales group by id having sum(price) > 8"
         " qualify rank() over (order by sum(price) desc) = 1", [(3, 17)]),
        ("select x.id from (select id, version from sales qualify max(version) over () = version) as x order by 1",
         [(3,), (3,)]),
        ("select id from sales qualify row_number() over (order by price) = 1 union all select 9", [(1,), (9,)]),
        ("with w as (select id from sales qualify row_number() over (order by price desc) = 1) select id from w",
         [(3,)]),
        ("select qualify.id as qualify from sales qualify where qualify.version = 2", [(1,)]),
    ],
)  # fmt: skip
def test_qualify(sales: Run, query: str, expected: list[tuple[Any, ...]]) -> None:
    assert sales(query) == expected


def test_qualify_keeps_the_names_of_the_columns(sales: Run, connection: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "select s.id, version as v, max(price) over (), 1 + 1 from sales s"
            " qualify row_number() over (order by 1) = 1"
        )
        assert [column.name for column in cursor.description] == ["id", "v", "max", "?column?"]


def test_listagg_over_a_window(sales: Run) -> None:
    query = (
        "select distinct id, listagg(version, '-') within group (order by price desc) over (partition by id) from sales"
    )
    assert sales(f"{query} order by 1") == [(1, "2-1"), (2, "1"), (3, "4-4")]


def test_listagg_distinct_over_a_window(sales: Run) -> None:
    query = (
        "select distinct id, listagg(distinct version, '-') within group (order by version desc) over (partition by id)"
    )
    assert sales(f"{query} from sales order by 1") == [(1, "2-1"), (2, "1"), (3, "4")]


def test_grouping_sets(sales: Run) -> None:
    query = "select id, version, sum(price), grouping(id) from sales where id < 3 group by"
    assert sales(f"{query} rollup (id, version) order by 1, 2")[-1] == (None, None, 18, 1)
    assert len(sales(f"{query} cube (id, version)")) == 8
    assert sales(
        "select grouping_id(id, version) from sales group by rollup (id, version) order by 1 desc limit 1"
    ) == [(3,)]
    assert len(sales(f"{query} grouping sets ((id), (version), ())")) == 5


def test_append_moves_the_rows(stack: Any) -> None:
    connection = stack.connect()
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            cursor.execute("create table app_to (a int, b int default 7); create table app_from (c int, a int)")
            cursor.execute("insert into app_from values (1, 2)")
            with pytest.raises(psycopg2.Error, match="IGNOREEXTRA"):
                cursor.execute("alter table app_to append from app_from filltarget")
            with pytest.raises(psycopg2.Error, match="FILLTARGET"):
                cursor.execute("alter table app_to append from app_from ignoreextra")
            with pytest.raises(psycopg2.errors.ActiveSqlTransaction, match="cannot run inside a transaction block"):
                cursor.execute("begin; alter table app_to append from app_from ignoreextra filltarget")
            cursor.execute("rollback; alter table app_to append from app_from ignoreextra filltarget")
            cursor.execute("select * from app_to union all select * from app_from")
            assert cursor.fetchall() == [(2, 7)]
            cursor.execute("drop table app_to; drop table app_from")
    finally:
        connection.close()


def test_materialized_views_are_refreshed_when_told(sales: Run) -> None:
    sales("create table mv_source as select * from sales")
    sales(
        "create materialized view mv backup no diststyle key distkey (id) sortkey (id) auto refresh yes as"
        " select id, nvl(max(version), 0) as newest from mv_source group by id"
    )
    sales("insert into mv_source values (4, 1, 1)")
    assert sales("select count(*) from mv") == [(3,)]
    sales("alter materialized view mv auto refresh no; refresh materialized view mv cascade")
    assert sales("select count(*) from mv") == [(4,)]
    sales("drop materialized view mv")


def test_lock_takes_no_mode() -> None:
    with pytest.raises(SqlError, match="a mode in LOCK"):
        rewrite_script("lock table t in share mode")


@pytest.mark.parametrize(
    ("kind", "identity", "numbers"),
    [
        ("int", "identity(1, 1)", [1, 2]),
        ("integer", "generated by default as identity(0, 10)", [0, 10]),
        ("smallint", "identity(5, -5)", [5, 0]),
        ("bigint", "identity(-1, 1)", [-1, 0]),
    ],
)
def test_identity_of_every_integer_type(run: Run, kind: str, identity: str, numbers: list[int]) -> None:
    run(f"create temp table numbered (id {kind} {identity}, name varchar(5))")
    run("insert into numbered (name) values ('a'), ('b')")
    assert [row[0] for row in run("select id from numbered order by name")] == numbers


def test_interval_columns(run: Run) -> None:
    run("create temp table spans (a interval year to month, b interval day to second (3) not null)")
    run("insert into spans values (interval '1-2' year to month, interval '1 day 2 hours')")
    assert run("select a::varchar, b::varchar from spans") == [("1 year 2 mons", "1 day 02:00:00")]


def test_statements_that_change_nothing_here(run: Run, connection: Any) -> None:
    run("create schema quotas quota 10 gb; alter schema quotas quota unlimited; alter schema quotas quota 5 mb")
    run("create table quotas.t (id int, primary key (id)); alter table quotas.t drop constraint t_pkey")
    run("cancel 999999 'good bye'")
    assert "999999" in connection.notices[-1]
    run("create role quotas_reader")
    run("alter default privileges in schema quotas grant select on tables to role quotas_reader")
    with pytest.raises(psycopg2.errors.InvalidSchemaName, match='schema "nowhere" does not exist'):
        run("alter schema nowhere quota unlimited")
