"""The org's records at one moment, moved on event by event; found by SystemModstamp without looking at all of them."""

import sys
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime

from local.salesforce.events import Event, EventKind
from tests.oracle.shapes import Row

_CAPABILITY = "Lab_Capability__c"
# The one formula field of the org: Lab__r.Segment__c. It stands in no event, for nobody ever writes it.
FORMULA, _FORMULA_SOURCE = "Lab_Segment__c", "Segment__c"


def instant(text: str) -> datetime:
    """The moment of an ISO text with any number of decimals."""
    return datetime.fromisoformat(text)


class OrgState:
    """All records, as events up to some moment left them."""

    def __init__(self) -> None:
        self._records: dict[str, dict[str, Row]] = defaultdict(dict)
        self._by_stamp: dict[str, list[tuple[datetime, str]]] = defaultdict(list)
        self._calculated: dict[str, tuple[Row, Row]] = {}

    def apply(self, event: Event) -> None:
        """Change one record; a record is replaced, never changed in place. Raises KeyError if it is not there."""
        records = self._records[event.object]
        if event.kind is EventKind.PURGE:
            del records[event.id]
            return
        before: Row = {"Id": event.id} if event.kind is EventKind.INSERT else records[event.id]
        changed = {sys.intern(name): value for name, value in event.values.items()}
        records[event.id] = {**before, **changed}
        self._by_stamp[event.object].append((instant(str(records[event.id]["SystemModstamp"])), event.id))

    def all(self, object_name: str) -> Mapping[str, Row]:
        """Every record of an object by Id, deleted ones too."""
        return {key: self._as_read(object_name, row) for key, row in self._records[object_name].items()}

    def ids(self, object_name: str) -> frozenset[str]:
        """The Id of every record of an object, deleted ones too."""
        return frozenset(self._records[object_name])

    def between(self, object_name: str, start: datetime | None, end: datetime | None) -> Mapping[str, Row]:
        """Records by Id whose SystemModstamp is now in [start, end), deleted ones too."""
        return dict(self._between(object_name, start, end))

    def _between(self, object_name: str, start: datetime | None, end: datetime | None) -> Iterator[tuple[str, Row]]:
        records, stamps = self._records[object_name], self._by_stamp[object_name]
        stamps.sort()  # nearly sorted already: cheap
        first = 0 if start is None else bisect_left(stamps, (start, ""))
        last = len(stamps) if end is None else bisect_left(stamps, (end, ""))
        for stamp, record_id in stamps[first:last]:
            record = records.get(record_id)
            # A pair of a stamp that the record has had before, or of a record that is gone, stays behind in the list.
            if record is not None and instant(str(record["SystemModstamp"])) == stamp:
                yield record_id, self._as_read(object_name, record)

    def _as_read(self, object_name: str, record: Row) -> Row:
        """The record with its formula fields, calculated now; the same object as long as nothing changed."""
        if object_name != _CAPABILITY:
            return record
        lab = self._records["Account"].get(str(record["Lab__c"]))
        segment = None if lab is None else lab[_FORMULA_SOURCE]
        known = self._calculated.get(str(record["Id"]))
        if known is None or known[0] is not record or known[1][FORMULA] != segment:
            known = self._calculated[str(record["Id"])] = (record, {**record, FORMULA: segment})
        return known[1]
