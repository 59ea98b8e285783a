"""The extraction's own code, in this process, against a simulator and an S3 that have faults on demand."""

from __future__ import annotations

import io
import json
import logging
import sys
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import boto3
import pytest
import requests
from botocore.awsrequest import AWSResponse
from idiscover.aws.s3 import Bucket, Credentials
from idiscover.lake.manifest import BatchManifest
from idiscover.plan.model import ExtractionRequest
from idiscover.salesforce.session import SalesforceSession, open_session
from simple_salesforce import Salesforce

import emr_jobs.pages
from emr_jobs.extraction import extract
from emr_jobs.pages import run_task
from emr_jobs.progress import Progress
from emr_jobs.reading import Submit
from tests.integration.extraction_stack import API_VERSION, BUCKET, REGION, Spark, moto, simulator
from tests.unit.emr_jobs.fakes import FakeBucket
from tests.unit.salesforce.fake_org import quick_retry

PAGE_ROWS = 200  # of 548: three pages


class Threads:
    """Runs page tasks on threads, each with a session of its own as a Python worker of Spark has."""

    @contextmanager
    def open(self, parallel: int) -> Iterator[Submit]:
        with ThreadPoolExecutor(parallel) as pool:
            try:
                yield lambda order, task: pool.submit(run_task, order, task)
            finally:
                pool.shutdown(cancel_futures=True)


class Memory(FakeBucket):
    """S3 in memory: where Salesforce has the faults, moto would take most of the time."""

    def read_bytes_version(self, key: str) -> tuple[bytes, str]:
        """As `Bucket` has it."""
        return self.objects[key], ""


class SessionOfThread(dict[tuple[str, str, str], SalesforceSession]):
    """`emr_jobs.pages._sessions`, as if each thread were a process."""

    def __getitem__(self, key: tuple[str, str, str]) -> SalesforceSession:
        return super().__getitem__((str(threading.get_ident()), *key))  # type: ignore[index]

    def __setitem__(self, key: tuple[str, str, str], session: SalesforceSession) -> None:
        super().__setitem__((str(threading.get_ident()), *key), session)  # type: ignore[index]

    def __contains__(self, key: object) -> bool:
        return super().__contains__((str(threading.get_ident()), *key))  # type: ignore[misc]


Store = Bucket | Memory


@dataclass
class FaultyS3:
    """Answers in the place of S3: the `nth` such operation, and so many after it."""

    operation: str
    status: int
    code: str
    nth: int = 1
    times: int = 1
    met: int = 0
    fired: int = 0

    def __call__(self, request: Any, **_more: Any) -> AWSResponse | None:
        self.met += 1
        if self.met < self.nth or self.fired >= self.times:
            return None
        self.fired += 1
        body = f"<Error><Code>{self.code}</Code><Message>please wait</Message></Error>".encode()
        return AWSResponse(request.url, self.status, {"Content-Type": "application/xml"}, _Raw(body))


class _Raw(io.BytesIO):
    def stream(self, **_more: Any) -> Iterator[bytes]:
        yield self.read()


@dataclass
class Outcome:
    """What one extraction did, whether it ended well or not."""

    manifest: BatchManifest | None = None
    error: BaseException | None = None
    progress: Progress = field(default_factory=Progress)
    log: list[str] = field(default_factory=list)
    asked: list[dict[str, Any]] = field(default_factory=list)
    processes: int = 1  # that logged in: the driver, and those that read pages

    def number(self, kind: str, status: int | None = None) -> int:
        """How many requests of a kind the org saw, answered with `status` if it is given."""
        return sum(a["kind"] == kind and status in (None, a["status"]) for a in self.asked)

    def numbers(self, *kinds: str) -> dict[str, int]:
        """How many requests the org saw of each of the kinds."""
        return {kind: self.number(kind) for kind in kinds}


