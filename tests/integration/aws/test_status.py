"""`idiscover status` against real stores: a day that got through, and what waits, is refused, holds or fails."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from io import StringIO

import pytest
from idiscover.aws import extraction_run, loader, refresher
from idiscover.aws.batch_manifests import mark_refused
from idiscover.aws.dag_files import GENERATED_PREFIX
from idiscover.aws.job_metadata import open_job_metadata
from idiscover.aws.job_metadata_status import missing_tables
from idiscover.aws.s3 import Bucket
from idiscover.aws.step_log import write_run_failure
from idiscover.cli.running import running_dags
from idiscover.cli.status import command
from idiscover.cli.status.command import StatusRequest, ask, run_status
from idiscover.cli.status.report import RunState, StatusReport
from idiscover.cli.status.show import rendered
from idiscover.errors import ConfigError, DataQualityError, FailureKind
from idiscover.lake.keys import source_prefix
from idiscover.notify.failures import FailedTask, RunFailure, failure_of
from idiscover.plan.dag_files import render_dag_files
from rich.console import Console

from tests.support.aws_platform import REPOSITORY, Platform
from tests.support.aws_runs import (
    DAY_0,
    Org,
    assay,
    bring_in,
    lab,
    load,
    play_step,
    refresh,
    result,
    scheduled_run,
    unit,
    woken_run,
)

CONTEXT = str(REPOSITORY / "context" / "local.yaml")


@pytest.fixture(autouse=True)
def deployed(platform: Platform) -> None:
    """The sample's plans lie in the DAG bucket."""
    s3 = platform.client("s3")
    s3.create_bucket(Bucket=platform.context.buckets.dags)
    for name, text in render_dag_files(list(platform.plans.values())).items():
        s3.put_object(Bucket=platform.context.buckets.dags, Key=f"{GENERATED_PREFIX}{name}", Body=text.encode())


def report(platform: Platform) -> StatusReport:
    dags = running_dags(platform.context)
    with open_job_metadata(platform.context) as metadata:
        return ask(platform.context, dags, dags.plans, metadata)


def text_of(found: StatusReport) -> str:
    out = StringIO()
    Console(file=out, width=180).print(rendered(found))
    return out.getvalue()


def a_day(platform: Platform, org: Org) -> None:
    """Day 0 of labs, tests, units and results, up to dm."""
    bring_in(platform, org, "lab", DAY_0, [lab("L1", "DE"), lab("L2", "FR")])
    bring_in(platform, org, "test", DAY_0, [assay("T1", "L1"), assay("T2", "L2"), assay("T3", "L9")])
    bring_in(platform, org, "unit", DAY_0, [unit("U1")])
    bring_in(platform, org, "result", DAY_0, [result("R1", "T1")], ids=["R1"])
    for number, table in enumerate(("itg.lab", "itg.test", "itg.unit", "itg.result", "dm.fact_test")):
        assert refresh(platform, table, woken_run(platform.refresh(table).header.dag_id, number)) is not None


def test_before_the_first_run_nothing_is_known_and_nothing_wrong(platform: Platform) -> None:
    found = report(platform)
    assert [item.object for item in found.objects] == ["kit", "lab", "result", "test", "unit"]
    assert {item.extraction.state for item in found.objects} == {RunState.NEVER}
    assert [item.table for item in found.tables] == ["dm.fact_test"]
    assert (found.org_now_utc, found.needs_somebody, found.unreadable) == (None, False, [])
    assert "no batch has seen the org yet" in text_of(found)


def test_a_day_that_got_through(platform: Platform, org: Org) -> None:
    a_day(platform, org)
    found = report(platform)
    tests = next(item for item in found.objects if item.object == "test")
    assert (tests.extraction.state, tests.load.state) == (RunState.OK, RunState.OK)
    assert tests.itg is not None and tests.itg.state is RunState.OK
    assert {run.order_date for run in (tests.extraction, tests.load, tests.itg)} == {DAY_0}
    assert tests.marts == {"dm.fact_test": DAY_0}
    assert tests.rows is not None
    assert (tests.rows.org, tests.rows.files, tests.rows.stg) == (3, 3, 3)
    assert tests.rows.itg == {"inserted": 3, "updated": 0, "unchanged": 0, "superseded": 0, "removed": 0}
    assert found.org_now_utc == org.now
    assert tests.watermark_at_utc is not None and tests.behind == org.now - tests.watermark_at_utc == timedelta(hours=1)
    fact = found.tables[0]
    assert (fact.last.state, fact.last.order_date) == (RunState.OK, DAY_0)
    assert fact.claim is not None and fact.claim.countries_called == 3
    assert (found.waiting, found.batches, found.claims, found.locks, found.failures) == ([], [], [], [], [])
    line = next(line for line in text_of(found).splitlines() if line.startswith("test "))
    runs = "ok 2026-01-05 " * 3
    assert " ".join(line.split()) == f"test {runs}1 of 1 current 3 3 3 +3 1 h 0 min"


