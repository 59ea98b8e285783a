"""The manifest of a batch: what one extraction wrote, and that it is complete.

A batch without its manifest does not exist. It lies beside the batch's files and is written last.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, model_validator

from idiscover.plan.model import ReadMode

# `part-00000.csv.gz` is `part-00000-e1.csv.gz` once an erasure has rewritten it
ERASED_NAME = re.compile(r"^(?P<stem>.*)-e(?P<number>[0-9]+)\.csv\.gz$")


class BatchFile(BaseModel):
    """One csv file (gzip, one header line, comma, every value quoted, null unquoted and empty)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str  # in the data bucket
    rows: int  # header line not counted
    bytes: int  # as stored, compressed
    sha256: str  # of the stored bytes


class BatchCounts(BaseModel):
    """Every count of one extraction; `count_*`, job and parsed rows must agree.

    Parsed rows are rows in files (when they were written), suppressed and quarantined ones; the files of today have
    `erased` fewer.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    count_before: int  # SELECT COUNT() of what was to be read, before the job
    count_after: int  # and after it
    job_rows: int  # numberRecordsProcessed over all query jobs
    page_rows: int | None  # sum of Sforce-NumberOfRecords; None where a proxy stripped it
    parsed_rows: int
    file_rows: int
    nul_characters_dropped: int = 0
    suppressed: int = 0  # rows that were parsed and not written: their records had been erased before
    erased: int = 0  # rows that were written, and taken out of the files since: their records were erased
    quarantined: int = 0  # rows that were parsed and left out: they broke their contract

    @property
    def gone(self) -> int:
        """Rows that were parsed and are not in the files: of erased records, and broken ones."""
        return self.suppressed + self.erased + self.quarantined


class IdRead(BaseModel):
    """A read of every Id of an object, after the rows of the same batch: query jobs and files of its own."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    read_at_utc: datetime  # Date header of the answer that created the first job
    job_ids: tuple[str, ...]  # none where the Bulk API does not serve the object: it is read by REST
    columns: tuple[str, ...]  # the key's column, _batch_id
    files: tuple[BatchFile, ...]
    counts: BatchCounts
    reads: int = 1  # how often the Ids were read until the counts agreed

    @property
    def rows(self) -> int:
        """Ids over all files."""
        return sum(file.rows for file in self.files)


class BatchManifest(BaseModel):
    """What `manifest.json` of a batch holds. Times are UTC by the org's clock."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[3] = 3
    batch_id: str
    object: str
    salesforce_object: str
    run_id: str
    run_kind: Literal["scheduled", "manual", "backfill"]
    order_date: date
    read_mode: ReadMode
    window_start_utc: datetime
    window_end_utc: datetime
    read_started_at_utc: datetime  # Date header before the job was created
    read_at_utc: datetime  # Date header of the answer that created the first job: the lower bound of all snapshots
    # Date header before every Id was read; None where that was not done, or rows of a whole read are in quarantine:
    # their records are there, though their Ids are not among the rows
    absence_at_utc: datetime | None
    job_ids: tuple[str, ...]  # none for an empty window (start >= end), and where REST stands in for the Bulk API
    columns: tuple[str, ...]  # target columns, then _read_at_utc, _batch_id
    files: tuple[BatchFile, ...]
    counts: BatchCounts
    code_sha: str
    reads: int = 1  # how often the rows were read until the counts agreed
    ids: IdRead | None = None  # of `window_and_ids`; a whole read has every Id among its rows
    countries: tuple[str, ...] = ()  # only their records were read; none: those of all
    reason: str | None = None  # why a person started the run
    # rows that broke their contract, as they were written; they may be deleted before the batch is
    quarantine: tuple[BatchFile, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _reads_version_2(cls, content: object) -> object:
        """Batches in archive/ have the one job that a read was then, and are replayed as they are."""
        if not isinstance(content, dict) or content.get("version") != 2:
            return content
        ids = content.get("ids")
        return {**_with_job_ids(content), "ids": ids and _with_job_ids(ids), "version": 3}

    @property
    def rows(self) -> int:
        """Rows over all files, Ids of their own not counted."""
        return sum(file.rows for file in self.files)

    @property
    def id_count(self) -> int | None:
        """How many Ids the object had; None where not all were read."""
        if self.ids is not None:
            return self.ids.rows
        return self.rows if self.read_mode is ReadMode.WHOLE and not self.counts.quarantined else None

    @property
    def id_files(self) -> tuple[BatchFile, ...]:
        """Files of Ids alone."""
        return () if self.ids is None else self.ids.files

    @property
    def all_files(self) -> tuple[BatchFile, ...]:
        """Files of rows, then of Ids."""
        return (*self.files, *self.id_files)

    @property
    def bytes(self) -> int:
        """Stored bytes over all files."""
        return sum(file.bytes for file in self.all_files)

    @property
    def was_erased_from(self) -> bool:
        """Whether an erasure has rewritten a file of the batch: its name says so."""
        return any(ERASED_NAME.match(file.key) for file in self.all_files)

    def moved(self, source: str, target: str) -> BatchManifest:
        """The same batch with its files under prefix `target` instead of `source`."""
        ids = self.ids and self.ids.model_copy(update={"files": _moved(self.ids.files, source, target)})
        return self.model_copy(update={"files": _moved(self.files, source, target), "ids": ids})


def _with_job_ids(content: dict[str, Any]) -> dict[str, Any]:
    rest = {key: value for key, value in content.items() if key != "job_id"}
    job_id = content.get("job_id")
    return {**rest, "job_ids": (job_id,) if job_id else ()}


def _moved(files: Iterable[BatchFile], source: str, target: str) -> tuple[BatchFile, ...]:
    return tuple(file.model_copy(update={"key": target + file.key.removeprefix(source)}) for file in files)
