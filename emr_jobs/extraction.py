"""The driver's side of an extraction: count, query, hand out pages, count again, write the manifest."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from idiscover.aws.s3 import Bucket
from idiscover.lake.keys import manifest_key
from idiscover.lake.manifest import BatchCounts, BatchManifest
from idiscover.plan.model import ExtractionRequest
from idiscover.salesforce import bulk, soql
from idiscover.salesforce.counting import count_window
from idiscover.salesforce.session import SalesforceSession

from emr_jobs.counts import Verdict, counts_of, judge
from emr_jobs.pages import SYSTEM_COLUMNS, PageOrder, PageResult, PageTask, TaskOutcome

MOST_READS = 3

Log = Callable[[str], None]


class PageRunner(Protocol):
    """Runs page tasks somewhere, `parallel` at once at most, and yields outcomes as they come, in any order."""

    def wait_until_ready(self) -> None:
        """Wait until tasks can be run."""
        ...

    def __call__(self, order: PageOrder, tasks: Sequence[PageTask], parallel: int) -> Iterator[TaskOutcome]: ...


@dataclass
class Progress:
    """What the status document tells: seconds per phase over all reads, calls, volumes."""

    phases_seconds: dict[str, float] = field(default_factory=dict)
    api_calls: int = 0
    csv_bytes: int = 0
    resumes: int = 0

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Add the block's time to phase `name`."""
        started = time.monotonic()
        try:
            yield
        finally:
            spent = time.monotonic() - started
            self.phases_seconds[name] = round(self.phases_seconds.get(name, 0.0) + spent, 3)


@dataclass(frozen=True)
class WindowRead:
    """One read of the window. Without a job, the window was empty."""

    started_at_utc: datetime
    read_at_utc: datetime
    job_id: str | None
    counts: BatchCounts
    pages: tuple[PageResult, ...]


def extract(
    request: ExtractionRequest,
    session: SalesforceSession,
    source: Bucket,
    run_pages: PageRunner,
    progress: Progress,
    log: Log,
) -> BatchManifest:
    """Read the window until its counts agree, write the files and, last, the manifest.

    Raises:
        ConfigError, FatalError: Salesforce refuses the query or the job fails.
        RetriableError: Salesforce or S3 do not answer, or the org moves too much.
        DataQualityError: rows are missing or too many.
    """
    _delete_leftovers(request, source, log)
    if request.window.is_empty:
        log("the window is empty: no query job")
        now = session.org_now()
        return _write_manifest(request, source, WindowRead(now, now, None, counts_of(0, 0, 0, ()), ()), 1, log)
    where = f"{request.salesforce_object}, batch {request.window.batch_id}"
    reads = 1
    read = _read_window(request, session, run_pages, progress, log)
    while judge(read.counts, where, is_last=reads == MOST_READS) is Verdict.READ_AGAIN:
        log(f"the org moved while it was read (COUNT() {read.counts.count_before}, then {read.counts.count_after})")
        _delete_leftovers(request, source, log)
        reads += 1
        read = _read_window(request, session, run_pages, progress, log)
    return _write_manifest(request, source, read, reads, log)


def _read_window(
    request: ExtractionRequest, session: SalesforceSession, run_pages: PageRunner, progress: Progress, log: Log
) -> WindowRead:
    started_at_utc = session.org_now()
    with progress.phase("count_before"):
        before = count_window(session, request)
    log(f"{request.salesforce_object}: COUNT() of the window is {before}")
    with progress.phase("query_job"):
        job, read_at_utc = bulk.create_job(session, soql.select(request), request.operation)
        log(f"query job {job.id} created")
        job = bulk.wait_for_job(session, job, request.salesforce.job_timeout_minutes * 60.0)
    log(f"query job {job.id} is complete: {job.rows} rows, {progress.phases_seconds['query_job']:.1f} s")
    with progress.phase("spark_start"):
        run_pages.wait_until_ready()
    with progress.phase("pages"):
        order = PageOrder(request, job.id, read_at_utc)
        pages = _read_pages(order, session, job.rows, run_pages, progress, log)
    with progress.phase("count_after"):
        after = count_window(session, request)
    return WindowRead(started_at_utc, read_at_utc, job.id, counts_of(before, after, job.rows, pages), pages)


def _read_pages(
    order: PageOrder, session: SalesforceSession, job_rows: int, run_pages: PageRunner, progress: Progress, log: Log
) -> tuple[PageResult, ...]:
    if not job_rows:
        return ()
    tasks = page_tasks(order, session)
    of = "pages one after the other" if tasks[0].follow else f"{len(tasks)}"
    pages: list[PageResult] = []
    started = time.monotonic()
    for outcome in run_pages(order, tasks, order.request.salesforce.parallel_pages):
        progress.api_calls += outcome.api_calls
        if outcome.error is not None:
            log(f"a page could not be read\n{outcome.trace}")
            raise outcome.error
        pages.extend(outcome.pages)
        rows = sum(page.file.rows for page in pages)
        speed = rows / max(time.monotonic() - started, 1e-6)
        log(f"page {len(pages)} of {of}: {rows} of {job_rows} rows, {speed:.0f} rows/s")
    progress.csv_bytes += sum(page.csv_bytes for page in pages)
    progress.resumes += sum(page.resumes for page in pages)
    return tuple(sorted(pages, key=lambda page: page.file.key))


def page_tasks(order: PageOrder, session: SalesforceSession) -> list[PageTask]:
    """One task per parallel page; where the org has none, one task that follows the locators."""
    paths = bulk.result_pages(session, order.job_id)
    if not paths:
        first = bulk.chained_page(session, order.job_id, order.request.salesforce.page_rows)
        return [PageTask(0, first, follow=True)]
    return [PageTask(index, path) for index, path in enumerate(paths)]


def _delete_leftovers(request: ExtractionRequest, source: Bucket, log: Log) -> None:
    """Files of a try that broke off: without a manifest they mean nothing."""
    leftovers = list(source.list(request.target_prefix))
    if leftovers:
        log(f"{len(leftovers)} files of a broken-off try deleted under {request.target_prefix}")
        source.delete(leftovers)


def _write_manifest(
    request: ExtractionRequest, source: Bucket, read: WindowRead, reads: int, log: Log
) -> BatchManifest:
    window = request.window
    manifest = BatchManifest(
        batch_id=window.batch_id,
        object=request.object,
        salesforce_object=request.salesforce_object,
        run_id=window.run_id,
        run_kind=window.run_kind.value,
        order_date=window.order_date,
        read_mode=window.read_mode,
        window_start_utc=window.start_utc,
        window_end_utc=window.end_utc,
        read_started_at_utc=read.started_at_utc,
        read_at_utc=read.read_at_utc,
        absence_at_utc=None,
        job_id=read.job_id,
        columns=(*(column.column for column in request.columns), *SYSTEM_COLUMNS),
        files=tuple(page.file for page in read.pages),
        counts=read.counts,
        code_sha=request.code_sha,
        reads=reads,
    )
    key = manifest_key(request.target_prefix)
    source.write_text(key, manifest.model_dump_json(indent=2))
    log(f"manifest {key}: {manifest.rows} rows, {manifest.bytes} bytes in {len(manifest.files)} files")
    return manifest
