"""The driver's side of an extraction: count, query, hand out pages, count again, write the manifest."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime

from idiscover.aws.s3 import Bucket
from idiscover.errors import IdiscoverError
from idiscover.lake.keys import manifest_key, quarantine_prefix
from idiscover.lake.manifest import BatchCounts, BatchFile, BatchManifest, IdRead
from idiscover.plan.model import BatchContent, ExtractionRequest, ReadMode
from idiscover.salesforce.quota import check_jobs
from idiscover.salesforce.ranges import RangeCutter
from idiscover.salesforce.session import SalesforceSession

from emr_jobs.checkpoint import Checkpoint, ReadRecord, fingerprint
from emr_jobs.counts import Verdict, counts_of, judge, refuse_repeated_pages
from emr_jobs.pages import RECORD_ENDING, PageOrder, PageResult, file_prefix
from emr_jobs.progress import Log, Progress
from emr_jobs.quarantine import TooManyBroken, require_few
from emr_jobs.query_jobs import QueryJobs
from emr_jobs.reading import PageRunner, Reading

MOST_READS = 3


@dataclass(frozen=True)
class Read:
    """Rows, or Ids, read to files. Without a job, there was nothing to ask for, or REST was asked."""

    started_at_utc: datetime
    read_at_utc: datetime
    job_ids: tuple[str, ...]
    counts: BatchCounts
    pages: tuple[PageResult, ...]
    columns: tuple[str, ...]
    reads: int = 1

    @property
    def files(self) -> tuple[BatchFile, ...]:
        """What was written."""
        return tuple(page.file for page in self.pages)

    @property
    def quarantine(self) -> tuple[BatchFile, ...]:
        """Rows that are not in the files."""
        return tuple(page.broken.file for page in self.pages if page.broken)


@dataclass(frozen=True)
class Extraction:
    """What all reads of one step need."""

    request: ExtractionRequest
    session: SalesforceSession
    source: Bucket
    run_pages: PageRunner
    progress: Progress
    log: Log
    fingerprint: str
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
        DataQualityError: rows are missing or too many, or too many break their contract.
    """
    run = Extraction(request, session, source, run_pages, progress, log, fingerprint(request, erased), erased)
    _delete_what_is_of_no_use(run)
    mode = request.window.read_mode
    if request.window.is_empty and mode is not ReadMode.WHOLE:
        log("the window is empty: no query job for rows")
        now = session.org_now()
        columns = PageOrder(request, "", now).columns
        rows = Read(now, now, (), counts_of(0, 0, 0, ()), (), columns)
    else:
        rows = _read(run, BatchContent.ROWS)
    ids = _read(run, BatchContent.IDS) if mode is ReadMode.WINDOW_AND_IDS else None
    return _write_manifest(run, rows, ids)


def _read(run: Extraction, content: BatchContent) -> Read:
    """One query, read again while the org moves under it."""
    where = f"{run.request.salesforce_object}, {content.value} of batch {run.request.window.batch_id}"
    reads = 1
    read = _read_once(run, content)
    while _judged(run, content, read, where, is_last=reads == MOST_READS) is Verdict.READ_AGAIN:
        run.log(f"the org moved while it was read (COUNT() {read.counts.count_before}, then {read.counts.count_after})")
        Checkpoint(run.source, run.request, content).forget()
        reads += 1
        read = _read_once(run, content)
    return replace(read, reads=reads)


def _judged(run: Extraction, content: BatchContent, read: Read, where: str, is_last: bool) -> Verdict:
    """The verdict on a read; one that is refused is of no use to the next try either."""
    try:
        refuse_repeated_pages(read.files, where)
        return judge(read.counts, where, is_last)
    except IdiscoverError:
        Checkpoint(run.source, run.request, content).forget()
        raise


def _read_once(run: Extraction, content: BatchContent) -> Read:
    cutter = RangeCutter(run.session, run.request, content)
    checkpoint = Checkpoint(run.source, run.request, content)
    record = checkpoint.load(run.fingerprint)
    if record is None:
        _delete(run, run.source.list(file_prefix(run.request, content)))
        record = checkpoint.save(_begin(run, cutter))
    else:
        run.log(f"a try before this one has begun to read {content.value}: what is safe of it stays")
    jobs = QueryJobs(run.session, cutter, checkpoint, record, run.log)
    reading = Reading(
        jobs,
        lambda job: PageOrder(run.request, job.job_id, job.read_at_utc, content, run.erased, job.number),
        run.run_pages,
        run.progress,
        lambda phase: run.phase(phase, content),
    )
    try:
        reading.run()
        limit = run.request.extraction.quarantine_limit if content is BatchContent.ROWS else 0
        require_few([page.broken for _, page in sorted(reading.pages.items()) if page.broken], limit)
    except TooManyBroken:
        checkpoint.forget()  # the next try reads what may have been corrected meanwhile
        raise
    with run.phase("count_after", content):
        after = cutter.count(cutter.everything)
    return _read_of(run, content, jobs.record, reading, after)


