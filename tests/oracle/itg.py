"""itg as docs/marts.md defines it: fields renamed and typed, the slice, and the history of what was seen."""

import re
from collections.abc import Mapping

from tests.oracle.itg_columns import COLUMNS, Columns
from tests.oracle.replay import Seen, Version, current_records
from tests.oracle.shapes import Row, Tables

ELSEWHERE = "ZZ"
# A child has the slice of the row that its column points to; parents stand before their children.
_PARENTS: Mapping[str, tuple[str, str]] = {
    "itg.lab_capability": ("lab_id", "itg.account"),
    "itg.test_offering": ("lab_id", "itg.account"),
    "itg.testing_volume": ("lab_id", "itg.account"),
    "itg.lab_hcp_affiliation": ("lab_id", "itg.account"),
    "itg.lab_objective": ("lab_id", "itg.account"),
    "itg.lab_interaction": ("lab_id", "itg.account"),
    "itg.object_territory_association": ("object_id", "itg.account"),
    "itg.objective_hcp": ("lab_objective_id", "itg.lab_objective"),
}
# Tables that keep every version beside the current state.
_WITH_HISTORY = ("itg.account", "itg.lab_objective")


def compute_itg(seen: Seen) -> Tables:
    """All itg tables: the current state, rows in the order of their ids, and the histories."""
    return {**_current(seen), **{f"{table}__history": _history(seen, table) for table in _WITH_HISTORY}}


def _history(seen: Seen, table: str) -> list[Row]:
    """Every version that any read brought, dead ones too."""
    object_name, columns = COLUMNS[table]
    versions = [version for of_record in seen.versions[object_name].values() for version in of_record]
    return [{**typed_row(version.record, columns), **_provenance(version)} for version in versions]


def _provenance(version: Version) -> Row:
    """How a version came here; the number of its read stands for the batch."""
    return {"_read_at_utc": version.read_at.replace(tzinfo=None), "_batch_id": f"{version.read_seq:012}"}


def _current(seen: Seen) -> Tables:
    records = current_records(seen)
    tables: Tables = {}
    for table, (object_name, columns) in COLUMNS.items():
        rows = [typed_row(record, columns) for record in records.get(object_name, [])]
        tables[table] = sorted(rows, key=lambda row: str(row["id"]))
    for row in tables["itg.account"]:
        row["_country_code"] = slice_of_country(row["country_code"])
    for table, (column, parent) in _PARENTS.items():
        slices = {row["id"]: row["_country_code"] for row in tables[parent]}
        for row in tables[table]:
            row["_country_code"] = slices.get(row[column], ELSEWHERE)
    for table in tables.keys() - _PARENTS.keys() - {"itg.account"}:
        for row in tables[table]:
            row["_country_code"] = ELSEWHERE
    return tables


def typed_row(record: Row, columns: Columns) -> Row:
    """A record of Salesforce as a row of itg, without its slice."""
    return {column: convert(record[field]) for column, (field, convert) in columns.items()}


def slice_of_country(country_code: object) -> str:
    """The country, where it is two capital letters."""
    code = str(country_code)
    return code if re.fullmatch("[A-Z]{2}", code) else ELSEWHERE
