"""Bulk CSV rewritten: against Python's csv module, for any text and any cutting into chunks."""

from __future__ import annotations

import csv
import io
import re
import tracemalloc
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from idiscover.errors import DataQualityError
from idiscover.metadata.models import FieldType
from idiscover.plan.model import ColumnPlan

from emr_jobs import csv_rewriter
from emr_jobs.contract import Breach, Contract
from emr_jobs.csv_rewriter import CsvRewriter
from tests.unit.emr_jobs.fakes import ByValues

SOURCE, TARGET = ("Id", "Name", "Notes__c"), ("id", "name", "notes")
CONSTANTS = (("_read_at_utc", "2026-01-05 02:00:07.000000"), ("_batch_id", 'lab-"1"'))

TEXTS = st.text(st.characters(exclude_categories=["Cs"])) | st.text(st.sampled_from('",\n\r\0 a\u2028\x85é漢'))
ROWS = st.lists(st.tuples(TEXTS, TEXTS, TEXTS), max_size=12)


def bulk_csv(rows: list[tuple[str, ...]], header: tuple[str, ...] = SOURCE, line_end: str = "\n") -> bytes:
    """A result page as Salesforce writes it: every value quoted."""
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator=line_end)
    writer.writerow(header)
    writer.writerows(rows)
    return out.getvalue().encode()


def contract(*kinds: FieldType) -> Contract:
    """Columns of `SOURCE`, texts of any length where nothing else is said."""
    of = dict(enumerate(kinds))
    return Contract(
        [
            ColumnPlan(salesforce=source, type=of.get(position, FieldType.STRING), column=target)
            for position, (source, target) in enumerate(zip(SOURCE, TARGET, strict=True))
        ]
    )


def rewriter() -> CsvRewriter:
    return CsvRewriter(contract(), CONSTANTS, where="part-00000")


def chunked(data: bytes, sizes: list[int]) -> Iterator[bytes]:
    """`data` cut into pieces of `sizes`, over and over."""
    at = turn = 0
    while at < len(data):
        size = sizes[turn % len(sizes)]
        yield data[at : at + size]
        at, turn = at + size, turn + 1


@given(ROWS, st.lists(st.integers(1, 40), min_size=1, max_size=5), st.sampled_from(["\n", "\r\n"]))
def test_every_value_comes_out_as_it_went_in(rows: list[tuple[str, ...]], sizes: list[int], line_end: str) -> None:
    made = rewriter()
    text = b"".join(made.rewrite(chunked(bulk_csv(rows, line_end=line_end), sizes))).decode()
    header, *found = csv.reader(io.StringIO(text, newline=""), strict=True)
    assert header == [*TARGET, "_read_at_utc", "_batch_id"]
    constants = [value for _, value in CONSTANTS]
    assert found == [[*(value.replace("\0", "") for value in row), *constants] for row in rows]
    assert made.rows == len(rows)
    assert made.nul_characters == sum(value.count("\0") for row in rows for value in row)


def outcome(made: CsvRewriter, chunks: Iterator[bytes]) -> tuple[int, int, int, bytes] | None:
    """Counts and bytes of a page; None if it is refused. How much is written by then depends on the size of blocks."""
    try:
        written = b"".join(made.rewrite(chunks))
    except DataQualityError:
        return None
    return made.rows, made.quarantined, made.nul_characters, written


def value_by_value() -> CsvRewriter:
    """A rewriter that must look at every row, and so never takes a block at once."""
    return ByValues(WITH_NUMBER, CONSTANTS, where="part-00000", quarantine=ignore)


def by_blocks() -> CsvRewriter:
    return CsvRewriter(WITH_NUMBER, CONSTANTS, where="part-00000", quarantine=ignore)


def ignore(_row: Sequence[str], _breaches: Sequence[Breach]) -> None:
    """Rows that are left out are counted, and that is all."""


WITH_NUMBER = contract(FieldType.STRING, FieldType.STRING, FieldType.DOUBLE)


NUMBERS = st.sampled_from(["", "1", "-12.50", "1.5E7", "2.0E-3", "E"])
PIECES = [
    b'"',
    b",",
    b"\n",
    b"\r",
    b"x",
    b"",
    b"\xff",
    b'""',
    b"\r\n",
    b"\0",
    b'"\0"',
    b'","',
    b'"\n"',
    b"\xed\xa0\x80",
    b"\xc0\xaf",
]
SPOILT = st.lists(st.tuples(st.integers(0, 400), st.sampled_from(PIECES) | st.binary(max_size=3)))


@settings(max_examples=400)
@given(st.lists(st.tuples(TEXTS, TEXTS, NUMBERS), max_size=12), SPOILT, st.integers(1, 60))
def test_blocks_end_as_values_one_by_one_do(
    rows: list[tuple[str, ...]], spoilt: list[tuple[int, bytes]], size: int
) -> None:
    """Whatever the page holds, wherever it is broken, and wherever a block ends."""
    page = bulk_csv(rows)
    for at, piece in spoilt[:3]:
        page = page[:at] + piece + page[at + 1 :] if at < len(page) else page
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_rewriter, "_BLOCK_BYTES", size)
        assert outcome(by_blocks(), chunked(page, [7])) == outcome(value_by_value(), chunked(page, [11]))


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("spoilt", [b"", b'"', b"\0", b"\xed\xa0\x80"])
def test_a_page_may_be_cut_anywhere(line_end: str, spoilt: bytes) -> None:
    """Inside a character, between two quotes, behind a CR: chunks and blocks of any length end the same."""
    page = bulk_csv([("", 'a "b",\n\n"', "12.5"), ('"', "漢\r\n\0é", "-1.5E7"), ("x", '","', "")], line_end=line_end)
    page = page.replace(b"\xc3\xa9", b"\xc3\xa9" + spoilt)
    expected = outcome(value_by_value(), chunked(page, [len(page)]))
    assert (expected is None) == (spoilt not in (b"", b"\0"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_rewriter, "_BLOCK_BYTES", 1)
        for at in range(1, len(page)):
            assert outcome(by_blocks(), iter([page[:at], page[at:]])) == expected
            assert outcome(by_blocks(), chunked(page, [at])) == expected


def test_what_salesforce_writes_goes_through_in_blocks() -> None:
    """Rows that are written as they came cost no loop over values: the reader of values has nothing to do."""
    made, page = by_blocks(), bulk_csv([("1", 'a "b",\n\n"', "12.5"), ("", '"', "")] * 5000)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_rewriter.CsvRewriter, "_blocks", lambda _self, reader: iter(list(reader) and [b"by values"]))
        written = b"".join(made.rewrite(chunked(page, [65536])))
    assert made.rows == 10_000 and b"by values" not in written


