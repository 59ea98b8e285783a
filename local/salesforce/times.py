"""Instants as the simulator writes them: UTC text with milliseconds, whose order is the order of time."""

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

ORG_DAY_ZERO = date(2026, 1, 5)
WINDOW_OPENS_SECONDS = 2 * 3600
WINDOW_CLOSES_SECONDS = 6 * 3600 - 1


@lru_cache(maxsize=1 << 12)
def to_iso(moment: datetime) -> str:
    """`2026-01-06T02:00:00.000Z` of an aware datetime; digits below a millisecond are cut."""
    utc = moment if moment.tzinfo is UTC else moment.astimezone(UTC)
    return utc.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def from_iso(text: str) -> datetime:
    """The aware datetime of `to_iso`'s text."""
    return datetime.fromisoformat(text)


def at(day: int, seconds: int) -> datetime:
    """The instant `seconds` after midnight UTC of org day `day` (negative days lie before day 0)."""
    midnight = datetime(ORG_DAY_ZERO.year, ORG_DAY_ZERO.month, ORG_DAY_ZERO.day, tzinfo=UTC)
    return midnight + timedelta(days=day, seconds=seconds)


def day_of(moment: datetime) -> int:
    """The org day an instant falls on: 0 on 2026-01-05."""
    return (moment.astimezone(UTC).date() - ORG_DAY_ZERO).days


def month_start(day: date, months_back: int = 0) -> date:
    """The first day of the month `months_back` months before `day`'s."""
    index = day.year * 12 + day.month - 1 - months_back
    return date(index // 12, index % 12 + 1, 1)
