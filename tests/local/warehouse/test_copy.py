"""COPY from S3 (moto): options, exact values, errors that outlive the rollback, all files or nothing."""

from __future__ import annotations

import bz2
import gzip
import threading
import time
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import psycopg2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .conftest import Lake, Stack

Run = Callable[..., Any]
AUTH = "iam_role 'arn:aws:iam::000000000000:role/copy'"
AUTO = "ignoreheader 1 dateformat 'auto' timeformat 'auto' emptyasnull"
HOUSE = f"{AUTH} region 'eu-central-1' manifest format as csv gzip {AUTO}"


def errors_of(run: Run) -> list[tuple[Any, ...]]:
    """The newest COPY's rows of stl_load_errors: line, column, field, reason."""
    return run(
        "select line_number, trim(colname), trim(raw_field_value), trim(err_reason) from stl_load_errors"
        " where query = (select max(query) from stl_load_errors) order by line_number"
    )


def test_a_manifest_of_gzip_files_in_the_callers_transaction(connection: Any, run: Run, lake: Lake) -> None:
    head = "id,name,n,d,ts,b\n"
    row = '"a","Grüße, ""x""\nzwei","1.999","2026-01-05","2026-01-05T10:11:12.123+0000","true"\n'
    first = lake.put("house/1.gz", (head + row).encode())
    second = lake.put("house/2.gz", (head + '"b",,,,,\n"c","ไทย","-1.999",,,"f"').encode())  # no line end at the end
    manifest = lake.manifest("house/manifest", [first, second])
    columns = "id varchar(18) not null, name varchar(40), n numeric(9,2), d date, ts timestamp, b boolean"
    run(f"create temp table loaded ({columns})")
    assert run(f"copy loaded (id, name, n, d, ts, b) from '{manifest}' {HOUSE} statupdate on compupdate off") == "COPY"
    assert "3 record(s) loaded successfully" in connection.notices[-1]
    assert run("select * from loaded order by id") == [
        ("a", 'Grüße, "x"\nzwei', Decimal("1.99"), date(2026, 1, 5), datetime(2026, 1, 5, 10, 11, 12, 123000), True),
        ("b", None, None, None, None, None),
        ("c", "ไทย", Decimal("-1.99"), None, None, False),
    ]
    assert run("select pg_last_copy_count()") == [(3,)]
    assert run("select trim(filename), lines_scanned from stl_load_commits where query = pg_last_copy_id()") == [
        (first, 1), (second, 2)
    ]  # fmt: skip
    connection.rollback()
    assert run("select to_regclass('loaded')") == [(None,)]


def test_decimals_are_cut_off_unless_roundec(run: Run, lake: Lake) -> None:
    uri = lake.put("decimals", b"1.005\n-0.999\n2\n", pack=False)
    run("create temp table d (n numeric(5,2))")
    run(f"copy d from '{uri}' {AUTH} csv")
    run(f"copy d from '{uri}' {AUTH} csv roundec")
    assert [row[0] for row in run("select n from d")] == [
        Decimal("1.00"), Decimal("-0.99"), Decimal("2.00"), Decimal("1.01"), Decimal("-1.00"), Decimal("2.00")
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("", ["", "", "  ", "\\N?", None]),
        ("emptyasnull", [None, "", "  ", "\\N?", None]),
        ("null as ''", [None, "", "  ", "\\N?", "\\N"]),
        ("blanksasnull", ["", "", None, "\\N?", None]),
        ("trimblanks", ["", "", "", "\\N?", None]),
        ("null as '\\\\N?'", ["", "", "  ", None, "\\N"]),
    ],
)
def test_null_options(run: Run, lake: Lake, options: str, expected: list[str | None]) -> None:
    uri = lake.put("nulls", b'1,\n2,""\n3,  \n4,\\N?\n5,\\N\n', pack=False)
    run("create temp table n (k int, a varchar(10))")
    run(f"copy n from '{uri}' {AUTH} csv {options}")
    assert [row[0] for row in run("select a from n order by k")] == expected


def test_other_formats(run: Run, lake: Lake) -> None:
    run("create temp table f (a varchar(10), b varchar(10))")
    piped = lake.put("piped", b"a|x\\|y\n'q'|\n", pack=False)
    run(f"copy f from '{piped}' {AUTH} escape removequotes")
    lake.put("prefix/1.bz2", bz2.compress(b"c;'d;e'\n"), pack=False)
    lake.put("prefix/2.bz2", bz2.compress(b"f;g\n"), pack=False)
    run(f"copy f from 's3://lake/prefix/' {AUTH} csv quote as '''' delimiter ';' bzip2")
    two_members = lake.put("members", gzip.compress(b"h,i\n") + gzip.compress(b"j,k\n"), pack=False)
    run(f"copy f from '{two_members}' {AUTH} csv gzip")
    assert run("select * from f") == [
        ("a", "x|y"), ("q", ""), ("c", "d;e"), ("f", "g"), ("h", "i"), ("j", "k")
    ]  # fmt: skip


