"""Rewriting without a database: what is refused by name, and the shape of what comes out."""

from __future__ import annotations

import asyncio
import contextlib
import re
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.warehouse import rewrite
from local.warehouse.copy.statement import parse_copy
from local.warehouse.errors import QUERY_CANCELED, SqlError
from local.warehouse.rewrite import Action, rewrite_knowing, rewrite_script
from local.warehouse.rewrite.columns import ColumnsNeeded
from local.warehouse.settling import settle
from local.warehouse.tokens import render, tokenize
from local.warehouse.upstream import Result


def rewritten(sql: str) -> str:
    """One statement rewritten, white space made single."""
    (statement,) = rewrite_script(sql)
    return re.sub(r"\s+", " ", statement.sql)


@pytest.mark.parametrize(
    ("sql", "named"),
    [
        ("insert into t values (1) on conflict do nothing", "ON CONFLICT"),
        ("insert into t values (1) returning a", "RETURNING"),
        ("create index i on t (a)", "CREATE INDEX"),
        ("create unique index i on t (a)", "CREATE INDEX"),
        ("create or replace trigger x before insert on t execute function f()", "CREATE TRIGGER"),
        ("create sequence s", "CREATE SEQUENCE"),
        ("select 1 where a is not distinct from b", "IS DISTINCT FROM"),
        ("select distinct on (a) a from t", "DISTINCT ON"),
        ("select count(*) filter (where a > 0) from t", "FILTER"),
        ("select * from t, lateral (select 1) as x", "LATERAL"),
        ("select 1 except all select 1", "EXCEPT ALL"),
        ("select string_agg(a, ',') from t", "string_agg"),
        ("create table t (a jsonb)", "jsonb"),
        ("create table t (a int check (a > 0))", "CHECK"),
        ("copy t from stdin", "COPY FROM STDIN"),
        ("do 'begin end'", "DO"),
    ],
)
def test_what_redshift_lacks_is_refused_by_name(sql: str, named: str) -> None:
    with pytest.raises(SqlError, match=re.escape(named)) as caught:
        for statement in rewrite_script(sql):
            if statement.action is Action.COPY:
                parse_copy(statement.sql)
    assert "not supported by Amazon Redshift" in caught.value.message


@pytest.mark.parametrize(
    ("sql", "named"),
    [
        ("create external schema s from data catalog", "EXTERNAL"),
        ("create table t (a geometry)", "GEOMETRY"),
        ("create or replace library l language plpythonu from 's3://b/k'", "CREATE LIBRARY"),
        ("select *, sum(b) from t group by all", "GROUP BY ALL beside a star"),
        ("select a from t order by all", "ORDER BY ALL"),
        ("attach rls policy p on t to role r", "ATTACH"),
        ("select object_transform(a keep 'x')", "OBJECT_TRANSFORM"),
        ("create function f() returns int as $$ return 1 $$ language plpythonu", "plpythonu"),
        ("use dev", "USE"),
        ("create identity provider p type azure", "CREATE IDENTITY"),
        ("select id from t order siblings by id", "ORDER SIBLINGS BY"),
        ("select * from a, b where a.id = b.id (+)", "an outer join by (+)"),
        ("select st_astext(p) from t", "ST_ASTEXT"),
        ("select x from unnest(t.a) as x", "UNNEST"),
        ("alter table t row level security on", "ROW LEVEL SECURITY"),
        ("alter table t add if not exists partition (d = '1') location 's3://b/k'", "an external table"),
        ("alter database d isolation level snapshot", "ISOLATION LEVEL of a database"),
        ("create database d with collate case_insensitive", "COLLATE of a database"),
        ("drop role r force", "DROP ROLE FORCE"),
        ("grant create user, drop user to role r", "GRANT of system permissions"),
        ("revoke access system table from role r", "GRANT of system permissions"),
        ("grant select, drop on table t to u", "GRANT of ALTER or DROP"),
        ("grant select for tables in schema s to role r", "GRANT FOR all objects of a kind"),
        ("grant assumerole on 'arn' to u for copy", "GRANT ASSUMEROLE"),
        ("grant usage on datashare d to account '1'", "GRANT on a datashare"),
    ],
)
def test_what_is_not_emulated_fails_by_name(sql: str, named: str) -> None:
    with pytest.raises(SqlError, match=re.escape(named)) as caught:
        rewrite_script(sql)
    assert "not emulated" in caught.value.message


