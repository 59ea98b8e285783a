"""A live org: changes that are prepared, and committed at chosen moments of somebody's reading.

    POST /idiscover/live
    {"object": "Testing_Volume__c", "on": "count", "nth": 2, "changes": [
        {"kind": "update", "records": 3, "modified": ["2026-01-05T00:00:00Z", "2026-01-06T00:00:00Z"]},
        {"kind": "insert", "records": 1, "system_modstamp": "2026-01-05T12:00:00Z"},
        {"kind": "purge", "records": 1}]}

"Just before the second COUNT() of testing volumes is answered, commit these." The moments (`on`) are

- `count`: a REST COUNT() is about to be answered;
- `job`: a Bulk query job is about to look at the org;
- `running`: a job has looked at the org, and is not complete yet;
- `page`: a page of a job's result is about to be sent;
- `now`: at once.

`nth` counts the object's moments from the plan on, 1 unless given. A change is an insert (a copy of another record),
update, delete, undelete or purge of as many `records` as it says (1 unless given), of the plan's object unless it names
its own. Its `system_modstamp` is the moment of the commit unless given: one inside an earlier window makes a late
commit. Which records is drawn from the seed and the plan's number: among those last modified in `modified` (a half-open
pair), where given, or it names them in `ids`. `values` of an update are those given, or what usually changes.

All changes of a plan, the plan's end and the org's clock are one transaction, so a kill -9 leaves all or nothing. The
changes are events in the log like any others. GET tells every plan and what came of it; DELETE forgets the open ones.
"""

import json
import random
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from enum import Enum
from itertools import count

from local.salesforce import schema
from local.salesforce.events import Event, EventKind
from local.salesforce.fields import SObject
from local.salesforce.generate.changes import CHANGES
from local.salesforce.generate.world import audit_of_change, audit_of_insert
from local.salesforce.ids import make_id
from local.salesforce.org import Org, OrgView
from local.salesforce.rows import Row, Value
from local.salesforce.store import Store
from local.salesforce.times import from_iso, to_iso

# Far above the numbers of generated records.
_FIRST_NUMBER = 50_000_000


class Moment(Enum):
    """When a plan's changes are committed."""

    COUNT = "count"
    JOB = "job"
    RUNNING = "running"
    PAGE = "page"
    NOW = "now"


@dataclass(frozen=True)
class Change:
    """One kind of change of some records; times are ISO text with milliseconds."""

    object: str
    kind: EventKind
    records: int = 1
    system_modstamp: str | None = None
    modified: tuple[str, str] | None = None
    ids: tuple[str, ...] = ()
    values: Mapping[str, Value] | None = None

    def to_json(self) -> dict[str, object]:
        """The change as it is kept."""
        return {**asdict(self), "kind": self.kind.value}

    @classmethod
    def from_json(cls, kept: dict[str, object]) -> "Change":
        """A kept change."""
        modified = kept["modified"]
        tuples = {"ids": tuple(kept["ids"]), "modified": None if modified is None else tuple(modified)}  # type: ignore[arg-type]
        return cls(**{**kept, **tuples, "kind": EventKind(kept["kind"])})  # type: ignore[arg-type]


