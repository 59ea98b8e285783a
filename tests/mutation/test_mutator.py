"""The mutator: what each operator makes of a body, and what it leaves alone."""

from __future__ import annotations

import pytest

from tests.mutation.changes import ITG_TEMPLATE, chosen
from tests.mutation.changes import changes as changes_of
from tests.mutation.mutants import mutants_of
from tests.mutation.operators import OPERATORS
from tests.mutation.procedures import Procedure

PROCEDURE = """-- Purpose: a < b and c
create or replace procedure dm.load_x (p_country_code varchar(2))
as $$
declare
    v_count bigint;
begin
    -- a < b and c
    insert into dm.x (first_id, second_id)
    {query};
    raise exception 'not % < %', 1, 2;
end;
$$ language plpgsql;
"""


def changes(operator: str, query: str) -> list[tuple[str, str]]:
    """What the operator replaces by what in the query."""
    mutants = mutants_of("dm.load_x", PROCEDURE.format(query=query))
    return [(mutant.before, mutant.after) for mutant in mutants if mutant.operator == operator]


CASES = [
    ("boundary", "select 1 where a < b or a >= b", [("<", "<="), (">=", ">")]),
    ("negated_comparison", "select 1 where a = b and c !~ 'x'", [("=", "<>"), ("!~", "~")]),
    ("arithmetic", "select t.*, count(*), a * -b from t", [("*", "/"), ("-", "+")]),
    ("connective", "select 1 where a between 1 and 2 and b or c", [("and", "or"), ("or", "and")]),
    ("not_dropped", "select 1 where not a and b is not null", [("not", ""), ("not", "")]),
    ("not_dropped", "create temp table t (a bigint not null)", []),
    ("null_test", "select 1 where b is null and c is not null", [("is", "is not")]),
    ("join_kind", "select 1 from a inner join b on c left join d on e", [("inner", "left"), ("left", "inner")]),
    ("aggregate", "select min(a), max, sum(b) from t", [("min", "max"), ("sum", "max")]),
    ("distinct_dropped", "select count(distinct a) from t", [("distinct", "")]),
    ("function", "select row_number() over (order by a), least from t", [("row_number", "rank")]),
    ("direction", "select 1 from t order by a, b desc, c nulls first", [("a", "a desc"), ("desc", "asc")]),
    ("number", "select 1, 0.5, cast(a as numeric(18, 6)) from t", [("1", "2"), ("0.5", "0.6"), ("6", "5")]),
    ("text", "select 'a', '2026-01-31' from t", [("'a'", "'_a'"), ("'2026-01-31'", "'2026-01-04'")]),
    ("text", "select 1 where a ~ '^[A-Z]$'", [("'^[A-Z]$'", "'[A-Z]$'"), ("'^[A-Z]$'", "'^[A-Z]'")]),
    ("text", "values ('a', 1), ('b', 2)", []),
    ("text", "values ('a', f(1))", [("'a'", "'_a'")]),
    ("date_part", "select dateadd(day, 1, a), date_trunc('month', b)", [("day", "month"), ("'month'", "'year'")]),
    ("boolean", "select true, false from t", [("true", "false"), ("false", "true")]),
    ("set_operation", "select 1 union all select 2 union select 3", [("all", ""), ("union", "union all")]),
    ("set_operation", "select 1 except select 2", [("except", "intersect")]),
    ("predicate_dropped", "select 1 where f(a, b) = 1 and c", [("f(a, b) = 1", "true"), ("c", "true")]),
    ("predicate_dropped", "select 1 where (a or b is null)", [
        ("(a or b is null)", "true"), ("b is null", "false")]),
    ("predicate_dropped", "select case when a = 1 then 2 else 3 end", [("a = 1", "true")]),
    ("column_swapped", "select t.a_id, t.b_id, t.c_name from t", [("a_id", "b_id"), ("b_id", "a_id")]),
    ("column_swapped", "select a_id, (select b_id from u) from t", []),
]  # fmt: skip


@pytest.mark.parametrize(("operator", "query", "expected"), CASES)
def test_each_operator(operator: str, query: str, expected: list[tuple[str, str]]) -> None:
    assert changes(operator, query) == expected


def test_every_operator_is_tried() -> None:
    assert {operator for operator, _, _ in CASES} == set(OPERATORS)


def test_comments_declarations_and_texts_of_errors_stay() -> None:
    text = PROCEDURE.format(query="select first_id, second_id from t where a < b")
    for mutant in mutants_of("dm.load_x", text):
        assert mutant.line == 9
        lines, mutated = text.splitlines(), mutant.sql.splitlines()
        assert [number for number, line in enumerate(lines, 1) if line != mutated[number - 1]] == [9]


def test_names_are_stable_and_tell_mutants_apart() -> None:
    text = PROCEDURE.format(query="select 1 where a < b and c < d and 'x' = 'y'")
    first, second = mutants_of("dm.load_x", text), mutants_of("dm.load_x", text)
    assert first == second
    assert len({str(mutant) for mutant in first}) == len(first)
    assert str(first[1]).startswith("dm.load_x:9:boundary:2  '<' -> '<='  in: select 1 where a < b")


def test_a_choice_has_every_operator_and_is_the_same_every_time() -> None:
    query = "select 1, 2, 3 where a < b and c < d"
    found = changes_of(
        [Procedure("dm.x", PROCEDURE.format(query=query)), Procedure("dm.y", PROCEDURE.format(query="f"))]
    )
    choice = chosen(found, 1, {"dm.load_x": 5, "dm.load_y": 5}, 1)
    assert choice == chosen(found, 1, {"dm.load_x": 5, "dm.load_y": 5}, 1)
    assert {change.operator for change in choice} == {change.operator for change in found}
    assert [change.text for change in choice].count("dm.load_x") == 5


def test_a_change_of_a_template_is_made_to_all_that_is_rendered_from_it() -> None:
    query = "select 1 from stg.{} where a < b"
    found = changes_of(Procedure(f"itg.{name}", PROCEDURE.format(query=query.format(name))) for name in ("a1", "b1"))
    assert {(change.text, change.code, len(change.mutants)) for change in found} == {
        (ITG_TEMPLATE, "select 1 from stg.{object} where a < b;", 2)
    }
