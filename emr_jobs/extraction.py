"""The driver's side of an extraction: count, query, hand out pages, count again, write the manifest."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol

from idiscover.aws.s3 import Bucket
from idiscover.lake.keys import manifest_key
from idiscover.lake.manifest import BatchCounts, BatchFile, BatchManifest, IdRead
from idiscover.plan.model import BatchContent, ExtractionRequest, ReadMode
from idiscover.salesforce import bulk, soql
from idiscover.salesforce.counting import count_records
from idiscover.salesforce.session import SalesforceSession

from emr_jobs.counts import Verdict, counts_of, judge
from emr_jobs.pages import PageOrder, PageResult, PageTask, TaskOutcome, file_prefix

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
class Read:
    """One query read to files. Without a job, there was nothing to ask for."""

    started_at_utc: datetime
    read_at_utc: datetime
    job_id: str | None
    counts: BatchCounts
    pages: tuple[PageResult, ...]
    columns: tuple[str, ...]
    reads: int = 1

    @property
    def files(self) -> tuple[BatchFile, ...]:
        """What was written."""
        return tuple(page.file for page in self.pages)


@dataclass(frozen=True)
class Extraction:
    """What all reads of one step need."""

    request: ExtractionRequest
    session: SalesforceSession
    source: Bucket
    run_pages: PageRunner
    progress: Progress
    log: Log
    erased: frozenset[str] = frozenset()  # keyed hashes of records that must not come again

    def phase(self, name: str, content: BatchContent) -> AbstractContextManager[None]:
        """Time spent on rows, and on Ids beside them."""
        return self.progress.phase(name if content is BatchContent.ROWS else f"{content.value}_{name}")


def extract(
    request: ExtractionRequest,
    session: SalesforceSession,
    source: Bucket,
    run_pages: PageRunner,
    progress: Progress,
    log: Log,
    erased: frozenset[str] = frozenset(),
) -> BatchManifest:
    """Read what the request asks for until its counts agree, write the files and, last, the manifest.

    Rows come before Ids: a record that is gone from the Ids was read, if it was, before they were.

    Raises:
        ConfigError, FatalError: Salesforce refuses the query or the job fails.
        RetriableError: Salesforce or S3 do not answer, or the org moves too much.
        DataQualityError: rows are missing or too many.
    """
    run = Extraction(request, session, source, run_pages, progress, log, erased)
    _delete_leftovers(run, request.target_prefix)
    mode = request.window.read_mode
    if request.window.is_empty and mode is not ReadMode.WHOLE:
        log("the window is empty: no query job for rows")
        now = session.org_now()
        columns = PageOrder(request, "", now).columns
        rows = Read(now, now, None, counts_of(0, 0, 0, ()), (), columns)
    else:
        rows = _read(run, BatchContent.ROWS)
    ids = _read(run, BatchContent.IDS) if mode is ReadMode.WINDOW_AND_IDS else None
    return _write_manifest(run, rows, ids)


def _read(run: Extraction, content: BatchContent) -> Read:
    """One query, read again while the org moves under it."""
    where = f"{run.request.salesforce_object}, {content.value} of batch {run.request.window.batch_id}"
    reads = 1
    read = _read_once(run, content)
    while judge(read.counts, where, is_last=reads == MOST_READS) is Verdict.READ_AGAIN:
        run.log(f"the org moved while it was read (COUNT() {read.counts.count_before}, then {read.counts.count_after})")
        _delete_leftovers(run, file_prefix(run.request, content))
        reads += 1
        read = _read_once(run, content)
    return replace(read, reads=reads)


def _read_once(run: Extraction, content: BatchContent) -> Read:
    request, session = run.request, run.session
    started_at_utc = session.org_now()  # before anything is counted or read: what is absent was gone by then
    with run.phase("count_before", content):
        before = count_records(session, request, content)
    run.log(f"{request.salesforce_object}: COUNT() of {content.value} is {before}")
    with run.phase("query_job", content):
        job, read_at_utc = bulk.create_job(session, soql.select(request, content), request.operation)
        run.log(f"query job {job.id} created")
        job = bulk.wait_for_job(session, job, request.salesforce.job_timeout_minutes * 60.0)
    run.log(f"query job {job.id} is complete: {job.rows} {content.value}")
    with run.phase("spark_start", content):
        run.run_pages.wait_until_ready()
    order = PageOrder(request, job.id, read_at_utc, content, run.erased)
    with run.phase("pages", content):
        pages = _read_pages(run, order, job.rows)
    with run.phase("count_after", content):
        after = count_records(session, request, content)
    counts = counts_of(before, after, job.rows, pages)
    return Read(started_at_utc, read_at_utc, job.id, counts, pages, order.columns)


def _read_pages(run: Extraction, order: PageOrder, job_rows: int) -> tuple[PageResult, ...]:
    if not job_rows:
        return ()
    tasks = page_tasks(order, run.session)
    of = "pages one after the other" if tasks[0].follow else f"{len(tasks)}"
    pages: list[PageResult] = []
    started = time.monotonic()
    for outcome in run.run_pages(order, tasks, order.request.salesforce.parallel_pages):
        run.progress.api_calls += outcome.api_calls
        if outcome.error is not None:
            run.log(f"a page could not be read\n{outcome.trace}")
            raise outcome.error
        pages.extend(outcome.pages)
        rows = sum(page.file.rows for page in pages)
        speed = rows / max(time.monotonic() - started, 1e-6)
        run.log(f"page {len(pages)} of {of}: {rows} of {job_rows} rows, {speed:.0f} rows/s")
    run.progress.csv_bytes += sum(page.csv_bytes for page in pages)
    run.progress.resumes += sum(page.resumes for page in pages)
    return tuple(sorted(pages, key=lambda page: page.file.key))


def page_tasks(order: PageOrder, session: SalesforceSession) -> list[PageTask]:
    """One task per parallel page; where the org has none, one task that follows the locators."""
    paths = bulk.result_pages(session, order.job_id)
    if not paths:
        first = bulk.chained_page(session, order.job_id, order.request.salesforce.page_rows)
        return [PageTask(0, first, follow=True)]
    return [PageTask(index, path) for index, path in enumerate(paths)]


def _delete_leftovers(run: Extraction, prefix: str) -> None:
    """Files of a try that broke off: without a manifest they mean nothing."""
    leftovers = list(run.source.list(prefix))
    if leftovers:
        run.log(f"{len(leftovers)} files of a broken-off try deleted under {prefix}")
        run.source.delete(leftovers)


def _write_manifest(run: Extraction, rows: Read, ids: Read | None) -> BatchManifest:
    request, window = run.request, run.request.window
    every_id = rows if window.read_mode is ReadMode.WHOLE else ids
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
        read_started_at_utc=rows.started_at_utc,
        read_at_utc=rows.read_at_utc,
        absence_at_utc=every_id.started_at_utc if every_id else None,
        job_id=rows.job_id,
        columns=rows.columns,
        files=rows.files,
        counts=rows.counts,
        code_sha=request.code_sha,
        reads=rows.reads,
        ids=_id_read(ids) if ids else None,
        countries=window.countries,
        reason=window.reason,
    )
    key = manifest_key(request.target_prefix)
    run.source.write_text(key, manifest.model_dump_json(indent=2))
    run.log(f"manifest {key}: {manifest.rows} rows, {manifest.bytes} bytes in {len(manifest.all_files)} files")
    return manifest


def _id_read(ids: Read) -> IdRead:
    assert ids.job_id is not None  # Ids are always asked for
    return IdRead(
        read_at_utc=ids.read_at_utc,
        job_id=ids.job_id,
        columns=ids.columns,
        files=ids.files,
        counts=ids.counts,
        reads=ids.reads,
    )
