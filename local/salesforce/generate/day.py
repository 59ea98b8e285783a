"""One day of the org: what its people did, what was committed late, and what was removed for good."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from local.salesforce import schema
from local.salesforce.events import Event, EventKind, Record, Value
from local.salesforce.fields import SObject
from local.salesforce.generate.changes import CHANGES
from local.salesforce.generate.newcomers import NEWCOMERS, Scene
from local.salesforce.generate.records import field_force
from local.salesforce.generate.records.common import other
from local.salesforce.generate.vocabulary import COUNTRIES
from local.salesforce.generate.world import Pool, World, audit_of_change, audit_of_insert, with_owner
from local.salesforce.schema.accounts import SEGMENTS
from local.salesforce.times import at, to_iso

DAY_STARTS_SECONDS, DAY_ENDS_SECONDS = 8 * 3600, 22 * 3600 - 60
LATE_STAMPED_FROM_SECONDS, LATE_STAMPED_UNTIL_SECONDS = 19 * 3600, 24 * 3600
LATE_COMMITTED_FROM_SECONDS, LATE_COMMITTED_UNTIL_SECONDS = 7 * 3600, 8 * 3600
ACCOUNT, VOLUME, BIOMARKER, AREA, PRODUCT = (
    schema.ACCOUNT,
    schema.TESTING_VOLUME,
    schema.BIOMARKER,
    schema.THERAPEUTIC_AREA,
    schema.PRODUCT,
)
COMMIT_DELAY = timedelta(milliseconds=350)
_MOVE_ATTEMPTS = 200
_FEWEST_LABS = 12


@dataclass(frozen=True)
class Habits:
    """What happens to an object on a day at scale 1; whatever is not 0 happens at least once at any scale."""

    inserts: int = 0
    updates: int = 0
    deletes: int = 0
    undeletes: int = 0
    purges: int = 0
    late_inserts: int = 0
    late_updates: int = 0
    late_deletes: int = 0


HABITS: Mapping[str, Habits] = {
    schema.ACCOUNT.name: Habits(20, 110, 10, 4, 3, late_updates=8),
    schema.TESTING_VOLUME.name: Habits(180, 400, 40, 20, 15, 15, 50, 5),
    schema.LAB_INTERACTION.name: Habits(100, 80, 12, 5, 5, 15, 10),
    schema.TEST_OFFERING.name: Habits(12, 50, 6, 3, 2, late_updates=3),
    schema.LAB_CAPABILITY.name: Habits(6, 30, 4, 2, 2, late_updates=2),
    schema.LAB_HCP_AFFILIATION.name: Habits(15, 40, 7, 3, 3, late_inserts=2),
    schema.LAB_OBJECTIVE.name: Habits(12, 90, 6, 3, 2, late_updates=5),
    schema.OBJECTIVE_HCP.name: Habits(15, 5, 5, 2, 2, late_inserts=2),
    schema.OBJECT_TERRITORY_ASSOCIATION.name: Habits(8, 8, 5, 2, 2, late_inserts=1),
    schema.USER_TERRITORY_ASSOCIATION.name: Habits(3, 3, purges=2),
    schema.USER.name: Habits(updates=4),
}
# A record may be undeleted and another purged on the same day, so at least two are deleted, and two made.
_FEWEST = 2


def _changed_objective_hcp(scene: Scene, record: Record) -> dict[str, Value]:
    person = scene.one(ACCOUNT, "HCP")
    return {} if person is None or person["Id"] == record["HCP__c"] else {"HCP__c": person["Id"]}


_ACCOUNT_GROUPS = ("Lab", "HCO", "HCP")
_USER_GROUPS = (field_force.HEADQUARTERS, *COUNTRIES)
_CHILDREN_OF_LABS = frozenset(
    item.name for item in (VOLUME, schema.LAB_INTERACTION, schema.TEST_OFFERING, schema.LAB_OBJECTIVE)
)


class _Day:
    """One day's draws; every action takes (stamp, committed_at or None)."""

    def __init__(self, world: World, day: int) -> None:
        self.world = world
        self.day = day
        self.rng = world.rng(f"day:{day}")

    def inserted(self, sobject: SObject, stamp: datetime, committed_at: datetime | None = None) -> None:
        """A new record."""
        number = self.world.next_number(sobject.name)
        made = NEWCOMERS[sobject.name](Scene(self.world, self.rng, stamp), number)
        if made is None:
            return
        values, country = made
        record_id = self.world.new_id(sobject, number)
        owned = with_owner(sobject, values, self.world.owner(self.rng, country))
        whole = {**owned, **audit_of_insert(sobject, stamp, self.rng.choice(schema.USER_IDS))}
        self._emit(sobject, record_id, EventKind.INSERT, stamp, whole, committed_at)

    def updated(self, sobject: SObject, stamp: datetime, committed_at: datetime | None = None) -> None:
        """An ordinary change; now and then the record gets another owner, or turns out to be another lab's."""
        record = self._pick(self._some_pool(sobject), sobject, stamp)
        if record is None:
            return
        values = self._changed_belonging(sobject, record, stamp)
        if not values:
            change = CHANGES.get(sobject.name)
            scene = Scene(self.world, self.rng, stamp)
            values = _changed_objective_hcp(scene, record) if change is None else change(self.rng, record)
        # A name or place may be drawn that the record has already.
        if any(record[name] != value for name, value in values.items()):
            self._change(sobject, record, EventKind.UPDATE, stamp, values, committed_at)

    def deleted(self, sobject: SObject, stamp: datetime, committed_at: datetime | None = None) -> None:
        """A record (an account: a professional) goes to the recycle bin; what belongs to it stays as it is."""
        self._bin(sobject, "HCP" if sobject is ACCOUNT else "", stamp, committed_at)

    def lab_deleted(self, stamp: datetime, committed_at: datetime | None = None) -> None:
        """A lab goes to the recycle bin, unless there are few."""
        if self._has_labs_to_spare():
            self._bin(ACCOUNT, "Lab", stamp, committed_at)

    def undeleted(self, sobject: SObject, stamp: datetime, committed_at: datetime | None = None) -> None:
        """A record comes back."""
        record = self._pick(self.world.pool(sobject.name, deleted=True), sobject, stamp)
        if record is not None:
            self._change(sobject, record, EventKind.UNDELETE, stamp, {"IsDeleted": False}, committed_at)

    def purged(self, sobject: SObject, stamp: datetime, committed_at: datetime | None = None) -> None:
        """A record is removed for good: mostly one from the recycle bin, where the object has one; every week a lab."""
        group = "HCP" if sobject is ACCOUNT else ""
        if sobject is ACCOUNT and self.day % 7 == 3 and self._has_labs_to_spare():
            group = "Lab"
        binned = self.world.pool(sobject.name, deleted=True)
        # The last one in the bin is left to be undeleted.
        direct = len(binned.ids) < 2 or self.rng.randrange(4) == 0 or group == "Lab"
        record = self._pick(self.world.pool(sobject.name, group) if direct else binned, sobject, stamp)
        if record is not None:
            self._emit(sobject, str(record["Id"]), EventKind.PURGE, stamp, {}, committed_at)

    def lab_moved(self, stamp: datetime, committed_at: datetime | None = None) -> None:
        """A lab that has volumes gets another country; what belongs to it is not touched."""
        lab = self._parent_lab(VOLUME, stamp)
        others = [item for item in COUNTRIES if item != lab["Country_Code__c"]]
        losing = lab["Country_Code__c"] is not None and self.rng.randrange(12) == 0
        country = None if losing and self.day % 5 == 4 else self.rng.choice(others)
        self._change(ACCOUNT, lab, EventKind.UPDATE, stamp, {"Country_Code__c": country}, committed_at)

    def lab_segmented(self, stamp: datetime, committed_at: datetime | None = None) -> None:
        """A lab that has capabilities gets another segment, which they show by a formula and are not touched."""
        lab = self._parent_lab(schema.LAB_CAPABILITY, stamp)
        segment = other(self.rng, (*SEGMENTS, None), lab["Segment__c"])
        self._change(ACCOUNT, lab, EventKind.UPDATE, stamp, {"Segment__c": segment}, committed_at)

    def reference_changed(self, stamp: datetime, committed_at: datetime | None = None) -> None:
        """In turn: a biomarker gets another area (days 0, 4 …), another indication, an area another name."""
        turn = self.day % 4
        sobject = AREA if turn == 2 else BIOMARKER
        record = self._pick(self.world.pool(sobject.name), sobject, stamp)
        if record is None:
            return
        if turn in (0, 3):
            areas = [item for item in self.world.pool(AREA.name).ids if item != record["Therapeutic_Area__c"]]
            values: dict[str, Value] = {"Therapeutic_Area__c": self.rng.choice(areas)}
        elif turn == 1:
            values = {"Indication__c": f"Indication as of day {self.day}"}
        else:
            values = {"Name": f"{str(record['Name'])[:60]} ({self.day})"}
        self._change(sobject, record, EventKind.UPDATE, stamp, values, committed_at)

    def product_changed(self, stamp: datetime, committed_at: datetime | None = None) -> None:
        """In turn: a product is put elsewhere in lists, becomes a biomarker's, is deleted, comes back."""
        turn = self.day % 4
        if turn == 1:
            self._companion_changed(stamp, committed_at)
        elif turn == 2:
            self.deleted(PRODUCT, stamp, committed_at)
        elif turn == 3:
            self.undeleted(PRODUCT, stamp, committed_at)
        else:
            record = self._pick(self.world.pool(PRODUCT.name), PRODUCT, stamp)
            if record is not None:
                values: dict[str, Value] = {
                    "Order__c": 100 + self.day,
                    "Is_Active__c": record["Is_Active__c"] is not True,
                }
                self._change(PRODUCT, record, EventKind.UPDATE, stamp, values, committed_at)

    def force_changed(self, stamp: datetime, committed_at: datetime | None = None) -> None:
        """In turn: a territory is described anew, a user joins, a territory is opened, closed, opened again."""
        turn = self.day % 8
        if turn in (1, 5):
            self.inserted(schema.USER, stamp, committed_at)
        elif turn == 2:
            self.inserted(schema.TERRITORY, stamp, committed_at)
        elif turn == 3:
            self.deleted(schema.TERRITORY, stamp, committed_at)
        elif turn == 6:
            self.undeleted(schema.TERRITORY, stamp, committed_at)
        else:
            self.updated(schema.TERRITORY, stamp, committed_at)

    def _companion_changed(self, stamp: datetime, committed_at: datetime | None) -> None:
        record = self._pick(self.world.pool(BIOMARKER.name), BIOMARKER, stamp)
        product = self._pick(self.world.pool(PRODUCT.name), PRODUCT, stamp)
        if record is not None and product is not None and record["Product__c"] != product["Id"]:
            values: dict[str, Value] = {"Product__c": product["Id"], "Is_Companion_Diagnostic__c": True}
            self._change(BIOMARKER, record, EventKind.UPDATE, stamp, values, committed_at)

    def _bin(self, sobject: SObject, group: str, stamp: datetime, committed_at: datetime | None) -> None:
        record = self._pick(self.world.pool(sobject.name, group), sobject, stamp)
        if record is not None:
            self._change(sobject, record, EventKind.DELETE, stamp, {"IsDeleted": True}, committed_at)

    def _has_labs_to_spare(self) -> bool:
        return len(self.world.pool(ACCOUNT.name, "Lab").ids) > _FEWEST_LABS

    def _changed_belonging(self, sobject: SObject, record: Record, stamp: datetime) -> dict[str, Value]:
        """Another lab for one child of a lab in twenty, another owner for one record in twenty; mostly nothing."""
        turn = self.rng.randrange(20)
        if turn == 0 and sobject.name in _CHILDREN_OF_LABS:
            lab = self._pick(self.world.pool(ACCOUNT.name, "Lab"), ACCOUNT, stamp)
            return {} if lab is None or lab["Id"] == record["Lab__c"] else {"Lab__c": lab["Id"]}
        if turn == 1 and sobject.has_owner:
            owner = self.world.owner(self.rng, self.rng.choice(COUNTRIES))
            return {} if owner == record["OwnerId"] else {"OwnerId": owner}
        return {}

    def _parent_lab(self, child: SObject, stamp: datetime) -> Record:
        """A live lab, not changed since `stamp`, of a live child. Raises ValueError when there is none."""
        labs, children = self.world.records[ACCOUNT.name], self.world.pool(child.name)
        lab_type = schema.RECORD_TYPE_IDS["Lab"]
        for _ in range(_MOVE_ATTEMPTS):
            record = self._pick(children, child, stamp + timedelta(days=1))
            lab = None if record is None or record["Lab__c"] is None else labs.get(str(record["Lab__c"]))
            if lab is None or lab["IsDeleted"] is not False or lab["RecordTypeId"] != lab_type:
                continue
            if str(lab["SystemModstamp"]) < to_iso(stamp):
                return lab
        raise ValueError(f"day {self.day}: no live lab with a {child.name}; expected a larger scale")

    def _some_pool(self, sobject: SObject) -> Pool:
        groups = {ACCOUNT.name: _ACCOUNT_GROUPS, schema.USER.name: _USER_GROUPS}.get(sobject.name)
        return self.world.pool(sobject.name, self.rng.choice(groups) if groups else "")

    def _pick(self, pool: Pool, sobject: SObject, before: datetime) -> Record | None:
        return self.world.pick(self.rng, pool, sobject.name, before)

    def _change(
        self,
        sobject: SObject,
        record: Record,
        kind: EventKind,
        stamp: datetime,
        values: dict[str, Value],
        committed_at: datetime | None,
    ) -> None:
        changed = {**values, **audit_of_change(stamp, self.rng.choice(schema.USER_IDS))}
        self._emit(sobject, str(record["Id"]), kind, stamp, changed, committed_at)

    def _emit(
        self,
        sobject: SObject,
        record_id: str,
        kind: EventKind,
        stamp: datetime,
        values: dict[str, Value],
        committed_at: datetime | None,
    ) -> None:
        visible = to_iso(committed_at or stamp + COMMIT_DELAY)
        self.world.emit(sobject.name, record_id, kind, to_iso(stamp), values, visible)


