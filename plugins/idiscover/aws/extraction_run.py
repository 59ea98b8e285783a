"""An extraction before and after its cluster: the frozen window, the request, the registered batch."""

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime, timedelta

from idiscover.aws.batch_checks import check_files, check_gone, check_manifest
from idiscover.aws.batch_manifests import (
    move_aside,
    read_again,
    read_manifest,
    refused_key,
    stands,
    withdraw_if_refused,
)
from idiscover.aws.job_metadata import JobMetadata, open_job_metadata
from idiscover.aws.job_metadata_batches import (
    FILES,
    PENDING,
    batch,
    ids_of_read_before,
    order_date_of_every_id,
    register_batch,
)
from idiscover.aws.job_metadata_windows import freeze_window, frozen_window
from idiscover.aws.job_metadata_windows import release_lock as give_lock_back
from idiscover.aws.s3 import Bucket
from idiscover.aws.secrets import read_secret
from idiscover.aws.step_log import write_status
from idiscover.errors import ConfigError, DataQualityError, FatalError
from idiscover.lake.keys import manifest_key, source_prefix, status_key
from idiscover.lake.manifest import BatchManifest
from idiscover.lake.protection import without_secret
from idiscover.metadata.models import Protection
from idiscover.plan.model import ExtractionPlan, ExtractionRequest, RunIdentity, RunKind, Window
from idiscover.plan.reads import is_due, read_filter, read_mode_of
from idiscover.salesforce.session import SalesforceSession, open_session


def open_extraction(plan: ExtractionPlan, run: RunIdentity) -> ExtractionRequest:
    """Freezes the run's window, takes the object's lock for it, and writes the request to S3.

    A retry or a cleared run gets the window of the first try: what was announced is what is read. A batch of the run
    that was refused loses its manifest, so that the step reads the window again.

    Raises:
        ConfigError: the run has no interval where its kind needs one, or values are to be hashed without a key.
        RetriableError: another run reads an overlapping window, or a service did not answer.
    """
    _require_key_of_hashes(plan)
    with open_job_metadata(plan.context) as metadata:
        standing = frozen_window(metadata, plan.object, run.run_id, run.run_type)
        last = order_date_of_every_id(metadata, plan.object) if plan.due_every_days > 1 else None
        # asked before the transaction that freezes, which nobody should have to wait for while Salesforce thinks
        org_now = org_session(plan).org_now().astimezone(UTC) if standing is None else standing.end_utc
        window = freeze_window(
            metadata,
            plan.object,
            run.run_id,
            run.run_type,
            lambda watermark: new_window(plan, run, watermark, org_now, last),
            plan.context.emr.lease,
        )
        registered = batch(metadata, window.batch_id)
    # Last, and from the frozen window alone: killed before this, the next try writes the very same request.
    request = extraction_request(plan, run, window)
    bucket = Bucket(plan.context.buckets.data, plan.context.region)
    if registered is None or registered.state == PENDING:
        withdraw_if_refused(bucket, request.target_prefix)
    bucket.write_text(status_key(run.dag_id, run.run_id, "request"), request.model_dump_json(indent=2))
    return request


def _require_key_of_hashes(plan: ExtractionPlan) -> None:
    """The workers read the key; that nobody names it is told before a cluster is made."""
    if plan.context.secrets.protection is None and any(item.protect is Protection.HASH for item in plan.columns):
        raise without_secret()


