"""Conditions that metadata may state: what is read, how it is written, what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from idiscover.errors import ConfigError
from idiscover.metadata.expressions import parse_condition

WRITTEN = {
    "a<=b": "a <= b",
    "A is NOT null": "A is not null",
    "not not a": "not not a",
    "a in ('x','it''s', -1)": "a in ('x', 'it''s', -1)",
    "a not in (1) and b not between 1 and 2+3": "a not in (1) and b not between 1 and 2 + 3",
    "coalesce( a , 0 )*-b - -1 > 0 or (c)": "coalesce(a, 0) * -b - -1 > 0 or (c)",
    "is_current = (valid_to = date '9999-12-31')": "is_current = (valid_to = date '9999-12-31')",
    "LENGTH(nullif(lower(a), '')) = 1.5": "length(nullif(lower(a), '')) = 1.5",
    "a = b -- c": "a = b - -c",
    "a = - -1": "a = - -1",
    "1": "1",
}
REFUSED = [
    "", "a =", "a / b > 1", "a = b; drop table x", "a in (select id from t)", "a like 'x%'",
    "pg_sleep(1) = 1", "t.a = 1", 'a = "b"', "a = 'x\\''", "a = $1", "a = %(x)s", "a not 1", "date 'today' = a",
    "a between 1", "in (1)", "(a = 1", "a = 1)", "coalesce() = 1", "a = 1 b", "a = 12abc", "a = 'x", "a ~ 'x'",
    "a::int = 1",
    "exists (1)", "cast(a as int) = 1", "a = b = c d", "case when a then b end", "(" * 30 + "a" + ")" * 30,
]  # fmt: skip


@pytest.mark.parametrize("text", WRITTEN)
def test_what_is_read_is_written_as_one_reads_it(text: str) -> None:
    condition = parse_condition(text)
    assert condition.sql(str) == WRITTEN[text]
    assert parse_condition(condition.sql(str)) == condition


def test_columns_are_told_from_words_of_sql() -> None:
    condition = parse_condition("lower(a) = 'b' and (c is null or not d) and e between date '2026-01-01' and f")
    assert condition.columns == {"a", "c", "d", "e", "f"}
    assert condition.sql(lambda name: f"t.{name}").startswith("lower(t.a) = 'b' and (t.c is null or not t.d)")


@pytest.mark.parametrize("text", REFUSED)
def test_everything_else_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="a condition is refused"):
        parse_condition(text)


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    """And what is read is written without anything that would end the condition, or begin a comment."""
    try:
        written = parse_condition(text).sql(str)
    except ConfigError:
        return
    outside = written.split("'")[::2]
    assert not any(mark in part for part in outside for mark in (";", "/*", '"', "$", "\\")) and "--" not in outside
