"""How many records a read should bring, by Salesforce's own count."""

from __future__ import annotations

from idiscover.plan.model import BatchContent, ExtractionRequest
from idiscover.salesforce.ranges import RangeCutter
from idiscover.salesforce.session import SalesforceSession


def count_records(
    session: SalesforceSession, request: ExtractionRequest, content: BatchContent = BatchContent.ROWS
) -> int:
    """`SELECT COUNT()` of what the request reads; where that times out, the sum over ranges of it.

    Raises:
        QueryTimeout: even the smallest range cannot be counted.
    """
    cutter = RangeCutter(session, request, content)
    return cutter.count(cutter.everything)
