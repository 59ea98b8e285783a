"""Results of functions and statements against values that AWS's documentation gives or that were worked out by hand."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import psycopg2
import pytest

Run = Callable[..., Any]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        # boundaries crossed, not time elapsed
        ("datediff(year, '2025-12-31', '2026-01-01')", 1),
        ("datediff(month, '2026-01-31', '2026-02-01')", 1),
        ("datediff(qtr, '1998-07-01', current_date) - datediff(qtr, '1998-10-01', current_date)", 1),
        ("datediff(week, '2009-01-01', '2009-12-31')", 52),
        ("datediff(day, '2026-03-01', '2026-02-01')", -28),
        ("datediff(hour, '2026-01-01 09:59:59', '2026-01-01 10:00:00')", 1),
        ("datediff(minute, '2026-01-01 10:00:01', '2026-01-01 10:00:59')", 0),
        ("datediff(hour, '2026-01-01 10:00:00', '2026-01-01 09:59:59')", -1),
        ("datediff(s, timestamp '1969-12-31 23:59:59.9', timestamp '1970-01-01 00:00:00.1')", 1),
        ("datediff(ms, '2026-01-01 00:00:00', '2026-01-01 00:00:01.5')", 1500),
        # DATEADD keeps the day's number, ADD_MONTHS the end of the month (both from AWS's examples)
        ("dateadd(month, 1, '2008-04-30')", datetime(2008, 5, 30)),
        ("add_months('2008-04-30', 1)", datetime(2008, 5, 31)),
        ("dateadd(month, 1, date '2026-01-31')", datetime(2026, 2, 28)),
        ("dateadd(m, 30, '2026-01-01')", datetime(2026, 1, 1, 0, 30)),
        ("dateadd('qtr', -1, '2026-01-01')", datetime(2025, 10, 1)),
        ("last_day('2026-02-05')", date(2026, 2, 28)),
        ("next_day('2014-08-20', 'Tuesday')", date(2014, 8, 26)),
        ("months_between('2019-03-31', '2019-02-28')", 1.0),
        ("trunc(timestamp '2026-01-05 10:11:12')", date(2026, 1, 5)),
        ("trunc(1.99::numeric(5,2))", Decimal(1)),
        ("date_trunc('month', date '2026-01-05')", datetime(2026, 1, 1)),
        ("date_part(dow, '2026-01-04')", 0.0),
        ("extract(qtr from '2026-05-01')", 2.0),
        ("convert_timezone('America/New_York', '2013-02-01 08:00:00')", datetime(2013, 2, 1, 3)),
        ("convert_timezone('EST', 'PST8PDT', timestamp '2013-02-01 08:00:00')", datetime(2013, 2, 1, 5)),
        # numbers, dates and times where a text is wanted
        ("lpad(7, 3, '0')", "007"),
        ("left(date '2026-01-31', 7)", "2026-01"),
        ("split_part(substring(timestamp '2026-01-31 10:20:00', 12), ':', 2)::int", 20),
        ("replace(10.50, '.', ',')", "10,50"),
        ("md5(1::bigint) = md5('1')", True),
        ("len(12345) + length(1::smallint)", 6),
        ("concat(1, 'x') || trim(2)", "1x2"),
        ("date '2026-01-31' like '2026-%' and 17 not like '2%' and timestamp '2026-01-31' ilike '%31 00%'", True),
        ("len(0.1::real) || right(1.3::float4, 2) || replace(2.7::real, '.', ',')", "3.32,7"),
        ("0.1::real like '0.1' and 0.1::real not ilike '%9%'", True),
        ("upper(null) is null and left('abc', 1) = 'a' and 'a'::char(3) like 'a%'", True),
        ("len('Grüße')", 5),
        ("octet_length('Grüße')", 7),
        ("charindex('dog', 'fish dog')", 6),
        ("nvl2(null, 1, 2)", 2),
        ("decode(null, 1, 'one', null, 'none', 'other')", "none"),
        ("decode(7, 1, 'one')", None),
        ("concat('a', null)", None),
        ("regexp_replace('a1b2', '[0-9]', 'x')", "axbx"),
        ("regexp_substr('abc', '[0-9]')", ""),
        ("'a\\\\b'", "a\\b"),
        ("strtol('-0xff', 16)", -255),
        ("md5('Amazon Redshift')", "f7415e33f972c03abd4f3fed36748f7a"),
        ("sha2('Amazon Redshift', 256)", hashlib.sha256(b"Amazon Redshift").hexdigest()),
        ("fnv_hash(1)", -5968735742475085980),
        ("fnv_hash(1::bigint)", -8517097267634966620),
        ("fnv_hash(1::smallint)", 589727492704079044),
        ("fnv_hash('Amazon Redshift', fnv_hash(1))", -2202602717770968555),
        ("fnv_hash('abcd')", -281581062704388899),
        ("json_extract_path_text('{\"a\": {\"b\": \"c\"}}', 'a', 'b')", "c"),
        ("10 / 4", 2),
        ("convert(integer, '5') + 1", 6),
        ("1.5::decimal", Decimal(2)),
    ],
)
def test_functions(one: Run, expression: str, expected: object) -> None:
    assert one(f"select {expression}") == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("avg(n)", 2),  # BIGINT: 10 / 4 cut off
        ("avg(n::bigint)", 2),
        ("avg(n::decimal(5,1))", Decimal("2.5")),
        ("median(n)", Decimal("2.5")),
        ("percentile_cont(0.5) within group (order by n)", Decimal("2.5")),
        ("percentile_cont(0.9) within group (order by n)", Decimal("3.7")),
        ("percentile_cont(0.9) within group (order by n desc)", Decimal("1.3")),
        ("percentile_disc(0.5) within group (order by n)", 2),
        ("listagg(n, '-') within group (order by n desc)", "4-3-2-1"),
        ("listagg(distinct c, ',') within group (order by c)", "a,b"),
        ("approximate count(distinct c)", 2),
        ("max(r) from (select ratio_to_report(n) over () as r from v) as x cross join (select 1)", 0.4),
    ],
)
def test_aggregates(one: Run, expression: str, expected: object) -> None:
    source = "" if " from " in expression else " from v"
    values = (
        "(select 1 as n, 'a'::varchar(5) as c union all select 2, 'a' union all select 3, 'b' union all select 4, null)"
    )
    assert one(f"with v as {values} select {expression}{source}") == expected


def test_percentiles_as_window_functions(run: Run) -> None:
    values = "(select 1 as g, 1 as n union all select 1, 3 union all select 2, 7)"
    rows = run(
        "select g, median(n) over (partition by g),"
        " percentile_cont(0.25) within group (order by n) over (partition by g)"
        f" from {values} as v order by g, n"
    )
    assert rows == [(1, Decimal(2), Decimal("1.5")), (1, Decimal(2), Decimal("1.5")), (2, Decimal(7), Decimal(7))]


def test_getdate_is_the_statements_time_and_sysdate_the_transactions(run: Run) -> None:
    first = run("select getdate(), sysdate")[0]
    run("select pg_sleep(1.1)")
    second = run("select getdate(), sysdate")[0]
    assert second[1] == first[1]
    assert second[0] > first[0]


def test_keys_are_not_enforced_but_not_null_is(run: Run) -> None:
    run("create table keyed (a int primary key, b int unique, c int references keyed (a))")
    run("insert into keyed values (1, 1, 99), (1, 1, 99)")
    with pytest.raises(psycopg2.errors.NotNullViolation):
        run("insert into keyed (b) values (1)")


def test_a_sort_key_becomes_an_index_and_the_design_is_listed(run: Run) -> None:
    run("create table public.designed (a int encode zstd, b int) diststyle key distkey (b) compound sortkey (b, a)")
    assert run("select indexdef from pg_indexes where tablename = 'designed'") == [
        ("CREATE INDEX designed_b_a_idx ON public.designed USING btree (b, a)",)
    ]
    rows = run("select \"column\", distkey, sortkey from pg_table_def where tablename = 'designed' order by 1")
    assert rows == [("a", False, 2), ("b", True, 1)]


def test_keys_and_distribution_of_a_standing_table_change(run: Run) -> None:
    run("create table public.redesigned (a int, b int, c int) diststyle key distkey (b) sortkey (b)")
    run("insert into public.redesigned values (1, 2, 3)")
    design = (
        'select (select max(diststyle) from svv_table_info where "table" = \'redesigned\'), "column", distkey, sortkey'
        " from pg_table_def where tablename = 'redesigned' order by 2"
    )
    run("alter table public.redesigned alter compound sortkey (c, a)")
    assert run(design) == [("KEY(b)", "a", False, 2), ("KEY(b)", "b", True, 0), ("KEY(b)", "c", False, 1)]
    run("alter table public.redesigned alter distkey a")
    assert [row[2] for row in run(design)] == [True, False, False]
    run("alter table public.redesigned alter diststyle even")
    run("alter table public.redesigned alter sortkey none")
    assert [row[1:] for row in run(design)] == [("a", False, 0), ("b", False, 0), ("c", False, 0)]
    indexes = "select indexdef from pg_indexes where tablename = 'redesigned'"
    assert run(indexes) == []
    run("alter table public.redesigned alter sortkey (b)")
    ((index,),) = run(indexes)
    assert index.endswith("(b)")
    with pytest.raises(psycopg2.errors.SyntaxError, match="in ALTER TABLE"):
        run("alter table public.redesigned alter sortkey (b) backwards")


def test_identity_counts_by_its_seed_and_step(run: Run) -> None:
    run("create table numbered (k int identity(0, 10), d bigint generated by default as identity(5, 1), a int)")
    run("insert into numbered (a) values (1), (2)")
    run("insert into numbered (d, a) values (-1, 3)")
    assert run("select k, d from numbered order by a") == [(0, 5), (10, 6), (20, -1)]
    with pytest.raises(psycopg2.Error):
        run("insert into numbered (k) values (1)")


@pytest.mark.parametrize("change", ["insert into thai values ('กขคงจ')", "update thai set a = 'กขคงจ'"])
def test_varchar_counts_bytes(run: Run, change: str) -> None:
    run("create table thai (a varchar(12), b char(3)); insert into thai values ('กขคง', 'abc')")
    with pytest.raises(psycopg2.errors.StringDataRightTruncation, match=r"character varying\(12\)"):
        run(change)


def test_byte_lengths_follow_alterations_and_reach_tables_made_by_queries(run: Run) -> None:
    run("create table widened (a varchar(3)); alter table widened alter column a type varchar(6)")
    run("insert into widened values ('กข')")
    run("alter table widened add column b varchar(3)")
    run("create table copied as select * from widened")
    with pytest.raises(psycopg2.errors.StringDataRightTruncation):
        run("insert into copied (b) values ('กข')")


def test_truncate_commits(stack: Any) -> None:
    with stack.connect() as connection, connection.cursor() as cursor:
        cursor.execute("create table emptied (a int); insert into emptied values (1)")
        connection.commit()
        cursor.execute("truncate emptied")
        connection.rollback()
        cursor.execute("select count(*) from emptied")
        assert cursor.fetchone() == (0,)
        cursor.execute("drop table emptied")


def test_temporary_tables_with_a_hash(run: Run) -> None:
    run("create table #t (a int); insert into #t values (1)")
    run("select a + 1 as a into #u from #t")
    assert run("select a from #u minus select a from #t") == [(2,)]
    assert run(
        "select nspname like 'pg_temp%%' from pg_class c join pg_namespace n"
        " on relnamespace = n.oid where relname = '#t'"
    ) == [(True,)]
