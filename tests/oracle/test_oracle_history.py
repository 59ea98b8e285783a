"""Histories: the worked examples of docs/marts.md, from events and nightly reads; and its steps by hand."""

import random
from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal as D
from hashlib import md5

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.salesforce.events import Event, EventKind, Value
from local.salesforce.request_log import LoggedRead
from tests import oracle
from tests.oracle.dm.common import UNKNOWN, hash_key
from tests.oracle.dm.history import histories
from tests.oracle.dm.objectives import progress
from tests.oracle.samples import event, id_sweep, record, sights, window_read
from tests.oracle.shapes import Row, Tables

BEGINNING, END = datetime(1900, 1, 1), datetime(9999, 12, 31)
LAB, HCP, OBJECTIVE = "012LAB", "012HCP", "Lab_Objective__c"
AS_OF = date(2026, 1, 9)
RECORD_TYPES = [record("RecordType", key, DeveloperName=name) for key, name in ((LAB, "Lab"), (HCP, "HCP"))]


def _night(day: int) -> str:
    return f"2026-01-{day:02}T02:00:00.000Z"


def _nightly(object_name: str, first: int, last: int) -> list[LoggedRead]:
    """Each night's read, which looks back over two days."""
    nights = range(first, last + 1)
    return [window_read(object_name, _night(day), _night(day - 2), _night(day)) for day in nights]


def _tables(events: Iterable[Event], reads: Iterable[LoggedRead]) -> Tables:
    types = sights({"RecordType": RECORD_TYPES})
    return oracle.compute_tables([*types, *oracle.look(events, reads)], AS_OF)


def _change(object_name: str, record_id: str, at: str, kind: EventKind = EventKind.UPDATE, **values: Value) -> Event:
    return event(kind, object_name, record_id, f"2026-01-{at}.000Z", **values)


def _lab_events() -> list[Event]:
    first: dict[str, Value] = {"RecordTypeId": LAB, "Name": "Lab", "Segment__c": "C", "Country_Code__c": "DE"}
    return [
        _change("Account", "L", "02T09:00:00", EventKind.INSERT, **first),
        _change("Account", "L", "05T10:00:00", Segment__c="B"),
        _change("Account", "L", "06T11:00:00", Phone="+49"),
        _change("Account", "L", "07T12:00:00", Country_Code__c="FR"),
    ]


def _validities(tables: Tables, lab_id: str = "L") -> list[tuple[object, ...]]:
    rows = [row for row in tables["dm.dim_lab"] if row["lab_id"] == lab_id]
    assert {row["country_code"] for row in rows} <= {"FR"}
    columns = ("segment", "lab_country_code", "valid_from", "valid_to", "is_current")
    return [tuple(row[c] for c in columns) for row in rows]


def test_worked_example_of_dim_lab() -> None:
    tables = _tables(_lab_events(), _nightly("Account", 3, 9))
    became_b, moved = datetime(2026, 1, 5, 10), datetime(2026, 1, 7, 12)
    assert _validities(tables) == [
        ("C", "DE", BEGINNING, became_b, False),
        ("B", "DE", became_b, moved, False),
        ("B", "FR", moved, END, True),
    ]
    # Every version is kept, as often as it was read.
    assert len(tables["itg.account__history"]) == 2 + 1 + 1 + 2


def test_worked_example_of_a_state_that_no_read_saw() -> None:
    events = _lab_events()
    events.insert(2, _change("Account", "L", "05T15:00:00", Segment__c="C"))
    moved = datetime(2026, 1, 7, 12)
    assert _validities(_tables(events, _nightly("Account", 3, 9))) == [
        ("C", "DE", BEGINNING, moved, False),
        ("C", "FR", moved, END, True),
    ]


def test_worked_example_of_a_lab_deleted_for_good() -> None:
    gone = _change("Account", "L", "08T12:00:00", EventKind.PURGE)
    volume = _change("Testing_Volume__c", "T", "02T09:00:00", EventKind.INSERT, Lab__c="L")
    reads = [*_nightly("Account", 3, 9), window_read("Testing_Volume__c", _night(3), _night(1), _night(3))]
    events = [*_lab_events(), gone]
    events.insert(1, volume)
    before = _tables(events, reads)
    assert [row["lab_id"] for row in before["dm.fact_testing_volume"]] == ["L"]
    after = _tables(events, [*reads, id_sweep("Account", _night(9))])
    assert _validities(after) == [] and [row["lab_id"] for row in after["dm.dim_lab"]] == [UNKNOWN]
    assert [row["lab_id"] for row in after["dm.fact_testing_volume"]] == [UNKNOWN]
    assert len(after["itg.account__history"]) == len(before["itg.account__history"]) > 0


