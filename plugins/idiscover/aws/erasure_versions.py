"""What old versions of objects still hold of erased records, and objects that no manifest names any more."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from idiscover.aws.erasure_search import DATA_LAYERS
from idiscover.aws.erasure_tables import Ids
from idiscover.aws.job_metadata import JobMetadata
from idiscover.aws.job_metadata_batches import named_files
from idiscover.aws.object_versions import ObjectVersion, VersionedBucket
from idiscover.aws.s3 import Bucket
from idiscover.metadata.models import Context

_DOCUMENTS = "status"  # what runs say of themselves: text, and kept
# Broken rows, for a person to look at. No table is made of them, so a file that holds a record goes whole.
_QUARANTINE = "quarantine"


def delete_versions(
    metadata: JobMetadata, context: Context, ids: Ids, found: Sequence[ObjectVersion], known: Collection[str]
) -> int:
    """Deletes `found` for good, with all else that is left of objects that have no content any more; how many.

    Left alone, and told by the search, is what a registered batch names (it has to be rewritten first), what the
    platform's runs did not write, and the files of objects that the metadata do not know any more. Documents in status/
    are written anew without the Ids first.

    Args:
        metadata: knows what registered batches name.
        context: the environment.
        ids: whose.
        found: versions that hold one of the Ids.
        known: names of objects.
    """
    bucket, versions = (
        Bucket(context.buckets.data, context.region),
        VersionedBucket(context.buckets.data, context.region),
    )
    named = named_files(metadata, {version.key for version in found})
    doomed = [
        version
        for version in found
        if _is_of_runs(version, context, known) and not (version.is_latest and version.key in named)
    ]
    for version in doomed:
        if version.is_latest and version.layer == _DOCUMENTS:
            bucket.write_text(version.key, ids.redact(bucket.read_text(version.key)))
    deleted = versions.delete(doomed)
    for key in sorted({version.key for version in doomed if version.layer != _DOCUMENTS}):
        deleted += _delete_rest(versions, key, doomed)
    return deleted


def _is_of_runs(version: ObjectVersion, context: Context, known: Collection[str]) -> bool:
    """Whether it is a file of a known object's batch, a document in status/ or a log of a cluster."""
    if version.layer in (*DATA_LAYERS, _QUARANTINE):
        return version.folder(1) in known
    return version.layer == _DOCUMENTS or version.key.startswith(f"{context.emr.log_prefix}/")


def _delete_rest(versions: VersionedBucket, key: str, doomed: Sequence[ObjectVersion]) -> int:
    """Where the newest content is gone, older content must not come to light, nor a marker stay for nothing."""
    rest = [version for version in versions.versions(key) if version.key == key]
    newest_is_gone = any(version.key == key and version.is_latest for version in doomed)
    if newest_is_gone or any(version.is_latest and version.is_marker for version in rest):
        return versions.delete(rest)
    return 0
