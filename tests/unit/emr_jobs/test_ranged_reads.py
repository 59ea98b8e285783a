"""Reads of several query jobs, and reads that go on where a try before them broke off."""

from __future__ import annotations

import csv
import gzip
import io
import json
from typing import Any

import pytest
from idiscover.errors import ConfigError, DataQualityError, FatalError, IdiscoverError, RetriableError
from idiscover.lake.manifest import BatchManifest
from idiscover.plan.model import ExtractionRequest, ReadMode
from idiscover.salesforce.bulk import JobWatch
from idiscover.salesforce.faults import QueryTimeout
from idiscover.salesforce.session import SalesforceSession

from emr_jobs.step import run
from tests.unit.emr_jobs.fakes import FakeBucket, InProcess, outside_world
from tests.unit.emr_jobs.ranged_org import RangedOrg, methods
from tests.unit.salesforce.fake_org import FakeOrg, Reply, Seen, fault
from tests.unit.salesforce.samples import sample_request

URI = "s3://data/status/request.json"
SETTINGS = {"api_version": "62.0", "page_rows": 1000, "parallel_pages": 2, "job_timeout_minutes": 1}
IDS = [f"001000000000{number:03d}AAA" for number in range(1, 12)]


def request(**settings: int) -> ExtractionRequest:
    """Every lab, with settings of the org's."""
    return sample_request(read_mode=ReadMode.WHOLE, salesforce={**SETTINGS, **settings})


@pytest.fixture
def bucket(org: FakeOrg, monkeypatch: pytest.MonkeyPatch) -> FakeBucket:
    """The step's outside world, in which nobody waits."""
    found = outside_world(org, monkeypatch)
    monkeypatch.setattr(JobWatch, "seconds_to_look", 0.0)
    return found


def extract(bucket: FakeBucket, request: ExtractionRequest) -> BatchManifest:
    bucket.objects["status/request.json"] = request.model_dump_json().encode()
    run(URI, InProcess())
    return BatchManifest.model_validate_json(bucket.objects[f"{request.target_prefix}manifest.json"])


def ids_in(bucket: FakeBucket, manifest: BatchManifest) -> list[str]:
    """Of all files; each is as long as the manifest says."""
    found: list[str] = []
    for file in manifest.files:
        _, *rows = csv.reader(io.StringIO(gzip.decompress(bucket.objects[file.key]).decode(), newline=""))
        assert len(rows) == file.rows
        found += [row[0] for row in rows]
    return found


def left(bucket: FakeBucket, request: ExtractionRequest) -> list[str]:
    """Names of what lies under the batch's prefix."""
    return [key.removeprefix(request.target_prefix) for key in bucket.list(request.target_prefix)]


@pytest.mark.parametrize("parallel_jobs", [1, 3])
def test_a_large_read_is_several_jobs(org: FakeOrg, bucket: FakeBucket, parallel_jobs: int) -> None:
    table = RangedOrg(IDS)
    table.serve(org)
    wanted = request(rows_per_job=4, parallel_jobs=parallel_jobs)
    manifest = extract(bucket, wanted)
    assert sorted(ids_in(bucket, manifest)) == IDS
    assert len(table.queries) == len(manifest.job_ids) >= 3
    assert all(len(table.selected(query)) <= 4 for query in table.queries)
    counts = manifest.counts
    assert (counts.count_before, counts.job_rows, counts.page_rows, counts.parsed_rows) == (11, 11, 11, 11)
    assert left(bucket, wanted) == ["manifest.json", *(file.key.rsplit("/")[-1] for file in manifest.files)]


def test_no_more_jobs_at_once_than_allowed(org: FakeOrg, bucket: FakeBucket, monkeypatch: pytest.MonkeyPatch) -> None:
    table = RangedOrg(IDS, states={number: [("InProgress", "")] * 3 + [("JobComplete", "")] for number in range(9)})
    table.serve(org)
    open_jobs: list[int] = []
    looked = JobWatch.look

    def look(watch: JobWatch, session: SalesforceSession) -> bool:
        complete = looked(watch, session)
        ended = sum(1 for states in table.states.values() if len(states) == 1)
        open_jobs.append(len(table.queries) - ended)
        return complete

    monkeypatch.setattr(JobWatch, "look", look)
    extract(bucket, request(rows_per_job=2, parallel_jobs=2))
    assert max(open_jobs) == 2


def test_a_job_that_takes_too_long_is_halved(org: FakeOrg, bucket: FakeBucket) -> None:
    table = RangedOrg(IDS, slow=3)
    table.serve(org)
    manifest = extract(bucket, request())
    assert sorted(ids_in(bucket, manifest)) == IDS
    assert manifest.counts.count_before == manifest.counts.count_after == 11
    assert len(manifest.job_ids) < len(table.queries)


def test_what_is_halved_to_the_end_and_still_takes_too_long_is_an_error(org: FakeOrg, bucket: FakeBucket) -> None:
    table = RangedOrg(IDS[:1], states={0: [("Failed", "QUERY_TIMEOUT")]})
    table.serve(org)
    with pytest.raises(QueryTimeout, match="query job 7500"):
        extract(bucket, request())


@pytest.mark.parametrize("failures", [1, 2])
def test_a_failed_job_is_made_anew_once(org: FakeOrg, bucket: FakeBucket, failures: int) -> None:
    table = RangedOrg(IDS, states={number: [("Failed", "InternalServerError")] for number in range(failures)})
    table.serve(org)
    if failures == 2:
        with pytest.raises(RetriableError, match="InternalServerError"):
            extract(bucket, request())
        assert methods(org, 0) == methods(org, 1) == [], "they have ended by themselves"
    else:
        manifest = extract(bucket, request())
        assert (ids_in(bucket, manifest), manifest.job_ids) == (IDS, ("7501",))