def test_a_version_read_first_on_the_day_after_its_successor_was_never_seen() -> None:
    # The late commit has an older stamp than what was read the night before.
    late = event(EventKind.UPDATE, "Account", "L", _night(7), "2026-01-05T09:00:00.000Z", Segment__c="X")
    events = [*_lab_events()[:2], late]
    found = _tables(events, [*_nightly("Account", 3, 6), window_read("Account", _night(8), _night(4), _night(8))])
    segments = [(row["segment"], row["valid_from"]) for row in found["dm.dim_lab"] if row["lab_id"] == "L"]
    x_since, b_since = datetime(2026, 1, 5, 9), datetime(2026, 1, 5, 10)
    assert segments == [("C", BEGINNING), ("X", x_since), ("B", b_since)]


def _version(stamp: int, read: int, content: str) -> Row:
    times: Row = {"system_modstamp": datetime(2026, 1, stamp), "_read_at_utc": datetime(2026, 1, read)}
    return {"id": "A", "content": content, "_batch_id": str(read), **times}


@pytest.mark.parametrize(
    ("versions", "seen"),
    [
        ([(1, 2, "a")], [(1, "a")]),
        ([(3, 4, "b"), (1, 2, "a")], [(1, "a"), (3, "b")]),
        # The same stamp again, with other content: it holds from the read that saw it.
        ([(1, 2, "a"), (1, 5, "b")], [(1, "a"), (5, "b")]),
        # A stamp that lies before that read: the change without a stamp was overtaken.
        ([(1, 2, "a"), (1, 5, "b"), (4, 6, "c")], [(1, "a"), (4, "c")]),
        ([(1, 2, "a"), (1, 5, "b"), (5, 6, "c")], [(1, "a"), (5, "c")]),
        ([(1, 2, "a"), (1, 3, "a"), (1, 4, "b"), (5, 6, "c")], [(1, "a"), (3, "a"), (4, "b"), (5, "c")]),
        ([(1, 9, "a"), (2, 3, "b")], [(1, "a"), (2, "b")]),
    ],
)
def test_versions_that_were_ever_to_be_seen(versions: list[tuple[int, int, str]], seen: list[tuple[int, str]]) -> None:
    rows = [_version(*version) for version in versions]
    (found,) = histories({"itg.x": [{"id": "A"}], "itg.x__history": rows}, "itg.x").values()
    assert [(effective.since.day, effective.version["content"]) for effective in found] == seen


def test_records_that_itg_does_not_hold_have_no_history() -> None:
    assert histories({"itg.x": [], "itg.x__history": [_version(1, 2, "a")]}, "itg.x") == {}


_DAYS = st.integers(1, 9)
_VERSIONS = st.lists(
    st.tuples(_DAYS, _DAYS, st.sampled_from("ab")), min_size=1, max_size=8, unique_by=lambda version: version[:2]
)


@settings(max_examples=60, deadline=None)
@given(_VERSIONS, st.randoms(use_true_random=False))
def test_effective_times_rise_whatever_the_order(versions: list[tuple[int, int, str]], chance: random.Random) -> None:
    rows = [_version(*version) for version in versions]
    (found,) = histories({"itg.x": [{"id": "A"}], "itg.x__history": rows}, "itg.x").values()
    times = [effective.since for effective in found]
    assert times == sorted(set(times))
    assert found[-1].version == max(rows, key=lambda row: (row["system_modstamp"], row["_read_at_utc"]))
    chance.shuffle(rows)
    assert histories({"itg.x": [{"id": "A"}], "itg.x__history": rows}, "itg.x")["A"] == found


def _dimension(name: str, *accounts: Row) -> list[Row]:
    return oracle.compute_tables(sights({"RecordType": RECORD_TYPES, "Account": accounts}), AS_OF)[name]


def test_dim_lab_of_empty_fields_and_other_accounts() -> None:
    accounts = [
        record("Account", "L", RecordTypeId=LAB, IsDeleted=None, Is_Active__c=True, Country_Code__c="de"),
        record("Account", "D", RecordTypeId=LAB, IsDeleted=True, Is_Active__c=True, BillingCity="Köln"),
        record("Account", "H", RecordTypeId=HCP),
        record("Account", "N"),
    ]
    found = _dimension("dm.dim_lab", *accounts)
    deleted, empty, unknown = sorted(found, key=lambda row: str(row["lab_id"]))
    shared: Row = {"country_code": "ZZ", "lab_country_code": "ZZ", "lab_name": "Unknown", "lab_type": None}
    shared |= {"segment": None, "accreditation": None, "owner_id": UNKNOWN}
    always: Row = {"valid_from": BEGINNING, "valid_to": END, "is_current": True}

    def key(lab_id: str) -> Row:
        return {"lab_id": lab_id, "lab_version_key": hash_key(lab_id, "1900-01-01 00:00:00.000000")}

    assert empty == {**shared, **always, **key("L"), "city": None, "is_deleted": False, "is_active_lab": True}
    assert deleted == {**shared, **always, **key("D"), "city": "Köln", "is_deleted": True, "is_active_lab": False}
    assert unknown == {**shared, **always, **key(UNKNOWN), "city": None, "is_deleted": False, "is_active_lab": False}


