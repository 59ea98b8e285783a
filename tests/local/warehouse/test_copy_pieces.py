"""COPY by pieces: where files are cut, which records are clean, and that every way loads the same."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import psycopg2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.warehouse.copy import pieces
from local.warehouse.copy.clean import clean_records
from local.warehouse.copy.columns import Column
from local.warehouse.copy.pieces import Cutter, Piece, part
from local.warehouse.copy.records import _BAD_UTF8
from local.warehouse.copy.statement import parse_copy

from .conftest import Lake
from .test_copy import AUTH, errors_of

Run = Callable[..., Any]


def column(declared: str, *, not_null: bool = False) -> Column:
    """A column as the catalogue tells it."""
    name, _, sizes = declared.partition("(")
    numbers = [int(size) for size in re.findall("[0-9]+", sizes)]
    is_character = name.startswith("character")
    return Column(
        name="c",
        type_name=name,
        declared=declared,
        length=numbers[0] if is_character and numbers else None,
        scale=numbers[1] if name == "numeric" and numbers else None,
        not_null=not_null,
    )


@pytest.mark.parametrize(
    ("declared", "options", "clean", "others"),
    [
        ("integer", "csv", "1 -12 +3 2147483647", '0x1F 1_000 1.0 99999999999 " 1 " NaN'),
        ("smallint", "csv", '7 "7" ""', "123456 7\t"),
        ("numeric(5,2)", "csv", "1 -1.5 123.45 1.", "1.005 1234.5 1e3 NaN .5"),
        ("numeric(18,0)", "csv", "1", "1.5"),
        ("double precision", "csv", "1 1.5e-3 -2E10", "NaN inf 1e400 0x1p3 1_0"),
        ("date", "csv", '2026-01-05 "2026-01-05"', "2026-1-5 05.01.2026 now"),
        ("date", "csv dateformat 'DD.MM.YYYY'", "", "05.01.2026"),
        ("timestamp without time zone", "csv", '2026-01-05 "2026-01-05 10:11:12.5"', "2026-01-05T10:11:12 now"),
        ("timestamp without time zone", "csv timeformat 'auto'", "2026-01-05T10:11:12.123+0000", "epoch"),
        ("boolean", "csv", "true f 1", "on yes TRUE"),
        ("character varying(4)", "csv", 'abcd "a,b" "a""b" "" "a\nb" ab', 'abcde "abcde" "a"" b"" a"b \\N a\\b "a'),
        ("character varying(4)", "csv", "กa", "กข"),
        ("character varying(4)", "csv null as 'x'", "xx", 'x "x"'),
        ("character varying(4)", "csv trimblanks", "", "a"),
        ("character(4)", "csv", "ab abcd", "abcde é"),
        ("character varying(4)", "delimiter '|'", 'a"b ,', "a|b a\x01"),
        ("bytea", "csv", "", "00ff"),
    ],
)
def test_what_is_clean(declared: str, options: str, clean: str, others: str) -> None:
    pattern = clean_records(parse_copy(f"copy t from 's3://lake/x' {AUTH} {options}"), [column(declared)])
    accepted = {text for text in re.split(" (?!10:)", f"{clean} {others}") if pattern and _all(pattern, text)}
    assert accepted == set(re.split(" (?!10:)", clean)) - {""}


def _all(pattern: re.Pattern[bytes], text: str) -> bool:
    return pattern.fullmatch(f"{text}\r\n{text}\n".encode()) is not None


def test_an_empty_field_is_clean_unless_the_column_is_not_null() -> None:
    command = parse_copy(f"copy t from 's3://lake/x' {AUTH} csv")
    for not_null, end in ((False, 3), (True, 0)):
        pattern = clean_records(command, [column("date", not_null=not_null), column("integer")])
        match = pattern.match(b",1\n") if pattern else None
        assert match is not None and match.end() == end


def test_a_record_of_many_quoted_texts_that_is_not_clean_is_told_at_once() -> None:
    command = parse_copy(f"copy t from 's3://b/k' {AUTH} csv")
    clean = clean_records(command, [*[column("character varying(20)")] * 26, column("integer")])
    assert clean is not None
    texts, started = b'"a ""text""",' * 6 + b'"text",' * 20, time.process_time()
    (run,), others = part(Piece(0, (texts + b"1\n") * 20 + (texts + b"x\n") * 20), clean, b'"')
    assert (run.nbytes, [piece.lines_before for piece in others]) == (20 * len(texts + b"1\n"), [20])
    assert time.process_time() - started < 2


FIELDS = st.lists(st.text("a,\"\n\r '", max_size=6), min_size=1, max_size=3)


