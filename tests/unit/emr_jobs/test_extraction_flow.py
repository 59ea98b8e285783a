"""The driver's flow against a scripted org: what is written, in which order, and what is refused."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import pickle
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from idiscover.errors import ConfigError, DataQualityError, FailureKind, FatalError, RetriableError, UnforeseenError
from idiscover.lake.manifest import BatchManifest
from idiscover.lake.suppression import SUPPRESSION_KEY, SuppressionList, key_check, keyed_hash
from idiscover.notify.failures import Failure
from idiscover.plan.model import ExtractionRequest, ReadMode
from idiscover.salesforce import soql

import emr_jobs.pages
import emr_jobs.step
from emr_jobs.pages import TaskOutcome
from emr_jobs.step import attempt, one_line, run
from tests.unit.emr_jobs.fakes import JOBS, FakeBucket, InProcess, OrgTable, outside_world
from tests.unit.salesforce.fake_org import DATA, FakeOrg, Reply, Seen, as_json
from tests.unit.salesforce.samples import sample_request

URI = "s3://data/status/request.json"
REQUEST = sample_request()
MANIFEST = f"{REQUEST.target_prefix}manifest.json"


def rows(number: int, first: int = 0) -> list[tuple[str, ...]]:
    return [(f"001{first + i:015d}", f"Lab {first + i}", "2026-01-05T00:00:00.000Z") for i in range(number)]


@pytest.fixture
def bucket(org: FakeOrg, monkeypatch: pytest.MonkeyPatch) -> FakeBucket:
    """The step's outside world: one bucket, one secret, one org."""
    found = outside_world(org, monkeypatch)
    found.objects["status/request.json"] = REQUEST.model_dump_json().encode()
    return found


def put_request(bucket: FakeBucket, request: ExtractionRequest) -> None:
    bucket.objects["status/request.json"] = request.model_dump_json().encode()


def manifest_in(bucket: FakeBucket) -> BatchManifest:
    return BatchManifest.model_validate_json(bucket.objects[MANIFEST])


def rows_in(bucket: FakeBucket) -> list[list[str]]:
    found: list[list[str]] = []
    for file in manifest_in(bucket).files:
        stored = bucket.objects[file.key]
        assert (len(stored), hashlib.sha256(stored).hexdigest()) == (file.bytes, file.sha256)
        _, *part = csv.reader(io.StringIO(gzip.decompress(stored).decode(), newline=""))
        assert len(part) == file.rows
        found += part
    return found


def expected(table: list[tuple[str, ...]]) -> list[list[str]]:
    return [[*row, "2026-01-05 02:00:07.000000", REQUEST.window.batch_id] for row in table]


