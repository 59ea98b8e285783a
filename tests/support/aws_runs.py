"""Runs of the three families as Airflow would do them: the same functions of `idiscover.aws` in the same order.

What the EMR step does (files, then the manifest) is done here in a few lines, from rows of text.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from idiscover.aws import extraction_run, loader, refresher
from idiscover.aws.s3 import Bucket
from idiscover.lake.keys import manifest_key
from idiscover.lake.manifest import BatchCounts, BatchFile, BatchManifest, IdRead
from idiscover.plan.model import ExtractionRequest, ReadMode, RunIdentity

from tests.support.aws_platform import Platform

DAY_0 = date(2026, 1, 5)
Row = Mapping[str, str | None]
SYSTEM_COLUMNS = ("_read_at_utc", "_batch_id")


def midnight(day: date) -> datetime:
    """The day's first instant, UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


@dataclass
class Org:
    """The org's clock, as `open_session` of the sessions gives it."""

    now: datetime = midnight(DAY_0 + timedelta(days=1)) + timedelta(hours=1)

    def org_now(self) -> datetime:
        return self.now


def scheduled_run(dag_id: str, day: date) -> RunIdentity:
    """The scheduled run of an org day."""
    return RunIdentity(
        dag_id=dag_id,
        run_id=f"scheduled__{day.isoformat()}T00:00:00+00:00",
        run_type="scheduled",
        interval_start_utc=midnight(day),
        interval_end_utc=midnight(day) + timedelta(days=1),
    )


def woken_run(dag_id: str, number: int) -> RunIdentity:
    """A run that an asset event started."""
    return RunIdentity(dag_id=dag_id, run_id=f"asset_triggered__{number}", run_type="asset_triggered")


def lab(key: str, country: str | None, version: int = 0, name: str = "Lab") -> Row:
    """A lab at its `version`-th second."""
    return {
        "id": key,
        "is_deleted": "false",
        "name": name,
        "country_code": country,
        "order": "1.50",
        "system_modstamp": _time(version),
    }


def assay(key: str, lab_id: str, version: int = 0, notes: str = "none") -> Row:
    """A test at a lab."""
    return {
        "id": key,
        "is_deleted": "false",
        "lab_id": lab_id,
        "notes": notes,
        "count": "3",
        "day": "2026-01-05",
        "system_modstamp": _time(version),
    }


def unit(key: str, version: int = 0) -> Row:
    """A unit of measure."""
    return {"id": key, "is_deleted": "false", "system_modstamp": _time(version)}


def _time(seconds: int) -> str:
    return (datetime(2026, 1, 5) + timedelta(seconds=seconds)).isoformat(timespec="milliseconds") + "Z"


def result(key: str, test_id: str, version: int = 0, value: str = "1.000") -> Row:
    """A result of a test."""
    return {"id": key, "test_id": test_id, "value": value, "system_modstamp": _time(version)}


def kit(key: str, age: int, version: int = 0) -> Row:
    """A kit; its age is a formula."""
    return {"id": key, "age": str(age), "system_modstamp": _time(version)}


def write_files(request: ExtractionRequest, rows: Sequence[Row], read_at: datetime) -> tuple[BatchFile, ...]:
    """The step's csv files: two where there are rows enough."""
    system = {"_read_at_utc": f"{read_at:%Y-%m-%d %H:%M:%S.%f}", "_batch_id": request.window.batch_id}
    columns = [*(column.column for column in request.columns), *SYSTEM_COLUMNS]
    return _write(request, "part", columns, [{**row, **system} for row in rows])


def write_ids(request: ExtractionRequest, ids: Sequence[str]) -> tuple[BatchFile, ...]:
    """The step's files of Ids."""
    batch = {"_batch_id": request.window.batch_id}
    return _write(request, "ids", [request.key, "_batch_id"], [{request.key: key, **batch} for key in ids])


def _write(request: ExtractionRequest, name: str, columns: Sequence[str], rows: Sequence[Row]) -> tuple[BatchFile, ...]:
    bucket = Bucket(request.data_bucket, request.region)
    half = (len(rows) + 1) // 2
    files = []
    for number, part in enumerate(part for part in (rows[:half], rows[half:]) if part):
        lines = [columns, *([row[column] for column in columns] for row in part)]
        content = gzip.compress("".join(_line(line) for line in lines).encode(), mtime=0)
        key = f"{request.target_prefix}{name}-{number:05d}.csv.gz"
        bucket.write_bytes(key, content)
        files.append(BatchFile(key=key, rows=len(part), bytes=len(content), sha256=hashlib.sha256(content).hexdigest()))
    return tuple(files)


