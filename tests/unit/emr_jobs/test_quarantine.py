"""Rows that break their contract, from the org's page to the quarantine file, the manifest and the error."""

from __future__ import annotations

import csv
import gzip
import io
import json
import pickle

import pytest
from idiscover.aws.batch_checks import check_manifest
from idiscover.errors import ConfigError, DataQualityError
from idiscover.lake.manifest import BatchManifest
from idiscover.lake.protection import MASK, hashing
from idiscover.metadata.models import ExtractionSettings, FieldType
from idiscover.plan.model import ColumnPlan, ExtractionRequest, ReadMode
from idiscover.salesforce.bulk import JobWatch

import emr_jobs.pages
import emr_jobs.step
from emr_jobs import quarantine
from emr_jobs.quarantine import BrokenRows, TooManyBroken, require_few, too_many
from emr_jobs.step import run
from tests.unit.emr_jobs.fakes import FakeBucket, InProcess, OrgTable, outside_world
from tests.unit.salesforce.fake_org import FakeOrg
from tests.unit.salesforce.samples import sample_request

URI = "s3://data/status/request.json"
KEY = "k" * 64
COLUMNS = (
    ColumnPlan(salesforce="Id", type=FieldType.ID, column="id"),
    ColumnPlan(salesforce="Name", type=FieldType.STRING, column="name", length=8, trim=True),
    ColumnPlan(salesforce="Email__c", type=FieldType.EMAIL, column="email", length=20, protect="hash"),
    ColumnPlan(salesforce="Phone", type=FieldType.PHONE, column="phone", length=20, protect="mask"),
    ColumnPlan(salesforce="Open__c", type=FieldType.DATE, column="open"),
    ColumnPlan(salesforce="SystemModstamp", type=FieldType.DATETIME, column="system_modstamp"),
)
NAMES = tuple(column.salesforce for column in COLUMNS)
TIME = "2026-01-05T00:00:00.000Z"


def row(number: int, name: str = " Lab ", opened: str = "2020-02-29", time: str = TIME) -> tuple[str, ...]:
    return (f"001{number:015d}", name, f"lab{number}@x.org", "+1 23", opened, time)


def request(limit: int = 0, mode: ReadMode = ReadMode.WINDOW, **changes: object) -> ExtractionRequest:
    settings = ExtractionSettings(quarantine_limit=limit)
    return sample_request(columns=COLUMNS, extraction=settings, read_mode=mode, **changes)


@pytest.fixture
def bucket(org: FakeOrg, monkeypatch: pytest.MonkeyPatch) -> FakeBucket:
    """The step's outside world; the secret of hashes is in it."""
    found = outside_world(org, monkeypatch, hmac_key=KEY)
    monkeypatch.setattr(JobWatch, "seconds_to_look", 0.0)
    emr_jobs.pages.protection_key.cache_clear()
    return found


def extract(bucket: FakeBucket, wanted: ExtractionRequest) -> BatchManifest:
    secrets = wanted.secrets.model_copy(update={"protection": "protection"})
    wanted = wanted.model_copy(update={"secrets": secrets})
    bucket.objects["status/request.json"] = wanted.model_dump_json().encode()
    run(URI, InProcess())
    return BatchManifest.model_validate_json(bucket.objects[f"{wanted.target_prefix}manifest.json"])


def rows_of(bucket: FakeBucket, key: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(gzip.decompress(bucket.objects[key]).decode(), newline="")))


def left_out(bucket: FakeBucket) -> list[str]:
    return bucket.list("quarantine/")


def test_values_are_trimmed_and_protected(org: FakeOrg, bucket: FakeBucket) -> None:
    OrgTable([2], [[row(1), row(2, name="\u3000")]], NAMES).serve(org)
    manifest = extract(bucket, request())
    [file] = manifest.files
    _, first, second = rows_of(bucket, file.key)
    assert first[:4] == ["001000000000000001", "Lab", hashing(KEY)("lab1@x.org"), MASK]
    assert second[1] == ""
    assert b"x.org" not in b"".join(gzip.decompress(item) for key, item in bucket.objects.items() if key.endswith("gz"))
    assert (manifest.quarantine, manifest.counts.quarantined, left_out(bucket)) == ((), 0, [])


def test_broken_rows_lie_beside_the_batch_and_every_count_agrees(org: FakeOrg, bucket: FakeBucket) -> None:
    table = [row(1), row(2, opened="2021-02-29"), row(3), row(4), row(5, name="much too long", time=""), row(6)]
    OrgTable([6], [table], NAMES).serve(org)
    manifest = extract(bucket, request(limit=2))
    counts = manifest.counts
    assert (counts.job_rows, counts.parsed_rows, counts.file_rows, counts.quarantined, counts.gone) == (6, 6, 4, 2, 2)
    assert manifest.rows == 4 and [file.rows for file in manifest.quarantine] == [1, 1]
    check_manifest(manifest, request(limit=2).window, "here")
    assert left_out(bucket) == [
        f"quarantine/lab/lab-20260105-0123456789ab/part-000-{page:05d}.csv.gz" for page in range(2)
    ]
    header, one = rows_of(bucket, manifest.quarantine[0].key)
    assert header == [*(column.column for column in COLUMNS), "_column", "_reason", "_page"]
    assert one[:2] == ["001000000000000002", " Lab "]  # as Salesforce sent it
    assert one[2:4] == [hashing(KEY)("lab2@x.org"), MASK]  # but for what is protected
    assert one[-3:] == ["open", "is no date such as 2026-01-05", manifest.files[0].key]
    other = rows_of(bucket, manifest.quarantine[1].key)[1]
    assert other[-3] == "name, system_modstamp"
    assert other[-2] == "has 13 characters, more than 8; is missing"
    status = json.loads(bucket.objects[request().status_key])
    assert status["counts"]["quarantined"] == 2