@pytest.mark.parametrize(
    "sql",
    [
        "grant create, usage on schema s to group g",
        "revoke grant option for select on t from u",
        "grant select (id), update on t to u with grant option",
        "grant role r to u",
        "alter table t drop column drop_me cascade",
        "create user u password disable",
        "select connect, by_name from t",
        "select count(*), (+1) from t",
    ],
)
def test_what_only_looks_like_it_passes(sql: str) -> None:
    assert rewrite_script(sql)[0].action is Action.UPSTREAM


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("select nvl(a, nvl(b, 0)) from t", "select coalesce(a, coalesce(b, 0)) from t"),
        ("select top 3 a from t order by a", "select a from t order by a limit 3"),
        ("select * from (select top 2 a from t) x", "select * from (select a from t limit 2 ) x"),
        ("select 1 minus select 2", "select 1 except select 2"),
        ("delete t where a = 1", "delete from t where a = 1"),
        ("select a into #x from t", 'select a into temp "#x" from t'),
        ("select * from #x", 'select * from "#x"'),
        ("select sysdate", "select rs.sysdate()"),
        ("select t.sysdate, 1 as sysdate from t", "select t.sysdate, 1 as sysdate from t"),
        ("select x.len(a) from x", "select x.len(a) from x"),
        ("insert into len (a) values (1)", "insert into len (a) values (1)"),
        ("select a::decimal, cast(b as numeric(5,1))", "select a::numeric(18,0), cast(b as numeric(5,1))"),
        ("select 'nvl(a, b)', \"NVL\" from t -- nvl(a)", "select 'nvl(a, b)', \"nvl\" from t -- nvl(a)"),
        ("select * from pg_catalog.stl_load_errors", "select * from pg_catalog.stl_load_errors"),
        ("create view v as select 1 with no schema binding", "create view v as select 1"),
        ("set query_group to 'x'", "set rs.query_group to 'x'"),
        ("create table #t (a int)", 'create temp table "#t" ( a int )'),
        ("create user u password disable nocreateuser syslog access restricted session timeout 60 connection limit"
         " unlimited in group g", "create user u password null nosuperuser connection limit -1 in group g"),
        ("alter user u createuser", "alter user u superuser"),
        ("create schema if not exists s authorization u quota 50 gb", "create schema if not exists s authorization u"),
        ("drop procedure p(a in int, b out int)", "drop procedure p(a in int, b inout int)"),
        ("alter default privileges grant execute on procedures to u",
         "alter default privileges grant execute on routines to u"),
        ("create table t (a text, b varchar(max), c nvarchar(5), d decimal)",
         "create table t ( a varchar(256), b varchar(65535), c varchar(5), d numeric(18,0) )"),
        ("alter table t add column b varchar encode lzo default 'x'",
         "alter table t add column b varchar(256) default 'x'"),
        ("alter table t alter encode auto", "alter table t reset (fillfactor)"),
        ("alter table t alter sortkey (a)",
         "alter table t add constraint rs_attributes check"
         " (rs.attributes('7b22736f72746b6579223a205b2261225d7d')) not valid"),
        ("create table t distkey(a) sortkey(a) as select nvl(1, 2) as a",
         "create table t as select coalesce(1, 2) as a"),
    ],
)  # fmt: skip
def test_rewriting(sql: str, expected: str) -> None:
    assert rewritten(sql) == expected