def _begin(run: Extraction, cutter: RangeCutter) -> ReadRecord:
    """A read that is still to be made: counted, and cut into ranges."""
    content = cutter.content
    limits = run.session.limits()
    started_at_utc = run.session.answered_at_utc  # before anything is counted or read: what is absent was gone by then
    with run.phase("count_before", content):
        before = cutter.count(cutter.everything)
        pending = cutter.cut(before, run.request.salesforce.rows_per_job)
    check_jobs(limits, len(pending), run.request.salesforce.most_calls_percent)
    parts = f", in {len(pending)} ranges" if len(pending) > 1 else ""
    run.log(f"{run.request.salesforce_object}: COUNT() of {content.value} is {before}{parts}")
    return ReadRecord(
        fingerprint=run.fingerprint,
        content=content,
        started_at_utc=started_at_utc,
        count_before=before,
        pending=pending,
    )


def _read_of(run: Extraction, content: BatchContent, record: ReadRecord, reading: Reading, after: int) -> Read:
    pages = tuple(page for _, page in sorted(reading.pages.items()))
    read_at_utc = min(job.read_at_utc for job in record.jobs)
    columns = PageOrder(run.request, "", read_at_utc, content).columns
    job_ids = tuple(job.job_id for job in record.jobs if not job.is_rest)
    counts = counts_of(record.count_before, after, sum(reading.job_rows.values()), pages)
    return Read(record.started_at_utc, read_at_utc, job_ids, counts, pages, columns)


def _delete_what_is_of_no_use(run: Extraction) -> None:
    """Files of a try that broke off and asked for something else: without a manifest they mean nothing."""
    leftovers = list(run.source.list(run.request.target_prefix))
    checkpoints = [Checkpoint(run.source, run.request, content) for content in BatchContent]
    if not any(checkpoint.key in leftovers and checkpoint.load(run.fingerprint) for checkpoint in checkpoints):
        _delete(run, leftovers)


def _delete(run: Extraction, keys: Sequence[str]) -> None:
    if keys:
        run.log(f"{len(keys)} files of a broken-off try deleted under {run.request.target_prefix}")
        run.source.delete(keys)


def _write_manifest(run: Extraction, rows: Read, ids: Read | None) -> BatchManifest:
    request, window = run.request, run.request.window
    every_id = rows if window.read_mode is ReadMode.WHOLE and not rows.quarantine else ids
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
        job_ids=rows.job_ids,
        columns=rows.columns,
        files=rows.files,
        counts=rows.counts,
        code_sha=request.code_sha,
        reads=rows.reads,
        ids=_id_read(ids) if ids else None,
        countries=window.countries,
        reason=window.reason,
        quarantine=rows.quarantine,
    )
    _delete_old_quarantine(run, manifest)
    # first: what is whole is never gone on with
    run.source.delete([Checkpoint(run.source, request, content).key for content in BatchContent])
    key = manifest_key(request.target_prefix)
    run.source.write_text(key, manifest.model_dump_json(indent=2))
    run.log(f"manifest {key}: {manifest.rows} rows, {manifest.bytes} bytes in {len(manifest.all_files)} files")
    run.source.delete([key for key in run.source.list(request.target_prefix) if key.endswith(RECORD_ENDING)])
    return manifest


def _delete_old_quarantine(run: Extraction, manifest: BatchManifest) -> None:
    """What tries before this one have left out is not what this one has."""
    named = {file.key for file in manifest.quarantine}
    standing = run.source.list(quarantine_prefix(manifest.object, manifest.batch_id))
    run.source.delete([key for key in standing if key not in named])
    for file in manifest.quarantine:
        run.log(f"{file.rows} rows break their contract: {file.key}")


def _id_read(ids: Read) -> IdRead:
    return IdRead(
        read_at_utc=ids.read_at_utc,
        job_ids=ids.job_ids,
        columns=ids.columns,
        files=ids.files,
        counts=ids.counts,
        reads=ids.reads,
    )