@pytest.mark.parametrize("has_result_pages", [True, False])
@pytest.mark.parametrize("number", [1, 3, 7])
def test_files_then_manifest_then_status(org: FakeOrg, bucket: FakeBucket, number: int, has_result_pages: bool) -> None:
    OrgTable([number], [rows(number)], has_result_pages=has_result_pages).serve(org)
    tasks = InProcess()
    run(URI, tasks)
    assert rows_in(bucket) == expected(rows(number))
    manifest = manifest_in(bucket)
    assert [file.key[-22:] for file in manifest.files] == [f"/part-000-{n:05d}.csv.gz" for n in range(-(-number // 3))]
    assert len(tasks.tasks) == (len(manifest.files) if has_result_pages else 1)
    assert manifest.columns == ("id", "name", "system_modstamp", "_read_at_utc", "_batch_id")
    assert (manifest.job_ids, manifest.reads) == (("7500",), 1)
    assert manifest.read_at_utc == datetime(2026, 1, 5, 2, 0, 7, tzinfo=UTC)
    assert [entry for entry in bucket.log if "page.json" not in entry][-3:] == [
        f"delete {REQUEST.target_prefix}read-ids.json", f"put {MANIFEST}", f"put {REQUEST.status_key}",
    ]  # fmt: skip
    assert not [key for key in bucket.objects if "page.json" in key or "/read-" in key], "said all there is to say"
    status = json.loads(bucket.objects[REQUEST.status_key])
    assert (status["state"], status["rows"], status["failure"]) == ("succeeded", number, None)
    assert status["api_calls"] == len([seen for seen in org.seen if "oauth2" not in seen.path])
    assert set(status["phases_seconds"]) == {
        "login", "count_before", "query_job", "spark_start", "pages", "count_after",
    }  # fmt: skip


def test_a_batch_that_stands_is_left_alone(org: FakeOrg, bucket: FakeBucket) -> None:
    bucket.objects[MANIFEST] = b"stands"
    run(URI, InProcess())
    assert bucket.log == []
    assert org.seen == []


def test_leftovers_of_a_broken_try_go_first(org: FakeOrg, bucket: FakeBucket) -> None:
    stale = f"{REQUEST.target_prefix}part-00009.csv.gz"
    bucket.objects[stale] = b"half"
    OrgTable([2], [rows(2)]).serve(org)
    run(URI, InProcess())
    assert stale not in bucket.objects
    assert len(rows_in(bucket)) == 2


def test_an_empty_window_spends_no_job(org: FakeOrg, bucket: FakeBucket) -> None:
    put_request(bucket, sample_request(end=REQUEST.window.start_utc))
    OrgTable([2], [rows(2)]).serve(org)
    run(URI, InProcess())
    manifest = manifest_in(bucket)
    assert (manifest.job_ids, manifest.files, manifest.rows) == ((), (), 0)
    assert org.asked(JOBS) == []


def test_no_rows_make_a_manifest_without_files(org: FakeOrg, bucket: FakeBucket) -> None:
    OrgTable([0], [[]]).serve(org)
    run(URI, InProcess())
    manifest = manifest_in(bucket)
    assert (manifest.job_ids, manifest.files, manifest.counts.parsed_rows) == (("7500",), (), 0)


def test_a_moving_org_is_read_again(org: FakeOrg, bucket: FakeBucket) -> None:
    OrgTable([7, 8, 2, 2], [rows(7), rows(2, first=20)]).serve(org)
    run(URI, InProcess())
    assert rows_in(bucket) == expected(rows(2, first=20))
    assert manifest_in(bucket).reads == 2
    assert len(bucket.list(f"{REQUEST.target_prefix}part-")) == 1  # nothing of the first read stays


def test_an_org_that_never_rests_is_taken_between_its_counts(org: FakeOrg, bucket: FakeBucket) -> None:
    OrgTable([9, 8, 8, 7, 7, 5], [rows(8), rows(7), rows(6)]).serve(org)
    run(URI, InProcess())
    manifest = manifest_in(bucket)
    assert (manifest.reads, manifest.rows) == (3, 6)
    assert (manifest.counts.count_before, manifest.counts.count_after) == (7, 5)


def test_an_org_whose_counts_make_no_sense_is_refused(org: FakeOrg, bucket: FakeBucket) -> None:
    OrgTable([9, 8, 9, 8, 9, 8], [rows(4)]).serve(org)
    with pytest.raises(RetriableError, match="COUNT\\(\\) before 9, after 8, job 4"):
        run(URI, InProcess())
    assert MANIFEST not in bucket.objects


def test_missing_rows_are_an_error_with_numbers(org: FakeOrg, bucket: FakeBucket) -> None:
    OrgTable([5], [rows(4)]).serve(org)
    with pytest.raises(DataQualityError, match=r"before 5, after 5, job 4, page headers 4, parsed 4"):
        run(URI, InProcess())
    assert MANIFEST not in bucket.objects
    status = json.loads(bucket.objects[REQUEST.status_key])
    assert status["state"] == "failed"
    told = Failure.model_validate(status["failure"])
    assert (told.kind, told.error, told.is_retried) == (FailureKind.NEEDS_A_PERSON, "DataQualityError", False)
    assert "parsed 4" in told.message and told.remedy is not None and "run it again" in told.remedy


def test_a_job_that_counts_otherwise_is_an_error(org: FakeOrg, bucket: FakeBucket) -> None:
    OrgTable([4], [rows(4)], wrong_job_rows=1, announces_rows=False).serve(org)
    with pytest.raises(DataQualityError, match="job 5, page headers unknown, parsed 4"):
        run(URI, InProcess())


def test_a_page_that_ends_early_is_begun_anew(org: FakeOrg, bucket: FakeBucket) -> None:
    OrgTable([7], [rows(7)], short_pages=2).serve(org)
    run(URI, InProcess())
    assert rows_in(bucket) == expected(rows(7))


def test_a_page_that_always_ends_early_leaves_no_file(org: FakeOrg, bucket: FakeBucket) -> None:
    OrgTable([2], [rows(2)], short_pages=99).serve(org)
    with pytest.raises(DataQualityError, match="1 rows parsed"):
        run(URI, InProcess())
    assert [key.rsplit("/")[-1] for key in bucket.list(REQUEST.target_prefix)] == ["read-rows.json"]


def test_the_same_rows_make_the_same_bytes(org: FakeOrg, bucket: FakeBucket) -> None:
    OrgTable([7], [rows(7)]).serve(org)
    run(URI, InProcess())
    first = manifest_in(bucket).files
    del bucket.objects[MANIFEST]
    run(URI, InProcess())
    assert manifest_in(bucket).files == first


SWEEP = sample_request(read_mode=ReadMode.WINDOW_AND_IDS)


def queries(org: FakeOrg) -> list[str]:
    return [seen.json["query"] for seen in org.asked(JOBS)]


def ids_in(bucket: FakeBucket) -> list[list[str]]:
    ids = manifest_in(bucket).ids
    assert ids is not None
    found: list[list[str]] = []
    for file in ids.files:
        stored = bucket.objects[file.key]
        assert (len(stored), hashlib.sha256(stored).hexdigest()) == (file.bytes, file.sha256)
        header, *part = csv.reader(io.StringIO(gzip.decompress(stored).decode(), newline=""))
        assert (tuple(header), len(part)) == (ids.columns, file.rows)
        found += part
    return found


def test_ids_are_read_after_the_rows(org: FakeOrg, bucket: FakeBucket) -> None:
    put_request(bucket, SWEEP)
    OrgTable([2, 2, 7, 7], [rows(2), rows(7)]).serve(org)
    run(URI, InProcess())
    assert rows_in(bucket) == expected(rows(2))
    assert ids_in(bucket) == [[row[0], SWEEP.window.batch_id] for row in rows(7)]
    manifest = manifest_in(bucket)
    assert manifest.ids is not None
    assert (manifest.job_ids, manifest.ids.job_ids, manifest.rows, manifest.id_count) == (("7500",), ("7501",), 2, 7)
    assert manifest.ids.columns == ("id", "_batch_id")
    assert [file.key.removeprefix(SWEEP.target_prefix) for file in manifest.all_files] == [
        "part-000-00000.csv.gz", "ids-000-00000.csv.gz", "ids-000-00001.csv.gz", "ids-000-00002.csv.gz",
    ]  # fmt: skip
    assert queries(org) == [soql.select(SWEEP), "SELECT Id FROM Account"]
    status = json.loads(bucket.objects[REQUEST.status_key])
    assert (status["read_mode"], status["rows"], status["ids"], status["files"]) == ("window_and_ids", 2, 7, 4)
    assert {"ids_count_before", "ids_query_job", "ids_pages", "ids_count_after"} <= set(status["phases_seconds"])


def test_absence_counts_from_before_the_ids_were_asked_for(org: FakeOrg, bucket: FakeBucket) -> None:
    """After the rows were read, and before the COUNT() and the job of the Ids."""
    put_request(bucket, SWEEP)
    OrgTable([2, 2, 7, 7], [rows(2), rows(7)]).serve(org)
    asked: list[datetime] = []

    def limits(_seen: Seen) -> Reply:
        asked.append(datetime(2026, 1, 5, 3, 0, len(asked), tzinfo=UTC))
        return as_json({}, Date=format_datetime(asked[-1], usegmt=True))

    org.routes[f"{DATA}/limits/"] = limits
    run(URI, InProcess())
    manifest = manifest_in(bucket)
    assert manifest.absence_at_utc == asked[1] > manifest.read_started_at_utc == asked[0]


def test_an_empty_window_is_swept_all_the_same(org: FakeOrg, bucket: FakeBucket) -> None:
    put_request(bucket, sample_request(end=REQUEST.window.start_utc, read_mode=ReadMode.WINDOW_AND_IDS))
    OrgTable([2], [rows(2)]).serve(org)
    run(URI, InProcess())
    manifest = manifest_in(bucket)
    assert (manifest.job_ids, manifest.files, manifest.rows, manifest.id_count) == ((), (), 0, 2)
    assert queries(org) == ["SELECT Id FROM Account"]


def test_an_object_without_records_has_no_ids(org: FakeOrg, bucket: FakeBucket) -> None:
    put_request(bucket, SWEEP)
    OrgTable([0], [[]]).serve(org)
    run(URI, InProcess())
    manifest = manifest_in(bucket)
    assert (manifest.id_count, manifest.id_files) == (0, ())
    assert manifest.absence_at_utc is not None


def test_only_the_ids_are_read_again_when_they_moved(org: FakeOrg, bucket: FakeBucket) -> None:
    put_request(bucket, SWEEP)
    OrgTable([2, 2, 7, 8, 4, 4], [rows(2), rows(7), rows(4)]).serve(org)
    run(URI, InProcess())
    manifest = manifest_in(bucket)
    assert manifest.ids is not None
    assert (manifest.reads, manifest.ids.reads, manifest.id_count) == (1, 2, 4)
    assert rows_in(bucket) == expected(rows(2))
    assert len(bucket.list(f"{SWEEP.target_prefix}ids-")) == len(manifest.id_files) == 2  # nothing of the first stays


def test_missing_ids_are_an_error_with_numbers(org: FakeOrg, bucket: FakeBucket) -> None:
    put_request(bucket, SWEEP)
    OrgTable([2, 2, 5, 5], [rows(2), rows(4)]).serve(org)
    with pytest.raises(DataQualityError, match=r"ids of batch [\s\S]*before 5, after 5, job 4"):
        run(URI, InProcess())
    assert MANIFEST not in bucket.objects


def test_a_whole_read_asks_for_everything_even_of_an_empty_window(org: FakeOrg, bucket: FakeBucket) -> None:
    put_request(bucket, sample_request(end=REQUEST.window.start_utc, read_mode=ReadMode.WHOLE))
    OrgTable([7], [rows(7)]).serve(org)
    run(URI, InProcess())
    manifest = manifest_in(bucket)
    assert rows_in(bucket) == expected(rows(7))
    assert (manifest.read_mode, manifest.ids, manifest.id_count) == (ReadMode.WHOLE, None, 7)
    assert manifest.absence_at_utc == manifest.read_started_at_utc
    assert queries(org) == ["SELECT Id, Name, SystemModstamp FROM Account"]
    assert [seen.query["q"] for seen in org.asked(f"{DATA}/queryAll/")] == ["SELECT COUNT() FROM Account"] * 2


def test_a_window_alone_says_nothing_of_absence(org: FakeOrg, bucket: FakeBucket) -> None:
    OrgTable([2], [rows(2)]).serve(org)
    run(URI, InProcess())
    manifest = manifest_in(bucket)
    assert (manifest.read_mode, manifest.absence_at_utc, manifest.ids, manifest.id_count) == (
        ReadMode.WINDOW, None, None, None,
    )  # fmt: skip


def test_any_error_of_a_worker_reaches_the_driver(
    org: FakeOrg, bucket: FakeBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    OrgTable([2], [rows(2)]).serve(org)

    def refuse(_request: ExtractionRequest) -> FakeBucket:
        raise OSError("disk of the worker is full")

    monkeypatch.setattr(emr_jobs.pages, "source_bucket", refuse)
    with pytest.raises(UnforeseenError, match="disk of the worker is full"):
        run(URI, InProcess())


def test_a_worker_asks_for_its_rights_once_in_a_while_and_again_after_an_error(
    org: FakeOrg, bucket: FakeBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    clock = [1000.0]

    def grant(request: ExtractionRequest) -> FakeBucket:
        asked.append(request.data_bucket)
        if len(asked) == 3:
            raise OSError("disk of the worker is full")
        return bucket

    monkeypatch.setattr(emr_jobs.pages, "source_bucket", grant)
    monkeypatch.setattr(emr_jobs.pages.time, "monotonic", lambda: clock[0])
    OrgTable([7], [rows(7)]).serve(org)
    run(URI, InProcess())
    assert len(asked) == 1, "for three pages"
    clock[0] += 599
    emr_jobs.pages._worker_bucket(REQUEST)
    assert len(asked) == 1
    clock[0] += 2
    emr_jobs.pages._worker_bucket(REQUEST)
    assert len(asked) == 2, "rights lapse"

    clock[0] += 601
    bucket.objects.pop(MANIFEST)
    with pytest.raises(UnforeseenError, match="disk of the worker is full"):
        run(URI, InProcess())
    run(URI, InProcess())
    assert len(asked) == 4, "anew after the error, and once"
    assert len(rows_in(bucket)) == 7


def test_an_outcome_survives_the_way_from_worker_to_driver() -> None:
    error = DataQualityError("Rows are missing", where="part-00000", got=4, expected=5, remedy="run it again")
    outcome = TaskOutcome((), 3, error, "trace")
    back = pickle.loads(pickle.dumps(outcome))
    assert back.error is not None
    assert (type(back.error), str(back.error), back.error.expected) == (DataQualityError, str(error), 5)


def test_errors_are_one_line_without_credentials() -> None:
    error = attempt(lambda: _raise(FatalError("It broke", got="Bearer 00D1234567890abc!hush", remedy="mend it")))
    assert error is not None
    assert one_line(error) == "FatalError: It broke; got: Bearer ***; remedy: mend it"
    assert one_line(ValueError("first\nsecond")) == "ValueError: first"
    assert one_line(ValueError()) == "ValueError: no message"
    assert attempt(lambda: None) is None


def test_an_address_that_is_none_is_refused() -> None:
    error = attempt(lambda: run("data/request.json", InProcess()))
    assert error is not None
    assert one_line(error).startswith("ConfigError: --request is no S3 address")


def _raise(error: Exception) -> None:
    raise error


ERASED, OTHER = "001000000000001AAA", "001000000000002AAA"
KEY = {"hmac_key": "k" * 64}


def put_suppression(bucket: FakeBucket, *record_ids: str) -> None:
    """The list that an erasure writes, and a request that knows whose key it was written with."""
    hashes = tuple(keyed_hash(KEY, record_id) for record_id in record_ids)
    suppressed = SuppressionList(hashes=hashes, key_check=key_check(KEY))
    bucket.objects[SUPPRESSION_KEY] = suppressed.model_dump_json().encode()
    secrets = REQUEST.secrets.model_copy(update={"erasure": "idiscover/erasure"})
    put_request(bucket, REQUEST.model_copy(update={"secrets": secrets}))


def test_rows_of_erased_records_are_left_out_and_counted(
    org: FakeOrg, bucket: FakeBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their own rows go, references to them become null, and every count still agrees."""
    time = "2026-01-05T00:00:00.000Z"
    table = [
        (ERASED, "Erika", time),
        (OTHER, ERASED, time),
        ("001000000000003AAA", f"by {ERASED}, not {OTHER}", time),
        ("001000000000004AAA", ERASED[:15], time),  # as a formula gives it
    ]
    OrgTable([4], [table], page_rows=2).serve(org)
    put_suppression(bucket, ERASED)
    monkeypatch.setattr(emr_jobs.pages, "read_secret", lambda _name, _region: {**org.secret, **KEY})
    emr_jobs.pages.erasure_secret.cache_clear()
    run(URI, InProcess())
    kept = [row[:2] for row in rows_in(bucket)]
    assert kept == [
        [OTHER, ""],
        ["001000000000003AAA", f"by [erased], not {OTHER}"],
        ["001000000000004AAA", ""],
    ]
    counts = manifest_in(bucket).counts
    assert (counts.job_rows, counts.parsed_rows, counts.file_rows, counts.suppressed) == (4, 4, 3, 1)
    assert json.loads(bucket.objects[REQUEST.status_key])["counts"]["suppressed"] == 1


def test_a_list_whose_key_is_not_known_stops_the_step(org: FakeOrg, bucket: FakeBucket) -> None:
    """Else erased records would come back unseen."""
    OrgTable([1], [rows(1)]).serve(org)
    put_suppression(bucket, ERASED)
    secrets = REQUEST.secrets.model_copy(update={"erasure": None})
    put_request(bucket, REQUEST.model_copy(update={"secrets": secrets}))
    with pytest.raises(ConfigError, match="does not name the secret"):
        run(URI, InProcess())
    assert MANIFEST not in bucket.objects


def test_a_key_that_was_changed_stops_the_step(
    org: FakeOrg, bucket: FakeBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """None of the hashes would be found."""
    OrgTable([1], [rows(1)]).serve(org)
    put_suppression(bucket, ERASED)
    monkeypatch.setattr(emr_jobs.pages, "read_secret", lambda _name, _region: {**org.secret, "hmac_key": "x" * 64})
    emr_jobs.pages.erasure_secret.cache_clear()
    with pytest.raises(ConfigError, match="the key of erasures is not the one"):
        run(URI, InProcess())
    emr_jobs.pages.erasure_secret.cache_clear()
    assert MANIFEST not in bucket.objects
