"""SUPER: JSON in and out, navigation, iteration over arrays; and that nothing else is taken for a navigation."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import psycopg2
import pytest

from local.warehouse.rewrite import rewrite_script

Run = Callable[..., Any]


@pytest.fixture
def orders(run: Run) -> Run:
    """Two customers with their orders."""
    run("create schema sup; create table sup.customers (id int, data super, c_orders super)")
    run(
        "insert into sup.customers values"
        ' (1, json_parse(\'{"name": {"first": "Ann"}, "age": 41, "vip": null}\'),'
        '  json_parse(\'[{"key": 7, "lines": [{"q": 1}, {"q": 2}]}, {"key": 8, "lines": []}]\')),'
        " (2, object('name', object('first', 'Bob'), 'age', 'old'), array())"
    )
    return run


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("select data.name.first from sup.customers order by id", [("Ann",), ("Bob",)]),
        ("select c.data.name.first::varchar from sup.customers c where c.data.age = 41", [("Ann",)]),
        ("select sup.customers.data.age::int from sup.customers order by id", [(41,), (None,)]),
        ("select c_orders[0].key from sup.customers where c_orders[0].key is not null", [(7,)]),
        ("select c.c_orders[0].lines[1].q from sup.customers as c where c.id = 1", [(2,)]),
        ("select c.c_orders[5].lines[1].q from sup.customers as c where c.id = 1", [(None,)]),
        ("select id from sup.customers c where c.data.name.first = 'Bob'", [(2,)]),
        ("select id from sup.customers c where c.data.name.first in ('Bob', 'Eve')", [(2,)]),
        ("select id from sup.customers c where c.data.name.first like 'A%%'", [(1,)]),
        ("select count(*) from sup.customers c where c.data.vip is null", [(2,)]),
        ("select o.key from sup.customers c, c.c_orders o order by 1", [(7,), (8,)]),
        ("select c.id, l.q, i from sup.customers c, c.c_orders as o, o.lines as l at i order by l.q",
         [(1, 1, 0), (1, 2, 1)]),
        ("select c.id, o.key from sup.customers c left join c.c_orders o on true order by 1, 2",
         [(1, 7), (1, 8), (2, None)]),
        ("select k, v from sup.customers c, unpivot c.data as v at k where c.id = 2 and k = 'age'", [("age", "old")]),
        ("select element from (select json_parse('[[1.5], [2]]') as m) as f, f.m as part, part as element",
         [(1.5,), (2,)]),
        ("select max(c.data.age::int) from sup.customers c group by c.data.name.first order by 1", [(41,), (None,)]),
    ],
)  # fmt: skip
def test_navigation(orders: Run, query: str, expected: list[tuple[Any, ...]]) -> None:
    assert orders(query) == expected


def test_a_navigation_is_named_after_its_last_attribute(orders: Run, connection: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute("select c.data.name.first, c_orders[0].key::int, c.data.age as a from sup.customers c")
        assert [column.name for column in cursor.description] == ["first", "key", "a"]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("json_serialize(json_parse('{\"a\": [1, \"x\", null, true]}'))", '{"a":[1,"x",null,true]}'),
        ("json_typeof(array(1))", "array"),
        ("json_typeof(json_parse('1.5'))", "number"),
        ("is_object(object('a', 1)) and not is_array(object('a', 1))", True),
        ("is_array(null::super)", False),
        ("is_integer(json_parse('3')) and not is_smallint(json_parse('70000')) and is_float(json_parse('1.5'))", True),
        ("is_varchar(json_parse('\"x\"'))", True),
        ("get_array_length(array(1, 2, 3))", 3),
        ("json_serialize(array_concat(array(1), array('b')))", '[1,"b"]'),
        ("json_serialize(array_flatten(json_parse('[1, [2, 3], [[4]]]')))", "[1,2,3,[4]]"),
        ("json_serialize(subarray(array('a', 'b', 'c'), 1, 1))", '["b"]'),
        ("json_serialize(split_to_array('a|b', '|'))", '["a","b"]'),
        ("json_parse('\"x\"')::varchar", "x"),
        ("can_json_parse('{') or is_valid_json('[1]')", False),
        ("is_valid_json_array('[1]')", True),
        ("json_array_length('[1, [2]]')", 2),
        ("json_array_length('{', true)", None),
        ("json_extract_array_element_text('[111, \"b\"]', 1)", "b"),
        ("json_extract_path_text('{\"a\": {\"b\": 1}}', 'a', 'b', true)", "1"),
        ("json_extract_path_text('not json', 'a', true)", None),
    ],
)  # fmt: skip
def test_functions(one: Run, expression: str, expected: object) -> None:
    assert one(f"select {expression}") == expected


@pytest.mark.parametrize(
    "expression", ["json_parse('{')", "json_extract_path_text('{', 'a')", "json_array_length('x')"]
)
def test_what_is_no_json_is_an_error(run: Run, expression: str) -> None:
    with pytest.raises(psycopg2.errors.InternalError_, match="JSON parsing error"):
        run(f"select {expression}")


@pytest.mark.parametrize(
    "sql",
    [
        "select a.b, s.t.c from s.t, u a where a.b = 'x'",
        "with w as (select 1 as x) select w.x from w join s.v y on y.x = w.x",
        "update s.t set a = u.b from u where u.c = s.t.c",
        "delete from s.t using s.u as v where v.a = t.a",
        "insert into s.t (a) select x.a from (select 1 as a) x",
        "select extract(year from x.d), trim(both from x.t) from t x",
        "select * from s.f(1) g, pg_catalog.pg_class as c where g.a = c.oid",
        'select s.f(1), \'a.b.c\', "s"."t"."c" from "s"."t"',
        "select (select max(i.v) from inner_t i where i.k = o.k) from outer_t o",
        "create view s.v as select a.b from s.a",
        "select c.relkind, n.nspname from pg_catalog.pg_class c join pg_catalog.pg_namespace n on true",
        "select pg_attribute.attname, c.relname from pg_attribute join pg_class c on c.oid = pg_attribute.attrelid",
        "select t.a from t full outer join (select * from b where c = 'B' union all select * from b) as u on t.a = u.a",
        "select a.b from (s.a a join s.b b on a.k = b.k) where b.v = 1",
        "merge into s.t using s.u x on t.a = x.a when matched then update set b = x.b"
        " when not matched then insert values (x.a, x.b)",
    ],
)
def test_names_of_columns_are_left_alone(sql: str) -> None:
    (statement,) = rewrite_script(sql)
    assert "[" not in statement.sql
    assert "rs." not in re.sub(r"rs\.extract", "", statement.sql)


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("select c.id, c.data.name.first from sup.customers c qualify row_number() over (order by c.id desc) = 1",
         [(2, "Bob")]),
        ("select top 1 c.data.name.first from sup.customers c order by c.id", [("Ann",)]),
        ("select c.data.name.first from sup.customers c"
         " minus select c.data.name.first from sup.customers c where c.id = 1", [("Bob",)]),
        ("delete sup.customers using (select 1 as k) s where customers.id = s.k; select id from sup.customers", [(2,)]),
        ("update sup.customers set data = object('age', data.age::int + 1) where id = 1;"
         " select data.age from sup.customers where id = 1", [(42,)]),
    ],
)  # fmt: skip
def test_navigation_beside_other_rules(orders: Run, sql: str, expected: list[tuple[Any, ...]]) -> None:
    assert orders(sql) == expected


@pytest.mark.parametrize("sql", ["select c.conkey[1] from pg_constraint c", "select array['a', 'b'] from t"])
def test_arrays_of_postgresql_are_left_alone(sql: str) -> None:
    (statement,) = rewrite_script(sql)
    assert "nullif" not in statement.sql


def test_records_of_a_procedure_are_left_alone(orders: Run) -> None:
    orders(
        "create procedure sup.p(result inout varchar) as $$ declare r record; begin"
        " for r in select id, data from sup.customers order by id loop"
        " select into result nvl(result, '') || c.data.name.first::varchar || r.id"
        "  from sup.customers c where c.id = r.id;"
        " end loop; end $$ language plpgsql"
    )
    assert orders("call sup.p('')") == [("Ann1Bob2",)]