@pytest.mark.parametrize(("limit", "page_rows"), [(0, 3), (1, 3), (1, 6)])
def test_more_of_them_than_may_be_fail_the_run_and_can_be_looked_at(
    org: FakeOrg, bucket: FakeBucket, limit: int, page_rows: int
) -> None:
    table = [row(1), row(2, opened="x"), row(3), row(4, opened="y"), row(5), row(6)]
    OrgTable([6], [table], NAMES, page_rows=page_rows).serve(org)
    with pytest.raises(DataQualityError, match="Rows break their contract") as caught:
        extract(bucket, request(limit=limit))
    text = str(caught.value)
    assert f"expected: at most {limit}" in text and "2 rows: open is no date such as 2026-01-05" in text
    assert left_out(bucket)[0] in text and "quarantine_limit" in text
    assert f"{request().target_prefix}manifest.json" not in bucket.objects
    assert sum(len(rows_of(bucket, key)) - 1 for key in left_out(bucket)) == 2


def test_the_run_again_reads_anew_what_was_corrected(org: FakeOrg, bucket: FakeBucket) -> None:
    OrgTable([2], [[row(1), row(2, opened="x")]], NAMES).serve(org)
    with pytest.raises(TooManyBroken):
        extract(bucket, request())
    OrgTable([2], [[row(1), row(2)]], NAMES).serve(org)
    assert extract(bucket, request()).rows == 2
    assert left_out(bucket) == []


def test_a_page_of_nothing_but_broken_rows_is_not_read_to_its_end(
    org: FakeOrg, bucket: FakeBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quarantine, "_MORE", 2)
    OrgTable([50], [[row(number, opened="x") for number in range(50)]], NAMES, page_rows=50).serve(org)
    with pytest.raises(TooManyBroken, match="at least 4 of one page"):
        extract(bucket, request(limit=1))
    [key] = left_out(bucket)
    assert len(rows_of(bucket, key)) == 5
    assert len([seen for seen in org.seen if seen.path.endswith("/results")]) == 1  # no second try of the page


def test_a_whole_read_with_broken_rows_does_not_tell_who_is_gone(org: FakeOrg, bucket: FakeBucket) -> None:
    """The record is there, but its Id is not among the rows: it would leave itg."""
    wanted = request(limit=1, mode=ReadMode.WHOLE)
    OrgTable([2], [[row(1), row(2, opened="x")]], NAMES).serve(org)
    manifest = extract(bucket, wanted)
    assert (manifest.absence_at_utc, manifest.id_count) == (None, None)
    check_manifest(manifest, wanted.window, "here")
    del bucket.objects[f"{wanted.target_prefix}manifest.json"]
    OrgTable([2], [[row(1), row(2)]], NAMES).serve(org)
    whole = extract(bucket, wanted)
    assert whole.absence_at_utc is not None and whole.id_count == 2
    check_manifest(whole, wanted.window, "here")


def test_a_broken_id_fails_a_read_of_ids_whatever_the_limit(org: FakeOrg, bucket: FakeBucket) -> None:
    OrgTable([1], [[row(1)], [("0010", *row(2)[1:])]], NAMES).serve(org)
    with pytest.raises(TooManyBroken, match="is no Id: 4 bytes"):
        extract(bucket, request(limit=100, mode=ReadMode.WINDOW_AND_IDS))


def test_a_manifest_whose_quarantine_is_not_whole_is_refused(org: FakeOrg, bucket: FakeBucket) -> None:
    OrgTable([2], [[row(1), row(2, opened="x")]], NAMES).serve(org)
    manifest = extract(bucket, request(limit=1)).model_copy(update={"quarantine": ()})
    with pytest.raises(DataQualityError, match="row counts of the extraction differ"):
        check_manifest(manifest, request().window, "here")


def test_without_a_key_nothing_is_written(org: FakeOrg, bucket: FakeBucket) -> None:
    OrgTable([1], [[row(1)]], NAMES).serve(org)
    bucket.objects["status/request.json"] = request().model_dump_json().encode()
    with pytest.raises(ConfigError, match=r"secrets\.protection"):
        run(URI, InProcess())
    assert not [key for key in bucket.objects if key.endswith(".csv.gz")]


def test_the_first_reasons_are_told_once_each() -> None:
    def broken(number: int, *reasons: str) -> BrokenRows:
        file = {"key": f"quarantine/{number}", "rows": 2, "bytes": 1, "sha256": ""}
        return BrokenRows.model_validate({"file": file, "reasons": reasons})

    pages = [broken(1, "a is x", "b is y"), broken(2, "a is x", "c is z"), broken(3, "d is w"), broken(4, "e")]
    require_few(pages, 8)
    error = pickle.loads(pickle.dumps(too_many("2", 1, ["x is y"], ["k"])))  # as Spark brings it to the driver
    assert isinstance(error, TooManyBroken) and "x is y" in str(error)
    with pytest.raises(TooManyBroken) as caught:
        require_few(pages, 7)
    assert caught.value.got == "8 rows: a is x; b is y; c is z"
    assert caught.value.where == "quarantine/1, quarantine/2, quarantine/3 and 1 more"