def test_exponents_of_decimals_go_through_in_blocks_too() -> None:
    """They are common in columns of money: from ten millions on, Salesforce writes them."""
    rows = [("", "1.0E7", "12.5"), ("", '"E9', "1.2E7"), ("", "\u6f22E-3", "-9.5E-4"), ("", "", "5.0E0")] * 4000
    made = CsvRewriter(WITH_NUMBER, (), where="part-00000")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_rewriter.CsvRewriter, "_blocks", lambda _self, reader: iter(list(reader) and [b"by values"]))
        written = b"".join(made.rewrite(chunked(bulk_csv(rows), [65536]))).decode()
    numbers = {"1.2E7": "12000000", "-9.5E-4": "-0.00095", "5.0E0": "5.0"}
    expected = [[*texts, numbers.get(number, number)] for *texts, number in rows]
    assert list(csv.reader(io.StringIO(written, newline=""), strict=True)) == [list(TARGET), *expected]


@given(ROWS)
def test_values_are_quoted_and_null_is_empty_and_bare(rows: list[tuple[str, ...]]) -> None:
    text = b"".join(rewriter().rewrite([bulk_csv(rows)])).decode()
    field = r'(?:"(?:[^"]|"")+"|)'
    line = rf"{field}(?:,{field}){{4}}\n"
    assert re.fullmatch(rf"(?:{line})*", text)
    assert "\0" not in text


def test_a_page_without_rows_is_its_header() -> None:
    made = rewriter()
    blocks = list(made.rewrite([bulk_csv([])]))
    assert blocks == [b'"id","name","notes","_read_at_utc","_batch_id"\n']
    assert made.rows == 0


def test_names_of_the_header_may_differ_in_case_only() -> None:
    assert list(rewriter().rewrite([bulk_csv([], ("ID", "name", "notes__C"))]))
    for header in (("Id", "Notes__c", "Name"), ("Id", "Name"), ("Id", "Name", "Notes__c", "More__c")):
        with pytest.raises(DataQualityError, match="header"):
            list(rewriter().rewrite([bulk_csv([], header)]))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b'"Id","Name","Notes__c"\n"1","2"\n',
        b'"Id","Name","Notes__c"\n"1","2","3","4"\n',
        b'"Id","Name","Notes__c"\n"1","2","cut in the mid',
        b'"Id","Name","Notes__c"\n"1","2"3","4"\n',
        b'"Id","Name","Notes__c"\n"1","2","\xff"\n',
        b'"Id","Name","Notes__c"\n"1","2","\xe6\xbc',
        b'"Id","Name","Notes__c"\n\n"1","2","3"\n',
    ],
)
def test_a_page_that_is_not_whole_is_refused(body: bytes) -> None:
    with pytest.raises(DataQualityError, match="part-00000"):
        list(rewriter().rewrite([body]))


def test_a_quote_that_never_closes_does_not_fill_the_memory() -> None:
    def endless() -> Iterator[bytes]:
        yield bulk_csv([]) + b'"'
        while True:
            yield b"x" * 65536 + b"\n"

    with pytest.raises(DataQualityError, match="field larger than field limit"):
        list(rewriter().rewrite(endless()))


def _peak_bytes(rows: int) -> int:
    """Most memory in use while a page of `rows` rows goes through."""
    block = bulk_csv([("0011", "x" * 40, 'a "quoted"\nnote')] * 100)[len(bulk_csv([])) :]
    made = rewriter()

    def page() -> Iterator[bytes]:
        yield bulk_csv([])
        for _ in range(rows // 100):
            yield block

    tracemalloc.start()
    for _ in made.rewrite(page()):
        pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert made.rows == rows
    return peak


def test_memory_does_not_grow_with_rows() -> None:
    _peak_bytes(1000)  # caches of the interpreter
    small, large = _peak_bytes(20_000), _peak_bytes(120_000)
    assert large < small * 1.1
    assert large < 4_000_000  # of blocks of 256 KiB


@pytest.mark.parametrize(
    ("sent", "written"),
    [
        ("1.0E17", "100000000000000000"),
        ("-9.9999999999999E13", "-99999999999999"),
        ("1.0E-4", "0.00010"),
        ("12.5", "12.5"),
    ],
)
def test_decimals_are_written_without_exponents(sent: str, written: str) -> None:
    page = bulk_csv([("1.0E17", "", sent), ("", "", "7.0E0")])
    rewriter = CsvRewriter(WITH_NUMBER, (), where="part-00000")
    assert b"".join(rewriter.rewrite([page])).decode() == f'"id","name","notes"\n"1.0E17",,"{written}"\n,,"7.0"\n'
