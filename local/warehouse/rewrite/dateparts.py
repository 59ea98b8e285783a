"""Redshift's names of date parts and their synonyms."""

from __future__ import annotations

_SYNONYMS: dict[str, tuple[str, ...]] = {
    "millennium": ("millennia", "mil", "mils"),
    "century": ("centuries", "c", "cent", "cents"),
    "decade": ("decades", "dec", "decs"),
    "epoch": (),
    "year": ("years", "y", "yr", "yrs"),
    "quarter": ("quarters", "qtr", "qtrs"),
    "month": ("months", "mon", "mons"),
    "week": ("weeks", "w"),
    "dow": ("dayofweek", "dw", "weekday"),
    "doy": ("dayofyear", "dy", "yearday"),
    "day": ("days", "d"),
    "hour": ("hours", "h", "hr", "hrs"),
    "minute": ("minutes", "m", "min", "mins"),
    "second": ("seconds", "s", "sec", "secs"),
    "millisecond": (
        "milliseconds",
        "ms",
        "msec",
        "msecs",
        "msecond",
        "mseconds",
        "millisec",
        "millisecs",
        "millisecon",
    ),
    "microsecond": (
        "microseconds",
        "us",
        "usec",
        "usecs",
        "usecond",
        "useconds",
        "microsec",
        "microsecs",
        "microsecond",
    ),
    "timezone": (),
    "timezone_hour": (),
    "timezone_minute": (),
}
_CANONICAL = {name: part for part, names in _SYNONYMS.items() for name in (part, *names)}


def canonical(name: str) -> str | None:
    """The part that `name` means in any case, or None if it is none of Redshift's date parts."""
    return _CANONICAL.get(name.lower())
