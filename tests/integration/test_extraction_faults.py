"""The extraction under faults: recovered, or ended by a named error and made good by the next try; never a lost row.

What the files hold is compared, row for row, with an independent REST read of the org.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress

import psutil
import pytest
from idiscover.errors import IdiscoverError
from idiscover.lake.manifest import BatchFile
from idiscover.plan.model import ExtractionRequest, ReadMode

from local.salesforce.faults import ERRORS
from tests.integration.extraction_stack import ROOT, request_for, utc
from tests.integration.fault_cases import KILLS, PAGES, S3_FAULTS, SALESFORCE_FAULTS, Fault, Kill, StoreFault
from tests.integration.faulty_stack import (
    FaultyOrg,
    FaultyS3,
    Memory,
    Outcome,
    Store,
    data_bucket,
    faulty_org,
    faulty_s3,
)
from tests.integration.test_extraction import as_bulk_text, as_comparable

OBJECT, SOBJECT = "testing_volume", "Testing_Volume__c"
START, END = utc("2025-10-01T00:00"), utc("2026-01-06T00:00")
OPEN_STATES = {"UploadComplete", "InProgress"}

Rows = list[tuple[object, ...]]


@pytest.fixture(scope="module")
def running_org(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultyOrg]:
    with faulty_org(tmp_path_factory.mktemp("faults")) as org:
        yield org


@pytest.fixture
def org(running_org: FaultyOrg) -> Iterator[FaultyOrg]:
    yield running_org
    running_org.forget()


@pytest.fixture(scope="module")
def truth(running_org: FaultyOrg) -> Rows:
    """What the window holds; no test but the last changes it."""
    return rows_by_rest(running_org)


def rows_by_rest(org: FaultyOrg) -> Rows:
    """The window's rows by REST, read by simple-salesforce."""
    request = request_for(OBJECT, START, END, "truth")
    names = [column.salesforce for column in request.columns]
    soql = f"SELECT {', '.join(names)} FROM {SOBJECT} WHERE SystemModstamp >= {START:%Y-%m-%dT%H:%M:%SZ}"
    soql += f" AND SystemModstamp < {END:%Y-%m-%dT%H:%M:%SZ}"
    records = org.client().query_all(soql, include_deleted=True)["records"]
    rows = sorted(as_comparable(request, [as_bulk_text(record[name]) for name in names]) for record in records)
    assert len({row[0] for row in rows}) == len(rows) > 2 * PAGES
    return rows


def request_of(batch: str, settings: Mapping[str, object], mode: ReadMode = ReadMode.WINDOW) -> ExtractionRequest:
    """The window of three pages; its settings need not be ones that a context may have."""
    request = request_for(OBJECT, START, END, batch, mode)
    return request.model_copy(update={"salesforce": request.salesforce.model_copy(update=dict(settings))})


def csv_rows(bucket: Store, files: Sequence[BatchFile]) -> Iterator[list[str]]:
    """All rows of files, which are as their manifest says."""
    for file in files:
        stored = bucket.read_bytes_version(file.key)[0]
        assert (len(stored), hashlib.sha256(stored).hexdigest()) == (file.bytes, file.sha256)
        _, *found = csv.reader(io.StringIO(gzip.decompress(stored).decode(), newline=""))
        assert len(found) == file.rows
        yield from found


def assert_whole(org: FaultyOrg, bucket: Store, request: ExtractionRequest, outcome: Outcome, truth: Rows) -> None:
    """Every row once, nothing beside the batch's files and manifest, and no job that still runs."""
    assert outcome.error is None, outcome.error
    assert outcome.manifest is not None
    rows = sorted(as_comparable(request, row[:-2]) for row in csv_rows(bucket, outcome.manifest.files))
    assert rows == truth
    kept = {file.key for file in outcome.manifest.all_files} | {f"{request.target_prefix}manifest.json"}
    assert set(bucket.list(request.target_prefix)) == kept
    assert not org.states_of_jobs() & OPEN_STATES


