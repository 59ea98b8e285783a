"""Spans of time that end with as_of_date."""

from datetime import date, timedelta

from tests.oracle.arithmetic import months_before
from tests.oracle.dm.common import UNKNOWN_DAY


def in_12_months_to(as_of_date: date, day: object) -> bool:
    """Whether a day lies after the same day of the year before, and not after `as_of_date`."""
    leap_day = (as_of_date.month, as_of_date.day) == (2, 29)
    year_before = as_of_date.replace(year=as_of_date.year - 1, day=28 if leap_day else as_of_date.day)
    return isinstance(day, date) and year_before < day <= as_of_date


def is_known_until(as_of_date: date, day: object) -> bool:
    """Whether a date key is a day that is known and not after `as_of_date`."""
    return isinstance(day, date) and day != UNKNOWN_DAY and day <= as_of_date


def month_of(day: date) -> date:
    """The first day of the month."""
    return day.replace(day=1)


def month_end(month: date) -> date:
    """The last day of the month."""
    return (month_of(month) + timedelta(days=31)).replace(day=1) - timedelta(days=1)


def months_up_to(as_of_date: date, count: int) -> list[date]:
    """The `count` calendar months that end with that of `as_of_date`."""
    return [months_before(month_of(as_of_date), back) for back in reversed(range(count))]


def holds_on(day: date, since: object, until: object) -> bool:
    """Whether a day lies in [since, until], either of which may be open (None)."""
    return (not isinstance(since, date) or since <= day) and (not isinstance(until, date) or until >= day)
