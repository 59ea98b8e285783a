"""Exact arithmetic, by hand."""

from datetime import date
from decimal import Decimal as D
from fractions import Fraction

import pytest

from tests.oracle.arithmetic import months_before, percentile, rate, rounded, weighted_mean


@pytest.mark.parametrize(
    ("value", "decimals", "expected"),
    [
        (Fraction(1, 2), 0, "1"),
        (Fraction(-1, 2), 0, "-1"),
        (Fraction(5, 10**7), 6, "0.000001"),
        (Fraction(4, 10**7), 6, "0.000000"),
        (Fraction(-2, 3), 6, "-0.666667"),
        (Fraction(10**20, 3), 2, "33333333333333333333.33"),
    ],
)
def test_rounding_is_half_away_from_zero(value: Fraction, decimals: int, expected: str) -> None:
    assert rounded(value, decimals) == D(expected)


def test_small_arithmetic() -> None:
    assert rate(D(1), D(0)) is None and rate(D(0), D(3)) == D("0.000000")
    assert weighted_mean([]) is None
    assert percentile([D("7.25")], 90) == D("7.250000") and percentile([], 50) is None
    assert percentile([D(4), D(1), D(3), D(2)], 90) == D("3.700000")
    assert months_before(date(2026, 1, 1), 1) == date(2025, 12, 1)
    assert months_before(date(2026, 3, 1), 12) == date(2025, 3, 1)