def assert_named(
    org: FaultyOrg, bucket: Store, request: ExtractionRequest, outcome: Outcome, error: str, says: str
) -> None:
    """The error says what to do; nothing says that there is a batch; no job still runs."""
    assert isinstance(outcome.error, IdiscoverError), outcome.error
    assert type(outcome.error).__name__ == error
    assert says in str(outcome.error)
    assert outcome.error.remedy, outcome.error
    assert f"{request.target_prefix}manifest.json" not in bucket.list(request.target_prefix)
    assert not org.states_of_jobs() & OPEN_STATES


def safe_pages(bucket: Store, request: ExtractionRequest) -> int:
    """How many pages the next try need not read."""
    keys = bucket.list(request.target_prefix)
    has_checkpoint = f"{request.target_prefix}read-rows.json" in keys
    return sum(key.endswith(".page.json") for key in keys) if has_checkpoint else 0


@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")  # a timeout of less than a minute
@pytest.mark.parametrize("fault", SALESFORCE_FAULTS, ids=lambda fault: fault.name)
def test_a_fault_of_salesforce(org: FaultyOrg, truth: Rows, monkeypatch: pytest.MonkeyPatch, fault: Fault) -> None:
    request, bucket = request_of(f"{OBJECT}-{fault.name}", fault.settings), Memory()
    with monkeypatch.context() as patch:
        for name, seconds in fault.patience.items():
            patch.setattr(f"idiscover.salesforce.{name}", seconds)
        for plan in fault.plans:
            org.plan(**plan)
        outcome = org.extract(request, bucket)
    assert all(org.fired()), org.fired()
    assert outcome.numbers(*fault.requests) == dict(fault.requests)
    assert fault.logins is None or outcome.number("login") == outcome.processes + fault.logins
    if fault.error is None:
        assert outcome.progress.resumes == fault.resumes
        assert_whole(org, bucket, request, outcome, truth)
        return
    org.forget()
    assert_named(org, bucket, request, outcome, fault.error, fault.says)
    expected = fault.again or {"page": PAGES - safe_pages(bucket, request)}
    again = org.extract(request, bucket)
    assert_whole(org, bucket, request, again, truth)
    assert again.numbers(*expected) == dict(expected)


def test_a_break_among_the_ids_leaves_the_rows_safe(org: FaultyOrg, truth: Rows) -> None:
    request, bucket = request_of(f"{OBJECT}-ids", {"parallel_pages": 1}, ReadMode.WINDOW_AND_IDS), Memory()
    org.plan(on="page", effect="error", error="total_requests", nth=PAGES + 5)
    first = org.extract(request, bucket)
    assert_named(org, bucket, request, first, "NextRunError", "The org's API calls are used up")
    safe = sum(key.endswith(".page.json") for key in bucket.list(request.target_prefix))
    assert safe >= PAGES + 4
    again = org.extract(request, bucket)
    assert_whole(org, bucket, request, again, truth)
    assert again.manifest is not None and again.manifest.ids is not None
    ids = again.manifest.ids
    assert again.numbers("create_job", "page") == {"create_job": 0, "page": PAGES + len(ids.files) - safe}
    every_id = org.client().query_all(f"SELECT Id FROM {SOBJECT}", include_deleted=True)["records"]
    assert sorted(row[0] for row in csv_rows(bucket, ids.files)) == sorted(record["Id"] for record in every_id)


def test_a_header_that_a_proxy_strips_is_told_in_the_batch(org: FaultyOrg) -> None:
    org.plan(on="page", effect="strip", header="Sforce-NumberOfRecords", times=None)
    manifest = org.extract(request_for(OBJECT, START, END, f"{OBJECT}-stripped"), Memory()).manifest
    assert manifest is not None
    assert (manifest.counts.page_rows, manifest.counts.parsed_rows) == (None, manifest.counts.job_rows)


