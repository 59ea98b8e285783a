"""Batches that itg holds leave stg, and their files move from source/ to archive/.

Four steps, each harmless to repeat, in the order that loses nothing to a kill in between: copy the files, say where they
are, empty stg, delete the originals. What a kill leaves behind is swept up by the object's next refresh.
"""

from __future__ import annotations

from collections.abc import Sequence

from idiscover.aws.job_metadata import BatchRow, JobMetadata
from idiscover.aws.redshift import transaction
from idiscover.aws.s3 import Bucket
from idiscover.lake.keys import archive_prefix, manifest_key, source_prefix
from idiscover.lake.manifest import BatchManifest
from idiscover.metadata.models import Context
from idiscover.plan.model import ItgPlan
from idiscover.warehouse.queries import batches_sql


def archive_applied_batches(metadata: JobMetadata, context: Context, itg: ItgPlan) -> list[str]:
    """Archives every loaded batch of which itg holds each row; returns their ids."""
    bucket = Bucket(context.buckets.data, context.region)
    loaded = metadata.batches(itg.object, "loaded")  # before the question: a batch loaded later is not judged by it
    with transaction(context.secrets.redshift, context.region) as cursor:
        cursor.execute(batches_sql(itg))
        not_in_place = {batch_id: missing for batch_id, _, _, missing in cursor.fetchall()}
    applied = [batch for batch in loaded if not not_in_place.get(batch.batch_id, 0)]
    for batch in applied:
        _move(metadata, bucket, batch)
    _sweep(metadata, context, bucket, itg.object, list(not_in_place))
    return [batch.batch_id for batch in applied]


def _move(metadata: JobMetadata, bucket: Bucket, batch: BatchRow) -> None:
    source, target = source_prefix(batch.object, batch.batch_id), archive_prefix(batch.object, batch.batch_id)
    manifest = BatchManifest.model_validate_json(bucket.read_text(manifest_key(source)))
    moved = tuple(file.model_copy(update={"key": target + file.key.removeprefix(source)}) for file in manifest.files)
    for old, new in zip(manifest.files, moved, strict=True):
        bucket.copy(old.key, new.key)
    bucket.write_text(manifest_key(target), manifest.model_copy(update={"files": moved}).model_dump_json(indent=2))
    metadata.mark_archived(batch.batch_id, manifest_key(target), moved)


def _sweep(metadata: JobMetadata, context: Context, bucket: Bucket, object_name: str, staged: Sequence[str]) -> None:
    """Removes archived batches from stg, and their files from source/, whoever archived them."""
    gone = [batch_id for batch_id in staged if _is_archived(metadata, batch_id)]
    if gone:
        with transaction(context.secrets.redshift, context.region) as cursor:
            cursor.execute(f"delete from stg.{object_name} where _batch_id in %s", [tuple(gone)])
    keys = bucket.list(f"source/{object_name}/")
    batches = {key.split("/")[2] for key in keys}
    leftover = {batch_id for batch_id in batches if _is_archived(metadata, batch_id)}
    bucket.delete([key for key in keys if key.split("/")[2] in leftover])


def _is_archived(metadata: JobMetadata, batch_id: str) -> bool:
    batch = metadata.batch(batch_id)
    return batch is not None and batch.state == "archived"
