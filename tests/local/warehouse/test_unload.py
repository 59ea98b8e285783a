"""UNLOAD: what the files hold and are called, and that COPY reads back what UNLOAD has written."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from typing import Any

import psycopg2
import pytest

from local.warehouse.errors import SqlError
from local.warehouse.unload.files import Unloading, line_writer
from local.warehouse.unload.statement import parse_unload

from .conftest import BUCKET, Lake

Run = Callable[..., Any]
ROWS = "select 1 as n, ''a|b'' as t union all select 2, null union all select 3, ''x\"y,z'' order by 1"


def _files(lake: Lake, prefix: str) -> dict[str, bytes]:
    """The objects below a prefix, by what follows it."""
    found = lake.client.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])
    return {
        item["Key"].removeprefix(prefix): lake.client.get_object(Bucket=BUCKET, Key=item["Key"])["Body"].read()
        for item in found
    }


def _unload(run: Run, prefix: str, options: str, query: str = ROWS) -> Any:
    return run(f"unload ('{query}') to 's3://{BUCKET}/{prefix}' iam_role default {options}")


@pytest.mark.parametrize(
    ("options", "lines"),
    [
        ("", ["1|a|b", "2|", "3|x\"y,z"]),
        ("escape", ["1|a\\|b", "2|", "3|x\"y,z"]),
        ("addquotes escape null as 'N'", ['"1"|"a\\|b"', '"2"|"N"', '"3"|"x\\"y,z"']),
        ("delimiter as '\\t' null '@'", ["1\ta|b", "2\t@", "3\tx\"y,z"]),
        ("csv", ["1,a|b", "2,", '3,"x""y,z"']),
        ("format as csv delimiter '|' header", ["n|t", '1|"a|b"', "2|", '3|"x""y,z"']),
    ],
)  # fmt: skip
def test_formats(run: Run, lake: Lake, options: str, lines: list[str]) -> None:
    prefix = f"unload/formats/{len(options)}/"
    assert _unload(run, prefix, f"{options} parallel off allowoverwrite") == "UNLOAD"
    assert _files(lake, prefix) == {"000": "".join(line + "\n" for line in lines).encode()}


def test_slices_manifest_and_compression(run: Run, lake: Lake, connection: Any) -> None:
    _unload(run, "unload/sliced_", "csv gzip manifest extension 'csv'", "select n from generate_series(1, 5) as n")
    files = _files(lake, "unload/sliced_")
    assert set(files) == {"0000_part_00.csv.gz", "0001_part_00.csv.gz", "manifest"}
    numbers = b"".join(gzip.decompress(files[name]) for name in sorted(files) if name != "manifest").split()
    assert sorted(numbers) == [b"1", b"2", b"3", b"4", b"5"]
    urls = [entry["url"] for entry in json.loads(files["manifest"])["entries"]]
    assert urls == [f"s3://{BUCKET}/unload/sliced_000{n}_part_00.csv.gz" for n in (0, 1)]
    assert connection.notices[-1].strip() == "INFO:  UNLOAD completed, 5 record(s) unloaded successfully."


@pytest.mark.parametrize("compression", ["gzip", "bzip2", "zstd"])
def test_what_was_unloaded_is_copied_back(run: Run, lake: Lake, compression: str) -> None:
    run("create table there (n int, t varchar(20), d timestamp, b boolean); create table back (like there)")
    run("insert into there values (1, 'a\"b,c\nd', '2026-01-05 10:11:12.5', true), (2, null, null, false)")
    prefix = f"unload/back_{compression}/"
    _unload(run, prefix, f"csv {compression} manifest", "select * from there")
    run(f"copy back from 's3://{BUCKET}/{prefix}manifest' iam_role default csv {compression} manifest emptyasnull")
    assert run("select * from back minus select * from there") == []
    assert run("select count(*) from back") == [(2,)]


def test_a_target_that_is_not_empty_is_refused_unless_told(run: Run, lake: Lake, connection: Any) -> None:
    _unload(run, "unload/twice/", "parallel off", "select 1")
    with pytest.raises(psycopg2.errors.InternalError_, match="Specified unload destination on S3 is not empty"):
        _unload(run, "unload/twice/", "parallel off", "select 2")
    connection.rollback()
    _unload(run, "unload/twice/", "parallel off allowoverwrite", "select 3")
    assert _files(lake, "unload/twice/") == {"000": b"3\n"}
    lake.put("unload/twice/stray", b"x", pack=False)
    _unload(run, "unload/twice/", "parallel off cleanpath", "select 4")
    assert _files(lake, "unload/twice/") == {"000": b"4\n"}


def test_partitions_are_folders(run: Run, lake: Lake) -> None:
    query = "select 1 as n, ''DE'' as c union all select 2, ''JP'' union all select 3, null"
    _unload(run, "unload/parts", "csv parallel off partition by (c)", query)
    assert _files(lake, "unload/parts") == {
        "/c=DE/000": b"1\n",
        "/c=JP/000": b"2\n",
        "/c=__HIVE_DEFAULT_PARTITION__/000": b"3\n",
    }


def test_no_rows_make_no_files(run: Run, lake: Lake) -> None:
    _unload(run, "unload/none/", "csv", "select 1 where false")
    assert _files(lake, "unload/none/") == {}


def test_a_failed_query_writes_nothing_and_fails_the_transaction(run: Run, lake: Lake) -> None:
    with pytest.raises(psycopg2.errors.DivisionByZero):
        _unload(run, "unload/failed/", "", "select 1 / (n - 3) from generate_series(1, 5) as n")
    with pytest.raises(psycopg2.errors.InFailedSqlTransaction):
        _unload(run, "unload/failed/", "", "select 1")
    assert _files(lake, "unload/failed/") == {}


def test_files_are_cut_by_their_size() -> None:
    command = parse_unload(
        "unload ('select 1') to 's3://b/k' iam_role default maxfilesize 5 mb parallel off header csv"
    )
    unloading = Unloading(command)
    unloading.begin([("t", 1043)])
    for _ in range(11):
        unloading.add(["x" * (1024 * 1024 - 1)])
    assert [(file.key, file.rows) for file in unloading.files] == [("k000", 4), ("k001", 4), ("k002", 3)]


def test_numbers_are_not_escaped() -> None:
    command = parse_unload("unload ('select 1') to 's3://b/k' iam_role default delimiter '-' escape")
    assert line_writer(command, [("n", 23), ("t", 1043)])(["-1", "a-b"]) == "-1-a\\-b"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("iam_role default csv addquotes", "not compatible"),
        ("csv", "authorization"),
        ("iam_role default parquet", "PARQUET is not emulated"),
        ("iam_role default manifest verbose", "MANIFEST VERBOSE is not emulated"),
        ("iam_role default cleanpath allowoverwrite", "together"),
        ("iam_role default maxfilesize 1 mb", "5 MB"),
        ("iam_role default sideways", "sideways"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: str, message: str) -> None:
    with pytest.raises(SqlError, match=message):
        parse_unload(f"unload ('select 1') to 's3://b/k' {options}")


@pytest.mark.parametrize(
    ("query", "message"),
    [("select 1 limit 1", "Limit clause"), ("delete from t", "one SELECT"), ("select 1; select 2", "one SELECT")],
)
def test_only_a_query_without_a_limit_is_unloaded(query: str, message: str) -> None:
    with pytest.raises(SqlError, match=message):
        parse_unload(f"unload ($$ {query} $$) to 's3://b/k' iam_role default")
