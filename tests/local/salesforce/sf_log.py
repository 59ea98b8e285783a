"""The event log of the smallest org, and its records event by event."""

from collections.abc import Iterator
from functools import lru_cache

from local.salesforce.events import Event, EventKind, Record
from local.salesforce.generate import generated
from local.salesforce.generate.world import World

SEED, SCALE, LAST_DAY = 20260105, 0.02, 60
DAY_ZERO = "2026-01-05"


@lru_cache(maxsize=1)
def smallest_log() -> list[Event]:
    """All events of the smallest org to its last day, for reading only."""
    return list(generated(World(SEED, SCALE), 0, LAST_DAY))


def replayed(log: list[Event]) -> Iterator[tuple[Event, Record | None, Record]]:
    """Each event with its record before and after; after a purge, which leaves none, as it was."""
    records: dict[str, Record] = {}
    for event in log:
        before = records.get(event.id)
        after = records[event.id] = {"Id": event.id, **(before or {}), **event.values}
        if event.kind is EventKind.PURGE:
            del records[event.id]
        yield event, before, after
