"""Objects that nobody knows: described and filled by a test, given to the org; and what itg has to hold of them."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

import requests

from local.salesforce.ids import make_id

Described = dict[str, Any]
Rows = list[dict[str, Any]]

TAG, ASSAY = "Tag__c", "Assay_Run__c"
MANY = 800
RESERVED = ("Group__c", "Order__c", "User__c", "Select__c", "Table__c", "Oid__c", "Xmin__c", "Timestamp__c")
_BOUNDS = datetime(2025, 1, 1), 365 * 24 * 3600
# What values of a type look like in Salesforce's CSV, from a random source and a number.
_MAKERS = {
    "string": lambda rng, n: rng.choice(("NA", "null", "Zürich, “quoted”", "line\nbreak", "検査", f"text {n}")),
    "textarea": lambda rng, n: f'say "{n}"' * rng.randint(1, 3),
    "picklist": lambda rng, n: rng.choice(("Yes", "No", "Unknown")),
    "boolean": lambda rng, n: rng.random() < 0.5,
    "double": lambda rng, n: round(rng.uniform(-1000, 1000), 2),
    "currency": lambda rng, n: round(rng.uniform(0, 100000), 2),
    "percent": lambda rng, n: round(rng.uniform(0, 100), 2),
    "int": lambda rng, n: rng.randint(-(10**9), 10**9),
    "date": lambda rng, n: (date(2025, 1, 1) + timedelta(days=rng.randrange(365))).isoformat(),
    "datetime": lambda rng, n: f"{_moment(rng):%Y-%m-%dT%H:%M:%S}.000Z",
}
_SIZES: Mapping[str, Mapping[str, int]] = {
    "string": {"length": 80},
    "textarea": {"length": 32768},
    "picklist": {"length": 255},
    "double": {"precision": 18, "scale": 2},
    "currency": {"precision": 18, "scale": 2},
    "percent": {"precision": 5, "scale": 2},
}


class Org(Protocol):
    """Where a simulator is, and whose certificate it shows."""

    @property
    def url(self) -> str: ...

    @property
    def ca_file(self) -> Path: ...


def a_field(name: str, kind: str, **more: Any) -> Described:
    """A field as describe has it."""
    return {
        "name": name,
        "type": kind,
        "label": name.removesuffix("__c").replace("_", " "),
        **_SIZES.get(kind, {}),
        **more,
    }


def an_object(name: str, fields: Sequence[Described]) -> Described:
    """A describe."""
    label = name.removesuffix("__c").replace("_", " ")
    return {"name": name, "label": label, "labelPlural": f"{label}s", "fields": list(fields)}


def wide_fields(count: int) -> list[Described]:
    """So many fields of all types, reserved words among them."""
    kinds = sorted(_MAKERS)
    names = [*RESERVED, *(f"Result_Number_{number}__c" for number in range(count - len(RESERVED)))]
    return [a_field(name, kinds[position % len(kinds)]) for position, name in enumerate(names)]


def some_rows(described: Described, count: int, seed: int, **given: Sequence[Any]) -> Rows:
    """Rows with random values, every seventh of them null; `given` has whole columns by field name."""
    rng = random.Random(seed)
    rows: Rows = []
    for number in range(count):
        row: dict[str, Any] = {}
        for field in described["fields"]:
            name, make = field["name"], _MAKERS.get(field["type"])
            if name in given:
                row[name] = given[name][number % len(given[name])]
            elif field["type"] == "id":
                row[name] = make_id("a1X", seed * 1000 + number)
            elif make is not None and (field["type"] == "boolean" or rng.random() > 1 / 7):
                row[name] = make(rng, number)
        rows.append(row)
    return rows


def tags() -> tuple[Described, Rows]:
    """Three fields: no time of a change, no country, no IsDeleted; two are reserved words, as the object's name is."""
    described = an_object(
        TAG, [a_field("Id", "id"), a_field("Group__c", "string"), a_field("Order__c", "double", precision=18)]
    )
    return described, some_rows(described, 5, seed=1)


def assays(labs: Sequence[str]) -> tuple[Described, Rows]:
    """Very many fields, of all types; the country is that of a lab; LastModifiedDate, but no SystemModstamp."""
    fields = [
        a_field("Id", "id"),
        a_field("Lab__c", "reference", referenceTo=["Account"], relationshipName="Lab__r", length=18),
        a_field("LastModifiedDate", "datetime"),
        a_field("Report__c", "base64"),
        a_field("Site__c", "location"),
        *wide_fields(MANY - 3),
    ]
    described = an_object(ASSAY, fields)
    stamps = [f"2025-0{month}-17T08:30:00.000Z" for month in range(1, 10)]
    return described, some_rows(described, 20, seed=2, Lab__c=labs, LastModifiedDate=stamps)


def give(org: Org, described: Described, rows: Rows) -> None:
    """Make it an object of the org, or replace it."""
    session = requests.Session()
    session.trust_env = False
    answer = session.post(
        f"{org.url}/idiscover/objects",
        json={"describe": described, "rows": rows},
        verify=str(org.ca_file),
        timeout=30,
    )
    assert answer.status_code == 200, answer.text


def expected_in_itg(described: Described, rows: Rows, columns: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Id → column → value as the warehouse has it. Written from Salesforce's types, with none of the platform's code.

    Args:
        columns: field → column, of the fields that are extracted.
    """
    kinds = {field["name"]: field["type"] for field in described["fields"]}
    return {
        row["Id"]: {column: _in_warehouse(kinds[name], row.get(name)) for name, column in columns.items()}
        for row in rows
    }


def _in_warehouse(kind: str, value: Any) -> Any:
    if value is None:
        return None
    if kind in ("double", "currency", "percent"):
        return Decimal(str(value)).quantize(Decimal("0.01"))
    if kind == "date":
        return date.fromisoformat(value)
    if kind == "datetime":
        return datetime.strptime(value, "%Y-%m-%dT%H:%M:%S.000Z")
    return value


def _moment(rng: random.Random) -> datetime:
    first, seconds = _BOUNDS
    return first + timedelta(seconds=rng.randrange(seconds))
