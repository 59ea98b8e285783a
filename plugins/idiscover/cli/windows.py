"""A window on the command line has two ends: what an end that was forgotten would mean, nobody should have to guess."""

from __future__ import annotations

from datetime import datetime

from idiscover.errors import ConfigError


def require_both_ends(start: datetime | None, end: datetime | None) -> None:
    """Asked by each verb that takes `--from` and `--to`, before it does anything else.

    Raises:
        ConfigError: one of them is given, and the other is not.
    """
    if (start is None) != (end is None):
        missing = "--from" if start is None else "--to"
        raise ConfigError(
            "half a window",
            where="the command line",
            key=missing,
            got="nothing",
            expected="a time, because the other end of the window is given",
            remedy=f"give {missing} too, or neither",
        )
