"""Rows for the tables of itg, each a function of its number, made inside the database.

Countries lie one after the other in every table, as the sort key has them in Redshift. Labs, biomarkers and offerings
are as many as the domain has: a few hundred labs in a country, some dozens of biomarkers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from idiscover.metadata.models import FieldSpec, FieldType, ObjectSpec
from idiscover.warehouse.types import column_type, quoted

BIOMARKERS, AREAS = 40, 6
FIRST_BATCH = "batch-0"


@dataclass(frozen=True)
class Size:
    """How many records there are."""

    volumes: int
    interactions: int
    countries: int
    labs: int = 20_000
    hcps: int = 40_000

    def rows_of(self, name: str) -> int:
        """Rows of an object; 0 where the benchmark needs none."""
        return {
            "record_type": 2,
            "therapeutic_area": AREAS,
            "biomarker": BIOMARKERS,
            "account": self.labs + self.hcps,
            "lab_capability": self.labs,
            "test_offering": 4 * self.labs,
            "testing_volume": self.volumes,
            "lab_interaction": self.interactions,
        }.get(name, 0)


def country_code(number: int) -> str:
    """The code of a country: AA, AB, …; none of the benchmark's is ZZ."""
    return chr(65 + number // 26) + chr(65 + number % 26)


def insert_itg(spec: ObjectSpec, size: Size) -> str:
    """An INSERT of all rows of an object into its itg table."""
    columns = [*(field.column for field in spec.fields), "_read_at_utc", "_batch_id"]
    columns += ["_country_code", "_run_id", "_loaded_at_utc"]
    values = [_value(spec.object, field, size) for field in spec.fields]
    values += ["timestamp '2026-01-05 01:00:00'", f"'{FIRST_BATCH}'", _country_of(spec.object, size)]
    values += ["'fill'", "timestamp '2026-01-05 02:00:00'"]
    return (
        f"insert into itg.{spec.object} ({', '.join(map(quoted, columns))})\nselect {', '.join(values)}\n"
        f"from generate_series(0, {size.rows_of(spec.object) - 1}) as n"
    )


def insert_stg(spec: ObjectSpec, batch_id: str, which: str, changed: Mapping[str, str]) -> str:
    """An INSERT into stg of newer versions of rows that itg holds.

    Args:
        spec: the object.
        batch_id: of the batch that they come in.
        which: SQL condition on itg's rows (`held`).
        changed: column → SQL of its new value.
    """
    news = {spec.version_column: f"held.{quoted(spec.version_column)} + interval '1 day'", **changed}
    columns = [field.column for field in spec.fields]
    values = [news.get(column, f"held.{quoted(column)}") for column in columns]
    return (
        f"insert into stg.{spec.object} ({', '.join(map(quoted, columns))}, _read_at_utc, _batch_id)\n"
        f"select {', '.join(values)}, timestamp '2026-01-06 01:00:00', '{batch_id}'\n"
        f"from itg.{spec.object} as held where {which}"
    )


def _country_of(name: str, size: Size) -> str:
    """SQL of the country of row `n`."""
    if name in ("record_type", "therapeutic_area", "biomarker"):
        return "'ZZ'"
    number = f"({_lab(name, size)} * {size.countries} / {size.labs})"
    if name == "account":
        number = f"(case when n < {size.labs} then n * {size.countries} / {size.labs} else n % {size.countries} end)"
    return f"(chr(65 + ({number} / 26)::int) || chr(65 + ({number} % 26)::int))"


def _lab(name: str, size: Size) -> str:
    """SQL of the number of the lab that row `n` belongs to: labs lie one after the other too."""
    return f"(n::bigint * {size.labs} / {size.rows_of(name)})"


def _id(prefix: str, number: str) -> str:
    return f"('{prefix}' || lpad(({number})::text, 15, '0'))"


def _value(name: str, field: FieldSpec, size: Size) -> str:
    """SQL of a field of row `n`; what no procedure looks at is plausible and short."""
    special = _special(name, size).get(field.column)
    return f"cast({special or _by_type(name, field)} as {column_type(field)})"


def _special(name: str, size: Size) -> dict[str, str]:
    lab = _id("001", _lab(name, size))
    common = {"id": _id(_PREFIX[name], "n"), "is_deleted": "false"}
    of_object = {
        "record_type": {"developer_name": "case n when 0 then 'Lab' else 'HCP' end"},
        "biomarker": {"therapeutic_area_id": _id("a0T", f"n % {AREAS}")},
        "account": {
            "record_type_id": _id("012", f"case when n < {size.labs} then 0 else 1 end"),
            "country_code": _country_of("account", size),
            "is_active": "n % 10 > 0",
        },
        "lab_capability": {"lab_id": lab, "in_house": "n % 3 > 0", "valid_from": "null", "valid_to": "null"},
        "test_offering": {
            "lab_id": lab,
            "biomarker_id": _id("a0B", f"n % {BIOMARKERS}"),
            "lab_capability_id": _id("a0C", f"n / 4 % {size.labs}"),
            "status": "'Active'",
            "launched_on": "date '2023-01-01'",
        },
        "testing_volume": {
            "lab_id": lab,
            "biomarker_id": _id("a0B", f"n % {BIOMARKERS}"),
            "month": f"(date '2023-01-15' + (n / {BIOMARKERS} % 36)::int * interval '1 month')",
            "eligible_patients": "20 + n % 50",
            "tested_patients": "n % 20",
            "positive_patients": "n % 5",
        },
        "lab_interaction": {
            "lab_id": lab,
            "hcp_id": _id("001", f"{size.labs} + n % {size.hcps}"),
            "therapeutic_area_id": _id("a0T", f"n % {AREAS}"),
            "channel": "(array['Visit', 'Call', 'Email'])[1 + n % 3]",
        },
    }
    return {**common, **of_object.get(name, {})}


_PREFIX = {
    "record_type": "012",
    "therapeutic_area": "a0T",
    "biomarker": "a0B",
    "account": "001",
    "lab_capability": "a0C",
    "test_offering": "a0F",
    "testing_volume": "a0V",
    "lab_interaction": "a0I",
}


def _by_type(name: str, field: FieldSpec) -> str:
    return {
        FieldType.ID: "'000000000000000'",
        FieldType.REFERENCE: "'005000000000001AAA'",
        FieldType.BOOLEAN: "n % 2 = 0",
        FieldType.DATE: "date '2024-01-01' + (n % 700)::int",
        FieldType.DATETIME: "timestamp '2025-06-01 08:00:00' + (n % 10000) * interval '1 minute'",
        FieldType.DOUBLE: "n % 97",
        FieldType.INT: "n % 97",
        FieldType.CURRENCY: "n % 97",
        FieldType.PERCENT: "n % 97",
    }.get(field.type, f"left('{name} ' || n % 1000, {field.length or 10})")
