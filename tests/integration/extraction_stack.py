"""A Salesforce simulator, a moto server and spark-submit of the extraction, for tests."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import boto3
import requests
import yaml
from idiscover.lake.keys import source_prefix, status_key
from idiscover.metadata.models import SalesforceSettings, SecretNames
from idiscover.plan.model import ColumnPlan, ExtractionRequest, ReadMode, RunKind, Window
from moto.server import ThreadedMotoServer

from emr_jobs.package import build_zip
from local.aws.agent.java import find_java_home
from local.aws.agent.spark import find_spark_home

ROOT = Path(__file__).resolve().parents[2]
SPARK_PYTHON = Path(os.environ.get("IDISCOVER_SPARK_PYTHON") or ROOT / ".venv" / "spark" / "bin" / "python")
REGION = "eu-west-1"
BUCKET = "idiscover-test-data"
API_VERSION = "62.0"
_KEYS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_DEFAULT_REGION": REGION}


@contextmanager
def simulator(state_dir: Path, *options: str) -> Iterator[str]:
    """A simulator of the smallest org as a process of its own; its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "local.salesforce", "serve", "--port", str(port)]
    command += ["--state-dir", str(state_dir), "--scale", "0.02", *options]
    state_dir.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with (state_dir / "server.log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment, cwd=ROOT)
    try:
        _wait_for(f"https://localhost:{port}/idiscover/health", state_dir, process)
        yield f"https://localhost:{port}"
    finally:
        process.terminate()
        process.wait(20)


def _wait_for(url: str, state_dir: Path, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    session = requests.Session()
    session.trust_env = False
    while True:
        try:
            session.get(url, timeout=5, verify=str(state_dir / "tls" / "ca.pem")).raise_for_status()
            return
        except (requests.ConnectionError, OSError):
            if time.monotonic() > deadline or process.poll() is not None:
                raise RuntimeError((state_dir / "server.log").read_text()) from None
            time.sleep(0.05)


@dataclass(frozen=True)
class Aws:
    """moto's S3, Secrets Manager and STS."""

    endpoint: str

    def client(self, service: str) -> Any:
        """A boto3 client that talks to it."""
        return boto3.client(
            service,
            region_name=REGION,
            endpoint_url=self.endpoint,
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
        )

    def put_secret(self, name: str, content: Mapping[str, str]) -> None:
        """A JSON secret."""
        self.client("secretsmanager").create_secret(Name=name, SecretString=json.dumps(dict(content)))

    def read(self, key: str) -> bytes:
        """An object of the data bucket."""
        body: bytes = self.client("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read()
        return body

    def keys(self, prefix: str = "") -> list[str]:
        """Keys of the data bucket below a prefix."""
        found = self.client("s3").list_objects_v2(Bucket=BUCKET, Prefix=prefix)
        return [item["Key"] for item in found.get("Contents", [])]


@contextmanager
def moto() -> Iterator[Aws]:
    """A moto server on a free port, with the data bucket."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        aws = Aws(f"http://{host}:{port}")
        # all servers of a process share one memory, and what an earlier module left there is in the way
        requests.post(f"{aws.endpoint}/moto-api/reset", timeout=30).raise_for_status()
        aws.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        yield aws
    finally:
        server.stop()


def request_for(
    object_name: str,
    start: datetime,
    end: datetime,
    batch: str,
    read_mode: ReadMode = ReadMode.WINDOW,
    **changes: object,
) -> ExtractionRequest:
    """A request for an object of metadata/, read without the platform's own loader."""
    spec = yaml.safe_load((ROOT / "metadata" / "objects" / f"{object_name}.yaml").read_text())
    columns = [
        ColumnPlan.model_validate({key: field[key] for key in ColumnPlan.model_fields if key in field})
        for field in spec["fields"]
    ]
    has_is_deleted = any(column.salesforce == "IsDeleted" for column in columns)
    settings = {"api_version": API_VERSION, "page_rows": 300, "parallel_pages": 2, "job_timeout_minutes": 2}
    fields: dict[str, object] = {
        "window": Window(
            object=object_name,
            run_id="manual__2026",
            run_kind=RunKind.MANUAL,
            order_date=date(2026, 1, 5),
            batch_id=batch,
            start_utc=start,
            end_utc=end,
            read_mode=read_mode,
        ),
        "object": object_name,
        "salesforce_object": spec["salesforce_object"],
        "operation": "queryAll" if has_is_deleted else "query",
        "columns": tuple(columns),
        "key": spec["key"],
        "delta_field": "SystemModstamp",
        "filter": (),
        "data_bucket": BUCKET,
        "target_prefix": source_prefix(object_name, batch),
        "status_key": status_key(f"sfdc_to_s3__{object_name}", batch, "extract"),
        "secrets": SecretNames(salesforce="sf", s3_target="s3", redshift="rs", job_metadata="jm"),
        "salesforce": SalesforceSettings(**settings),
        "region": REGION,
        "code_sha": "abc",
    }
    return ExtractionRequest.model_validate({**fields, **changes})


@dataclass(frozen=True)
class Spark:
    """spark-submit of the built step."""

    folder: Path
    aws: Aws
    ca_file: Path

    def submit(self, request: ExtractionRequest) -> subprocess.CompletedProcess[str]:
        """Put the request in its place and run the step on it, as the agent of the local stack does."""
        process = self.start(request)
        try:
            out, err = process.communicate(timeout=300)
        finally:
            process.kill()
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def start(self, request: ExtractionRequest, master: str = "local[2]") -> subprocess.Popen[str]:
        """The same, in a session of its own, and without waiting for its end."""
        uri = self.put(request)
        library = self.folder / "idiscover.zip"
        if not library.exists():
            build_zip(library)
        script = self.folder / "extract.py"  # alone: all it imports has to come from the zip
        script.write_bytes((ROOT / "emr_jobs" / "extract.py").read_bytes())
        home = find_spark_home(SPARK_PYTHON)
        command = [str(home / "bin" / "spark-submit"), "--master", master, "--conf", "spark.ui.enabled=false"]
        command += ["--driver-memory", "512m", "--driver-java-options", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"]
        command += ["--conf", "spark.driver.host=127.0.0.1", "--py-files", str(library), str(script)]
        command += ["--request", uri]
        return subprocess.Popen(
            command,
            env=self._environment(home),
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def put(self, request: ExtractionRequest) -> str:
        """Put the request in its place; its URI."""
        key = f"status/{request.window.batch_id}/request.json"
        self.aws.client("s3").put_object(Bucket=BUCKET, Key=key, Body=request.model_dump_json().encode())
        return f"s3://{BUCKET}/{key}"

    def _environment(self, home: Path) -> dict[str, str]:
        return {
            **_KEYS,
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "TMPDIR": str(self.folder),
            "JAVA_HOME": str(find_java_home(SPARK_PYTHON, self.folder)),
            "SPARK_HOME": str(home),
            "SPARK_LOCAL_IP": "127.0.0.1",
            "SPARK_LAUNCHER_OPTS": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
            "PYSPARK_PYTHON": str(SPARK_PYTHON),
            "PYSPARK_DRIVER_PYTHON": str(SPARK_PYTHON),
            "AWS_ENDPOINT_URL": self.aws.endpoint,
            "REQUESTS_CA_BUNDLE": str(self.ca_file),
        }


def utc(text: str) -> datetime:
    """`2026-01-05T00:00` as an instant."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
