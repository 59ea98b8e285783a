"""What a column of the crafted rows may hold: few values, so that they meet, and those that hurt.

A key is a column, or `object.column` where a column of that name holds something else in that object.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal

from tests.mutation.periods import days_around, months_around

# In the middle of a month and a quarter, and the day that a year earlier is another.
AS_OF_DATES = (date(2026, 5, 15), date(2028, 2, 29))
GONE = "GONE00000000000000"  # an Id that no table has
NAMES = ("Alpha", "Beta", "Beta", "a b; c", None, "Änder", 'Zoë\'s "lab"', "実験", "null")
_CREATED = datetime(2026, 1, 2, 3, 4, 5)
_AMOUNTS = (None, 0, 0, 1, 2, 3, 5, 7, 10, 40, 99, -3)

Pools = Mapping[str, Sequence[object]]


def row_id(name: str, number: int) -> str:
    """The Id of an object's row."""
    return f"{name[:12]:0<12}{number:06}"


def make_pools() -> Pools:
    """All pools; what is not here holds a text or nothing."""
    return {**_references(), **_flags(), **_texts(), **_numbers(), **_times()}


def _ids(name: str, count: int) -> tuple[object, ...]:
    """The first `count` Ids of an object, and now and then one that nobody has, and none."""
    return (*(row_id(name, number) for number in range(count)), None, GONE)


def _people(count: int) -> tuple[str, ...]:
    return tuple(row_id("account", number) for number in range(60, 60 + count))


def _references() -> Pools:
    labs, users = (*_ids("account", 14), *_ids("account", 14), *_people(1)), _ids("sf_user", 4)
    return {
        "lab_id": labs,
        "object_id": labs,
        "parent_id": labs,
        "lab_objective.lab_id": (*_ids("account", 8), *_people(1)),
        "lab_hcp_affiliation.lab_id": (*_ids("account", 8), *_people(1)),
        "hcp_id": (*_people(12), None),
        "lab_hcp_affiliation.hcp_id": (*_people(6), None),
        "objective_hcp.hcp_id": (*_people(6), None),
        "owner_id": users,
        "lab_objective.owner_id": _ids("sf_user", 2),
        "manager_id": users,
        "user_id": (*users, *users, row_id("sf_user", 5)),
        "therapeutic_area_id": _ids("therapeutic_area", 5),
        "lab_objective.therapeutic_area_id": _ids("therapeutic_area", 3),
        "biomarker_id": (*_ids("biomarker", 6), row_id("biomarker", 0)),
        "product_id": _ids("product", 4),
        "lab_objective_id": _ids("lab_objective", 120),
        "lab_capability_id": (*_ids("lab_capability", 100), None),
        "territory2_id": _ids("territory", 9),
    }


def _flags() -> Pools:
    return {
        "is_active": (True, True, True, False, None),
        "is_deleted": (False,) * 7 + (True, None),
        "is_primary": (True, False, False, None),
        "reimbursed": (True, False, None),
        "in_house": (True, False, None, False),
        "is_companion_diagnostic": (True, False, None),
    }


def _texts() -> Pools:
    return {
        "name": NAMES,
        "country_code": ("DE", "DE", "DE", "DE", "FR", "FR", "FR", None, "de", "D1", "DEU", "xFR"),
        "technology": ("NGS", "PCR", "IHC", "Ähm", None),
        "status": ("Active", "Active", "Active", "Paused", None),
        "lab_objective.status": ("Open", "Open", "Met", "Missed", "Missed", "Draft", "Cancelled", None),
        "channel": ("Visit", "Visit", "Phone", "Video", None),
        "next_step": (None, "call", "visit"),
        "role": ("Lab Director", "Pathologist", "Ordering Oncologist", None),
        "lab_type": ("Academic", "Hospital", None),
        "segment": ("A", "B", "C", None),
        "accreditation": ("CAP", "CAP;CLIA", None),
        "billing_city": ("Köln", "Bonn", None),
        "specialty": ("Oncology", "Pathology", None),
        "title": ("Manager", None),
        "department": ("Sales", None),
        "division": ("EU", None),
        "indication": ("NSCLC", None),
        "generic_name": ("mab", None),
        "group": ("G1", None),
        "type": ("Reduce TAT", "Educate", None),
        "unit": ("days", "percent", None),
        "data_source": ("Lab", "Survey", None),
        "sample_type": ("Tissue", "Tissue;Blood", None),
    }


def _numbers() -> Pools:
    amounts = (*_decimals(*_AMOUNTS), *_decimals(*_AMOUNTS), Decimal(10**18 - 1))
    return {
        "baseline": _decimals(0, 0, 1, 10, -5),
        "target": _decimals(0, 10, 10, 1, 5),
        "current": (*_decimals(0, 1, 4, 10, 12, -7), Decimal("10.5")),
        "duration_minutes": _decimals(0, 30, 45),
        "turnaround_days": _decimals(1, 5),
        "order": _decimals(1, 2),
        "eligible_patients": amounts,
        "tested_patients": amounts,
        "positive_patients": amounts,
        "median_tat_days": (None, *map(Decimal, ("0.00", "4.25", "5.00", "8.55", "31.33"))),
    }


def _decimals(*values: int | None) -> tuple[Decimal | None, ...]:
    return (None, *(Decimal(value) for value in values if value is not None))


def _times() -> Pools:
    days = [day for as_of_date in AS_OF_DATES for day in days_around(as_of_date)]
    near = [day for as_of_date in AS_OF_DATES for day in days_around(as_of_date)[:3]]
    months = [day for as_of_date in AS_OF_DATES for day in months_around(as_of_date)]
    edges = (time(0), time(12), time(23, 59, 59, 999000))
    some = (*days, None, None)
    return {
        "month": (*months, *months, None),
        "interaction_at": (*(datetime.combine(day, edge) for day in days for edge in edges), None),
        "start_date": some,
        "end_date": some,
        "lab_hcp_affiliation.start_date": (*near, *near[:3], date(2020, 1, 1), date(2021, 1, 1), None, None, None),
        "lab_hcp_affiliation.end_date": (*near, *near[:3], date(2030, 1, 1), date(2031, 1, 1), None, None, None),
        "due_date": (*some, *near, *near, *near, *near),
        "valid_from": some,
        "valid_to": some,
        "launched_on": some,
        "created_date": (_CREATED,),
        "last_modified_date": (_CREATED,),
    }
