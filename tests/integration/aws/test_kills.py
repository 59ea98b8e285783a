"""Every step of every family killed after each of its effects, tried again, and compared with one left alone."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from idiscover.aws import extraction_run, loader, redshift

from tests.integration.aws.kills import Killer
from tests.support.aws_platform import Platform
from tests.support.aws_runs import (
    DAY_0,
    Org,
    assay,
    bring_in,
    extract,
    lab,
    nothing_new,
    play_step,
    refresh,
    result,
    scheduled_run,
    woken_run,
)

DAY_1 = DAY_0 + timedelta(days=1)
ROWS = [lab("L1", "DE"), lab("L2", "FR")]
EXTRACTION = scheduled_run("sfdc_to_s3__lab", DAY_0)
# What is left behind, surrogate keys and times of day apart. Claims that were given up are not.
JOB = {
    "watermark": "select object, watermark_at_utc, batch_id from job.watermark order by 1",
    "windows": "select batch_id, window_start_utc, window_end_utc, lock_expires_at_utc is null from job.run_window"
    " order by 1",
    "batches": "select batch_id, rows, state, manifest_key from job.batch order by 1",
    "files": "select batch_id, key, rows, bytes, sha256 from job.batch_file order by 1, 2",
    "arrivals": "select target, input, run_kind, order_date, claim_id is null from job.input_arrival"
    " order by 1, 2, 3, 4",
    "marks": "select target, source_table, country_code, moved_from_country_code, claim_id is null from job.slice_mark"
    " order by 1, 2, 3, 4",
    "claims": "select target, run_kind, order_date, as_of_date, state from job.claim"
    " where state in ('open', 'finished') order by claim_id",
}
WAREHOUSE = {
    "stg": "select id, _batch_id from stg.lab order by 1, 2",
    "ledger": 'select batch_id, "rows" from stg.batch_load order by 1',
    "ids": "select id, _batch_id from stg.result__ids order by 1, 2",
    "reads": "select batch_id, ids, absence_at_utc from stg.batch_load order by 1",
    "applied": "select batch_id from itg.result__absence order by 1",
    "results": "select id, value, _country_code, _batch_id from itg.result order by 1",
    "history": "select id, value, _batch_id from itg.result__history order by 1, 3",
    "itg": "select id, name, country_code, _country_code, _batch_id from itg.lab order by 1",
    "changes": "select country_code from itg.lab__changes order by 1",
    "fact": "select country_code, test_id, units, _as_of_date from dm.fact_test order by 1, 2",
}


def state_of(platform: Platform) -> dict[str, Any]:
    found: dict[str, Any] = {name: platform.job(sql) for name, sql in JOB.items()}
    found |= {name: platform.warehouse(sql) for name, sql in WAREHOUSE.items()}
    listed = platform.client("s3").list_objects_v2(Bucket=platform.context.buckets.data)["Contents"]
    found["keys"] = [item["Key"] for item in listed if item["Key"].startswith(("source/", "archive/"))]
    return found


def killed_once_anywhere(
    platform: Platform, monkeypatch: pytest.MonkeyPatch, prepare: Callable[[], object], work: Callable[[], object]
) -> list[str]:
    """`work`, killed after each effect in turn and tried again, ends as if left alone. Returns the effects."""
    killer = Killer(monkeypatch)
    prepare()
    assert not killer.run(work)
    effects, expected = killer.effects, state_of(platform)
    for number, effect in enumerate(effects, start=1):
        platform.empty()
        prepare()
        assert killer.run(work, lambda _, number=number: len(killer.effects) == number)
        work()
        assert state_of(platform) == expected, f"killed after {effect!r}, number {number} of {len(effects)}"
    return effects


def killed_again_and_again(
    platform: Platform,
    monkeypatch: pytest.MonkeyPatch,
    prepare: Callable[[], object],
    work: Callable[[], object],
    after: Callable[[], object] = lambda: None,
) -> list[str]:
    """`work` that dies after each effect once, the first that no try has died after yet, ends as if left alone.

    Cheaper than the other where `prepare` is dear, and worse for `work`. Returns what the tries did last.
    """
    killer = Killer(monkeypatch)
    prepare()
    assert not killer.run(work)
    after()
    expected = state_of(platform)
    platform.empty()
    prepare()
    deaths: list[str] = []
    while killer.run(work, lambda effect: effect not in deaths):
        deaths.append(killer.effects[-1])
    after()
    assert state_of(platform) == expected, deaths
    return deaths


def test_a_window_is_frozen_whole_or_not_at_all(platform: Platform, org: Org, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = platform.extraction("lab")
    work = partial(extraction_run.open_extraction, plan, EXTRACTION)
    assert len(killed_once_anywhere(platform, monkeypatch, lambda: None, work)) == 1


def test_a_batch_is_registered_whole_or_not_at_all(
    platform: Platform, org: Org, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = platform.extraction("lab")
    effects = killed_once_anywhere(
        platform,
        monkeypatch,
        lambda: play_step(extraction_run.open_extraction(plan, EXTRACTION), ROWS, org.now),
        lambda: extraction_run.close_extraction(plan, EXTRACTION),
    )
    assert len(effects) == 1


def test_a_batch_comes_to_stg_once(platform: Platform, org: Org, monkeypatch: pytest.MonkeyPatch) -> None:
    plan, run = platform.load("lab"), woken_run("s3_to_redshift__lab", 1)

    def prepare() -> None:
        extract(platform, org, "lab", EXTRACTION, ROWS)
        extract(platform, org, "lab", scheduled_run("sfdc_to_s3__lab", DAY_1), [])

    def work() -> None:
        loader.copy_pending(plan, run)
        loader.reconcile(plan, run)
        loader.finish_load(plan, run)

    assert len(killed_once_anywhere(platform, monkeypatch, prepare, work)) == 2  # COPY with its ledger; loaded


def test_a_refresh_passes_everything_on_once_and_archives_whole_batches(
    platform: Platform, org: Org, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = woken_run("stg_to_itg__lab", 1)
    deaths = killed_again_and_again(
        platform,
        monkeypatch,
        lambda: bring_in(platform, org, "lab", DAY_0, ROWS),
        lambda: refresh(platform, "itg.lab", run),
        lambda: _next_refresh(platform, org),
    )
    # where it must have died, or this test proves little
    places = [r"call itg.load_lab.*'DE'", r"call itg.load_lab.*'FR'", "copy source/lab/", "write_text archive/lab/"]
    for place in (*places, r"delete \[", "delete from stg.lab where", "insert into job.input_arrival"):
        assert any(re.search(place, death) for death in deaths), (place, deaths)


def test_ids_come_to_stg_with_their_rows_or_not_at_all(
    platform: Platform, org: Org, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, run = platform.load("result"), woken_run("s3_to_redshift__result", 1)
    sweep = scheduled_run("sfdc_to_s3__result", DAY_0)

    def work() -> None:
        loader.copy_pending(plan, run)
        loader.finish_load(plan, run)

    rows = [result("R1", "T1"), result("R2", "T2")]
    effects = killed_once_anywhere(
        platform, monkeypatch, lambda: extract(platform, org, "result", sweep, rows, ["R1", "R2", "R3"]), work
    )
    assert len(effects) == 2  # both COPYs with the ledger; loaded


def test_absences_history_and_old_ids_end_alike_whatever_dies(
    platform: Platform, org: Org, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second day's sweep lacks a result; the first day's Ids have to go."""
    run = woken_run("stg_to_itg__result", 2)

    def prepare() -> None:
        nothing_new(platform, org, DAY_0, "lab", "test")
        bring_in(platform, org, "result", DAY_0, [result("R1", "T1"), result("R2", "T2")], ["R1", "R2"])
        refresh(platform, "itg.result", woken_run("stg_to_itg__result", 1))
        org.now += timedelta(days=1)
        nothing_new(platform, org, DAY_1, "lab", "test")
        bring_in(platform, org, "result", DAY_1, [result("R2", "T2", version=9)], ["R2"])
        org.now -= timedelta(days=1)

    deaths = killed_again_and_again(
        platform,
        monkeypatch,
        prepare,
        lambda: refresh(platform, "itg.result", run),
        lambda: _next_results(platform, org),
    )
    places = [r"call itg.load_result", r"insert into itg.result__absence", "delete from stg.result__ids"]
    for place in (*places, "copy source/result/.*ids-", "write_text archive/result/"):
        assert any(re.search(place, death) for death in deaths), (place, deaths)


