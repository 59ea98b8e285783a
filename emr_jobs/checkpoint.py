"""What is safe of a read that broke off, so that the next try of the same batch goes on from there.

A read keeps one document: its ranges, their query jobs, the first COUNT(). Each finished page has a record beside its
file. Both lie under the batch's prefix, say nothing without the manifest, and go when that is written.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from idiscover.aws.s3 import Bucket
from idiscover.plan.model import BatchContent, ExtractionRequest, PlanModel, QueryRange
from pydantic import ValidationError

from emr_jobs.pages import PAGE_RESULT, RECORD_ENDING, PageResult, job_prefix


class JobRecord(PlanModel):
    """A query job of a read; without an Id, its range is read by REST."""

    number: int  # within the read; a part of the files' names, and never given twice
    part: QueryRange
    job_id: str
    read_at_utc: datetime  # Date header of the answer that created it

    @property
    def is_rest(self) -> bool:
        """Whether the Bulk API does not serve the object."""
        return not self.job_id


class ReadRecord(PlanModel):
    """How far one read has come."""

    fingerprint: str
    content: BatchContent
    started_at_utc: datetime  # before anything was counted or read: what is absent was gone by then
    count_before: int
    pending: tuple[QueryRange, ...]  # no job yet
    jobs: tuple[JobRecord, ...] = ()
    next_number: int = 0

    def with_job(self, part: QueryRange, job_id: str, read_at_utc: datetime) -> ReadRecord:
        """The first pending range has a job now."""
        job = JobRecord(number=self.next_number, part=part, job_id=job_id, read_at_utc=read_at_utc)
        rest = tuple(item for item in self.pending if item != part)
        return self.model_copy(update={"jobs": (*self.jobs, job), "pending": rest, "next_number": self.next_number + 1})

    def without_job(self, number: int, instead: Iterable[QueryRange]) -> ReadRecord:
        """A job is given up; its range is read anew, as the ranges `instead`."""
        jobs = tuple(job for job in self.jobs if job.number != number)
        return self.model_copy(update={"jobs": jobs, "pending": (*self.pending, *instead)})


@dataclass(frozen=True)
class Checkpoint:
    """Where the progress of one read is kept."""

    bucket: Bucket
    request: ExtractionRequest
    content: BatchContent

    @property
    def key(self) -> str:
        """Of the document."""
        return f"{self.request.target_prefix}read-{self.content.value}.json"

    def save(self, record: ReadRecord) -> ReadRecord:
        """Keep it, over the one before."""
        self.bucket.write_text(self.key, record.model_dump_json(indent=2))
        return record

    def forget(self) -> None:
        """Nothing of this read is of any use from here on."""
        self.bucket.delete([self.key])

    def load(self, wanted: str) -> ReadRecord | None:
        """What a try before this one has kept, if it was made for the fingerprint `wanted`."""
        if not self.bucket.exists(self.key):
            return None
        try:
            record = ReadRecord.model_validate_json(self.bucket.read_text(self.key))
        except ValidationError:  # of another version of this code
            return None
        return record if record.fingerprint == wanted else None

    def pages(self, job: JobRecord) -> list[PageResult]:
        """The pages of a job that are safe, in the order of their names."""
        prefix = job_prefix(self.request, self.content, job.number)
        keys = [key for key in self.bucket.list(prefix) if key.endswith(RECORD_ENDING)]
        return [PAGE_RESULT.validate_json(self.bucket.read_text(key)) for key in keys]

    def forget_pages(self, number: int) -> None:
        """Delete the files of a job that is given up."""
        self.bucket.delete(self.bucket.list(job_prefix(self.request, self.content, number)))


def fingerprint(request: ExtractionRequest, erased: Iterable[str]) -> str:
    """The same for the same request and the same erasures: only then are the pages of another try of any use."""
    digest = hashlib.sha256(request.model_dump_json().encode())
    for item in sorted(erased):
        digest.update(item.encode())
    return digest.hexdigest()
