"""Rebuilds: whatever has happened to a table of itg, it ends as the batches of the archive make it."""

from __future__ import annotations

import itertools
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from idiscover.aws import job_metadata_claims, table_alone
from idiscover.aws.job_metadata import open_job_metadata
from idiscover.aws.job_metadata_claims import claim_alone, is_claimable, open_claim, release_claim, take_claim
from idiscover.aws.rebuild import rebuild, without_row_counts, work_of
from idiscover.aws.refresher import claim_slices, current_statements, fail_refresh
from idiscover.aws.table_alone import alone_with_table
from idiscover.aws.wakes import ready_consumers
from idiscover.errors import ConfigError, DataQualityError, NextRunError, RetriableError

from tests.integration.aws.kills import Killer
from tests.integration.aws.test_checks import plan_with
from tests.integration.aws.test_kills import state_of
from tests.integration.aws.test_replay import say_replay, settle, three_days_of_results
from tests.support.aws_platform import Platform
from tests.support.aws_runs import DAY_0, Org, assay, bring_in, lab, refresh, result, unit, woken_run

RUNS = itertools.count(1)
TELLING = ("results", "history", "ids", "stg", "itg", "ledger", "batches", "files", "keys", "changes")


def say_rebuild(platform: Platform, name: str) -> list[str]:
    lines: list[str] = []
    rebuild(platform.refresh(f"itg.{name}"), platform.load(name), lines.append)
    return lines


def telling(platform: Platform) -> dict[str, Any]:
    found = state_of(platform)
    return {name: found[name] for name in TELLING}


def corrupt_results(platform: Platform) -> None:
    """A row changed, one lost, a stranger, one twice; a gap and a stranger in the history; no Ids of the last read."""
    columns = "test_id, value, system_modstamp, _read_at_utc, _batch_id, _run_id, _loaded_at_utc"
    for sql in (
        "update itg.result set value = 77 where id = 'R2'",
        "delete from itg.result where id = 'R3'",
        f"insert into itg.result (id, _country_code, {columns}) select 'R9', 'XX', {columns} from itg.result",
        f"insert into itg.result (id, _country_code, {columns}) select 'R2', 'FR', {columns} from itg.result limit 1",
        "delete from itg.result__history where id = 'R1'",
        f"insert into itg.result__history (id, {columns}) select 'R9', {columns} from itg.result__history limit 1",
        "delete from stg.result__ids",
    ):
        platform.warehouse(sql)


def test_a_corrupted_table_ends_as_the_archive_has_it(platform: Platform, org: Org) -> None:
    three_days_of_results(platform, org)
    before = telling(platform)
    assert len(before["results"]) == 2 and len(before["history"]) == 5
    corrupt_results(platform)
    assert telling(platform) != before
    lines = say_rebuild(platform, "result")
    assert telling(platform) == before
    assert "3 batches of archive/ with 5 rows" in lines[0]
    assert platform.job("select distinct state from job.claim where run_id like 'shell__rebuild%%'") == [("finished",)]


def test_what_waits_in_stg_is_applied_too_and_what_is_pending_stays(platform: Platform, org: Org) -> None:
    three_days_of_results(platform, org)
    day = DAY_0 + timedelta(days=3)
    bring_in(platform, org, "result", day, [result("R4", "T1", version=30)], ["R2", "R3", "R4"])
    arrivals = platform.job("select count(*) from job.input_arrival where target = 'itg.result' and claim_id is null")
    say_rebuild(platform, "result")
    assert platform.warehouse("select id from itg.result order by 1") == [("R2",), ("R3",), ("R4",)]
    assert platform.job("select distinct state from job.batch where object = 'result'") == [("archived",)]
    # the next refresh finds nothing left to call, and passes the arrival on as ever
    assert arrivals == platform.job(
        "select count(*) from job.input_arrival where target = 'itg.result' and claim_id is null"
    )


def test_batches_that_a_replay_has_taken_out_of_the_archive_are_waited_for(platform: Platform, org: Org) -> None:
    """Without them the table would lack their records until they are loaded again."""
    three_days_of_results(platform, org)
    before = telling(platform)
    [first, *_] = work_of(platform.refresh("itg.result"), platform.load("result")).manifests
    say_replay(platform, "result", first.batch_id)
    rows = platform.warehouse("select id, value from itg.result order by 1")
    with pytest.raises(RetriableError, match=f"replayed batches are not loaded yet[^!]*{first.batch_id}"):
        say_rebuild(platform, "result")
    assert platform.warehouse("select id, value from itg.result order by 1") == rows
    settle(platform, "result")
    say_rebuild(platform, "result")
    assert telling(platform)["history"] == before["history"]


def test_without_an_archive_the_table_stays_as_it_is(platform: Platform, org: Org) -> None:
    bring_in(platform, org, "lab", DAY_0, [lab("L1", "DE")])
    refresh(platform, "itg.lab", woken_run("itg.lab", next(RUNS)))
    platform.job("delete from job.batch_file")  # as where the job metadata were lost
    platform.job("delete from job.batch")
    with pytest.raises(ConfigError, match="no batch in archive/"):
        say_rebuild(platform, "lab")
    assert platform.warehouse("select id from itg.lab") == [("L1",)]


