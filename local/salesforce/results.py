"""Bulk results on disk: one CSV body per job, and an index of where each row starts."""

import hashlib
import hmac
from array import array
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from isal import isal_zlib

_CHUNK_BYTES = 256 * 1024
_ROWS_PER_WRITE = 1000
_SIGNATURE_BYTES = 6
_GZIP_LEVEL = 1


@dataclass(frozen=True)
class CsvDialect:
    """What a job asked for."""

    delimiter: str
    line_ending: str

    def line(self, values: Iterable[str]) -> bytes:
        """One row, every value quoted."""
        texts = list(values)
        between = f'"{self.delimiter}"'
        row = between.join(texts)
        if row.count('"') != 2 * (len(texts) - 1):
            row = between.join([text.replace('"', '""') for text in texts])
        return f'"{row}"{self.line_ending}'.encode()


@dataclass(frozen=True)
class Page:
    """Rows first…first+count-1 of a job; `next_row` is None at the end."""

    first: int
    count: int
    next_row: int | None


class ResultFiles:
    """The result files of all jobs, in one folder."""

    def __init__(self, folder: Path, secret: bytes) -> None:
        self._folder = folder
        self._secret = secret
        folder.mkdir(parents=True, exist_ok=True)

    def write(self, job_id: str, header: bytes, lines: Iterable[bytes]) -> int:
        """Write a job's result; returns the number of rows. It appears whole or not at all."""
        body, index = self._folder / f"{job_id}.csv.part", self._folder / f"{job_id}.idx.part"
        rows, position = 0, len(header)
        with body.open("wb") as out, index.open("wb") as offsets:
            out.write(header)
            block, starts = [], array("Q", [position])
            for line in lines:
                block.append(line)
                position += len(line)
                starts.append(position)
                rows += 1
                if len(block) == _ROWS_PER_WRITE:
                    out.write(b"".join(block))
                    starts.tofile(offsets)
                    block, starts = [], array("Q")
            out.write(b"".join(block))
            starts.tofile(offsets)
        index.replace(self._folder / f"{job_id}.idx")
        body.replace(self._folder / f"{job_id}.csv")
        return rows

    def delete(self, job_id: str) -> None:
        """Remove whatever there is of a job."""
        for suffix in ("csv", "idx", "csv.part", "idx.part"):
            (self._folder / f"{job_id}.{suffix}").unlink(missing_ok=True)

    def stream(self, job_id: str, page: Page) -> Iterator[bytes]:
        """A page, the header row first, in chunks."""
        header_end, start, end = self._offsets(job_id, (0, page.first, page.first + page.count))
        with (self._folder / f"{job_id}.csv").open("rb") as body:
            yield body.read(header_end)
            body.seek(start)
            left = end - start
            while left > 0:
                chunk = body.read(min(left, _CHUNK_BYTES))
                left -= len(chunk)
                yield chunk

    def locator(self, job_id: str, row: int) -> str:
        """An opaque name of a place in a job's result, the same whenever it is asked for."""
        number = row.to_bytes(8, "big").lstrip(b"\0")
        return urlsafe_b64encode(self._sign(job_id, row) + number).decode("ascii").rstrip("=")

    def row_of(self, job_id: str, locator: str) -> int:
        """The row a locator names. Raises ValueError for one that this job never gave out."""
        raw = urlsafe_b64decode(locator + "=" * (-len(locator) % 4))
        row = int.from_bytes(raw[_SIGNATURE_BYTES:], "big")
        if len(raw) > _SIGNATURE_BYTES + 8 or not hmac.compare_digest(raw[:_SIGNATURE_BYTES], self._sign(job_id, row)):
            raise ValueError("invalid query locator")
        return row

    def _sign(self, job_id: str, row: int) -> bytes:
        return hmac.new(self._secret, f"{job_id}:{row}".encode(), hashlib.sha256).digest()[:_SIGNATURE_BYTES]

    def _offsets(self, job_id: str, rows: tuple[int, ...]) -> list[int]:
        found = array("Q")
        with (self._folder / f"{job_id}.idx").open("rb") as offsets:
            for row in rows:
                offsets.seek(row * found.itemsize)
                found.fromfile(offsets, 1)
        return list(found)


def gzipped(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The chunks as one gzip stream."""
    packer = isal_zlib.compressobj(_GZIP_LEVEL, isal_zlib.DEFLATED, isal_zlib.MAX_WBITS | 16)
    for chunk in chunks:
        packed = packer.compress(chunk)
        if packed:
            yield packed
    yield packer.flush()
