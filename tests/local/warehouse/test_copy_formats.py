"""COPY's other formats, encodings and conversions, and the statements that are refused."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import psycopg2
import pytest

from local.warehouse.copy.moments import parse_pattern
from local.warehouse.copy.statement import parse_copy
from local.warehouse.errors import SqlError

from .conftest import Lake
from .test_copy import AUTH, errors_of

Run = Callable[..., Any]

# "a,1\n" * 1000 and "b,2\n", each a zstd frame.
ZSTD = base64.b64decode("KLUv/WCgDl0AACBhLDEKAQCZ33dEKLUv/SAEIQAAYiwyCg==")


def load(run: Run, lake: Lake, columns: str, data: bytes | str, options: str) -> list[tuple[Any, ...]]:
    """The rows of a new table after a COPY of one file."""
    uri = lake.put("formats/file", data.encode() if isinstance(data, str) else data, pack=False)
    run(f"drop table if exists loaded; create temp table loaded ({columns})")
    run(f"copy loaded from '{uri}' {AUTH} {options}")
    return run("select * from loaded")


def refused(run: Run, lake: Lake, columns: str, data: bytes | str, options: str) -> list[tuple[Any, ...]]:
    """The rows of stl_load_errors of a COPY that loads what is left: line, column, field, reason."""
    load(run, lake, columns, data, f"{options} maxerror 1000")
    return errors_of(run)


@pytest.mark.parametrize(
    ("option", "field", "expected"),
    [
        ("dateformat 'MM/DD/YYYY'", "2/28/2026", date(2026, 2, 28)),
        ("dateformat as 'DD.MM.YY'", "05.01.69", date(2069, 1, 5)),
        ("dateformat 'DD.MM.YY'", "05.01.70", date(1970, 1, 5)),
        ("dateformat 'MON-DD-YYYY'", "Jan-05-2026", date(2026, 1, 5)),
        ("dateformat 'YYYYMMDD'", "20260105", date(2026, 1, 5)),
        ("dateformat 'YYYY-MM-DD HH:MI:SS'", "2026-01-05 10:11:12", date(2026, 1, 5)),
        ("dateformat 'auto'", "Jan 5, 2026", date(2026, 1, 5)),
        ("timeformat 'MM.DD.YYYY HH:MI:SS'", "01.05.2026 23:01:02.5", datetime(2026, 1, 5, 23, 1, 2, 500000)),
        ("timeformat 'DD/MM/YYYY HH12:MI AM'", "05/01/2026 01:30 pm", datetime(2026, 1, 5, 13, 30)),
        ("timeformat 'YYYY-MM-DDTHH:MI:SSZ'", "2026-01-05T10:11:12Z", datetime(2026, 1, 5, 10, 11, 12)),
        ("timeformat 'YYYYMMDDHH24MISS'", "20260105101112", datetime(2026, 1, 5, 10, 11, 12)),
        ("timeformat 'epochsecs'", "1767607872", datetime(2026, 1, 5, 10, 11, 12)),
        ("timeformat 'epochmillisecs'", "1767607872500", datetime(2026, 1, 5, 10, 11, 12, 500000)),
    ],
)
def test_formats_of_dates_and_times(run: Run, lake: Lake, option: str, field: str, expected: object) -> None:
    kind = "date" if option.startswith("date") else "timestamp"
    assert load(run, lake, f"m {kind}", f'"{field}"\n', f"csv {option}") == [(expected,)]


def test_what_does_not_match_a_format_is_refused_or_with_acceptanydate_null(run: Run, lake: Lake) -> None:
    data = "1|01/05/2026|01.05.2026 10:11\n2|2026-01-05|01.05.2026 10:11\n3|13/05/2026|01.05.2026 10:61\n4|00/00/00|x\n"
    options = "dateformat 'MM/DD/YYYY' timeformat 'MM.DD.YYYY HH:MI'"
    columns = "k int, d date, t timestamp"
    assert refused(run, lake, columns, data, options) == [
        (2, "d", "2026-01-05", "Invalid Date Format"),
        (3, "d", "13/05/2026", "Invalid Date Format"),
        (4, "d", "00/00/00", "Invalid Date Format"),
    ]
    day, moment = date(2026, 1, 5), datetime(2026, 1, 5, 10, 11)
    assert load(run, lake, columns, data, f"{options} acceptanydate") == [
        (1, day, moment), (2, None, moment), (3, None, None), (4, None, None)
    ]  # fmt: skip
    found = refused(run, lake, "k int, d date not null, t timestamp", data, f"{options} acceptanydate")
    assert [row[3] for row in found] == ["Missing data for not-null field"] * 3


@pytest.mark.parametrize("pattern", ["AUTO", "YYYY-MM", "YYYY-MONTH-DD", "YYYY-YY-MM-DD", "YYYY-MM-DD OF", ""])
def test_formats_that_cannot_be(pattern: str) -> None:
    with pytest.raises(SqlError, match=r"Invalid DATEFORMAT .*: .+"):
        parse_pattern(pattern, "DATEFORMAT")


@pytest.mark.parametrize(
    ("encoding", "codec", "count"),  # the last is more than a block
    [("as UTF16BE", "utf-16-be", 1), ("'utf16le'", "utf-16-le", 1), ("utf16", "utf-16", 30_000)],
)
def test_encodings(run: Run, lake: Lake, encoding: str, codec: str, count: int) -> None:
    text = "ก,ü\n😀,\n" * count
    rows = load(run, lake, "a varchar(10), b varchar(10)", text.encode(codec), f"csv encoding {encoding} emptyasnull")
    assert (len(rows), set(rows)) == (2 * count, {("ก", "ü"), ("😀", None)})


def test_a_file_in_another_encoding_loads_nothing(run: Run, lake: Lake) -> None:
    for data, encoding in (("a,b\n".encode("utf-16-le"), "utf16"), (b"a\xff\xd8", "utf16be")):
        with pytest.raises(psycopg2.Error, match="not the same as that specified"):
            load(run, lake, "a varchar(10), b varchar(10)", data, f"csv encoding {encoding}")
        run("rollback")


def test_zstd_frames_behind_one_another(run: Run, lake: Lake) -> None:
    assert len(load(run, lake, "a varchar(1), n int", ZSTD, "csv zstd")) == 1001
    for broken in (ZSTD[:-3], b"a,1\n"):
        with pytest.raises(psycopg2.Error, match="not a whole zstd file"):
            load(run, lake, "a varchar(1), n int", broken, "csv zstd")
        run("rollback")


def test_noload_judges_and_loads_nothing(run: Run, lake: Lake) -> None:
    assert load(run, lake, "n int", "1\n2\n", "noload") == []
    with pytest.raises(psycopg2.Error, match="stl_load_errors"):
        load(run, lake, "n int", "1\nx\n", "csv noload")
    run("rollback")
    assert errors_of(run) == [(2, "n", "x", "Invalid digit, Value 'x', Pos 0, Type: Integer")]


def test_ignoreallerrors(run: Run, lake: Lake) -> None:
    assert load(run, lake, "n int", "x\n" * 3000 + "1\n", "csv ignoreallerrors") == [(1,)]


def test_fixed_width_counts_characters(run: Run, lake: Lake) -> None:
    columns = "k int, name varchar(20), d date"
    data = " 12กข   2026-01-05\n  3                \n"
    options = "fixedwidth 'k:3,name:5,d:10'"
    assert load(run, lake, columns, data, f"{options} trimblanks blanksasnull") == [
        (12, "กข", date(2026, 1, 5)), (3, None, None)
    ]  # fmt: skip
    assert refused(run, lake, columns, "  1ab\n  1abcde2026-01-05x\n", options) == [
        (1, "", "", "Fixed-width record is shorter than its specification"),
        (2, "", "", "Extra column(s) found"),
    ]
    with pytest.raises(psycopg2.Error, match="FIXEDWIDTH has 2 fields, but 3 columns"):
        load(run, lake, columns, data, "fixedwidth '1:3,2:5'")


def test_json_by_name(run: Run, lake: Lake) -> None:
    data = """
        {"k": 1, "name": "a\\n\\u0e01", "amount": 1.999, "ok": true, "extra": [1], "tags": {"x": [1.50, "é", null]}}
        {"k": "2", "name": "", "amount": null, "ok": false}{"K": 3}
    """
    columns = "k int, name varchar(20), amount numeric(9,2), ok boolean, tags varchar(40)"
    assert load(run, lake, columns, data, "json 'auto'") == [
        (1, "a\nก", Decimal("1.99"), True, '{"x":[1.50,"é",null]}'),
        (2, "", None, False, None),
        (None, None, None, None, None),
    ]
    rows = load(run, lake, columns, data, "format as json 'auto ignorecase' emptyasnull")
    assert [row[:2] for row in rows] == [(1, "a\nก"), (2, None), (3, None)]


def test_json_by_paths_into_super_and_whole(run: Run, lake: Lake) -> None:
    paths = lake.put("paths.json", json.dumps({"jsonpaths": ["$.a.b[1]", "$.c"]}).encode(), pack=False)
    data = '{"a": {"b": [1, 2]}, "c": "x"}\n{"a": {"b": [1]}}\n{"a": {"b": [1, 3]}, "c": 7}\n'
    rows = load(run, lake, "n int, s super", data, f"json '{paths}' maxerror 2")
    assert rows == [(2, "x"), (3, 7)]
    assert errors_of(run) == [(2, "", "", "Invalid JSONPath format: Not an array or index out of range.")]
    brackets = lake.put("paths.json", json.dumps({"jsonpaths": ["$['a']['b'][0]"]}).encode(), pack=False)
    assert load(run, lake, "n int", data, f"json '{brackets}'") == [(1,), (1,), (1,)]
    assert load(run, lake, "s super", '{"a": "1"}', "json 'noshred'") == [({"a": "1"},)]
    for content, message in (
        (
            {"jsonpaths": ["$.a"]},
            "Number of jsonpaths and the number of columns should match. JSONPath size: 1, Number",
        ),
        ({"jsonpaths": ["$..a", "$.*"]}, "Invalid JSONPaths file"),
    ):
        wrong = lake.put("paths.json", json.dumps(content).encode(), pack=False)
        with pytest.raises(psycopg2.Error, match=message):
            load(run, lake, "n int, m int", data, f"json '{wrong}'")
        run("rollback")


def test_malformed_json_is_refused_document_by_document(run: Run, lake: Lake) -> None:
    data = b'{"n": 1}\nnonsense\n{"n": 2,}\n{"n": 3}\n[4]\n{"n": "\\u0000"}\n{"n": 5'
    assert [(row[0], row[3].partition(":")[0]) for row in refused(run, lake, "n varchar(3)", data, "json 'auto'")] == [
        (2, "Invalid JSON"), (3, "Invalid JSON"), (5, "Invalid JSON"),
        (6, "String contains invalid or unsupported UTF8 codepoints. Bad UTF8 hex sequence"), (7, "Invalid JSON"),
    ]  # fmt: skip
    assert run("select * from loaded") == [("1",), ("3",)]


def test_delimited_text(run: Run, lake: Lake) -> None:
    columns = "a varchar(10), b varchar(10)"
    # Quotes are characters like others, a delimiter may stand behind the last field, a field may hold a line's end.
    assert load(run, lake, columns, 'a"b|"c"|\n\\N||\n', "") == [('a"b', '"c"'), (None, "")]
    assert load(run, lake, columns, "a|~|b\n", "delimiter '|~|'") == [("a", "b")]
    assert load(run, lake, "a varchar(10)", "x\n\\.\ny\n", "") == [("x",), ("\\.",), ("y",)]
    assert load(run, lake, columns, "a\x01b\x02\x01\n", "delimiter '\\002'") == [("a\x01b", "\x01")]
    assert load(run, lake, columns, "x\\\ny\\|z|\\\\N\n", "escape") == [("x\ny|z", None)]
    quoted = "\"a|'b\"|'White'\nBlue'| ''x\n'Blue|b\n"
    assert load(run, lake, columns, quoted, "removequotes maxerror 2") == [("a|'b", "White"), ("Blue'", " ''x")]
    assert errors_of(run) == [(3, "", "'Blue", "Delimited value missing end quote")]


def test_white_space_around_quotes_is_no_part_of_a_csv_field(run: Run, lake: Lake) -> None:
    data = ' "a", "b c" ,"d"\t\n" e "" , f",g,"h" '
    columns = "a varchar(20), b varchar(20), c varchar(20)"
    assert load(run, lake, columns, data, "csv") == [("a", "b c", "d"), (' e " , f', "g", "h")]


def test_blank_fields_and_nul(run: Run, lake: Lake) -> None:
    columns = "a varchar(10), n int, d date, c char(3)"
    assert load(run, lake, columns, "  | \t |  |\n", "") == [("  ", None, None, "   ")]
    assert load(run, lake, "a varchar(10)", "x\0\n", "") == [("x",)]
    assert refused(run, lake, "a varchar(10)", "x\0y\n", "") == [
        (1, "", "", "Missing newline: Unexpected character 0x79 found at location 2")
    ]
    assert load(run, lake, "a varchar(10), b varchar(10)", "\0|y\n", "null as '\\0'") == [(None, "y")]


def test_characters_that_a_column_cannot_hold(run: Run, lake: Lake) -> None:
    columns = "v varchar(10), c char(3)"
    data = b"a\xc3,b\nok,\xc3\xbc\nok,abcd\nok,a\xff\n\xf0\x28,x\n"
    bad = "String contains invalid or unsupported UTF8 codepoints. Bad UTF8 hex sequence: "
    assert refused(run, lake, columns, data, "csv") == [
        (1, "v", "a?", f"{bad}c3 (error 2)"),
        (2, "c", "ü", "Multibyte character not supported for CHAR (Hint: Try using VARCHAR). Invalid char: c3 bc"),
        (3, "c", "abcd", "String length exceeds DDL length"),
        (4, "c", "a?", f"{bad}ff (error 3)"),
        (5, "v", "?(", f"{bad}f0 (error 4)"),
    ]
    assert run("select err_code from stl_load_errors where query = (select max(query) from stl_load_errors)") == [
        (1220,), (1220,), (1204,), (1220,), (1220,)
    ]  # fmt: skip
    assert load(run, lake, columns, data, "csv truncatecolumns acceptinvchars maxerror 3")[:3] == [
        ("a?", "b  "), ("ok", "abc"), ("?(", "x  ")
    ]  # fmt: skip
    assert run("select line_number from stl_replacements where query = pg_last_copy_id()") == [(1,), (5,)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("gzip zstd", "conflicting or redundant options"),
        ("csv maxerror 3 maxerror 4", "conflicting or redundant options"),
        ("csv escape", "CSV is not compatible with ESCAPE"),
        ("json 'auto' null as 'x'", "JSON is not compatible with NULL"),
        ("fixedwidth 'a:1' delimiter ','", "FIXEDWIDTH is not compatible with DELIMITER"),
        ("fixedwidth 'a'", "Invalid FIXEDWIDTH"),
        ("json 'manual'", "Invalid JSON option"),
        ("encoding utf7", "Invalid ENCODING"),
        ("maxerror 100001", "MAXERROR must lie between"),
        ("comprows 999", "COMPROWS must lie between"),
        ("acceptinvchars 'ü'", "one ASCII character"),
        ("null as '\\n'", "cannot contain the line end"),
        ("dateformat 'AUTO'", "Invalid DATEFORMAT"),
        ("quote '|'", "CSV only"),
        ("credentials 'nobody'", "conflicting"),
        ("shapefile", "SHAPEFILE is not emulated"),
        ("orc", "ORC is not emulated"),
        ("avro 'auto'", "AVRO is not emulated"),
        ("encrypted", "ENCRYPTED is not emulated"),
        ("readratio 50", "READRATIO is not emulated"),
        ("ssh", "SSH is not emulated"),
        ("job create nightly auto on", "JOB is not emulated"),
    ],
)
def test_options_that_are_refused(options: str, message: str) -> None:
    with pytest.raises(SqlError, match=message):
        parse_copy(f"copy t from 's3://lake/x' {AUTH} {options}")


def test_credentials_have_a_form() -> None:
    with pytest.raises(SqlError, match=r"Invalid credentials. Must be of the format: credentials 'aws_iam_role="):
        parse_copy("copy t from 's3://lake/x' credentials 'nobody'")


def test_a_view_is_no_target(run: Run, lake: Lake) -> None:
    run("create temp table base (a int); create temp view seen as select a from base")
    with pytest.raises(psycopg2.errors.WrongObjectType, match="not a table"):
        run(f"copy seen from '{lake.put('one', b'1', pack=False)}' {AUTH}")


def test_a_line_without_end_and_json_without_bottom_do_not_end_the_session(run: Run, lake: Lake) -> None:
    with pytest.raises(psycopg2.Error, match="longer than"):
        load(run, lake, "a varchar(10)", b"x" * 20_000_000, "escape")
    run("rollback")
    deep = '{"a": ' + "[" * 50_000 + "]" * 50_000 + '}\n{"a": "b"}\n'
    assert [row[0] for row in refused(run, lake, "a varchar(10)", deep, "json 'auto'")] == [1]
    assert run("select a from loaded") == [("b",)]
