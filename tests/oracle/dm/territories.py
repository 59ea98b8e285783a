"""Territories, and the labs that they cover."""

from collections import Counter
from collections.abc import Mapping

from tests.oracle.dm.common import UNKNOWN, UNKNOWN_NAME, FactKeys, known, named, undeleted
from tests.oracle.itg import ELSEWHERE
from tests.oracle.shapes import Row, Tables


def dim_territory(itg: Tables) -> list[Row]:
    """One row per territory, and the unknown member."""
    by_id = {row["id"]: row for row in itg["itg.territory"]}
    users = _users(itg)
    rows = [_row(UNKNOWN, UNKNOWN_NAME, UNKNOWN, [UNKNOWN_NAME], 0, False)]
    for key, row in by_id.items():
        names = _names_from_root(row, by_id)
        parent = known(row["parent_territory2_id"], by_id)
        rows.append(_row(key, named(row["name"]), parent, names, len(users.get(key, ())), row["is_deleted"]))
    return rows


def _row(key: object, name: object, parent: object, names: list[str] | None, users: int, is_deleted: object) -> Row:
    return {
        "country_code": ELSEWHERE,
        "territory_id": key,
        "territory_name": name,
        "parent_territory_id": parent,
        "level": None if names is None else len(names) - 1,
        "path": None if names is None else " / ".join(names),
        "users": users,
        "is_deleted": is_deleted,
    }


def _names_from_root(territory: Row, by_id: Mapping[object, Row]) -> list[str] | None:
    """Names of the root, …, of the territory itself; None where the chain of parents never ends."""
    names: list[str] = []
    here: Row | None = territory
    while here is not None:
        if len(names) == len(by_id):
            return None
        names.insert(0, str(named(here["name"])))
        here = by_id.get(here["parent_territory2_id"])
    return names


def _users(itg: Tables) -> dict[object, set[object]]:
    known_users = {row["id"] for row in itg["itg.sf_user"]}
    users: dict[object, set[object]] = {}
    for link in itg["itg.user_territory_association"]:
        if link["is_active"] is True and link["user_id"] in known_users:
            users.setdefault(link["territory2_id"], set()).add(link["user_id"])
    return users


def bridge_lab_territory(itg: Tables, keys: FactKeys) -> list[Row]:
    """One row per lab and territory that covers it now."""
    territories = {row["id"] for row in itg["itg.territory"]}
    pairs: Counter[tuple[object, object, object]] = Counter()
    for link in undeleted(itg["itg.object_territory_association"]):
        lab = keys.lab(link["object_id"], link["_country_code"])
        if lab != UNKNOWN:
            pairs[link["_country_code"], lab, known(link["territory2_id"], territories)] += 1
    return [
        {"country_code": country, "lab_id": lab, "territory_id": territory, "associations": count}
        for (country, lab, territory), count in pairs.items()
    ]