Action = Callable[[datetime, datetime | None], None]


def generate_day(world: World, day: int) -> list[Event]:
    """The events that become visible on an org day: the late ones of the evening before, then the day's own."""
    today = _Day(world, day)
    late = _late_actions(today)
    commits = _seconds(today.rng, len(late), LATE_COMMITTED_FROM_SECONDS, LATE_COMMITTED_UNTIL_SECONDS)
    for action, commit_seconds in zip(late, commits, strict=True):
        stamped = today.rng.randrange(LATE_STAMPED_FROM_SECONDS, LATE_STAMPED_UNTIL_SECONDS)
        action(at(day - 1, stamped), at(day, commit_seconds))
    actions = _actions(today)
    today.rng.shuffle(actions)
    for action, seconds in zip(
        actions, _seconds(today.rng, len(actions), DAY_STARTS_SECONDS, DAY_ENDS_SECONDS), strict=True
    ):
        action(at(day, seconds), None)
    return world.take()


def _late_actions(today: _Day) -> list[Action]:
    late: list[Action] = []
    for name, habits in HABITS.items():
        sobject = schema.OBJECTS[name]
        late += _times(today, partial(today.inserted, sobject), habits.late_inserts)
        late += _times(today, partial(today.updated, sobject), habits.late_updates)
        late += _times(today, partial(today.deleted, sobject), habits.late_deletes)
    return late


def _actions(today: _Day) -> list[Action]:
    actions: list[Action] = [today.reference_changed, today.product_changed, today.force_changed]
    actions += _times(today, today.lab_moved, 4)
    actions += _times(today, today.lab_segmented, 10)
    if today.day % 3 == 1:
        actions += _times(today, today.lab_deleted, 3)
    for name, habits in HABITS.items():
        sobject = schema.OBJECTS[name]
        actions += _times(today, partial(today.inserted, sobject), habits.inserts, _FEWEST)
        actions += _times(today, partial(today.updated, sobject), habits.updates)
        actions += _times(today, partial(today.deleted, sobject), habits.deletes, _FEWEST)
        actions += _times(today, partial(today.undeleted, sobject), habits.undeletes)
        actions += _times(today, partial(today.purged, sobject), habits.purges)
    return actions


def _times(today: _Day, action: Action, at_full_scale: int, at_least: int = 1) -> list[Action]:
    return [action] * max(at_least, today.world.count(at_full_scale)) if at_full_scale else []


def _seconds(rng: random.Random, count: int, start: int, end: int) -> list[int]:
    return sorted(rng.randrange(start, end) for _ in range(count))
