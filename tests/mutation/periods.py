"""Days on both sides of every boundary that a definition draws around an as_of_date."""

from __future__ import annotations

from datetime import date, timedelta

DAY = timedelta(days=1)
# Where date keys begin and end, what stands for no date, and dates that only a typing error explains.
FAR_DAYS = (
    date(1999, 12, 31), date(2000, 1, 1), date(2049, 12, 31), date(2050, 1, 1), date(1900, 1, 1),
    date(1700, 1, 1), date(4000, 12, 31),
)  # fmt: skip


def first_of_month(day: date, months: int = 0) -> date:
    """First day of the month, `months` calendar months later (or before, if negative)."""
    index = day.year * 12 + day.month - 1 + months
    return date(index // 12, index % 12 + 1, 1)


def days_around(as_of_date: date) -> list[date]:
    """The day and its neighbours, a year before, ends of months, of quarters and of the periods; far days."""
    year_before = as_of_date.replace(year=as_of_date.year - 1, day=min(as_of_date.day, 28))
    edges = [as_of_date, year_before, *(first_of_month(as_of_date, -back) for back in (0, 1, 2, 3, 12, 13, 24))]
    quarter = first_of_month(as_of_date, -((as_of_date.month - 1) % 3))
    return [*_neighbours(edges), quarter, quarter - DAY, first_of_month(quarter, 3), *FAR_DAYS]


def _neighbours(edges: list[date]) -> list[date]:
    return [day + offset for day in edges for offset in (-DAY, timedelta(0), DAY)]


def months_around(as_of_date: date) -> list[date]:
    """Days in the months that rolling periods reach, and just do not reach."""
    months = [first_of_month(as_of_date, -back) for back in (0, 1, 2, 3, 4, 11, 12, 13, 14, 23, 24, 25)]
    return [month + timedelta(days=17 * (number % 2)) for number, month in enumerate(months)]