def test_every_slice_of_the_marts_is_refreshed(platform: Platform, org: Org) -> None:
    """A stranger's country has come to the mart too."""
    rows = {
        "lab": [lab("L1", "DE"), lab("L2", "FR")],
        "test": [assay("T1", "L1"), assay("T2", "L2")],
        "unit": [unit("U")],
    }
    for name, content in rows.items():
        bring_in(platform, org, name, DAY_0, content)
        refresh(platform, f"itg.{name}", woken_run(f"itg.{name}", next(RUNS)))
    refresh(platform, "dm.fact_test", woken_run("dm.fact_test", next(RUNS)))
    before = platform.warehouse("select country_code, test_id from dm.fact_test order by 1, 2")
    platform.warehouse("update itg.test set _country_code = 'XX', id = 'T9' where id = 'T1'")
    platform.warehouse("call dm.load_fact_test('XX', '2026-01-05', 'by hand')")
    platform.warehouse("call dm.load_fact_test('DE', '2026-01-05', 'by hand')")
    assert platform.warehouse("select country_code, test_id from dm.fact_test order by 1, 2") != before
    say_rebuild(platform, "test")
    assert ready_consumers(platform.refresh("itg.test")) == ["dm.fact_test", "itg.result"]
    refresh(platform, "dm.fact_test", woken_run("dm.fact_test", next(RUNS)))
    assert platform.warehouse("select country_code, test_id from dm.fact_test order by 1, 2") == before


def test_a_rebuild_that_is_killed_is_said_again(platform: Platform, org: Org, monkeypatch: pytest.MonkeyPatch) -> None:
    """It dies after each of its effects once; its claim is not waited for."""
    three_days_of_results(platform, org)
    before = telling(platform)
    corrupt_results(platform)
    killer = Killer(monkeypatch)
    deaths: list[str] = []
    while killer.run(lambda: say_rebuild(platform, "result"), lambda effect: effect not in deaths):
        deaths.append(killer.effects[-1])
    assert telling(platform) == before
    assert any("analyze itg.result" in death for death in deaths)  # the commit
    assert platform.job("select count(*) from job.slice_mark where target = 'dm.fact_test'") == [(0,)]


def test_readers_see_no_hole(platform: Platform, org: Org) -> None:
    """Looked at between every two steps of the rebuild, by another session."""
    three_days_of_results(platform, org)
    seen: list[list[tuple[Any, ...]]] = []

    def look(_line: str) -> None:
        seen.append(platform.warehouse("select id, value from itg.result order by 1"))

    before = platform.warehouse("select id, value from itg.result order by 1")
    rebuild(platform.refresh("itg.result"), platform.load("result"), look)
    assert len(seen) >= 5
    assert all(rows == before for rows in seen)


def test_a_refresh_that_runs_is_waited_for(platform: Platform, org: Org) -> None:
    bring_in(platform, org, "lab", DAY_0, [lab("L1", "DE")])
    plan, other = platform.refresh("itg.lab"), woken_run("itg.lab", next(RUNS))
    claim_slices(plan, other)
    told: list[str] = []
    with alone_with_table(plan, "rebuild", told.append, pause=lambda _seconds: fail_refresh(plan, other)) as alone:
        assert len(told) == 1 and other.run_id in told[0]
        with open_job_metadata(platform.context) as metadata:  # nobody else gets in
            assert take_claim(metadata, plan, "another", current_statements(plan)) is None
        assert alone.claim.order_date == DAY_0
    with open_job_metadata(platform.context) as metadata:  # and what is pending is there for the next
        assert take_claim(metadata, plan, "another", current_statements(plan)) is not None


