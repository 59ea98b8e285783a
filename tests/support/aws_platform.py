"""The platform's stores for tests of `idiscover.aws`: PostgreSQL, the Redshift front, moto's S3, secrets and STS.

The metadata is the sample of `tests.unit.metadata_samples`: labs have a country, tests have that of their lab, results
that of their test, units and kits are reference data, and `dm.fact_test` is computed from tests (marks: same) and units
(marks: all). Every Id of results is read each day, and they have a history; kits are read whole.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import boto3
import psycopg2
import requests
from idiscover.metadata.models import Context
from idiscover.plan.build import build_plans
from idiscover.plan.model import ExtractionPlan, LoadPlan, Plan, RefreshPlan
from idiscover.warehouse.release import release
from moto.server import ThreadedMotoServer

from tests.support.warehouse_stack import REPOSITORY, running_front, running_postgres
from tests.unit.metadata_samples import sample_catalog, sample_context, sample_files

JOB_DATABASE = "jobmeta"
JOB_TABLES = (
    "step_log", "check_result", "claim_call", "input_arrival", "slice_mark", "claim", "batch_file", "replay", "batch",
    "run_window", "watermark", "erasure", "cluster_member", "shared_cluster",
)  # fmt: skip
OBJECTS = ("kit", "lab", "result", "test", "unit")
WAREHOUSE_TABLES = (
    "stg.batch_load", "dm.check_result", "dm.fact_test", "dm.call_log", "itg.result__history",
    *(f"stg.{name}{side}" for name in OBJECTS for side in ("", "__ids")),
    *(f"itg.{name}{side}" for name in OBJECTS for side in ("", "__changes", "__load_audit", "__absence")),
)  # fmt: skip
ERASURE_SECRET = {"hmac_key": "0123456789abcdef" * 4}
PROTECTION_SECRET = {"hmac_key": "fedcba9876543210" * 4}
AWS_KEYS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_DEFAULT_REGION": "us-east-1"}

FACT_TABLE = """create table if not exists dm.fact_test (
    country_code varchar(2) not null, test_id varchar(18) not null, notes varchar(65535), units bigint not null,
    _as_of_date date not null, _run_id varchar(256) not null, _loaded_at_utc timestamp not null
)
sortkey (country_code);"""
CALL_LOG_TABLE = """create table if not exists dm.call_log (
    call_id bigint identity(1, 1) not null, country_code varchar(2) not null, as_of_date date not null,
    run_id varchar(256) not null, remark varchar(64)
);"""
# Logs its calls, and refuses a country that has a test whose notes say so.
FACT_PROCEDURE = """create or replace procedure dm.load_fact_test (
    p_country_code varchar(2), p_as_of_date date, p_run_id varchar(256)
)
as $$
declare
    v_refused bigint;
begin
    select count(*) into v_refused from itg.test where _country_code = p_country_code and notes = 'refuse me';
    if v_refused > 0 then
        raise exception 'load_fact_test %: % tests are refused', p_country_code, v_refused;
    end if;
    delete from dm.fact_test where country_code = p_country_code;
    insert into dm.fact_test (country_code, test_id, notes, units, _as_of_date, _run_id, _loaded_at_utc)
    select _country_code, id, notes, (select count(*) from itg.unit), p_as_of_date, p_run_id, getdate()
    from itg.test where _country_code = p_country_code;
    insert into dm.call_log (country_code, as_of_date, run_id) values (p_country_code, p_as_of_date, p_run_id);
end;
$$ language plpgsql;"""
# For statements that are edited in the bucket: does nothing but say that it was called.
REMARK_PROCEDURE = """create or replace procedure dm.remark (
    p_country_code varchar(2), p_as_of_date date, p_run_id varchar(256), p_remark varchar(64)
)
as $$
begin
    insert into dm.call_log (country_code, as_of_date, run_id, remark)
    values (p_country_code, p_as_of_date, p_run_id, p_remark);
