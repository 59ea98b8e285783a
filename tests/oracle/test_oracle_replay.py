"""What logged reads show, and what of it stays, on small logs written by hand."""

import random
from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.salesforce.events import Event, EventKind
from local.salesforce.request_log import LoggedRead, ReadKind
from tests import oracle
from tests.oracle.itg import compute_itg
from tests.oracle.replay import current_records, gather, look
from tests.oracle.samples import event, id_sweep, whole_read, window_read

THING, CAPABILITY = "Account", "Lab_Capability__c"
INSERT, UPDATE, DELETE, UNDELETE, PURGE = (
    EventKind.INSERT,
    EventKind.UPDATE,
    EventKind.DELETE,
    EventKind.UNDELETE,
    EventKind.PURGE,
)
NIGHT_1, NIGHT_2, NIGHT_3 = (f"2026-01-0{day}T02:00:00.000Z" for day in (6, 7, 8))

INSERTED = event(INSERT, THING, "A", "2026-01-05T09:00:00.350Z", "2026-01-05T09:00:00.000Z", Name="one")
LATE = event(UPDATE, THING, "A", "2026-01-06T07:30:00.000Z", "2026-01-05T20:00:00.000Z", Name="two")
DELETED = event(DELETE, THING, "A", "2026-01-06T09:00:00.350Z", "2026-01-06T09:00:00.000Z")
PURGED = event(PURGE, THING, "A", "2026-01-07T09:00:00.000Z")


def _names(reads: list[LoggedRead], *events: Event) -> list[tuple[object, object]]:
    seen = current_records(gather(look(events or (INSERTED, LATE, DELETED), reads)))
    return [(record["Name"], record["IsDeleted"]) for record in seen.get(THING, [])]


def test_a_read_shows_what_was_committed_then() -> None:
    assert _names([window_read(THING, NIGHT_1, None, NIGHT_1)]) == [("one", False)]
    assert _names([window_read(THING, NIGHT_2, None, NIGHT_2)]) == [("two", True)]
    assert _names([window_read(THING, NIGHT_2, None, NIGHT_2, "query")]) == []
    assert _names([whole_read(THING, NIGHT_2)]) == [("two", True)]
    assert _names([whole_read(THING, NIGHT_2, "query")]) == []


def test_windows_are_half_open_on_the_stamp_of_that_time() -> None:
    stamp = "2026-01-05T09:00:00.000Z"
    assert _names([window_read(THING, NIGHT_1, stamp, NIGHT_1)]) == [("one", False)]
    assert _names([window_read(THING, NIGHT_1, "2026-01-05T09:00:00Z", NIGHT_1)]) == [("one", False)]
    assert _names([window_read(THING, NIGHT_1, None, stamp)]) == []
    assert _names([window_read(THING, NIGHT_1, "2026-01-05T09:00:00.000001Z", NIGHT_1)]) == []
    assert _names([window_read(THING, NIGHT_1, None, "2026-01-05T09:00:00.000001Z")]) == [("one", False)]
    # On the second night the record's stamp has moved on, out of the first night's window.
    assert _names([window_read(THING, NIGHT_2, None, NIGHT_1)]) == []


def test_the_newest_version_wins_and_what_no_later_window_shows_stays() -> None:
    reads = [window_read(THING, NIGHT_1, None, NIGHT_1)]
    reads += [window_read(THING, NIGHT_2, "2026-01-06T12:00:00.000Z", NIGHT_2)]
    assert _names(reads) == [("one", False)]
    assert _names([*reads, window_read(THING, NIGHT_2, NIGHT_1, NIGHT_2)]) == [("two", True)]


def test_a_late_commit_wins_over_an_older_stamp_read_later() -> None:
    back = event(UPDATE, THING, "A", "2026-01-06T08:00:00.000Z", "2026-01-05T10:00:00.000Z", Name="back")
    reads = [window_read(THING, night, None, NIGHT_3) for night in (NIGHT_1, NIGHT_2)]
    assert _names(reads, INSERTED, back) == [("back", False)]
    newer = event(UPDATE, THING, "A", "2026-01-05T21:00:00.000Z", Name="newer")
    assert _names(reads, INSERTED, newer, back) == [("newer", False)]


