"""What a batch has to be before it is registered: counts that agree, files as listed, no good part of the Ids gone."""

from __future__ import annotations

from idiscover.aws.batch_manifests import read_again
from idiscover.aws.s3 import Bucket
from idiscover.errors import DataQualityError
from idiscover.lake.manifest import BatchCounts, BatchManifest
from idiscover.plan.model import ReadMode, Window

_FEW_GONE = 100  # so many records may go at once, whatever their share


def check_manifest(manifest: BatchManifest, window: Window, where: str) -> None:
    """Every count of the batch agrees with every other, and it is the batch that was asked for.

    Raises:
        DataQualityError: names the counts that differ.
    """
    asked = (
        window.object,
        window.batch_id,
        window.order_date,
        window.start_utc,
        window.end_utc,
        window.read_mode,
        window.countries,
    )
    written = (
        manifest.object,
        manifest.batch_id,
        manifest.order_date,
        manifest.window_start_utc,
        manifest.window_end_utc,
        manifest.read_mode,
        manifest.countries,
    )
    if asked != written:
        raise DataQualityError(
            "the manifest is of another window",
            where=where,
            got=", ".join(map(str, written)),
            expected=", ".join(map(str, asked)),
            remedy=read_again(window.object, window.run_id),
        )
    _check_absence(manifest, where)
    left_out = sum(file.rows for file in manifest.quarantine)
    _check_counts(manifest, manifest.counts, manifest.rows, left_out, where)
    if manifest.ids is not None:
        _check_counts(manifest, manifest.ids.counts, manifest.ids.rows, 0, f"{where}, Ids")


def _check_absence(manifest: BatchManifest, where: str) -> None:
    """A batch tells of absence exactly if it was to read every Id, and then brings the Ids."""
    mode = manifest.read_mode
    got = (manifest.absence_at_utc is not None, manifest.ids is not None)
    tells_absence = mode.tells_absence and not (mode is ReadMode.WHOLE and manifest.counts.quarantined)
    expected = (tells_absence, mode is ReadMode.WINDOW_AND_IDS)
    if got != expected:
        raise DataQualityError(
            "the manifest does not tell of absence as its read mode should",
            where=where,
            got=f"absence_at_utc {manifest.absence_at_utc}, Ids {'there' if got[1] else 'missing'}",
            expected=f"of a read {mode.value}: absence_at_utc {'' if expected[0] else 'not '}set,"
            f" Ids {'' if expected[1] else 'not '}beside the rows",
            remedy=read_again(manifest.object, manifest.run_id),
        )


def _check_counts(manifest: BatchManifest, counts: BatchCounts, listed: int, left_out: int, where: str) -> None:
    # rows of erased records and broken rows were parsed and not written, or were taken out of the files since
    numbers = {
        "job": counts.job_rows,
        "parsed": counts.parsed_rows,
        "in files": counts.file_rows + counts.suppressed + left_out,
        "listed in the manifest": listed + counts.gone,
    }
    if counts.page_rows is not None:
        numbers["announced by pages"] = counts.page_rows
    if counts.count_before == counts.count_after:  # else the org moved while it was read, and COUNT() says nothing
        numbers["COUNT()"] = counts.count_before
    if len(set(numbers.values())) > 1:
        raise DataQualityError(
            "row counts of the extraction differ",
            where=where,
            got=", ".join(f"{name} {count}" for name, count in numbers.items()),
            expected="the same number everywhere",
            remedy=f"read the step's log; {read_again(manifest.object, manifest.run_id)}",
        )


def check_gone(manifest: BatchManifest, before: int | None, most_gone_percent: int, where: str) -> None:
    """The org may delete records, but a read that lacks a good part of those before has rather lost sight of them.

    Before the batch is registered, because the watermark moves with it: records that come into sight again keep their
    SystemModstamp, and no later window would read what changed in between.

    Args:
        manifest: of the batch.
        before: how many Ids the read of every Id before it had; None where there was none.
        most_gone_percent: the delta filter's.
        where: for the message.

    Raises:
        DataQualityError: names both numbers.
    """
    now = manifest.id_count
    if now is None or before is None:
        return
    gone = before - now
    if gone > _FEW_GONE and gone * 100 > most_gone_percent * before:
        raise DataQualityError(
            "a read of every Id has far fewer records than the one before it",
            where=where,
            got=f"{now} Ids",
            expected=f"about {before}, at least {100 - most_gone_percent} % of them",
            remedy="can the integration user still see all records (View All, sharing rules), and is the delta filter"
            f" the same? Mend that, and {read_again(manifest.object, manifest.run_id)}. If they are really gone: raise"
            " most_gone_percent in the delta filter, deploy, and do the same",
        )


def check_files(manifest: BatchManifest, bucket: Bucket) -> None:
    """Every file lies there, with as many bytes as were written.

    Raises:
        DataQualityError: names the first that does not.
    """
    for file in manifest.all_files:
        stored = bucket.size(file.key)
        if stored != file.bytes:
            raise DataQualityError(
                "a file is not as the manifest says",
                where=bucket.uri(file.key),
                got="no object" if stored is None else f"{stored} bytes",
                expected=f"{file.bytes} bytes",
                remedy=read_again(manifest.object, manifest.run_id),
            )