@given(records=st.lists(FIELDS, max_size=12), block=st.integers(1, 20), size=st.integers(1, 40), bad=st.booleans())
def test_pieces_are_the_file(records: list[list[str]], block: int, size: int, bad: bool) -> None:
    quoted = [",".join('"' + field.replace('"', '""') + '"' for field in record) + "\n" for record in records]
    text = ("head\n" + "".join(quoted) + ('x"y\nz' if bad else "")).encode()
    cutter = Cutter(header_lines=1, quote=b'"')
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pieces, "PIECE_BYTES", size)
        found = list(cutter.pieces(text[start : start + block] for start in range(0, len(text), block)))
    joined = b"".join(piece.data for piece in found)
    assert joined == (text[5:] if text.endswith(b"\n") else text[5:] + b"\n") and cutter.bytes == len(text)
    ends = {sum(map(len, quoted[:number])) for number in range(len(quoted) + 1)}
    position = 0
    for piece in found:
        assert piece.lines_before == 1 + joined.count(b"\n", 0, position) and position in ends
        assert b"".join(half.data for half in piece.halves(b'"')) == piece.data
        position += len(piece.data)


def test_records_are_parted() -> None:
    clean = re.compile(rb'(?:(?:[a-z]|"[^"]*")\n)*')
    runs, others = part(Piece(10, b'a\n"b\nb"\n1\n2"\n"2\nc\n"\n"3\nd\n'), clean, b'"')
    assert [bytes(run) for run in runs] == [b'a\n"b\nb"\n', b"c\n", b"d\n"]
    assert others == [Piece(13, b'1\n2"\n"2\n'), Piece(17, b'"\n"3\n')]


def test_an_open_quote_leaves_the_rest_to_the_careful_way() -> None:
    blocks = iter([b"a\n", b'"' + b"x" * pieces.MAX_OPEN_BYTES, b"y\n", b"z\n"])
    first, rest = Cutter(0, b'"').pieces(blocks)
    assert (first.data, first.more) == (b"a\n", None)
    assert rest.lines_before == 1 and rest.more is not None and rest.data.endswith(b"xy\n")
    assert list(rest.more) == [b"z\n"]


@pytest.mark.parametrize(
    ("options", "data"),
    [
        ("csv quote as '§'", "1,§b,c§\n"),
        ("csv quote as '\\\\'", "1,\\b,c\\\n"),
        ("csv delimiter '-'", "1-b,c\n"),
        ("delimiter '\\001'", "1\x01b,c\n"),
        ("delimiter '^'", "1^b,c\n"),
    ],
)
def test_rare_quotes_and_delimiters(run: Run, lake: Lake, options: str, data: str) -> None:
    uri = lake.put("rare", data.encode(), pack=False)
    run("create temp table rare (a int, b varchar(9))")
    run(f"copy rare from '{uri}' {AUTH} {options}")
    assert run("select * from rare") == [(1, "b,c")]


def test_bad_records_among_many_are_found_with_their_lines(connection: Any, run: Run, lake: Lake) -> None:
    """Two pieces; a record that is not clean, a day that does not exist, a byte that is no UTF-8, a null."""
    good = [f'{n},"zwei\nZeilen {n:>60}",2026-01-05,{n % 100}.25\n'.encode() for n in range(50_000)]
    bad = {3: b"x,a,,\n", 30_000: b"7,a,2026-02-30,\n", 30_001: b"8,a\xff,,\n", 49_999: b",a,,\n"}
    data = b"k,a,d,n\n" + b"".join(bad.get(n, line) for n, line in enumerate(good))
    assert len(data) > pieces.PIECE_BYTES
    uri = lake.put("pieces", data)
    run("create temp table cut (k int not null, a varchar(99), d date, n numeric(9,2), i bigint identity(1,1))")
    copy = f"copy cut (k, a, d, n) from '{uri}' {AUTH} csv gzip ignoreheader 1 maxerror"
    run("savepoint s")
    with pytest.raises(psycopg2.Error, match="Load into table 'cut' failed"):
        run(f"{copy} 4")
    run("rollback to savepoint s")
    run(f"{copy} 5")
    assert f"{len(good) - 4} record(s) loaded successfully.  4 record(s) could not" in connection.notices[-1]

    def line(number: int) -> int:
        return 2 + 2 * number - sum(place < number for place in bad)  # each good record has two lines

    assert errors_of(run) == [
        (line(3), "k", "x", "Invalid digit, Value 'x', Pos 0, Type: Integer"),
        (line(30_000), "d", "2026-02-30", "Invalid Date Format"),
        (line(30_001), "a", "a?", f"{_BAD_UTF8}ff (error 3)"),
        (line(49_999), "k", "", "Missing data for not-null field"),
    ]  # fmt: skip
    kept = sum(n for n in range(len(good)) if n not in bad)
    amount = sum(Decimal(f"{n % 100}.25") for n in range(len(good)) if n not in bad)
    assert run("select count(*), sum(k), count(distinct i), sum(n) from cut") == [
        (len(good) - 4, kept, len(good) - 4, amount)
    ]
    assert run("select lines_scanned from stl_load_commits where query = pg_last_copy_id()") == [(len(good),)]
