"""The manifest of a batch: what one extraction wrote, and that it is complete.

A batch without its manifest does not exist. It lies beside the batch's files and is written last.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict


class BatchFile(BaseModel):
    """One csv file (gzip, one header line, comma, every value quoted, null unquoted and empty)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str  # in the data bucket
    rows: int  # header line not counted
    bytes: int  # as stored, compressed
    sha256: str  # of the stored bytes


class BatchCounts(BaseModel):
    """Every count of one extraction; `count_*`, job, parsed and file rows must agree."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    count_before: int  # SELECT COUNT() of the window before the job
    count_after: int  # and after it
    job_rows: int  # numberRecordsProcessed of the query job
    page_rows: int | None  # sum of Sforce-NumberOfRecords; None where a proxy stripped it
    parsed_rows: int
    file_rows: int
    nul_characters_dropped: int = 0


class BatchManifest(BaseModel):
    """What `manifest.json` of a batch holds. Times are UTC by the org's clock."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    batch_id: str
    object: str
    salesforce_object: str
    run_id: str
    run_kind: Literal["scheduled", "manual", "backfill"]
    order_date: date
    load_mode: Literal["delta"]
    window_start_utc: datetime
    window_end_utc: datetime
    read_started_at_utc: datetime  # Date header before the job was created
    read_at_utc: datetime  # Date header of the answer that created the job: the snapshot's lower bound
    job_id: str | None  # None for an empty window (start >= end), where no job is spent
    columns: tuple[str, ...]  # target columns, then _read_at_utc, _batch_id
    files: tuple[BatchFile, ...]
    counts: BatchCounts
    code_sha: str
    reads: int = 1  # how often the window was read until the counts agreed

    @property
    def rows(self) -> int:
        """Rows over all files."""
        return sum(file.rows for file in self.files)

    @property
    def bytes(self) -> int:
        """Stored bytes over all files."""
        return sum(file.bytes for file in self.files)
