"""What a value is held to, value by value; and that blocks of rows are judged as values one by one are."""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Sequence
from datetime import date, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from idiscover.lake.protection import MASK, hashing, masked
from idiscover.metadata.models import FieldType, Protection
from idiscover.plan.model import ColumnPlan

from emr_jobs import csv_rewriter
from emr_jobs.block_checks import TAIL, BlockChecks, Integers
from emr_jobs.contract import Breach, Contract, check_of
from emr_jobs.csv_rewriter import CsvRewriter
from tests.unit.emr_jobs.fakes import ByValues


def column(kind: FieldType, name: str = "X__c", **more: object) -> ColumnPlan:
    return ColumnPlan.model_validate({"salesforce": name, "type": kind, "column": name.lower(), **more})


ID, BOOLEAN, INT, DATE = (column(kind) for kind in (FieldType.ID, FieldType.BOOLEAN, FieldType.INT, FieldType.DATE))
DATETIME, MONEY = column(FieldType.DATETIME), column(FieldType.CURRENCY, precision=5, scale=2)
WORD = column(FieldType.STRING, length=3)
CASES: tuple[tuple[ColumnPlan, str, str | None], ...] = (
    (ID, "001000000000001", None),
    (ID, "001000000000001AAA", None),
    (ID, "00100000000001", "is no Id: 14 bytes instead of 15 or 18"),
    (ID, "00100000000000é", "is no Id: 16 bytes instead of 15 or 18"),
    (BOOLEAN, "true", None),
    (BOOLEAN, "false", None),
    (BOOLEAN, "True", "is neither true nor false"),
    (BOOLEAN, "falsy", "is neither true nor false"),
    (INT, "-7", None),
    (INT, "9223372036854775807", None),
    (INT, "9223372036854775808", "is no whole number of 64 bits"),
    (INT, "7.0", "is no whole number of 64 bits"),
    (INT, "٧", "is no whole number of 64 bits"),
    (DATE, "2024-02-29", None),
    (DATE, "2023-02-29", "is no date such as 2026-01-05"),
    (DATE, "2023-13-01", "is no date such as 2026-01-05"),
    (DATE, "2026-01-05 ", "is no date such as 2026-01-05"),
    (DATE, "20260105", "is no date such as 2026-01-05"),
    (DATETIME, "2026-01-05T23:59:59.000Z", None),
    (DATETIME, "2026-01-05T23:59:59Z", None),
    (DATETIME, "2026-01-05T23:59:59.000+0000", None),
    (DATETIME, "2026-01-05T23:59:59.000+0100", "is no time in UTC such as 2026-01-05T10:00:00.000Z"),
    (DATETIME, "2026-01-05T24:00:00.000Z", "is no time in UTC such as 2026-01-05T10:00:00.000Z"),
    (DATETIME, "2026-01-05", "is no time in UTC such as 2026-01-05T10:00:00.000Z"),
    (MONEY, "-999.99", None),
    (MONEY, "0", None),
    (MONEY, "1.500", None),
    (MONEY, "9.9E2", None),
    (MONEY, "1000", "has 4 digits before the point and 0 after it, for numeric(5, 2)"),
    (MONEY, "0.125", "has 0 digits before the point and 3 after it, for numeric(5, 2)"),
    (MONEY, "1.0E-3", "has 0 digits before the point and 3 after it, for numeric(5, 2)"),
    (MONEY, ".5", "is no decimal number"),
    (MONEY, "NaN", "is no decimal number"),
    (MONEY, "1,5", "is no decimal number"),
    (WORD, "漢字漢", None),
    (WORD, "🧪🧪🧪", None),
    (WORD, "NA", None),
    (WORD, "abcd", "has 4 characters, more than 3"),
    (column(FieldType.TEXTAREA, length=131072), "漢" * 21845, None),
    (column(FieldType.TEXTAREA, length=131072), "漢" * 21846,
     "has 65538 bytes, more than the 65535 that a column holds"),
    (column(FieldType.TEXTAREA, length=131072, protect="hash"), "漢" * 21846, None),
)  # fmt: skip