def test_what_waits_says_for_which_inputs(platform: Platform, org: Org) -> None:
    a_day(platform, org)
    day = DAY_0 + timedelta(days=1)
    org.now += timedelta(days=1)
    bring_in(platform, org, "test", day, [assay("T1", "L1", version=60)])
    found = report(platform)
    (waiting,) = found.waiting
    assert (waiting.table, waiting.order_date) == ("itg.test", day)
    assert (waiting.arrived, waiting.missing) == (("stg.test",), ("itg.lab",))
    (batch,) = found.batches
    assert (batch.object, batch.state, batch.rows) == ("test", "loaded", 1)
    tests = next(item for item in found.objects if item.object == "test")
    assert tests.itg is not None and tests.itg.order_date == DAY_0
    assert tests.rows is not None and (tests.rows.stg, tests.rows.itg) == (1, None)
    assert "itg.test for scheduled 2026-01-06" in text_of(found) and "not yet itg.lab" in text_of(found)


def test_who_holds_what_and_until_when(platform: Platform, org: Org) -> None:
    bring_in(platform, org, "lab", DAY_0, [lab("L1", "DE")])
    run = woken_run(platform.refresh("itg.lab").header.dag_id, 1)
    refresher.claim_slices(platform.refresh("itg.lab"), run)
    extraction_run.open_extraction(platform.extraction("unit"), scheduled_run("sfdc_to_s3__unit", DAY_0))
    found = report(platform)
    (claim,) = found.claims
    assert (claim.target, claim.run_id, claim.units, claim.countries_called) == ("itg.lab", run.run_id, 1, 0)
    (lock,) = found.locks
    assert (lock.object, lock.batch_id) == ("unit", lock.batch_id) and lock.lapses_at_utc is not None
    assert claim.expires_at_utc > found.asked_at_utc < lock.lapses_at_utc
    labs = next(item for item in found.objects if item.object == "lab")
    assert labs.itg is not None and (labs.itg.state, labs.itg.step) == (RunState.RUNNING, "slices")
    assert f"itg.lab for scheduled 2026-01-05 by {run.run_id}: 0 countries called, 1 units" in text_of(found)


def test_a_refused_batch_is_told_with_its_reason_until_it_is_mended(platform: Platform, org: Org) -> None:
    bring_in(platform, org, "lab", DAY_0, [lab("L1", "DE")])
    org.now += timedelta(days=1)
    day = DAY_0 + timedelta(days=1)
    run = scheduled_run("sfdc_to_s3__lab", day)
    request = extraction_run.open_extraction(platform.extraction("lab"), run)
    play_step(request, [lab("L2", "FR")], org.now)
    manifest = extraction_run.close_extraction(platform.extraction("lab"), run)
    mark_refused(Bucket(platform.context.buckets.data, "us-east-1"), source_prefix("lab", manifest.batch_id))
    plan, woken = platform.load("lab"), woken_run("s3_to_redshift__lab", 7)
    fail(platform, "s3_to_redshift__lab", woken.run_id, DataQualityError("row counts of the load differ", got="1, 2"))
    found = report(platform)
    (refused,) = found.refused
    assert (refused.batch_id, refused.run_id) == (manifest.batch_id, run.run_id)
    assert refused.reason == "copy: row counts of the load differ; got: 1, 2"
    (failure,) = found.failures
    assert (failure.kind, failure.is_over) == ("needs a person", False)
    assert found.needs_somebody
    assert f"{manifest.batch_id} of run {run.run_id}: copy: row counts" in text_of(found)
    Bucket(platform.context.buckets.data, "us-east-1").delete(
        [f"{source_prefix('lab', manifest.batch_id)}manifest.refused.json"]
    )
    loader.copy_pending(plan, woken)
    loader.reconcile(plan, woken)
    loader.finish_load(plan, woken)
    mended = report(platform)
    assert (mended.refused, mended.needs_somebody) == ([], False)
    assert [failure.is_over for failure in mended.failures] == [True]


