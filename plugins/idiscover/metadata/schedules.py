"""Cron expressions: the five fields that Airflow's timetables read, in UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from croniter import CroniterBadDateError, CroniterError, croniter

EXPECTED = "five fields in UTC, such as 0 0 * * *: minute, hour, day of the month, month, day of the week"

_FIVE_FIELDS = re.compile(r"\S+( +\S+){4}")
_ANY_TIME = datetime(2026, 1, 1, tzinfo=UTC)


def cron_fault(expression: str) -> str | None:
    """What is wrong with an expression, in a few words; None if nothing is."""
    if not _FIVE_FIELDS.fullmatch(expression):
        return f"number of fields: {len(expression.split())}"
    try:
        croniter(expression, _ANY_TIME).get_next(datetime)
    except CroniterBadDateError:  # such as the 30th of February
        return "it never comes"
    except (CroniterError, ValueError, KeyError) as error:
        return (
            "a field is out of range" if "out of range" in str(error) else "a field is no number, range, list or step"
        )
    return None
