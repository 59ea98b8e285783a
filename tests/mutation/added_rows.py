"""Rows beside the crafted ones: a slice with one active lab, of which every row is there for one change of the SQL.

They come after all others, so that to add one changes nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal

from tests.mutation.pools import AS_OF_DATES, row_id
from tests.oracle.shapes import Row

_FIRST = 900_000  # numbers of Ids that no crafted row has
_MONTH = date(2026, 3, 1)


def added_rows() -> Mapping[str, Sequence[Row]]:
    """Object → rows, of records with a history the versions in their order; what a row does not say is NULL."""
    return {**_people(), **_practices(), **_ties()}


def _id(name: str, number: int) -> str:
    return row_id(name, _FIRST + number)


_LAB = _id("account", 0)


def _people() -> dict[str, Sequence[Row]]:
    """The lab and two professionals."""
    kinds = ("RT_LAB", "RT_HCP", "RT_HCP")
    accounts: list[Row] = [
        {"id": _id("account", number), "name": "Solo", "record_type_id": kind, "country_code": "GB", "is_active": True}
        for number, kind in enumerate(kinds)
    ]
    return {"account": accounts}


def _practices() -> dict[str, Sequence[Row]]:
    """Two technologies in house, one of them sent out too and one valid to the last; two sent out only."""
    today = AS_OF_DATES[0]
    capabilities = (
        ("NGS", True, None),
        ("NGS", False, None),
        ("PCR", True, today),
        ("IHC", False, None),
        ("Ähm", False, None),
        ("NGS", True, _MONTH),  # valid until the first day of a month
    )
    offerings = ((0, 0, today), (2, 5, None))  # biomarker, capability, launched; the first on the day itself
    volumes = ((2, _MONTH),)
    return {
        "lab_capability": [
            {"id": _id("lab_capability", number), "lab_id": _LAB, "technology": name, "in_house": own, "valid_to": end}
            for number, (name, own, end) in enumerate(capabilities)
        ],
        "test_offering": [
            {
                "id": _id("test_offering", number),
                "lab_id": _LAB,
                "biomarker_id": row_id("biomarker", biomarker),
                "lab_capability_id": _id("lab_capability", capability),
                "status": "Active",
                "launched_on": launched_on,
            }
            for number, (biomarker, capability, launched_on) in enumerate(offerings)
        ],
        "testing_volume": [
            {
                "id": _id("testing_volume", number),
                "lab_id": _LAB,
                "biomarker_id": row_id("biomarker", biomarker),
                "month": month,
                "tested_patients": Decimal(10),
                "eligible_patients": Decimal(50),
            }
            for number, (biomarker, month) in enumerate(volumes)
        ],
    }


def _ties() -> dict[str, Sequence[Row]]:
    """Affiliations that only their Ids tell apart, in both orders; an objective that changed its area."""
    affiliations = ((1, 1, "Pathologist"), (2, 1, "Lab Director"), (5, 2, "Pathologist"), (4, 2, "Lab Director"))
    objective = {"id": _id("lab_objective", 0), "lab_id": _LAB, "status": "Open"}
    tie = {"lab_objective_id": objective["id"], "hcp_id": _id("account", 1)}
    return {
        "lab_hcp_affiliation": [
            {
                "id": _id("lab_hcp_affiliation", number),
                "lab_id": _LAB,
                "hcp_id": _id("account", professional),
                "role": role,
                "is_primary": False,
            }
            for number, professional, role in affiliations
        ],
        "lab_objective": [
            {
                **objective,
                "therapeutic_area_id": row_id("therapeutic_area", area),
                "system_modstamp": datetime(2025, 4, day, 12),
            }
            for day, area in ((1, 0), (2, 2))
        ],
        "objective_hcp": [{"id": _id("objective_hcp", 0), **tie}],
    }
