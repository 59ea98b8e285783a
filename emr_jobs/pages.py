"""One result page from Salesforce's socket to a gzip file in S3, a block at a time, and a record that it is safe.

Runs in Spark's Python workers. **Each worker reads the secrets and logs in by itself.** A token that the
driver handed out would have to travel in a closure or a broadcast, and Spark writes both to disk; it
would also lapse in the middle of a long extraction, with nobody there to renew it.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from idiscover.aws.s3 import Bucket, assume_target_role
from idiscover.aws.secrets import read_secret
from idiscover.errors import ConfigError, DataQualityError, IdiscoverError, RetriableError, UnforeseenError
from idiscover.lake.keys import quarantine_prefix
from idiscover.lake.manifest import BatchFile
from idiscover.lake.protection import protector, require_key, without_secret
from idiscover.lake.suppression import erased_by, redacting
from idiscover.plan.model import BatchContent, ColumnPlan, ExtractionRequest
from idiscover.salesforce.bulk import chained_page
from idiscover.salesforce.faults import LocatorFault
from idiscover.salesforce.page_stream import PageChanged, PageStream
from idiscover.salesforce.rest_pages import RestStream
from idiscover.salesforce.session import SalesforceSession, open_session
from idiscover.salesforce.soql import columns_of
from pydantic import TypeAdapter

from emr_jobs.contract import Contract
from emr_jobs.csv_rewriter import CsvRewriter, TakeBroken
from emr_jobs.erased_blocks import ErasedInBlocks
from emr_jobs.gzip_into import GzipInto
from emr_jobs.quarantine import BrokenRows, Quarantine, TooManyBroken

_FILE_NAMES = {BatchContent.ROWS: "part", BatchContent.IDS: "ids"}
_FILE_ENDING = ".csv.gz"
RECORD_ENDING = ".page.json"
_TRIES_PER_PAGE = 3
_RIGHTS_SECONDS = 600.0  # of the hour that rights last: a page that begins then has most of it for itself


@dataclass(frozen=True)
class PageOrder:
    """What all pages of one query job have in common. Holds no credentials."""

    request: ExtractionRequest
    job_id: str  # "" where the pages come by REST
    read_at_utc: datetime
    content: BatchContent = BatchContent.ROWS
    erased: frozenset[str] = frozenset()  # keyed hashes of records that must not come again
    job_number: int = 0  # within the read; a part of the files' names

    @property
    def system_values(self) -> dict[str, str]:
        """Columns that are added to each record, and their value in this read."""
        batch = {"_batch_id": self.request.window.batch_id}
        if self.content is BatchContent.IDS:
            return batch
        return {"_read_at_utc": self.read_at_utc.strftime("%Y-%m-%d %H:%M:%S.%f"), **batch}

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the files: target columns, then the system's."""
        return (*(column.column for column in columns_of(self.request, self.content)), *self.system_values)


@dataclass(frozen=True)
class PageTask:
    """Where to begin: one page, or with `follow` that page and the chain of locators after it.

    With `soql`, there is no page: the query is read by REST.
    """

    index: int
    path: str = ""
    follow: bool = False
    soql: str | None = None

    @property
    def where(self) -> str:
        """What it reads, for messages."""
        return self.soql or self.path


@dataclass(frozen=True)
class PageResult:
    """One file that was written, and what was counted on the way."""

    index: int  # of the page within its job
    file: BatchFile
    announced_rows: int | None  # Sforce-NumberOfRecords; None where a proxy strips it
    csv_bytes: int  # as Salesforce sent them, decoded
    nul_characters: int
    suppressed: int  # rows that were left out
    resumes: int
    seconds: float
    next_locator: str | None = None  # of the page after it, where pages come one after the other
    path: str = ""  # of the page; none by REST
    broken: BrokenRows | None = None  # rows that are not in the file: they break their contract


PAGE_RESULT = TypeAdapter(PageResult)


@dataclass(frozen=True)
class TaskOutcome:
    """What a worker hands back: files, or the error that the driver is to raise."""

    pages: tuple[PageResult, ...]
    api_calls: int
    error: IdiscoverError | None = None
    trace: str = ""


def run_task(order: PageOrder, task: PageTask) -> TaskOutcome:
    """Read and write the page or pages of `task`.

    An error is returned, not raised: Spark would try it three times more and bury its message.
    """
    session: SalesforceSession | None = None
    calls_before = 0
    try:
        session = _worker_session(order.request)
        calls_before = session.api_calls
        pages = tuple(_pages(session, order, task))
    except IdiscoverError as error:
        return _failed(error, session, calls_before)
    except Exception as error:
        unknown = UnforeseenError(f"{type(error).__name__} while a page was written", where=task.where, got=str(error))
        return _failed(unknown, session, calls_before)
    return TaskOutcome(pages, session.api_calls - calls_before)