def test_a_claim_lives_as_long_as_the_work(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many leases long, without a word to job metadata: as one COPY or one CALL may be."""
    monkeypatch.setattr(job_metadata_claims, "LEASE", timedelta(seconds=1))
    monkeypatch.setattr(table_alone, "_RENEWAL_SECONDS", 0.2)
    plan = platform.refresh("itg.lab")
    with (
        alone_with_table(plan, "rebuild", lambda _line: None) as alone,
        open_job_metadata(platform.context) as metadata,
    ):
        time.sleep(2.5)
        assert not is_claimable(metadata, plan)
        holder = open_claim(metadata, plan.table)
        assert holder is not None and holder[0] == alone.run.run_id and holder[1] > datetime.now(UTC)
        alone.require()
    assert platform.job("select state from job.claim") == [("released",)]
    assert not [thread for thread in threading.enumerate() if thread.name == "claim of itg.lab"]


def test_a_rebuild_that_has_lost_its_claim_commits_nothing(platform: Platform, org: Org) -> None:
    """The machine slept, between two statements or before the commit; another run has the table."""
    three_days_of_results(platform, org)
    before = telling(platform)
    corrupt_results(platform)
    corrupted = telling(platform)
    plan = platform.refresh("itg.result")
    for at in ("rows deleted", "1 of 1 countries"):

        def lose(line: str, at: str = at) -> None:
            if at not in line:
                return
            platform.job("update job.claim set expires_at_utc = now() - interval '1 second' where state = 'open'")
            with open_job_metadata(platform.context) as metadata:
                assert claim_alone(metadata, plan, "another", current_statements(plan)) is not None

        with pytest.raises(NextRunError, match="another run has taken the table"):
            rebuild(plan, platform.load("result"), lose)
        assert telling(platform) == corrupted
        assert platform.job("select run_id from job.claim where state = 'open'") == [("another",)]
        with open_job_metadata(platform.context) as metadata:
            release_claim(metadata, plan.table, "another")
    say_rebuild(platform, "result")
    assert telling(platform) == before


@pytest.mark.parametrize("damage", ["a row is missing", "other columns"])
def test_an_archive_that_is_not_whole_changes_nothing(platform: Platform, org: Org, damage: str) -> None:
    three_days_of_results(platform, org)
    before = telling(platform)
    plan, load_plan = platform.refresh("itg.result"), platform.load("result")
    if damage == "other columns":
        narrower = load_plan.model_copy(update={"columns": load_plan.columns[1:]})
        with pytest.raises(ConfigError, match="other columns than stg has today"):
            work_of(plan, narrower)
        return
    s3, bucket = platform.client("s3"), platform.context.buckets.data
    [manifest, *_] = work_of(plan, load_plan).manifests
    key = f"archive/result/{manifest.batch_id}/manifest.json"
    text = s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode()
    s3.put_object(Bucket=bucket, Key=key, Body=text.replace('"rows": 1', '"rows": 2', 1).encode())
    with pytest.raises(DataQualityError, match="row counts of the load differ"):
        rebuild(plan, load_plan, lambda _line: None)
    assert telling(platform) == before
    assert platform.job("select state from job.claim where run_id like 'shell__rebuild%%'") == [("released",)]


RESULTS = (
    "select check_name, state, country_codes, failing_count, sample_keys from job.check_result"
    " where table_name = 'itg.result' and run_id like 'shell__rebuild%%' order by 1"
)


def test_checks_are_asked_before_the_commit(platform: Platform, org: Org) -> None:
    """Of one that fails the table stays as it was, and the result is kept all the same."""
    three_days_of_results(platform, org)
    corrupt_results(platform)
    before = telling(platform)
    plan = plan_with(
        platform,
        {"kind": "expression", "name": "small", "holds": "value < 0"},
        {"kind": "expression", "name": "tiny", "holds": "value < 1", "severity": "warn"},
        table="itg.result",
    )
    rows = platform.warehouse("select id, value from itg.result where id = 'R2'")
    told: list[str] = []
    with pytest.raises(DataQualityError, match="a check of the data failed") as refused:
        rebuild(plan, platform.load("result"), told.append)
    assert refused.value.key == "small" and "metadata/tables/itg.result.yaml" in str(refused.value.remedy)
    assert (
        telling(platform) == before and platform.warehouse("select id, value from itg.result where id = 'R2'") == rows
    )
    states = {row[0]: row[1] for row in platform.job(RESULTS)}
    assert states == {"small": "failed", "tiny": "failed", "unique_key": "passed"}
    assert platform.job("select state from job.claim where run_id like 'shell__rebuild%%'") == [("released",)]


def test_a_check_that_warns_is_told_and_kept(platform: Platform, org: Org) -> None:
    three_days_of_results(platform, org)
    before = telling(platform)
    corrupt_results(platform)
    warning = {"kind": "expression", "name": "tiny", "holds": "value < 0", "severity": "warn"}
    told: list[str] = []
    rebuild(plan_with(platform, warning, table="itg.result"), platform.load("result"), told.append)
    assert telling(platform) == before
    assert any("check tiny failed, which is a warning: 2 found: " in line for line in told)
    assert [row[:2] for row in platform.job(RESULTS)] == [("tiny", "failed"), ("unique_key", "passed")]
    shown = "select distinct check_name, has_passed from dm.v_check_result where table_name = 'itg.result' order by 1"
    assert platform.warehouse(shown) == [("tiny", False), ("unique_key", True)], "to analysts, too"


def test_rows_that_stand_are_compared_unless_they_are_what_is_wrong(platform: Platform, org: Org) -> None:
    """A country that is a stranger's has rows before the rebuild, and none after it."""
    three_days_of_results(platform, org)
    before = telling(platform)
    corrupt_results(platform)
    plan = plan_with(platform, {"kind": "row_count", "min_percent": 50, "from_rows": 1}, table="itg.result")
    with pytest.raises(DataQualityError, match="XX: 0 rows, ") as refused:
        rebuild(plan, platform.load("result"), lambda _line: None)
    assert "idiscover rebuild result --rows-may-differ" in str(refused.value.remedy)
    assert [row[:2] for row in platform.job(RESULTS)] == [("row_count", "failed"), ("unique_key", "passed")]
    rebuild(without_row_counts(plan), platform.load("result"), lambda _line: None)
    assert telling(platform) == before
    assert {row[:2] for row in platform.job(RESULTS)} == {("unique_key", "passed")}, "nobody is warned of it any more"
