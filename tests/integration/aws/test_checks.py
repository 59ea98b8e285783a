"""Checks of the data in real refreshes: bad rows make one check fail and leave the last good slice; good rows pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from idiscover.aws import check_runs, dry_runs, refresher
from idiscover.aws.job_metadata import open_job_metadata
from idiscover.aws.job_metadata_checks import drop_old_results
from idiscover.aws.job_metadata_erasures import redact_steps
from idiscover.aws.job_metadata_status import read_status
from idiscover.cli.status.report import make_report
from idiscover.errors import DataQualityError, FatalError, RetriableError
from idiscover.metadata.models import TableCheck
from idiscover.plan.model import RefreshPlan
from pydantic import TypeAdapter

from tests.integration.aws.test_refreshes import FACT, Day, day, facts, first_day, run_of
from tests.support.aws_platform import Platform
from tests.support.aws_runs import DAY_0, Org, bring_in, lab, woken_run

__all__ = ["day", "first_day"]  # fixtures
ADAPTER: TypeAdapter[TableCheck] = TypeAdapter(TableCheck)
Test = tuple[str, str, str | None]  # id, country, notes


@dataclass(frozen=True)
class Case:
    """A check; tests that it accepts in DE, and such that it does not; what is told of those."""

    check: dict[str, Any]
    good: Sequence[Test]
    bad: Sequence[Test]
    sample: tuple[str, ...]


CASES = {
    "unique_key": Case({}, [("T1", "DE", "b")], [("T1", "DE", "b"), ("+T1", "DE", "b")], ("T1",)),
    "unique_key_in_another_slice": Case({}, [("T1", "DE", "b")], [("T1", "DE", "b"), ("=T2", "DE", "b")], ("T2",)),
    "not_null": Case(
        {"kind": "not_null", "columns": ["units", "notes"]}, [("T1", "DE", "b")], [("T1", "DE", None)], ("T1",)
    ),
    "accepted_values": Case(
        {"kind": "accepted_values", "column": "notes", "values": ["a", "it's b"]},
        [("T1", "DE", "it's b"), ("T4", "DE", None)],
        [("T1", "DE", "it's c")],
        ("T1",),
    ),
    "foreign_key": Case(
        {"kind": "foreign_key", "column": "notes", "references": "itg.unit", "key": "id", "allow": ["UNKNOWN"]},
        [("T1", "DE", "U1"), ("T4", "DE", "UNKNOWN"), ("T5", "DE", None)],
        [("T1", "DE", "U1"), ("T4", "DE", "U2")],
        ("T4",),
    ),
    "foreign_key_of_the_slice": Case(
        {"kind": "foreign_key", "column": "notes", "references": "itg.test", "key": "id", "slices": "same"},
        [("T1", "DE", "T1")],
        [("T1", "DE", "T2")],  # a test of FR
        ("T1",),
    ),
    "row_count": Case(
        {"kind": "row_count", "max_percent": 200, "from_rows": 1},
        [("T1", "DE", "b"), ("T4", "DE", "b")],
        [("T4", "DE", "b"), ("T5", "DE", "b")],
        ("DE: 3 rows, 1 before",),
    ),
    "reconciliation": Case(
        {
            "kind": "reconciliation", "source": "itg.test", "source_rows": "not coalesce(is_deleted, false)",
            "sums": [{"column": "units", "source_expression": "1"}],
        },
        [("T4", "DE", "b")],
        [("-T4", "DE", "b")],  # deleted, and there all the same
        ("DE rows: 2 here, 1 in itg.test", "DE units: 2 here, 1 in itg.test"),
    ),
    "expression": Case(
        {"kind": "expression", "name": "short", "holds": "length(notes) < 2"},
        [("T1", "DE", "b"), ("T4", "DE", None)],
        [("T1", "DE", "long")],
        ("T1",),
    ),
}  # fmt: skip


def plan_with(platform: Platform, *checks: dict[str, Any], table: str = FACT) -> RefreshPlan:
    plan = platform.refresh(table)
    declared = tuple(ADAPTER.validate_python(check) for check in checks if check)
    return plan.model_copy(update={"checks": (*plan.checks, *declared)})


def come(platform: Platform, day: Day, tests: Sequence[Test]) -> None:
    """Tests of a day. `+`: a second row of the same Id; `=`: an Id that stands in FR too; `-`: a deleted one."""
    day.comes(*[(key.lstrip("-"), country, notes) for key, country, notes in tests if key[0] not in "+="])  # type: ignore[misc]
    for key, country, notes in tests:
        if key[0] in "+=":
            platform.warehouse(
                "insert into itg.test (id, notes, system_modstamp, _read_at_utc, _batch_id, _country_code, _run_id,"
                " _loaded_at_utc) values (%s, %s, getdate(), getdate(), 'b', %s, 'r', getdate())",
                *(key[1:], notes, country),
            )
        if key[0] == "-":
            platform.warehouse("update itg.test set is_deleted = true where id = %s", key[1:])


def run_day(platform: Platform, plan: RefreshPlan, day: Day) -> DataQualityError | None:
    """A run of the day: what it says if a check fails."""
    run = run_of(day)
    units = refresher.claim_slices(plan, run)
    try:
        refresher.call_units(plan, run, units)
    except DataQualityError as error:
        refresher.fail_refresh(plan, run)
        return error
    refresher.finish_refresh(plan, run)
    return None


def results(platform: Platform, state: str) -> list[tuple[Any, ...]]:
    return platform.job(
        "select check_name, country_codes, sample_keys from job.check_result where state = %s order by 1, 2", state
    )


def shown(platform: Platform, check: str) -> dict[str, tuple[bool, int]]:
    """Country → whether analysts see that the last check has passed, and how much broke it."""
    rows = platform.warehouse(
        "select country_code, has_passed, failing_count from dm.v_check_result"
        " where table_name = 'dm.fact_test' and check_name = %s and country_code in ('DE', 'IT')",
        check,
    )
    return {country: (has_passed, count) for country, has_passed, count in rows}


@pytest.mark.parametrize("name", CASES)
def test_a_check_refuses_its_bad_rows_and_no_others(platform: Platform, day: Day, name: str) -> None:
    """The slice is as it was, the other country goes on, the next run takes it again; the query finds the same."""
    case = CASES[name]
    other: Test = ("T3", "IT", "T3" if name == "foreign_key_of_the_slice" else case.good[0][2])
    plan = plan_with(platform, case.check)
    label = plan.checks[-1].label
    come(platform, day, [*case.good, other])
    assert run_day(platform, plan, day) is None
    assert results(platform, "failed") == []
    platform.warehouse("delete from itg.test where id in ('T4', 'T5')")
    platform.warehouse("delete from dm.fact_test where test_id in ('T4', 'T5')")
    before = facts(platform)
    come(platform, day, [*case.bad, other])
    error = run_day(platform, plan, day)
    assert error is not None
    assert (error.where, error.key) == ("dm.fact_test, country DE", label)
    assert facts(platform) == before, "the last good slice"
    as_of = "select country_code, max(_as_of_date) from dm.fact_test where country_code in ('DE', 'IT') group by 1"
    assert dict(platform.warehouse(as_of))["IT"] == day.date > dict(platform.warehouse(as_of))["DE"]
    assert results(platform, "failed") == [(label, ["DE"], list(case.sample))]
    assert all(sample in str(error.got) for sample in case.sample)
    assert shown(platform, label) == {"DE": (False, len(case.sample)), "IT": (True, 0)}, "to analysts, without keys"
    (query,) = platform.job("select query from job.check_result where state = 'failed'")[0]
    assert query in str(error.expected)
    warned = plan.model_copy(
        update={"checks": tuple(check.model_copy(update={"severity": "warn"}) for check in plan.checks)}
    )
    come(platform, day, [])
    assert run_day(platform, warned, day) is None, "the slice is taken again, and a check that warns lets it pass"
    assert platform.warehouse(query) == [(sample,) for sample in case.sample]
    assert [row[0] for row in results(platform, "failed")] == [label] * 2


def test_freshness_of_a_table_of_itg(platform: Platform, org: Org) -> None:
    """The newest row of a country is a month older than the order date; one of another country is not."""
    fresh = {"kind": "freshness", "column": "system_modstamp", "at_most_days": 30}
    plan = plan_with(platform, fresh, table="itg.lab")
    bring_in(platform, org, "lab", DAY_0, [lab("L1", "DE"), lab("L2", "FR")])
    assert refresher.call_units(plan, woken_run("itg.lab", 1), refresher.claim_slices(plan, woken_run("itg.lab", 1)))
    refresher.finish_refresh(plan, woken_run("itg.lab", 1))
    later = DAY_0 + timedelta(days=31)
    bring_in(platform, org, "lab", later, [lab("L1", "DE", version=1)])
    run = woken_run("itg.lab", 2)
    with pytest.raises(DataQualityError, match=r"itg\.lab, country DE[^!]*DE: newest 2026-01-05"):
        refresher.call_units(plan, run, refresher.claim_slices(plan, run))
    assert platform.warehouse("select count(*) from itg.lab where _run_id = %s", run.run_id) == [(0,)]


def test_a_key_that_stands_in_another_slice_of_itg_is_found(platform: Platform, org: Org) -> None:
    """Only rows that the run wrote are looked for, in all slices."""
    bring_in(platform, org, "lab", DAY_0, [lab("L1", "DE")])
    plan, run = platform.refresh("itg.lab"), woken_run("itg.lab", 1)
    units = refresher.claim_slices(plan, run)
    real = refresher.call_statements

    def doubled(cursor: Any, *arguments: Any) -> Any:
        calls = real(cursor, *arguments)
        for key in ("L1", "L8", "L8"):  # L8 is none of this run's
            cursor.execute(
                "insert into itg.lab (id, system_modstamp, _read_at_utc, _batch_id, _country_code, _run_id,"
                " _loaded_at_utc) values (%s, getdate(), getdate(), 'b', 'FR', 'another', getdate())",
                [key],
            )
        return calls

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(refresher, "call_statements", doubled)
        with pytest.raises(DataQualityError) as refused:
            refresher.call_units(plan, run, units)
    assert "1 found: L1" in str(refused.value.got) and platform.warehouse("select * from itg.lab") == []


def test_killed_between_the_rollback_and_the_record(
    platform: Platform, day: Day, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is recorded, nothing is booked, and the next try finds and records the same, once."""
    plan = plan_with(platform, CASES["expression"].check)
    come(platform, day, [("T1", "DE", "long")])
    run = run_of(day)
    units = refresher.claim_slices(plan, run)
    before = facts(platform)
    with monkeypatch.context() as patch:
        patch.setattr(check_runs, "record_results", _killed)
        with pytest.raises(KeyboardInterrupt):
            refresher.call_unit(plan, run, units[0])
    assert results(platform, "failed") == [] == platform.job("select * from job.claim_call")
    for _ in range(2):
        with pytest.raises(DataQualityError):
            refresher.call_unit(plan, run, units[0])
    assert results(platform, "failed") == [("short", ["DE"], ["T1"])] and facts(platform) == before
    platform.warehouse("update itg.test set notes = 'b' where id = 'T1'")  # mended while the run retries
    with monkeypatch.context() as patch:
        patch.setattr(refresher, "record_calls", _killed)
        with pytest.raises(KeyboardInterrupt):
            refresher.call_unit(plan, run, units[0])
    assert shown(platform, "short") == {}, "killed before"
    assert refresher.call_units(plan, run, units)["calls"] == 1, "committed, but not booked: called again"
    assert shown(platform, "short") == {"DE": (True, 0)}
    assert results(platform, "failed") == []
    assert {row[0] for row in results(platform, "passed")} == {"unique_key", "short"}


