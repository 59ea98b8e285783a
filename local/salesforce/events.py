"""The event log: what happened to each record, and when that became visible."""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from sys import intern

from local.salesforce import schema
from local.salesforce.rows import Row, Value
from local.salesforce.store import Store, read_only

Record = Mapping[str, Value]
_ID_LENGTH, _TIME_LENGTH = 18, 24
_SHARED_LENGTHS = frozenset({_ID_LENGTH, _TIME_LENGTH})


class EventKind(Enum):
    """What an event does. How each changes the state is `fold_into`'s to say."""

    INSERT = "insert"
    UPDATE = "update"
    DELETE = "delete"
    UNDELETE = "undelete"
    PURGE = "purge"


@dataclass(frozen=True)
class Event:
    """One change of one record.

    `values` holds every field that changed, SystemModstamp and IsDeleted among them (an insert: all fields but Id and
    formulas). A purge has none: the record is gone from query and queryAll, and never comes back.
    `committed_at` is when readers see it; a late commit's `system_modstamp` lies hours before that.
    """

    seq: int
    object: str
    id: str
    kind: EventKind
    committed_at: str
    system_modstamp: str
    values: Mapping[str, Value]


# Sorted keys, no spaces, ASCII: one text per value.
_canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode


def canonical_values(values: Mapping[str, Value]) -> str:
    """The one JSON text of a mapping."""
    return _canonical(values)


def canonical_line(event: Event) -> str:
    """The event as one line of JSON, the same bytes on every Python."""
    fields = {
        "seq": event.seq,
        "object": event.object,
        "id": event.id,
        "kind": event.kind.value,
        "committed_at": event.committed_at,
        "system_modstamp": event.system_modstamp,
        "values": dict(event.values),
    }
    return _canonical(fields)


def fold_into(records: dict[str, Row], event: Event) -> None:
    """Apply one event to the records of its object; a record is replaced, never changed in place.

    Raises ValueError for an event that cannot follow what came before it.
    """
    current = records.get(event.id)
    if (current is None) != (event.kind is EventKind.INSERT):
        raise ValueError(f"event {event.seq}: {event.kind.value} of {event.id}, which exists: {current is not None}")
    if event.kind is EventKind.PURGE:
        del records[event.id]
    elif current is None:
        records[event.id] = Row.of(schema.OBJECTS[event.object], event.id, event.values)
    else:
        records[event.id] = current.changed(event.values)


def _decoded(text: str) -> dict[str, Value]:
    """A mapping from its JSON text; names, ids and times are kept once, however many records have them."""
    return {
        intern(name): intern(value) if type(value) is str and len(value) in _SHARED_LENGTHS else value
        for name, value in json.loads(text).items()
    }


def _from_row(row: sqlite3.Row) -> Event:
    return Event(
        row["seq"],
        intern(row["object"]),
        intern(row["id"]),
        EventKind(row["kind"]),
        row["committed_at"],
        row["system_modstamp"],
        _decoded(row["values"]),
    )


# Generated events have rising numbers; those of a live org (`live`) were numbered later than some that lie ahead.
_ORDER = "ORDER BY committed_at, seq"


def insert_events(connection: sqlite3.Connection, events: Iterable[Event]) -> None:
    """Write events in the transaction at hand."""
    rows = (
        (e.seq, e.object, e.id, e.kind.value, e.committed_at, e.system_modstamp, canonical_values(e.values))
        for e in events
    )
    connection.executemany("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?)", rows)


class EventLog:
    """The log in the store; written by generation and by a live org, read in the order of commits."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def append(self, events: Iterable[Event], meta: Mapping[str, str]) -> None:
        """Write events and settings in one transaction."""
        with self._store.transaction() as connection:
            insert_events(connection, events)
            connection.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", list(meta.items()))

    def ahead(self, object_name: str, after: str) -> dict[str, str]:
        """The records of an object that events committed later will change, with the earliest of their stamps."""
        sql = (
            "SELECT id, min(system_modstamp) AS stamp FROM events INDEXED BY events_committed "
            "WHERE committed_at > ? AND object = ? GROUP BY id"
        )
        return {row["id"]: row["stamp"] for row in self._store.rows(sql, (after, object_name))}

    def last_seq(self) -> int:
        """The number of the event that was written last."""
        found = self._store.row("SELECT max(seq) AS seq FROM events")
        return 0 if found is None else int(found["seq"])

    def between(self, after: str, until: str) -> Iterator[Event]:
        """Events with after < committed_at <= until, in the order of commits."""
        sql = f"SELECT * FROM events WHERE committed_at > ? AND committed_at <= ? {_ORDER}"
        for row in self._store.each(sql, (after, until)):
            yield _from_row(row)


def iter_events(state_dir: Path, object_name: str | None = None) -> Iterator[Event]:
    """Every event in a simulator's state, in the order of commits, the future ones too; of one object if named.

    Raises FileNotFoundError when no simulator was ever started there.
    """
    with read_only(state_dir) as connection:
        sql = f"SELECT * FROM events WHERE ? IS NULL OR object = ? {_ORDER}"
        for row in connection.execute(sql, (object_name, object_name)):
            yield _from_row(row)
