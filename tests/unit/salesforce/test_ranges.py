"""Reads cut into ranges: nothing in between, nothing twice, none too large, and few questions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from idiscover.errors import DataQualityError
from idiscover.plan.model import BatchContent, QueryRange, ReadMode
from idiscover.salesforce import soql
from idiscover.salesforce.faults import QueryTimeout
from idiscover.salesforce.ranges import RangeCutter

from tests.unit.salesforce.samples import sample_request

START = datetime(2026, 1, 5, tzinfo=UTC)
DAY = 86_400
WINDOW = sample_request()
WHOLE = sample_request(read_mode=ReadMode.WHOLE)
DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def record_id(number: int) -> str:
    """An Id as an org gives it; written without the code under test."""
    digits = [DIGITS[number // 62**place % 62] for place in range(11, -1, -1)]
    return "001" + "".join(digits) + "AAA"


@dataclass
class Org:
    """Counts seconds, or Ids, as Salesforce would; `slow` rows are too many for one query."""

    seconds: Sequence[int] = ()
    ids: Sequence[str] = ()
    slow: int | None = None
    asked: list[str] = field(default_factory=list)

    def count(self, query: str, include_deleted: bool = False) -> int:
        self.asked.append(query)
        counted = sum(self.is_in(query, second) for second in self.seconds)
        counted += sum(self.has_id(query, item) for item in self.ids)
        if self.slow is not None and counted > self.slow:
            raise QueryTimeout("Salesforce timed the query out", remedy="make the window smaller")
        return counted

    def is_in(self, query: str, second: int) -> bool:
        start, end = (datetime.fromisoformat(text) for text in re.findall(r"[0-9-]+T[0-9:.]+Z", query))
        return start <= START + timedelta(seconds=second) < end

    def has_id(self, query: str, item: str) -> bool:
        low, high = re.search(r"Id >= '(\w+)'", query), re.search(r"Id < '(\w+)'", query)
        return (low is None or item[:15] >= low[1]) and (high is None or item[:15] < high[1])

    def call(self, operation: object, what: str) -> Any:
        self.asked.append(what)
        if not self.ids:
            return []
        return [{"Id": max(self.ids) if "DESC" in what else min(self.ids)}]


def cut(org: Org, request: object = WINDOW, most_rows: int = 10) -> tuple[QueryRange, ...]:
    cutter = RangeCutter(org, request)  # type: ignore[arg-type]
    return cutter.cut(cutter.count(cutter.everything), most_rows)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, DAY - 1), max_size=80), st.integers(1, 30))
def test_a_window_is_cut_without_gap_or_overlap(seconds: list[int], most_rows: int) -> None:
    org = Org(seconds)
    parts = cut(org, most_rows=most_rows)
    assert parts[0].start_utc == WINDOW.window.start_utc and parts[-1].end_utc == WINDOW.window.end_utc
    assert all(one.end_utc == other.start_utc for one, other in pairwise(parts))
    rows = [org.count(soql.count(WINDOW, BatchContent.ROWS, part)) for part in parts]
    for part, number in zip(parts, rows, strict=True):
        assert part.start_utc is not None and part.end_utc is not None
        assert number <= most_rows or part.end_utc - part.start_utc == timedelta(seconds=1)
    assert all(one + other > most_rows for one, other in pairwise(rows)), "what fits is joined"


@settings(max_examples=60, deadline=None)
@given(st.sets(st.integers(0, 62**12 - 1), min_size=1, max_size=60), st.integers(1, 30))
def test_whole_objects_are_cut_by_id(numbers: set[int], most_rows: int) -> None:
    org = Org(ids=[record_id(number) for number in numbers])
    parts = cut(org, WHOLE, most_rows)
    assert parts[0].id_from is None and parts[-1].id_before is None, "what is new meanwhile is read too"
    assert all(one.id_before == other.id_from for one, other in pairwise(parts))
    rows = [org.count(soql.count(WHOLE, BatchContent.ROWS, part)) for part in parts]
    assert sum(rows) == len(numbers) and max(rows) <= most_rows


def test_what_fits_is_not_cut_and_costs_nothing() -> None:
    org = Org(range(10))
    cutter = RangeCutter(org, WINDOW)  # type: ignore[arg-type]
    assert cutter.cut(10, 10) == (cutter.everything,)
    assert org.asked == []


def test_one_count_tells_of_two_halves() -> None:
    org = Org(range(0, DAY, DAY // 40))
    parts = cut(org, most_rows=10)
    assert 4 <= len(parts) <= 6
    assert len(org.asked) <= 1 + 2 * len(parts)


def test_a_single_second_is_left_whole() -> None:
    assert len(cut(Org([5] * 100 + [7]), most_rows=10)) >= 2


@pytest.mark.parametrize(
    ("request_", "content"),
    [(WINDOW, BatchContent.ROWS), (WHOLE, BatchContent.ROWS), (WINDOW, BatchContent.IDS)],
    ids=["window", "whole", "ids"],
)
def test_a_count_that_times_out_is_taken_by_halves(request_: Any, content: BatchContent) -> None:
    by_time = request_ is WINDOW and content is BatchContent.ROWS
    seconds, ids = (range(0, DAY, 1000), ()) if by_time else ((), [record_id(number**5) for number in range(87)])
    org = Org(seconds, ids, slow=9)
    cutter = RangeCutter(org, request_, content)  # type: ignore[arg-type]
    assert cutter.count(cutter.everything) == 87


def test_what_cannot_be_halved_is_an_error() -> None:
    with pytest.raises(QueryTimeout):
        cut(Org([5, 5], slow=1))
    with pytest.raises(QueryTimeout):
        cut(Org(ids=[record_id(7), record_id(7)], slow=1), WHOLE)


def test_an_object_without_records_is_one_range() -> None:
    cutter = RangeCutter(Org(), WHOLE)  # type: ignore[arg-type]
    assert cutter.halves(cutter.everything) is None


def test_an_id_that_is_none_is_refused() -> None:
    with pytest.raises(DataQualityError, match="an Id that is none"):
        cut(Org(ids=["001-", "001abc", "001abd"]), WHOLE, most_rows=1)
