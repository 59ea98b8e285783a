"""The context of a deploy: the repository's, or what somebody has made of it in the bucket since the last release."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from idiscover.aws.s3 import Bucket
from idiscover.cli.metadata_delta import MetadataDelta, compare
from idiscover.lake.keys import context_key
from idiscover.metadata.models import Context


def compare_context(
    place: str, context: Context, bucket: Bucket, last: Mapping[str, Any], overwrite: bool
) -> tuple[MetadataDelta, str | None, str | None]:
    """What brings the context at `place` to the bucket, by the rules of metadata; then its text here, and there.

    A context that is read from the bucket itself needs nothing, and one of a release that recorded none was not edited.
    """
    key = context_key(context.environment)
    there = bucket.read_bytes_version(key)[0].decode("utf-8", "surrogateescape") if bucket.exists(key) else None
    here = Path(place).read_text(encoding="utf-8") if Path(place).is_file() else there
    released = {"metadata": last.get("context", {}), "uploading": last.get("uploading", {})}
    delta = compare(_file(key, here), _file(key, there), released, overwrite or "context" not in last)
    return delta, here, there


def _file(key: str, text: str | None) -> dict[str, str]:
    return {} if text is None else {key: text}
