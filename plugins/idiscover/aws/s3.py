"""A bucket as the platform uses it: small texts whole, large objects as streams."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Any, Self

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from idiscover.aws.clients import CLIENT_CONFIG, MISSING, aws_errors, client
from idiscover.errors import ConfigError, FatalError, RetriableError

log = logging.getLogger(__name__)

PART_BYTES = 8 * 1024 * 1024  # S3 takes parts of 5 MiB and more, at most 10,000 of them
_CHANGED_MEANWHILE = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "412", "409"})
_DELETE_KEYS = 1000  # as many as one DeleteObjects takes


@dataclass(frozen=True)
class Credentials:
    """Temporary or static keys; `repr` shows none of them."""

    access_key_id: str
    secret_access_key: str
    session_token: str | None = None

    def __repr__(self) -> str:
        return "Credentials(…)"


def assume_target_role(secret: Mapping[str, str], region: str) -> Credentials:
    """Credentials that may write `source/`: the secret's role assumed, or its keys.

    Raises:
        ConfigError: the secret has neither `role_arn` nor `access_key_id` and `secret_access_key`, or the role may
            not be assumed.
        RetriableError: STS did not answer.
    """
    if "role_arn" in secret:
        extra = {"ExternalId": secret["external_id"]} if "external_id" in secret else {}
        with aws_errors(f"role {secret['role_arn']}"):
            given = client("sts", region).assume_role(
                RoleArn=secret["role_arn"], RoleSessionName="idiscover-extract", **extra
            )
        keys = given["Credentials"]
        return Credentials(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])
    if "access_key_id" in secret and "secret_access_key" in secret:
        return Credentials(secret["access_key_id"], secret["secret_access_key"])
    raise ConfigError(
        "the S3 target secret names no credentials",
        where="secret s3_target",
        got=f"keys {', '.join(sorted(secret))}",
        expected="role_arn, or access_key_id and secret_access_key",
    )


@dataclass(frozen=True)
class LatestVersion:
    """The newest version of an object, or the marker that says that it was deleted.

    `version` is the VersionId (the ETag of what a bucket without versions holds), `version_id` what S3 is asked by.
    """

    key: str
    version: str
    version_id: str | None
    modified_at_utc: datetime
    is_deleted: bool


@dataclass(frozen=True)
class StoredText:
    """The newest version of an object: text, VersionId, and the ETag by which it is replaced only while it is that."""

    text: str
    version: str
    etag: str


class Bucket:
    """One bucket.

    Methods raise what `clients.aws_errors` says: `FatalError` for a key that does not exist, `ConfigError` where AWS
    refuses, `RetriableError` where it does not answer.
    """

    def __init__(self, name: str, region: str, credentials: Credentials | None = None) -> None:
        self.name = name
        with aws_errors(f"s3://{name}"):
            self._client = client("s3", region) if credentials is None else _client_with(credentials, region)

    def uri(self, key: str) -> str:
        """`s3://…` of `key`."""
        return f"s3://{self.name}/{key}"

    def read_text(self, key: str) -> str:
        """The object's newest version as UTF-8 text."""
        return self.read_text_version(key)[0]

    def read_text_version(self, key: str) -> tuple[str, str]:
        """Text and VersionId (the ETag in a bucket without versions).

        Raises:
            ConfigError: it is not UTF-8.
        """
        content, version = self.read_bytes_version(key)
        return utf8(content, self.uri(key)), version

    def read_bytes_version(self, key: str, version_id: str | None = None) -> tuple[bytes, str]:
        """Content and VersionId (the ETag in a bucket without versions); of the newest version, if none is named."""
        named = {} if version_id is None else {"VersionId": version_id}
        with aws_errors(self.uri(key)):
            answer = self._client.get_object(Bucket=self.name, Key=key, **named)
            return answer["Body"].read(), _version(answer)

    def list_latest(self, prefix: str) -> list[LatestVersion]:
        """The newest version of every object below `prefix`, those that are deleted included; sorted by key."""
        pages = self._client.get_paginator("list_object_versions").paginate(Bucket=self.name, Prefix=prefix)
        with aws_errors(self.uri(prefix)):
            found = [latest for page in pages for latest in _latest(page)]
        return sorted(found, key=lambda latest: latest.key)

    def open_reader(self, key: str) -> Any:
        """The object as a binary stream, from `read(n)`; errors while it is read are botocore's."""
        with aws_errors(self.uri(key)):
            return self._client.get_object(Bucket=self.name, Key=key)["Body"]

    def write_text(self, key: str, text: str, content_type: str = "application/json") -> str:
        """Writes the object whole; returns its VersionId (the ETag in a bucket without versions)."""
        content = text.encode("utf-8")
        with aws_errors(self.uri(key)):
            return _version(self._client.put_object(Bucket=self.name, Key=key, Body=content, ContentType=content_type))

    def read_stored(self, key: str) -> StoredText:
        """The object's newest version as UTF-8 text, for `replace_text`.

        Raises:
            ConfigError: it is not UTF-8.
        """
        with aws_errors(self.uri(key)):
            answer = self._client.get_object(Bucket=self.name, Key=key)
            return StoredText(utf8(answer["Body"].read(), self.uri(key)), _version(answer), str(answer["ETag"]))

    def replace_text(self, key: str, text: str, etag: str, content_type: str) -> None:
        """Writes the object whole, if it still is as it was when its ETag was read.

        Raises:
            RetriableError: somebody else has written it meanwhile; nothing was written.
        """
        content = text.encode("utf-8")
        with aws_errors(self.uri(key)):
            try:
                self._client.put_object(Bucket=self.name, Key=key, Body=content, ContentType=content_type, IfMatch=etag)
            except ClientError as error:
                if error.response["Error"]["Code"] not in _CHANGED_MEANWHILE:
                    raise
                raise RetriableError(
                    "an object was written by somebody else meanwhile",
                    where=self.uri(key),
                    expected=f"the version with ETag {etag}",
                    remedy="nothing was written: the next try goes by the new version",
                ) from error

    def write_bytes(self, key: str, content: bytes) -> None:
        """Writes the object whole."""
        with aws_errors(self.uri(key)):
            self._client.put_object(Bucket=self.name, Key=key, Body=content)

    def open_writer(self, key: str, part_bytes: int = PART_BYTES) -> ObjectWriter:
        """A stream into `key`; the object exists once the `with` block ends well, and not before."""
        return ObjectWriter(self._client, self.name, key, part_bytes)

    def size(self, key: str) -> int | None:
        """Stored bytes, or None where there is no such object."""
        with aws_errors(self.uri(key)):
            try:
                return int(self._client.head_object(Bucket=self.name, Key=key)["ContentLength"])
            except ClientError as error:
                if error.response["Error"]["Code"] in MISSING:
                    return None
                raise

    def exists(self, key: str) -> bool:
        """Whether the object is there."""
        return self.size(key) is not None

    def list(self, prefix: str) -> list[str]:
        """All keys below `prefix`, sorted."""
        with aws_errors(self.uri(prefix)):
            return sorted(self._keys(prefix))

    def _keys(self, prefix: str) -> Iterator[str]:
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix)
        for page in pages:
            for item in page.get("Contents", []):
                yield item["Key"]

    def copy(self, source: str, target: str) -> None:
        """Copies one object inside the bucket; of any size, in parts where it has to be."""
        with aws_errors(self.uri(source)):
            self._client.copy({"Bucket": self.name, "Key": source}, self.name, target)

    def delete(self, keys: Iterable[str]) -> None:
        """Deletes objects; those that are not there are no error. Deleting again is what to do after any error."""
        wanted = list(keys)
        for start in range(0, len(wanted), _DELETE_KEYS):
            chunk = [{"Key": key} for key in wanted[start : start + _DELETE_KEYS]]
            with aws_errors(self.uri(wanted[start])):
                answer = self._client.delete_objects(Bucket=self.name, Delete={"Objects": chunk, "Quiet": True})
            for error in answer.get("Errors", []):
                kind = FatalError if error["Code"] == "AccessDenied" else RetriableError
                raise kind("an object could not be deleted", where=self.uri(error["Key"]), got=error["Code"])