def test_what_is_deleted_for_good_stays_until_a_read_of_every_id_misses_it() -> None:
    events = (INSERTED, LATE, DELETED, PURGED)
    before = [window_read(THING, NIGHT_2, None, NIGHT_2)]
    assert _names([*before, window_read(THING, NIGHT_3, None, NIGHT_3)], *events) == [("two", True)]
    assert _names([*before, id_sweep(THING, NIGHT_2)], *events) == [("two", True)]
    assert _names([*before, id_sweep(THING, NIGHT_3)], *events) == []
    assert _names([*before, whole_read(THING, NIGHT_3)], *events) == []
    # A sweep by query sees no deleted records, so that they are absent.
    assert _names([*before, id_sweep(THING, NIGHT_2, "query")], *events) == [("two", True)]
    assert _names([*before, id_sweep(THING, "2026-01-07T02:00:00.001Z", "query")], *events) == []


def test_only_versions_before_the_absence_are_dead_and_only_the_newest_absence_counts() -> None:
    stamp, end = "2026-01-05T09:00:00.000Z", NIGHT_3
    sweep = id_sweep(THING, stamp)
    early = event(INSERT, THING, "A", "2026-01-05T09:00:00.001Z", stamp, Name="early")
    # The version's stamp is not before the absence: it lives.
    assert _names([sweep, window_read(THING, NIGHT_1, None, end)], early) == [("early", False)]
    # Its stamp is before it, but it was read afterwards: it lives.
    sweep = id_sweep(THING, "2026-01-05T09:00:00.200Z")
    assert _names([sweep, window_read(THING, NIGHT_1, None, end)], INSERTED) == [("one", False)]
    # Both before: dead; a newer sweep that has the Id brings it back to life.
    reads = [window_read(THING, NIGHT_1, None, end), id_sweep(THING, NIGHT_2)]
    gone = event(PURGE, THING, "A", "2026-01-06T09:00:00.000Z")
    again = event(INSERT, THING, "A", "2026-01-07T09:00:00.000Z", Name="again")
    assert _names(reads, INSERTED, gone, again) == []
    assert _names([*reads, id_sweep(THING, NIGHT_3)], INSERTED, gone, again) == [("one", False)]


def test_a_read_of_one_object_says_nothing_of_another() -> None:
    reads = [whole_read(THING, NIGHT_1), id_sweep("Biomarker__c", NIGHT_2), id_sweep("Biomarker__c", NIGHT_3)]
    assert _names(reads, INSERTED) == [("one", False)]


def test_a_formula_is_calculated_when_it_is_read() -> None:
    lab = event(INSERT, THING, "A", "2026-01-05T08:00:00.000Z", Segment__c="B")
    capabilities = [
        event(INSERT, CAPABILITY, key, "2026-01-05T09:00:00.000Z", Lab__c=lab_id)
        for key, lab_id in (("C1", "A"), ("C2", "gone"), ("C3", None))
    ]
    moved = event(UPDATE, THING, "A", "2026-01-06T09:00:00.000Z", Segment__c="D")
    in_bin = event(DELETE, THING, "A", "2026-01-06T10:00:00.000Z")
    erased = event(PURGE, THING, "A", "2026-01-07T09:00:00.000Z")
    nights = [whole_read(CAPABILITY, night) for night in (NIGHT_1, NIGHT_2, NIGHT_3)]
    found = list(look([lab, *capabilities, moved, in_bin, erased], nights))
    assert [[row["Lab_Segment__c"] for row in sight.records.values()] for sight in found] == [
        ["B", None, None],
        ["D", None, None],
        [None, None, None],
    ]
    # No SystemModstamp moved, and yet the later read is the newer version.
    current = {str(row["Id"]): row["Lab_Segment__c"] for row in current_records(gather(found[:2]))[CAPABILITY]}
    assert current == {"C1": "D", "C2": None, "C3": None}


@pytest.mark.parametrize("soql", ["SELECT Id FROM Account WHERE Name = 'x'", "…", "SELECT Id, Name"])
def test_a_read_that_is_of_no_known_kind_is_refused(soql: str) -> None:
    read = LoggedRead(7, NIGHT_1, ReadKind.BULK, "queryAll", THING, soql, None, None, "750", 0)
    with pytest.raises(ValueError, match="read 7: got"):
        list(look([INSERTED], [read]))


