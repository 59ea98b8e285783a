"""dim_date: every day of half a century."""

from datetime import date, timedelta

from tests.oracle.dm.common import FIRST_DAY, LAST_DAY, UNKNOWN_DAY
from tests.oracle.itg import ELSEWHERE
from tests.oracle.shapes import Row

_FISCAL_YEAR_BEGINS_IN = 4


def dim_date(as_of_date: date) -> list[Row]:
    """The unknown day and all others, as seen on `as_of_date`."""
    days = [FIRST_DAY + timedelta(days=count) for count in range((LAST_DAY - FIRST_DAY).days + 1)]
    rows = [_day(day, as_of_date) for day in days]
    unknown: Row = {**dict.fromkeys(rows[0]), "country_code": ELSEWHERE, "date_key": UNKNOWN_DAY}
    return [unknown, *rows]


def _day(day: date, as_of_date: date) -> Row:
    quarter = (day.month + 2) // 3
    iso = day.isocalendar()
    return {
        "country_code": ELSEWHERE,
        "date_key": day,
        "year": day.year,
        "quarter": quarter,
        "month": day.month,
        "day": day.day,
        "month_start": day.replace(day=1),
        "quarter_start": date(day.year, 3 * quarter - 2, 1),
        "day_of_week": iso.weekday,
        "is_weekend": iso.weekday >= 6,
        "iso_year": iso.year,
        "iso_week": iso.week,
        **_fiscal(day),
        "is_past": day < as_of_date,
        "months_from_as_of": 12 * (day.year - as_of_date.year) + day.month - as_of_date.month,
    }


def _fiscal(day: date) -> Row:
    year = day.year if day.month >= _FISCAL_YEAR_BEGINS_IN else day.year - 1
    month = (day.month - _FISCAL_YEAR_BEGINS_IN) % 12 + 1
    quarter = (month + 2) // 3
    return {
        "fiscal_year": year,
        "fiscal_quarter": quarter,
        "fiscal_month": month,
        "fiscal_quarter_name": f"FY{year} Q{quarter}",
    }