@pytest.mark.parametrize(("of", "value", "reason"), CASES)
def test_a_value(of: ColumnPlan, value: str, reason: str | None) -> None:
    assert check_of(of)(value) == reason
    breaches = Contract([of]).breaches([value])  # of whole rows, by patterns first
    assert [breach.reason for breach in breaches] == ([] if reason is None else [reason])


def test_null_is_nothing_of_the_kind_unless_it_is_required() -> None:
    contract = Contract([column(FieldType.ID, "Id"), column(FieldType.DATE, "Day__c")], required=["id"])
    assert contract.breaches(["001000000000001", ""]) == []
    assert contract.breaches(["", "x"]) == [
        Breach("id", "is missing"),
        Breach("day__c", "is no date such as 2026-01-05"),
    ]


def test_a_text_is_trimmed_then_checked_then_protected() -> None:
    columns = [
        column(FieldType.STRING, "A", length=3, trim=True),
        column(FieldType.STRING, "B", length=3, trim=True, protect="hash"),
        column(FieldType.STRING, "C", length=3, protect="mask"),
    ]
    contract = Contract(columns, protected={1: hashing("k"), 2: masked})
    row = ["  abc\u3000", "\tx ", " y "]
    assert contract.breaches(row) == []
    assert [contract.written(at, value) for at, value in enumerate(row)] == ["abc", hashing("k")("x"), MASK]
    assert contract.written(0, " \n") == "" and contract.breach_of(2, "    ") is not None


# -- blocks ---------------------------------------------------------------------------------------

COLUMNS = [
    column(FieldType.ID, "Id"),
    column(FieldType.BOOLEAN, "Is"),
    column(FieldType.INT, "Count"),
    column(FieldType.DOUBLE, "Number", precision=9, scale=3),
    column(FieldType.CURRENCY, "Money", precision=18, scale=0),
    column(FieldType.DATE, "Day"),
    column(FieldType.DATETIME, "Time"),
    column(FieldType.STRING, "Word", length=4, trim=True),
    column(FieldType.EMAIL, "Mail", length=80, trim=True, protect="hash"),
    column(FieldType.PHONE, "Phone", length=10, protect="mask"),
    column(FieldType.TEXTAREA, "Text", length=12),
]
DAYS = st.dates(date(990, 1, 1), date(9999, 12, 31)).map(date.isoformat)
NUMBERS = st.decimals(-(10**8), 10**8, places=4, allow_nan=False).map(str) | st.integers(-(10**18), 10**18).map(str)
GOOD: tuple[st.SearchStrategy[str], ...] = (
    st.sampled_from(["001000000000001", "001000000000001AAA"]),
    st.sampled_from(["true", "false", ""]),
    st.integers(-(10**19), 10**19).map(str) | st.integers(-99, 99).map(str) | st.just(""),
    NUMBERS | st.sampled_from(["", "0", "-0.5", "1.20", "12.000", "1.0E3", "999999.999", "1000000"]),
    NUMBERS | st.sampled_from(["5.0", "5.5", "-12", "123456789012345.0"]),
    DAYS | st.just(""),
    st.datetimes(datetime(1990, 1, 1)).map(lambda at: f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03}Z"),
    st.text(st.sampled_from('ab\u3000 é漢🧪"\n'), max_size=6),
    st.text(st.sampled_from('a@.\u3000 é"'), max_size=9),
    st.text(st.sampled_from("+0 1"), max_size=11),
    st.text(st.sampled_from('ab,\n"é漢🧪'), max_size=14),
)
NEAR = st.sampled_from(
    ["true", "tru", "2024-02-29", "2023-02-29", "2023-04-31", "2023-00-10", "2023-10-00", "0999-01-01", "5.", ".5", "-",
     "--1", "1.2.3", "12345678.9.1", "2026-01-05T24:00:00.000Z", "2026-01-05T23:60:00.000Z", "2026-01-05T23:00:00Z",
     "00100000000000\"", '"', "1E5", "0x1F", "é", "2026-01-05t10:00:00.000Z", "-0000000", "1234567890123456",
     "12345678901234567", "0.0000000000000000", "001", " 1", "1 ", "\u3000"]
)  # fmt: skip


