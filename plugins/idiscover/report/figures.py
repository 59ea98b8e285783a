"""What the report is made of: rows as the marts' views give them, and rates over several rows.

A rate over several rows is the quotient of their sums; nothing below the line is no rate.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

ALL = "All countries"


@dataclass(frozen=True)
class UptakeRow:
    """A country's month; `tat_days` is the sum of mean turnaround days × the tested patients of cells that have one."""

    country_code: str
    month: date
    eligible: Decimal
    tested: Decimal
    positive: Decimal
    tat_days: Decimal
    tat_patients: Decimal


@dataclass(frozen=True)
class BiomarkerRow:
    """A biomarker over the last twelve months and all countries; `tat_days` as above."""

    area: str
    biomarker: str
    eligible: Decimal
    tested: Decimal
    tat_days: Decimal
    tat_patients: Decimal


@dataclass(frozen=True)
class ObjectiveRow:
    """Objectives that are due in a quarter."""

    quarter: date
    objectives: int
    met: int
    missed: int
    overdue: int


@dataclass(frozen=True)
class CoverageRow:
    """A country's month, summed over its territories: a lab that two of them cover counts twice."""

    country_code: str
    month: date
    covered: Decimal
    visited: Decimal
    visits: Decimal


@dataclass(frozen=True)
class FreshnessRow:
    """A table as dm.dm_data_freshness has it; times UTC."""

    table: str
    status: str
    rows: int
    high_water_at: datetime | None
    loaded_at: datetime | None


@dataclass(frozen=True)
class FailedCheck:
    """The last outcome of a check that failed. Neither keys nor values: they may tell of persons."""

    table: str
    check: str
    severity: str
    order_date: date
    countries: tuple[str, ...]


@dataclass(frozen=True)
class Figures:
    """All that the report shows.

    Attributes:
        made_at_utc: when the marts were asked.
        countries: code → name.
        failed_checks: those whose newest outcome is a failure.
    """

    environment: str
    made_at_utc: datetime
    countries: Mapping[str, str]
    uptake: Sequence[UptakeRow]
    biomarkers: Sequence[BiomarkerRow]
    objectives: Sequence[ObjectiveRow]
    coverage: Sequence[CoverageRow]
    freshness: Sequence[FreshnessRow]
    failed_checks: Sequence[FailedCheck]


@dataclass
class Rates:
    """Sums above and below the line, by name and month."""

    above: dict[tuple[str, date], Decimal] = field(default_factory=dict)
    below: dict[tuple[str, date], Decimal] = field(default_factory=dict)

    @classmethod
    def of(cls, parts: Iterable[tuple[str, date, Decimal, Decimal]]) -> Rates:
        """Of name, month, what is above and what is below the line; `ALL` sums over the names."""
        rates = cls()
        for name, month, above, below in parts:
            for key in ((name, month), (ALL, month)):
                rates.above[key] = rates.above.get(key, Decimal(0)) + above
                rates.below[key] = rates.below.get(key, Decimal(0)) + below
        return rates

    @property
    def months(self) -> list[date]:
        """All months, in order."""
        return sorted({month for _, month in self.below})

    def rate(self, name: str, month: date) -> Decimal | None:
        """One rate; None where there is nothing below the line."""
        return quotient(self.above.get((name, month), Decimal(0)), self.below.get((name, month), Decimal(0)))

    def over(self, name: str, months: Iterable[date]) -> Decimal | None:
        """The rate over several months."""
        keys = [(name, month) for month in months]
        above = sum((self.above.get(key, Decimal(0)) for key in keys), Decimal(0))
        return quotient(above, sum((self.below.get(key, Decimal(0)) for key in keys), Decimal(0)))

    def largest(self, count: int) -> list[str]:
        """Names with the most below the line, without `ALL`, the largest first."""
        sizes: dict[str, Decimal] = {}
        for (name, _), below in self.below.items():
            if name != ALL:
                sizes[name] = sizes.get(name, Decimal(0)) + below
        return sorted(sizes, key=lambda name: (-sizes[name], name))[:count]


def quotient(above: Decimal, below: Decimal) -> Decimal | None:
    """`above` ÷ `below`; None where that is nothing."""
    return above / below if below else None