@pytest.mark.parametrize("fault", S3_FAULTS, ids=lambda fault: fault.name)
def test_a_fault_of_s3(org: FaultyOrg, truth: Rows, fault: StoreFault) -> None:
    request = request_of(f"{OBJECT}-{fault.name}", {"parallel_pages": 1})  # the order of requests is known then
    answers = FaultyS3(fault.operation, fault.status, fault.code, fault.nth, fault.times)
    with faulty_s3(answers):
        outcome = org.extract(request, data_bucket())
    bucket = data_bucket()
    assert answers.fired == fault.times
    if fault.error is None:
        assert outcome.numbers("page", "create_job") == {"page": PAGES, "create_job": 1}
        assert_whole(org, bucket, request, outcome, truth)
        return
    assert_named(org, bucket, request, outcome, fault.error, fault.says)
    expected = fault.again or {"page": PAGES - safe_pages(bucket, request), "create_job": 0}
    again = org.extract(request, bucket)
    assert_whole(org, bucket, request, again, truth)
    assert again.numbers(*expected) == dict(expected)


def start_step(org: FaultyOrg, request: ExtractionRequest, kill: Kill) -> subprocess.Popen[str]:
    """The step, as a process."""
    if kill.on_spark:
        return org.spark.start(request, kill.on_spark)
    uri = org.spark.put(request)
    code = f"import sys; from tests.integration.faulty_stack import run_step; sys.exit(run_step({uri!r}))"
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'plugins'}:{ROOT}"}
    out = subprocess.PIPE
    return subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=out, stderr=out, text=True)


def end_processes(step: psutil.Process, sign: signal.Signals, workers_alone: bool = False) -> None:
    """The whole step; or its workers, which a daemon of Spark's has forked."""
    ended = [step, *step.children(recursive=True)]
    if workers_alone:
        living = [process for process in ended if process.status() != psutil.STATUS_ZOMBIE]
        daemons = [process for process in living if "pyspark.daemon" in process.cmdline()]
        ended = [process for process in daemons if process.parent() in daemons]
        assert ended
    for process in ended:
        with suppress(psutil.NoSuchProcess):  # a child of one that was ended before
            process.send_signal(sign)


def wait_until(is_there: Callable[[], bool], step: subprocess.Popen[str]) -> None:
    """Until the step has come so far."""
    deadline = time.monotonic() + 120
    while not is_there():
        assert step.poll() is None and time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.parametrize("kill", KILLS, ids=lambda kill: kill.name)
def test_a_kill(org: FaultyOrg, truth: Rows, kill: Kill) -> None:
    """A process of its own; the second try is made in this one."""
    request, bucket = request_for(OBJECT, START, END, f"{OBJECT}-kill-{kill.name}"), data_bucket()
    org.plan(on="run_job", effect="delay", seconds=6.0 if kill.at == "job" else 0.0)
    org.plan(on="page", effect="stall", nth=PAGES, times=2, after_bytes=1000, seconds=100)
    before = len(org.requests())

    def asked() -> Outcome:
        return Outcome(asked=org.requests()[before:])

    def last_page_was_asked_for(times: int = 1) -> bool:
        return asked().number("page") == PAGES - 1 + times and safe_pages(bucket, request) == PAGES - 1

    step = start_step(org, request, kill)
    try:
        wait_until(last_page_was_asked_for if kill.at == "page" else lambda: asked().number("job") > 0, step)
        end_processes(psutil.Process(step.pid), kill.sign, kill.name.startswith("worker"))
        if kill.name == "worker_then_step":
            wait_until(lambda: last_page_was_asked_for(times=2), step)
            end_processes(psutil.Process(step.pid), kill.sign)
        out, err = step.communicate(timeout=120)
    finally:
        step.kill()
    first = asked()
    assert step.returncode != 0, out
    last = err.strip().splitlines()[-1] if err.strip() else ""
    assert kill.name != "worker_for_good" or last.startswith("RetriableError: Spark has given a page up"), err
    if kill.sign == signal.SIGTERM:
        assert last == "SystemExit: the step was cancelled"
        assert first.numbers("abort_job", "delete_job") == {"abort_job": 1, "delete_job": 1}
        assert not org.states_of_jobs() & OPEN_STATES
    org.forget()
    again = org.extract(request, bucket)
    assert again.numbers(*kill.again) == dict(kill.again)
    assert_whole(org, bucket, request, again, truth)


