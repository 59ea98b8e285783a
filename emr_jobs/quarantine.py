"""Rows that break their contract: written beside the batch, with what is wrong with them, for a person to look at.

Values stand there as Salesforce sent them, those of protected fields protected. One file for each page that has such
rows; a page without has none.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Self

from idiscover.aws.s3 import Bucket
from idiscover.errors import DataQualityError
from idiscover.lake.csv_lines import csv_line
from idiscover.lake.manifest import BatchFile
from pydantic import BaseModel, ConfigDict

from emr_jobs.contract import Breach
from emr_jobs.gzip_into import GzipInto

REASON_COLUMNS = ("_column", "_reason", "_page")
_MORE = 100  # rows of a page that are written beyond the limit, so that there is something to compare
_REASONS = 3  # told of a read


class BrokenRows(BaseModel):
    """The rows of one page that are not in its file, and what is wrong with the first of them."""

    model_config = ConfigDict(frozen=True)

    file: BatchFile
    reasons: tuple[str, ...]


class TooManyBroken(DataQualityError):
    """More rows than may be left out: trying again brings the same."""


class Quarantine:
    """Takes the broken rows of one page. Used as a block: the file is there once that has ended well.

    Args:
        bucket: to write to.
        key: of the file.
        columns: of the rows.
        page: file of the other rows.
        limit: how many a read may have.
    """

    def __init__(self, bucket: Bucket, key: str, columns: Sequence[str], page: str, limit: int) -> None:
        self._bucket, self._key, self._page, self._limit = bucket, key, page, limit
        self._header = csv_line((*columns, *REASON_COLUMNS)).encode()
        self._rows = 0
        self._reasons: list[str] = []
        self.broken: BrokenRows | None = None

    def __enter__(self) -> Self:
        return self

    def add(self, row: Sequence[str], breaches: Sequence[Breach]) -> None:
        """One row.

        Raises:
            TooManyBroken: the page alone has more than a read may have, and enough of them are written.
        """
        if not self._rows:
            self._out = self._bucket.open_writer(self._key).__enter__()
            self._packed = GzipInto(self._out)
            self._packed.write(self._header)
        columns, reasons = ", ".join(one.column for one in breaches), "; ".join(one.reason for one in breaches)
        self._packed.write(csv_line((*row, columns, reasons, self._page)).encode())
        self._rows += 1
        if len(self._reasons) < _REASONS:
            self._reasons += [str(breach) for breach in breaches]
        if self._rows > self._limit + _MORE:
            raise too_many(f"at least {self._rows} of one page", self._limit, self._reasons, [self._key])

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._rows:
            return
        if kind is not None and not issubclass(kind, TooManyBroken):
            self._out.__exit__(kind, error, trace)
            return
        self._packed.finish()
        self._out.__exit__(None, None, None)
        file = BatchFile(key=self._key, rows=self._rows, bytes=self._out.bytes_written, sha256=self._out.sha256)
        self.broken = BrokenRows(file=file, reasons=tuple(self._reasons[:_REASONS]))


def require_few(broken: Sequence[BrokenRows], limit: int) -> None:
    """A read may leave out so many rows, and no more.

    Raises:
        TooManyBroken: names the first reasons, and where the rows are.
    """
    rows = sum(one.file.rows for one in broken)
    if rows > limit:
        reasons = [reason for one in broken for reason in one.reasons]
        raise too_many(str(rows), limit, reasons, [one.file.key for one in broken])


def too_many(rows: str, limit: int, reasons: Iterable[str], keys: Sequence[str]) -> TooManyBroken:
    """The error of a read with more broken rows than it may have."""
    told = [reason for number, reason in enumerate(dict.fromkeys(reasons)) if number < _REASONS]
    return TooManyBroken(
        "Rows break their contract",
        where=", ".join(keys[:_REASONS]) + (f" and {len(keys) - _REASONS} more" if len(keys) > _REASONS else ""),
        key="extraction.quarantine_limit",
        got=f"{rows} rows: {'; '.join(told)}",
        expected=f"at most {limit}",
        remedy="look at the rows there; correct the field in the metadata (type, length, precision, scale), or the"
        " records in the org, or raise the limit in the object's file; then clear the run from create_cluster",
    )
