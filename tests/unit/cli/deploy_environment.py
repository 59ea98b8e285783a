"""An environment in moto that deploys go to: its buckets, the clone that is deployed, what a first deploy leaves."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from idiscover.aws.publishing import PublishReport, publish
from idiscover.aws.table_migrations import ReleaseSql
from idiscover.cli import deploying
from idiscover.cli.deploying import deploy
from idiscover.cli.pulling import pull
from idiscover.metadata.models import Context
from moto.core import DEFAULT_ACCOUNT_ID
from moto.s3.models import FakeBucket, FakeDeleteMarker
from moto.ses.models import ses_backends

from tests.support.moto_buckets import store, stored_buckets

ROOT = Path(__file__).resolve().parents[3]
DATA, DAGS = "idiscover-local", "idiscover-local-dags"
Act = Callable[[], None]


class Environment:
    """The buckets, and a clone of what a deploy reads."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.client = boto3.client("s3", region_name="us-east-1")
        self.applied: list[int] = []
        self.pools: dict[str, int] = {}
        self.meanwhile: Act = lambda: None  # happens before the SQL of a deploy
        for bucket in (DATA, DAGS):
            self.client.create_bucket(Bucket=bucket)
            self.client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})

    def deploy(self, **options: bool) -> str:
        """One deploy; what it said."""
        return "\n".join(self.lines(**options))

    def lines(self, **options: bool) -> Iterator[str]:
        """One deploy, line by line."""
        return deploy(self.root, str(self.root / "context" / "local.yaml"), ensure_pools=self.ensure_pools, **options)

    def ensure_pools(self, wanted: Mapping[str, int]) -> int:
        """Airflow's pools, which stand before the files of the DAGs that need them."""
        assert not [key for key in self.versions() if key.endswith(".py") and "/generated/" in key] or self.pools
        self.pools.update(wanted)
        return len(wanted)

    def pull(self, **options: bool) -> str:
        """Brings edits of the bucket to the clone; what was said."""
        return "\n".join(pull(self.root, str(self.root / "context" / "local.yaml"), **options))

    def publish(self) -> PublishReport:
        """What the DAG publish_dags does."""
        uri = f"s3://{DATA}/context/local.yaml"
        return publish(uri, "us-east-1", lambda context: self.ensure_pools)

    def plan(self, dag_id: str) -> dict[str, Any]:
        """A plan as it lies beside its DAG file."""
        body = self.client.get_object(Bucket=DAGS, Key=f"dags/generated/{dag_id}.json")["Body"]
        return dict(json.load(body))

    def mails(self) -> list[str]:
        """Raw mails that were sent."""
        return [mail.raw_data for mail in ses_backends[DEFAULT_ACCOUNT_ID]["us-east-1"].sent_messages]

    def read(self, key: str) -> str:
        """Text of an object of the data bucket."""
        return str(self.client.get_object(Bucket=DATA, Key=key)["Body"].read().decode())

    def write(self, key: str, text: str) -> None:
        """Somebody edits the data bucket."""
        self.client.put_object(Bucket=DATA, Key=key, Body=text.encode())

    def versions(self) -> dict[str, list[str]]:
        """All versions of all objects of both buckets, as moto has them: listing them takes long."""
        return {
            f"{bucket}/{key}": [item.version_id for item in items if not isinstance(item, FakeDeleteMarker)]
            for bucket in (DATA, DAGS)
            for key, items in stored_buckets()[bucket].keys.lists()
        }


@dataclass(frozen=True)
class FirstDeploy:
    """What the first deploy leaves: the buckets, how many statements were applied, the pools."""

    buckets: dict[str, FakeBucket]
    applied: list[int]
    pools: dict[str, int]


@contextmanager
def empty_environment(folder: Path) -> Iterator[Environment]:
    """An environment without the databases: that the SQL is to be run is noted."""
    root = folder / "a clone"
    for name in ("metadata", "context", "sql", "plugins", "emr_jobs", "requirements", "dags"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__", "generated"))
    store({})
    ses_backends[DEFAULT_ACCOUNT_ID]["us-east-1"].reset()
    found = Environment(root)
    boto3.client("ses", region_name="us-east-1").verify_email_identity(EmailAddress="idiscover@example.com")
    real_check, real_apply = deploying.check_sql, deploying.apply_sql

    def apply(
        context: Context, sql: ReleaseSql, job_ddl: str, dry_run: bool, require: Act, record: Act
    ) -> Iterator[str]:
        found.meanwhile()
        if not dry_run:
            require()
            found.applied.append(len(sql.statements))
        for said in real_apply(context, sql, job_ddl, True, require, record):
            yield said if dry_run else said.replace("would be ", "")
        if not dry_run:
            record()

    with pytest.MonkeyPatch.context() as patch:
        # the warehouse is as the last release has left it
        patch.setattr(deploying, "check_sql", lambda context, sql, _dry_run: real_check(context, sql, True))
        patch.setattr(deploying, "apply_sql", apply)
        yield found
