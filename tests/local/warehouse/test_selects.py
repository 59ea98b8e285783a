"""What needs the columns of relations: PIVOT, UNPIVOT, EXCLUDE, lateral column aliases; and GROUP BY ALL."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import asyncpg
import psycopg2
import pytest

from .conftest import PASSWORD

Run = Callable[..., Any]


@pytest.fixture
def parts(run: Run) -> Run:
    """The tables of AWS's examples of PIVOT and UNPIVOT."""
    run("create temp table part (partname varchar, manufacturer varchar, quality int, price decimal(12, 2))")
    run(
        "insert into part values ('prop', 'local', 2, 10.00), ('prop', 'big', null, 9.00), ('prop', 'small', 1, 12.00),"
        " ('rudder', 'local', 1, 2.50), ('rudder', 'big', 2, 3.75), ('rudder', 'small', null, 1.90),"
        " ('wing', 'local', null, 7.50), ('wing', 'big', 1, 15.20), ('wing', 'small', null, 11.80)"
    )
    run("create temp table colors (quality varchar, red int, green int, blue int)")
    run("insert into colors values ('high', 15, 20, 7), ('normal', 35, null, 40), ('low', 10, 23, null)")
    return run


def described(connection: Any, sql: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    """The names of the columns of a query, and its rows."""
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return [column.name for column in cursor.description], cursor.fetchall()


@pytest.mark.parametrize(
    ("query", "names", "rows"),
    [
        ("select * from (select partname, price from part)"
         " pivot (sum(price) for partname in ('prop', 'rudder', 'wing'))",
         ["prop", "rudder", "wing"], [(Decimal("31.00"), Decimal("8.15"), Decimal("34.50"))]),
        ("select * from (select quality, manufacturer from part) pivot (count(*) for quality in (1, 2, null))"
         " order by 1",
         ["manufacturer", "1", "2", "null"], [("big", 1, 1, 1), ("local", 1, 1, 1), ("small", 1, 0, 2)]),
        ("select x.* from (select quality, manufacturer from part) p pivot (count(*) as count for quality in"
         " (1 as high, 2 low, null as na)) as x where x.low_count = 0",
         ["manufacturer", "high_count", "low_count", "na_count"], [("small", 1, 0, 2)]),
        ("with p as (select partname, price, 1 + 1 as n from part)"
         " select n, w from p pivot (max(price) for partname in ('wing' w)) where p.n = 2",
         ["n", "w"], [(2, Decimal("15.20"))]),
        ("select * from (select red, green, blue from colors where quality = 'high') unpivot (cnt for color in"
         " (red, green, blue))",
         ["color", "cnt"], [("red", 15), ("green", 20), ("blue", 7)]),
        ("select u.color, u.cnt, u.quality from colors unpivot include nulls (cnt for color in (red as r, green g))"
         " as u where u.quality = 'normal'",
         ["color", "cnt", "quality"], [("r", 35, "normal"), ("g", None, "normal")]),
        ("select count(*) from colors unpivot exclude nulls (cnt for color in (red, green, blue)) as u"
         " join part on part.quality = 2 and part.partname = 'prop'",
         ["count"], [(7,)]),
    ],
)  # fmt: skip
def test_pivot_and_unpivot(
    parts: Run, connection: Any, query: str, names: list[str], rows: list[tuple[Any, ...]]
) -> None:
    assert described(connection, query) == (names, rows)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("select * from part pivot (sum(price) / 2 for partname in ('a'))", "AVG, COUNT, MAX, MIN or SUM"),
        ("select * from part pivot (median(price) for partname in ('a'))", "AVG, COUNT, MAX, MIN or SUM"),
        ("select * from part pivot (sum(price) for partname in (select 'a'))", "no subquery in its IN list"),
        ("select * from part pivot (sum(price) for nix in ('a'))", 'column "nix" of PIVOT does not exist'),
        ("select * from part pivot (sum(price) partname in ('a'))", "FOR name IN"),
        ("select * from colors unpivot (a for b in (red, nix))", 'column "nix" of UNPIVOT does not exist'),
        ("select * from colors unpivot (a for b in (red + 1))", "expected columns behind IN"),
        ("select * from part a join colors b on true pivot (sum(price) for partname in ('a'))", "PIVOT of a JOIN"),
        ("select * from nowhere pivot (sum(price) for partname in ('a'))", 'relation "nowhere" does not exist'),
        ("select * exclude (nix) from part", 'column "nix" in EXCLUDE does not exist'),
        ("select * exclude (upper(partname)) from part", "EXCLUDE takes names of columns"),
        ("select * exclude red, green, blue, quality from colors", "EXCLUDE leaves no column"),
        ("select *, sum(red) from colors group by all", "GROUP BY ALL beside a star"),
    ],
)
def test_what_is_wrong_is_told(parts: Run, query: str, message: str) -> None:
    with pytest.raises(psycopg2.Error, match=re.escape(message)):
        parts(query)


