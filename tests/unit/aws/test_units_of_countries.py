"""Countries joined by moves, against a search that knows only neighbours."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from idiscover.aws.job_metadata_arrivals import EVERY_SLICE, Mark
from idiscover.aws.job_metadata_claims import Claim, Statements
from idiscover.aws.slices import in_groups, is_every_slice_stale, marks_of_units, units_of_marks
from idiscover.plan.model import RefreshPlan, RunKind

CODES = ["AT", "CH", "DE", "ES", "FR", "IT", "ZZ"]
MARKS = st.lists(
    st.builds(Mark, st.just("key"), st.sampled_from([*CODES, EVERY_SLICE]), st.none() | st.sampled_from(CODES)),
    max_size=8,
)


def reachable(start: str, marks: list[Mark]) -> set[str]:
    """All countries that moves lead to from `start`, step by step."""
    found, edge = {start}, {start}
    while edge:
        pairs = [(mark.country_code, mark.moved_from_country_code) for mark in marks]
        near = {b for a, b in pairs if a in edge} | {a for a, b in pairs if b in edge}
        edge = {str(code) for code in near - {None, EVERY_SLICE}} - found
        found |= edge
    return found


@given(marks=MARKS, countries=st.sets(st.sampled_from(CODES)))
def test_units_are_what_moves_connect(marks: list[Mark], countries: set[str]) -> None:
    wanted = countries | {code for mark in marks for code in (mark.country_code, mark.moved_from_country_code) if code}
    wanted.discard(EVERY_SLICE)
    units = units_of_marks(marks, countries)
    assert sorted(code for unit in units for code in unit) == sorted(wanted)  # each once
    assert all(set(unit) == reachable(unit[0], marks) for unit in units)
    assert units == sorted(sorted(unit) for unit in units)


@given(marks=MARKS)
def test_the_next_table_keeps_units_together(marks: list[Mark]) -> None:
    units = units_of_marks(marks)
    assert units_of_marks(marks_of_units(_claim(units=units))) == units


def _claim(units: list[list[str]] | None = None, as_of: int = 5, last: int | None = 5) -> Claim:
    day = date(2026, 1, as_of)
    before = None if last is None else date(2026, 1, last)
    return Claim(1, "dm.t", RunKind.SCHEDULED, day, day, before, False, Statements((), ""), units, None)


@pytest.mark.parametrize(
    ("uses_as_of_date", "as_of", "last", "country", "expected"),
    [
        (False, 6, 5, "DE", False),
        (False, 6, 5, EVERY_SLICE, True),
        (False, 6, None, "DE", True),  # the first refresh: what lies in its inputs was never marked for it
        (True, 6, 5, "DE", True),
        (True, 5, 5, "DE", False),  # the same order date again changes nothing that the date decides
    ],
)
def test_when_every_slice_is_stale(
    uses_as_of_date: bool, as_of: int, last: int | None, country: str, expected: bool
) -> None:
    plan = RefreshPlan.model_construct(uses_as_of_date=uses_as_of_date)
    assert is_every_slice_stale(plan, _claim(as_of=as_of, last=last), [Mark("key", country, None)]) is expected


@given(st.integers(0, 60), st.integers(1, 12))
def test_groups_hold_every_unit_once_in_order_and_are_few_and_even(count: int, at_most: int) -> None:
    units = [[f"{number:02}"] for number in range(count)]
    groups = in_groups(units, at_most)
    assert [unit for group in groups for unit in group] == units
    sizes = [len(group) for group in groups]
    assert all(1 <= size <= at_most for size in sizes)
    assert len(groups) == -(-count // at_most) and max(sizes, default=0) - min(sizes, default=0) <= 1
