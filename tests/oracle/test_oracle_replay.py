"""What a logged read shows, on small logs written by hand; and the whole way from a simulator's state."""

from datetime import date
from pathlib import Path

from local.salesforce.events import Event, EventKind, EventLog
from local.salesforce.org import Org
from local.salesforce.request_log import LoggedRead, ReadKind, insert_read
from local.salesforce.soql.execution import Window
from local.salesforce.store import Store
from tests import oracle
from tests.oracle.replay import look

THING = "Account"


def _event(seq: int, kind: EventKind, committed_at: str, stamp: str, **values: object) -> Event:
    deleted = {EventKind.DELETE: True, EventKind.UNDELETE: False, EventKind.INSERT: False}
    flags = {"IsDeleted": deleted[kind]} if kind in deleted else {}
    changed = {**values, **flags, "SystemModstamp": stamp}
    return Event(seq, THING, "A", kind, committed_at, stamp, changed)  # type: ignore[arg-type]


def _read(seq: int, org_time: str, start: str | None, end: str | None, operation: str = "queryAll") -> LoggedRead:
    return LoggedRead(seq, org_time, ReadKind.BULK, operation, THING, "…", start, end, f"750{seq}", 0)


INSERTED = _event(1, EventKind.INSERT, "2026-01-05T09:00:00.350Z", "2026-01-05T09:00:00.000Z", Name="one")
LATE = _event(2, EventKind.UPDATE, "2026-01-06T07:30:00.000Z", "2026-01-05T20:00:00.000Z", Name="two")
DELETED = _event(3, EventKind.DELETE, "2026-01-06T09:00:00.350Z", "2026-01-06T09:00:00.000Z")
NIGHT_1, NIGHT_2 = "2026-01-06T02:00:00.000Z", "2026-01-07T02:00:00.000Z"


def _names(reads: list[LoggedRead]) -> list[tuple[object, object]]:
    seen = look([INSERTED, LATE, DELETED], reads).get(THING, {})
    return [(record["Name"], record["IsDeleted"]) for _, record in seen.values()]


def test_a_read_shows_what_was_committed_then() -> None:
    assert _names([_read(1, NIGHT_1, None, NIGHT_1)]) == [("one", False)]
    assert _names([_read(1, NIGHT_2, None, NIGHT_2)]) == [("two", True)]
    assert _names([_read(1, NIGHT_2, None, NIGHT_2, "query")]) == []


def test_windows_are_half_open_on_the_stamp_of_that_time() -> None:
    stamp = "2026-01-05T09:00:00.000Z"
    assert _names([_read(1, NIGHT_1, stamp, NIGHT_1)]) == [("one", False)]
    assert _names([_read(1, NIGHT_1, None, stamp)]) == []
    assert _names([_read(1, NIGHT_1, "2026-01-05T09:00:00.000001Z", NIGHT_1)]) == []
    assert _names([_read(1, NIGHT_1, None, "2026-01-05T09:00:00.000001Z")]) == [("one", False)]
    # On the second night the record's stamp has moved on, out of the first night's window.
    assert _names([_read(1, NIGHT_2, None, NIGHT_1)]) == []


def test_the_newest_version_wins_and_what_no_later_window_shows_stays() -> None:
    reads = [_read(1, NIGHT_1, None, NIGHT_1), _read(2, NIGHT_2, "2026-01-06T12:00:00.000Z", NIGHT_2)]
    assert _names(reads) == [("one", False)]
    assert _names([*reads, _read(3, NIGHT_2, NIGHT_1, NIGHT_2)]) == [("two", True)]


def _write_reads(store: Store, org_time: str) -> None:
    with store.transaction() as connection:
        for name in ("RecordType", "Therapeutic_Area__c", "Biomarker__c", "Account", "Testing_Volume__c"):
            operation = "query" if name == "RecordType" else "queryAll"
            what = (org_time, "bulk", operation, name, "SELECT …")
            insert_read(connection, what, Window(None, org_time), f"job-{name}-{org_time}", 0)


def test_from_a_state_directory_itg_is_the_org(tmp_path: Path) -> None:
    store = Store(tmp_path)
    org = Org(store, scale=0.02)
    _write_reads(store, NIGHT_1)
    tables = oracle.compute(tmp_path, date(2026, 1, 5))
    for table, name in (("itg.account", "Account"), ("itg.testing_volume", "Testing_Volume__c")):
        here = {str(key): record["IsDeleted"] for key, record in org.view().records[name].items()}
        assert {str(row["id"]): row["is_deleted"] for row in tables[table]} == here
    facts = tables["dm.fact_testing_volume"]
    cells = tables["dm.dm_testing_uptake"]
    assert len(facts) > 500 and sum(row["tested_patients"] for row in cells) == sum(  # type: ignore[misc]
        row["tested_patients"] or 0
        for row in facts  # type: ignore[misc]
    )
    org.advance(1)
    _write_reads(store, NIGHT_2)
    assert oracle.compare(oracle.compute(tmp_path, date(2026, 1, 5)), tables) == []
    later = oracle.compute(tmp_path, date(2026, 1, 6))
    assert oracle.compare(later, tables) != []
    second = [f"job-{name}-{NIGHT_2}" for name in org.view().records]
    assert oracle.compare(oracle.compute(tmp_path, date(2026, 1, 6), ignored_jobs=second), tables) == []
    store.close()


def test_the_log_can_be_written_by_hand(tmp_path: Path) -> None:
    store = Store(tmp_path)
    EventLog(store).append([INSERTED, LATE], {})
    assert [event.values["Name"] for event in EventLog(store).between("", NIGHT_1)] == ["one"]
    store.close()
