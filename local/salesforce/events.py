"""The event log: what happened to each record, and when that became visible."""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from local.salesforce.store import Store, read_only

Value = str | int | float | bool | None
Record = dict[str, Value]


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


def fold_into(records: dict[str, Record], event: Event) -> None:
    """Apply one event to the records of its object; a record is replaced, never changed in place.

    Raises ValueError for an event that cannot follow what came before it.
    """
    current = records.get(event.id)
    if (current is None) != (event.kind is EventKind.INSERT):
        raise ValueError(f"event {event.seq}: {event.kind.value} of {event.id}, which exists: {current is not None}")
    if event.kind is EventKind.PURGE:
        del records[event.id]
        return
    records[event.id] = {**(current or {"Id": event.id}), **event.values}


def _from_row(row: sqlite3.Row) -> Event:
    return Event(
        row["seq"],
        row["object"],
        row["id"],
        EventKind(row["kind"]),
        row["committed_at"],
        row["system_modstamp"],
        json.loads(row["values"]),
    )


class EventLog:
    """The log in the store; written by generation, read in seq order."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def append(self, events: Iterable[Event], meta: Mapping[str, str]) -> None:
        """Write events and settings in one transaction."""
        rows = (
            (e.seq, e.object, e.id, e.kind.value, e.committed_at, e.system_modstamp, canonical_values(e.values))
            for e in events
        )
        with self._store.transaction() as connection:
            connection.executemany("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
            connection.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", list(meta.items()))

    def between(self, after: str, until: str) -> list[Event]:
        """Events with after < committed_at <= until, in seq order."""
        rows = self._store.rows(
            "SELECT * FROM events WHERE committed_at > ? AND committed_at <= ? ORDER BY seq", (after, until)
        )
        return [_from_row(row) for row in rows]


def iter_events(state_dir: Path, object_name: str | None = None) -> Iterator[Event]:
    """Every event in a simulator's state, in seq order, the future ones too; of one object if named.

    Raises FileNotFoundError when no simulator was ever started there.
    """
    with read_only(state_dir) as connection:
        sql = "SELECT * FROM events WHERE ? IS NULL OR object = ? ORDER BY seq"
        for row in connection.execute(sql, (object_name, object_name)):
            yield _from_row(row)
