"""Bridges from labs and objectives to professionals."""

from tests.oracle.dm.common import UNKNOWN, FactKeys, named, pseudonym, undeleted
from tests.oracle.shapes import Row, Tables


def bridge_lab_hcp(itg: Tables, keys: FactKeys) -> list[Row]:
    """One row per affiliation that is not deleted."""
    return [
        {
            "country_code": row["_country_code"],
            "affiliation_id": row["id"],
            "lab_id": keys.lab(row["lab_id"], row["_country_code"]),
            "hcp_key": pseudonym(row["hcp_id"]),
            "role": named(row["role"]),
            "is_primary": row["is_primary"] is True,
            "start_date": row["start_date"],
            "end_date": row["end_date"],
        }
        for row in undeleted(itg["itg.lab_hcp_affiliation"])
    ]


def bridge_objective_hcp(itg: Tables) -> list[Row]:
    """One row per professional tied to an objective, the tie not deleted."""
    slices = {row["id"]: row["_country_code"] for row in itg["itg.lab_objective"]}
    return [
        {
            "country_code": row["_country_code"],
            "objective_hcp_id": row["id"],
            "objective_id": _objective(row, slices),
            "hcp_key": pseudonym(row["hcp_id"]),
        }
        for row in undeleted(itg["itg.objective_hcp"])
    ]


def _objective(row: Row, slices: dict[object, object]) -> object:
    key = row["lab_objective_id"]
    return key if key in slices and slices[key] == row["_country_code"] else UNKNOWN