def test_line_ends_blank_lines_and_short_records(run: Run, lake: Lake) -> None:
    uri = lake.put("mixed", b"a,1\r\nb,2\n\nc\n", pack=False)
    run("create temp table m (a varchar(10), b int)")
    run(f"copy m from '{uri}' {AUTH} csv ignoreblanklines fillrecord")
    assert run("select * from m") == [("a", 1), ("b", 2), ("c", None)]


def test_truncatecolumns_cuts_at_a_whole_character(run: Run, lake: Lake) -> None:
    uri = lake.put("long", "กขค,abcdef\n".encode(), pack=False)
    run("create temp table c (a varchar(8), b varchar(4))")
    run(f"copy c from '{uri}' {AUTH} csv truncatecolumns")
    assert run("select * from c") == [("กข", "abcd")]


def test_acceptinvchars_replaces_byte_for_byte(run: Run, lake: Lake) -> None:
    uri = lake.put("invalid", b"a\xff\xfeb\n", pack=False)
    run("create temp table i (a varchar(10))")
    run(f"copy i from '{uri}' {AUTH} csv acceptinvchars as '^'")
    assert run("select a from i") == [("a^^b",)]


def test_every_refusal_is_explained_and_outlives_the_rollback(connection: Any, run: Run, lake: Lake) -> None:
    lines = [
        "id,name,n,i,d,ts,b,s",
        "ok,,,,,,,",
        "long,กกกกกกก,,,,,,",
        "dec,,1x.5,,,,,",
        "over,,,3000000000,,,,",
        "hex,,,0x1F,,,,",
        'quoted,"two\nlines",,,2026-02-30,,,',
        ",x,,,,,,",
        "short,x",
        "extra,,,,,,,,",
        "now,,,,,now,,",
        "bool,,,,,,on,",
        "small,,,,,,,40000",
        "big,,12345678.9,,,,,",
        "inf,,NaN,,,,,",
        'bad"q,,,,,,,',
    ]
    uri = lake.put("refusals", "\n".join(lines).encode(), pack=False)
    columns = "id varchar(18) not null, name varchar(20), n numeric(9,2), i int, d date, ts timestamp, b boolean"
    run(f"create table refusing ({columns}, s smallint)")
    connection.commit()
    copy = f"copy refusing from '{uri}' {AUTH} csv {AUTO}"
    with pytest.raises(psycopg2.Error) as caught:
        run(copy)
    assert str(caught.value).startswith(
        "Load into table 'refusing' failed.  Check 'stl_load_errors' system table for details."
    )
    connection.rollback()
    assert run("select count(*) from refusing") == [(0,)]
    assert errors_of(run) == [
        (3, "name", "กกกกกกก", "String length exceeds DDL length"),
        (4, "n", "1x.5", "Invalid digit, Value 'x', Pos 1, Type: Decimal"),
        (5, "i", "3000000000", "Overflow, Type: Integer"),
        (6, "i", "0x1F", "Invalid digit, Value 'x', Pos 1, Type: Integer"),
        (7, "d", "2026-02-30", "Invalid Date Format"),
        (9, "id", "", "Missing data for not-null field"),
        (10, "", "", "Delimiter not found"),
        (11, "", "", "Extra column(s) found"),
        (12, "ts", "now", "Invalid timestamp format or value"),
        (13, "b", "on", "Unknown boolean format"),
        (14, "s", "40000", "Overflow, Type: Short"),
        (15, "n", "12345678.9", "Overflow, Type: Decimal"),
        (16, "n", "NaN", "Invalid digit, Value 'N', Pos 0, Type: Decimal"),
        (17, "", 'bad"q', "Invalid quote formatting for CSV"),
    ]
    assert run(
        "select error_code from sys_load_error_detail where line_number = 3 order by start_time desc limit 1"
    ) == [(1204,)]
    with pytest.raises(psycopg2.Error):
        run(f"{copy} maxerror 14")
    connection.rollback()
    assert run(f"{copy} maxerror 15") == "COPY"
    assert run("select id from refusing") == [("ok",)]
    connection.rollback()
    run("drop table refusing")
    connection.commit()


