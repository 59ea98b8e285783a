"""One day of the org: what its people did, and what was committed late."""

import random
from collections.abc import Callable
from datetime import datetime, timedelta

from local.salesforce import schema
from local.salesforce.events import EventKind, Record, Value
from local.salesforce.fields import SObject
from local.salesforce.generate import records as make
from local.salesforce.generate.vocabulary import COUNTRIES
from local.salesforce.generate.world import (
    Pool,
    World,
    audit_of_change,
    audit_of_insert,
)
from local.salesforce.times import at, month_start, to_iso

DAY_STARTS_SECONDS, DAY_ENDS_SECONDS = 8 * 3600, 22 * 3600 - 60
LATE_STAMPED_FROM_SECONDS, LATE_STAMPED_UNTIL_SECONDS = 19 * 3600, 24 * 3600
LATE_COMMITTED_FROM_SECONDS, LATE_COMMITTED_UNTIL_SECONDS = 7 * 3600, 8 * 3600
ACCOUNT, VOLUME, BIOMARKER, AREA = (
    schema.ACCOUNT.name,
    schema.TESTING_VOLUME.name,
    schema.BIOMARKER.name,
    schema.THERAPEUTIC_AREA.name,
)
_ACCOUNT_KINDS = ("Lab", "HCO", "HCP", "HCP", "HCP", "Lab")


class _Day:
    """One day's draws; every action is a method (stamp, committed_at or None)."""

    def __init__(self, world: World, day: int) -> None:
        self.world = world
        self.day = day
        self.rng = world.rng(f"day:{day}")

    def volume_inserted(self, stamp: datetime, committed_at: datetime | None = None) -> None:
        """A lab reports a month, mostly the last one."""
        lab = self._pick(self.world.pool(ACCOUNT, "Lab"), ACCOUNT, stamp)
        marker = self._pick(self.world.pool(BIOMARKER), BIOMARKER, stamp)
        if lab is None or marker is None:
            return
        back = 1 if self.rng.random() < 0.7 else self.rng.randrange(1, 18)
        number = self.world.next_number(VOLUME)
        month = month_start(stamp.date(), back)
        values = make.new_volume(self.rng, number, str(lab["Id"]), str(marker["Id"]), month)
        self._insert(schema.TESTING_VOLUME, stamp, values, committed_at)

    def volume_updated(self, stamp: datetime, committed_at: datetime | None = None) -> None:
        """A lab corrects its counts; now and then the month turns out to be another lab's."""
        record = self._pick(self.world.pool(VOLUME), VOLUME, stamp)
        if record is None:
            return
        lab = self._pick(self.world.pool(ACCOUNT, "Lab"), ACCOUNT, stamp)
        if lab is not None and lab["Id"] != record["Lab__c"] and self.rng.randrange(20) == 0:
            self._change(VOLUME, record, EventKind.UPDATE, stamp, {"Lab__c": lab["Id"]}, committed_at)
        else:
            values = make.changed_volume(self.rng, record)
            self._change(VOLUME, record, EventKind.UPDATE, stamp, values, committed_at)

    def volume_deleted(self, stamp: datetime, committed_at: datetime | None = None) -> None:
        """A month goes to the recycle bin."""
        self._bin(self.world.pool(VOLUME), VOLUME, EventKind.DELETE, stamp, committed_at)

    def volume_undeleted(self, stamp: datetime, committed_at: datetime | None = None) -> None:
        """A month comes back."""
        self._bin(self.world.pool(VOLUME, deleted=True), VOLUME, EventKind.UNDELETE, stamp, committed_at)

    def account_inserted(self, stamp: datetime, committed_at: datetime | None = None) -> None:
        """A new lab, organisation or professional."""
        number = self.world.next_number(ACCOUNT)
        kind = _ACCOUNT_KINDS[number % len(_ACCOUNT_KINDS)]
        if kind == "HCO":
            values = make.new_hospital(self.rng, number)
        else:
            parent = self._pick(self.world.pool(ACCOUNT, "HCO" if kind == "Lab" else "Lab"), ACCOUNT, stamp)
            parent_id = None if parent is None else str(parent["Id"])
            values = (make.new_lab if kind == "Lab" else make.new_professional)(self.rng, number, parent_id)
        self._insert(schema.ACCOUNT, stamp, values, committed_at)

    def account_updated(self, stamp: datetime, committed_at: datetime | None = None) -> None:
        """An ordinary change of an account."""
        record = self._pick(self.world.pool(ACCOUNT, self.rng.choice(("Lab", "HCO", "HCP"))), ACCOUNT, stamp)
        if record is not None:
            values = make.changed_account(self.rng, record)
            self._change(ACCOUNT, record, EventKind.UPDATE, stamp, values, committed_at)

    def account_deleted(self, stamp: datetime, committed_at: datetime | None = None) -> None:
        """A professional, or every third day a lab, goes to the recycle bin; its volumes stay as they are."""
        pool = self.world.pool(ACCOUNT, "Lab" if self.day % 3 == 1 else "HCP")
        self._bin(pool, ACCOUNT, EventKind.DELETE, stamp, committed_at)

    def account_undeleted(self, stamp: datetime, committed_at: datetime | None = None) -> None:
        """An account comes back."""
        self._bin(self.world.pool(ACCOUNT, deleted=True), ACCOUNT, EventKind.UNDELETE, stamp, committed_at)

    def lab_moved(self, stamp: datetime, committed_at: datetime | None = None) -> None:
        """A lab that has volumes gets another country; the volumes are not touched."""
        labs, volumes = self.world.records[ACCOUNT], self.world.pool(VOLUME)
        for _ in range(200):
            volume = self._pick(volumes, VOLUME, stamp + timedelta(days=1))
            lab = None if volume is None or volume["Lab__c"] is None else labs[str(volume["Lab__c"])]
            if lab is not None and lab["IsDeleted"] is False and str(lab["SystemModstamp"]) < to_iso(stamp):
                self._move(lab, stamp, committed_at)
                return
        raise ValueError(f"day {self.day}: no live lab with volumes to move; expected a larger scale")

    def reference_changed(self, stamp: datetime, committed_at: datetime | None = None) -> None:
        """In turn: a biomarker gets another area (days 0, 4 …), another indication, an area another name."""
        turn = self.day % 4
        name = AREA if turn == 2 else BIOMARKER
        record = self._pick(self.world.pool(name), name, stamp)
        if record is None:
            return
        if turn in (0, 3):
            areas = [item for item in self.world.pool(AREA).ids if item != record["Therapeutic_Area__c"]]
            values: dict[str, Value] = {"Therapeutic_Area__c": self.rng.choice(areas)}
        elif turn == 1:
            values = {"Indication__c": f'Reviewed {stamp:%Y-%m-%d}, "line {self.rng.randrange(1, 4)}"'}
        else:
            values = {"Name": f"{str(record['Name']).split(' (')[0]} ({stamp:%d.%m.%Y})"}
        self._change(name, record, EventKind.UPDATE, stamp, values, committed_at)

    def _move(self, lab: Record, stamp: datetime, committed_at: datetime | None) -> None:
        others = [item for item in COUNTRIES if item != lab["Country_Code__c"]]
        losing = lab["Country_Code__c"] is not None and self.rng.randrange(12) == 0
        country = None if losing and self.day % 5 == 4 else self.rng.choice(others)
        self._change(ACCOUNT, lab, EventKind.UPDATE, stamp, {"Country_Code__c": country}, committed_at)

    def _pick(self, pool: Pool, object_name: str, before: datetime) -> Record | None:
        return self.world.pick(self.rng, pool, object_name, before)

    def _bin(
        self, pool: Pool, object_name: str, kind: EventKind, stamp: datetime, committed_at: datetime | None
    ) -> None:
        record = self._pick(pool, object_name, stamp)
        if record is not None:
            self._change(object_name, record, kind, stamp, {"IsDeleted": kind is EventKind.DELETE}, committed_at)

    def _insert(
        self, sobject: SObject, stamp: datetime, values: dict[str, Value], committed_at: datetime | None
    ) -> None:
        record_id = self.world.new_id(sobject, self.world.next_number(sobject.name))
        whole = {**values, **audit_of_insert(stamp, self.rng.choice(schema.USER_IDS))}
        self.world.emit(sobject.name, record_id, EventKind.INSERT, stamp, whole, committed_at)

    def _change(
        self,
        object_name: str,
        record: Record,
        kind: EventKind,
        stamp: datetime,
        values: dict[str, Value],
        committed_at: datetime | None,
    ) -> None:
        changed = {**values, **audit_of_change(stamp, self.rng.choice(schema.USER_IDS))}
        self.world.emit(object_name, str(record["Id"]), kind, stamp, changed, committed_at)


