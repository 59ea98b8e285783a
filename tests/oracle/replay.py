"""What the platform has seen: the event log, looked at through the logged reads.

`look` says what each read brought. `gather` takes what any of them brought, in any order: what itg has to be depends on
that set alone, so a test may gather the reads that were loaded so far.
"""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from local.salesforce.events import Event, iter_events
from local.salesforce.request_log import LoggedRead, ReadKind, iter_reads
from tests.oracle.org_state import OrgState, instant
from tests.oracle.shapes import Row

_QUERY = re.compile(r"SELECT (?P<columns>.+?) FROM (?P<object>\w+)(?P<rest>.*)", re.DOTALL | re.IGNORECASE)
_LISTED = re.compile(r"(\w+) IN \(('[^)]*)\)")


@dataclass(frozen=True)
class Sight:
    """What one read brought: records by Id, and, if it read every Id, which there were."""

    read: LoggedRead
    records: Mapping[str, Row]
    ids: Collection[str] | None


class Version(NamedTuple):
    """One record as one read brought it, Salesforce's field names; the later of two is the newer."""

    system_modstamp: datetime
    read_at: datetime
    read_seq: int
    record: Row


@dataclass
class Seen:
    """Everything that some reads brought: per object and Id every version, and the newest read of every Id."""

    versions: dict[str, dict[str, list[Version]]] = field(default_factory=lambda: defaultdict(dict))
    newest_ids: dict[str, Sight] = field(default_factory=dict)


def bulk_reads(state_dir: Path, as_of_date: date, ignored_jobs: Collection[str] = ()) -> list[LoggedRead]:
    """The Bulk reads that became batches, made up to the day after order date `as_of_date`."""
    last = (as_of_date + timedelta(days=2)).isoformat()
    return [
        read
        for read in iter_reads(state_dir)
        if read.kind is ReadKind.BULK and read.job_id not in ignored_jobs and read.org_time < last
    ]


def look_at_state(state_dir: Path, reads: Iterable[LoggedRead]) -> Iterator[Sight]:
    """What each read of a simulator's state brought."""
    return look(iter_events(state_dir), reads)


def look(events: Iterable[Event], reads: Iterable[LoggedRead]) -> Iterator[Sight]:
    """Replays events up to each read's org time, and tells what the read brought; reads in the order of time.

    Events are in the order of their commits; those after the last read are not asked for.
    Raises ValueError for a read that is neither of a window, nor whole, nor of every Id.
    """
    state = OrgState()
    pending = iter(events)
    event = next(pending, None)
    for read in sorted(reads, key=_time_of):
        while event is not None and event.committed_at <= read.org_time:
            state.apply(event)
            event = next(pending, None)
        yield _sight(read, state)


def _time_of(read: LoggedRead) -> tuple[str, int]:
    return read.org_time, read.seq


def _sight(read: LoggedRead, state: OrgState) -> Sight:
    query = _QUERY.fullmatch(read.soql)
    if query is None:
        raise ValueError(f"read {read.seq}: got {read.soql!r}; expected SELECT … FROM …")
    if "where" not in query["rest"].lower().split():
        return _sight_of_all(read, state, query["columns"].strip().lower() == "id")
    if read.window_start is None and read.window_end is None:
        raise ValueError(f"read {read.seq}: got a WHERE without a window of SystemModstamp in {read.soql!r}")
    start, end = (None if text is None else instant(text) for text in (read.window_start, read.window_end))
    records = _picked(query["rest"], state.between(read.object, start, end))
    return Sight(read, _shown(read, records), None)


def _picked(rest: str, records: Mapping[str, Row]) -> Mapping[str, Row]:
    """Those that a list of texts (`Country_Code__c IN ('DE', 'GB')`) beside the window lets through."""
    for name, listed in _LISTED.findall(rest):
        texts = {text.strip().strip("'") for text in listed.split(",")}
        records = {key: record for key, record in records.items() if record.get(name) in texts}
    return records


def _sight_of_all(read: LoggedRead, state: OrgState, only_ids: bool) -> Sight:
    if only_ids and read.operation == "queryAll":
        return Sight(read, {}, state.ids(read.object))
    records = _shown(read, state.all(read.object))
    return Sight(read, {} if only_ids else records, records.keys())


def _shown(read: LoggedRead, records: Mapping[str, Row]) -> Mapping[str, Row]:
    """queryAll shows deleted records, query does not."""
    if read.operation == "queryAll":
        return records
    return {key: record for key, record in records.items() if record.get("IsDeleted") is not True}


def gather(sights: Iterable[Sight]) -> Seen:
    """Everything that these reads brought; neither their order nor a repetition matters."""
    seen = Seen()
    gathered: set[int] = set()
    for sight in sights:
        read = sight.read
        if read.seq in gathered:
            continue
        gathered.add(read.seq)
        newest = seen.newest_ids.get(read.object)
        if sight.ids is not None and (newest is None or _time_of(newest.read) < _time_of(read)):
            seen.newest_ids[read.object] = sight
        versions, read_at = seen.versions[read.object], instant(read.org_time)
        for record_id, record in sight.records.items():
            stamp = instant(str(record["SystemModstamp"]))
            versions.setdefault(record_id, []).append(Version(stamp, read_at, read.seq, record))
    return seen


def current_records(seen: Seen) -> dict[str, list[Row]]:
    """Per object the records that itg holds, each at its newest version that is not dead."""
    return {name: list(_living(versions, seen.newest_ids.get(name))) for name, versions in seen.versions.items()}


def _living(versions: Mapping[str, list[Version]], newest_ids: Sight | None) -> Iterator[Row]:
    for record_id, of_record in versions.items():
        living = of_record
        if newest_ids is not None and newest_ids.ids is not None and record_id not in newest_ids.ids:
            absent_at = instant(newest_ids.read.org_time)
            living = [v for v in of_record if not (v.system_modstamp < absent_at and v.read_at < absent_at)]
        if living:
            yield max(living, key=lambda version: version[:3]).record
