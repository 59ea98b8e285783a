"""The event log: its bytes, and what happens on each day."""

import hashlib
from collections import Counter, defaultdict
from datetime import date

import pytest

from local.salesforce import schema
from local.salesforce.events import Event, EventKind, canonical_line, fold_into
from local.salesforce.generate import generated, resumed_world
from local.salesforce.generate.initial.testing import VOLUMES
from local.salesforce.generate.world import World
from local.salesforce.rows import Row
from tests.local.salesforce.sf_log import DAY_ZERO, LAST_DAY, SCALE, SEED, replayed, smallest_log

# The bytes of this seed and scale on Python 3.11, 3.12 and 3.13: a change of generation is a change of this line.
EXPECTED_SHA256 = "f26e51d6c24abba0bd3cde5e16d219d27c3fb82ae34050c825918105974d4a9d"
_AUDIT = {"LastModifiedDate", "LastModifiedById", "SystemModstamp"}


@pytest.fixture(scope="module")
def log() -> list[Event]:
    return smallest_log()


def _day(event: Event) -> int:
    return (date.fromisoformat(event.committed_at[:10]) - date.fromisoformat(DAY_ZERO)).days


def test_same_seed_same_bytes(log: list[Event]) -> None:
    text = "".join(canonical_line(event) + "\n" for event in log)
    assert hashlib.sha256(text.encode()).hexdigest() == EXPECTED_SHA256


def test_another_seed_makes_another_org(log: list[Event]) -> None:
    others = list(generated(World(SEED + 1, SCALE), 0, 0))
    assert [event.values for event in others] != [event.values for event in log[: len(others)]]


def test_days_made_later_are_the_days_made_at_once(log: list[Event]) -> None:
    first = list(generated(World(SEED, SCALE), 0, 7))
    resumed = resumed_world(SEED, SCALE, first)
    second = list(generated(resumed, 8, 12))
    assert first + second + list(generated(resumed, 13, LAST_DAY)) == log


def test_seq_is_gapless_and_commits_in_order(log: list[Event]) -> None:
    assert [event.seq for event in log] == list(range(1, len(log) + 1))
    commits = [event.committed_at for event in log]
    assert commits == sorted(commits)


def test_versions_of_a_record_rise_and_kinds_follow_the_state(log: list[Event]) -> None:
    for event, before, after in replayed(log):
        assert (before is None) == (event.kind is EventKind.INSERT), event
        if before is not None:
            assert str(before["SystemModstamp"]) < event.system_modstamp <= event.committed_at, event
        if event.kind is EventKind.PURGE:
            assert not event.values
            continue
        assert after["SystemModstamp"] == event.system_modstamp <= event.committed_at
        if before is not None:
            assert any(before[key] != value for key, value in event.values.items() if key not in _AUDIT), event
        if not schema.OBJECTS[event.object].has_is_deleted:
            assert event.kind in (EventKind.INSERT, EventKind.UPDATE)
            continue
        expected = {
            EventKind.INSERT: (None, False),
            EventKind.UPDATE: (False, False),
            EventKind.DELETE: (False, True),
            EventKind.UNDELETE: (True, False),
        }
        assert ((before or {}).get("IsDeleted"), after["IsDeleted"]) == expected[event.kind], event


def test_a_fold_refuses_what_cannot_follow(log: list[Event]) -> None:
    first = log[0]
    records: dict[str, Row] = {}
    update = Event(2, first.object, first.id, EventKind.UPDATE, first.committed_at, first.system_modstamp, {})
    with pytest.raises(ValueError, match="update of"):
        fold_into(records, update)
    fold_into(records, first)
    with pytest.raises(ValueError, match="insert of"):
        fold_into(records, first)
    assert dict(records[first.id]) == {"Id": first.id, **first.values}


def test_what_is_purged_never_comes_back(log: list[Event]) -> None:
    purged: set[str] = set()
    for event in log:
        assert event.id not in purged, event
        if event.kind is EventKind.PURGE:
            purged.add(event.id)
    assert len(purged) > 5 * LAST_DAY


def test_every_day_has_every_kind_of_change(log: list[Event]) -> None:
    kinds: dict[int, set[tuple[str, str]]] = defaultdict(set)
    for event in log:
        kinds[_day(event)].add((event.object, event.kind.value))
    whole = (
        "Account",
        "Testing_Volume__c",
        "Lab_Interaction__c",
        "Lab_HCP_Affiliation__c",
        "Lab_Objective__c",
        "Objective_HCP__c",
    )
    wanted = {(name, kind.value) for name in whole for kind in EventKind}
    wanted |= {("UserTerritory2Association", "insert"), ("UserTerritory2Association", "purge"), ("User", "update")}
    for day in range(LAST_DAY + 1):
        assert wanted <= kinds[day], (day, wanted - kinds[day])
        assert ("Biomarker__c", "update") in kinds[day] or ("Therapeutic_Area__c", "update") in kinds[day]
    changed = {name for day in range(4) for name, _ in kinds[day]}
    assert changed == set(schema.OBJECTS) - {"RecordType"}


