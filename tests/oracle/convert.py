"""How a value of Salesforce becomes a value of the warehouse: docs/marts.md, "Rules that hold everywhere"."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal

Convert = Callable[[object], object]


def text(value: object) -> object:
    """Text without NUL characters; nothing left is NULL."""
    return None if value is None else str(value).replace("\x00", "") or None


def timestamp(value: object) -> object:
    """Salesforce's datetime as a naive UTC timestamp."""
    if value is None:
        return None
    return datetime.fromisoformat(str(value)).astimezone(UTC).replace(tzinfo=None)


def day(value: object) -> object:
    """A date."""
    return None if value is None else date.fromisoformat(str(value))


def numeric(value: object) -> object:
    """An exact decimal."""
    return None if value is None else Decimal(str(value))


def as_is(value: object) -> object:
    """A boolean."""
    return value
