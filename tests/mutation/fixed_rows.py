"""What the crafted rows do not leave to chance: kinds of accounts, how territories hang together, rare meetings."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from tests.mutation.pools import GONE, NAMES, row_id
from tests.oracle.shapes import Row

QUIET_LABS = ((14, 15), (16, 17))  # accounts that nobody visits, and that are visited on no day
_RECORD_TYPES = {"RT_LAB": "Lab", "RT_HCP": "HCP", "RT_HCO": "HCO", "RT_LOWER": "lab"}
# 0 over 1 over 2; 3 over 4; 5 below one that nobody has; 6 its own parent; 7 and 8 a circle; 9 below it
_PARENTS = {1: 0, 2: 1, 4: 3, 6: 6, 7: 8, 8: 7, 9: 7}
# Labs that test one biomarker in one month, each with one offering of it: in house; launched, valid since, valid until
_MONTH, _FIRST, _LAST = (date(2026, 3, day) for day in (10, 1, 31))
_BEFORE, _NEXT = date(2026, 2, 28), date(2026, 4, 1)
_PRACTICES = (
    (22, True, _LAST, None, None),
    (23, True, _NEXT, None, None),
    (24, True, None, _LAST, None),
    (25, True, None, _NEXT, None),
    (26, True, None, None, _FIRST),
    (27, True, None, None, _BEFORE),
    (28, False, None, None, None),
    (33, False, None, None, None),
    (34, False, None, None, None),
    (22, False, None, None, None),  # beside what it does in house
)


def fixed_values(name: str, number: int) -> Row:
    """Columns of an object's row that are not left to chance."""
    if name in ("testing_volume", "test_offering", "lab_capability") and number < len(_PRACTICES):
        return _practice(name, number)
    if name == "record_type":
        key, developer_name = list(_RECORD_TYPES.items())[number]
        return {"id": key, "developer_name": developer_name}
    if name == "account":
        kinds: tuple[str | None, ...] = ("RT_LAB",) * 7 + ("RT_HCO", "RT_LOWER", None, GONE)
        if number >= 60:
            kinds = ("RT_HCP",) if number < 130 else ("RT_HCP", "RT_LAB")
        return {"record_type_id": kinds[number % len(kinds)]}
    if name in ("therapeutic_area", "biomarker", "product"):
        lost = {
            3: {"therapeutic_area_id": None, "product_id": GONE},
            5: {"therapeutic_area_id": GONE, "product_id": None},
        }
        return {"name": NAMES[number % len(NAMES)], "is_deleted": number == 1, **lost.get(number, {})}
    if name == "territory":
        parent = row_id(name, _PARENTS[number]) if number in _PARENTS else GONE if number == 5 else None
        title = None if number in (1, 3, 4) else f"Territory {number}"
        return {"name": title, "parent_territory2_id": parent, "is_deleted": number in (2, 3)}
    return _quiet(name, number) if number < 8 else {}


def _practice(name: str, number: int) -> Row:
    lab, in_house, launched_on, valid_from, valid_to = _PRACTICES[number]
    row: Row = {"lab_id": row_id("account", lab), "is_deleted": False}
    if name == "lab_capability":
        return {**row, "in_house": in_house, "valid_from": valid_from, "valid_to": valid_to}
    row["biomarker_id"] = row_id("biomarker", 0)
    if name == "testing_volume":
        return {**row, "month": _MONTH, "tested_patients": Decimal(10 + number), "eligible_patients": Decimal(50)}
    capability = row_id("lab_capability", number)
    return {**row, "lab_capability_id": capability, "status": "Active", "launched_on": launched_on}


def _quiet(name: str, number: int) -> Row:
    """Two territories whose only labs are never visited, or on nobody knows what day."""
    kind = number % 2
    if name == "object_territory_association":
        account, territory = row_id("account", QUIET_LABS[kind][number // 4]), row_id("territory", 10 + kind)
        return {"object_id": account, "territory2_id": territory, "is_deleted": False}
    if name == "lab_interaction":
        return {"lab_id": row_id("account", QUIET_LABS[1][kind]), "interaction_at": None, "channel": "Visit"}
    return {}