def _failed(error: IdiscoverError, session: SalesforceSession | None, calls_before: int) -> TaskOutcome:
    _buckets.clear()  # whatever it was, rights that somebody took back are not kept
    calls = session.api_calls - calls_before if session else 0
    return TaskOutcome((), calls, error, traceback.format_exc())


_sessions: dict[tuple[str, str, str], SalesforceSession] = {}


def _worker_session(request: ExtractionRequest) -> SalesforceSession:
    """The session of this worker process; Spark uses a worker for many pages, one after the other."""
    key = (request.secrets.salesforce, request.region, request.salesforce.api_version)
    if key not in _sessions:
        _sessions[key] = open_session(read_secret(key[0], key[1]), key[2])
    _sessions[key].most_calls_percent = request.salesforce.most_calls_percent
    return _sessions[key]


_buckets: dict[tuple[str, str, str], tuple[Bucket, float]] = {}  # and since when, by the monotonic clock


def _worker_bucket(request: ExtractionRequest) -> Bucket:
    """The bucket of this worker process; its rights are asked for anew in time, and after an error."""
    key = (request.secrets.s3_target, request.region, request.data_bucket)
    if key not in _buckets or time.monotonic() - _buckets[key][1] > _RIGHTS_SECONDS:
        _buckets[key] = source_bucket(request), time.monotonic()
    return _buckets[key][0]


def source_bucket(request: ExtractionRequest) -> Bucket:
    """The bucket with the rights to write source/, which may lapse after an hour."""
    secret = read_secret(request.secrets.s3_target, request.region)
    return Bucket(request.data_bucket, request.region, assume_target_role(secret, request.region))


def _pages(session: SalesforceSession, order: PageOrder, task: PageTask) -> Iterator[PageResult]:
    """The page of a task, and those that follow it.

    Raises:
        LocatorFault: a locator leads to a page that was read.
    """
    followed: set[str] = set()
    while True:
        result = write_page(session, order, task, _worker_bucket)
        yield result
        if not task.follow or result.next_locator is None:
            return
        if result.next_locator in followed:
            raise LocatorFault(
                "A locator leads back to a page that was read",
                where=task.path,
                got=result.next_locator,
                expected="the locator of a page that follows",
                remedy="run it again: the next try reads these pages from the beginning",
            )
        followed.add(result.next_locator)
        task = page_after(session, order, task.index, result.next_locator)


def page_after(session: SalesforceSession, order: PageOrder, index: int, locator: str | None = None) -> PageTask:
    """The page at `locator` of a chain, which comes after page `index`; the first one without a locator, after -1."""
    path = chained_page(session, order.job_id, order.request.salesforce.page_rows, locator)
    return PageTask(index + 1, path, follow=True)


def write_page(
    session: SalesforceSession, order: PageOrder, task: PageTask, bucket: Callable[[ExtractionRequest], Bucket]
) -> PageResult:
    """One page as `part-<job>-<page>.csv.gz` (Ids: `ids-…`), and beside it the record that it is whole.

    A page that ends early, changes between two tries or is not valid CSV is begun anew.

    Raises:
        DataQualityError: it is not whole in any of the tries, or more rows break their contract than may.
        RetriableError: it cannot be read.
    """
    for attempt in range(_TRIES_PER_PAGE):
        stream = _stream(session, order, task)
        try:
            target = bucket(order.request)
            result = _write(stream, order, task, target)
        except (PageChanged, DataQualityError) as error:
            if attempt == _TRIES_PER_PAGE - 1 or isinstance(error, TooManyBroken):
                raise
            session.retry.pause(attempt)
        else:
            target.write_text(record_key(result.file.key), PAGE_RESULT.dump_json(result).decode())
            return result
    raise RetriableError("A result page was not tried", where=task.where, remedy="run the extraction again")


def _stream(session: SalesforceSession, order: PageOrder, task: PageTask) -> PageStream | RestStream:
    if task.soql is None:
        return PageStream(session, task.path)
    include_deleted = order.request.operation == "queryAll"
    return RestStream(session, task.soql, include_deleted, columns_of(order.request, order.content))


