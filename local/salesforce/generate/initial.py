"""The org's history before day 0: who was created when, and what changed since."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from local.salesforce import schema
from local.salesforce.events import EventKind, Record, Value
from local.salesforce.fields import SObject
from local.salesforce.generate import records as make
from local.salesforce.generate.vocabulary import BIOMARKERS, THERAPEUTIC_AREAS
from local.salesforce.generate.world import World, audit_of_change, audit_of_insert
from local.salesforce.times import ORG_DAY_ZERO, from_iso, month_start

LABS, HOSPITALS, PROFESSIONALS, VOLUMES = 600, 60, 3000, 30_000
VOLUME_MONTHS = 18
_FIRST_DAY = datetime(2023, 1, 2, 9, 0, tzinfo=UTC)
_HISTORY_ENDS = datetime(2026, 1, 4, 18, 0, tzinfo=UTC)
Change = Callable[[random.Random, Record], dict[str, Value]]


@dataclass(frozen=True)
class _Planned:
    """One event to be, ordered by when it happens and then by when it was planned."""

    stamp: datetime
    order: int
    object: str
    id: str
    kind: EventKind
    values: dict[str, Value]


class _History:
    """Collects planned events in any order of time, then emits them in the order of time."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._planned: list[_Planned] = []
        self._numbers: dict[str, int] = {}

    def next_number(self, sobject: SObject) -> int:
        """The number the next record of the object will get."""
        return self._numbers.get(sobject.name, 0)

    def insert(self, sobject: SObject, stamp: datetime, values: dict[str, Value], record_id: str = "") -> Record:
        """Plan a new record; returns it with its id."""
        number = self.next_number(sobject)
        self._numbers[sobject.name] = number + 1
        user = schema.USER_IDS[number % len(schema.USER_IDS)]
        whole = {**values, **audit_of_insert(stamp, user, sobject.has_is_deleted)}
        new_id = record_id or self.world.new_id(sobject, number)
        self._plan(sobject.name, new_id, EventKind.INSERT, stamp, whole)
        return {"Id": new_id, **whole}

    def follow(
        self, object_name: str, record: Record, kind: EventKind, stamp: datetime, values: dict[str, Value]
    ) -> Record:
        """Plan a later change of a planned record; returns it as changed."""
        user = schema.USER_IDS[self._user_turn(record) % len(schema.USER_IDS)]
        changed = {**values, **audit_of_change(stamp, user)}
        self._plan(object_name, str(record["Id"]), kind, stamp, changed)
        return {**record, **changed}

    def emit_all(self) -> None:
        """Hand everything to the world in the order of time."""
        for item in sorted(self._planned, key=lambda planned: (planned.stamp, planned.order)):
            self.world.emit(item.object, item.id, item.kind, item.stamp, item.values, committed_at=item.stamp)

    def _plan(
        self, object_name: str, record_id: str, kind: EventKind, stamp: datetime, values: dict[str, Value]
    ) -> None:
        self._planned.append(_Planned(stamp, len(self._planned), object_name, record_id, kind, values))

    @staticmethod
    def _user_turn(record: Record) -> int:
        return sum(str(record["Id"]).encode("ascii"))


def generate_initial(world: World) -> None:
    """Everything from 2023 to the evening before day 0."""
    history = _History(world)
    biomarkers = _reference_data(history)
    labs = _accounts(history)
    _volumes(history, labs, biomarkers)
    history.emit_all()


def _reference_data(history: _History) -> list[str]:
    for i, name in enumerate(schema.RECORD_TYPES):
        values: dict[str, Value] = {
            "Name": name,
            "DeveloperName": name,
            "NamespacePrefix": None,
            "Description": None,
            "SobjectType": "Account",
            "IsActive": True,
        }
        history.insert(schema.RECORD_TYPE, _FIRST_DAY + timedelta(seconds=i), values, schema.RECORD_TYPE_IDS[name])
    owner = schema.USER_IDS[0]
    areas = []
    for i, name in enumerate(THERAPEUTIC_AREAS):
        stamp = _FIRST_DAY + timedelta(days=1, seconds=i)
        areas.append(history.insert(schema.THERAPEUTIC_AREA, stamp, {"Name": name, "OwnerId": owner})["Id"])
    ids = []
    for i, (name, area, indication, companion) in enumerate((*BIOMARKERS, ("Test marker, ignore", 0, None, False))):
        values = {
            "Name": name,
            "OwnerId": owner,
            "Therapeutic_Area__c": None if area is None else areas[area],
            "Indication__c": indication,
            "Is_Companion_Diagnostic__c": companion,
        }
        record = history.insert(schema.BIOMARKER, _FIRST_DAY + timedelta(days=2, minutes=i), values)
        ids.append(str(record["Id"]))
    deleted = ids.pop()
    history.follow(
        schema.BIOMARKER.name, {"Id": deleted}, EventKind.DELETE, _FIRST_DAY + timedelta(days=9), {"IsDeleted": True}
    )
    return ids