def contract() -> Contract:
    protect = {Protection.HASH: hashing("k" * 64), Protection.MASK: masked}
    protected = {at: protect[item.protect] for at, item in enumerate(COLUMNS) if item.protect}
    return Contract(COLUMNS, required=["id"], protected=protected)


@st.composite
def rows(draw: st.DrawFn) -> list[list[str]]:
    """Mostly good rows; in some, a value is another one's, or nearly good."""
    found = draw(st.lists(st.tuples(*GOOD).map(list), max_size=8))
    for row in found:
        if draw(st.integers(0, 2)) == 0:
            row[draw(st.integers(0, len(COLUMNS) - 1))] = draw(NEAR | st.sampled_from(row))
    return found


def page(of: Sequence[Sequence[str]]) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerow([item.salesforce for item in COLUMNS])
    writer.writerows(of)
    return out.getvalue().encode()


def rewritten(of: bytes, one_by_one: bool) -> tuple[list[list[str]], list[tuple[list[str], list[Breach]]], CsvRewriter]:
    """Rows that were written, rows that were not and why, and the rewriter with its counts."""
    broken: list[tuple[list[str], list[Breach]]] = []
    kind = ByValues if one_by_one else CsvRewriter
    made = kind(contract(), (), "page", quarantine=lambda row, breaches: broken.append((list(row), list(breaches))))
    text = b"".join(made.rewrite([of])).decode()
    _, *found = csv.reader(io.StringIO(text, newline=""), strict=True)
    return found, broken, made


@settings(max_examples=150, deadline=None)
@given(rows(), st.integers(1, 400))
def test_blocks_are_judged_and_changed_as_values_one_by_one_are(of: list[list[str]], block: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_rewriter, "_BLOCK_BYTES", block)
        kept, broken, made = rewritten(page(of), one_by_one=False)
    assert (kept, broken) == rewritten(page(of), one_by_one=True)[:2]
    assert made.rows + made.quarantined == made.parsed == len(of)
    # and both as the contract says, row by row
    held = contract()
    expected = [row for row in of if not held.breaches(row)]
    assert len(kept) == len(expected) and len(broken) == len(of) - len(expected)
    for row, written in zip(expected, kept, strict=True):
        for at in (0, 1, 2, 5, 6, 10):
            assert written[at] == row[at]
        assert written[7] == row[7].strip()
        assert written[8] == (hashing("k" * 64)(row[8].strip())) and written[9] == (MASK if row[9] else "")


def test_good_rows_go_through_in_blocks_and_a_broken_one_costs_its_block_alone() -> None:
    good = ["001000000000001AAA", "true", "12", "-3.250", "5.0", "2024-02-29", "2026-01-05T10:00:00.000Z", " 漢🧪 ",
            ' a"b@x ', "+1", '"é",\n']  # fmt: skip
    many = [good] * 6000
    many[3000] = [*good[:1], "yes", *good[2:]]
    looked_at = 0

    class Counting(CsvRewriter):
        def _is_kept(self, row: list[str]) -> bool:
            nonlocal looked_at
            looked_at += 1
            return super()._is_kept(row)

    broken: list[tuple[Sequence[str], Sequence[Breach]]] = []
    made = Counting(contract(), (), "page", None, lambda row, breaches: broken.append((row, breaches)))
    size = sum(map(len, made.rewrite([page(many)[at : at + 65536] for at in range(0, len(page(many)), 65536)])))
    assert (made.rows, made.quarantined) == (5999, 1) and size > 500_000
    assert 1 <= looked_at < 3000
    [(row, breaches)] = broken
    assert [*map(str, breaches)] == ["is is neither true nor false"]
    assert row[1] == "yes" and row[8] == hashing("k" * 64)('a"b@x') and row[9] == MASK  # protected there, too


