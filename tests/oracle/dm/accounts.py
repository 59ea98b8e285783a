"""dim_lab and dim_hcp, with history."""

from datetime import datetime

from tests.oracle.dm.common import UNKNOWN, UNKNOWN_NAME, accounts_of_type, hash_key, named, or_unknown, pseudonym
from tests.oracle.dm.history import BEGINNING, END, Valid, histories, validities
from tests.oracle.itg import ELSEWHERE, slice_of_country
from tests.oracle.shapes import Row, Tables


def dim_lab(itg: Tables) -> list[Row]:
    """One row per lab and time in which its tracked columns were the same, and the unknown member."""
    nothing: Row = dict.fromkeys(("lab_type", "segment", "accreditation", "city"))
    unknown: Row = {**nothing, "lab_country_code": ELSEWHERE, "lab_name": UNKNOWN_NAME, "owner_id": UNKNOWN}
    rows = [_lab(ELSEWHERE, UNKNOWN, Valid({**unknown, "is_deleted": False, "is_active_lab": False}, BEGINNING, END))]
    versions = histories(itg, "itg.account")
    for account in accounts_of_type(itg, "Lab"):
        for valid in validities(versions[account["id"]], _tracked_lab):
            rows.append(_lab(account["_country_code"], account["id"], valid))
    return rows


def _lab(country_code: object, lab_id: object, valid: Valid) -> Row:
    key = _version_key(lab_id, valid.valid_from)
    return {"country_code": country_code, "lab_version_key": key, "lab_id": lab_id, **valid.tracked, **_validity(valid)}


def _tracked_lab(version: Row) -> Row:
    is_deleted = version["is_deleted"] is True
    return {
        "lab_country_code": slice_of_country(version["country_code"]),
        "lab_name": named(version["name"]),
        "lab_type": version["lab_type"],
        "segment": version["segment"],
        "accreditation": version["accreditation"],
        "city": version["billing_city"],
        "owner_id": or_unknown(version["owner_id"]),
        "is_deleted": is_deleted,
        "is_active_lab": version["is_active"] is True and not is_deleted,
    }


def dim_hcp(itg: Tables) -> list[Row]:
    """One row per professional and time in which the tracked columns were the same, and the unknown member."""
    unknown: Row = {"hcp_country_code": ELSEWHERE, "specialty": None, "segment": None, "owner_id": UNKNOWN}
    rows = [_hcp(ELSEWHERE, UNKNOWN, Valid({**unknown, "is_deleted": False, "is_active_hcp": False}, BEGINNING, END))]
    versions = histories(itg, "itg.account")
    for account in accounts_of_type(itg, "HCP"):
        for valid in validities(versions[account["id"]], _tracked_hcp):
            rows.append(_hcp(account["_country_code"], pseudonym(account["id"]), valid))
    return rows


def _hcp(country_code: object, hcp_key: str, valid: Valid) -> Row:
    key = _version_key(hcp_key, valid.valid_from)
    tracked = valid.tracked
    return {"country_code": country_code, "hcp_version_key": key, "hcp_key": hcp_key, **tracked, **_validity(valid)}


def _tracked_hcp(version: Row) -> Row:
    is_deleted = version["is_deleted"] is True
    return {
        "hcp_country_code": slice_of_country(version["country_code"]),
        "specialty": version["specialty"],
        "segment": version["segment"],
        "owner_id": or_unknown(version["owner_id"]),
        "is_deleted": is_deleted,
        "is_active_hcp": version["is_active"] is True and not is_deleted,
    }


def _version_key(key: object, valid_from: datetime) -> str:
    return hash_key(key, valid_from.isoformat(" ", "microseconds"))


def _validity(valid: Valid) -> Row:
    return {"valid_from": valid.valid_from, "valid_to": valid.valid_to, "is_current": valid.valid_to == END}