end;
$$ language plpgsql;"""


@dataclass(frozen=True)
class Platform:
    """Where everything is, and the plans of the sample metadata."""

    endpoint: str  # of moto
    job_dsn: str
    front_dsn: str
    context: Context
    plans: dict[str, Plan]  # by dag_id

    def environment(self) -> dict[str, str]:
        """What a process has to see to reach moto."""
        return {**AWS_KEYS, "AWS_ENDPOINT_URL": self.endpoint}

    def client(self, service: str) -> Any:
        """A boto3 client, whatever the environment says."""
        return aws_client(self.endpoint, service)

    def extraction(self, name: str) -> ExtractionPlan:
        plan = self.plans[f"sfdc_to_s3__{name}"]
        assert isinstance(plan, ExtractionPlan)
        return plan

    def load(self, name: str) -> LoadPlan:
        plan = self.plans[f"s3_to_redshift__{name}"]
        assert isinstance(plan, LoadPlan)
        return plan

    def refresh(self, table: str) -> RefreshPlan:
        return next(plan for plan in self.plans.values() if isinstance(plan, RefreshPlan) and plan.table == table)

    def job(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """One statement on the job metadata."""
        return run_statement(self.job_dsn, sql, values)

    def warehouse(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """One statement in the warehouse, through the front."""
        return run_statement(self.front_dsn, sql, values)

    def empty(self) -> None:
        """Nothing has happened yet: tables empty, metadata in the bucket as the sample has it."""
        empty_job_metadata(self.job_dsn)
        self.warehouse(";".join(f"delete from {table}" for table in WAREHOUSE_TABLES))
        bucket, s3 = self.context.buckets.data, self.client("s3")
        metadata = {f"metadata/{path}": text.encode() for path, text in sample_files().items()}
        kept = self._delete_versions({key: hashlib.md5(content).hexdigest() for key, content in metadata.items()})
        for key in metadata.keys() - kept:
            s3.put_object(Bucket=bucket, Key=key, Body=metadata[key])

    def _delete_versions(self, checksums: Mapping[str, str]) -> set[str]:
        """Deletes every version of every object but the newest with these checksums; the keys of the latter."""
        bucket, s3 = self.context.buckets.data, self.client("s3")
        kept: set[str] = set()
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
            gone = [{"Key": item["Key"], "VersionId": item["VersionId"]} for item in page.get("DeleteMarkers", [])]
            for item in page.get("Versions", []):
                if item["IsLatest"] and checksums.get(item["Key"]) == item["ETag"].strip('"'):
                    kept.add(item["Key"])
                else:
                    gone.append({"Key": item["Key"], "VersionId": item["VersionId"]})
            if gone:
                s3.delete_objects(Bucket=bucket, Delete={"Objects": gone, "Quiet": True})
        return kept


@contextmanager
def running_platform(folder: Path) -> Iterator[Platform]:
    """All stores, with tables, procedures, bucket and secrets; they end with the context."""
    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto.start()
    try:
        endpoint = "http://{}:{}".format(*moto.get_host_and_port())
        # all servers of a process share one memory, and what an earlier module left there is in the way
        requests.post(f"{endpoint}/moto-api/reset", timeout=30).raise_for_status()
        environment = {**AWS_KEYS, "AWS_ENDPOINT_URL": endpoint}
        with running_postgres(folder) as cluster, running_front(folder, cluster, environment) as front_dsn:
            job_dsn = create_job_metadata(cluster)
            context, catalog = sample_context(), sample_catalog()
            plans = {plan.header.dag_id: plan for plan in build_plans(catalog, context, "0" * 40)}
            platform = Platform(endpoint, job_dsn, front_dsn, context, plans)
            _fill_aws(platform)
            for statement in release(catalog, _sql_root(folder / "sql")):
                platform.warehouse(statement.sql)
            yield platform
    finally:
        moto.stop()


def create_job_metadata(cluster: Any) -> str:
    """An empty job metadata in `cluster`; its DSN."""
    cluster.ensure_databases([JOB_DATABASE])
    dsn: str = cluster.dsn(JOB_DATABASE)
    run_statement(dsn, (REPOSITORY / "sql" / "job_metadata" / "ddl.sql").read_text(encoding="utf-8"), ())
    return dsn


def empty_job_metadata(dsn: str) -> None:
    """No row in any table of schema `job`."""
    run_statement(dsn, ";".join(f"delete from job.{table}" for table in JOB_TABLES), ())


def database_secret(dsn: str) -> dict[str, str]:
    """A DSN as Secrets Manager holds it."""
    parts = urlsplit(dsn)
    return {
        "host": str(parts.hostname),
        "port": str(parts.port),
        "dbname": parts.path.lstrip("/"),
        "username": str(parts.username),
        "password": unquote(str(parts.password)),
    }


def _fill_aws(platform: Platform) -> None:
    names = platform.context.secrets
    secrets = {
        names.redshift: database_secret(platform.front_dsn),
        names.job_metadata: database_secret(platform.job_dsn),
        names.salesforce: {"login_url": "https://nowhere.invalid", "grant_type": "jwt"},
        names.s3_target: {"role_arn": "arn:aws:iam::123456789012:role/target"},
        str(names.erasure): ERASURE_SECRET,
        str(names.protection): PROTECTION_SECRET,
    }
    manager = platform.client("secretsmanager")
    for name, value in secrets.items():
        manager.create_secret(Name=name, SecretString=json.dumps(value))
    s3, bucket = platform.client("s3"), platform.context.buckets.data
    s3.create_bucket(Bucket=bucket)
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})


def _sql_root(root: Path) -> Path:
    """`sql/` with the repository's template for itg, and this module's dm."""
    template = Path("procedures") / "stg_to_itg" / "load.sql.j2"
    files = {
        "ddl/dm/fact_test.sql": FACT_TABLE,
        "ddl/dm/call_log.sql": CALL_LOG_TABLE,
        "procedures/itg_to_dm/load_fact_test.sql": FACT_PROCEDURE,
        "procedures/itg_to_dm/remark.sql": REMARK_PROCEDURE,
    }
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")
    (root / template).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(REPOSITORY / "sql" / template, root / template)
    return root


def aws_client(endpoint: str, service: str) -> Any:
    return boto3.client(
        service,
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    )


def run_statement(dsn: str, sql: str, values: tuple[object, ...]) -> list[tuple[Any, ...]]:
    """One statement in a transaction of its own; its rows, if it has any."""
    connection = psycopg2.connect(dsn)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(sql, values or None)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()