def test_exclude_leaves_columns_out(parts: Run, connection: Any) -> None:
    query = "select * exclude red, green from colors where red > 10 order by red desc limit 1"
    assert described(connection, query) == (["quality", "blue"], [("normal", 40)])
    query = "select c.* exclude (quality) from colors c join part p on p.price = c.red - 3"
    assert described(connection, query) == (["red", "green", "blue"], [(15, 20, 7)])
    assert described(connection, "select quality exclude, red from colors where red = 10") == (
        ["exclude", "red"],
        [("low", 10)],
    )


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("select a * 2 as x, x + 1 as y, y * y z from (select 3 as a)", [(6, 7, 49)]),
        # a column of the FROM clause wins
        ("select a * 2 as x, x + 1 from (select 3 as a, 100 as x)", [(6, 101)]),
        ("select upper(quality) as quality from colors where quality = 'low'", [("LOW",)]),
        ("select sum(red) as total, total / count(*) mean from colors having total > 1", [(60, 20)]),
        ("select upper(quality) as q, q || '!' from colors where q = 'LOW'", [("LOW", "LOW!")]),
        ("select red as r, rank() over (order by r) as place, place + 1 from colors where r < 11", [(10, 1, 2)]),
        ("select date_trunc('day', date '2026-01-05') as day, datediff(day, day, '2026-01-07'), dateadd(day, 1, day)"
         "::date - day::date from colors limit 1", [(None, 2, 1)]),
        ("select red is null as f, sum(green) / 43 from colors group by f", [(False, 1)]),
        ("select quality as q, (select max(q) from (select 5 as q)) from colors where red = 10", [("low", 5)]),
        ("with recursive t (n, m) as (select 1 as n, 1 union all select n + 1 as k, k * 10 from t where n < 2)"
         " select max(n) as a, a + max(m) as b from t", [(2, 22)]),
        ("with part as (select price as p, p * 2 as pp from part) select max(pp) as m, m + 1 from part",
         [(Decimal("30.40"), Decimal("31.40"))]),
        ("select 1 as one, one + 1 union all select 5 as five, five + one from (select 10 as one) order by 1",
         [(1, 2), (5, 15)]),
    ],
)  # fmt: skip
def test_an_alias_stands_for_its_expression(parts: Run, query: str, rows: list[tuple[Any, ...]]) -> None:
    found = parts(query)
    assert [tuple(b if a is not None else None for a, b in zip(row, got, strict=True))
            for row, got in zip(rows, found, strict=True)] == rows  # fmt: skip


def test_an_alias_alone_names_its_column(parts: Run, connection: Any) -> None:
    assert described(connection, "select max(red) as top, top, top + 1 from colors") == (
        ["top", "top", "?column?"],
        [(35, 35, 36)],
    )


