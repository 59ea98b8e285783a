"""How many records a read should bring, by Salesforce's own count."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from idiscover.plan.model import BatchContent, ExtractionRequest, ReadMode
from idiscover.salesforce import soql
from idiscover.salesforce.faults import QueryTimeout
from idiscover.salesforce.session import SalesforceSession

_SMALLEST_RANGE = timedelta(seconds=1)  # SystemModstamp is exact to the second
_FIRST_RECORD = datetime(1999, 1, 1, tzinfo=UTC)  # no org is older
_AHEAD = timedelta(days=1)  # of the org's now: no record is changed later


def count_records(
    session: SalesforceSession, request: ExtractionRequest, content: BatchContent = BatchContent.ROWS
) -> int:
    """`SELECT COUNT()` of what the request reads; where that times out, the sum over ranges of the delta field.

    Raises:
        QueryTimeout: even one second of the window cannot be counted, or the object has no delta field.
    """
    try:
        return session.count(soql.count(request, content), include_deleted=request.operation == "queryAll")
    except QueryTimeout:
        window = request.window
        if request.delta_field is None:
            raise  # there is nothing to part it by
        if content is BatchContent.IDS or window.read_mode is ReadMode.WHOLE:
            every = {"start_utc": _FIRST_RECORD, "end_utc": session.org_now() + _AHEAD, "read_mode": ReadMode.WINDOW}
            window = window.model_copy(update=every)
        elif window.end_utc - window.start_utc <= _SMALLEST_RANGE:
            raise
    seconds = int((window.end_utc - window.start_utc).total_seconds())
    middle = window.start_utc + timedelta(seconds=max(1, seconds // 2))
    halves = ({"end_utc": middle}, {"start_utc": middle})
    return sum(
        count_records(session, request.model_copy(update={"window": window.model_copy(update=half)})) for half in halves
    )