def test_a_bad_last_file_loads_nothing(run: Run, lake: Lake) -> None:
    good = lake.put("atomic/1", b"".join(b"%d\n" % n for n in range(5000)))
    bad = lake.put("atomic/2", b"1\nx\n")
    manifest = lake.manifest("atomic/manifest", [good, bad])
    run("create temp table a (n int); savepoint s")
    with pytest.raises(psycopg2.Error, match="stl_load_errors"):
        run(f"copy a from '{manifest}' {AUTH} manifest csv gzip")
    run("rollback to savepoint s")
    assert run("select count(*) from a") == [(0,)]


def test_missing_files(connection: Any, run: Run, lake: Lake) -> None:
    present = lake.put("present", b"1\n", pack=False)
    strict = lake.manifest("strict", [present, "s3://lake/absent"])
    lax = lake.manifest("lax", [present, "s3://lake/absent"], mandatory=False)
    run("create temp table p (n int)")
    run(f"copy p from '{lax}' {AUTH} manifest csv; savepoint s")
    assert run("select count(*) from p") == [(1,)]
    for source, options, message in (
        (strict, "manifest", "NoSuchKey"),
        ("s3://lake/no/such/prefix", "", "does not exist"),
        ("s3://no-such-bucket/x", "", "NoSuchBucket"),
        (present, "manifest", "Problem reading manifest"),
        (present, "gzip", "not a whole gzip file"),
    ):
        with pytest.raises(psycopg2.Error, match=message):
            run(f"copy p from '{source}' {AUTH} csv {options}")
        run("rollback to savepoint s")


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("copy t from 's3://lake/x' csv", "authorization"),
        (f"copy t from 's3://lake/x' {AUTH} parquet", "PARQUET is not emulated"),
        (f"copy t from 's3://lake/x' {AUTH} csv lzop", "LZOP is not emulated"),
        (f"copy t from 'dynamodb://x' {AUTH}", "dynamodb is not emulated"),
        (f"copy t from 's3://lake/x' {AUTH} csv nonsense", "nonsense"),
        (f"copy t (a, z) from 's3://lake/x' {AUTH} csv", '"z" of relation'),
        (f"copy t (k) from 's3://lake/x' {AUTH} csv", "identity"),
    ],
)
def test_statements_that_cannot_be(run: Run, sql: str, message: str) -> None:
    run("create temp table t (a int, k bigint identity(1,1))")
    with pytest.raises(psycopg2.Error, match=message):
        run(sql)


def test_a_copy_can_be_canceled(stack: Stack, lake: Lake) -> None:
    manifest = lake.manifest("slow", [lake.put("slow/file", b"1\n" * 2_000_000)] * 20)
    with stack.connect() as connection, connection.cursor() as cursor:
        cursor.execute("create temp table s (n int)")
        threading.Timer(1.0, connection.cancel).start()
        started = time.monotonic()
        with pytest.raises(psycopg2.errors.QueryCanceled):
            cursor.execute(f"copy s from '{manifest}' {AUTH} manifest csv gzip")
        assert time.monotonic() - started < 20
        connection.rollback()
        cursor.execute("select 1")
    connection.close()


NASTY = st.one_of(
    st.none(),
    st.text(st.sampled_from(list("aÄก中😀\"',;|\\\n\r\t N.")), min_size=1, max_size=12),
    st.sampled_from(["\\N", "\\.", "\\", '"', "\r\n", "null", " ", "\ufeff", "'; drop table x; --", "\u2028", "$$"]),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(
        st.tuples(NASTY, st.one_of(st.none(), st.decimals(-999, 999, places=4)), NASTY), min_size=1, max_size=20
    ),
    careful=st.booleans(),
)
def test_nasty_values_come_back_as_they_were(run: Run, lake: Lake, rows: list[tuple[Any, ...]], careful: bool) -> None:
    """Every value quoted, null unquoted and empty, as the platform's files are; through both ways of loading."""

    def field(value: object) -> str:
        return "" if value is None else '"' + str(value).replace('"', '""') + '"'

    lines = [",".join([f'"{number}"', *map(field, row)]) + "\n" for number, row in enumerate(rows)]
    # Records of different line ends make PostgreSQL's own reader give up, so that the careful way is taken.
    text = "".join(lines) + ('"-1",,,\r\n' if careful else "")
    uri = lake.put("nasty", text.encode())
    run("drop table if exists nasty; create temp table nasty (k int, a varchar(300), n numeric(9,3), b varchar(300))")
    run(f"copy nasty from '{uri}' {AUTH} csv gzip emptyasnull null as '<null>'")

    def cut(value: Decimal | None) -> Decimal | None:
        return None if value is None else value.quantize(Decimal("0.001"), rounding="ROUND_DOWN")

    loaded = run("select a, n, b from nasty where k >= 0 order by k")
    assert loaded == [(a, cut(n), b) for a, n, b in rows]