def test_a_block_is_trimmed_of_every_white_space_and_of_nothing_else() -> None:
    texts = [f"{char}a{char}" for char in map(chr, (*range(1, 0x3100), *range(0xE000, 0x110000, 997)))]
    texts += [f"{char}{char}" for char in " \u3000\x85\u2003"] + ["", "a", '"', '" ']
    good = ["001000000000001", *[""] * 10]
    made = CsvRewriter(contract(), (), "page")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CsvRewriter, "_blocks", lambda _self, reader: iter(list(reader) and [b"by values"]))
        sent = page([[*good[:7], text, *good[8:]] for text in texts])
        text = b"".join(made.rewrite(sent[at : at + 65536] for at in range(0, len(sent), 65536))).decode()
    _, *found = csv.reader(io.StringIO(text, newline=""), strict=True)
    assert [row[7] for row in found] == [text.strip() for text in texts]
    assert all(row == [*good[:7], row[7], *good[8:]] for row in found)
    assert max(code for code in range(0x110000) if chr(code).isspace()) == 0x3000  # what blocks go by


def test_texts_without_white_space_at_their_ends_cost_no_loop_over_values() -> None:
    good = ["001000000000001", "true", "12", "-3.250", "5.0", "", "", "a 漢", "", "", "x "]
    looked_at = 0

    class Counting(Contract):
        def written(self, position: int, value: str) -> str:
            nonlocal looked_at
            looked_at += position == 7
            return super().written(position, value)

    made = CsvRewriter(Counting(COLUMNS), (), "page")
    assert b"by" not in b"".join(made.rewrite([page([good] * 3000 + [[*good[:7], " a", *good[8:]]])]))
    assert (made.rows, looked_at) == (3001, 1)


def test_without_a_quarantine_a_broken_row_is_an_error() -> None:
    made = CsvRewriter(contract(), (), "page")
    with pytest.raises(Exception, match="is neither true nor false in row 1"):
        list(made.rewrite([page([["001000000000001", "x", *[""] * 9]])]))


EXAMPLES = {
    FieldType.BOOLEAN: ("true", "false", ""),
    FieldType.INT: ("7", "-12345678", "1234567812345678", ""),
    FieldType.DOUBLE: ("0.5", "-12.50", "12345678.9", "123456789.123456", "5.0", "100", ""),
    FieldType.DATE: ("2026-01-05", "1999-12-31", "2024-02-28", ""),
    FieldType.DATETIME: ("2026-01-05T10:00:00.000Z", "1999-12-31T23:59:59.999Z", ""),
    FieldType.ID: ("001000000000001", "001000000000001AAA", ""),
}


@pytest.mark.parametrize("kind", EXAMPLES)
def test_what_is_not_doubted_keeps_the_contract(kind: FieldType, rng: random.Random) -> None:
    """Values that are good but for a byte or two: thousands of them, none let through that the contract refuses."""
    letters = "0123456789-+.:TZE aetrufls/"
    values: list[str] = []
    for _ in range(4000):
        value = list(rng.choice(EXAMPLES[kind]))
        for _ in range(rng.choice((0, 1, 1, 1, 2))):
            at = rng.randrange(len(value) + 1)
            value[at : at + rng.choice((0, 1, 1, 1))] = rng.choice(letters)
        values.append("".join(value))
    of = column(kind, precision=12, scale=3) if kind is FieldType.DOUBLE else column(kind)
    held = Contract([of])
    block = "".join(f'"{value}"\n' for value in values).encode()
    separators = np.flatnonzero(np.frombuffer(block, np.uint8) == ord("\n"))
    doubted = doubted_values(held, block, separators)
    good = [at for at, value in enumerate(values) if held.breach_of(0, value) is None]
    assert good == [at for at, value in enumerate(values) if not held.breaches([value])]
    assert set(range(len(values))) - set(good) <= doubted
    assert len(doubted & set(good)) < len(values) / 10, "what is good is seldom doubted"
    assert 200 < len(good) < len(values) - 200


@pytest.fixture
def rng() -> random.Random:
    return random.Random(5)


def doubted_values(held: Contract, block: bytes, separators: Integers) -> set[int]:
    """Indexes of the values that are looked at one by one."""
    seen: set[int] = set()
    checks = BlockChecks(held)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BlockChecks, "_value", lambda _self, _values, index: seen.add(index) or "")
        assert checks.exponents(block + TAIL, separators, np.array([], dtype=np.int64)) == set()
    return seen
