"""The org as generation sees it: the records after the last event, and the way to add another."""

import random
from datetime import datetime, timedelta

from local.salesforce import schema
from local.salesforce.events import Event, EventKind, Record, Value, fold_into
from local.salesforce.fields import SObject
from local.salesforce.ids import make_id
from local.salesforce.times import to_iso

COMMIT_DELAY = timedelta(milliseconds=350)
_PICK_ATTEMPTS = 40
_RECORD_TYPE_NAMES = {record_id: name for name, record_id in schema.RECORD_TYPE_IDS.items()}
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
    """Folded state plus the pools of live and deleted ids; `pending` are events not yet written to the log."""

    def __init__(self, seed: int, scale: float) -> None:
        self.seed = seed
        self.scale = scale
        self.records: dict[str, dict[str, Record]] = {name: {} for name in schema.OBJECTS}
        self.pending: list[Event] = []
        self.last_seq = 0
        self._pools: dict[PoolKey, Pool] = {}

    def rng(self, purpose: str) -> random.Random:
        """A generator of its own per purpose, so that one part's draws never shift another's."""
        return random.Random(f"{self.seed}:{purpose}")

    def count(self, at_full_scale: int) -> int:
        """How many of something at this scale, at least one."""
        return max(1, int(at_full_scale * self.scale + 0.5))

    def next_number(self, object_name: str) -> int:
        """The number of the next record of an object: records are never removed, so their count."""
        return len(self.records[object_name])

    def new_id(self, sobject: SObject, number: int) -> str:
        """The id of record `number` of an object."""
        return make_id(sobject.key_prefix, 40_000 + number)

    def pool(self, object_name: str, record_type: str = "", deleted: bool = False) -> Pool:
        """The ids of one object (accounts: of one record type when live) that are live, or deleted."""
        return self._pools.setdefault((object_name, record_type, deleted), Pool())

    def replay(self, event: Event) -> None:
        """Take over an event that stands in the log already."""
        records = self.records[event.object]
        fold_into(records, event)
        self.last_seq = event.seq
        record = records[event.id]
        live = self.pool(event.object, _RECORD_TYPE_NAMES.get(str(record.get("RecordTypeId")), ""))
        deleted = self.pool(event.object, deleted=True)
        gone = record.get("IsDeleted") is True
        (live.discard if gone else live.add)(event.id)
        (deleted.add if gone else deleted.discard)(event.id)

    def emit(
        self,
        object_name: str,
        record_id: str,
        kind: EventKind,
        stamp: datetime,
        values: dict[str, Value],
        committed_at: datetime | None = None,
    ) -> None:
        """Append one event; visible shortly after `stamp` unless it is a late commit."""
        event = Event(
            self.last_seq + 1,
            object_name,
            record_id,
            kind,
            to_iso(committed_at or stamp + COMMIT_DELAY),
            to_iso(stamp),
            values,
        )
        self.replay(event)
        self.pending.append(event)

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


def audit_of_insert(stamp: datetime, user_id: str, has_is_deleted: bool = True) -> dict[str, Value]:
    """The system fields of a new record."""
    text = to_iso(stamp)
    values: dict[str, Value] = {
        "CreatedDate": text,
        "CreatedById": user_id,
        "LastModifiedDate": text,
        "LastModifiedById": user_id,
        "SystemModstamp": text,
    }
    return {**values, "IsDeleted": False} if has_is_deleted else values


def audit_of_change(stamp: datetime, user_id: str) -> dict[str, Value]:
    """The system fields of a change."""
    text = to_iso(stamp)
    return {"LastModifiedDate": text, "LastModifiedById": user_id, "SystemModstamp": text}