def utf8(content: bytes, where: str) -> str:
    """The text of an object.

    Raises:
        ConfigError: it is not UTF-8.
    """
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        # from None: the cause would quote the whole object
        got = f"byte {error.start} is not UTF-8"
        raise ConfigError("an object is not UTF-8", where=where, got=got, remedy="save it as UTF-8") from None


def _latest(page: Mapping[str, Any]) -> Iterator[LatestVersion]:
    for item in page.get("Versions", []):
        if item["IsLatest"]:
            yield LatestVersion(item["Key"], _version(item), item["VersionId"], item["LastModified"], is_deleted=False)
    for item in page.get("DeleteMarkers", []):
        if item["IsLatest"]:
            yield LatestVersion(item["Key"], item["VersionId"], None, item["LastModified"], is_deleted=True)


def _client_with(credentials: Credentials, region: str) -> Any:
    return boto3.client(
        "s3",
        region_name=region,
        config=CLIENT_CONFIG,
        aws_access_key_id=credentials.access_key_id,
        aws_secret_access_key=credentials.secret_access_key,
        aws_session_token=credentials.session_token,
    )


def _version(answer: Mapping[str, Any]) -> str:
    version = answer.get("VersionId")
    # what was written before the bucket had versions has the VersionId "null", whatever it holds
    return str(answer["ETag"]).strip('"') if version in (None, "null") else str(version)


