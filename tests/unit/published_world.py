"""Both buckets of an environment in moto, into which the sample of metadata was published: for tests of edits."""

from __future__ import annotations

import email
import email.policy
import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import boto3
import pytest
from idiscover.aws.dag_files import BucketTarget
from idiscover.aws.publish_state import PublishState, read_state
from idiscover.aws.publishing import EnsurePools, PublishReport, publish
from idiscover.aws.release_record import record_statements
from idiscover.aws.s3 import Bucket
from idiscover.lake.keys import RELEASE_KEY
from idiscover.metadata.models import Context
from moto import mock_aws
from moto.core import DEFAULT_ACCOUNT_ID
from moto.s3.models import FakeBucket
from moto.ses.models import ses_backends

from tests.support.moto_buckets import let_go, store, stored_buckets
from tests.unit.metadata_samples import DM, LAB, REPOSITORY, sample_files, sample_release

DATA, DAGS, REGION = "idiscover-local", "idiscover-local-dags", "us-east-1"
URI = f"s3://{DATA}/context/local.yaml"
FACT, FACT_FILE = "itg_to_dm__fact_test", "tables/dm.fact_test.yaml"
OTHER_FACT = DM.replace("description: Facts.", "description: Facts of tests.")
BROKEN_LAB = LAB.replace("type: id", "type: idd")


class World:
    """Both buckets, the pools that were made, the mails that went out."""

    def __init__(self) -> None:
        self.client = boto3.client("s3", region_name=REGION)
        self.pools: dict[str, int] = {}
        boto3.client("ses", region_name=REGION).verify_email_identity(EmailAddress="idiscover@example.com")

    def fill(self) -> None:
        """Makes both buckets, with the sample in one of them."""
        for bucket in (DATA, DAGS):
            self.client.create_bucket(Bucket=bucket)
            self.client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        self.put("context/local.yaml", (REPOSITORY / "context" / "local.yaml").read_text())
        self.release({})
        for path, text in sample_files().items():
            self.edit(path, text)

    def put(self, key: str, text: str | bytes) -> str:
        """Writes an object of the data bucket; its VersionId."""
        content = text if isinstance(text, bytes) else text.encode()
        return str(self.client.put_object(Bucket=DATA, Key=key, Body=content)["VersionId"])

    def edit(self, path: str, text: str | bytes) -> str:
        """Somebody edits a metadata file; its VersionId."""
        return self.put(f"metadata/{path}", text)

    def release(self, changed: Mapping[str, str]) -> None:
        """A release of the sample, files (path → text) changed or new, as far as it leaves its record."""
        statements = sample_release(sample_files() | changed)
        record_statements(Bucket(DATA, REGION), statements)
        checksum = hashlib.sha256("".join(item.sql for item in statements).encode()).hexdigest()
        self.put(RELEASE_KEY, json.dumps({"code_sha": "a" * 40, "recorded_sql": checksum}))

    def delete(self, *paths: str) -> None:
        """Somebody deletes metadata files."""
        for path in paths:
            self.client.delete_object(Bucket=DATA, Key=f"metadata/{path}")

    def publish(self, **options: bool) -> PublishReport:
        """One publication."""
        return publish(URI, REGION, self.pools_of, **options)

    def pools_of(self, context: Context) -> EnsurePools:
        """Notes the pools that are wanted; DAG files may not stand before theirs."""
        assert context.environment == "local"

        def ensure(wanted: Mapping[str, int]) -> int:
            self.pools.update(wanted)
            return len(wanted)

        return ensure

    def files(self) -> dict[str, str]:
        """Name → text of all generated files."""
        target = BucketTarget(Bucket(DAGS, REGION))
        return {name: target.read(name) for name in target.list()}

    def header(self, dag_id: str) -> dict[str, Any]:
        """Of a plan."""
        return dict(json.loads(self.files()[f"{dag_id}.json"])["header"])

    def state(self) -> PublishState:
        """What the last publication has recorded."""
        return read_state(Bucket(DATA, REGION), BucketTarget(Bucket(DAGS, REGION)))

    def mails(self) -> list[tuple[str, str, str]]:
        """Recipients, subject and text of each mail."""
        found = []
        for sent in ses_backends[DEFAULT_ACCOUNT_ID][REGION].sent_messages:
            message = email.message_from_string(sent.raw_data, policy=email.policy.default)
            body = message.get_body(("plain",))
            assert body is not None
            found.append((str(message["To"]), str(message["Subject"]), body.get_content()))
        return found


# What the first publication leaves in the buckets, and the pools it wants: all worlds of a process begin there.
_published: list[tuple[dict[str, FakeBucket], dict[str, int]]] = []


@contextmanager
def published_world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """An environment into which the sample was published once."""
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        world = World()
        if not _published:
            world.fill()
            world.publish()
            _published.append((dict(stored_buckets()), dict(world.pools)))
        buckets, pools = _published[0]
        store(buckets)
        world.pools.update(pools)
        try:
            yield world
        finally:
            let_go()  # of what the next world begins with