def _line(values: Sequence[str | None]) -> str:
    quoted = ("" if value is None else '"' + value.replace('"', '""') + '"' for value in values)
    return ",".join(quoted) + "\n"


def manifest_of(
    request: ExtractionRequest,
    files: Sequence[BatchFile],
    read_at: datetime,
    id_files: Sequence[BatchFile] = (),
) -> BatchManifest:
    """The manifest of these files, all of its counts agreeing."""
    window = request.window
    is_sweep, is_whole = window.read_mode is ReadMode.WINDOW_AND_IDS, window.read_mode is ReadMode.WHOLE
    return BatchManifest(
        batch_id=window.batch_id,
        object=request.object,
        salesforce_object=request.salesforce_object,
        run_id=window.run_id,
        run_kind=window.run_kind.value,
        order_date=window.order_date,
        read_mode=window.read_mode,
        window_start_utc=window.start_utc,
        window_end_utc=window.end_utc,
        read_started_at_utc=read_at,
        read_at_utc=read_at,
        absence_at_utc=read_at if window.read_mode.tells_absence else None,
        job_ids=() if window.is_empty and not is_whole else ("750000000000001AAA",),
        columns=(*(column.column for column in request.columns), *SYSTEM_COLUMNS),
        files=tuple(files),
        counts=_counts(files),
        code_sha=request.code_sha,
        ids=_id_read(request, id_files, read_at) if is_sweep else None,
    )


def _id_read(request: ExtractionRequest, files: Sequence[BatchFile], read_at: datetime) -> IdRead:
    return IdRead(
        read_at_utc=read_at,
        job_ids=("750000000000002AAA",),
        columns=(request.key, "_batch_id"),
        files=tuple(files),
        counts=_counts(files),
    )


def _counts(files: Sequence[BatchFile]) -> BatchCounts:
    rows = sum(file.rows for file in files)
    return BatchCounts(
        count_before=rows, count_after=rows, job_rows=rows, page_rows=rows, parsed_rows=rows, file_rows=rows
    )


def write_manifest(request: ExtractionRequest, manifest: BatchManifest) -> str:
    """Writes it where the step does; its key."""
    key = manifest_key(request.target_prefix)
    Bucket(request.data_bucket, request.region).write_text(key, manifest.model_dump_json(indent=2))
    return key


def play_step(
    request: ExtractionRequest, rows: Sequence[Row], read_at: datetime, ids: Sequence[str] = ()
) -> BatchManifest:
    """What the EMR step does: files, then the manifest. `ids`: what a sweep finds."""
    files = write_files(request, rows, read_at)
    manifest = manifest_of(request, files, read_at, write_ids(request, ids))
    write_manifest(request, manifest)
    return manifest


def extract(
    platform: Platform, org: Org, name: str, run: RunIdentity, rows: Sequence[Row], ids: Sequence[str] = ()
) -> BatchManifest:
    """A whole run of `sfdc_to_s3__<name>`; `ids`: what a sweep finds."""
    plan = platform.extraction(name)
    request = extraction_run.open_extraction(plan, run)
    play_step(request, rows, org.now, ids)
    return extraction_run.close_extraction(plan, run)


def load(platform: Platform, name: str, run: RunIdentity) -> dict[str, Any]:
    """A whole run of `s3_to_redshift__<name>`; what `end` returns."""
    plan = platform.load(name)
    loader.copy_pending(plan, run)
    loader.reconcile(plan, run)
    return loader.finish_load(plan, run)


def refresh(platform: Platform, table: str, run: RunIdentity) -> dict[str, Any] | None:
    """A whole run of a table's refresh; what `end` returns."""
    plan = platform.refresh(table)
    for countries in refresher.claim_slices(plan, run):
        refresher.call_unit(plan, run, countries)
    return refresher.finish_refresh(plan, run)


def bring_in(
    platform: Platform, org: Org, name: str, day: date, rows: Sequence[Row], ids: Sequence[str] = ()
) -> BatchManifest:
    """A day's batch of an object, extracted and loaded; `ids`: what a sweep finds."""
    manifest = extract(platform, org, name, scheduled_run(f"sfdc_to_s3__{name}", day), rows, ids)
    load(platform, name, woken_run(f"s3_to_redshift__{name}", day.toordinal()))
    return manifest


def nothing_new(platform: Platform, org: Org, day: date, *names: str) -> None:
    """A day without changes of these objects, parents first, up to itg."""
    for name in names:
        bring_in(platform, org, name, day, [])
        refresh(platform, f"itg.{name}", woken_run(f"itg.{name}", day.toordinal()))