def test_the_next_run_takes_over_what_a_killed_one_leaves(
    platform: Platform, org: Org, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not the retry: the dead run's claim lapses, and a run with another id comes."""
    tries = iter(range(1, 10_000))

    def work() -> None:
        platform.job("update job.claim set expires_at_utc = now() where state = 'open'")
        refresh(platform, "itg.lab", woken_run("stg_to_itg__lab", next(tries)))

    killed_again_and_again(
        platform,
        monkeypatch,
        lambda: bring_in(platform, org, "lab", DAY_0, ROWS),
        work,
        lambda: _next_refresh(platform, org),
    )


def test_a_mart_ends_alike_whatever_dies(platform: Platform, org: Org, monkeypatch: pytest.MonkeyPatch) -> None:
    def prepare() -> None:
        for name, rows in (("lab", ROWS), ("test", [assay("T1", "L1"), assay("T2", "L2")]), ("unit", [])):
            bring_in(platform, org, name, DAY_0, rows)
        for number, table in enumerate(("itg.lab", "itg.test", "itg.unit")):
            refresh(platform, table, woken_run(table, number))

    run = woken_run("itg_to_dm__fact_test", 1)
    killed_again_and_again(platform, monkeypatch, prepare, lambda: refresh(platform, "dm.fact_test", run))


def test_a_kill_is_a_rollback(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stand-in for the signal does what it should."""
    killer = Killer(monkeypatch)

    def write(batch: str) -> None:
        with redshift.transaction(platform.context.secrets.redshift, platform.context.region) as cursor:
            cursor.execute(
                'insert into stg.batch_load (batch_id, object, "rows", run_id, loaded_at_utc)'
                " values (%s, 'lab', 1, 'r', getdate())",
                [batch],
            )

    assert killer.run(lambda: [write("first"), write("second")], lambda effect: True)
    assert platform.warehouse("select batch_id from stg.batch_load") == [("first",)]


def _next_refresh(platform: Platform, org: Org) -> None:
    """What a kill at the very end leaves to the next refresh."""
    bring_in(platform, org, "lab", DAY_1, [])
    refresh(platform, "itg.lab", woken_run("stg_to_itg__lab", 0))


def _next_results(platform: Platform, org: Org) -> None:
    """The same for results, a day later."""
    day = DAY_1 + timedelta(days=1)
    nothing_new(platform, org, day, "lab", "test")
    bring_in(platform, org, "result", day, [], ["R2"])
    refresh(platform, "itg.result", woken_run("stg_to_itg__result", 0))