Action = Callable[[datetime, datetime | None], None]


def generate_day(world: World, day: int) -> None:
    """Add the events that become visible on an org day: the late ones of the evening before, then the day's own."""
    today = _Day(world, day)
    late = _repeated(
        world,
        ((today.volume_inserted, 5), (today.volume_updated, 20), (today.account_updated, 3), (today.volume_deleted, 2)),
    )
    commits = _seconds(today.rng, len(late), LATE_COMMITTED_FROM_SECONDS, LATE_COMMITTED_UNTIL_SECONDS)
    for action, commit_seconds in zip(late, commits, strict=True):
        stamped = today.rng.randrange(LATE_STAMPED_FROM_SECONDS, LATE_STAMPED_UNTIL_SECONDS)
        action(at(day - 1, stamped), at(day, commit_seconds))
    actions = _repeated(
        world,
        (
            (today.account_inserted, 6),
            (today.account_updated, 60),
            (today.account_deleted, 4),
            (today.account_undeleted, 2),
            (today.lab_moved, 2),
            (today.reference_changed, 1),
            (today.volume_inserted, 60),
            (today.volume_updated, 300),
            (today.volume_deleted, 15),
            (today.volume_undeleted, 8),
        ),
    )
    today.rng.shuffle(actions)
    for action, seconds in zip(
        actions, _seconds(today.rng, len(actions), DAY_STARTS_SECONDS, DAY_ENDS_SECONDS), strict=True
    ):
        action(at(day, seconds), None)


def _repeated(world: World, counts: tuple[tuple[Action, int], ...]) -> list[Action]:
    return [action for action, count in counts for _ in range(world.count(count))]


def _seconds(rng: random.Random, count: int, start: int, end: int) -> list[int]:
    return sorted(rng.randrange(start, end) for _ in range(count))
