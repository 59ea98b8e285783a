"""Events of the past, planned in any order of time and then emitted in the order of time."""

import random
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta

from local.salesforce import schema
from local.salesforce.events import Event, EventKind, Record
from local.salesforce.fields import SObject
from local.salesforce.generate.world import World, audit_of_change, audit_of_insert, with_owner
from local.salesforce.rows import Row, Value
from local.salesforce.times import from_iso

HISTORY_ENDS = datetime(2026, 1, 4, 18, 0, tzinfo=UTC)
Change = Callable[[random.Random, Record], dict[str, Value]]


# One event to be: when (ISO text), in what order it was planned, object, id, kind, values (a row: of a new record).
_Planned = tuple[str, int, str, str, EventKind, Mapping[str, Value]]


class History:
    """Collects planned events."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._planned: list[_Planned] = []
        self._numbers: dict[str, int] = {}

    def next_number(self, sobject: SObject) -> int:
        """The number the next record of the object will get."""
        return self._numbers.get(sobject.name, 0)

    def insert(
        self, sobject: SObject, stamp: datetime, values: dict[str, Value], owner_id: str = "", record_id: str = ""
    ) -> Record:
        """Plan a new record, made by its owner where a person owns it; returns it with its id."""
        number = self.next_number(sobject)
        self._numbers[sobject.name] = number + 1
        clerk = schema.USER_IDS[number % len(schema.USER_IDS)]
        owner_id = owner_id or clerk
        user = owner_id if owner_id.startswith(schema.USER.key_prefix) else clerk
        whole = {**with_owner(sobject, values, owner_id), **audit_of_insert(sobject, stamp, user)}
        new_id = record_id or self.world.new_id(sobject, number)
        row = Row.of(sobject, new_id, whole)
        self._plan(sobject.name, new_id, EventKind.INSERT, row)
        return row

    def follow(
        self, object_name: str, record: Record, kind: EventKind, stamp: datetime, values: dict[str, Value]
    ) -> Record:
        """Plan a later change of a planned record; returns it as changed."""
        user = schema.USER_IDS[sum(str(record["Id"]).encode("ascii")) % len(schema.USER_IDS)]
        changed = {**values, **audit_of_change(stamp, user)}
        self._plan(object_name, str(record["Id"]), kind, changed)
        return {**record, **changed}

    def live_on(
        self, rng: random.Random, sobject: SObject, record: Record, change: Change | None, deleted: bool
    ) -> bool:
        """One in ten is changed before day 0; a deleted one sometimes comes back. Whether it ends up deleted."""
        start = from_iso(str(record["CreatedDate"])) + timedelta(minutes=5)
        if change is not None and rng.randrange(10) == 0 and start < HISTORY_ENDS:
            stamp = between(rng, start, HISTORY_ENDS)
            record = self.follow(sobject.name, record, EventKind.UPDATE, stamp, change(rng, record))
            start = stamp + timedelta(minutes=5)
        if not deleted or start >= HISTORY_ENDS:
            return False
        gone = between(rng, start, HISTORY_ENDS)
        self.follow(sobject.name, record, EventKind.DELETE, gone, {"IsDeleted": True})
        if rng.randrange(6) > 0:
            return True
        self.follow(sobject.name, record, EventKind.UNDELETE, gone + timedelta(minutes=30), {"IsDeleted": False})
        return False

    def emit_all(self) -> Iterator[Event]:
        """Hand everything to the world in the order of time, let go of it, and pass the events on."""
        planned, self._planned = sorted(self._planned, reverse=True), []
        while planned:
            stamp, _, object_name, record_id, kind, values = planned.pop()
            values = values.without_id() if isinstance(values, Row) else values
            self.world.emit(object_name, record_id, kind, stamp, values, committed_at=stamp)
            yield from self.world.take()

    def _plan(self, object_name: str, record_id: str, kind: EventKind, values: Mapping[str, Value]) -> None:
        stamp = str(values["SystemModstamp"])
        self._planned.append((stamp, len(self._planned), object_name, record_id, kind, values))


def between(rng: random.Random, start: datetime, end: datetime) -> datetime:
    """A whole second, start <= second < end."""
    return start + timedelta(seconds=rng.randrange(int((end - start).total_seconds())))