@dataclass
class FaultyOrg:
    """The simulator, its faults, and what the extraction does with them."""

    url: str
    secret: dict[str, str]
    http: requests.Session
    patch: pytest.MonkeyPatch
    spark: Spark

    def plan(self, **fault: object) -> None:
        """A fault from now on."""
        answer = self.http.post(f"{self.url}/idiscover/faults", json=fault, timeout=30)
        assert answer.status_code == 200, answer.text

    def change(self, *changes: Mapping[str, object]) -> None:
        """Changes of testing volumes, committed now."""
        body = {"object": "Testing_Volume__c", "on": "now", "changes": list(changes)}
        self.http.post(f"{self.url}/idiscover/live", json=body, timeout=30).raise_for_status()

    def fired(self) -> list[int]:
        """How often each fault fired."""
        return [fault["fired"] for fault in self.http.get(f"{self.url}/idiscover/faults", timeout=30).json()["faults"]]

    def forget(self) -> None:
        """No faults any more."""
        self.http.delete(f"{self.url}/idiscover/faults", timeout=30).raise_for_status()

    def requests(self) -> list[dict[str, Any]]:
        """What the org was asked."""
        found: list[dict[str, Any]] = self.http.get(f"{self.url}/idiscover/requests", timeout=30).json()["requests"]
        return found

    def states_of_jobs(self) -> set[str]:
        """The states that the org's query jobs have."""
        headers = {"Authorization": f"Bearer {self.token()}"}
        listed = self.http.get(f"{self.url}/services/data/v{API_VERSION}/jobs/query", headers=headers, timeout=30)
        return {job["state"] for job in listed.json()["records"]}

    def extract(self, request: ExtractionRequest, bucket: Store) -> Outcome:
        """One try of the step's own code, with sessions that are new and wait for nothing."""
        self.patch.setattr(emr_jobs.pages, "source_bucket", lambda _request: bucket)
        self.patch.setattr(emr_jobs.pages, "_buckets", {})
        sessions = SessionOfThread()
        self.patch.setattr(emr_jobs.pages, "_sessions", sessions)
        outcome, before = Outcome(), len(self.requests())
        try:
            session = open_session(self.secret, API_VERSION, quick_retry())
            outcome.manifest = extract(request, session, bucket, Threads(), outcome.progress, outcome.log.append)
        except Exception as error:  # whatever it is, it is what the step would end with
            outcome.error = error
        outcome.asked = self.requests()[before:]
        outcome.processes += len(sessions)
        return outcome

    def client(self) -> Salesforce:
        """simple-salesforce with a token of its own: a second, independent reader."""
        return Salesforce(instance_url=self.url, session_id=self.token(), session=self.http, version=API_VERSION)

    def token(self) -> str:
        """An access token of its own."""
        form = {"grant_type": "client_credentials"} | {key: self.secret[key] for key in ("client_id", "client_secret")}
        return str(self.http.post(f"{self.url}/services/oauth2/token", data=form, timeout=30).json()["access_token"])


@contextmanager
def faulty_org(folder: Path) -> Iterator[FaultyOrg]:
    """The stack of a module."""
    state = folder / "org"
    with simulator(state, "--page-rows", str(PAGE_ROWS)) as url, moto() as aws, pytest.MonkeyPatch.context() as patch:
        logging.getLogger("werkzeug").setLevel(logging.WARNING)  # moto would tell every request
        secret = {"grant_type": "client_credentials", **json.loads((state / "credentials.json").read_text())}
        aws.put_secret("sf", secret)
        aws.put_secret("s3", {"access_key_id": "testing", "secret_access_key": "testing"})
        environment = {
            "AWS_ENDPOINT_URL": aws.endpoint,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_DEFAULT_REGION": REGION,
            "REQUESTS_CA_BUNDLE": str(state / "tls" / "ca.pem"),
        }
        for name, value in environment.items():
            patch.setenv(name, value)
        patch.setattr(emr_jobs.pages, "open_session", _open_quickly)
        http = requests.Session()
        http.trust_env, http.verify = False, str(state / "tls" / "ca.pem")
        work = folder / "step"
        work.mkdir()
        yield FaultyOrg(url, secret, http, patch, Spark(work, aws, state / "tls" / "ca.pem"))


def data_bucket() -> Bucket:
    """moto's data bucket, by a client that is made now."""
    return Bucket(BUCKET, REGION, Credentials("testing", "testing"))


def run_step(request_uri: str) -> int:
    """The step's entry point as EMR starts it, threads in the place of Spark; its exit status."""
    emr_jobs.pages._sessions = SessionOfThread()
    in_place = ModuleType("emr_jobs.spark_pages")
    in_place.SparkPages = _StepThreads  # type: ignore[attr-defined]
    sys.modules[in_place.__name__] = in_place
    from emr_jobs.extract import main

    return main(["--request", request_uri])


class _StepThreads(Threads):
    """As `emr_jobs.spark_pages.SparkPages` is made and ended."""

    def __init__(self, app_name: str) -> None:
        self.app_name = app_name

    def stop(self, last_words: str = "") -> None:
        if last_words:
            print(last_words, file=sys.stderr, flush=True)


def _open_quickly(secret: Mapping[str, str], api_version: str) -> SalesforceSession:
    return open_session(secret, api_version, quick_retry())


@contextmanager
def faulty_s3(*faults: FaultyS3) -> Iterator[None]:
    """S3 clients that are made in the block have the faults, and wait for nothing between botocore's own tries."""
    boto3.setup_default_session()
    events = boto3.DEFAULT_SESSION.events
    for fault in faults:
        events.register(f"before-send.s3.{fault.operation}", fault)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("botocore.endpoint.time.sleep", lambda _seconds: None)
        try:
            yield
        finally:
            boto3.setup_default_session()
