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
    return _quotient(value.numerator, value.denominator, decimals)


def rate(above: Decimal, below: Decimal) -> Decimal | None:
    """above ÷ below to 6 decimals; None with nothing below the line."""
    if not below:
        return None
    (above_top, above_bottom), (below_top, below_bottom) = above.as_integer_ratio(), below.as_integer_ratio()
    return _quotient(above_top * below_bottom, above_bottom * below_top, RATE_DECIMALS)


def _quotient(above: int, below: int, decimals: int) -> Decimal:
    size = abs(above) * 10**decimals
    whole = (2 * size + abs(below)) // (2 * abs(below))
    return Decimal(whole if (above < 0) == (below < 0) else -whole).scaleb(-decimals, _EXACT)


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
    ordered = sorted(values)
    if not ordered:
        return None
    below, hundredths = divmod(percent * (len(ordered) - 1), 100)
    above = min(below + 1, len(ordered) - 1)
    step = _EXACT.subtract(ordered[above], ordered[below])
    exact = _EXACT.fma(step, Decimal(hundredths).scaleb(-2), ordered[below])
    return rate(exact, Decimal(1))


def months_before(month: date, count: int) -> date:
    """The first day of the month `count` calendar months before."""
    index = month.year * 12 + month.month - 1 - count
    return date(index // 12, index % 12 + 1, 1)
