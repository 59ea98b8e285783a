"""The org's records at its present time, from the event log; and the log's making on first start."""

import gc
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType

from local.salesforce import generate, schema
from local.salesforce.added import AddedObject, keep_object, kept_objects
from local.salesforce.clock import OrgClock
from local.salesforce.events import Event, EventLog, fold_into, insert_events
from local.salesforce.generate.world import World
from local.salesforce.rows import Row
from local.salesforce.store import Store
from local.salesforce.times import day_of, to_iso

DEFAULT_SEED = 20260105
DEFAULT_SCALE = 1.0
DAYS_AHEAD = 60


@dataclass(frozen=True)
class OrgView:
    """All records at one org time. Never changed, so a long read sees one state; `records` is object → id → record."""

    as_of: datetime
    records: Mapping[str, Mapping[str, Row]]


class Org:
    """The simulator's org: opens or makes the log, and keeps the view of now."""

    def __init__(
        self,
        store: Store,
        seed: int | None = None,
        scale: float | None = None,
        clock: Callable[[Store], OrgClock] = OrgClock,
    ) -> None:
        self._store = store
        self.log = EventLog(store)
        self._lock = threading.Lock()
        self.seed, self.scale = _settle(store, seed, scale)
        self.clock = clock(store)
        self._seen = ""
        added = kept_objects(store)
        schema.set_added(item.sobject for item in added)
        self._records: Mapping[str, Mapping[str, Row]] = {
            **{name: {} for name in schema.OBJECTS},
            **{item.sobject.name: item.records for item in added},
        }
        with _collector_paused():
            self._make_log_through(DAYS_AHEAD)
            self._view_to(self.clock.now())

    def view(self) -> OrgView:
        """The org as it is now."""
        with self._lock:
            now = self.clock.now()
            self._view_to(now)
            return OrgView(now, self._records)

    def change(self, decide: Callable[[sqlite3.Connection, OrgView], Iterable[Event]]) -> None:
        """Commit events that `decide` makes of the org as it is; it gets the open transaction and the moment to be.

        Every read before sees none of them, every read after sees all, and its org time says so, over a kill too.
        """
        with self._lock:
            moment = self.clock.step()
            self._view_to(moment - timedelta(milliseconds=1))
            with self._store.transaction() as connection:
                insert_events(connection, decide(connection, OrgView(moment, self._records)))
                self.clock.kept(connection, moment)

    def add(self, item: AddedObject) -> None:
        """Add an object with its records, or replace an added one whole; every read that begins later sees it."""
        with self._lock:
            keep_object(self._store, item)
            others = (one for one in schema.every_object() if one.described and one.name != item.sobject.name)
            schema.set_added([*others, item.sobject])
            self._records = MappingProxyType({**self._records, item.sobject.name: item.records})

    def advance(self, days: int) -> datetime:
        """Move the clock `days` on and make more of the log when it runs out. Raises ValueError for days < 1."""
        with self._lock, _collector_paused():
            self._make_log_through(day_of(self.clock.now()) + days + 1)
            return self.clock.advance(days)

    def _view_to(self, now: datetime) -> None:
        until = to_iso(now)
        if until <= self._seen:
            return
        for _ in self._folded(self.log.between(self._seen, until), until):
            pass

    def _folded(self, events: Iterable[Event], until: str) -> Iterator[Event]:
        """The same events; once they are all taken, the view shows those that are committed by `until`."""
        changed: dict[str, dict[str, Row]] = {}
        for event in events:
            if event.committed_at <= until:
                if event.object not in changed:
                    changed[event.object] = dict(self._records[event.object])
                fold_into(changed[event.object], event)
            yield event
        self._seen = until
        if changed:
            self._records = MappingProxyType({**self._records, **changed})

    def _make_log_through(self, day: int) -> None:
        """Make the log's days up to `day`, if it does not have them: all of them, or none, in one transaction."""
        through = self._store.get_meta("log_through_day")
        if through is None:
            events = generate.generated(World(self.seed, self.scale), 0, day)
            events = self._folded(events, to_iso(self.clock.now()))
        elif day > int(through):
            first, day = int(through) + 1, max(day, int(through) + DAYS_AHEAD)
            world = generate.resumed_world(self.seed, self.scale, self.log.between("", "9"))
            events = generate.generated(world, first, day)
        else:
            return
        settings = {"seed": str(self.seed), "scale": repr(self.scale), "log_through_day": str(day)}
        self.log.append(events, settings)


@contextmanager
def _collector_paused() -> Iterator[None]:
    """No search for cycles: there are none among hundreds of thousands of records, and it takes a third of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _settle(store: Store, seed: int | None, scale: float | None) -> tuple[int, float]:
    """Seed and scale of the state that stands there, or the given ones, or the defaults.

    Raises ValueError for a state that was made with others, or by a simulator that had fewer objects.
    """
    stored_seed, stored_scale = store.get_meta("seed"), store.get_meta("scale")
    if stored_seed is None or stored_scale is None:
        return (DEFAULT_SEED if seed is None else seed, DEFAULT_SCALE if scale is None else float(scale))
    found = (int(stored_seed), float(stored_scale))
    wanted = (found[0] if seed is None else seed, found[1] if scale is None else float(scale))
    if wanted != found:
        raise ValueError(
            f"state directory: got seed and scale {wanted}; expected {found}, with which it was made. "
            "Leave the options out, or take another directory."
        )
    if store.row("SELECT 1 FROM events WHERE object = ? LIMIT 1", (schema.USER.name,)) is None:
        raise ValueError(
            "state directory: its log was made by an older simulator, without users; expected all "
            f"{len(schema.OBJECTS)} objects. Take another directory (a stack: `make reset`)."
        )
    return found
