"""Random rows of all itg tables: few, so that everything meets; with values that hurt, and keys that dangle.

What a load guarantees holds here too: a row lies in its slice (docs/marts.md, "itg"), and the row of a record is the
last of its versions.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import chain
from random import Random

from idiscover.metadata.models import Catalog, CountryColumn, CountryVia, FieldSpec, FieldType, ObjectSpec
from psycopg2.extensions import cursor as Cursor
from psycopg2.extras import execute_values

from tests.oracle.shapes import Row, Tables

Records = dict[str, dict[str, list[Row]]]
AS_OF_DATE = date(2026, 1, 5)
RECORDS_PER_TABLE = 12
DAYS = (
    date(1700, 1, 1),
    date(1999, 12, 31),
    date(2000, 1, 1),
    date(2024, 12, 31),
    date(2025, 1, 1),
    date(2025, 1, 5),
    date(2025, 1, 6),
    date(2025, 11, 30),
    date(2025, 12, 1),
    date(2026, 1, 4),
    date(2026, 1, 5),
    date(2026, 1, 6),
    date(2049, 12, 31),
    date(2050, 1, 1),
    date(4000, 12, 31),
)
TIMES_OF_DAY = (timedelta(0), timedelta(hours=12), timedelta(hours=23, minutes=59, seconds=59, milliseconds=999))
TEXTS = ("NA", "null", "a", "ä; b", " b ", "O'Neil\n", "検")
NUMBERS = ("0", "1", "2", "3", "7", "-1")
WORDS = {
    "channel": ("Visit", "Phone", "visit"),
    "country_code": ("DE", "FR", "DE", "FR", "de", "D1"),
    "developer_name": ("Lab", "HCP", "HCO"),
    "role": ("Pathologist", "Lab Director"),
    "status": ("Active", "Paused", "Open", "Met", "Missed", "Draft", "Cancelled"),
    "technology": ("NGS", "PCR", "IHC"),
}
# What a reference points to, by the column's name without `_id`.
TARGETS = {
    "lab": "account",
    "hcp": "account",
    "object": "account",
    "manager": "sf_user",
    "user": "sf_user",
    "owner": "sf_user",
    "territory2": "territory",
    "parent_territory2": "territory",
}
# Most children have a lab, most accounts are one: else few rows would say anything.
OFTEN_SET = frozenset({"lab_id", "object_id", "lab_objective_id", "record_type_id", "territory2_id", "country_code"})


def random_records(random: Random, catalog: Catalog) -> Records:
    """Records of all objects, by object and key, each with its versions in their order (one, without a history)."""
    records = {
        name: {key: _versions(random, spec, key) for key in _keys(random, name)}
        for name, spec in catalog.objects.items()
    }
    for key, name in zip(records["record_type"], ("Lab", "HCP"), strict=False):
        records["record_type"][key][-1]["developer_name"] = name
    return records


def changed_records(random: Random, before: Records, catalog: Catalog) -> Records:
    """The same with a few records changed, gone or new: most slices of most tables stay as they are."""
    other = random_records(random, catalog)
    after = {name: dict(records) for name, records in before.items()}
    for _ in range(random.randint(1, 3)):
        name = random.choice(("account", *before))
        key = random.choice(sorted({**before[name], **other[name]}) or [_key(name, 0)])
        after[name].pop(key, None)
        if key in other[name]:
            after[name][key] = other[name][key]
    return after


def itg_of(records: Records, catalog: Catalog) -> Tables:
    """The itg tables that hold these records; in the histories versions of a record that itg holds no more, too."""
    rows = {name: {key: versions[-1] for key, versions in of_object.items()} for name, of_object in records.items()}
    tables: Tables = {}
    for name, spec in catalog.objects.items():
        tables[f"itg.{name}"] = [
            {**row, "_country_code": _country_of(row, spec, rows, catalog)} for row in rows[name].values()
        ]
        if spec.history:
            gone = _versions(Random(0), spec, _key(name, 99))
            tables[f"itg.{name}__history"] = [*gone, *chain.from_iterable(records[name].values())]
    return tables


def _keys(random: Random, name: str) -> list[str]:
    count = 3 if name == "record_type" else random.randint(0, RECORDS_PER_TABLE)
    return [_key(name, number) for number in range(count)]


def _key(name: str, number: int) -> str:
    return f"{name[:12]}{sum(map(ord, name)) % 97:02}{number:02}"


def _versions(random: Random, spec: ObjectSpec, key: str) -> list[Row]:
    """Versions of one record in their order; a stamp comes again, and two versions differ in few columns."""
    if not spec.history:
        return [_row(random, spec, key)]
    first = _row(random, spec, key)
    rows: list[Row] = []
    stamp = read_at = datetime(2026, 1, 2)
    for number in range(random.randint(1, 6)):
        stamp += random.choice((0, 0, 1, 6, 23)) * timedelta(hours=1)
        read_at = max(read_at, stamp) + random.choice((0, 1, 30)) * timedelta(hours=1, microseconds=1)
        row = {**first, **(rows[-1] if rows else {})}
        for field in random.sample(spec.fields, random.choice((0, 1, 2))):
            row[field.column] = _value(random, field)
        if rows and random.random() < 0.3:
            row = dict(random.choice(rows))
        rows.append({**row, "id": key, "system_modstamp": stamp, "_read_at_utc": read_at, "_batch_id": f"b{number}"})
    return rows


def _row(random: Random, spec: ObjectSpec, key: str) -> Row:
    row: Row = {field.column: _value(random, field) for field in spec.fields}
    stamp = datetime.combine(random.choice(DAYS[4:11]), datetime.min.time()) + random.choice(TIMES_OF_DAY)
    return {**row, "id": key, "system_modstamp": stamp, "_read_at_utc": datetime(2026, 1, 6, 2), "_batch_id": "b0"}


def _country_of(row: Row, spec: ObjectSpec, rows: Mapping[str, Mapping[object, Row]], catalog: Catalog) -> str:
    if isinstance(spec.country, CountryColumn):
        code = str(row[spec.country.column])
        return code if code in ("DE", "FR") else "ZZ"
    if isinstance(spec.country, CountryVia):
        parent = rows[spec.country.object].get(row[spec.country.column])
        return "ZZ" if parent is None else _country_of(parent, catalog.objects[spec.country.object], rows, catalog)
    return "ZZ"


def _value(random: Random, field: FieldSpec) -> object:
    if field.type is FieldType.BOOLEAN:
        return random.random() < (0.15 if field.column == "is_deleted" else 0.7)
    if random.random() < (0.05 if field.column in OFTEN_SET else 0.2):
        return None
    if field.type in (FieldType.ID, FieldType.REFERENCE):
        target = field.column.removesuffix("_id")
        return _key(TARGETS.get(target, target), random.choice((0, 0, 1, 1, 2, 3, 5, 8, 14)))
    if field.type is FieldType.DATE:
        return random.choice(DAYS)
    if field.type is FieldType.DATETIME:
        return datetime.combine(random.choice(DAYS), datetime.min.time()) + random.choice(TIMES_OF_DAY)
    if field.precision is not None and field.scale is not None:
        return _number(random, field.precision, field.scale)
    return random.choice(WORDS.get(field.column, TEXTS))


def _number(random: Random, precision: int, scale: int) -> Decimal:
    """Small ones mostly; and the largest and the smallest that the column holds."""
    unit = Decimal(1).scaleb(-scale)
    largest = Decimal(10) ** (precision - scale) - unit
    small = [Decimal(number) for number in NUMBERS]
    return random.choice([*small, *small, *small, unit, largest, -largest])


def insert(cursor: Cursor, tables: Mapping[str, list[Row]]) -> None:
    """Adds the rows to the tables, with what a load would add."""
    for table, rows in tables.items():
        full = [{**row, "_run_id": "run", "_loaded_at_utc": datetime(2026, 1, 6, 3)} for row in rows]
        if full:
            columns = ", ".join(f'"{name}"' for name in full[0])
            execute_values(cursor, f"insert into {table} ({columns}) values %s", [tuple(row.values()) for row in full])