STATEMENTS = [
    tokenize(text)
    for text in (
        "merge into t using s x on t.a = x.a when matched then update set b = x.b"
        " when not matched then insert values (x.a)",
        "select top 3 a, lag(a ignore nulls) over (order by b) as p from t qualify row_number() over (order by b) = 1",
        "select c.a[0].b::int, listagg(distinct a, ',') within group (order by a) from t c, c.arr x at i"
        " minus select 1, 2",
        "create table t (a int identity(1, 1) encode zstd, b varchar(max)) distkey (a) interleaved sortkey (a, b)",
        "create procedure p(a in int, b out int) nonatomic as $$ declare r record; begin"
        " for r in select 1 loop call q(r.a); end loop; exception when others then raise; end $$ language plpgsql",
        "select dateadd(month, 1, a), try_cast(b as int), extract(year from c), decode(a, 1, 2), nvl2(a, b, c) from t",
        "alter table t append from s filltarget",
        "create user u password disable session timeout 60",
    )
]


@given(st.data())
def test_whatever_comes_is_rewritten_or_refused(data: st.DataObject) -> None:
    tokens = list(data.draw(st.sampled_from(STATEMENTS)))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(tokens)))
        others = data.draw(st.sampled_from(STATEMENTS))
        length = data.draw(st.integers(0, 4))
        tokens[place : place + data.draw(st.integers(0, 3))] = others[place : place + length]
    with contextlib.suppress(SqlError):
        rewrite_script(render(tokens))


def test_a_line_comment_does_not_swallow_the_next_statement() -> None:
    first, second = rewrite_script("select 1 -- one\n; select 2")
    assert "2" in second.sql
    assert rewrite.join([first, second]).splitlines()[1].startswith(";")


def test_case_expressions_do_not_cut_the_statements_of_a_body() -> None:
    body = (
        "begin if case when a then 1 else 2 end = 1 then update t set x = case when y then nvl(1, 2) else 0 end; "
        "else null; end if; for r in select top 1 a from t loop null; end loop; end"
    )
    text = rewritten(f"create procedure p() as $$ {body} $$ language plpgsql")
    assert "case when y then coalesce(1, 2) else 0 end;" in text
    assert "from t limit 1 loop" in text


def test_a_handler_stands_behind_its_block_and_only_others_is_allowed() -> None:
    text = rewritten("create procedure p() as $$ begin null; exception when others then null; end; $$ language plpgsql")
    assert re.search(
        r"begin begin null; exception when others then .* end; if rs_failed then .* perform rs.rethrow", text
    )
    with pytest.raises(SqlError, match="OTHERS"):
        rewrite_script(
            "create procedure p() as $$ begin null; exception when no_data then null; end $$ language plpgsql"
        )


@pytest.mark.parametrize(
    "query",
    [
        'select a as "group", count(*) from t group by 1',
        'select a as "where", b as "having" from t where b > 1 group by a, b having a > b',
        'select a as "end", a as "else", case when b > 1 then 2 else 3 end as c from t',
        'select a as "order", a as "by", a as "over", row_number() over (partition by b order by b desc) from t',
        'select a as "from", a as "in", b in (1, 2) and b is not null from t',
        'select a as "user", user from t',
        "select a as time, a as zone, b at time zone 'UTC', cast(b as timestamp with time zone) from t",
        "select count(*) as rows, a as row, sum(b) over (order by b rows between 1 preceding and current row) from t",
        "select a as rows, a as preceding, sum(b) over (order by b rows 1 preceding) from t",
        "select min(a) as first, max(a) as last, a as nulls, row_number() over (order by b nulls last) from t",
        "select a::double precision, (b::double precision) / 2 from t",
    ],
)
def test_words_of_the_syntax_are_no_aliases(query: str) -> None:
    found = rewrite_knowing(query, _Columns())
    assert re.sub(r"\s+", " ", found.sql) == query