class ObjectWriter:
    """A multipart upload as a writable stream, however large the chunks are.

    In memory: one part that is being filled, and its copy while it is sent.

    `bytes_written` and `sha256` describe what was written so far. Leaving the `with` block by an error aborts the
    upload, so that no half object is ever seen, nor paid for.
    """

    def __init__(self, client: Any, bucket: str, key: str, part_bytes: int) -> None:
        self.key = key
        self.bytes_written = 0
        self._client, self._bucket, self._part_bytes = client, bucket, part_bytes
        self._buffer = bytearray()
        self._digest = hashlib.sha256()
        self._upload_id: str | None = None
        self._parts: list[dict[str, Any]] = []

    @property
    def sha256(self) -> str:
        """Of the bytes written so far, in hex."""
        return self._digest.hexdigest()

    def write(self, chunk: bytes) -> int:
        """Adds `chunk`; uploads every part that is full. Returns its length, as any writable stream does."""
        self._digest.update(chunk)
        rest = memoryview(chunk)
        while len(rest):
            taken = rest[: self._part_bytes - len(self._buffer)]
            self._buffer += taken
            rest = rest[len(taken) :]
            if len(self._buffer) == self._part_bytes:
                self._upload_buffer()
        self.bytes_written += len(chunk)
        return len(chunk)

    def flush(self) -> None:
        """Nothing to do: parts go out when they are full. Here so that gzip can write into this stream."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._abort()
            return
        try:
            self._complete()
        except BaseException:
            self._abort()
            raise

    def _upload_buffer(self) -> None:
        place = {"Bucket": self._bucket, "Key": self.key}
        number = len(self._parts) + 1
        with aws_errors(f"s3://{self._bucket}/{self.key}, part {number}"):
            if self._upload_id is None:
                self._upload_id = self._client.create_multipart_upload(**place)["UploadId"]
            answer = self._client.upload_part(
                **place, UploadId=self._upload_id, PartNumber=number, Body=bytes(self._buffer)
            )
        self._parts.append({"ETag": answer["ETag"], "PartNumber": number})
        self._buffer.clear()

    def _complete(self) -> None:
        place = {"Bucket": self._bucket, "Key": self.key}
        if self._upload_id is not None and self._buffer:
            self._upload_buffer()
        with aws_errors(f"s3://{self._bucket}/{self.key}"):
            if self._upload_id is None:  # small: one request instead of three
                self._client.put_object(**place, Body=bytes(self._buffer))
            else:
                parts = {"Parts": self._parts}
                self._client.complete_multipart_upload(**place, UploadId=self._upload_id, MultipartUpload=parts)

    def _abort(self) -> None:
        """Never raises: it runs while another error is on its way, and the bucket's lifecycle rule is the backstop."""
        if self._upload_id is None:
            return
        try:
            self._client.abort_multipart_upload(Bucket=self._bucket, Key=self.key, UploadId=self._upload_id)
        except (BotoCoreError, ClientError) as error:
            log.warning("the upload of s3://%s/%s could not be aborted: %s", self._bucket, self.key, error)


class S3Reader:
    """Metadata files of a bucket, as `metadata.loading.Reader`; versions are VersionIds."""

    def __init__(self, bucket: Bucket, prefix: str = "metadata/") -> None:
        self._bucket, self._prefix = bucket, prefix

    def list(self) -> list[str]:
        """Paths of all files, relative to the prefix, sorted."""
        keys = self._bucket.list(self._prefix)
        return [key.removeprefix(self._prefix) for key in keys if not key.endswith("/")]

    def read(self, path: str) -> tuple[str, str]:
        """Text and version of one file."""
        return self._bucket.read_text_version(f"{self._prefix}{path}")