_KINDS = st.sampled_from([UPDATE, DELETE, UNDELETE, PURGE, INSERT])
_HOURS = st.integers(0, 71)
_STEPS = st.lists(st.tuples(_HOURS, st.sampled_from("ABC"), _KINDS, st.integers(0, 12)), max_size=25)
_READS = st.lists(st.tuples(_HOURS, st.sampled_from(["window", "whole", "ids"]), _HOURS), max_size=10)


def _moment(hour: int, millisecond: int = 0) -> str:
    return f"2026-01-{5 + hour // 24:02}T{hour % 24:02}:00:00.{millisecond:03}Z"


def _history_of(steps: list[tuple[int, str, EventKind, int]]) -> list[Event]:
    """The steps that can follow one another, as events; the last number is how many hours late the commit is."""
    events: list[Event] = []
    there: set[str] = set()
    for number, (hour, key, kind, late) in enumerate(sorted(steps, key=lambda step: step[0])):
        if (key in there) == (kind is INSERT):
            continue
        there ^= {key} if kind in (INSERT, PURGE) else set()
        stamp = _moment(max(0, hour - late), number)
        events.append(event(kind, THING, key, _moment(hour, number), stamp, Name=str(number)))
    return events


def _reads_of(drawn: list[tuple[int, str, int]]) -> list[LoggedRead]:
    makers = {
        "window": lambda at, start: window_read(THING, at, start, at),
        "whole": lambda at, _: whole_read(THING, at),
        "ids": lambda at, _: id_sweep(THING, at),
    }
    return [makers[kind](_moment(hour, 999), _moment(start)) for hour, kind, start in sorted(drawn)]


def _state_at(events: list[Event], moment: str) -> dict[str, dict[str, object]]:
    state: dict[str, dict[str, object]] = {}
    for one in events:
        if one.committed_at <= moment and one.kind is PURGE:
            del state[one.id]
        elif one.committed_at <= moment:
            state[one.id] = {**state.get(one.id, {"Id": one.id}), **one.values}
    return state


@settings(max_examples=40, deadline=None)
@given(_STEPS, _READS)
def test_each_read_shows_the_org_as_it_stood(
    steps: list[tuple[int, str, EventKind, int]], drawn: list[tuple[int, str, int]]
) -> None:
    events, reads = _history_of(steps), _reads_of(drawn)
    for sight in look(events, reads):
        state, read = _state_at(events, sight.read.org_time), sight.read
        if read.window_end is not None:
            low, high = str(read.window_start), read.window_end
            state = {key: row for key, row in state.items() if low <= str(row["SystemModstamp"]) < high}
        assert dict(sight.records) == ({} if read.soql.startswith("SELECT Id FROM") else state)
        assert (None if sight.ids is None else set(sight.ids)) == (None if read.window_end else state.keys())


@settings(max_examples=40, deadline=None)
@given(_STEPS, _READS, st.randoms(use_true_random=False))
def test_order_and_repetition_of_loads_change_nothing(
    steps: list[tuple[int, str, EventKind, int]], drawn: list[tuple[int, str, int]], chance: random.Random
) -> None:
    found = list(look(_history_of(steps), _reads_of(drawn)))
    shuffled = found + chance.sample(found, k=len(found) // 2)
    chance.shuffle(shuffled)
    assert oracle.compare(compute_itg(gather(found)), compute_itg(gather(shuffled))) == []


@settings(max_examples=40, deadline=None)
@given(_STEPS)
def test_a_last_whole_read_makes_itg_the_org(steps: list[tuple[int, str, EventKind, int]]) -> None:
    events = _history_of(steps)
    nights = [whole_read(THING, _moment(hour, 999)) for hour in (20, 40, 80)]
    seen = current_records(gather(look(events, nights)))
    here = _state_at(events, _moment(80, 999))
    # A late commit may put a record's stamp back, and the newest version is the one with the newest stamp.
    assert {str(row["Id"]) for row in seen.get(THING, [])} == here.keys()
    for row in seen.get(THING, []):
        stamp = datetime.fromisoformat(str(row["SystemModstamp"]))
        assert stamp >= datetime.fromisoformat(str(here[str(row["Id"])]["SystemModstamp"]))
