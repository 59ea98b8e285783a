"""The streaming upload: what reaches S3, in which parts, and what does not after an error."""

from __future__ import annotations

import gzip
import hashlib
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st
from idiscover.aws.s3 import ObjectWriter
from idiscover.errors import RetriableError

PART = 16


class FakeS3:
    """Objects and uploads, and a call that fails."""

    def __init__(self, fails_at: str | None = None) -> None:
        self.objects: dict[str, bytes] = {}
        self.uploads: dict[str, list[bytes]] = {}
        self.fails_at = fails_at

    def _called(self, name: str) -> None:
        if name == self.fails_at:
            raise ClientError({"Error": {"Code": "SlowDown"}, "ResponseMetadata": {"HTTPStatusCode": 503}}, name)

    def create_multipart_upload(self, **_: Any) -> dict[str, str]:
        self._called("create")
        self.uploads["u"] = []
        return {"UploadId": "u"}

    def upload_part(self, *, Body: bytes, PartNumber: int, **_: Any) -> dict[str, str]:
        self._called("part")
        self.uploads["u"].append(Body)
        assert len(self.uploads["u"]) == PartNumber
        return {"ETag": str(PartNumber)}

    def complete_multipart_upload(self, *, Key: str, MultipartUpload: dict[str, Any], **_: Any) -> None:
        self._called("complete")
        parts = self.uploads.pop("u")
        assert [part["PartNumber"] for part in MultipartUpload["Parts"]] == list(range(1, len(parts) + 1))
        assert all(len(part) == PART for part in parts[:-1]) and 0 < len(parts[-1]) <= PART
        self.objects[Key] = b"".join(parts)

    def abort_multipart_upload(self, **_: Any) -> None:
        self._called("abort")
        del self.uploads["u"]

    def put_object(self, *, Key: str, Body: bytes, **_: Any) -> None:
        self._called("put")
        self.objects[Key] = Body


def writer(fake: FakeS3) -> ObjectWriter:
    return ObjectWriter(fake, "bucket", "key", PART)


@given(chunks=st.lists(st.binary(max_size=5 * PART), max_size=8))
def test_any_chunks_arrive_whole_and_counted(chunks: list[bytes]) -> None:
    fake, content = FakeS3(), b"".join(chunks)
    with writer(fake) as stream:
        for chunk in chunks:
            assert stream.write(chunk) == len(chunk)
            assert len(stream._buffer) < PART  # memory does not grow with what is written
        assert (stream.bytes_written, stream.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert fake.objects == {"key": content} and not fake.uploads


def test_gzip_writes_into_it() -> None:
    fake = FakeS3()
    with writer(fake) as stream, gzip.GzipFile(fileobj=stream, mode="wb") as packed:
        packed.write(b"row\n" * 1000)
    assert gzip.decompress(fake.objects["key"]) == b"row\n" * 1000


@pytest.mark.parametrize("size", [0, PART - 1, PART, 3 * PART])
def test_an_error_in_the_block_leaves_no_object_and_no_upload(size: int) -> None:
    fake = FakeS3()
    with pytest.raises(ZeroDivisionError), writer(fake) as stream:
        stream.write(b"x" * size)
        raise ZeroDivisionError
    assert not fake.objects and not fake.uploads


@pytest.mark.parametrize(("fails_at", "size"), [("create", PART), ("part", PART), ("complete", PART), ("put", 1)])
def test_an_upload_that_fails_is_aborted_and_told(fails_at: str, size: int) -> None:
    fake = FakeS3(fails_at)
    with pytest.raises(RetriableError, match="s3://bucket/key"), writer(fake) as stream:
        stream.write(b"x" * size)
    assert not fake.objects and not fake.uploads


def test_a_failing_abort_does_not_hide_the_error() -> None:
    with pytest.raises(ZeroDivisionError), writer(FakeS3("abort")) as stream:
        stream.write(b"x" * PART)
        raise ZeroDivisionError