def test_quoted_an_alias_may_be_called_like_a_word_of_the_syntax() -> None:
    query = 'select a as "end", "end" + 1 as b, convert(date, a) as date, "group" from t where "end" > 1'
    assert "(a ) + 1 as b, cast(a as date) as date" in rewrite_knowing(query, _Columns()).sql
    assert rewrite_knowing(query, _Columns()).sql.endswith("where (a ) > 1")


def test_aliases_leave_group_by_all_and_qualify_their_columns() -> None:
    grouped = rewrite_knowing("select a as k, k + 1 as j, count(*) from t group by all", _Columns()).sql
    assert grouped.endswith("group by 1, 2")
    query = "select a as k, k + 1 as j, row_number() over (order by j) as n from t qualify n = 1"
    assert rewrite_knowing(query, _Columns()).sql.startswith('select rs_c0 as "k", rs_c1 as "j", rs_c2 as "n" from (')


def test_a_question_that_is_cancelled_ends_the_statement() -> None:
    class Canceled:
        status = "I"

        async def attempt(self, _: str, result: Result) -> Result:
            result.error = SqlError("canceling statement due to user request", code=QUERY_CANCELED)
            return result

    (statement,) = rewrite_script("select a as b, b + 1 from t")
    with pytest.raises(SqlError, match="user request"):
        asyncio.run(settle(statement, cast("Any", Canceled())))


def test_a_column_of_pivot_is_called_as_a_query_can_name_it() -> None:
    query = """select "Wing" from t pivot (sum(a) for b in ('Wing'))"""
    sql = rewrite_knowing(query, _Columns()).sql
    assert sql.startswith('select "wing" from (') and ' as "wing" from t' in sql


def test_the_variable_of_a_loop_wins_over_an_alias() -> None:
    loop = "for i in 1..3 loop insert into u select a as i, i + 1 from t; end loop"
    (statement,) = rewrite_script(f"create procedure p() language plpgsql as $$ begin {loop}; end $$")
    assert statement.action is Action.UPSTREAM and loop in statement.sql


def test_a_variable_may_be_called_like_an_alias() -> None:
    body = "select a as k, k + 1 from (select b from u where u.c = r) r join v as r2 on r2.a = (r)"
    with pytest.raises(ColumnsNeeded) as asked:
        rewrite_knowing(f"create procedure p(r int) language plpgsql as $$ begin {body}; end $$", {})
    assert "from (select b from u where u.c = null) r join v as r2 on r2.a = (null)" in asked.value.query


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("select a from u union all select * exclude b from t order by 1 limit 3",
         'select a from u union all select rs_x0 as "a" from (select * from t ) as rs_x (rs_x0, rs_x1)'
         " order by 1 limit 3"),
        ("select * exclude b from t order by b limit 3",
         'select rs_x0 as "a" from (select * from t order by b limit 3 ) as rs_x (rs_x0, rs_x1) '),
        ("select distinct * exclude b from t order by a limit 3",
         'select distinct rs_x0 as "a" from (select * from t ) as rs_x (rs_x0, rs_x1) order by a limit 3'),
        ("select * exclude b from t qualify row_number() over (order by b) = 1",
         'select rs_x0 as "a" from (select (rs_q.rs_i).* from (select rs_i, ( row_number() over (order by b) = 1 ) as'
         " rs_qualify from (select * from t ) as rs_i) as rs_q where rs_qualify ) as rs_x (rs_x0, rs_x1)"),
        ("select * exclude (b) into #u from t",
         'select rs_x0 as "a" into temp "#u" from (select * from t ) as rs_x (rs_x0, rs_x1) '),
    ],
)  # fmt: skip
def test_what_stands_behind_or_beside_exclude_keeps_its_place(query: str, expected: str) -> None:
    found = re.sub(r"\s+", " ", rewrite_knowing(query, _Columns()).sql)
    assert found.strip() == expected.strip()


class _Columns(dict[str, tuple[str, ...]]):
    """Every query has the columns a and b."""

    def __contains__(self, _: object) -> bool:
        return True

    def __missing__(self, _: str) -> tuple[str, ...]:
        return "a", "b"
