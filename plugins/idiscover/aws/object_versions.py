"""Every version of every object in a bucket: to find what holds a text, and to delete it for good.

Needs s3:ListBucketVersions, s3:GetObjectVersion and s3:DeleteObjectVersion, which no run of Airflow has.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from idiscover.aws.clients import aws_errors, client
from idiscover.errors import RetriableError

_BLOCK_BYTES = 1 << 20
_GZIP_MAGIC, _GZIP = b"\x1f\x8b", zlib.MAX_WBITS | 16
_AT_ONCE = 8
_DELETE_VERSIONS = 1000  # as many as one DeleteObjects takes


@dataclass(frozen=True)
class ObjectVersion:
    """One version of an object, or a delete marker."""

    key: str
    version_id: str
    is_latest: bool
    is_marker: bool

    @property
    def layer(self) -> str:
        """The first folder of the key."""
        return self.folder(0)

    def folder(self, depth: int) -> str:
        """The folder of the key at a depth; empty where the key is not as deep."""
        parts = self.key.split("/")
        return parts[depth] if depth < len(parts) else ""


class VersionedBucket:
    """All versions of one bucket."""

    def __init__(self, name: str, region: str) -> None:
        self.name = name
        self._client = client("s3", region)

    def versions(self, prefix: str = "") -> Iterator[ObjectVersion]:
        """All versions and delete markers below `prefix`, by key."""
        with aws_errors(f"s3://{self.name}/{prefix}"):
            pages = self._client.get_paginator("list_object_versions").paginate(Bucket=self.name, Prefix=prefix)
            for page in pages:
                yield from (_version(item, False) for item in page.get("Versions", []))
                yield from (_version(item, True) for item in page.get("DeleteMarkers", []))

    def holding(self, texts: Sequence[str]) -> list[ObjectVersion]:
        """The versions whose content, or what gzip has packed in it, holds one of `texts`."""
        wanted = [text.encode() for text in texts]
        contents = [version for version in self.versions() if not version.is_marker]
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="search") as threads:
            found = list(threads.map(lambda version: self._holds(version, wanted), contents))
        return [version for version, holds in zip(contents, found, strict=True) if holds]

    def delete(self, versions: Iterable[ObjectVersion]) -> int:
        """Deletes these versions for good; how many."""
        wanted = list(versions)
        for start in range(0, len(wanted), _DELETE_VERSIONS):
            chunk = wanted[start : start + _DELETE_VERSIONS]
            objects = [{"Key": version.key, "VersionId": version.version_id} for version in chunk]
            with aws_errors(f"s3://{self.name}/{chunk[0].key}, versions"):
                answer = self._client.delete_objects(Bucket=self.name, Delete={"Objects": objects, "Quiet": True})
            for error in answer.get("Errors", []):
                raise RetriableError(
                    "a version of an object could not be deleted",
                    where=f"s3://{self.name}/{error['Key']}, version {error.get('VersionId')}",
                    got=error["Code"],
                    remedy="AccessDenied: s3:DeleteObjectVersion is missing, or an object lock holds it",
                )
        return len(wanted)

    def _holds(self, version: ObjectVersion, wanted: Sequence[bytes]) -> bool:
        keep = max(len(text) for text in wanted) - 1  # of each block, what may begin a text that ends in the next
        rest = b""
        for block in self._blocks(version):
            window = rest + block
            if any(text in window for text in wanted):
                return True
            rest = window[-keep:]
        return False

    def _blocks(self, version: ObjectVersion) -> Iterator[bytes]:
        with aws_errors(f"s3://{self.name}/{version.key}, version {version.version_id}"):
            answer = self._client.get_object(Bucket=self.name, Key=version.key, VersionId=version.version_id)
            with answer["Body"] as body:
                yield from _unpacked(body)


def _version(item: dict[str, Any], is_marker: bool) -> ObjectVersion:
    return ObjectVersion(item["Key"], item["VersionId"], item["IsLatest"], is_marker)


def _plain(body: Any) -> Iterator[bytes]:
    while block := body.read(_BLOCK_BYTES):
        yield block


def _unpacked(body: Any) -> Iterator[bytes]:
    """What gzip has packed, and what is not packed as it is; of a file that is damaged, what can be read of it."""
    unpacker: Any = None
    for number, block in enumerate(_plain(body)):
        if number == 0 and block.startswith(_GZIP_MAGIC):
            unpacker = zlib.decompressobj(_GZIP)
        if unpacker is None:
            yield block
            continue
        while block:
            try:
                yield unpacker.decompress(block)
            except zlib.error:
                return
            block = unpacker.unused_data  # gzip files may be several, one after the other
            if unpacker.eof:
                unpacker = zlib.decompressobj(_GZIP)