@pytest.mark.parametrize(
    "query",
    [
        "select red as r, r + 0 from colors where r = 10 -- at the end",
        "select red as r, red -- here\n as s from colors -- there\n where s = 10 -- at the end",
        "select * exclude quality, green, blue from (select 1 as one, * from colors) where red = 10 -- at the end",
        "select level, red from colors start with red = 10 connect by prior red = blue -- at the end",
        "select count(*) as n, n * 10 -- here\n from (select 1) -- at the end",
        "select 10 as a, a -- at the end",
    ],
)
def test_comments_swallow_nothing(parts: Run, query: str) -> None:
    (row,) = parts(query)
    assert len(row) == 2
    assert row[1] == 10


def test_group_by_all_is_by_what_is_not_aggregated(parts: Run) -> None:
    query = "select partname, 'x' as c, count(*), sum(quality) / 2 from part where partname = 'prop' group by all"
    assert parts(query) == [("prop", "x", 3, 1)]
    assert parts("select count(*) from part group by all") == [(9,)]
    assert parts("select distinct case when red > 10 then 1 else 0 end from colors group by all order by 1") == [
        (0,),
        (1,),
    ]


def test_where_they_stand_in_other_statements(parts: Run, stack: Any) -> None:
    parts("create temp table made as select red as r, r * 2 as twice from colors")
    parts(
        "insert into made select * from (select quality, red from colors)"
        " pivot (max(red) for quality in ('low', 'high'))"
    )
    assert parts("select * from made order by twice limit 2") == [(10, 15), (10, 20)]
    parts("create temp view seen as select * exclude (twice) from made; select 1")
    assert parts("select max(r) from seen") == [(35,)]
    # a table of the same script, a parameter, a failed transaction
    assert parts("create temp table later (a int); select count(a) as n, n + 1 from later") == [(0, 1)]
    assert parts("select red as r, r + %s from colors where r = %s", 1, 10) == [(10, 11)]
    with pytest.raises(psycopg2.errors.UndefinedTable):
        parts("select a as b, b + 1 from nowhere")
    with pytest.raises(psycopg2.errors.InFailedSqlTransaction):
        parts("select red as r, r + 1 from colors")


def test_in_procedures_and_their_dynamic_sql(parts: Run, one: Run) -> None:
    parts(
        "create procedure pg_temp.p(out total int) as $$ begin"
        " execute 'create temp table dynamic as select red as r, r * 2 as twice from colors';"
        " execute 'insert into dynamic select * from (select quality, red from colors)"
        " pivot (sum(red) for quality in (''high'', ''low''))';"
        " select into total sum(twice) as s from (select r + r as twice, twice * 2 as more from ("
        " select red as r, r + 1 from colors));"
        " end $$ language plpgsql"
    )
    assert one("call pg_temp.p()") == 120


def test_tables_that_the_procedure_makes_itself(parts: Run, one: Run) -> None:
    parts(
        "create procedure pg_temp.q(lowest int, out total int) as $$ declare more int := 1; begin"
        " drop table if exists made_q; create temp table made_q (like colors); insert into made_q select * from colors;"
        " create temp table #made_r distkey(r) as select red as r, r * 2 as twice, lowest as l from made_q"
        " where red > lowest;"
        " create temp table made_s (a int, b varchar(5), primary key (a));"
        " insert into made_s select r + more as x, x::varchar from (select * from #made_r where r > lowest);"
        " insert into made_s select * exclude (l) from #made_r;"
        " select into total sum(a) as s from (select a + more as c, c - more as a from made_s);"
        " end $$ language plpgsql"
    )
    # 15 + 1 and 35 + 1, then 15 and 35; `a` is a column of made_s, `c` is none
    assert one("call pg_temp.q(11)") == 102


def test_a_transaction_does_not_suffer_from_the_question(parts: Run) -> None:
    """PostgreSQL cannot tell the columns of a relation that names a column of the query around it."""
    query = "select red as r, (select x.s from (select c.red as s, s as t from (select 1) y) x limit 1) from colors c"
    assert len(parts(query)) == 3


