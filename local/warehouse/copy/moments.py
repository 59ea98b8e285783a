"""DATEFORMAT and TIMEFORMAT strings: a regular expression that a field must match, and how it becomes ISO text.

A pattern holds the parts of AWS's table (YYYY, YY, MM, MON, DD, HH, HH24, HH12, MI, SS, AM, PM) and separators; a
separator matches itself. Two-digit years are 1970 to 2069, as in PostgreSQL.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..errors import SqlError

INVALID_FORMAT = "22023"
_PART = re.compile(r"YYYY|YY|MON|MM|DD|HH24|HH12|HH|MI|SS|AM|PM", re.IGNORECASE)
_MONTHS = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
_ROLES = {
    "YYYY": "year", "YY": "year", "MON": "month", "MM": "month", "DD": "day", "HH": "hour", "HH24": "hour",
    "HH12": "hour", "MI": "minute", "SS": "second", "AM": "meridian", "PM": "meridian",
}  # fmt: skip


@dataclass(frozen=True)
class MomentPattern:
    """A parsed format: a POSIX regular expression with a group per part, and the group of each role."""

    expression: str
    groups: dict[str, int]
    short_year: bool

    def iso_text(self, is_date: bool) -> str:
        """The replacement for regexp_replace that makes ISO text of a matching field; a date leaves its time out."""
        part = {role: f"\\{number}" for role, number in self.groups.items()}
        date = f"{part['year']}-{part['month']}-{part['day']}"
        if is_date or "hour" not in part:
            return date
        time = f"{part['hour']}:{part.get('minute', '00')}:{part.get('second', '00')}"
        return f"{date} {time} {part['meridian']}" if "meridian" in part else f"{date} {time}"


def parse_pattern(text: str, option: str) -> MomentPattern:
    """The pattern of a DATEFORMAT or TIMEFORMAT string. Raises SqlError for one that cannot be matched."""
    expression, groups, position = "", {}, 0
    parts: list[str] = []
    while position < len(text):
        match = _PART.match(text, position)
        if match is None:
            if text[position].isalnum() and text[position] not in "TZ":  # ISO 8601's own letters are separators
                raise _invalid(text, option, f"{text[position:]!r} begins with no part of a date or time")
            expression += re.escape(text[position])
            position += 1
            continue
        part = match.group().upper()
        if _ROLES[part] in groups:
            raise _invalid(text, option, f"{match.group()!r} is the second {_ROLES[part]}")
        groups[_ROLES[part]] = len(groups) + 1
        parts.append(part)
        position = match.end()
        expression += _part_expression(part, followed_by_digit=_PART.match(text, position) is not None)
    if not {"year", "month", "day"} <= groups.keys():
        raise _invalid(text, option, "a format needs a year, a month and a day")
    return MomentPattern(f"^ *{expression} *$", groups, "YY" in parts)


def _part_expression(part: str, *, followed_by_digit: bool) -> str:
    if part == "YYYY":
        return "([0-9]{4})"
    if part == "YY":
        return "([0-9]{2})"
    if part == "MON":
        return f"({_MONTHS})"
    if part in ("AM", "PM"):
        return "([ap][.]?m[.]?)"
    if part == "SS":
        return "([0-9]{2}(?:[.][0-9]{1,6})?)" if followed_by_digit else "([0-9]{1,2}(?:[.][0-9]{1,6})?)"
    return "([0-9]{2})" if followed_by_digit else "([0-9]{1,2})"


def _invalid(text: str, option: str, why: str) -> SqlError:
    return SqlError(
        f"Invalid {option} {text!r}: {why}",
        code=INVALID_FORMAT,
        hint="Parts are YYYY, YY, MM, MON, DD, HH24, HH12, HH, MI, SS, AM, PM; 'auto' (in lower case) knows more.",
    )
