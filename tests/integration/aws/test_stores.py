"""Buckets, secrets and roles against moto over HTTP: streams, versions, and what errors say and keep to themselves."""

from __future__ import annotations

import hashlib
import io
import json
import traceback
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from idiscover.aws import postgres
from idiscover.aws.redshift import transaction
from idiscover.aws.s3 import Bucket, Credentials, S3Reader, assume_target_role
from idiscover.aws.secrets import read_secret
from idiscover.errors import ConfigError, FatalError, IdiscoverError, RetriableError

from tests.support.aws_platform import Platform, database_secret
from tests.unit.metadata_samples import sample_files

REGION = "us-east-1"
MIB = 1024 * 1024
PASSWORD = "correct-horse-battery-staple"


@pytest.fixture
def bucket(platform: Platform) -> Bucket:
    return Bucket(platform.context.buckets.data, REGION)


def uploads(platform: Platform) -> list[Any]:
    """Multipart uploads that were begun and neither completed nor aborted."""
    answer = platform.client("s3").list_multipart_uploads(Bucket=platform.context.buckets.data)
    return list(answer.get("Uploads", []))


def test_a_large_object_goes_out_in_parts_as_it_comes(platform: Platform, bucket: Bucket) -> None:
    with bucket.open_writer("streams/large", 5 * MIB) as writer:
        for _ in range(13):
            writer.write(b"x" * MIB)
        assert len(writer._parts) == 2
        assert not bucket.exists("streams/large")
    head = platform.client("s3").head_object(Bucket=bucket.name, Key="streams/large")
    assert head["ContentLength"] == 13 * MIB and head["ETag"].strip('"').endswith("-3")


class Sink:
    """An S3 that takes everything, and keeps nothing."""

    def __getattr__(self, name: str) -> Callable[..., dict[str, str]]:
        return lambda **_: {"UploadId": "u", "ETag": "e"}


def test_memory_is_bounded_however_much_and_in_what_pieces(bucket: Bucket) -> None:
    """200 MiB through parts of 5: the part that is being filled, and its copy while it is sent."""
    piece = bytes(50 * MIB)
    bucket._client = Sink()
    tracemalloc.start()
    with bucket.open_writer("streams/huge", 5 * MIB) as writer:
        for _ in range(3):
            writer.write(piece)
        for _ in range(50):
            writer.write(piece[:MIB])
        peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert writer.bytes_written == 200 * MIB
    assert peak < 3 * 5 * MIB


def test_an_error_leaves_neither_an_object_nor_an_upload(platform: Platform, bucket: Bucket) -> None:
    for size in (100, 11 * MIB):
        with pytest.raises(ZeroDivisionError), bucket.open_writer("streams/broken", 5 * MIB) as writer:
            writer.write(b"x" * size)
            raise ZeroDivisionError
        assert not bucket.exists("streams/broken")
    assert uploads(platform) == []


def test_texts_and_versions(platform: Platform, bucket: Bucket) -> None:
    first, second = bucket.write_text("a/ä.json", "Präzision"), bucket.write_text("a/ä.json", "größer")
    assert first != second
    assert bucket.read_text_version("a/ä.json") == ("größer", second)
    platform.client("s3").create_bucket(Bucket="plain")
    plain = Bucket("plain", REGION)
    versions = [plain.write_text("key", text) for text in ("one", "two", "one")]
    assert versions[0] == versions[2] != versions[1]
    assert plain.read_text_version("key") == ("one", versions[0])


def test_what_is_older_than_the_buckets_versions_is_told_apart(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    """S3 calls its version "null", whatever it holds (moto says nothing)."""
    old = {"VersionId": "null", "ETag": '"of its bytes"', "Body": io.BytesIO(b"text")}
    monkeypatch.setattr(bucket._client, "get_object", lambda **_: old)
    assert bucket.read_text_version("key") == ("text", "of its bytes")


def test_lists_copies_and_deletes(bucket: Bucket) -> None:
    keys = [f"many/{number:04d}" for number in range(1005)]
    for key in keys[:3]:
        bucket.write_text(key, key)
    bucket.copy(keys[0], "copies/0")
    assert bucket.read_text("copies/0") == keys[0]
    assert bucket.list("many/") == keys[:3]
    bucket.delete(keys)  # more than one request takes, and most of them not there
    assert bucket.list("many/") == [] and bucket.list("copies/") == ["copies/0"]
    bucket.delete([])


def test_metadata_is_read_as_from_a_folder(platform: Platform, bucket: Bucket) -> None:
    platform.client("s3").put_object(Bucket=bucket.name, Key="metadata/objects/", Body=b"")  # a console's "folder"
    reader = S3Reader(bucket)
    assert reader.list() == sorted(sample_files())
    text, version = reader.read("objects/lab.yaml")
    assert text == sample_files()["objects/lab.yaml"]
    bucket.write_text("metadata/objects/lab.yaml", text)
    assert reader.read("objects/lab.yaml")[1] != version


def test_errors_of_aws_say_what_to_do_next(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FatalError, match=r"missing\n  where: s3://idiscover-local/nowhere"):
        bucket.read_text("nowhere")
    with pytest.raises(FatalError, match="missing"):
        bucket.copy("nowhere", "copies/1")
    with pytest.raises(ConfigError, match="NoSuchBucket"):
        Bucket("no-such-bucket", REGION).write_text("key", "text")
    assert bucket.size("nowhere") is None
    bucket.write_bytes("latin", "Präzision".encode("latin-1"))
    with pytest.raises(ConfigError, match="not UTF-8") as refused:
        bucket.read_text("latin")
    assert "zision" not in "".join(traceback.format_exception(refused.value))
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _seconds: None)  # between its own tries
    with pytest.raises(RetriableError, match="does not answer"):
        Bucket(bucket.name, REGION).read_text("anything")


