"""A read cut into ranges, each of a query job of its own: by time where it is a window, else by Id.

A window is cut by the delta field: a record that changes while the window is read leaves it, whichever of its ranges
it stood in, and stands in a later window. Whole objects and Ids are cut by Id, which no change of a record touches:
cut by time, a record could move from a range that is still to be read into one that was read before, and be in neither.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta

from idiscover.errors import DataQualityError
from idiscover.plan.model import BatchContent, ExtractionRequest, QueryRange, ReadMode
from idiscover.salesforce import soql
from idiscover.salesforce.faults import QueryTimeout
from idiscover.salesforce.session import SalesforceSession

_SMALLEST_SPAN = timedelta(seconds=1)  # SystemModstamp is exact to the second
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"  # in the order in which Ids sort
_VALUE_OF = {digit: value for value, digit in enumerate(_DIGITS)}
_PREFIX_CHARACTERS = 3  # the same for all records of an object
_ID_CHARACTERS = 15  # 18 with a check sum, which says nothing new


@dataclass
class RangeCutter:
    """Cuts one read, of rows or of Ids."""

    session: SalesforceSession
    request: ExtractionRequest
    content: BatchContent = BatchContent.ROWS
    _edges: tuple[str, str] | None = field(default=None, init=False)

    @property
    def everything(self) -> QueryRange:
        """All that is to be read, as one range."""
        if self.is_cut_by_id:
            return QueryRange()
        return QueryRange(start_utc=self.request.window.start_utc, end_utc=self.request.window.end_utc)

    @property
    def is_cut_by_id(self) -> bool:
        """Whether ranges are of Ids; else of the window's time."""
        return self.content is BatchContent.IDS or self.request.window.read_mode is ReadMode.WHOLE

    def count(self, part: QueryRange) -> int:
        """`SELECT COUNT()` of a range; where that times out, the sum over its halves.

        Raises:
            QueryTimeout: what cannot be halved any more cannot be counted.
        """
        try:
            counted = soql.count(self.request, self.content, part)
            return self.session.count(counted, include_deleted=self.request.operation == "queryAll")
        except QueryTimeout:
            halves = self.halves(part)
            if halves is None:
                raise
        return sum(self.count(half) for half in halves)

    def halves(self, part: QueryRange) -> tuple[QueryRange, QueryRange] | None:
        """The two halves of a range; None where it is a single second, or a single Id."""
        return self._halves_by_id(part) if self.is_cut_by_id else _halves_by_time(part)

    def cut(self, rows: int, most_rows: int) -> tuple[QueryRange, ...]:
        """Ranges of about `most_rows` at most, of a read that has `rows` rows by COUNT().

        One COUNT() per cut: what is not in one half is in the other. A single second may hold more.
        """
        found = self._cut(self.everything, rows, most_rows)
        return tuple(part for part, _ in _joined(found, most_rows))

    def _cut(self, part: QueryRange, rows: int, most_rows: int) -> list[tuple[QueryRange, int]]:
        halves = self.halves(part) if rows > most_rows else None
        if halves is None:
            return [(part, rows)]
        first = min(self.count(halves[0]), rows)
        return [*self._cut(halves[0], first, most_rows), *self._cut(halves[1], rows - first, most_rows)]

    def _halves_by_id(self, part: QueryRange) -> tuple[QueryRange, QueryRange] | None:
        first, last = self._edge_ids()
        prefix = first[:_PREFIX_CHARACTERS]
        if not first or not last.startswith(prefix):
            return None
        low = _number(part.id_from or first)
        middle = (low + (_number(part.id_before) if part.id_before else _number(last) + 1)) // 2
        if middle <= low:
            return None
        bound = prefix + _digits(middle)
        return part.model_copy(update={"id_before": bound}), part.model_copy(update={"id_from": bound})

    def _edge_ids(self) -> tuple[str, str]:
        """The object's lowest and highest Id now; two empty texts where it has no records."""
        if self._edges is None:
            lowest, highest = (self._edge_id(descending) for descending in (False, True))
            self._edges = (lowest, highest)
        return self._edges

    def _edge_id(self, descending: bool) -> str:
        query = soql.edge_id(self.request, descending)
        include_deleted = self.request.operation == "queryAll"
        records = self.session.call(
            lambda client: client.query(query, include_deleted=include_deleted)["records"], query
        )
        return str(records[0]["Id"]) if records else ""


def _halves_by_time(part: QueryRange) -> tuple[QueryRange, QueryRange] | None:
    assert part.start_utc is not None and part.end_utc is not None  # a window has both
    span = part.end_utc - part.start_utc
    if span <= _SMALLEST_SPAN:
        return None
    middle = part.start_utc + timedelta(seconds=max(1, int(span.total_seconds()) // 2))
    return part.model_copy(update={"end_utc": middle}), part.model_copy(update={"start_utc": middle})


def _joined(parts: Iterable[tuple[QueryRange, int]], most_rows: int) -> list[tuple[QueryRange, int]]:
    """Neighbours that are small enough together made one: a window is seldom as full at night as by day."""
    found: list[tuple[QueryRange, int]] = []
    for part, rows in parts:
        if found and found[-1][1] + rows <= most_rows:
            before, rows_before = found.pop()
            part = part.model_copy(update={"start_utc": before.start_utc, "id_from": before.id_from})
            rows += rows_before
        found.append((part, rows))
    return found


def _number(record_id: str) -> int:
    """The number of an Id among those of its prefix.

    Raises:
        DataQualityError: it is no Id.
    """
    number = 0
    try:
        for digit in record_id[_PREFIX_CHARACTERS:_ID_CHARACTERS]:
            number = number * len(_DIGITS) + _VALUE_OF[digit]
    except KeyError:
        raise DataQualityError(
            "the org gave an Id that is none", got=record_id, expected="letters and digits"
        ) from None
    return number


def _digits(number: int) -> str:
    digits = ""
    for _ in range(_ID_CHARACTERS - _PREFIX_CHARACTERS):
        number, value = divmod(number, len(_DIGITS))
        digits = _DIGITS[value] + digits
    return digits
