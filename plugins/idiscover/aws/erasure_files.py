"""Files of a batch without the records that were erased, and the manifest and the job metadata that say so.

The order loses nothing to a kill in between: files are written anew under another name, then the manifest names them
instead of the old ones, then job metadata follows. What the old names still hold is deleted by its versions later.
"""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from idiscover.aws.job_metadata import JobMetadata
from idiscover.aws.job_metadata_batches import rewrite_batch
from idiscover.aws.s3 import Bucket
from idiscover.lake.csv_lines import MAX_VALUE_CHARACTERS, csv_line
from idiscover.lake.manifest import ERASED_NAME, BatchFile, BatchManifest
from idiscover.lake.suppression import ErasedRows, IsErased

_SYSTEM_COLUMNS = frozenset({"_read_at_utc", "_batch_id"})
_END = ".csv.gz"
_ROWS_PER_BLOCK = 1000


@dataclass(frozen=True)
class Eraser:
    """Which records are meant. `redact` takes their Ids out of longer texts."""

    is_erased: IsErased
    redact: Callable[[str], str] | None = None

    def rows(self, columns: tuple[str, ...], key: str) -> ErasedRows:
        """What takes them out of rows with these columns."""
        positions = [place for place, column in enumerate(columns) if column not in _SYSTEM_COLUMNS]
        return ErasedRows(self.is_erased, columns.index(key) if key in columns else None, positions, self.redact)


@dataclass(frozen=True)
class Cleaned:
    """A batch without the records, and what was taken out of it. `replaced`: keys of the files that held them."""

    manifest: BatchManifest
    dropped: int = 0  # rows, Ids among them
    changed: int = 0  # values
    replaced: tuple[str, ...] = ()


def clean_batch(
    metadata: JobMetadata, bucket: Bucket, manifest: BatchManifest, manifest_key: str, key: str, eraser: Eraser
) -> Cleaned:
    """Rewrites the files of a batch that hold a record of `eraser`; others stay as they are.

    Args:
        metadata: follows, if the batch is registered.
        bucket: with the batch's files.
        manifest: of the batch.
        manifest_key: where it stands, and where the new one will.
        key: column of the records' own Id.
        eraser: which records.

    Raises:
        RetriableError: the lock on the files was lost meanwhile; the manifest is as it was.
    """
    rows = [_clean_file(bucket, file, manifest.columns, key, eraser) for file in manifest.files]
    counts = manifest.counts
    dropped = sum(one.dropped for one in rows)
    news: dict[str, object] = {
        "files": tuple(one.file for one in rows),
        "counts": counts.model_copy(update={"erased": counts.erased + dropped}),
    }
    all_files = rows
    if manifest.ids is not None:
        ids = [_clean_file(bucket, file, manifest.ids.columns, key, eraser) for file in manifest.ids.files]
        of_ids = manifest.ids.counts
        gone = of_ids.erased + sum(one.dropped for one in ids)
        news["ids"] = manifest.ids.model_copy(
            update={
                "files": tuple(one.file for one in ids),
                "counts": of_ids.model_copy(update={"erased": gone}),
            }
        )
        all_files = rows + ids
    touched = [one for one in all_files if one.dropped or one.changed]
    cleaned = manifest.model_copy(update=news)
    if touched:
        metadata.require_locks()  # reading took long: nobody else may have written a manifest meanwhile
        bucket.write_text(manifest_key, cleaned.model_dump_json(indent=2))
    if cleaned.was_erased_from:  # by an earlier try, too, that was killed before this: the manifest leads
        rewrite_batch(metadata, cleaned)
    replaced = tuple(old.key for old, new in zip(manifest.all_files, all_files, strict=True) if old.key != new.file.key)
    return Cleaned(cleaned, sum(one.dropped for one in touched), sum(one.changed for one in touched), replaced)


@dataclass(frozen=True)
class _File:
    file: BatchFile
    dropped: int = 0
    changed: int = 0


def _clean_file(bucket: Bucket, file: BatchFile, columns: tuple[str, ...], key: str, eraser: Eraser) -> _File:
    """Read twice: most files hold nothing, and are not written."""
    found = eraser.rows(columns, key)
    for _ in _kept(bucket, file, found):
        pass
    if not found.dropped and not found.changed:
        return _File(file)
    rows = eraser.rows(columns, key)
    with bucket.open_writer(next_name(file.key)) as out:
        packed = gzip.GzipFile(fileobj=out, mode="wb", mtime=0, filename="", compresslevel=1)
        packed.write(csv_line(columns).encode())
        for block in _kept(bucket, file, rows):
            packed.write(block.encode())
        packed.close()
    written = BatchFile(key=out.key, rows=file.rows - rows.dropped, bytes=out.bytes_written, sha256=out.sha256)
    return _File(written, rows.dropped, rows.changed)


def next_name(key: str) -> str:
    """`part-00000.csv.gz` → `part-00000-e1.csv.gz` → `part-00000-e2.csv.gz`."""
    known = ERASED_NAME.match(key)
    stem, number = (known["stem"], int(known["number"])) if known else (key.removesuffix(_END), 0)
    return f"{stem}-e{number + 1}{_END}"


def _kept(bucket: Bucket, file: BatchFile, rows: ErasedRows) -> Iterator[str]:
    """Blocks of lines of the rows that stay."""
    csv.field_size_limit(MAX_VALUE_CHARACTERS)
    with gzip.open(bucket.open_reader(file.key)) as raw, io.TextIOWrapper(raw, encoding="utf-8", newline="") as text:
        reader = csv.reader(text, strict=True)
        next(reader, None)  # the header
        block: list[str] = []
        for row in reader:
            if rows(row):
                block.append(csv_line(row))
            if len(block) == _ROWS_PER_BLOCK:
                yield "".join(block)
                block.clear()
        yield "".join(block)