def test_a_variable_wins_over_an_alias_of_its_name(parts: Run, one: Run) -> None:
    parts(
        "create procedure pg_temp.v(lowest int, out total int) as $$ begin"
        " select into total sum(r) as s from (select red as r, green as lowest from colors where red > lowest);"
        " end $$ language plpgsql"
    )
    assert one("call pg_temp.v(20)") == 35


def test_over_the_extended_protocol(stack: Any) -> None:
    async def ask() -> list[list[tuple[Any, ...]]]:
        connection = await asyncpg.connect(
            host="127.0.0.1", port=stack.port, user="postgres", password=PASSWORD, database="warehouse", ssl=False
        )
        async with connection.transaction():
            await connection.execute("create temp table extended (a int)")
            await connection.execute("insert into extended values (4)")
            aliases = await connection.fetch("select a as b, b + $1::int as c from extended where b = $2", 1, 4)
            query = "select * from (select a, 1 as k from extended) pivot (sum(a) for k in (1 as one, 2 as two))"
            statement = await connection.prepare(query)
            pivots = [*await statement.fetch(), *await statement.fetch()]
        with pytest.raises(asyncpg.UndefinedTableError):
            await connection.fetch("select * exclude a from nowhere")
        after = await connection.fetch("select a as b, b + 1 from extended")
        await connection.close()
        return [[tuple(row) for row in rows] for rows in (aliases, pivots, after)]

    assert asyncio.run(ask()) == [[(4, 5)], [(4, None), (4, None)], [(4, 5)]]


@pytest.fixture
def staff(run: Run) -> Run:
    """A table as in AWS's example of CONNECT BY."""
    run("create temp table employee (id int, name varchar(20), manager_id int)")
    run(
        "insert into employee values (100, 'Carlos', null), (101, 'John', 100), (102, 'Jorge', 101),"
        " (103, 'Kwaku', 101), (201, 'Sofia', 102), (110, 'Nikki', 103), (205, 'Zhang', 110), (120, 'Saanvi', 104)"
    )
    return run


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("select id, name, level from employee where level < 4 start with name = 'John'"
         " connect by prior id = manager_id order by level, id",
         [(101, "John", 1), (102, "Jorge", 2), (103, "Kwaku", 2), (110, "Nikki", 3), (201, "Sofia", 3)]),
        ("select e.name from employee e connect by e.manager_id = prior e.id start with e.manager_id is null"
         " and e.id < 200 order by level desc, 1 limit 1", [("Zhang",)]),
        # upwards, with a condition on the rows that are reached, and a star without LEVEL
        ("select * from employee as start start with id = 205 connect by prior manager_id = id and name <> 'John'"
         " order by id desc", [(205, "Zhang", 110), (110, "Nikki", 103), (103, "Kwaku", 101)]),
        ("select level as depth, count(*), depth * 2 from (select * from employee) start with manager_id is null"
         " connect by prior id = manager_id group by 1 order by 1",
         [(1, 1, 2), (2, 1, 4), (3, 2, 6), (4, 2, 8), (5, 1, 10)]),
        ("with e as (select id as k, manager_id as up from employee) select max(level) from e"
         " connect by prior k = up", [(5,)]),
        ("select count(*) from employee where name in (select name from employee start with id = 102"
         " connect by prior id = manager_id)", [(2,)]),
    ],
)  # fmt: skip
def test_connect_by(staff: Run, query: str, rows: list[tuple[Any, ...]]) -> None:
    assert staff(query) == rows


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("select 1 from employee a join employee b on a.id = b.id connect by prior id = manager_id", "over a join"),
        ("select 1 from employee connect by id = manager_id", "CONNECT BY needs a condition with PRIOR"),
        ("select 1 from employee connect by prior 1 = manager_id", "PRIOR takes a column"),
        ("select 1 from connect by prior id = manager_id", "there is no relation"),
        ("select 1 from employee start with id = 100 connect by prior id = id", "has a circle"),
    ],
)
def test_connect_by_tells_what_is_wrong(staff: Run, query: str, message: str) -> None:
    with pytest.raises(psycopg2.Error, match=message):
        staff(query)