def new_window(
    plan: ExtractionPlan, run: RunIdentity, watermark: datetime | None, org_now: datetime, last: date | None = None
) -> Window:
    """The window of a run, by its kind; it ends at the org's now at the latest.

    scheduled: from the watermark, less the lookback, to the end of its interval. manual: its own window, or from the
    watermark, less the lookback, to now. backfill: its interval. Before its first batch, an object has been read up to
    the start of its delta filter, and nothing older is read unless a window or a backfill says so. `last` is the order
    date of the newest batch that brought every Id.

    Raises:
        ConfigError: the run has no interval where its kind needs one, or an order date that has not begun.
    """
    kind = run_kind(run)
    _require_begun(run, org_now)
    from_watermark = plan.start if watermark is None else _behind(watermark, plan)
    if kind is RunKind.MANUAL:
        start, end = run.window_start_utc or from_watermark, run.window_end_utc or org_now
        order_date = org_now.date()
    else:
        interval_start, interval_end = _interval(run)
        start = interval_start if kind is RunKind.BACKFILL else from_watermark
        end, order_date = interval_end, run.order_date or interval_start.date()
    return Window(
        object=plan.object,
        run_id=run.run_id,
        run_kind=kind,
        order_date=order_date,
        batch_id=batch_id(plan.object, order_date, run),
        start_utc=start,
        end_utc=min(end, org_now),
        read_mode=read_mode_of(plan, run, kind, is_due(plan, order_date, last)),
        countries=run.countries,
        reason=run.reason,
    )


def _require_begun(run: RunIdentity, org_now: datetime) -> None:
    """A mistyped year would arrive at every table as its newest day, and as-of dates never go back."""
    if run.order_date is not None and run.order_date > org_now.date():
        raise ConfigError(
            "an order date that has not begun",
            where=run.dag_id,
            key="order_date",
            got=run.order_date.isoformat(),
            expected=f"{org_now.date()} at the latest, by the org's clock (UTC)",
            remedy="correct it; to read up to now, leave it out",
        )


def _behind(watermark: datetime, plan: ExtractionPlan) -> datetime:
    """The lookback before the watermark, though not before the start of history; never past the watermark itself.

    The last counts where the start was moved: a window that begins past the watermark could not move it any more.
    """
    return min(watermark, max(plan.start, watermark - timedelta(minutes=plan.lookback_minutes)))


def run_kind(run: RunIdentity) -> RunKind:
    """A run with an order date is that day's scheduled run, whoever started it."""
    if run.run_type == "backfill":
        return RunKind.BACKFILL
    if run.run_type == "scheduled" or run.order_date is not None:
        return RunKind.SCHEDULED
    return RunKind.MANUAL


def batch_id(object_name: str, order_date: date, run: RunIdentity) -> str:
    """The same for every try of a run; another for a backfill that reprocesses it under the same run_id."""
    digest = hashlib.sha256("\n".join((object_name, run.run_id, run.run_type)).encode()).hexdigest()
    return f"{object_name}-{order_date:%Y%m%d}-{digest[:12]}"


def batch_stands(plan: ExtractionPlan, run: RunIdentity) -> bool:
    """Whether the run's batch is registered and nobody has refused it, so that there is nothing left to do for it."""
    with open_job_metadata(plan.context) as metadata:
        window = frozen_window(metadata, plan.object, run.run_id, run.run_type)
        registered = None if window is None else batch(metadata, window.batch_id)
    if registered is None:
        return False
    bucket = Bucket(plan.context.buckets.data, plan.context.region)
    return stands(bucket, registered, source_prefix(plan.object, registered.batch_id))


def close_extraction(plan: ExtractionPlan, run: RunIdentity) -> BatchManifest:
    """Registers the batch that the step wrote, moves the watermark, and gives the object's lock back.

    Killed before the registration commits, nothing has happened; after it, the next try registers the same again. A
    batch that is still pending takes on what its manifest says now: its window may have been read again.

    Raises:
        FatalError: the run has no window, or the step left no manifest.
        RetriableError: somebody has been at the files of the object's batches for too long.
        DataQualityError: counts differ, or a file is not as the manifest says. The manifest is moved aside then, to
            `manifest.refused.json`, so that the run, cleared from create_cluster, reads anew.
    """
    with open_job_metadata(plan.context) as metadata:
        window = frozen_window(metadata, plan.object, run.run_id, run.run_type)
        if window is None:
            raise FatalError("the run has no window", where=run.run_id, remedy="clear the run from its first task")
        # alone with the files: an erasure that rewrites a batch which this registers again would leave old names in it
        with metadata.exclusive(FILES, plan.object):
            return _closed(metadata, plan, run, window)


