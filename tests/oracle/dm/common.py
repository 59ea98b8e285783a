"""What all of dm shares: the unknown member, pseudonyms, date keys, and which keys point somewhere."""

from collections.abc import Iterable
from datetime import date, datetime
from hashlib import md5

from tests.oracle.shapes import Row, Tables

UNKNOWN, UNKNOWN_NAME = "UNKNOWN", "Unknown"
UNKNOWN_DAY = UNKNOWN_MONTH = date(1900, 1, 1)
FIRST_DAY, LAST_DAY = date(2000, 1, 1), date(2049, 12, 31)


def named(name: object) -> object:
    """A name, or another text that is never NULL in dm."""
    return UNKNOWN_NAME if name is None else name


def or_unknown(key: object) -> object:
    """A key that is not looked up."""
    return UNKNOWN if key is None else key


def known(key: object, members: Iterable[object]) -> object:
    """A key that points to one of the members; else the unknown member's."""
    return key if key in members else UNKNOWN


def hash_key(*parts: object) -> str:
    """MD5 in lower-case hexadecimal of the parts, joined with bars."""
    return md5("|".join(map(str, parts)).encode(), usedforsecurity=False).hexdigest()


def pseudonym(account_id: object) -> str:
    """hcp_key of a professional's account."""
    return UNKNOWN if account_id is None else hash_key("hcp", account_id)


def date_key(day: object) -> date:
    """The day of a date or of a UTC timestamp, if dm.dim_date has it."""
    if isinstance(day, datetime):
        day = day.date()
    return day if isinstance(day, date) and FIRST_DAY <= day <= LAST_DAY else UNKNOWN_DAY


def undeleted(rows: Iterable[Row]) -> list[Row]:
    """The rows that are not deleted."""
    return [row for row in rows if row["is_deleted"] is not True]


def accounts_of_type(itg: Tables, developer_name: str) -> list[Row]:
    """Accounts whose record type has this developer name."""
    types = {row["id"] for row in itg["itg.record_type"] if row["developer_name"] == developer_name}
    return [row for row in itg["itg.account"] if row["record_type_id"] in types]


LabKey = tuple[object, object]


def lab_key(row: Row) -> LabKey:
    """Slice and lab of a row of dm: tables that were refreshed one after the other may differ in a lab's slice."""
    return row["country_code"], row["lab_id"]


class FactKeys:
    """The keys of facts, as docs/marts.md says under "As in facts"."""

    def __init__(self, itg: Tables) -> None:
        self._slices_of_labs = {row["id"]: row["_country_code"] for row in accounts_of_type(itg, "Lab")}
        self._biomarkers = {row["id"] for row in itg["itg.biomarker"]}
        self._areas = {row["id"] for row in itg["itg.therapeutic_area"]}

    def lab(self, key: object, country_code: object) -> object:
        """lab_id, if it is that of a lab in the same slice."""
        return key if key is not None and self._slices_of_labs.get(key) == country_code else UNKNOWN

    def biomarker(self, key: object) -> object:
        """biomarker_id, if there is such a biomarker."""
        return known(key, self._biomarkers)

    def therapeutic_area(self, key: object) -> object:
        """therapeutic_area_id, if there is such an area."""
        return known(key, self._areas)
