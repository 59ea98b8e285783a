"""The query jobs of one read: created for its ranges, a few at once, watched, halved, and found again after a kill."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from idiscover.errors import IdiscoverError, RetriableError
from idiscover.plan.model import QueryRange
from idiscover.salesforce import bulk, soql
from idiscover.salesforce.faults import NotFound, NotInBulk, QueryTimeout
from idiscover.salesforce.ranges import RangeCutter
from idiscover.salesforce.session import SalesforceSession

from emr_jobs.checkpoint import Checkpoint, JobRecord, ReadRecord

_TRIES_PER_RANGE = 2  # a job that failed for a reason that may pass is created once more


@dataclass(frozen=True)
class CompleteJob:
    """A job whose pages can be read; `rows` is its numberRecordsProcessed, None where REST stands in for Bulk."""

    record: JobRecord
    rows: int | None
    is_resumed: bool = False  # pages of it may be safe already


@dataclass(frozen=True)
class OpenJob:
    """A job that Salesforce works on."""

    record: JobRecord
    watch: bulk.JobWatch
    is_resumed: bool = False


@dataclass
class QueryJobs:
    """The state of all jobs of a read, kept in its checkpoint with every change."""

    session: SalesforceSession
    cutter: RangeCutter
    checkpoint: Checkpoint
    record: ReadRecord
    log: Callable[[str], None]
    _open: list[OpenJob] = field(default_factory=list, init=False)
    _complete: list[CompleteJob] = field(default_factory=list, init=False)
    _failures: dict[QueryRange, int] = field(default_factory=dict, init=False)

    @property
    def are_left(self) -> bool:
        """Whether `turn` has anything to do or to tell."""
        return bool(self.record.pending or self._open or self._complete)

    @property
    def seconds_to_look(self) -> float:
        """Until it is worth asking after the next job."""
        return min((job.watch.seconds_to_look for job in self._open), default=0.0)

    def resume(self) -> None:
        """Finds the jobs of a try before this one: open ones are watched on, those that are gone are made anew."""
        for record in self.record.jobs:
            job = None if record.is_rest else self._found(record.job_id)
            if record.is_rest or (job is not None and job.state == bulk.COMPLETE):
                self._complete.append(CompleteJob(record, job.rows if job else None, is_resumed=True))
            elif job is not None and job.state in bulk.OPEN_STATES:
                self._watch(record, job, is_resumed=True)
            else:
                self.log(f"query job {record.job_id} of a try before is {job.state if job else 'gone'}: made anew")
                self._replace(record, (record.part,))

    def turn(self) -> list[CompleteJob]:
        """Creates the jobs that may be created and asks after those that are due; the jobs that are complete now.

        Raises:
            ConfigError, FatalError: Salesforce refuses a query, or somebody aborted a job.
            RetriableError: Salesforce does not answer, or a job fails again, or is not complete in its time.
            QueryTimeout: a range takes too long and cannot be halved.
        """
        while self.record.pending and len(self._open) < self.cutter.request.salesforce.parallel_jobs:
            self._create(self.record.pending[0])
        for job in [job for job in self._open if job.watch.seconds_to_look <= 0]:
            self._look(job)
        complete, self._complete = self._complete, []
        return complete

    def again(self, record: JobRecord, error: IdiscoverError) -> None:
        """A job has failed: its range is halved where it took too long, and else tried once more.

        Raises:
            IdiscoverError: `error`, where neither helps.
        """
        if isinstance(error, QueryTimeout):
            halves = self.cutter.halves(record.part)
            if halves is None:
                raise error
            self.log(f"{error.what}: its range is halved")
            self._replace(record, halves)
            return
        self._failures[record.part] = self._failures.get(record.part, 0) + 1
        if self._failures[record.part] >= _TRIES_PER_RANGE:
            raise error
        self.log(f"{error.what}: made anew")
        self._replace(record, (record.part,))

    def discard_open(self, cause: BaseException) -> None:
        """Abort and delete what Salesforce still works on."""
        for job in self._open:
            bulk.discard_job(self.session, job.record.job_id, cause)

    def _found(self, job_id: str) -> bulk.QueryJob | None:
        try:
            return bulk.read_job(self.session, job_id)
        except NotFound:
            return None

    def _create(self, part: QueryRange) -> None:
        request = self.cutter.request
        query = soql.select(request, self.cutter.content, part)
        try:
            job, read_at_utc = bulk.create_job(self.session, query, request.operation)
        except NotInBulk as refusal:
            self.log(f"{refusal.what} ({refusal.got}): read by REST instead")
            self._keep(self.record.with_job(part, "", self.session.org_now()))
            self._complete.append(CompleteJob(self.record.jobs[-1], None))
            return
        try:
            self._keep(self.record.with_job(part, job.id, read_at_utc))
        except BaseException as error:
            bulk.discard_job(self.session, job.id, error)
            raise
        left = f", {len(self.record.pending)} more ranges to come" if self.record.pending else ""
        self.log(f"query job {job.id} created{left}")
        self._watch(self.record.jobs[-1], job)

    def _watch(self, record: JobRecord, job: bulk.QueryJob, is_resumed: bool = False) -> None:
        timeout_seconds = self.cutter.request.salesforce.job_timeout_minutes * 60.0
        self._open.append(OpenJob(record, bulk.JobWatch(job, timeout_seconds), is_resumed))

    def _look(self, job: OpenJob) -> None:
        try:
            is_complete = job.watch.look(self.session)
        except IdiscoverError as error:
            if job.watch.job.state in bulk.OPEN_STATES:  # no answer, or not in its time: it is discarded with the read
                raise
            self._open.remove(job)
            if not isinstance(error, RetriableError):
                raise
            self.again(job.record, error)
            return
        if is_complete:
            self._open.remove(job)
            self.log(f"query job {job.record.job_id} is complete: {job.watch.job.rows} {self.cutter.content.value}")
            self._complete.append(CompleteJob(job.record, job.watch.job.rows, job.is_resumed))

    def _replace(self, record: JobRecord, parts: tuple[QueryRange, ...]) -> None:
        """The job is given up, whatever is there of it; its range comes back as `parts`."""
        self._keep(self.record.without_job(record.number, parts))
        self.checkpoint.forget_pages(record.number)

    def _keep(self, record: ReadRecord) -> None:
        self.checkpoint.save(record)
        self.record = record
