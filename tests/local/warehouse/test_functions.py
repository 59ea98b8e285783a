"""More functions of AWS's reference, against its examples, published test values or Python's own."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import date, datetime
from typing import Any

import psycopg2
import pytest

from local.warehouse.rewrite.dateparts import canonical

Run = Callable[..., Any]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        # texts
        ("split_part('abc$def$ghi', '$', 2)", "def"),
        ("btrim('setuphistorycassettes', 'tes')", "uphistoryca"),
        ("translate('mint tea', 'inea', 'osin')", "most tin"),
        ("quote_ident('a b') || quote_literal('it''s')", "\"a b\"'it''s'"),
        ("initcap('hello wORLD') || chr(65) || replicate('x', 3)", "Hello WorldAxxx"),
        ("bpcharcmp('abc', 'abd')", -1),
        ("octetindex('q', 'Άμαζον q')", 14),
        ("soundex('Amazon')", "A525"),
        ("'a' + 'b' + 'c'::varchar(3) + current_user::varchar", "abcpostgres"),
        ("difference('Amazon', 'Amazone')", 4),
        ("crc32('Amazon Redshift')", "f2726906"),
        ("left('abcdef', 2) || right('abcdef', 2) || reverse('ab')", "abefba"),
        ("strpos('abc', 'c') + position('b' in 'abc') + charindex('a', 'abc')", 6),
        # regular expressions
        ("regexp_count('abcdefghijklmnopqrstuvwxyz', '[a-z]{3}')", 8),
        ("regexp_count('the fox', 'FOX', 1, 'i')", 1),
        ("regexp_instr('the fox the FOX', 'FOX', 1, 2, 0, 'i')", 13),
        ("regexp_instr('the fox', 'fox', 1, 1, 1)", 8),
        ("regexp_substr('the fox', '[a-z]+', 5)", "fox"),
        ("regexp_substr('Fox 12', '([a-z]+) ([0-9]+)', 1, 1, 'ie')", "Fox"),
        ("regexp_replace('the Fox', 'FOX', 'dog', 1, 'i')", "the dog"),
        ("regexp_replace('the fox', '(fox)', 'a $1', 1, 'p')", "the a fox"),
        # hashes
        ("func_sha1('Amazon Redshift')", hashlib.sha1(b"Amazon Redshift").hexdigest()),
        (f"sha1('{'ä' * 100}')", hashlib.sha1(("ä" * 100).encode()).hexdigest()),
        ("sha('')", hashlib.sha1(b"").hexdigest()),
        (f"sha1('{'a' * 55}') || sha1('{'a' * 64}')",
         hashlib.sha1(b"a" * 55).hexdigest() + hashlib.sha1(b"a" * 64).hexdigest()),
        # dates
        ("extract(month from timestamp '2026-03-05') / 2", 1),
        ("extract(epoch from timestamp '2026-01-01 00:00:01.7')", 1767225601),
        ("date_part(decade, timestamp '2026-03-05')", 202.0),
        ("to_date('02 Oct 2001', 'DD Mon YYYY')", date(2001, 10, 2)),
        ("to_date('20010631', 'YYYYMMDD')", date(2001, 7, 1)),
        ("to_timestamp('2011-12-18 23:38:15', 'YYYY-MM-DD HH24:MI:SS', true)::timestamp",
         datetime(2011, 12, 18, 23, 38, 15)),
        ("date_cmp_timestamp('2008-01-24', '2008-01-24 06:43:29')", -1),
        ("timestamptz_cmp('2008-01-24 06:00:00+00', '2008-01-24 07:00:00+01')", 0),
        ("interval_cmp('3 days', '1 year')", -1),
        ("length(timeofday()) > 20", True),
        # numbers
        ("to_number('12,454.8-', '99G999D9S')::float8", -12454.8),
        ("round(28.05::float8, 1)", 28.1),
        ("round(2.5::float8) + trunc(2.567::float8, 2)", 5.56),
        ("mod(7, 3) + sign(-4) + cbrt(27) + dlog10(100)", 5.0),
        ("try_cast('12' as int) + nvl(try_cast('x' as int), 1)", 13),
        ("text_to_int_alt('12.9')", 12),
        ("greatest(1, null, 3) + least(4, null, 2)", 5),
        ("nullif(1, 1)", None),
        # bytes
        ("from_varbyte(to_varbyte('616263', 'hex'), 'utf8')", "abc"),
        ("to_hex(from_hex('616263')) || to_hex(255)", "616263ff"),
        # users
        ("current_user_id > 0", True),
        ("user_is_member_of(current_user)", True),
    ],
)  # fmt: skip
def test_functions(one: Run, expression: str, expected: object) -> None:
    value = one(f"select {expression}")
    assert value == pytest.approx(float(expected)) if isinstance(expected, float) else value == expected


def test_to_date_with_is_strict_refuses_a_day_that_is_none(run: Run) -> None:
    with pytest.raises(psycopg2.errors.DatetimeFieldOverflow):
        run("select to_date('20010631', 'YYYYMMDD', true)")


def test_listagg_ends_at_its_limit(run: Run) -> None:
    with pytest.raises(psycopg2.errors.StringDataRightTruncation, match="Result size exceeds LISTAGG limit"):
        run("select listagg(v) from (select repeat('x', 40000) as v union all select repeat('y', 40000)) as t")


PARTS = {
    "millennium": datetime(3026, 1, 31, 10), "century": datetime(2126, 1, 31, 10), "decade": datetime(2036, 1, 31, 10),
    "year": datetime(2027, 1, 31, 10), "quarter": datetime(2026, 4, 30, 10), "month": datetime(2026, 2, 28, 10),
    "week": datetime(2026, 2, 7, 10), "day": datetime(2026, 2, 1, 10), "hour": datetime(2026, 1, 31, 11),
    "minute": datetime(2026, 1, 31, 10, 1), "second": datetime(2026, 1, 31, 10, 0, 1),
    "millisecond": datetime(2026, 1, 31, 10, 0, 0, 1000), "microsecond": datetime(2026, 1, 31, 10, 0, 0, 1),
}  # fmt: skip
SYNONYMS = (
    "mil", "c", "cents", "decs", "y", "yrs", "qtr", "mons", "w", "days", "d", "h", "hrs", "m", "mins", "s", "secs",
    "ms", "msec", "us", "usec", "microsecs", "millennia",
)  # fmt: skip


@pytest.mark.parametrize("part", [*PARTS, *SYNONYMS])
def test_dateadd_and_datediff_know_every_part(run: Run, part: str) -> None:
    start, end = "timestamp '2026-01-31 10:00:00'", PARTS[canonical(part) or ""]
    assert run(f"select dateadd({part}, 1, {start}), datediff({part}, {start}, '{end}')") == [(end, 1)]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("first_value(v ignore nulls) over (order by n rows between unbounded preceding and current row)",
         [None, 2, 2, 2, 2]),
        ("last_value(v) ignore nulls over (order by n rows between unbounded preceding and current row)",
         [None, 2, 2, 4, 4]),
        ("nth_value(v, 2) ignore nulls over (order by n rows between unbounded preceding and unbounded following)",
         [4, 4, 4, 4, 4]),
        ("lag(v) ignore nulls over (order by n)", [None, None, 2, 2, 4]),
        ("lag(v, 2) ignore nulls over (order by n)", [None, None, None, None, 2]),
        ("lead(v ignore nulls) over (order by n)", [2, 4, 4, None, None]),
        ("lag(v) respect nulls over (order by n)", [None, None, 2, None, 4]),
        ("lead(v, 1) over (order by n)", [2, None, 4, None, None]),
    ],
)  # fmt: skip
def test_window_functions_that_ignore_nulls(run: Run, expression: str, expected: list[int | None]) -> None:
    values = "(select 1 as n, null::int as v union all select 2, 2 union all select 3, null union all select 4, 4"
    rows = run(f"select {expression} from {values} union all select 5, null) as t order by n")
    assert [row[0] for row in rows] == expected
