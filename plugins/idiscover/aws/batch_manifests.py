"""Manifests of batches in the bucket, and those that were refused.

A refused manifest stands beside its files as `manifest.refused.json`. That is what lets a person have the window read
again: clearing the extraction's run from create_cluster takes the manifest away, without which the step reads anew (and
then removes whatever lies in the batch's folder, the refused manifest too).
"""

from __future__ import annotations

from pydantic import ValidationError

from idiscover.aws.job_metadata_batches import PENDING, BatchRow
from idiscover.aws.s3 import Bucket
from idiscover.errors import DataQualityError
from idiscover.lake.keys import manifest_key
from idiscover.lake.manifest import BatchManifest

_REFUSED = "manifest.refused.json"


def read_manifest(bucket: Bucket, key: str) -> BatchManifest:
    """The manifest at `key`.

    Raises:
        FatalError: there is none.
        DataQualityError: what lies there is no manifest.
    """
    text = bucket.read_text(key)
    try:
        return BatchManifest.model_validate_json(text)
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
        raise DataQualityError("a manifest is not readable", where=bucket.uri(key), got=faults) from error


def refused_key(prefix: str) -> str:
    """Where the refused manifest of the batch in folder `prefix` stands."""
    return f"{prefix}{_REFUSED}"


def mark_refused(bucket: Bucket, prefix: str) -> None:
    """Says that the batch in folder `prefix` is no good as it is; its manifest stays until its window is read again."""
    bucket.copy(manifest_key(prefix), refused_key(prefix))


def move_aside(bucket: Bucket, prefix: str) -> None:
    """Turns the manifest of the batch in folder `prefix` into a refused one: the batch does not exist any more."""
    mark_refused(bucket, prefix)
    bucket.delete([manifest_key(prefix)])


def is_refused(bucket: Bucket, prefix: str) -> bool:
    """Whether the batch in folder `prefix` was refused, and its window not read again since."""
    return bucket.exists(refused_key(prefix))


def withdraw_if_refused(bucket: Bucket, prefix: str) -> None:
    """Takes the manifest of a refused batch away, so that the step reads its window again."""
    if is_refused(bucket, prefix):
        bucket.delete([manifest_key(prefix)])


def stands(bucket: Bucket, registered: BatchRow, prefix: str) -> bool:
    """Whether a registered batch is good: in stg already, or waiting with a manifest that nobody has refused."""
    return registered.state != PENDING or (bucket.exists(registered.manifest_key) and not is_refused(bucket, prefix))


def read_again(object_name: str, run_id: str) -> str:
    """The remedy for a batch that is no good."""
    return (
        f"clear run {run_id} of sfdc_to_s3__{object_name} from emr_tasks.create_cluster with downstream: it reads the"
        " window again"
    )


def copy_batch(bucket: Bucket, manifest: BatchManifest, moved: BatchManifest, key: str) -> None:
    """Copies the files of a batch to where `moved` has them, and then writes that manifest to `key`.

    Raises:
        DataQualityError: a copy has another size than its original; no manifest is written then.
    """
    for old, new in zip(manifest.all_files, moved.all_files, strict=True):
        bucket.copy(old.key, new.key)
        _require_size(bucket, new.key, new.bytes)
    bucket.write_text(key, moved.model_dump_json(indent=2))


def _require_size(bucket: Bucket, key: str, expected: int) -> None:
    size = bucket.size(key)
    if size != expected:
        raise DataQualityError(
            "a copy is not like its original; the original stays",
            where=bucket.uri(key),
            got="no object" if size is None else f"{size} bytes",
            expected=f"{expected} bytes",
        )
