"""Files of a COPY in S3: which they are, and their bytes, unpacked, a block at a time.

boto3 takes endpoint, region and credentials from the front's own environment. These functions block: run
them in threads.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from ..errors import SqlError
from .compression import unpacked
from .encodings import as_utf8
from .statement import CopyCommand

BLOCK_BYTES = 512 * 1024
MAX_MANIFEST_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True)
class SourceFile:
    """One file to load."""

    bucket: str
    key: str

    @property
    def uri(self) -> str:
        """s3://bucket/key"""
        return f"s3://{self.bucket}/{self.key}"


class S3Source:
    """The files that a COPY names, by manifest or by prefix."""

    def __init__(self, command: CopyCommand) -> None:
        self._command = command
        self._client = boto3.client(
            "s3", region_name=command.region, config=Config(retries={"max_attempts": 4, "mode": "standard"})
        )

    def files(self) -> list[SourceFile]:
        """The files in the order of the manifest, or of their keys. Raises SqlError if there is none."""
        try:
            return self._from_manifest() if self._command.manifest else self._from_prefix()
        except (BotoCoreError, ClientError) as error:
            raise _s3_error(error) from error

    def blocks(self, file: SourceFile) -> Iterator[bytes]:
        """The unpacked bytes of one file, in UTF-8.

        Raises SqlError if it cannot be read, or is not packed or encoded as the COPY says.
        """
        try:
            body = self._client.get_object(Bucket=file.bucket, Key=file.key)["Body"]
            plain = unpacked(_packed(body), self._command.compression, file.uri)
            yield from as_utf8(plain, self._command.encoding, file.uri)
        except (BotoCoreError, ClientError) as error:
            raise _s3_error(error) from error

    def read(self, uri: str) -> bytes:
        """The bytes of one small object beside the data, such as a manifest. Raises SqlError if it cannot be read."""
        bucket, key = _split(uri)
        try:
            return self._client.get_object(Bucket=bucket, Key=key)["Body"].read(MAX_MANIFEST_BYTES)
        except (BotoCoreError, ClientError) as error:
            raise _s3_error(error) from error

    def _from_prefix(self) -> list[SourceFile]:
        bucket, prefix = _split(self._command.source)
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        found = [item["Key"] for page in pages for item in page.get("Contents", []) if not item["Key"].endswith("/")]
        if not found:
            raise SqlError(f"The specified S3 prefix '{prefix}' does not exist")
        return [SourceFile(bucket, key) for key in found]

    def _from_manifest(self) -> list[SourceFile]:
        text = self.read(self._command.source)
        found = []
        for uri, mandatory, size in _entries(text, self._command.source):
            file = SourceFile(*_split(uri))
            if self._exists(file, size):
                found.append(file)
            elif mandatory:
                raise SqlError(
                    f"S3ServiceException:The specified key does not exist.,Status 404,Error NoSuchKey,Path {uri}"
                )
        if not found:
            raise SqlError(f"Problem reading manifest file - no file of {self._command.source} exists")
        return found

    def _exists(self, file: SourceFile, size: int | None) -> bool:
        try:
            actual = self._client.head_object(Bucket=file.bucket, Key=file.key)["ContentLength"]
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") in ("404", "NoSuchKey", "NotFound"):
                return False
            raise
        if size is not None and size != actual:
            raise SqlError(f"File {file.uri} has {actual} bytes, but its manifest says {size}")
        return True


def _split(uri: str) -> tuple[str, str]:
    parts = urlsplit(uri, allow_fragments=False)
    if parts.scheme != "s3" or not parts.netloc:
        raise SqlError(f"Invalid S3 path {uri!r}: expected s3://bucket/key")
    key = parts.path.lstrip("/") + (f"?{parts.query}" if parts.query else "")
    return parts.netloc, key


def _entries(text: bytes, uri: str) -> Iterator[tuple[str, bool, int | None]]:
    """The (url, mandatory, content length) of a manifest's entries. Raises SqlError if it is no manifest."""
    try:
        entries = json.loads(text)["entries"]
        for entry in entries:
            yield entry["url"], entry.get("mandatory", False) is True, entry.get("meta", {}).get("content_length")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SqlError(f"Problem reading manifest file - {uri}: it is not a JSON object with entries of url") from error


def _packed(body: Any) -> Iterator[bytes]:
    with body:
        yield from body.iter_chunks(BLOCK_BYTES)


def _s3_error(error: BotoCoreError | ClientError) -> SqlError:
    if isinstance(error, ClientError):
        details = error.response.get("Error", {})
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", "")
        return SqlError(f"S3ServiceException:{details.get('Message')},Status {status},Error {details.get('Code')}")
    return SqlError(f"S3 cannot be read: {error}")
