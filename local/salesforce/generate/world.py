"""The org as generation sees it: the records after the last event, and the way to add another."""

import random
from collections import Counter
from collections.abc import Mapping
from datetime import datetime

from local.salesforce import schema
from local.salesforce.events import Event, EventKind, Record, Value, fold_into
from local.salesforce.fields import SObject
from local.salesforce.generate.records.field_force import HEADQUARTERS
from local.salesforce.ids import make_id
from local.salesforce.rows import Row
from local.salesforce.times import to_iso

_PICK_ATTEMPTS = 40
_RECORD_TYPE_NAMES: Mapping[object, str] = {record_id: name for name, record_id in schema.RECORD_TYPE_IDS.items()}
PoolKey = tuple[str, str, bool]


class Pool:
    """Ids to draw from; the order depends on nothing but the sequence of additions and removals."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self._positions: dict[str, int] = {}

    def add(self, record_id: str) -> None:
        """Add an id; once more changes nothing."""
        if record_id not in self._positions:
            self._positions[record_id] = len(self.ids)
            self.ids.append(record_id)

    def discard(self, record_id: str) -> None:
        """Remove an id by moving the last one into its place."""
        position = self._positions.pop(record_id, None)
        if position is None:
            return
        last = self.ids.pop()
        if last != record_id:
            self.ids[position] = last
            self._positions[last] = position


class World:
    """Folded state plus the pools of live and deleted ids, and the events that nobody has taken yet."""

    def __init__(self, seed: int, scale: float) -> None:
        self.seed = seed
        self.scale = scale
        self.records: dict[str, dict[str, Row]] = {name: {} for name in schema.OBJECTS}
        self._pending: list[Event] = []
        self.last_seq = 0
        self._pools: dict[PoolKey, Pool] = {}
        self._numbers: Counter[str] = Counter()

    def rng(self, purpose: str) -> random.Random:
        """A generator of its own per purpose, so that one part's draws never shift another's."""
        return random.Random(f"{self.seed}:{purpose}")

    def count(self, at_full_scale: int) -> int:
        """How many of something at this scale, at least one."""
        return max(1, int(at_full_scale * self.scale + 0.5))

    def next_number(self, object_name: str) -> int:
        """The number of the next record of an object: how many were ever made, those that are gone included."""
        return self._numbers[object_name]

    def new_id(self, sobject: SObject, number: int) -> str:
        """The id of record `number` of an object."""
        return schema.user_id(number) if sobject is schema.USER else make_id(sobject.key_prefix, 40_000 + number)

    def pool(self, object_name: str, group: str = "", deleted: bool = False) -> Pool:
        """The ids of one object that are live, or deleted; live accounts by record type, users by division."""
        key = (object_name, group, deleted)
        found = self._pools.get(key)
        if found is None:
            found = self._pools[key] = Pool()
        return found

    def owner(self, rng: random.Random, country: Value) -> str:
        """Someone who looks after a country; of the headquarters where it has nobody."""
        ids = self.pool(schema.USER.name, str(country)).ids or self.pool(schema.USER.name, HEADQUARTERS).ids
        return ids[rng.randrange(len(ids))]

    def replay(self, event: Event) -> None:
        """Take over an event that stands in the log already."""
        records = self.records[event.object]
        before = records.get(event.id)
        fold_into(records, event)
        self.last_seq = max(self.last_seq, event.seq)
        if event.kind is EventKind.INSERT:
            self._numbers[event.object] += 1
        elif event.kind is EventKind.UPDATE:
            return
        record = records.get(event.id) or before or {}
        live = self.pool(event.object, _group(event.object, record))
        deleted = self.pool(event.object, deleted=True)
        if event.kind is EventKind.PURGE:
            live.discard(event.id)
            deleted.discard(event.id)
            return
        gone = record.get("IsDeleted") is True
        (live.discard if gone else live.add)(event.id)
        (deleted.add if gone else deleted.discard)(event.id)

    def emit(
        self,
        object_name: str,
        record_id: str,
        kind: EventKind,
        stamp: str,
        values: Mapping[str, Value],
        committed_at: str,
    ) -> None:
        """Add one event; times are ISO text."""
        event = Event(self.last_seq + 1, object_name, record_id, kind, committed_at, stamp, values)
        self.replay(event)
        self._pending.append(event)

    def take(self) -> list[Event]:
        """The events since this was last asked for."""
        taken, self._pending = self._pending, []
        return taken

    def pick(self, rng: random.Random, pool: Pool, object_name: str, before: datetime) -> Record | None:
        """A record last changed before an instant, so that versions of one record rise; None when there is none."""
        if not pool.ids:
            return None
        records, limit = self.records[object_name], to_iso(before)
        for _ in range(_PICK_ATTEMPTS):
            record = records[pool.ids[rng.randrange(len(pool.ids))]]
            if str(record["SystemModstamp"]) < limit:
                return record
        return next((records[i] for i in pool.ids if str(records[i]["SystemModstamp"]) < limit), None)


def _group(object_name: str, record: Record) -> str:
    if object_name == schema.ACCOUNT.name:
        return _RECORD_TYPE_NAMES[record["RecordTypeId"]]
    return str(record["Division"]) if object_name == schema.USER.name else ""


def with_owner(sobject: SObject, values: dict[str, Value], owner_id: str) -> dict[str, Value]:
    """The values with an OwnerId, where records of the object have one."""
    return {**values, "OwnerId": owner_id} if sobject.has_owner else values


def audit_of_insert(sobject: SObject, stamp: datetime, user_id: str) -> dict[str, Value]:
    """The system fields of a new record."""
    text = to_iso(stamp)
    values: dict[str, Value] = {
        "CreatedDate": text,
        "CreatedById": user_id,
        "LastModifiedDate": text,
        "LastModifiedById": user_id,
        "SystemModstamp": text,
    }
    return {**values, "IsDeleted": False} if sobject.has_is_deleted else values


def audit_of_change(stamp: datetime, user_id: str) -> dict[str, Value]:
    """The system fields of a change."""
    text = to_iso(stamp)
    return {"LastModifiedDate": text, "LastModifiedById": user_id, "SystemModstamp": text}
