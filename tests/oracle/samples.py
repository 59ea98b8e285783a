"""Events, reads, records and rows written by hand, for the oracle's own tests."""

from collections.abc import Iterable, Mapping
from datetime import date
from itertools import count

from local.salesforce.events import Event, EventKind, Value
from local.salesforce.request_log import LoggedRead, ReadKind
from tests.oracle.dm.common import UNKNOWN, date_key
from tests.oracle.dm.data_freshness import SOURCES
from tests.oracle.itg import compute_itg
from tests.oracle.itg_columns import COLUMNS
from tests.oracle.org_state import FORMULA
from tests.oracle.replay import Sight, gather
from tests.oracle.shapes import Row, Tables

FIELDS: Mapping[str, tuple[str, ...]] = {
    name: tuple(field for field, _ in columns.values()) for name, columns in COLUMNS.values()
}
STAMP = "2026-01-02T03:04:05.678Z"
NIGHT = "2026-01-06T02:00:00.000Z"
_SEQ = count(1)
_IS_DELETED = {EventKind.INSERT: False, EventKind.DELETE: True, EventKind.UNDELETE: False}


def event(
    kind: EventKind,
    object_name: str,
    record_id: str,
    committed_at: str,
    stamp: str | None = None,
    **values: Value,
) -> Event:
    """The next event of a log; its SystemModstamp is the commit's time unless it is late.

    An insert's fields that are not named are empty.
    """
    stamp = committed_at if stamp is None else stamp
    unnamed = set(FIELDS[object_name]) - {"Id", FORMULA} if kind is EventKind.INSERT else ()
    changed: dict[str, Value] = {**dict.fromkeys(unnamed), **values, "SystemModstamp": stamp}
    if kind in _IS_DELETED and "IsDeleted" in FIELDS[object_name]:
        changed["IsDeleted"] = _IS_DELETED[kind]
    return Event(next(_SEQ), object_name, record_id, kind, committed_at, stamp, changed)


def window_read(
    object_name: str, org_time: str, start: str | None, end: str | None, operation: str = "queryAll"
) -> LoggedRead:
    """A read of [start, end)."""
    bounds = [f"SystemModstamp {sign} {text}" for sign, text in ((">=", start), ("<", end)) if text]
    soql = f"SELECT {', '.join(FIELDS[object_name])} FROM {object_name} WHERE {' AND '.join(bounds)}"
    return _read(object_name, org_time, soql, operation, start, end)


def whole_read(object_name: str, org_time: str, operation: str = "queryAll") -> LoggedRead:
    """A read of every row."""
    return _read(object_name, org_time, f"SELECT {', '.join(FIELDS[object_name])} FROM {object_name}", operation)


def id_sweep(object_name: str, org_time: str, operation: str = "queryAll") -> LoggedRead:
    """A read of every Id."""
    return _read(object_name, org_time, f"SELECT Id FROM {object_name}", operation)


def _read(
    object_name: str, org_time: str, soql: str, operation: str, start: str | None = None, end: str | None = None
) -> LoggedRead:
    seq = next(_SEQ)
    return LoggedRead(seq, org_time, ReadKind.BULK, operation, object_name, soql, start, end, f"750{seq}", 0)


def record(object_name: str, record_id: str, **values: object) -> Row:
    """A record of Salesforce: every field that is not named is empty; never deleted; changed at STAMP."""
    flags = {"IsDeleted": False} if "IsDeleted" in FIELDS[object_name] else {}
    return {**dict.fromkeys(FIELDS[object_name]), **flags, "SystemModstamp": STAMP, "Id": record_id, **values}


def sights(records: Mapping[str, Iterable[Row]], org_time: str = NIGHT) -> list[Sight]:
    """One whole read of each object, which shows these records."""
    found = []
    for name, rows in records.items():
        by_id = {str(row["Id"]): row for row in rows}
        found.append(Sight(whole_read(name, org_time), by_id, by_id.keys()))
    return found


def itg_tables(**records: Iterable[Row]) -> Tables:
    """itg after one whole read of each object."""
    return compute_itg(gather(sights(records)))


def dm_tables(**rows: list[Row]) -> Tables:
    """Rows of dm tables, named without their schema; tables that are not named are empty."""
    return {**{table: [] for table in SOURCES}, **{f"dm.{name}": found for name, found in rows.items()}}


def lab(lab_id: str, country_code: str = "DE", **values: object) -> Row:
    """A current row of dm.dim_lab: an active lab."""
    own: Row = {"country_code": country_code, "lab_id": lab_id, "lab_name": f"Lab {lab_id}", "is_active_lab": True}
    texts: Row = {"lab_type": "Hospital", "segment": "A", "accreditation": None, "city": None, "owner_id": "U"}
    return {**own, **texts, "is_deleted": False, "is_current": True, **values}


def area(area_id: str) -> Row:
    """A row of dm.dim_therapeutic_area, with its id as its name."""
    return {"therapeutic_area_id": area_id, "therapeutic_area_name": area_id}


def affiliation(
    affiliation_id: str, hcp_key: str, start: date | None = None, end: date | None = None, **values: object
) -> Row:
    """A row of dm.bridge_lab_hcp, of lab L."""
    row: Row = {"country_code": "DE", "affiliation_id": affiliation_id, "lab_id": "L", "hcp_key": hcp_key}
    return {**row, "role": "Pathologist", "is_primary": False, "start_date": start, "end_date": end, **values}


def interaction(lab_id: str, day: str, channel: str = "Visit", **values: object) -> Row:
    """A row of dm.fact_interaction, with nobody and of no area."""
    row: Row = {"country_code": "DE", "lab_id": lab_id, "hcp_key": UNKNOWN, "therapeutic_area_id": UNKNOWN}
    return {**row, "channel": channel, "interaction_date_key": date.fromisoformat(day), **values}


def objective(objective_id: str, status: str, due: str | None = None, **values: object) -> Row:
    """A current row of dm.fact_lab_objective, of lab L."""
    due_date = None if due is None else date.fromisoformat(due)
    row: Row = {"country_code": "DE", "objective_id": objective_id, "lab_id": "L", "status": status, "owner_id": "U"}
    dates: Row = {"due_date": due_date, "due_date_key": date_key(due_date)}
    flags: Row = {"is_current": True, "is_deleted": False, "progress": None}
    return {**row, **dates, **flags, "therapeutic_area_id": "Thoracic", **values}