def test_jobs_left_open_by_an_error_are_aborted(org: FakeOrg, bucket: FakeBucket) -> None:
    table = RangedOrg(IDS, states={1: [("InProgress", "")], 2: [("Aborted", "")]})
    table.serve(org)
    with pytest.raises(FatalError, match="7502 was aborted"):
        extract(bucket, request(rows_per_job=4))
    assert methods(org, 1) == ["PATCH", "DELETE"]
    assert methods(org, 0) == methods(org, 2) == []


def test_the_next_try_reads_only_the_pages_that_are_missing(org: FakeOrg, bucket: FakeBucket) -> None:
    table = RangedOrg(IDS, broken_pages={"0-4"})
    table.serve(org)
    with pytest.raises(IdiscoverError, match="not for this user"):
        extract(bucket, request())
    safe = set(table.pages_read)
    assert safe, "the pages beside it"
    table.broken_pages, table.pages_read = set(), []
    manifest = extract(bucket, request())
    assert ids_in(bucket, manifest) == IDS
    assert manifest.job_ids == ("7500",) and len(table.queries) == 1, "the same job"
    assert sorted(safe | set(table.pages_read)) == [f"0-{first}" for first in (0, 10, 2, 4, 6, 8)]
    assert not safe & set(table.pages_read)


def test_a_job_that_has_gone_meanwhile_is_made_anew(org: FakeOrg, bucket: FakeBucket) -> None:
    table = RangedOrg(IDS, broken_pages={"1-0"})
    table.serve(org)
    with pytest.raises(IdiscoverError):
        extract(bucket, request(rows_per_job=4))
    table.broken_pages, table.gone, table.pages_read = set(), {0}, []
    manifest = extract(bucket, request(rows_per_job=4))
    assert sorted(ids_in(bucket, manifest)) == IDS
    assert "7500" not in manifest.job_ids
    assert not [name for name in left(bucket, request()) if name.startswith("part-000-")], "nothing of it stays"


def test_a_job_that_was_open_at_a_kill_is_watched_on(
    org: FakeOrg, bucket: FakeBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kill -9: nobody aborts anything."""
    table = RangedOrg(IDS, states={0: [("InProgress", "")] * 3 + [("JobComplete", "")]})
    table.serve(org)
    looked = JobWatch.look

    def killed(watch: JobWatch, session: SalesforceSession) -> bool:
        looked(watch, session)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(JobWatch, "look", killed)
        patch.setattr("idiscover.salesforce.bulk.discard_job", lambda *_args: None)
        with pytest.raises(KeyboardInterrupt):
            extract(bucket, request())
    manifest = extract(bucket, request())
    assert (ids_in(bucket, manifest), manifest.job_ids, len(table.queries)) == (IDS, ("7500",), 1)


@pytest.mark.parametrize("change", [{"code_sha": "def"}, {"filter": ({"field": "Name", "op": "!=", "value": "x"},)}])
def test_another_request_takes_nothing_over(org: FakeOrg, bucket: FakeBucket, change: dict[str, Any]) -> None:
    table = RangedOrg(IDS, broken_pages={"0-4"})
    table.serve(org)
    with pytest.raises(IdiscoverError):
        extract(bucket, request())
    table.broken_pages = set()
    other = ExtractionRequest.model_validate({**request().model_dump(), **change})
    manifest = extract(bucket, other)
    assert (ids_in(bucket, manifest), manifest.job_ids) == (IDS, ("7501",))


def test_a_read_whose_counts_were_refused_begins_anew(org: FakeOrg, bucket: FakeBucket) -> None:
    table = RangedOrg(IDS)
    table.serve(org)
    count = org.routes["/services/data/v62.0/queryAll/"]
    org.routes["/services/data/v62.0/queryAll/"] = lambda seen: RangedOrg(IDS[1:])._query(seen)
    with pytest.raises(DataQualityError, match="before 10, after 10, job 11"):
        extract(bucket, request())
    assert "read-rows.json" not in left(bucket, request())
    org.routes["/services/data/v62.0/queryAll/"] = count
    assert extract(bucket, request()).job_ids == ("7501",)


def test_an_object_that_bulk_does_not_serve_is_read_by_rest(org: FakeOrg, bucket: FakeBucket) -> None:
    table = RangedOrg(IDS, is_in_bulk=False)
    table.serve(org)
    manifest = extract(bucket, request(rows_per_job=5))
    assert sorted(ids_in(bucket, manifest)) == IDS
    assert manifest.job_ids == ()
    counts = manifest.counts
    assert (counts.job_rows, counts.page_rows, counts.parsed_rows) == (11, 11, 11)
    status = json.loads(bucket.objects[request().status_key])
    assert (status["state"], status["job_ids"]) == ("succeeded", [])


def test_rest_halves_too(org: FakeOrg, bucket: FakeBucket) -> None:
    table = RangedOrg(IDS, is_in_bulk=False, slow=4)
    table.serve(org)
    assert sorted(ids_in(bucket, extract(bucket, request()))) == IDS


def test_rest_that_refuses_the_object_too_says_so(org: FakeOrg, bucket: FakeBucket) -> None:
    table = RangedOrg(IDS, is_in_bulk=False)
    table.serve(org)
    answers = org.routes["/services/data/v62.0/queryAll/"]

    def refuse(seen: Seen) -> Reply:
        return answers(seen) if "COUNT()" in seen.query["q"] else fault(400, "INVALID_TYPE", "no such object")

    org.routes["/services/data/v62.0/queryAll/"] = refuse
    with pytest.raises(ConfigError, match="no such object"):
        extract(bucket, request())
