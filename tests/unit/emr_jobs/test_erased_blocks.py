"""Blocks that name nobody who was erased go through at once; others are read row by row, and lose what they must."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from idiscover.lake.suppression import SECRET_KEY, erased_by, keyed_hash, redacting, whole_id
from idiscover.metadata.models import FieldType
from idiscover.plan.model import ColumnPlan

from emr_jobs import csv_rewriter
from emr_jobs.contract import Contract
from emr_jobs.csv_rewriter import CsvRewriter
from emr_jobs.erased_blocks import ErasedInBlocks, id_words
from tests.unit.emr_jobs.fakes import ByValues

SECRET = {SECRET_KEY: "k" * 64}
GONE = ("003000000000001AAA", whole_id("0030000000aBcDe"))
STAYS = "003000000000002AAA"
NAMES = ("Id", "Account__c", "Note__c")
CONTRACT = Contract([ColumnPlan(salesforce=name, type=FieldType.STRING, column=name.lower()) for name in NAMES])

IDS = st.sampled_from([*GONE, STAYS, *(one[:15] for one in (*GONE, STAYS))])
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=6)
NOTES = TEXTS | st.tuples(TEXTS, IDS, TEXTS).map("".join) | IDS
ROWS = st.lists(st.tuples(IDS | st.just(STAYS), NOTES, NOTES), max_size=8)


def guard() -> ErasedInBlocks:
    is_erased = erased_by(SECRET, {keyed_hash(SECRET, one) for one in GONE})
    return ErasedInBlocks(is_erased, 0, range(len(NAMES)), redacting(is_erased))


def page(rows: Sequence[Sequence[str]]) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerow(NAMES)
    writer.writerows(rows)
    return out.getvalue().encode()


def written(made: CsvRewriter, of: bytes, size: int) -> tuple[list[list[str]], int, int]:
    """Rows, and how many were written and left out."""
    pieces = (of[at : at + size] for at in range(0, len(of), size))
    _, *rows = csv.reader(io.StringIO(b"".join(made.rewrite(pieces)).decode(), newline=""), strict=True)
    return rows, made.rows, made.suppressed


def expected(rows: Sequence[tuple[str, str, str]]) -> Iterator[list[str]]:
    """By the rules as they are told, with plain comparisons."""
    gone = {*GONE, *(one[:15] for one in GONE)}
    words = re.compile(f"(?<![A-Za-z0-9])({'|'.join(sorted(gone, key=len, reverse=True))})(?![A-Za-z0-9])")
    for row in rows:
        if row[0] not in gone:
            yield ["" if value in gone else words.sub("[erased]", value) for value in row]


@settings(max_examples=200, deadline=None)
@given(ROWS, st.integers(1, 120))
def test_blocks_lose_what_rows_one_by_one_do(rows: list[tuple[str, str, str]], size: int) -> None:
    of = page(rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_rewriter, "_BLOCK_BYTES", size)
        found = written(CsvRewriter(CONTRACT, (), "page", keeps=guard()), of, size)
    assert found == written(ByValues(CONTRACT, (), "page", keeps=guard()), of, size)
    kept = list(expected(rows))
    assert found == (kept, len(kept), len(rows) - len(kept))


def test_only_the_block_that_names_somebody_is_read_row_by_row(monkeypatch: pytest.MonkeyPatch) -> None:
    """Work is counted: rows that were looked at one by one."""
    monkeypatch.setattr(csv_rewriter, "_BLOCK_BYTES", 4096)
    rows = [(f"00300000000{number:04d}AAB", STAYS, "") for number in range(1000)]
    looked_at: list[str] = []

    class Counting(ErasedInBlocks):
        def __call__(self, row: list[str]) -> bool:
            looked_at.append(row[0])
            return super().__call__(row)

    def read(of: Sequence[tuple[str, str, str]]) -> int:
        looked_at.clear()
        base = guard()
        keeps = Counting(base.is_erased, base.key, base.columns, base.redact)
        written(CsvRewriter(CONTRACT, (), "page", keeps=keeps), page(of), 4096)
        return len(looked_at)

    assert read(rows) == 0
    rows[500] = (rows[500][0], GONE[0], "")
    assert 0 < read(rows) <= 2 * 4096 // len(",".join(rows[0]))


@pytest.mark.parametrize(
    "block, found",
    [
        (b"", set()),
        (b"003000000000001", {"003000000000001"}),
        (b'"003000000000001AAA","x"', {"003000000000001AAA"}),
        (b"0030000000000011 a03000000000001AA,00300000000001", set()),
        ("é003000000000001é".encode(), {"003000000000001"}),
        (b"1003000000000001AAA\n003000000000002AAA", {"003000000000002AAA"}),
    ],
)
def test_words_that_can_be_ids(block: bytes, found: set[str]) -> None:
    assert id_words(block) == {word.encode() for word in found}


def test_a_word_that_was_harmless_is_not_hashed_again() -> None:
    asked: list[str] = []
    found = ErasedInBlocks(lambda word: bool(asked.append(word)) or word == GONE[0], 0, range(3))
    assert not found.touches(f'"{STAYS}"'.encode())
    assert found.touches(f'"{STAYS}","{GONE[0]}"'.encode())
    assert found.touches(f'"{STAYS}","{GONE[0]}"'.encode())
    assert asked == [STAYS, GONE[0], GONE[0]]
