"""Exact arithmetic: quotients, rounding half away from zero, percentiles, months."""

from collections.abc import Collection, Iterable
from datetime import date
from decimal import Context, Decimal
from fractions import Fraction

RATE_DECIMALS = 6
# More digits than any sum of the warehouse's decimals can have: nothing is ever rounded by it.
_EXACT = Context(prec=200)


def rounded(value: Fraction, decimals: int) -> Decimal:
    """The decimal nearest to an exact value; a half goes away from zero."""
    scaled = abs(value) * 10**decimals
    whole = (2 * scaled.numerator + scaled.denominator) // (2 * scaled.denominator)
    return Decimal(-whole if value < 0 else whole).scaleb(-decimals)


def rate(above: Decimal, below: Decimal) -> Decimal | None:
    """above ÷ below to 6 decimals; None with nothing below the line."""
    return rounded(Fraction(above) / Fraction(below), RATE_DECIMALS) if below else None


def total(values: Iterable[object]) -> Decimal:
    """The exact sum of decimals; None counts as 0."""
    result = Decimal(0)
    for value in values:
        if isinstance(value, Decimal):
            result = _EXACT.add(result, value)
    return result


def mean(values: Collection[Decimal]) -> Decimal | None:
    """The mean to 6 decimals; None of nothing."""
    return rate(total(values), Decimal(len(values)))


def weighted_mean(pairs: Iterable[tuple[Decimal, Decimal]]) -> Fraction | None:
    """Σ(value × weight) ÷ Σ weight of (value, weight), exactly; None without weight."""
    above, below = Decimal(0), Decimal(0)
    for value, weight in pairs:
        above = _EXACT.fma(value, weight, above)
        below = _EXACT.add(below, weight)
    return Fraction(above) / Fraction(below) if below else None


def percentile(values: Iterable[Decimal], percent: int) -> Decimal | None:
    """Linear between neighbours at position percent/100 × (n − 1), to 6 decimals; None of nothing."""
    ordered = sorted(Fraction(value) for value in values)
    if not ordered:
        return None
    position = Fraction(percent, 100) * (len(ordered) - 1)
    below = int(position)
    above = min(below + 1, len(ordered) - 1)
    exact = ordered[below] + (ordered[above] - ordered[below]) * (position - below)
    return rounded(exact, RATE_DECIMALS)


def months_before(month: date, count: int) -> date:
    """The first day of the month `count` calendar months before."""
    index = month.year * 12 + month.month - 1 - count
    return date(index // 12, index % 12 + 1, 1)
