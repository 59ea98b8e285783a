"""Rows of itg that hurt: unknown and missing references, deleted rows, both sides of every boundary, ties, moves.

Few labs, professionals, biomarkers and days, so that everything meets everything; by a seed, so always the same.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from datetime import datetime, time, timedelta

from idiscover.metadata.models import Catalog, CountryColumn, CountryVia, ObjectSpec

from tests.mutation.added_rows import added_rows
from tests.mutation.fixed_rows import fixed_values
from tests.mutation.pools import AS_OF_DATES, GONE, make_pools, row_id
from tests.oracle.shapes import Row, Tables

NO_COUNTRY = "ZZ"
# How many rows of each object; of those with a history, how many that change by chance.
SIZES = {
    "account": 130, "testing_volume": 600, "lab_capability": 110, "test_offering": 260, "lab_hcp_affiliation": 260,
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
        self._pools = make_pools()

    def tables(self) -> Tables:
        made: Tables = {}
        for name, spec in self._objects.items():
            there_and_back = 2 * len(self._tracked(spec)) if spec.history else 0
            rows = [self._row(spec, number) for number in range(SIZES[name] + there_and_back)]
            if spec.history:
                versions = [made for number, row in enumerate(rows) for made in self._history(spec, number, row)]
                made[f"itg.{name}__history"] = versions
                newest = {str(row["id"]): row for row in sorted(versions, key=_version_order)}
                rows = [row for key, row in newest.items() if not key.startswith("away")]
            made[f"itg.{name}"] = [dict(row) for row in rows]
        self._give_labs(made["itg.test_offering"], made["itg.lab_capability"])
        for name in _parents_first(self._objects):
            self._give_slices(self._objects[name], made)
        self._add(made)
        return made

    def _row(self, spec: ObjectSpec, number: int) -> Row:
        row: Row = {field.column: self._value(spec.object, field.column) for field in spec.fields}
        row |= {"id": row_id(spec.object, number), "system_modstamp": self._stamp(spec.object, number)}
        row |= {"_read_at_utc": datetime(2026, 5, 14, 2, number % 50), "_batch_id": f"b{number % 7}"}
        return row | fixed_values(spec.object, number)

    def _value(self, name: str, column: str) -> object:
        return self._choice.choice(self._pool(name, column))

    def _pool(self, name: str, column: str) -> Sequence[object]:
        return self._pools.get(f"{name}.{column}") or self._pools.get(column) or (None, "x")

    def _stamp(self, name: str, number: int) -> datetime:
        """Before the first as_of_date; the newest of every other object 7 days before it, of the others 8."""
        quiet = sorted(self._objects).index(name) % 2
        newest = datetime.combine(AS_OF_DATES[0] - timedelta(days=7 + quiet), time(23, 59, 59) if quiet else time(0))
        return newest - timedelta(hours=7 * number)

    def _history(self, spec: ObjectSpec, number: int, row: Row) -> list[Row]:
        """The first records by chance, the others column by column."""
        more = number - SIZES[spec.object]
        return (
            self._versions(spec, row) if more < 0 else self._there_and_back(spec, row, self._tracked(spec)[more // 2])
        )

    def _there_and_back(self, spec: ObjectSpec, row: Row, column: str) -> list[Row]:
        """Four days: one value, another, the first, and both; which of them came first, the batches say."""
        pool = self._pool(spec.object, column)
        small, great = sorted({value for value in pool if value not in (None, GONE)}, key=str)[:2]
        states = ((1, great, "b1"), (2, small, "b1"), (3, great, "b1"), (4, great, "b1"), (4, small, "b2"))
        versions = []
        for day, value, batch in states:
            noon = datetime(2025, 4, day, 12)
            when = {"system_modstamp": noon, "_read_at_utc": noon + timedelta(hours=9), "_batch_id": batch}
            versions.append({**row, column: value, **when})
        return versions

    def _versions(self, spec: ObjectSpec, row: Row) -> list[Row]:
        """Up to eight versions of a record, in any order, with SystemModstamps and times of reading that meet.

        Some records change in one column only, there and back again.
        """
        versions, seen = [], set()
        restless = self._restless(spec)
        key = f"away{row['id']}"[:18] if self._choice.random() < 0.1 else row["id"]
        anchor = datetime(2025, 4, 1, 10) + timedelta(days=self._choice.randrange(6))
        hours = self._choice.choice((7, 14))
        for _ in range(self._choice.choice((1, 1, 2, 3, 4, 6, 8) if restless is None else (4, 6, 8))):
            row = {**row, "id": key, **self._changes(spec, restless)}
            row["system_modstamp"] = anchor + timedelta(hours=hours * self._choice.randrange(4))
            row["_read_at_utc"] = anchor + timedelta(hours=hours * self._choice.randrange(5))
            row["_batch_id"] = f"b{self._choice.randrange(4)}"
            if _version_order(row) not in seen:
                seen.add(_version_order(row))
                versions.append(row)
        return versions

    def _tracked(self, spec: ObjectSpec) -> list[str]:
        """Columns that change: those that have a pool, for something in dm looks at them."""
        fixed = ("created_date", "last_modified_date")
        names = [field.column for field in spec.fields if field.column not in fixed]
        return [name for name in names if name in self._pools or f"{spec.object}.{name}" in self._pools]

    def _restless(self, spec: ObjectSpec) -> tuple[str, tuple[object, object]] | None:
        """A column, and two values that it goes between."""
        if self._choice.random() < 0.3:
            return None
        column = self._choice.choice((*self._tracked(spec), "owner_id", "owner_id"))
        return column, (self._value(spec.object, column), self._value(spec.object, column))

    def _changes(self, spec: ObjectSpec, restless: tuple[str, tuple[object, object]] | None) -> Row:
        """Of the restless column; else of some, or of none."""
        if restless:
            return {restless[0]: self._choice.choice(restless[1])}
        columns = self._choice.sample(self._tracked(spec), self._choice.choice((0, 1, 1, 2, 9)))
        return {column: self._value(spec.object, column) for column in columns}

    def _give_labs(self, offerings: list[Row], capabilities: list[Row]) -> None:
        """Most offerings lie at the lab of their technology."""
        labs = {row["id"]: row["lab_id"] for row in capabilities}
        for row in offerings:
            if self._choice.random() < 0.85:
                row["lab_id"] = labs.get(row["lab_capability_id"], row["lab_id"])

    def _give_slices(self, spec: ObjectSpec, made: Tables) -> None:
        rows = made[f"itg.{spec.object}"]
        _give_own_slices(spec, rows, made)
        if isinstance(spec.country, CountryVia):
            for row in rows:
                if self._choice.random() < 0.06:  # its parent has moved, and the child has not followed yet
                    row["_country_code"] = self._choice.choice(("DE", "FR", NO_COUNTRY))

    def _add(self, made: Tables) -> None:
        """Rows that were added when chance had made all others."""
        for name in _parents_first(self._objects):
            spec = self._objects[name]
            rows = [_added(spec, row) for row in added_rows().get(name, ())]
            if spec.history:
                made[f"itg.{name}__history"] += rows
                rows = [dict(row) for row in {row["id"]: row for row in rows}.values()]
            _give_own_slices(spec, rows, made)
            made[f"itg.{name}"] += rows


def _added(spec: ObjectSpec, row: Row) -> Row:
    """The row with all columns; of a record's versions, each is newer than the one before."""
    empty: Row = {field.column: None for field in spec.fields}
    modstamp = row.get("system_modstamp", datetime(2025, 1, 1))
    return {
        **empty,
        "is_deleted": False,
        "_read_at_utc": modstamp,
        "_batch_id": "b1",
        "system_modstamp": modstamp,
        **row,
    }


def _give_own_slices(spec: ObjectSpec, rows: list[Row], made: Tables) -> None:
    """The slice that the row itself or its parent says."""
    for row in rows:
        row["_country_code"] = NO_COUNTRY
        if isinstance(spec.country, CountryColumn):
            code = str(row[spec.country.column])
            row["_country_code"] = code if len(code) == 2 and code.isalpha() and code.isupper() else NO_COUNTRY
    if isinstance(spec.country, CountryVia):
        slices = {parent["id"]: parent["_country_code"] for parent in made[f"itg.{spec.country.object}"]}
        for row in rows:
            row["_country_code"] = slices.get(row[spec.country.column], NO_COUNTRY)


def _version_order(row: Row) -> tuple[str, ...]:
    return tuple(str(row[column]) for column in ("system_modstamp", "_read_at_utc", "_batch_id"))


def _parents_first(objects: Mapping[str, ObjectSpec]) -> list[str]:
    """Objects whose country is another's come after it."""

    def depth(name: str) -> int:
        country = objects[name].country
        return depth(country.object) + 1 if isinstance(country, CountryVia) else 0

    return sorted(objects, key=depth)
