"""The event log: its bytes, what happens on each day, and the values that hurt."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import date

import pytest

from local.salesforce import schema
from local.salesforce.events import Event, EventKind, Record, canonical_line
from local.salesforce.fields import FieldType
from local.salesforce.generate import generated, resumed_world
from local.salesforce.generate.initial.testing import VOLUMES
from local.salesforce.generate.world import World
from local.salesforce.ids import is_valid

SEED, SCALE, LAST_DAY = 20260105, 0.02, 60
# The bytes of this seed and scale on Python 3.11, 3.12 and 3.13: a change of generation is a change of this line.
EXPECTED_SHA256 = "7071193cf9610b81cc72e7384209ea90572ea47e19a067ff16e90becbe9a1a95"


@pytest.fixture(scope="module")
def log() -> list[Event]:
    return list(generated(World(SEED, SCALE), 0, LAST_DAY))


def _replayed(log: list[Event]) -> Iterator[tuple[Event, Record | None, Record]]:
    """Each event with its record before and after; after a purge, which leaves none, as it was."""
    records: dict[str, Record] = {}
    for event in log:
        before = records.get(event.id)
        after = records[event.id] = {"Id": event.id, **(before or {}), **event.values}
        if event.kind is EventKind.PURGE:
            del records[event.id]
        yield event, before, after


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
    for event, before, after in _replayed(log):
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
        else:
            was, now = (before or {}).get("IsDeleted"), after["IsDeleted"]
            expected = {
                EventKind.INSERT: (None, False),
                EventKind.UPDATE: (False, False),
                EventKind.DELETE: (False, True),
                EventKind.UNDELETE: (True, False),
            }
            assert (was, now) == expected[event.kind], event


_AUDIT = {"LastModifiedDate", "LastModifiedById", "SystemModstamp"}


def test_every_day_has_what_the_platform_must_survive(log: list[Event]) -> None:
    kinds: dict[int, set[tuple[str, str]]] = defaultdict(set)
    late: dict[int, int] = defaultdict(int)
    for event in log:
        day = (date.fromisoformat(event.committed_at[:10]) - date(2026, 1, 5)).days
        if day < 0:
            continue
        kinds[day].add((event.object, event.kind.value))
        if event.system_modstamp[:10] < event.committed_at[:10]:
            late[day] += 1
            assert "19:00:00" <= event.system_modstamp[11:19] <= "23:59:59"
            assert "07:00:00" <= event.committed_at[11:19] < "08:00:00"
        else:
            assert "08:00:00" <= event.committed_at[11:19] < "22:00:00"
    wanted = {(o, k) for o in ("Account", "Testing_Volume__c") for k in ("insert", "update", "delete", "undelete")}
    for day in range(LAST_DAY + 1):
        assert wanted <= kinds[day], day
        assert late[day] >= 1, day
        assert ("Biomarker__c", "update") in kinds[day] or ("Therapeutic_Area__c", "update") in kinds[day]


def test_a_lab_moves_every_day_and_its_volumes_stay(log: list[Event]) -> None:
    moves: dict[str, int] = defaultdict(int)
    volumes: dict[str, str | None] = {}
    for event, before, after in _replayed(log):
        if event.object == "Testing_Volume__c":
            volumes[event.id] = None if after["Lab__c"] is None else str(after["Lab__c"])
        if before is not None and before.get("Country_Code__c") != after.get("Country_Code__c"):
            assert event.kind is EventKind.UPDATE
            assert event.id in volumes.values()
            moves[event.committed_at[:10]] += 1
    assert len(moves) == LAST_DAY + 1


def test_a_biomarker_changes_its_area_soon(log: list[Event]) -> None:
    days = [
        e.committed_at[:10]
        for e in log
        if e.object == "Biomarker__c" and e.kind is EventKind.UPDATE and "Therapeutic_Area__c" in e.values
    ]
    assert min(days) <= "2026-01-08"


def test_values_fit_their_fields(log: list[Event]) -> None:
    for event, _, after in _replayed(log):
        sobject = schema.OBJECTS[event.object]
        assert set(after) == {field.name for field in sobject.stored_fields}, event.object
        assert is_valid(event.id) and event.id.startswith(sobject.key_prefix)
        for field in sobject.stored_fields:
            value = after[field.name]
            assert value != "", f"{field.name}: an empty string is null in Salesforce"
            if value is None:
                assert field.nillable, field.name
            elif field.type is FieldType.DOUBLE:
                assert isinstance(value, (int, float)) and round(value, field.scale) == value
            elif field.length:
                assert isinstance(value, str) and len(value) <= field.length, field.name
            if field.type is FieldType.REFERENCE and value is not None:
                assert is_valid(str(value))


def test_values_that_hurt_are_there_at_the_smallest_scale(log: list[Event]) -> None:
    initial = [e for e in log if e.committed_at < "2026-01-05" and e.kind is EventKind.INSERT]
    accounts = [e.values for e in initial if e.object == "Account"]
    names = [str(values["Name"]) for values in accounts]
    for piece in ("\n", '"', ",", "\x00", "ห", "检", "\t", "\\", "🧬"):
        assert any(piece in name for name in names), repr(piece)
    assert {"NA", "null"} <= set(names)
    assert any(name != name.strip() for name in names)
    assert max(len(name) for name in names) == 255
    assert {None, "DE", "FR", "GB", "JP", "TH", "CN"} <= {values["Country_Code__c"] for values in accounts}
    volumes = [e.values for e in initial if e.object == "Testing_Volume__c"]
    assert any(values["Lab__c"] is None for values in volumes)
    for name in ("Eligible_Patients__c", "Tested_Patients__c", "Positive_Patients__c", "Median_TAT_Days__c"):
        assert any(values[name] is None for values in volumes), name
    assert any(values["Eligible_Patients__c"] == 0 for values in volumes)


def test_counts_are_plausible(log: list[Event]) -> None:
    for event in log:
        if event.object != "Testing_Volume__c" or event.kind is not EventKind.INSERT:
            continue
        eligible, tested, positive = (
            event.values[f"{name}_Patients__c"] for name in ("Eligible", "Tested", "Positive")
        )
        assert isinstance(eligible, (int, type(None))) and isinstance(tested, (int, type(None)))
        assert (tested or 0) <= (eligible or 0)
        assert isinstance(positive, (int, type(None))) and (positive or 0) <= (tested or 0)
        assert str(event.values["Month__c"]).endswith("-01")


def test_sizes_are_the_announced_ones_times_the_scale() -> None:
    scale = 0.1
    world = World(SEED, scale)
    first_day = [event for event in generated(world, 0, 0) if event.committed_at < "2026-01-05"]
    counts = Counter(event.object for event in first_day if event.kind is EventKind.INSERT)
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
