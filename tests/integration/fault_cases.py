"""The faults that the extraction is shown to take, in words and as they are made. docs/faults.md has them as a table.

Pure: the test of the documentation reads it, too.
"""

from __future__ import annotations

from tests.integration.fault_model import PAGES, Fault
from tests.integration.faults_elsewhere import KILLS, S3_FAULTS, Kill, StoreFault
from tests.integration.faults_of_calls import CONNECTION_FAULTS, LIMIT_FAULTS, SESSION_FAULTS
from tests.integration.faults_of_reads import CONTENT_FAULTS, JOB_FAULTS, PAGE_LIST_FAULTS

__all__ = [
    "CONNECTION_FAULTS",
    "CONTENT_FAULTS",
    "JOB_FAULTS",
    "KILLS",
    "LIMIT_FAULTS",
    "PAGES",
    "PAGE_LIST_FAULTS",
    "S3_FAULTS",
    "SALESFORCE_FAULTS",
    "SESSION_FAULTS",
    "Fault",
    "Kill",
    "StoreFault",
]

SALESFORCE_FAULTS = (
    *CONNECTION_FAULTS,
    *SESSION_FAULTS,
    *LIMIT_FAULTS,
    *JOB_FAULTS,
    *PAGE_LIST_FAULTS,
    *CONTENT_FAULTS,
)