class LiveOrg:
    """Keeps the plans, and commits what is due."""

    def __init__(self, store: Store, org: Org) -> None:
        self._store = store
        self._org = org

    def plan(self, object_name: str, moment: Moment, nth: int, changes: tuple[Change, ...]) -> int:
        """Keep a plan; its number. Raises ValueError for changes that the org as it is could not take."""
        view = self._org.view()
        for change in changes:
            self._check(change, view)
        with self._store.transaction() as connection:
            cursor = connection.execute(
                "INSERT INTO live_plans (object, moment, remaining, changes) VALUES (?, ?, ?, ?)",
                (object_name, moment.value, nth, json.dumps([change.to_json() for change in changes])),
            )
        if moment is Moment.NOW:
            self.reached(moment, object_name)
        return int(cursor.lastrowid or 0)

    def plans(self) -> list[sqlite3.Row]:
        """All plans, in the order of their making; `events` says how many each one committed."""
        return self._store.rows("SELECT * FROM live_plans ORDER BY number")

    def forget(self) -> None:
        """Drop the plans whose moment has not come."""
        self._store.execute("DELETE FROM live_plans WHERE committed_at IS NULL")

    def reached(self, moment: Moment, object_name: str) -> None:
        """Such a moment is there: commit the changes of the plans that were waiting for it."""
        what = (object_name, moment.value)
        waiting = "object = ? AND moment = ? AND committed_at IS NULL"
        if self._store.row(f"SELECT 1 FROM live_plans WHERE {waiting}", what) is None:
            return
        with self._store.transaction() as connection:
            connection.execute(f"UPDATE live_plans SET remaining = remaining - 1 WHERE {waiting}", what)
            due = connection.execute(f"SELECT * FROM live_plans WHERE {waiting} AND remaining <= 0", what).fetchall()
        for row in due:
            self._commit(row)

    def _commit(self, row: sqlite3.Row) -> None:
        def decide(connection: sqlite3.Connection, view: OrgView) -> list[Event]:
            moment = to_iso(view.as_of)
            done = "UPDATE live_plans SET committed_at = ?, events = ? WHERE number = ? AND committed_at IS NULL"
            events = list(self._events(row, view))
            # Another thread may have committed it in the meantime.
            taken = connection.execute(done, (moment, len(events), row["number"])).rowcount == 1
            return events if taken else []

        self._org.change(decide)

    def _events(self, row: sqlite3.Row, view: OrgView) -> Iterator[Event]:
        """The events of a plan. No record is changed twice."""
        rng = random.Random(f"{self._org.seed}:live:{row['number']}")
        numbers = count(self._org.log.last_seq() + 1)
        touched: set[str] = set()
        for kept in json.loads(row["changes"]):
            change = Change.from_json(kept)
            stamp = min(change.system_modstamp or to_iso(view.as_of), to_iso(view.as_of))
            ids = [record_id for record_id in self._candidates(change, view, stamp) if record_id not in touched]
            for record_id in rng.sample(ids, min(change.records, len(ids))):
                seq = next(numbers)
                record = view.records[change.object][record_id]
                if change.kind is EventKind.INSERT:
                    record_id = make_id(schema.OBJECTS[change.object].key_prefix, _FIRST_NUMBER + seq)
                touched.add(record_id)
                values = _values(rng, change, record, stamp, seq)
                yield Event(seq, change.object, record_id, change.kind, to_iso(view.as_of), stamp, values)

    def _candidates(self, change: Change, view: OrgView, stamp: str) -> list[str]:
        """The records that a change can take, without harm to what the log has them do later."""
        ahead = {} if change.kind is EventKind.INSERT else self._org.log.ahead(change.object, to_iso(view.as_of))
        start, end = change.modified or ("", "9")
        wanted = frozenset(change.ids)
        found = []
        for record_id, record in view.records[change.object].items():
            modified = str(record["SystemModstamp"])
            next_stamp = ahead.get(record_id)
            fits = modified < stamp and start <= modified < end and (not wanted or record_id in wanted)
            if fits and _allows(change.kind, record) and _leaves_room(change.kind, stamp, next_stamp):
                found.append(record_id)
        return sorted(found)

    def _check(self, change: Change, view: OrgView) -> None:
        sobject = schema.OBJECTS[change.object]
        if change.kind in (EventKind.DELETE, EventKind.UNDELETE) and not sobject.has_is_deleted:
            raise ValueError(f"{change.object} has no recycle bin; expected insert, update or purge")
        unknown = sorted(set(change.values or ()) - set(sobject.positions))
        if unknown:
            raise ValueError(f"values: {change.object} has no stored field {unknown[0]}")
        now = to_iso(view.as_of)
        if change.system_modstamp is not None and change.system_modstamp > now:
            raise ValueError(f"system_modstamp: got {change.system_modstamp}; expected no later than the org's {now}")
        there = len(self._candidates(change, view, change.system_modstamp or now))
        if there < change.records:
            raise ValueError(f"{change.kind.value} of {change.object}: got {change.records} records; {there} would do")


def _allows(kind: EventKind, record: Row) -> bool:
    binned = record.get("IsDeleted") is True
    if kind is EventKind.PURGE:
        return True
    return binned == (kind is EventKind.UNDELETE)


def _leaves_room(kind: EventKind, stamp: str, next_stamp: str | None) -> bool:
    """Whether what the log has a record do later can still follow: an update before it, and nothing else."""
    return next_stamp is None or (kind is EventKind.UPDATE and stamp < next_stamp)


def _values(rng: random.Random, change: Change, record: Row, stamp: str, seq: int) -> dict[str, Value]:
    sobject = schema.OBJECTS[change.object]
    user = rng.choice(schema.USER_IDS)
    moment = from_iso(stamp)
    if change.kind is EventKind.PURGE:
        return {}
    if change.kind is EventKind.INSERT:
        name = {"Name": f"LIVE-{seq}"} if "Name" in sobject.positions else {}
        return {**record.without_id(), **name, **(change.values or {}), **audit_of_insert(sobject, moment, user)}
    if change.kind is EventKind.UPDATE:
        changed = _changed(rng, sobject, record) if change.values is None else change.values
        return {**changed, **audit_of_change(moment, user)}
    return {"IsDeleted": change.kind is EventKind.DELETE, **audit_of_change(moment, user)}


def _changed(rng: random.Random, sobject: SObject, record: Row) -> Mapping[str, Value]:
    usual = CHANGES.get(sobject.name)
    if usual is not None:
        return usual(rng, record)
    if sobject.has_owner:
        return {"OwnerId": rng.choice([user for user in schema.USER_IDS if user != record["OwnerId"]])}
    return {"Name": f"{str(record['Name'])[:70]} {rng.randrange(1000)}"}