def fail(platform: Platform, dag_id: str, run_id: str, error: Exception) -> None:
    """A run failed for good, as its callback writes it down."""
    plan = platform.plans[dag_id]
    failed = FailedTask(task_id="copy", state="failed", failure=failure_of(error), tries=1)
    told = RunFailure(
        dag_id=dag_id, run_id=run_id, kind=FailureKind.NEEDS_A_PERSON, failed=(failed,), by_itself="nothing",
        to_do="mend it", log_uri="s3://logs/",
    )  # fmt: skip
    write_run_failure(plan, woken_run(dag_id, 7), told)


def test_a_batch_that_was_never_registered_is_told_until_its_window_has_been_read(platform: Platform, org: Org) -> None:
    run = scheduled_run("sfdc_to_s3__unit", DAY_0)
    request = extraction_run.open_extraction(platform.extraction("unit"), run)
    extraction_run.release_lock(platform.extraction("unit"), run)
    bucket = Bucket(platform.context.buckets.data, "us-east-1")
    bucket.write_text(f"{request.target_prefix}manifest.refused.json", "{}")
    assert [item.batch_id for item in report(platform).refused] == [request.window.batch_id]
    org.now += timedelta(days=1)
    bring_in(platform, org, "unit", DAY_0 + timedelta(days=1), [unit("U1")])
    assert report(platform).refused == []


def test_an_empty_batch_counts_zero_at_each_hop(platform: Platform, org: Org) -> None:
    bring_in(platform, org, "unit", DAY_0, [])
    load(platform, "unit", woken_run("s3_to_redshift__unit", 2))
    units = next(item for item in report(platform).objects if item.object == "unit")
    assert units.rows is not None and (units.rows.org, units.rows.files, units.rows.stg) == (0, 0, 0)


Verb = Callable[..., tuple[bool, str]]


@pytest.fixture
def verb(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Verb:
    """`idiscover status`: whether it needs somebody, and what it printed."""

    def call(**options: object) -> tuple[bool, str]:
        given = {"object": None, "as_json": False, "watch": False, "every_seconds": 0.01, **options}
        needs = run_status(StatusRequest(context=CONTEXT, **given))  # type: ignore[arg-type]
        return needs, capsys.readouterr().out

    return call


def test_the_verb_prints_for_people_and_for_machines(platform: Platform, org: Org, verb: Verb) -> None:
    a_day(platform, org)
    needs, out = verb()
    assert not needs and "dm.fact_test" in out
    document = json.loads(verb(as_json=True)[1])
    assert document["environment"] == "local"
    lab_state = next(item for item in document["objects"] if item["object"] == "lab")
    assert lab_state["behind"] == 3600.0 and lab_state["itg"]["order_date"] == "2026-01-05"
    one = json.loads(verb(as_json=True, object="unit")[1])
    assert [item["object"] for item in one["objects"]] == ["unit"]
    assert [item["table"] for item in one["tables"]] == ["dm.fact_test"]
    with pytest.raises(ConfigError, match="did you mean unit"):
        verb(object="units")


def test_watching_ends_when_the_user_has_seen_enough(
    platform: Platform, verb: Verb, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[float] = []

    def sleep(seconds: float) -> None:
        looks.append(seconds)
        if len(looks) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(command.time, "sleep", sleep)
    assert verb(watch=True)[0] is False
    assert looks == [0.01] * 3


def test_a_plan_of_another_version_hides_nothing_else(platform: Platform) -> None:
    key = f"{GENERATED_PREFIX}sfdc_to_s3__lab.json"
    platform.client("s3").put_object(Bucket=platform.context.buckets.dags, Key=key, Body=b"{}")
    found = report(platform)
    assert found.unreadable == ["sfdc_to_s3__lab"]
    assert "lab" in [item.object for item in found.objects], "its load can be read"


def test_missing_tables_of_the_job_metadata_are_named(platform: Platform) -> None:
    with open_job_metadata(platform.context) as metadata:
        assert missing_tables(metadata, ["batch", "slice_mark"]) == []
        platform.job("alter table job.slice_mark rename to slice_mark_away")
        try:
            assert missing_tables(metadata, ["slice_mark", "batch", "nothing"]) == ["nothing", "slice_mark"]
        finally:
            platform.job("alter table job.slice_mark_away rename to slice_mark")