def random_plans(rng: random.Random) -> list[dict[str, object]]:
    """Up to five faults, of any kind that passes."""
    kinds = ("login", "limits", "count", "create_job", "job", "result_pages", "page", "rest_query")
    errors = sorted(set(ERRORS) - {"wrong_client", "not_found"})
    of_pages = (
        {"effect": "cut", "after_bytes": rng.randrange(9000), "how": rng.choice(["close", "reset"])},
        {"effect": "truncate", "bytes": rng.randrange(1, 9000)},
        {"effect": "drop_row", "announced": rng.random() < 0.5},
        {"effect": "other_rows", "again": True},
        {"effect": "locator", "locator": rng.choice(["repeated", "further", "unknown", "null"])},
    )
    plans: list[dict[str, object]] = []
    for _ in range(rng.randrange(1, 6)):
        place = {"nth": rng.randrange(1, 6), "times": rng.randrange(1, 4)}
        choice = rng.randrange(5)
        if choice == 0:
            plans.append({"on": "page", **place, **rng.choice(of_pages)})
        elif choice == 1:
            ends = ({"effect": "fail", "message": "QUERY_TIMEOUT: too long"}, {"effect": "abort"})
            plans.append({"on": "run_job", **place, **rng.choice(ends)})
        elif choice == 2:
            plans.append({"on": "result_pages", **place, "effect": rng.choice(["html", "unknown_shape"])})
        else:
            error = {"effect": "error", "error": rng.choice(errors)}
            plans.append({"on": rng.choice(kinds), **place, **error})
    return plans


@pytest.mark.parametrize("seed", range(4))
def test_whatever_comes_together_the_tries_end_with_every_row_once(org: FaultyOrg, truth: Rows, seed: int) -> None:
    rng = random.Random(f"faults {seed}")
    settings = {"rows_per_job": rng.choice([150, 2_000_000]), "page_rows": rng.choice([90, 300])}
    request, bucket = request_of(f"{OBJECT}-random-{seed}", settings), Memory()
    plans = random_plans(rng)
    for plan in plans:
        org.plan(**plan)
    for _ in range(20):
        outcome = org.extract(request, bucket)
        if outcome.error is None:
            break
        assert isinstance(outcome.error, IdiscoverError), (plans, outcome.error)
        assert f"{request.target_prefix}manifest.json" not in bucket.objects
    org.forget()
    assert_whole(org, bucket, request, outcome, truth)


def test_an_org_that_moves_between_two_tries_is_read_anew(org: FaultyOrg, truth: Rows) -> None:
    request, bucket = request_of(f"{OBJECT}-moved", {"parallel_pages": 1}), Memory()
    org.plan(on="page", effect="error", error="total_requests", nth=PAGES)
    assert_named(org, bucket, request, org.extract(request, bucket), "NextRunError", "used up")
    assert safe_pages(bucket, request) == PAGES - 1
    org.change({"kind": "update", "records": 3, "modified": [START.isoformat(), END.isoformat()]})
    moved = rows_by_rest(org)
    assert len(moved) == len(truth) - 3
    again = org.extract(request, bucket)
    assert_whole(org, bucket, request, again, moved)
    assert again.manifest is not None and again.manifest.reads == 2
    assert again.numbers("create_job", "page") == {"create_job": 1, "page": 1 + PAGES}