def test_late_commits_come_before_the_day_begins(log: list[Event]) -> None:
    late: dict[int, set[str]] = defaultdict(set)
    for event in log:
        if _day(event) < 0:
            continue
        if event.system_modstamp[:10] < event.committed_at[:10]:
            late[_day(event)].add(event.object)
            assert "19:00:00" <= event.system_modstamp[11:19] <= "23:59:59"
            assert "07:00:00" <= event.committed_at[11:19] < "08:00:00"
        else:
            assert "08:00:00" <= event.committed_at[11:19] < "22:00:00"
    assert all(len(late[day]) >= 6 for day in range(LAST_DAY + 1))


def test_a_lab_moves_every_day_and_its_volumes_stay(log: list[Event]) -> None:
    moves: dict[str, int] = defaultdict(int)
    volumes: dict[str, str | None] = {}
    for event, before, after in replayed(log):
        if event.object == "Testing_Volume__c":
            volumes[event.id] = None if after["Lab__c"] is None else str(after["Lab__c"])
        if before is not None and before.get("Country_Code__c") != after.get("Country_Code__c"):
            assert event.kind is EventKind.UPDATE
            assert event.id in volumes.values()
            moves[event.committed_at[:10]] += 1
    assert len(moves) == LAST_DAY + 1


def test_a_formula_changes_every_day_while_its_record_does_not(log: list[Event]) -> None:
    """A lab with capabilities gets another segment: that is the lab's event, and no capability's."""
    labs_of: dict[str, str | None] = {}
    segmented: set[int] = set()
    for event, before, after in replayed(log):
        assert "Lab_Segment__c" not in event.values
        if event.object == "Lab_Capability__c":
            labs_of[event.id] = None if after["Lab__c"] is None else str(after["Lab__c"])
        elif before is not None and "Segment__c" in event.values and event.id in labs_of.values():
            assert before["Segment__c"] != after["Segment__c"]
            segmented.add(_day(event))
    assert segmented >= set(range(LAST_DAY + 1))


def test_most_of_what_is_purged_was_deleted_before_and_every_week_a_lab_is(log: list[Event]) -> None:
    binned: Counter[bool] = Counter()
    lab_days = set()
    for event, before, _ in replayed(log):
        if event.kind is not EventKind.PURGE or before is None or "IsDeleted" not in before:
            continue
        binned[bool(before["IsDeleted"])] += 1
        if before.get("RecordTypeId") == schema.RECORD_TYPE_IDS["Lab"]:
            lab_days.add(_day(event))
    assert binned[True] > binned[False] > LAST_DAY
    assert lab_days >= {3, 10, 17, 24, 31}


def test_a_biomarker_changes_its_area_soon(log: list[Event]) -> None:
    days = [
        e.committed_at[:10]
        for e in log
        if e.object == "Biomarker__c" and e.kind is EventKind.UPDATE and "Therapeutic_Area__c" in e.values
    ]
    assert min(days) <= "2026-01-08"


def test_sizes_are_the_announced_ones_times_the_scale() -> None:
    scale = 0.1
    history = generated(World(SEED, scale), 0, -1)
    counts = Counter(event.object for event in history if event.kind is EventKind.INSERT)
    growing = {
        "Account": 13_320,
        "Testing_Volume__c": 108_000,
        "Lab_Interaction__c": 38_000,
        "Lab_HCP_Affiliation__c": 9_000,
        "Test_Offering__c": 9_000,
        "Lab_Capability__c": 3_600,
        "Lab_Objective__c": 5_000,
        "Objective_HCP__c": 8_000,
        "ObjectTerritory2Association": 4_000,
    }
    assert {name: counts[name] for name in growing} == {name: round(size * scale) for name, size in growing.items()}
    fixed = {"Product__c": 30, "Biomarker__c": 26, "Therapeutic_Area__c": 8, "RecordType": 3}
    assert {name: counts[name] for name in fixed} == fixed
    # Too few would leave a country without users or territories.
    assert counts["User"] == 26 and counts["Territory2"] == 31
    assert World(SEED, 3).count(VOLUMES) == 324_000