def _between(rng: random.Random, start: datetime, end: datetime) -> datetime:
    return start + timedelta(seconds=rng.randrange(int((end - start).total_seconds())))


def _accounts(history: _History) -> list[str]:
    world = history.world
    rng = world.rng("initial:accounts")
    hospitals = []
    for number in range(max(3, world.count(HOSPITALS))):
        stamp = _between(rng, datetime(2023, 1, 10, tzinfo=UTC), datetime(2023, 6, 1, tzinfo=UTC))
        hospitals.append(history.insert(schema.ACCOUNT, stamp, make.new_hospital(rng, number)))
    labs = []
    for number in range(max(12, world.count(LABS))):
        stamp = _between(rng, datetime(2023, 6, 1, tzinfo=UTC), datetime(2024, 6, 1, tzinfo=UTC))
        parent = str(rng.choice(hospitals)["Id"]) if rng.random() < 0.6 else None
        labs.append(history.insert(schema.ACCOUNT, stamp, make.new_lab(rng, number, parent)))
    people = []
    for number in range(max(12, world.count(PROFESSIONALS))):
        stamp = _between(rng, datetime(2024, 7, 1, tzinfo=UTC), datetime(2026, 1, 3, tzinfo=UTC))
        parent = str(rng.choice(labs)["Id"]) if rng.random() < 0.7 else None
        people.append(history.insert(schema.ACCOUNT, stamp, make.new_professional(rng, number, parent)))
    later = world.rng("initial:accounts:later")
    for number, record in enumerate((*hospitals, *labs, *people)):
        _live_on(history, later, schema.ACCOUNT.name, record, make.changed_account, number % 90 == 44)
    return [str(lab["Id"]) for lab in labs]


def _live_on(
    history: _History, rng: random.Random, object_name: str, record: Record, change: Change, deleted: bool
) -> None:
    """One in ten is changed before day 0; a deleted one sometimes comes back."""
    start = from_iso(str(record["CreatedDate"])) + timedelta(minutes=5)
    if rng.randrange(10) == 0:
        stamp = _between(rng, start, _HISTORY_ENDS)
        record = history.follow(object_name, record, EventKind.UPDATE, stamp, change(rng, record))
        start = stamp + timedelta(minutes=5)
    if deleted and start < _HISTORY_ENDS:
        gone = _between(rng, start, _HISTORY_ENDS)
        history.follow(object_name, record, EventKind.DELETE, gone, {"IsDeleted": True})
        if rng.randrange(6) == 0:
            back = gone + timedelta(minutes=30)
            history.follow(object_name, record, EventKind.UNDELETE, back, {"IsDeleted": False})


def _volumes(history: _History, labs: list[str], biomarkers: list[str]) -> None:
    world = history.world
    rng = world.rng("initial:volumes")
    later = world.rng("initial:volumes:later")
    slots = _volume_slots(rng, labs, biomarkers, world.count(VOLUMES))
    for number, (lab_id, biomarker_id, month) in enumerate(slots):
        reported = datetime(month.year, month.month, 1, 8, tzinfo=UTC) + timedelta(days=33)
        stamp = min(
            _between(rng, reported, reported + timedelta(days=20)),
            _between(rng, _HISTORY_ENDS - timedelta(days=3), _HISTORY_ENDS - timedelta(hours=1)),
        )
        values = make.new_volume(rng, number, lab_id, biomarker_id, month)
        record = history.insert(schema.TESTING_VOLUME, stamp, values)
        _live_on(history, later, schema.TESTING_VOLUME.name, record, make.changed_volume, number % 80 == 9)


def _volume_slots(
    rng: random.Random, labs: list[str], biomarkers: list[str], wanted: int
) -> list[tuple[str, str, date]]:
    """`wanted` different (lab, biomarker, month): a lab reports a handful of markers, with gaps, over 18 months."""
    slots: list[tuple[str, str, date]] = []
    taken: dict[tuple[str, str], None] = {}
    turn = 0
    while len(slots) < wanted:
        lab_id = labs[turn % len(labs)]
        turn += 1
        biomarker_id = rng.choice(biomarkers)
        if (lab_id, biomarker_id) in taken:
            continue
        taken[lab_id, biomarker_id] = None
        first = rng.randrange(VOLUME_MONTHS // 2)
        for back in range(VOLUME_MONTHS - first, 0, -1):
            if rng.random() < 0.9:
                slots.append((lab_id, biomarker_id, month_start(ORG_DAY_ZERO, back)))
    return slots[:wanted]
