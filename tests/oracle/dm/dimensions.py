"""Dimensions of the current state that are no history."""

from tests.oracle.dm.common import UNKNOWN, UNKNOWN_NAME, named, or_unknown
from tests.oracle.itg import ELSEWHERE
from tests.oracle.shapes import Row, Tables


def dim_therapeutic_area(itg: Tables) -> list[Row]:
    """One row per therapeutic area, and the unknown member."""
    rows: list[Row] = [_area(UNKNOWN, UNKNOWN_NAME, False)]
    return rows + [_area(row["id"], named(row["name"]), row["is_deleted"]) for row in itg["itg.therapeutic_area"]]


def _area(key: object, name: object, is_deleted: object) -> Row:
    return {
        "country_code": ELSEWHERE,
        "therapeutic_area_id": key,
        "therapeutic_area_name": name,
        "is_deleted": is_deleted,
    }


def dim_biomarker(itg: Tables) -> list[Row]:
    """One row per biomarker, and the unknown member."""
    areas, products = ({row["id"]: row for row in itg[table]} for table in ("itg.therapeutic_area", "itg.product"))
    nothing: Row = dict.fromkeys(("name", "indication", "is_companion_diagnostic"))
    unknown: Row = {**nothing, "id": UNKNOWN, "is_deleted": False}
    rows: list[Row] = [_biomarker(unknown, None, None)]
    for row in itg["itg.biomarker"]:
        rows.append(_biomarker(row, areas.get(row["therapeutic_area_id"]), products.get(row["product_id"])))
    return rows


def _biomarker(biomarker: Row, area: Row | None, product: Row | None) -> Row:
    return {
        "country_code": ELSEWHERE,
        "biomarker_id": biomarker["id"],
        "biomarker_name": named(biomarker["name"]),
        "therapeutic_area_id": UNKNOWN if area is None else area["id"],
        "therapeutic_area_name": UNKNOWN_NAME if area is None else named(area["name"]),
        "indication": biomarker["indication"],
        "is_companion_diagnostic": biomarker["is_companion_diagnostic"],
        "product_id": UNKNOWN if product is None else product["id"],
        "product_name": UNKNOWN_NAME if product is None else named(product["name"]),
        "product_generic_name": None if product is None else product["generic_name"],
        "product_group": None if product is None else product["group"],
        "is_deleted": biomarker["is_deleted"],
    }


def dim_user(itg: Tables) -> list[Row]:
    """One row per user, and the unknown member."""
    territories = {row["id"] for row in itg["itg.territory"] if row["is_deleted"] is not True}
    worked: dict[object, set[object]] = {}
    for link in itg["itg.user_territory_association"]:
        if link["is_active"] is True and link["territory2_id"] in territories:
            worked.setdefault(link["user_id"], set()).add(link["territory2_id"])
    nothing: Row = dict.fromkeys(("title", "department", "division", "manager_id", "is_active"))
    users = [{**nothing, "id": UNKNOWN}, *itg["itg.sf_user"]]
    return [
        {
            "country_code": ELSEWHERE,
            "user_id": user["id"],
            "title": user["title"],
            "department": user["department"],
            "division": user["division"],
            "manager_id": or_unknown(user["manager_id"]),
            "is_active": user["is_active"] is True,
            "territories": len(worked.get(user["id"], ())),
        }
        for user in users
    ]
