"""Rows of itg that hurt: unknown and missing references, deleted rows, both sides of every boundary, ties, moves.

Few labs, professionals, biomarkers and days, so that everything meets everything; by a seed, so always the same.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal

from idiscover.metadata.models import Catalog, CountryColumn, CountryVia, ObjectSpec

from tests.mutation.periods import days_around, months_around
from tests.oracle.shapes import Row, Tables

# In the middle of a month and a quarter, and the day that a year earlier is another.
AS_OF_DATES = (date(2026, 5, 15), date(2028, 2, 29))
COUNTRIES = ("DE", "DE", "DE", "DE", "FR", "FR", "FR", None, "de", "D1")
GONE = "GONE00000000000000"  # an Id that no table has
NO_COUNTRY = "ZZ"
CREATED = datetime(2026, 1, 2, 3, 4, 5)
_RECORD_TYPES = {"RT_LAB": "Lab", "RT_HCP": "HCP", "RT_HCO": "HCO", "RT_LOWER": "lab"}
_NAMES = ("Alpha", "Beta", "Beta", "a b; c", None, "Änder", 'Zoë\'s "lab"', "実験", "null")
_AMOUNTS = (None, 0, 0, 1, 2, 3, 5, 7, 10, 40, 99, -3)
# How many rows of each object; what is not here has as many as it has fixed rows.
_SIZES = {
    "account": 90, "testing_volume": 600, "lab_capability": 110, "test_offering": 260, "lab_hcp_affiliation": 260,
    "lab_interaction": 700, "lab_objective": 220, "objective_hcp": 500, "object_territory_association": 160,
    "therapeutic_area": 6, "biomarker": 7, "product": 5, "sf_user": 12, "territory": 12, "record_type": 4,
    "user_territory_association": 60,
}  # fmt: skip


def crafted_itg(catalog: Catalog, seed: int = 7) -> Tables:
    """Every itg table and history: table → rows, with `_country_code`, `_read_at_utc`, `_batch_id` of the current."""
    return _Maker(catalog, random.Random(seed)).tables()


class _Maker:
    def __init__(self, catalog: Catalog, choice: random.Random) -> None:
        self._objects = {name: spec for name, spec in catalog.objects.items() if f"itg.{name}" in catalog.tables}
        self._choice = choice
        self._days = [day for as_of_date in AS_OF_DATES for day in days_around(as_of_date)]
        self._pools = self._make_pools()

    def tables(self) -> Tables:
        made: Tables = {}
        for name, spec in self._objects.items():
            rows = [self._row(spec, number) for number in range(_SIZES[name])]
            if spec.history:
                versions = [version for row in rows for version in self._versions(spec, row)]
                made[f"itg.{name}__history"] = versions
                newest = {str(row["id"]): row for row in sorted(versions, key=_version_order)}
                rows = [row for key, row in newest.items() if not key.startswith("away")]
            made[f"itg.{name}"] = [dict(row) for row in rows]
        for name in _parents_first(self._objects):
            self._give_slices(self._objects[name], made)
        return made

    def _row(self, spec: ObjectSpec, number: int) -> Row:
        row: Row = {field.column: self._value(spec.object, field.column) for field in spec.fields}
        row |= {"id": _id(spec.object, number), "system_modstamp": self._stamp(spec.object, number)}
        row |= {"_read_at_utc": datetime(2026, 5, 14, 2, number % 50), "_batch_id": f"b{number % 7}"}
        if "is_deleted" in row:
            row["is_deleted"] = self._choice.choice((False,) * 7 + (True, None))
        return row | _fixed(spec.object, number)

    def _value(self, name: str, column: str) -> object:
        pool = self._pools.get(f"{name}.{column}") or self._pools.get(column) or (None, "x")
        return self._choice.choice(pool)

    def _stamp(self, name: str, number: int) -> datetime:
        """Before the first as_of_date; the newest of every other object 7 days before it, of the others 8."""
        quiet = sorted(self._objects).index(name) % 2
        newest = datetime.combine(AS_OF_DATES[0] - timedelta(days=7 + quiet), time(23, 59, 59) if quiet else time(0))
        return newest - timedelta(hours=7 * number)

    def _versions(self, spec: ObjectSpec, row: Row) -> list[Row]:
        """Up to seven versions of a record, in any order, with SystemModstamps and times of reading that meet."""
        versions, seen = [], set()
        key = f"away{row['id']}"[:18] if self._choice.random() < 0.1 else row["id"]
        anchor = datetime.combine(self._choice.choice(self._days[:6]), time(10)) - timedelta(days=400)
        for _ in range(self._choice.choice((1, 1, 2, 3, 4, 6, 8))):
            row = {**row, "id": key, **self._changes(spec, row)}
            row["system_modstamp"] = anchor + timedelta(hours=7 * self._choice.randrange(6))
            row["_read_at_utc"] = anchor + timedelta(hours=8 * self._choice.randrange(8))
            row["_batch_id"] = f"b{self._choice.randrange(4)}"
            if _version_order(row) not in seen:
                seen.add(_version_order(row))
                versions.append(row)
        return versions

    def _changes(self, spec: ObjectSpec, row: Row) -> Row:
        if self._choice.random() < 0.3:
            return {}
        columns = [field.column for field in spec.fields if field.column not in ("id", "system_modstamp")]
        changed = self._choice.sample(columns, self._choice.choice((1, 1, 2, len(columns))))
        values = {column: self._value(spec.object, column) for column in changed}
        return {column: value for column, value in values.items() if column != "record_type_id"}

    def _give_slices(self, spec: ObjectSpec, made: Tables) -> None:
        for row in made[f"itg.{spec.object}"]:
            row["_country_code"] = NO_COUNTRY
            if isinstance(spec.country, CountryColumn):
                code = str(row[spec.country.column])
                row["_country_code"] = code if len(code) == 2 and code.isalpha() and code.isupper() else NO_COUNTRY
        if isinstance(spec.country, CountryVia):
            slices = {parent["id"]: parent["_country_code"] for parent in made[f"itg.{spec.country.object}"]}
            for row in made[f"itg.{spec.object}"]:
                row["_country_code"] = slices.get(row[spec.country.column], NO_COUNTRY)
                if self._choice.random() < 0.06:  # its parent has moved, and the child has not followed yet
                    row["_country_code"] = self._choice.choice(("DE", "FR", NO_COUNTRY))

    def _ids(self, name: str, count: int) -> tuple[object, ...]:
        """The first `count` Ids of an object, and now and then one that nobody has, and none."""
        return (*(_id(name, number) for number in range(count)), None, GONE)

    def _make_pools(self) -> Mapping[str, Sequence[object]]:
        days = [*self._days, None, None]
        labs, people = self._ids("account", 14), [_id("account", number) for number in range(60, 72)]
        months = [day for as_of_date in AS_OF_DATES for day in months_around(as_of_date)]
        users = self._ids("sf_user", 4)
        return {
            "name": _NAMES, "owner_id": users, "manager_id": users, "user_id": (*users, *users, _id("sf_user", 5)),
            "lab_id": (*labs, *labs, people[0]), "hcp_id": (*people, None), "parent_id": labs,
            "object_id": (*labs, *labs, people[0]), "country_code": COUNTRIES, "therapeutic_area_id": self._ids(
                "therapeutic_area", 5), "biomarker_id": (*self._ids("biomarker", 6), _id("biomarker", 0)),
            "product_id": self._ids("product", 4), "lab_objective_id": self._ids("lab_objective", 200),
            "lab_capability_id": (*self._ids("lab_capability", 100), None),
            "territory2_id": self._ids("territory", 9), "is_active": (True, True, True, False, None),
            "account.is_active": (True, True, True, False, None), "is_deleted": (False, False, False, True, None),
            "is_primary": (True, False, False, None), "reimbursed": (True, False, None),
            "in_house": (True, False, None, False), "is_companion_diagnostic": (True, False, None),
            "technology": ("NGS", "PCR", "IHC", "Ähm", None), "status": ("Active", "Active", "Active", "Paused", None),
            "lab_objective.status": ("Open", "Open", "Met", "Missed", "Draft", "Cancelled", None),
            "channel": ("Visit", "Visit", "Phone", "Video", None), "next_step": (None, "call", "visit"),
            "role": ("Lab Director", "Pathologist", "Ordering Oncologist", None),
            "lab_type": ("Academic", "Hospital", None), "segment": ("A", "B", "C", None),
            "accreditation": ("CAP", "CAP;CLIA", None), "billing_city": ("Köln", "Bonn", None),
            "specialty": ("Oncology", "Pathology", None), "title": ("Manager", None), "department": ("Sales", None),
            "division": ("EU", None), "indication": ("NSCLC", None), "generic_name": ("mab", None),
            "group": ("G1", None), "type": ("Reduce TAT", "Educate", None), "unit": ("days", "percent", None),
            "data_source": ("Lab", "Survey", None), "sample_type": ("Tissue", "Tissue;Blood", None),
            "baseline": _decimals(0, 0, 1, 10, -5), "target": _decimals(0, 10, 10, 1, 5),
            "current": _decimals(0, 1, 4, 10, 12, -7), "duration_minutes": _decimals(0, 30, 45),
            "turnaround_days": _decimals(1, 5), "eligible_patients": _decimals(*_AMOUNTS[1:]),
            "tested_patients": _decimals(*_AMOUNTS[1:]), "positive_patients": _decimals(*_AMOUNTS[1:]),
            "median_tat_days": (None, Decimal("0.00"), Decimal("4.25"), Decimal("5.00"), Decimal("8.55"),
                                Decimal("31.33")),
            "month": (*months, *months, None), "interaction_at": (*self._moments(), None),
            "start_date": days, "end_date": days, "due_date": days, "valid_from": days, "valid_to": days,
            "launched_on": days, "order": _decimals(1, 2), "sobject_type": ("Account",),
            "created_date": (CREATED,), "last_modified_date": (CREATED,),
        }  # fmt: skip

    def _moments(self) -> list[datetime]:
        edges = (time(0), time(12), time(23, 59, 59, 999000))
        return [datetime.combine(day, edge) for day in self._days for edge in edges]


def _decimals(*values: int | None) -> tuple[Decimal | None, ...]:
    return (None, *(Decimal(value) for value in values if value is not None))


def _id(name: str, number: int) -> str:
    return f"{name[:12]:0<12}{number:06}"


def _version_order(row: Row) -> tuple[str, ...]:
    return tuple(str(row[column]) for column in ("system_modstamp", "_read_at_utc", "_batch_id"))


def _fixed(name: str, number: int) -> Row:
    """What is not left to chance: kinds of accounts, and how territories hang together."""
    if name == "record_type":
        key, developer_name = list(_RECORD_TYPES.items())[number]
        return {"id": key, "developer_name": developer_name}
    if name == "account":
        kinds = ("RT_HCP",) if number >= 60 else ("RT_LAB",) * 7 + ("RT_HCO", "RT_LOWER", None, GONE)
        return {"record_type_id": kinds[number % len(kinds)]}
    if name in ("therapeutic_area", "biomarker", "product"):
        return {"name": _NAMES[number % len(_NAMES)]}
    if name == "territory":
        # 0 over 1 over 2; 3 over 4; 5 below one that nobody has; 6 its own parent; 7 and 8 a circle; 9 below it
        parents = {1: 0, 2: 1, 4: 3, 6: 6, 7: 8, 8: 7, 9: 7}
        parent = GONE if number == 5 else None
        return {"parent_territory2_id": _id(name, parents[number]) if number in parents else parent}
    return {}


def _parents_first(objects: Mapping[str, ObjectSpec]) -> list[str]:
    """Objects whose country is another's come after it."""

    def depth(name: str) -> int:
        country = objects[name].country
        return depth(country.object) + 1 if isinstance(country, CountryVia) else 0

    return sorted(objects, key=depth)