def _closed(metadata: JobMetadata, plan: ExtractionPlan, run: RunIdentity, window: Window) -> BatchManifest:
    bucket = Bucket(plan.context.buckets.data, plan.context.region)
    registered = batch(metadata, window.batch_id)
    if registered is not None and registered.state != PENDING:  # perhaps long ago: it may lie in archive/
        give_lock_back(metadata, plan.object, run.run_id, run.run_type)
        return read_manifest(bucket, registered.manifest_key)
    manifest = _checked_manifest(metadata, bucket, plan, window)
    key = manifest_key(source_prefix(plan.object, window.batch_id))
    register_batch(metadata, manifest, run.run_type, key, plan.start)
    write_status(plan, run, "end", _summary(manifest))
    return manifest


def release_lock(plan: ExtractionPlan, run: RunIdentity) -> None:
    """Gives the object's lock back after a failure; the frozen window stays."""
    with open_job_metadata(plan.context) as metadata:
        give_lock_back(metadata, plan.object, run.run_id, run.run_type)


def _checked_manifest(metadata: JobMetadata, bucket: Bucket, plan: ExtractionPlan, window: Window) -> BatchManifest:
    prefix = source_prefix(plan.object, window.batch_id)
    key = manifest_key(prefix)
    if not bucket.exists(key):
        refused = bucket.exists(refused_key(prefix))
        raise FatalError(
            "the batch was refused" if refused else "the step ended well but left no manifest",
            where=bucket.uri(refused_key(prefix) if refused else key),
            remedy=read_again(plan.object, window.run_id),
        )
    try:
        manifest = read_manifest(bucket, key)
        check_manifest(manifest, window, key)
        check_files(manifest, bucket)
        check_gone(manifest, ids_of_read_before(metadata, manifest), plan.most_gone_percent, key)
    except DataQualityError:
        move_aside(bucket, prefix)
        raise
    return manifest


def _summary(manifest: BatchManifest) -> dict[str, object]:
    return {
        "batch_id": manifest.batch_id,
        "order_date": manifest.order_date,
        "window_start_utc": manifest.window_start_utc,
        "window_end_utc": manifest.window_end_utc,
        "read_mode": manifest.read_mode.value,
        "countries": manifest.countries,
        "rows": manifest.rows,
        "ids": manifest.id_count,
        "bytes": manifest.bytes,
        "counts": manifest.counts.model_dump(),
        "id_counts": manifest.ids and manifest.ids.counts.model_dump(),
    }


def _interval(run: RunIdentity) -> tuple[datetime, datetime]:
    if run.interval_start_utc is None or run.interval_end_utc is None:
        raise ConfigError(
            "the run has no data interval",
            where=run.run_id,
            expected="data_interval_start and data_interval_end, or the parameter order_date",
            remedy="trigger it with order_date",
        )
    return run.interval_start_utc.astimezone(UTC), run.interval_end_utc.astimezone(UTC)


def org_session(plan: ExtractionPlan) -> SalesforceSession:
    """A session with the org, with credentials read now."""
    secret = read_secret(plan.context.secrets.salesforce, plan.context.region)
    return open_session(secret, plan.context.salesforce.api_version)


def extraction_request(plan: ExtractionPlan, run: RunIdentity, window: Window) -> ExtractionRequest:
    """What the step of a run is told; pure."""
    return ExtractionRequest(
        window=window,
        object=plan.object,
        salesforce_object=plan.salesforce_object,
        operation=plan.operation,
        columns=plan.columns,
        key=plan.key,
        delta_field=plan.delta_field,
        filter=read_filter(plan, window),
        data_bucket=plan.context.buckets.data,
        target_prefix=source_prefix(plan.object, window.batch_id),
        status_key=status_key(run.dag_id, run.run_id, "extract"),
        secrets=plan.context.secrets,
        salesforce=plan.extraction.over(plan.context.salesforce),
        extraction=plan.extraction,
        region=plan.context.region,
        code_sha=plan.code_sha,
    )
