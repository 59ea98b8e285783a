"""fact_lab_objective: each objective at the end of each day on which it changed."""

from datetime import date
from decimal import Decimal
from fractions import Fraction
from itertools import groupby

from tests.oracle.arithmetic import RATE_DECIMALS, rounded
from tests.oracle.dm.common import FactKeys, date_key, named, or_unknown
from tests.oracle.dm.history import Effective, first_of_equal, histories
from tests.oracle.shapes import Row, Tables

_NEVER = date(9999, 12, 31)


def fact_lab_objective(itg: Tables, keys: FactKeys) -> list[Row]:
    """One row per objective and day of change."""
    versions = histories(itg, "itg.lab_objective")
    rows: list[Row] = []
    for objective in itg["itg.lab_objective"]:
        days = first_of_equal(_last_of_each_day(versions[objective["id"]]), lambda row: _tracked(row, keys))
        changed_on = [since.date() for since, _ in days]
        for (_, tracked), day, next_day in zip(days, changed_on, [*changed_on[1:], _NEVER], strict=True):
            rows.append(
                {
                    "country_code": objective["_country_code"],
                    "objective_id": objective["id"],
                    "changed_on": day,
                    "changed_again_on": next_day,
                    "is_current": next_day == _NEVER,
                    "lab_id": keys.lab(objective["lab_id"], objective["_country_code"]),
                    **tracked,
                    "progress": progress(tracked["baseline"], tracked["target"], tracked["current_value"]),
                }
            )
    return rows


def _last_of_each_day(versions: list[Effective]) -> list[Effective]:
    return [list(of_day)[-1] for _, of_day in groupby(versions, key=lambda version: version.since.date())]


def _tracked(version: Row, keys: FactKeys) -> Row:
    return {
        "therapeutic_area_id": keys.therapeutic_area(version["therapeutic_area_id"]),
        "biomarker_id": keys.biomarker(version["biomarker_id"]),
        "owner_id": or_unknown(version["owner_id"]),
        "objective_type": named(version["type"]),
        "status": named(version["status"]),
        "baseline": version["baseline"],
        "target": version["target"],
        "current_value": version["current"],
        "unit": version["unit"],
        "start_date": version["start_date"],
        "due_date": version["due_date"],
        "due_date_key": date_key(version["due_date"]),
        "is_deleted": version["is_deleted"] is True,
    }


def progress(baseline: object, target: object, current: object) -> Decimal | None:
    """How far from the baseline to the target, from 0 to 1, to 6 decimals; None where that cannot be said."""
    known = isinstance(baseline, Decimal) and isinstance(target, Decimal) and isinstance(current, Decimal)
    if not known or target == baseline:
        return None
    exact = (Fraction(current) - Fraction(baseline)) / (Fraction(target) - Fraction(baseline))  # type: ignore[operator]
    return rounded(min(max(exact, Fraction(0)), Fraction(1)), RATE_DECIMALS)
