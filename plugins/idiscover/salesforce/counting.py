"""How many records a request's window holds, by Salesforce's own count."""

from __future__ import annotations

from datetime import timedelta

from idiscover.plan.model import ExtractionRequest
from idiscover.salesforce import soql
from idiscover.salesforce.faults import QueryTimeout
from idiscover.salesforce.session import SalesforceSession

_SMALLEST_RANGE = timedelta(seconds=1)  # SystemModstamp is exact to the second


def count_window(session: SalesforceSession, request: ExtractionRequest) -> int:
    """`SELECT COUNT()` of the request; where that times out, the sum over halves of the window.

    Raises:
        QueryTimeout: even one second of the window cannot be counted.
    """
    include_deleted = request.operation == "queryAll"
    try:
        return session.count(soql.count(request), include_deleted=include_deleted)
    except QueryTimeout:
        window = request.window
        if window.end_utc - window.start_utc <= _SMALLEST_RANGE:
            raise
    seconds = int((window.end_utc - window.start_utc).total_seconds())
    middle = window.start_utc + timedelta(seconds=max(1, seconds // 2))
    halves = ({"end_utc": middle}, {"start_utc": middle})
    return sum(
        count_window(session, request.model_copy(update={"window": window.model_copy(update=half)})) for half in halves
    )
