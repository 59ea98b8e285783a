"""What the platform has seen: the event log, looked at through the logged reads."""

from collections.abc import Collection
from datetime import date, timedelta
from pathlib import Path

from local.salesforce.events import Event, EventKind, iter_events
from local.salesforce.request_log import LoggedRead, ReadKind, iter_reads
from tests.oracle.shapes import Row

Seen = dict[str, dict[str, tuple[tuple[str, str], Row]]]


def seen_records(state_dir: Path, as_of_date: date, ignored_jobs: Collection[str] = ()) -> dict[str, list[Row]]:
    """Per object, the newest version of each record that any Bulk read has shown, with Salesforce's field names."""
    last = (as_of_date + timedelta(days=2)).isoformat()
    reads = [
        read
        for read in iter_reads(state_dir)
        if read.kind is ReadKind.BULK and read.job_id not in ignored_jobs and read.org_time < last
    ]
    seen = look(list(iter_events(state_dir)), reads)
    return {name: [row for _, row in found.values()] for name, found in seen.items()}


def look(events: list[Event], reads: list[LoggedRead]) -> Seen:
    """Replay events up to each read's org time, and take what its window shows."""
    states: dict[str, dict[str, Row]] = {}
    seen: Seen = {}
    position = 0
    for read in sorted(reads, key=lambda item: (item.org_time, item.seq)):
        # Events are in seq order, and their commits never go back.
        while position < len(events) and events[position].committed_at <= read.org_time:
            _apply(states, events[position])
            position += 1
        _take(read, states.get(read.object, {}), seen.setdefault(read.object, {}))
    return seen


def _apply(states: dict[str, dict[str, Row]], event: Event) -> None:
    records = states.setdefault(event.object, {})
    before: Row = {"Id": event.id} if event.kind is EventKind.INSERT else records[event.id]
    records[event.id] = {**before, **event.values}


def _take(read: LoggedRead, records: dict[str, Row], seen: dict[str, tuple[tuple[str, str], Row]]) -> None:
    for record_id, record in records.items():
        stamp = str(record["SystemModstamp"])
        # Without the Z, text of any number of decimals orders as time does.
        if read.window_start is not None and stamp.rstrip("Z") < read.window_start.rstrip("Z"):
            continue
        if read.window_end is not None and stamp.rstrip("Z") >= read.window_end.rstrip("Z"):
            continue
        if record.get("IsDeleted") is True and read.operation != "queryAll":
            continue
        version = (stamp, read.org_time)
        if record_id not in seen or version >= seen[record_id][0]:
            seen[record_id] = (version, record)
