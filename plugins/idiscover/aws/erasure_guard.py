"""Who was erased before: the list that extractions read, and the guard of replays and rebuilds."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from idiscover.aws.erasure_files import Eraser, clean_batch
from idiscover.aws.job_metadata import JobMetadata
from idiscover.aws.job_metadata_erasures import erased_hashes
from idiscover.aws.s3 import Bucket
from idiscover.aws.secrets import read_secret
from idiscover.errors import ConfigError
from idiscover.lake.manifest import BatchManifest
from idiscover.lake.suppression import (
    SECRET_KEY,
    SUPPRESSION_KEY,
    SuppressionList,
    erased_by,
    key_check,
    redacting,
    require_key,
)
from idiscover.metadata.models import Context

_SHORTEST_KEY = 32  # characters; the hash has 32 bytes


def erasure_secret(context: Context) -> Mapping[str, str]:
    """The key of the hashes.

    Raises:
        ConfigError: the context does not name the secret, or it holds no key, a short one, or another than before.
    """
    name = context.secrets.erasure
    if name is None:
        raise ConfigError(
            "the context does not name the secret of erasures",
            where=f"context of {context.environment}",
            key="secrets.erasure",
            expected=f'the name of a secret {{"{SECRET_KEY}": "<64 random hex digits>"}}',
            remedy="make it, never change it: hashes of another key guard nothing",
        )
    secret = read_secret(name, context.region)
    if len(secret.get(SECRET_KEY, "")) < _SHORTEST_KEY:
        raise ConfigError(
            "the secret of erasures holds no key",
            where=f"secret {name}",
            key=SECRET_KEY,
            got=f"{len(secret.get(SECRET_KEY, ''))} characters",
            expected=f"at least {_SHORTEST_KEY} random characters",
        )
    bucket = Bucket(context.buckets.data, context.region)
    if bucket.exists(SUPPRESSION_KEY):
        require_key(secret, SuppressionList.model_validate_json(bucket.read_text(SUPPRESSION_KEY)))
    return secret


def publish_suppression(metadata: JobMetadata, bucket: Bucket, secret: Mapping[str, str]) -> None:
    """Writes the list that the steps of extractions read: every record that was, or is being, erased."""
    suppressed = SuppressionList(hashes=erased_hashes(metadata), key_check=key_check(secret))
    bucket.write_text(SUPPRESSION_KEY, suppressed.model_dump_json(indent=2))


class Guard:
    """Takes records that were erased, and have come back as from a backup, out of batches again.

    Who was erased, and by which key, is read once, however many batches come.

    Args:
        metadata: knows who was erased, and follows what is rewritten.
        context: names the bucket, and the secret, which is read only if somebody was erased.
        tell: is given a line per batch that held one.

    Raises:
        ConfigError: somebody was erased, and the secret is not there, or holds another key.
    """

    def __init__(self, metadata: JobMetadata, context: Context, tell: Callable[[str], None]) -> None:
        self._metadata, self._tell = metadata, tell
        self._bucket = Bucket(context.buckets.data, context.region)
        self._eraser: Eraser | None = None
        if hashes := frozenset(erased_hashes(metadata)):
            is_erased = erased_by(erasure_secret(context), hashes)
            self._eraser = Eraser(is_erased, redacting(is_erased))

    def clean(self, manifest: BatchManifest, manifest_key: str, key: str) -> BatchManifest:
        """The manifest of the batch without erased records.

        The objects that it named before hold them still, and nothing names them any more: each is told.

        Args:
            manifest: of the batch.
            manifest_key: where it stands.
            key: column of the records' own Id.
        """
        if self._eraser is None:
            return manifest
        cleaned = clean_batch(self._metadata, self._bucket, manifest, manifest_key, key, self._eraser)
        if cleaned.replaced:
            files = ", ".join(self._bucket.uri(replaced) for replaced in cleaned.replaced)
            self._tell(
                f"{manifest.batch_id}: {cleaned.dropped} rows and {cleaned.changed} values of erased records had come"
                f" back, and are taken out. Delete every version of what held them: {files}"
            )
        return cleaned.manifest