def test_worked_example_of_keys_of_people() -> None:
    person = "001000000000001AAA"
    account = record("Account", person, RecordTypeId=HCP, Name="Dr. X", Specialty__c="Oncology", OwnerId="U")
    unknown, row = sorted(_dimension("dm.dim_hcp", account), key=lambda row: str(row["hcp_key"]))
    key = md5(b"hcp|001000000000001AAA").hexdigest()
    assert row == {
        "country_code": "ZZ",
        "hcp_version_key": md5(f"{key}|1900-01-01 00:00:00.000000".encode()).hexdigest(),
        "hcp_key": key,
        "hcp_country_code": "ZZ",
        "specialty": "Oncology",
        "segment": None,
        "owner_id": "U",
        "is_deleted": False,
        "is_active_hcp": False,
        "valid_from": BEGINNING,
        "valid_to": END,
        "is_current": True,
    }
    assert (unknown["hcp_key"], unknown["specialty"], unknown["owner_id"]) == (UNKNOWN, None, UNKNOWN)
    assert (unknown["is_deleted"], unknown["is_active_hcp"], unknown["hcp_country_code"]) == (False, False, "ZZ")
    assert not {"Dr. X", person} & set(row.values())


def _objective_events() -> list[Event]:
    first: dict[str, Value] = {"Status__c": "Open", "Baseline__c": 0, "Target__c": 10, "Current__c": 0}
    return [
        _change(OBJECTIVE, "O", "05T10:00:00", EventKind.INSERT, **first),
        _change(OBJECTIVE, "O", "06T09:00:00", Current__c=4),
        _change(OBJECTIVE, "O", "06T23:30:00", Current__c=5),
        _change(OBJECTIVE, "O", "07T12:00:00", Notes__c="…"),
        _change(OBJECTIVE, "O", "08T12:00:00", Status__c="Met", Current__c=12),
    ]


def test_worked_example_of_fact_lab_objective() -> None:
    rows = _tables(_objective_events(), _nightly(OBJECTIVE, 6, 9))["dm.fact_lab_objective"]
    columns = ("changed_on", "changed_again_on", "status", "current_value", "progress", "is_current")
    first, second, third = date(2026, 1, 5), date(2026, 1, 6), date(2026, 1, 8)
    assert [tuple(row[c] for c in columns) for row in rows] == [
        (first, second, "Open", D("0.0000"), D("0.000000"), False),
        (second, third, "Open", D("5.0000"), D("0.500000"), False),
        (third, date(9999, 12, 31), "Met", D("12.0000"), D("1.000000"), True),
    ]


def test_days_of_an_objective_with_keys_that_point_nowhere_or_change() -> None:
    lab = _change("Account", "L", "02T09:00:00", EventKind.INSERT, RecordTypeId=LAB, Country_Code__c="FR")
    events = [
        lab,
        _change(OBJECTIVE, "O", "05T10:00:00", EventKind.INSERT, Lab__c="gone", Biomarker__c="gone"),
        _change(OBJECTIVE, "O", "06T10:00:00", Lab__c="L", Biomarker__c="gone too"),
        _change(OBJECTIVE, "O", "07T10:00:00", EventKind.DELETE, Due_Date__c="4000-12-31"),
    ]
    tables = _tables(events, [*_nightly("Account", 3, 3), *_nightly(OBJECTIVE, 6, 9)])
    first, second = tables["dm.fact_lab_objective"]
    assert (first["country_code"], first["lab_id"], first["is_deleted"]) == ("FR", "L", False)
    # As dm shows them, the two biomarkers are the same: no row for the 6th.
    assert (first["changed_on"], second["changed_on"]) == (date(2026, 1, 5), date(2026, 1, 7))
    assert (second["lab_id"], second["is_deleted"], second["objective_type"]) == ("L", True, "Unknown")
    assert (second["due_date"], second["due_date_key"]) == (date(4000, 12, 31), date(1900, 1, 1))
    assert second["owner_id"] == second["biomarker_id"] == second["therapeutic_area_id"] == UNKNOWN


@pytest.mark.parametrize(
    ("baseline", "target", "current", "expected"),
    [
        ("0", "10", "4", "0.400000"),
        ("10", "0", "4", "0.600000"),
        ("0", "10", "-1", "0.000000"),
        ("10", "0", "11", "0.000000"),
        ("0", "10", "11", "1.000000"),
        ("0", "3", "2", "0.666667"),
        ("5", "5", "5", None),
        (None, "5", "5", None),
        ("0", None, "5", None),
        ("0", "5", None, None),
        ("-99999999999999.9999", "99999999999999.9999", "0", "0.500000"),
        ("0", "99999999999999.9999", "49999999.9999", "0.000000"),
        ("0", "2000000", "1", "0.000001"),
    ],
)
def test_progress(baseline: str | None, target: str | None, current: str | None, expected: str | None) -> None:
    three = (None if value is None else D(value) for value in (baseline, target, current))
    assert progress(*three) == (None if expected is None else D(expected))
