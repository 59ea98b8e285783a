"""The stores and the org of a direct chain, started once: everything that is on a laptop but Airflow, EMR and Spark.

The context is context/local.yaml, the metadata are the repository's (or some of them: see `SomeTables`), the secrets
lie where the context says.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2
import requests
from idiscover.cli.places import read_context
from idiscover.lake.keys import metadata_key
from idiscover.metadata.loading import FolderReader, load_catalog
from idiscover.metadata.models import Catalog, Context
from idiscover.metadata.paths import delta_filter_path, object_path, table_path
from idiscover.warehouse.release import release
from moto.server import ThreadedMotoServer

from tests.support.aws_platform import (
    AWS_KEYS,
    ERASURE_SECRET,
    PROTECTION_SECRET,
    aws_client,
    create_job_metadata,
    database_secret,
    empty_job_metadata,
    run_statement,
)
from tests.support.direct_org import DirectOrg, running_org
from tests.support.warehouse_stack import DATABASE, REPOSITORY, running_front, running_postgres

METADATA = REPOSITORY / "metadata"
CONTEXT_FILE = REPOSITORY / "context" / "local.yaml"
WAREHOUSE_SCHEMAS = ("stg", "itg", "dm")


class SomeTables:
    """A reader of metadata that shows some tables, all they are computed from, and their objects; nothing else."""

    def __init__(self, whole: Catalog, tables: Collection[str]) -> None:
        self._reader = FolderReader(METADATA)
        wanted = _with_inputs(whole, tables)
        objects = sorted(name.removeprefix("stg.") for name in wanted if name.startswith("stg."))
        self._paths = [table_path(name) for name in sorted(wanted) if not name.startswith("stg.")]
        self._paths += [path(name) for name in objects for path in (object_path, delta_filter_path)]

    def list(self) -> list[str]:
        """Paths of the files that are shown."""
        return sorted(self._paths)

    def read(self, path: str) -> tuple[str, str]:
        """Text and version of one of them."""
        return self._reader.read(path)


def _with_inputs(catalog: Catalog, tables: Collection[str]) -> set[str]:
    found: set[str] = set()
    waiting = list(tables)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            if not name.startswith("stg."):
                waiting += [item.table for item in catalog.tables[name].inputs]
    return found


@dataclass(frozen=True)
class DirectStack:
    """Where everything is. `catalog` is the repository's whole metadata."""

    org: DirectOrg
    aws_endpoint: str
    job_dsn: str
    postgres_dsn: str  # the warehouse without its front: for counters, and for emptying
    front_dsn: str
    context: Context
    catalog: Catalog

    def environment(self) -> dict[str, str]:
        """What a process has to see to reach moto and to trust the org."""
        return {**AWS_KEYS, "AWS_ENDPOINT_URL": self.aws_endpoint, "REQUESTS_CA_BUNDLE": str(self.org.ca_file)}

    def some_tables(self, tables: Collection[str]) -> Catalog:
        """The catalog of these tables and all they are computed from."""
        return load_catalog(SomeTables(self.catalog, tables))

    def job(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """One statement on the job metadata."""
        return run_statement(self.job_dsn, sql, values)

    def warehouse(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """One statement in the warehouse, through the front."""
        return run_statement(self.front_dsn, sql, values)

    def rows(self, table: str) -> list[dict[str, Any]]:
        """All rows of a table, by column."""
        connection = psycopg2.connect(self.front_dsn)
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(f"select * from {table}")
                names = [column[0] for column in cursor.description]
                return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
        finally:
            connection.close()

    def empty(self, seed: int, scale: float) -> None:
        """A fresh org, and nothing of any other in any store."""
        self.org.renew(seed, scale)
        empty_job_metadata(self.job_dsn)
        self._empty_warehouse()
        requests.post(f"{self.aws_endpoint}/moto-api/reset", timeout=30).raise_for_status()
        self.fill_aws()

    def fill_aws(self) -> None:
        """Secrets, the data bucket and the metadata in it."""
        names = self.context.secrets
        secrets = {
            names.redshift: database_secret(self.front_dsn),
            names.job_metadata: database_secret(self.job_dsn),
            names.salesforce: self.org.secret,
            names.s3_target: {"role_arn": "arn:aws:iam::123456789012:role/target"},
            str(names.erasure): ERASURE_SECRET,
            str(names.protection): PROTECTION_SECRET,
        }
        manager = aws_client(self.aws_endpoint, "secretsmanager")
        for name, value in secrets.items():
            manager.create_secret(Name=name, SecretString=json.dumps(value))
        s3, bucket = aws_client(self.aws_endpoint, "s3"), self.context.buckets.data
        s3.create_bucket(Bucket=bucket)
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        reader = FolderReader(METADATA)
        for table in self.catalog.tables:  # a refresh reads its table's file anew; nobody reads the others
            path = table_path(table)
            s3.put_object(Bucket=bucket, Key=metadata_key(path), Body=reader.read(path)[0].encode())

    def _empty_warehouse(self) -> None:
        tables = run_statement(
            self.postgres_dsn,
            "select quote_ident(schemaname) || '.' || quote_ident(tablename) from pg_tables where schemaname in %s",
            (WAREHOUSE_SCHEMAS,),
        )
        run_statement(self.postgres_dsn, ";".join(f"delete from {table}" for (table,) in tables), ())


@contextmanager
def running_stack(folder: Path) -> Iterator[DirectStack]:
    """All stores with tables and procedures, and the org's address. `empty` begins a chain."""
    logging.getLogger("werkzeug").setLevel(logging.WARNING)  # a line per request to moto
    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto.start()
    try:
        endpoint = "http://{}:{}".format(*moto.get_host_and_port())
        catalog = load_catalog(FolderReader(METADATA))
        with (
            running_org(folder / "org") as org,
            running_postgres(folder) as cluster,
            running_front(folder, cluster, {**AWS_KEYS, "AWS_ENDPOINT_URL": endpoint}) as front_dsn,
        ):
            job_dsn, postgres_dsn = create_job_metadata(cluster), cluster.dsn(DATABASE)
            context = read_context(str(CONTEXT_FILE))
            stack = DirectStack(org, endpoint, job_dsn, postgres_dsn, front_dsn, context, catalog)
            _release(stack)
            yield stack
    finally:
        moto.stop()


def _release(stack: DirectStack) -> None:
    connection = psycopg2.connect(stack.front_dsn)
    try:
        with connection, connection.cursor() as cursor:
            for statement in release(stack.catalog, REPOSITORY / "sql"):
                cursor.execute(statement.sql)
    finally:
        connection.close()
