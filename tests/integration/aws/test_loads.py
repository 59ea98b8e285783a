"""Loads into stg: several batches by one COPY, the ledger, and everything that has to be refused."""

from __future__ import annotations

import gzip
from datetime import timedelta
from typing import Any

import pytest
from idiscover.aws import loader
from idiscover.aws.extraction_run import batch_stands, close_extraction, open_extraction
from idiscover.aws.s3 import Bucket
from idiscover.errors import DataQualityError, FatalError, RetriableError
from idiscover.lake.keys import manifest_key, source_prefix
from idiscover.lake.manifest import BatchManifest
from idiscover.plan.model import RunIdentity

from tests.support.aws_platform import Platform
from tests.support.aws_runs import (
    DAY_0,
    Org,
    Row,
    extract,
    lab,
    load,
    manifest_of,
    play_step,
    scheduled_run,
    unit,
    woken_run,
    write_files,
    write_manifest,
)

DAYS = [DAY_0 + timedelta(days=number) for number in range(3)]
LOAD = woken_run("s3_to_redshift__lab", 1)
GOOD = [lab("L1", "DE"), lab("L2", "FR"), lab("L3", None)]


def extraction(number: int) -> RunIdentity:
    return scheduled_run("sfdc_to_s3__lab", DAYS[number])


def staged(platform: Platform) -> list[tuple[Any, ...]]:
    return platform.warehouse("select id, _batch_id from stg.lab order by _batch_id, id")


def states(platform: Platform) -> list[str]:
    return [state for (state,) in platform.job("select state from job.batch order by order_date")]


def test_several_batches_in_one_go(platform: Platform, org: Org, monkeypatch: pytest.MonkeyPatch) -> None:
    first = extract(platform, org, "lab", extraction(0), GOOD)
    org.now += timedelta(days=2)
    second = extract(platform, org, "lab", extraction(1), [lab("L1", "DE", version=9, name='"Ä", \\ and\nmore')])
    third = extract(platform, org, "lab", extraction(2), [])
    copied = loader.copy_pending(platform.load("lab"), LOAD)
    assert copied["copied"] == [first.batch_id, second.batch_id] and copied["rows"] == 4
    assert loader.reconcile(platform.load("lab"), LOAD) == {"batches": sorted([first.batch_id, second.batch_id])}
    assert states(platform) == ["pending"] * 3
    monkeypatch.setattr(loader, "staged", None)  # `end` counts nothing in stg: `reconcile` has
    assert loader.finish_load(platform.load("lab"), LOAD)["loaded"] == [
        first.batch_id, second.batch_id, third.batch_id,
    ]  # fmt: skip
    assert staged(platform) == sorted([(row["id"], first.batch_id) for row in GOOD] + [("L1", second.batch_id)],
                                      key=lambda item: (item[1], item[0]))  # fmt: skip
    assert platform.warehouse("select name from stg.lab where _batch_id = %s", second.batch_id) == [
        ('"Ä", \\ and\nmore',)
    ]
    newest = "select count(*) from stl_load_commits where query = (select max(query) from stl_load_commits)"
    assert platform.warehouse(newest) == [(3,)]  # files of one COPY


def test_an_empty_batch_arrives_like_any_other(platform: Platform, org: Org) -> None:
    manifest = extract(platform, org, "lab", extraction(0), [])
    assert load(platform, "lab", LOAD)["loaded"] == [manifest.batch_id]
    assert states(platform) == ["loaded"] and staged(platform) == []
    assert platform.job("select target, input, run_kind, order_date, source_id from job.input_arrival") == [
        ("itg.lab", "stg.lab", "scheduled", DAY_0, manifest.batch_id)
    ]


def test_a_batch_arrives_once_at_each_consumer(platform: Platform, org: Org) -> None:
    extract(platform, org, "lab", extraction(0), GOOD)
    for number in range(3):
        load(platform, "lab", woken_run("s3_to_redshift__lab", number))
    assert platform.job("select count(*) from job.input_arrival") == [(1,)]
    assert len(staged(platform)) == 3