def texts_of(error: BaseException) -> Iterator[str]:
    """Everything that a log or a mail could show of an error."""
    seen: BaseException | None = error
    while seen is not None:
        yield from (str(seen), repr(seen))
        seen = seen.__cause__ or seen.__context__
    yield "".join(traceback.format_exception(error))


def put_secret(platform: Platform, name: str, text: str) -> None:
    platform.client("secretsmanager").create_secret(Name=name, SecretString=text)


def test_a_secret_is_text_by_key(platform: Platform) -> None:
    put_secret(platform, "good", json.dumps({"host": "h", "port": 5439, "password": PASSWORD, "external_id": None}))
    assert read_secret("good", REGION) == {"host": "h", "port": "5439", "password": PASSWORD}


@pytest.mark.parametrize("text", [PASSWORD, f'{{"password": "{PASSWORD}"', f'["{PASSWORD}"]', f'"{PASSWORD}"'])
def test_a_malformed_secret_is_not_quoted(platform: Platform, text: str) -> None:
    name = f"malformed/{hashlib.sha256(text.encode()).hexdigest()[:8]}"
    put_secret(platform, name, text)
    with pytest.raises(ConfigError, match=name) as refused:
        read_secret(name, REGION)
    assert not any(PASSWORD in shown for shown in texts_of(refused.value))


def test_a_secret_that_is_not_there(platform: Platform) -> None:
    with pytest.raises(ConfigError, match="secret nobody/knows"):
        read_secret("nobody/knows", REGION)


def test_credentials_by_role_or_by_key(platform: Platform) -> None:
    role_arn = "arn:aws:iam::123456789012:role/target"
    role = assume_target_role({"role_arn": role_arn, "external_id": "agreed"}, REGION)
    assert role.session_token and role.access_key_id.startswith("ASIA")
    Bucket(platform.context.buckets.data, REGION, role).write_text("by-role", "text")
    keys = assume_target_role({"access_key_id": "AKIA", "secret_access_key": PASSWORD}, REGION)
    assert keys == Credentials("AKIA", PASSWORD)
    for shown in (repr(keys), str(keys), f"{keys}", repr([role]), repr({"c": role})):
        assert PASSWORD not in shown and role.secret_access_key not in shown
    with pytest.raises(ConfigError, match="ExternalId"):
        assume_target_role({"role_arn": role_arn, "external_id": "x"}, REGION)
    with pytest.raises(ConfigError, match="keys password") as refused:
        assume_target_role({"password": PASSWORD}, REGION)
    assert not any(PASSWORD in shown for shown in texts_of(refused.value))


def attempt(platform: Platform, **changes: str) -> IdiscoverError:
    """The error of a connection with a secret like this."""
    secret = {**database_secret(platform.job_dsn), **changes}
    with pytest.raises(IdiscoverError) as refused:
        postgres.connect({key: value for key, value in secret.items() if value != "left out"}, "job metadata")
    return refused.value


WRONG_LOGINS: dict[str, tuple[dict[str, str], type[IdiscoverError]]] = {
    "a wrong password": ({"password": PASSWORD}, ConfigError),
    "no such database": ({"dbname": "nowhere"}, ConfigError),
    "nobody listens": ({"port": "9", "password": PASSWORD}, RetriableError),
    "no host": ({"host": "left out", "password": PASSWORD}, ConfigError),
    "a port that is no number": ({"port": "five", "password": PASSWORD}, ConfigError),
}


@pytest.mark.parametrize("name", WRONG_LOGINS)
def test_a_login_that_fails_tells_no_secret(platform: Platform, name: str) -> None:
    changes, kind = WRONG_LOGINS[name]
    error = attempt(platform, **changes)
    assert type(error) is kind and "job metadata" in str(error)
    known = {PASSWORD, database_secret(platform.job_dsn)["password"]}
    assert not any(password in shown for shown in texts_of(error) for password in known)


def test_a_connection_shows_no_password(platform: Platform) -> None:
    secret = database_secret(platform.job_dsn)
    connection = postgres.connect(secret, "job metadata")
    assert secret["password"] not in repr(connection) + str(connection.dsn)
    connection.close()


def test_an_error_in_redshift_quotes_no_row(platform: Platform) -> None:
    """PostgreSQL's DETAIL is the whole row that was refused."""
    name = platform.context.secrets.redshift
    with pytest.raises(FatalError) as refused, transaction(name, REGION) as cursor:
        cursor.execute("insert into stg.unit (id) values (%s)", [PASSWORD[:18]])
    assert "system_modstamp" in str(refused.value) and PASSWORD[:18] not in str(refused.value)
    with pytest.raises(RetriableError), transaction(name, REGION) as cursor:
        cursor.execute("select pg_terminate_backend(pg_backend_pid())")