def test_what_analysts_cannot_be_shown_stops_no_refresh(platform: Platform, day: Day) -> None:
    plan = plan_with(platform, CASES["expression"].check)
    come(platform, day, [("T1", "DE", "long")])
    platform.warehouse("alter table dm.check_result rename to check_result_away")
    try:
        error = run_day(platform, plan, day)
        assert error is not None and error.key == "short", "the check's own failure is told"
        assert results(platform, "failed") == [("short", ["DE"], ["T1"])]
    finally:
        platform.warehouse("alter table dm.check_result_away rename to check_result")
    run = run_of(day)
    refresher.call_units(plan_with(platform), run, refresher.claim_slices(plan, run))
    assert shown(platform, "short") == {} and shown(platform, "unique_key")["DE"] == (True, 0)


def test_a_country_that_was_not_checked_keeps_what_analysts_see(
    platform: Platform, day: Day, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its call broke before its checks were asked; those of the other country were."""
    plan = plan_with(platform, CASES["expression"].check)
    come(platform, day, [("T1", "DE", "b"), ("T3", "IT", "b")])
    assert run_day(platform, plan, day) is None
    come(platform, day, [("T1", "DE", "c"), ("T3", "IT", "long")])
    warned = plan.model_copy(
        update={"checks": tuple(check.model_copy(update={"severity": "warn"}) for check in plan.checks)}
    )
    real = refresher.call_unit

    def breaks(plan: RefreshPlan, run: Any, unit: Sequence[str]) -> dict[str, Any]:
        if "DE" in unit:
            raise RetriableError("the connection broke")
        return real(plan, run, unit)

    monkeypatch.setattr(refresher, "call_unit", breaks)
    run = run_of(day)
    units = refresher.claim_slices(warned, run)
    with pytest.raises(RetriableError):
        refresher.call_units(warned, run, units)
    assert shown(platform, "short") == {"DE": (True, 0), "IT": (False, 1)}


def test_an_old_run_that_is_cleared_shows_nothing_of_its_own(platform: Platform, day: Day) -> None:
    """Its claim is finished: nothing is called, and what later runs have shown stays."""
    plan = plan_with(platform, CASES["expression"].check)
    come(platform, day, [("T1", "DE", "b")])
    run, units = run_of(day), refresher.claim_slices(plan, run_of(day))
    refresher.call_units(plan, run, units)
    refresher.finish_refresh(plan, run)
    come(platform, day, [("T1", "DE", "long")])
    assert run_day(platform, plan, day) is not None
    assert refresher.call_units(plan, run, units)["calls"] == 0
    assert shown(platform, "short") == {"DE": (False, 1)}


def _killed(*_arguments: object) -> None:
    raise KeyboardInterrupt


def test_all_that_fails_is_told_and_no_more_than_ten_keys(platform: Platform, day: Day) -> None:
    checks = [
        CASES["expression"].check,
        CASES["not_null"].check,
        {**CASES["accepted_values"].check, "severity": "warn"},
    ]
    plan = plan_with(platform, *checks)
    come(platform, day, [*((f"T{n:02d}", "DE", "long") for n in range(10, 24)), ("T1", "DE", None)])
    error = run_day(platform, plan, day)
    assert error is not None and error.key == "short, not_null_units_notes", "what warns refuses nothing"
    assert "short: 14 found; the first: T10, T11" in str(error.got) and "T19" in str(error.got)
    assert "T20" not in str(error.got) and "not_null_units_notes: 1 found: T1" in str(error.got)
    assert "-- short\nselect" in str(error.expected) and "T10" not in str(error.expected)
    counts = dict(platform.job("select check_name, failing_count from job.check_result where state = 'failed'"))
    assert counts == {"short": 14, "not_null_units_notes": 1, "accepted_values_notes": 14}


def test_a_check_that_cannot_be_run_is_fatal_and_leaves_the_slice(platform: Platform, day: Day) -> None:
    plan = plan_with(platform, {"kind": "not_null", "columns": ["gone"]})
    come(platform, day, [("T1", "DE", "b")])
    with pytest.raises(FatalError, match=r"dm\.fact_test, country DE[^!]*checks[^!]*gone"):
        refresher.call_units(plan, run_of(day), refresher.claim_slices(plan, run_of(day)))
    assert platform.warehouse("select notes from dm.fact_test where test_id = 'T1'") == [("a",)]


def test_what_others_commit_beside_a_refresh_is_no_difference(
    platform: Platform, day: Day, monkeypatch: pytest.MonkeyPatch
) -> None:
    """itg gets a row between the call and the checks: rows of the same moment are compared."""
    plan = plan_with(platform, CASES["reconciliation"].check)
    come(platform, day, [("T1", "DE", "b")])
    real = refresher.call_statements

    def beside(*arguments: Any) -> Any:
        calls = real(*arguments)
        come(platform, day, [("T9", "DE", "b")])
        return calls

    run = run_of(day)
    units = refresher.claim_slices(plan, run)
    monkeypatch.setattr(refresher, "call_statements", beside)
    refresher.call_units(plan, run, units)
    assert results(platform, "failed") == []


def test_status_dry_run_and_erasure_know_the_results(platform: Platform, day: Day) -> None:
    plan = plan_with(platform, CASES["expression"].check, {**CASES["not_null"].check, "severity": "warn"})
    come(platform, day, [("T1", "DE", "long"), ("T2", "FR", "long"), ("T3", "IT", None)])
    preview = dry_runs.preview_refresh(plan, run_of(day))
    assert preview["checks"] == ["unique_key (fail)", "short (fail)", "not_null_units_notes (warn)"]
    assert results(platform, "failed") == []
    assert run_day(platform, plan, day) is not None
    assert check_runs.warnings_of_run(plan, run_of(day).run_id) == [], "the claim was given back"
    with open_job_metadata(plan.context) as metadata:
        report = make_report("local", {plan.header.dag_id: plan}, read_status(metadata, []))
        told = [
            (item.check, item.severity, item.countries, item.failing_count, item.sample_keys) for item in report.checks
        ]
        assert told == [
            ("not_null_units_notes", "warn", ("IT",), 1, ("T3",)),
            ("short", "fail", ("DE", "FR"), 2, ("T1", "T2")),
        ]
        assert redact_steps(metadata, ["T1"], "[erased, it is]") == 2, "the result, and what the step said"
        come(platform, day, [("T1", "DE", "b"), ("T2", "FR", "b")])
        assert run_day(platform, plan, day) is None
        assert [
            (countries, check.name) for countries, check in check_runs.warnings_of_run(plan, run_of(day).run_id)
        ] == [(("IT",), "not_null_units_notes")]
        report = make_report("local", {plan.header.dag_id: plan}, read_status(metadata, []))
    assert [item.check for item in report.checks] == ["not_null_units_notes"], "the newest result counts"
    kept = platform.job("select sample_keys from job.check_result where check_name = 'short' and state = 'failed'")
    assert sorted(kept) == [(["T2"],), (["[erased, it is]"],)]


def test_old_results_go_and_the_newest_of_each_check_and_country_stays(platform: Platform, day: Day) -> None:
    """However old: of FR there is none but the old one. A unit of several countries stays for one of them."""
    rows = [  # age in days, check, countries, goes
        (200, "unique_key", ["DE"], True),
        (91, "unique_key", ["DE"], True),
        (89, "unique_key", ["DE"], False),
        (300, "unique_key", ["FR"], True),
        (299, "unique_key", ["FR"], False),
        (280, "unique_key", ["DE", "XX"], False),
        (400, "no_more_declared", ["DE"], False),
    ]
    [[claim]] = platform.job("select min(claim_id) from job.claim where target = %s", FACT)
    platform.job("delete from job.check_result")
    for number, (age, name, countries, _) in enumerate(rows):
        platform.job(
            "insert into job.check_result (claim_id, table_name, check_name, kind, severity, state, run_id, order_date,"
            " country_codes, failing_count, sample_keys, checked_at_utc) values (%s, %s, %s, 'k', 'warn', 'passed',"
            " 'r', current_date, %s, 0, '{}', now() - make_interval(days => %s))",
            *(_claim_of(platform, claim, number), FACT, name, countries, age),
        )
    with open_job_metadata(platform.context) as metadata:
        assert drop_old_results(metadata, FACT, 90) == sum(goes for *_, goes in rows)
        assert drop_old_results(metadata, FACT, 90) == 0
    left = platform.job("select check_name, country_codes, now()::date - checked_at_utc::date from job.check_result")
    expected = sorted((name, countries, age) for age, name, countries, goes in rows if not goes)
    assert sorted((name, countries, round(age)) for name, countries, age in left) == expected


def _claim_of(platform: Platform, like: int, number: int) -> int:
    """A claim of its own, for a result is told from another by its claim."""
    columns = "target, run_kind, order_date, as_of_date, state, statements, metadata_version, expires_at_utc"
    [[claim]] = platform.job(
        f"insert into job.claim ({columns}, run_id) select {columns}, %s from job.claim where claim_id = %s"
        " returning claim_id",
        *(f"old {number}", like),
    )
    return int(claim)