def _write(stream: PageStream | RestStream, order: PageOrder, task: PageTask, bucket: Bucket) -> PageResult:
    started = time.monotonic()
    key = f"{job_prefix(order.request, order.content, order.job_number)}{task.index:05d}{_FILE_ENDING}"
    quarantine = _quarantine(order, key, bucket)
    rewriter = rewriter_for(order, where=key, quarantine=quarantine.add)
    with quarantine, bucket.open_writer(key) as out:
        packed = GzipInto(out)
        for block in rewriter.rewrite(stream.chunks()):
            packed.write(block)
        _check_whole(stream, rewriter, key)  # inside the block: a page that is not whole leaves no file
        packed.finish()
    file = BatchFile(key=key, rows=rewriter.rows, bytes=out.bytes_written, sha256=out.sha256)
    seconds = time.monotonic() - started
    return PageResult(
        task.index,
        file,
        stream.announced_rows,
        stream.bytes,
        rewriter.nul_characters,
        rewriter.suppressed,
        stream.resumes,
        seconds,
        stream.next_locator,
        task.path,
        quarantine.broken,
    )


def file_prefix(request: ExtractionRequest, content: BatchContent) -> str:
    """What the keys of all files of a content begin with."""
    return f"{request.target_prefix}{_FILE_NAMES[content]}-"


def job_prefix(request: ExtractionRequest, content: BatchContent, job_number: int) -> str:
    """What the keys of all files of a query job begin with."""
    return f"{file_prefix(request, content)}{job_number:03d}-"


def record_key(file_key: str) -> str:
    """Where the record of a finished page lies."""
    return file_key.removesuffix(_FILE_ENDING) + RECORD_ENDING


def _quarantine(order: PageOrder, key: str, bucket: Bucket) -> Quarantine:
    """Where the broken rows of a page go; Ids are all there is of a record, and none of them may be broken."""
    request, columns = order.request, columns_of(order.request, order.content)
    limit = request.extraction.quarantine_limit if order.content is BatchContent.ROWS else 0
    beside = quarantine_prefix(request.object, request.window.batch_id) + key.removeprefix(request.target_prefix)
    return Quarantine(bucket, beside, [column.column for column in columns], key, limit)


def rewriter_for(order: PageOrder, where: str, quarantine: TakeBroken | None = None) -> CsvRewriter:
    """Salesforce's columns to ours, with the system columns of stg."""
    contract = contract_of(order.request, columns_of(order.request, order.content))
    keeps = erased_rows(order, [column.column for column in contract.columns]) if order.erased else None
    return CsvRewriter(contract, list(order.system_values.items()), where, keeps, quarantine)


def contract_of(request: ExtractionRequest, columns: Sequence[ColumnPlan]) -> Contract:
    """What the rows of a read are held to."""
    required = {request.key, *(column.column for column in columns if column.salesforce == request.delta_field)}
    protected = {
        position: protector(column.protect, lambda: protection_key(request.secrets.protection, request.region))
        for position, column in enumerate(columns)
        if column.protect is not None
    }
    return Contract(columns, required, protected)


@lru_cache(maxsize=1)
def protection_key(name: str | None, region: str) -> str:
    """The key of the hashes of values, as each worker reads it by itself."""
    if name is None:
        raise without_secret()
    return require_key(read_secret(name, region))


def erased_rows(order: PageOrder, columns: Sequence[str]) -> ErasedInBlocks:
    """What takes erased records out of the rows of a page."""
    request = order.request
    secret = erasure_secret(request.secrets.erasure, request.region)
    is_erased = erased_by(secret, order.erased)
    return ErasedInBlocks(is_erased, columns.index(request.key), range(len(columns)), redacting(is_erased))


@lru_cache(maxsize=1)
def erasure_secret(name: str | None, region: str) -> dict[str, str]:
    """The key of the hashes, as each worker reads it by itself."""
    if name is None:
        raise ConfigError(
            "records were erased, and the context does not name the secret that says which",
            where="the environment's context",
            key="secrets.erasure",
            expected="the name of the secret that they were erased with",
        )
    return read_secret(name, region)


def _check_whole(stream: PageStream | RestStream, rewriter: CsvRewriter, key: str) -> None:
    announced, parsed = stream.announced_rows, rewriter.parsed
    if announced is not None and announced != parsed:
        raise DataQualityError(
            "A result page has another number of rows than its header says",
            where=key,
            got=f"{parsed} rows parsed",
            expected=f"{announced} (Sforce-NumberOfRecords)",
            remedy="run the extraction again",
        )
