"""Bulk API 2.0 query jobs: create, watch, abort, and where their result pages are."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import requests

from idiscover.errors import IdiscoverError, RetriableError
from idiscover.salesforce import faults
from idiscover.salesforce.session import SalesforceSession

Operation = Literal["query", "queryAll"]

COMPLETE = "JobComplete"
OPEN_STATES = frozenset({"UploadComplete", "InProgress"})
FIRST_POLL_SECONDS = 0.25
LONGEST_POLL_SECONDS = 15.0
POLL_GROWTH = 1.5
_MOST_RESULT_PAGE_CALLS = 100_000  # five pages each; a chain longer than that goes in a circle


@dataclass(frozen=True)
class QueryJob:
    """A query job as Salesforce last told of it."""

    id: str
    state: str
    rows: int  # numberRecordsProcessed
    error: str


def jobs_path(session: SalesforceSession) -> str:
    """Path of the query jobs."""
    return f"{session.data_path}/jobs/query"


def create_job(session: SalesforceSession, soql: str, operation: Operation) -> tuple[QueryJob, datetime]:
    """A new job, and the org's time of the answer that created it: its snapshot is not older."""
    body = {
        "operation": operation,
        "query": soql,
        "contentType": "CSV",
        "columnDelimiter": "COMMA",
        "lineEnding": "LF",
    }
    answer = session.send("POST", jobs_path(session), json=body)
    return _job(answer), session.answered_at_utc


def read_job(session: SalesforceSession, job_id: str) -> QueryJob:
    """The job as it is now."""
    return _job(session.send("GET", f"{jobs_path(session)}/{job_id}"))


def abort_job(session: SalesforceSession, job_id: str) -> None:
    """Stop a job that still runs."""
    session.send("PATCH", f"{jobs_path(session)}/{job_id}", json={"state": "Aborted"})


def delete_job(session: SalesforceSession, job_id: str) -> None:
    """Remove a job that does not run any more, and its results."""
    session.send("DELETE", f"{jobs_path(session)}/{job_id}")


def discard_job(session: SalesforceSession, job_id: str, cause: BaseException) -> None:
    """Abort and remove a job that nobody wants any more; a failure of that is a note on the error that matters."""
    try:
        abort_job(session, job_id)
        delete_job(session, job_id)
    except IdiscoverError as error:
        cause.add_note(f"query job {job_id} could not be aborted either: {error.what}")


class JobWatch:
    """Asks for the state of one job, ever less often, until it is complete.

    Args:
        job: as it was created.
        timeout_seconds: how long it may take from now.
        clock: monotonic seconds.
    """

    def __init__(self, job: QueryJob, timeout_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.job = job
        self._timeout_seconds = timeout_seconds
        self._clock = clock
        self._deadline = clock() + timeout_seconds
        self._pause = FIRST_POLL_SECONDS
        self._next_look = clock()

    @property
    def seconds_to_look(self) -> float:
        """Until it is worth asking again; never negative."""
        return max(0.0, min(self._next_look, self._deadline) - self._clock())

    def look(self, session: SalesforceSession) -> bool:
        """Whether the job is complete; asks Salesforce.

        Raises:
            RetriableError: it is not complete in its time, or failed for a reason that may pass.
            QueryTimeout: it took too long for Salesforce; less data may pass.
            ConfigError: it failed because of its query.
            FatalError: somebody aborted it.
        """
        self.job = read_job(session, self.job.id)
        if self.job.state == COMPLETE:
            return True
        if self.job.state not in OPEN_STATES:
            raise faults.job_fault(self.job.id, self.job.state, self.job.error)
        if self._clock() >= self._deadline:
            raise RetriableError(
                f"Query job {self.job.id} is not complete in time",
                got=f"{self.job.state} with {self.job.rows} rows",
                expected=f"JobComplete within {self._timeout_seconds:.0f} seconds",
                remedy="raise salesforce.job_timeout_minutes in the context, or lower salesforce.rows_per_job",
            )
        self._next_look = self._clock() + self._pause
        self._pause = min(self._pause * POLL_GROWTH, LONGEST_POLL_SECONDS)
        return False


def result_pages(session: SalesforceSession, job_id: str) -> list[str] | None:
    """Paths of all result pages, to be read in parallel, in the order of the rows.

    None where the org does not have them (API below 58.0) or answers in a shape that is not known:
    nothing is read yet, and the chain of locators gives the same rows.
    """
    pages: list[str] = []
    path: str | None = f"{jobs_path(session)}/{job_id}/resultPages"
    for _ in range(_MOST_RESULT_PAGE_CALLS):
        try:
            answer = session.send("GET", path).json()
        except RetriableError:
            raise
        except (IdiscoverError, ValueError):
            return None
        part = parse_result_pages(answer)
        if part is None:
            return None
        pages.extend(part[0])
        path = part[1]
        if path is None:
            return pages if len(set(pages)) == len(pages) else None
    return None


def parse_result_pages(answer: object) -> tuple[list[str], str | None] | None:
    """(page paths, path of the next call or None) of one answer; None if its shape is not known.

    The guide shows `resultPages[].resultUrl`, `nextRecordUrl`, `done`; seen in the wild are
    `resultChunks[].resultLink` and a nullable `nextRecordsUrl`.
    """
    if not isinstance(answer, dict):
        return None
    items = answer.get("resultPages", answer.get("resultChunks"))
    if not isinstance(items, list):
        return None
    pages = [item.get("resultUrl") or item.get("resultLink") for item in items if isinstance(item, dict)]
    if len(pages) != len(items) or not all(isinstance(page, str) for page in pages):
        return None
    following = answer.get("nextRecordUrl") or answer.get("nextRecordsUrl")
    done = answer.get("done", following is None)
    if done:
        return pages, None
    return (pages, following) if isinstance(following, str) else None


def chained_page(session: SalesforceSession, job_id: str, page_rows: int, locator: str | None = None) -> str:
    """Path of the page at `locator` (of the first page without one) in the chain of locators."""
    at = f"&locator={locator}" if locator else ""
    return f"{jobs_path(session)}/{job_id}/results?maxRecords={page_rows}{at}"


def _job(answer: requests.Response) -> QueryJob:
    content: Mapping[str, Any] = answer.json()
    return QueryJob(
        id=str(content["id"]),
        state=str(content["state"]),
        rows=int(content.get("numberRecordsProcessed") or 0),
        error=str(content.get("errorMessage") or ""),
    )