def test_killed_after_the_commit_copies_nothing_twice(
    platform: Platform, org: Org, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = extract(platform, org, "lab", extraction(0), GOOD)
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr("idiscover.aws.step_log.write_status", _killed)
        loader.copy_pending(platform.load("lab"), LOAD)
    assert len(staged(platform)) == 3 and states(platform) == ["pending"]
    again = loader.copy_pending(platform.load("lab"), LOAD)
    assert (again["batches"], again["copied"], again["rows"]) == ([manifest.batch_id], [], 0)
    assert len(staged(platform)) == 3


def _killed(*_: object) -> None:
    raise KeyboardInterrupt


SECRET = "Dr. Erika Mustermann"
# A bad row: its column, what is told of its value, the reason.
BAD: dict[str, tuple[Row, str, str, str]] = {
    "a text that is too long": (
        {**lab("L9", "DE"), "country_code": "D\t" + 99 * "E"},
        "country_code", '"D\\t' + 78 * "E" + '" … (101 characters) for char', "length",
    ),
    "a text where a number belongs": (
        {**lab("L9", "DE"), "order": "1,5 (password: hunter2)"}, "order", '"1,5 (password: ***', "digit",
    ),
    "a text where a time belongs": (
        {**lab("L9", "DE"), "system_modstamp": "yesterday"}, "system_modstamp", '"yesterday" for', "timestamp",
    ),
    "nothing where something has to be": ({**lab("L9", "DE"), "id": None}, "id", "", "not-null"),
    "something personal": (
        {**lab("L9", "DE"), "name": SECRET + 1020 * "x"}, "name", "1024 bytes for char", "length",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_bad_row_loads_nothing_and_is_named(platform: Platform, org: Org, name: str) -> None:
    """With its value, unless the field may be personal: then with its size alone."""
    row, column, told, reason = BAD[name]
    bad = extract(platform, org, "lab", extraction(0), [*GOOD, row])
    with pytest.raises(DataQualityError) as refused:
        loader.copy_pending(platform.load("lab"), LOAD)
    text = str(refused.value)
    assert f"column {column}, {told}" in text and reason in text and bad.batch_id in text and "line 3" in text
    assert "hunter2" not in text and "Erika" not in text
    assert staged(platform) == [] and platform.warehouse("select * from stg.batch_load") == []
    assert states(platform) == ["pending"]
    status = platform.client("s3").get_object(
        Bucket=platform.context.buckets.data, Key=f"status/{LOAD.dag_id}/{LOAD.run_id}/copy.json"
    )
    assert "Erika" not in status["Body"].read().decode()


def test_the_way_out_of_a_bad_row(platform: Platform, org: Org) -> None:
    """The record is corrected in the org, and the run that read it, and no other, cleared from create_cluster."""
    extract(platform, org, "lab", extraction(0), [*GOOD, BAD["a text where a number belongs"][0]])
    org.now += timedelta(days=1)
    extract(platform, org, "lab", extraction(1), GOOD)
    with pytest.raises(DataQualityError, match="clear the run of sfdc_to_s3__lab"):
        loader.copy_pending(platform.load("lab"), LOAD)
    assert staged(platform) == []
    assert [batch_stands(platform.extraction("lab"), extraction(number)) for number in (0, 1)] == [False, True]
    request = open_extraction(platform.extraction("lab"), extraction(0))
    bucket = Bucket(request.data_bucket, request.region)
    assert not bucket.exists(manifest_key(request.target_prefix))
    with pytest.raises(RetriableError, match="being read again"):  # a load that comes in between
        loader.copy_pending(platform.load("lab"), LOAD)
    bucket.delete(bucket.list(request.target_prefix))  # as the step does with leftovers
    play_step(request, GOOD, org.now)
    close_extraction(platform.extraction("lab"), extraction(0))
    assert load(platform, "lab", LOAD)["rows"] == 6
    assert states(platform) == ["loaded", "loaded"]


def test_errors_of_another_load_are_not_told_as_this_ones(platform: Platform, org: Org) -> None:
    extract(platform, org, "lab", extraction(0), [BAD["a text where a number belongs"][0]])
    with pytest.raises(DataQualityError, match="column order"):
        loader.copy_pending(platform.load("lab"), LOAD)
    extract(platform, org, "unit", scheduled_run("sfdc_to_s3__unit", DAY_0), [{**unit("U1"), "system_modstamp": "?"}])
    with pytest.raises(DataQualityError) as refused:
        loader.copy_pending(platform.load("unit"), woken_run("s3_to_redshift__unit", 1))
    assert "column system_modstamp" in str(refused.value) and "order" not in refused.value.got


@pytest.mark.parametrize("change", [-1, 1])
def test_a_manifest_that_counts_wrong(platform: Platform, org: Org, change: int) -> None:
    manifest = extract(platform, org, "lab", extraction(0), GOOD)
    _rewrite(platform, manifest, rows=manifest.files[0].rows + change)
    with pytest.raises(DataQualityError, match=f"manifest {3 + change}, stg 3") as refused:
        loader.copy_pending(platform.load("lab"), LOAD)
    assert manifest.batch_id in str(refused.value) and extraction(0).run_id in str(refused.value)
    assert staged(platform) == [] and platform.warehouse("select * from stg.batch_load") == []
    assert not batch_stands(platform.extraction("lab"), extraction(0))


def _rewrite(platform: Platform, manifest: BatchManifest, **changes: Any) -> None:
    files = (manifest.files[0].model_copy(update=changes), *manifest.files[1:])
    key = manifest_key(source_prefix("lab", manifest.batch_id))
    text = manifest.model_copy(update={"files": files}).model_dump_json()
    Bucket(platform.context.buckets.data, platform.context.region).write_text(key, text)


def test_a_batch_with_other_columns(platform: Platform, org: Org) -> None:
    """The metadata changed between extraction and load."""
    old = platform.extraction("lab")
    request = open_extraction(old, extraction(0))
    narrow = request.model_copy(update={"columns": request.columns[:-1]})
    manifest = manifest_of(narrow, write_files(narrow, GOOD, org.now), org.now)
    write_manifest(narrow, manifest)
    close_extraction(old, extraction(0))
    with pytest.raises(DataQualityError, match="other columns than stg"):
        loader.copy_pending(platform.load("lab"), LOAD)
    assert staged(platform) == []
    assert not batch_stands(old, extraction(0))


def lacking(platform: Platform, org: Org, run: RunIdentity, column: str, rows: list[Row]) -> BatchManifest:
    """A batch that was read without a column."""
    plan = platform.extraction("lab")
    request = open_extraction(plan, run)
    narrow = request.model_copy(update={"columns": tuple(item for item in request.columns if item.column != column)})
    manifest = manifest_of(narrow, write_files(narrow, rows, org.now), org.now)
    write_manifest(narrow, manifest)
    close_extraction(plan, run)
    return manifest


def test_batches_from_before_and_after_a_field_was_taken_up(platform: Platform, org: Org) -> None:
    """One load brings both; what is read without the field after it was read with it would blank it, and is refused."""
    plan = platform.load("lab").model_copy(update={"late_columns": ("order",)})
    without = lacking(platform, org, extraction(0), "order", GOOD)
    org.now += timedelta(days=1)
    with_it = extract(platform, org, "lab", extraction(1), [lab("L1", "DE", version=9)])
    assert loader.copy_pending(plan, LOAD)["copied"] == [without.batch_id, with_it.batch_id]
    assert loader.reconcile(plan, LOAD)["batches"] == sorted([without.batch_id, with_it.batch_id])
    values = platform.warehouse('select _batch_id, count(*), count("order") from stg.lab group by _batch_id')
    assert {batch: counts for batch, *counts in values} == {without.batch_id: [3, 0], with_it.batch_id: [1, 1]}

    org.now += timedelta(days=1)
    late = lacking(platform, org, extraction(2), "order", GOOD)
    with pytest.raises(DataQualityError, match="1 of its records have values of order") as refused:
        loader.copy_pending(plan, woken_run("s3_to_redshift__lab", 2))
    assert "send_email_cluster_start" in str(refused.value.remedy) and late.batch_id in str(refused.value)
    assert not batch_stands(platform.extraction("lab"), extraction(2))


def test_only_a_column_that_came_later_may_be_lacking(platform: Platform, org: Org) -> None:
    lacking(platform, org, extraction(0), "name", GOOD)
    plan = platform.load("lab").model_copy(update={"late_columns": ("order",)})
    with pytest.raises(DataQualityError, match="other columns than stg"):
        loader.copy_pending(plan, LOAD)


def test_rows_under_another_batch_id(platform: Platform, org: Org) -> None:
    """As many rows as the manifest says, but one of them says it is another batch's."""
    request = open_extraction(platform.extraction("lab"), extraction(0))
    files = write_files(request, GOOD, org.now)
    bucket = Bucket(request.data_bucket, request.region)
    content = gzip.decompress(bucket.open_reader(files[1].key).read()).decode()
    forged = gzip.compress(content.replace(request.window.batch_id, "lab-20200101-ffffffffffff").encode(), mtime=0)
    bucket.write_bytes(files[1].key, forged)
    changed = files[1].model_copy(update={"bytes": len(forged)})
    write_manifest(request, manifest_of(request, [files[0], changed], org.now))
    close_extraction(platform.extraction("lab"), extraction(0))
    with pytest.raises(DataQualityError, match="manifest 3, stg 2"):
        loader.copy_pending(platform.load("lab"), LOAD)
    assert staged(platform) == []


def test_rows_that_vanish_from_stg_are_noticed(platform: Platform, org: Org) -> None:
    extract(platform, org, "lab", extraction(0), GOOD)
    loader.copy_pending(platform.load("lab"), LOAD)
    platform.warehouse("delete from stg.lab where id = 'L1'")
    with pytest.raises(DataQualityError, match="manifest 3, job metadata 3, ledger 3, stg 2"):
        loader.reconcile(platform.load("lab"), LOAD)
    assert states(platform) == ["pending"]


def test_a_batch_that_comes_after_the_copy_is_the_next_runs(platform: Platform, org: Org) -> None:
    extract(platform, org, "lab", extraction(0), GOOD)
    loader.copy_pending(platform.load("lab"), LOAD)
    org.now += timedelta(days=1)
    late = extract(platform, org, "lab", extraction(1), GOOD)
    assert late.batch_id not in loader.reconcile(platform.load("lab"), LOAD)["batches"]
    loader.finish_load(platform.load("lab"), LOAD)
    assert states(platform) == ["loaded", "pending"]
    assert load(platform, "lab", woken_run("s3_to_redshift__lab", 2))["loaded"] == [late.batch_id]


def test_a_missing_file_is_no_empty_batch(platform: Platform, org: Org) -> None:
    manifest = extract(platform, org, "lab", extraction(0), GOOD)
    Bucket(platform.context.buckets.data, platform.context.region).delete([manifest.files[1].key])
    with pytest.raises(FatalError, match=r"database refuses|part-00001"):
        loader.copy_pending(platform.load("lab"), LOAD)
    assert staged(platform) == []
