"""Refreshes: which countries, in which transactions, by which statements; and what goes on to the next table."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import date, timedelta

import psycopg2
import pytest
from idiscover.aws import refresher
from idiscover.aws.job_metadata import JobMetadata
from idiscover.aws.job_metadata_arrivals import Mark, record_arrivals, record_marks
from idiscover.errors import ConfigError, DataQualityError, FatalError, NextRunError, RetriableError
from idiscover.plan.model import ConsumerPlan, RunIdentity, RunKind

from tests.support.aws_platform import Platform
from tests.support.aws_runs import DAY_0, Org, bring_in, lab, refresh, woken_run
from tests.unit.metadata_samples import DM

FACT = "dm.fact_test"
CALL = "CALL dm.load_fact_test(:country_code, :as_of_date, :run_id)"
SAME, ALL = ConsumerPlan(table=FACT, marks="same"), ConsumerPlan(table=FACT, marks="all")


class Day:
    """One org day after the other, as refreshes of itg leave them to dm: rows, marks and arrivals."""

    def __init__(self, platform: Platform) -> None:
        self.platform, self.number = platform, 0
        self._changes = itertools.count(1)

    @property
    def date(self) -> date:
        return DAY_0 + timedelta(days=self.number - 1)

    def comes(self, *tests: tuple[str, str, str], units: Sequence[str] = ()) -> None:
        """A day's tests (id, country, notes; a test may have stood in another country) and units."""
        self.number += 1
        moved_from = {key: self._replace(key, country, notes) for key, country, notes in tests}
        for key in units:
            self.platform.warehouse(
                "insert into itg.unit (id, system_modstamp, _read_at_utc, _batch_id, _country_code, _run_id,"
                " _loaded_at_utc) values (%s, getdate(), getdate(), 'b', 'ZZ', 'r', getdate())",
                key,
            )
        marks = {
            "itg.test": [self._mark(country, moved_from[key]) for key, country, _ in tests],
            "itg.unit": [self._mark("ZZ", None) for _ in units],
        }
        self.arrive(RunKind.SCHEDULED, self.date, marks)

    def arrive(self, kind: RunKind, order_date: date, marks: dict[str, list[Mark]]) -> None:
        """What ends of refreshes of itg.test and itg.unit write."""
        source = f"change {next(self._changes)}"
        with JobMetadata(psycopg2.connect(self.platform.job_dsn)) as metadata, metadata.transaction() as cursor:
            for table, consumer in (("itg.test", SAME), ("itg.unit", ALL)):
                record_marks(cursor, table, consumer, kind, order_date, marks.get(table, []))
                record_arrivals(cursor, table, [consumer], kind, order_date, source)

    def _mark(self, country: str, moved_from: str | None) -> Mark:
        return Mark(f"change {next(self._changes)}", country, moved_from)

    def _replace(self, key: str, country: str, notes: str) -> str | None:
        """Puts the test where it belongs; the country it comes from, if that is another."""
        held = self.platform.warehouse("select _country_code from itg.test where id = %s", key)
        self.platform.warehouse("delete from itg.test where id = %s", key)
        self.platform.warehouse(
            "insert into itg.test (id, notes, system_modstamp, _read_at_utc, _batch_id, _country_code, _run_id,"
            " _loaded_at_utc) values (%s, %s, getdate(), getdate(), 'b', %s, 'r', getdate())",
            *(key, notes, country),
        )
        return held[0][0] if held and held[0][0] != country else None


@pytest.fixture
def first_day(platform: Platform) -> Day:
    """A day has come, and dm knows nothing of it."""
    days = Day(platform)
    days.comes(("T1", "DE", "a"), ("T2", "FR", "a"), ("T3", "IT", "a"), units=["U1"])
    return days


@pytest.fixture
def day(first_day: Day) -> Day:
    """The first day is over, and dm has it."""
    platform = first_day.platform
    platform.job(
        "insert into job.claim (target, run_id, run_kind, order_date, as_of_date, state, statements, metadata_version,"
        " expires_at_utc) values (%s, %s, 'scheduled', %s, %s, 'finished', '[]', 'v', now())",
        *(FACT, run_of(first_day).run_id, DAY_0, DAY_0),
    )
    for table in ("input_arrival", "slice_mark"):
        platform.job(f"update job.{table} set claim_id = (select claim_id from job.claim)")
    platform.warehouse(
        "insert into dm.fact_test select _country_code, id, notes, 1, %s, 'r', getdate() from itg.test", DAY_0
    )
    return first_day


def run_of(day: Day) -> RunIdentity:
    return woken_run("itg_to_dm__fact_test", day.number)


def units_of(platform: Platform, day: Day) -> list[list[str]]:
    return refresher.claim_slices(platform.refresh(FACT), run_of(day))


def facts(platform: Platform) -> list[tuple[str, str]]:
    return platform.warehouse("select country_code, test_id from dm.fact_test order by test_id")  # type: ignore[return-value]


def write_metadata(platform: Platform, text: str) -> None:
    key = platform.refresh(FACT).metadata_key
    platform.client("s3").put_object(Bucket=platform.context.buckets.data, Key=key, Body=text.encode())


def test_the_first_refresh_takes_every_slice(platform: Platform, first_day: Day) -> None:
    """Marked or not: the inputs may be older than the table."""
    platform.job("delete from job.slice_mark")
    assert refresh(platform, FACT, run_of(first_day)) is not None
    assert facts(platform) == [("DE", "T1"), ("FR", "T2"), ("IT", "T3")]
    assert platform.job("select units from job.claim where target = %s", FACT) == [([["DE"], ["FR"], ["IT"], ["ZZ"]],)]


def test_only_what_changed_is_called(platform: Platform, day: Day) -> None:
    day.comes(("T2", "FR", "new"))
    assert units_of(platform, day) == [["FR"]]


def test_nothing_changed_and_the_table_arrives_all_the_same(platform: Platform, day: Day) -> None:
    day.comes()
    assert units_of(platform, day) == []
    result = refresher.finish_refresh(platform.refresh(FACT), run_of(day))
    assert result is not None and (result["units"], result["order_date"]) == ([], day.date.isoformat())
    assert platform.job("select state, order_date from job.claim where target = %s order by 2 desc limit 1", FACT) == [
        ("finished", day.date)
    ]


def test_reference_data_makes_every_slice_stale(platform: Platform, day: Day) -> None:
    day.comes(units=["U2"])
    assert units_of(platform, day) == [["DE"], ["FR"], ["IT"], ["ZZ"]]


def test_what_reference_data_is_made_of_makes_it_stale_and_nothing_else(platform: Platform, day: Day) -> None:
    """marks: reference. A test has moved from DE to FR: slice ZZ is to be made anew."""
    day.number += 1
    consumer = ConsumerPlan(table=FACT, marks="reference")
    with JobMetadata(psycopg2.connect(platform.job_dsn)) as metadata, metadata.transaction() as cursor:
        marks = [Mark("change 1001", "FR", "DE"), Mark("change 1002", "IT", None)]
        for _ in range(2):  # the same change again is the same mark
            record_marks(cursor, "itg.test", consumer, RunKind.MANUAL, DAY_0, marks)
        record_arrivals(cursor, "itg.test", [consumer], RunKind.MANUAL, DAY_0, "claim 1")
    assert (
        platform.job("select country_code, moved_from_country_code from job.slice_mark where claim_id is null")
        == [("ZZ", None)] * 2
    )
    assert units_of(platform, day) == [["ZZ"]]


def test_countries_of_such_an_input_are_no_slices_of_the_table(platform: Platform, first_day: Day) -> None:
    """At the table's first refresh, all that it and its other inputs have are called."""
    platform.job("delete from job.slice_mark")
    plan = platform.refresh(FACT)
    reference = plan.model_copy(update={"reference_inputs": ("itg.test",)})
    assert refresher.claim_slices(reference, run_of(first_day)) == [["ZZ"]]


def test_countries_joined_by_moves_are_one_unit(platform: Platform, day: Day) -> None:
    """DE → FR and FR → IT: all three are replaced in one transaction."""
    day.comes(("T1", "FR", "a"), ("T2", "IT", "a"))
    assert units_of(platform, day) == [["DE", "FR", "IT"]]
    refresher.call_unit(platform.refresh(FACT), run_of(day), ["DE", "FR", "IT"])
    assert facts(platform) == [("FR", "T1"), ("IT", "T2"), ("IT", "T3")]


def test_slices_that_a_person_names_are_called_and_what_is_pending_stays_pending(platform: Platform, day: Day) -> None:
    """T1 moves from DE to FR, which nobody has refreshed: FR comes along with DE, for T1 would stand in neither."""
    day.comes(("T1", "FR", "a"), ("T3", "IT", "new"))
    plan = platform.refresh(FACT)
    named = woken_run("itg_to_dm__fact_test", 99).model_copy(update={"countries": ("DE",)})
    assert refresher.claim_slices(plan, named) == [["DE", "FR"]]
    assert refresher.claim_slices(plan, named) == [["DE", "FR"]], "a retry gets the same"
    with pytest.raises(RetriableError, match="another run refreshes the table"):
        refresher.claim_slices(plan, named.model_copy(update={"run_id": "another"}))
    refresher.call_unit(plan, named, ["DE", "FR"])
    assert refresher.finish_refresh(plan, named) is not None
    assert ("FR", "T1") in facts(platform)
    assert platform.job("select run_kind, order_date from job.claim where run_id = %s", named.run_id) == [
        ("manual", DAY_0)
    ]
    assert units_of(platform, day) == [["DE", "FR"], ["IT"]], "the day's refresh takes what was pending"


def test_a_move_that_itg_has_not_passed_on_is_seen_too(platform: Platform, day: Day) -> None:
    platform.warehouse(
        "insert into itg.test__changes (country_code, moved_from_country_code, run_id, changed_at_utc)"
        " values ('IT', 'DE', 'r', getdate())"
    )
    named = woken_run("itg_to_dm__fact_test", 99).model_copy(update={"countries": ("DE", "FR")})
    assert refresher.claim_slices(platform.refresh(FACT), named) == [["DE", "IT"], ["FR"]]


def test_a_table_that_was_never_refreshed_is_not_refreshed_in_part(platform: Platform, first_day: Day) -> None:
    named = run_of(first_day).model_copy(update={"countries": ("DE",)})
    with pytest.raises(ConfigError, match=r"has never been refreshed[^!]*run it without countries"):
        refresher.claim_slices(platform.refresh(FACT), named)
    assert platform.job("select 1 from job.claim") == []


def test_a_retry_gets_the_same_units_and_the_next_run_the_rest(platform: Platform, day: Day) -> None:
    day.comes(("T2", "FR", "new"))
    assert units_of(platform, day) == [["FR"]]
    platform.job("update job.slice_mark set country_code = 'DE' where country_code = 'FR'")
    assert units_of(platform, day) == [["FR"]]


def test_a_finished_run_claims_nothing_again(platform: Platform, day: Day) -> None:
    day.comes(("T1", "DE", "b"))
    finished = run_of(day)
    result = refresh(platform, FACT, finished)
    day.comes(("T2", "FR", "new"))
    assert refresher.claim_slices(platform.refresh(FACT), finished) == []
    assert refresher.call_unit(platform.refresh(FACT), finished, ["DE"])["calls"] == 0
    assert refresher.finish_refresh(platform.refresh(FACT), finished) == result
    assert units_of(platform, day) == [["FR"]]


def test_a_claim_whose_countries_nobody_called_does_not_end(platform: Platform, day: Day) -> None:
    """As when a person marks a task as success: the country would stay stale for ever."""
    day.comes(("T2", "FR", "new"), ("T3", "IT", "new"))
    plan, run = platform.refresh(FACT), run_of(day)
    assert units_of(platform, day) == [["FR"], ["IT"]]
    refresher.call_unit(plan, run, ["FR"])
    with pytest.raises(NextRunError, match=r"no call of \['IT'\]"):
        refresher.finish_refresh(plan, run)
    refresher.call_unit(plan, run, ["IT"])
    assert refresher.finish_refresh(plan, run) is not None


def test_a_run_that_finds_nothing_ready_has_nothing_to_finish(platform: Platform, day: Day) -> None:
    day.number += 1
    assert units_of(platform, day) == []
    assert refresher.finish_refresh(platform.refresh(FACT), run_of(day)) is None


def test_a_unit_is_one_transaction(platform: Platform, day: Day) -> None:
    """DE is replaced first, then FR refuses: DE has to be as it was."""
    day.comes(("T1", "FR", "a"), ("T2", "FR", "refuse me"))
    assert units_of(platform, day) == [["DE", "FR"]]
    before = facts(platform)
    with pytest.raises(DataQualityError) as refused:
        refresher.call_unit(platform.refresh(FACT), run_of(day), ["DE", "FR"])
    assert facts(platform) == before
    error = refused.value
    assert error.where == "dm.fact_test, country FR" and error.key == CALL
    assert "load_fact_test FR: 1 tests are refused" in str(error.got) and "PL/pgSQL function" in str(error.got)
    assert platform.job("select * from job.claim_call") == [] == platform.warehouse("select * from dm.call_log")


def test_what_the_database_refuses_is_fatal_and_named(platform: Platform, day: Day) -> None:
    write_metadata(platform, DM.replace("dm.load_fact_test", "dm.load_nothing"))
    day.comes(("T2", "FR", "new"))
    assert units_of(platform, day) == [["FR"]]
    with pytest.raises(FatalError) as refused:
        refresher.call_unit(platform.refresh(FACT), run_of(day), ["FR"])
    assert refused.value.where == "dm.fact_test, country FR" and "load_nothing" in str(refused.value.got)


def test_a_lost_race_is_tried_again_and_then_left_to_airflow(
    platform: Platform, day: Day, monkeypatch: pytest.MonkeyPatch
) -> None:
    day.comes(("T2", "FR", "new"))
    assert units_of(platform, day) == [["FR"]]
    tries: list[str] = []

    def conflict(cursor: object, claim: object, run_id: str, countries: Sequence[str]) -> None:
        tries.extend(countries)
        raise psycopg2.errors.SerializationFailure("1023: serializable isolation violation")

    monkeypatch.setattr("idiscover.aws.redshift._FIRST_WAIT_SECONDS", 0.01)
    monkeypatch.setattr(refresher, "call_statements", conflict)
    with pytest.raises(RetriableError):
        refresher.call_unit(platform.refresh(FACT), run_of(day), ["FR"])
    assert tries == ["FR"] * 3


def test_statements_edited_in_the_bucket_change_the_next_run(platform: Platform, day: Day) -> None:
    remark = "  - CALL dm.remark(:country_code, :as_of_date, :run_id, 'edited; -- ''here''')\n"
    write_metadata(platform, DM.replace("columns:\n", f"{remark}columns:\n"))
    day.comes(("T2", "FR", "new"))
    assert refresh(platform, FACT, run_of(day)) is not None
    log = "select country_code, remark from dm.call_log where run_id = %s order by call_id"
    assert platform.warehouse(log, run_of(day).run_id) == [("FR", None), ("FR", "edited; -- 'here'")]
    found = platform.job("select statements from job.claim where run_id = %s and target = %s", run_of(day).run_id, FACT)
    assert len(found[0][0]) == 2
    calls = platform.job("select country_code, seconds >= 0 from job.claim_call order by call_id desc limit 2")
    assert calls == [("FR", True), ("FR", True)]


WRONG = {
    "not YAML": "table: [",
    "not a table": "object: lab\n",
    "another table's": DM.replace("dm.fact_test", "dm.fact_other"),
    "a statement that is no CALL": DM.replace(CALL, "DELETE FROM dm.fact_test"),
    "a procedure of another schema": DM.replace("CALL dm.", "CALL itg."),
    "two statements in one": DM.replace(CALL, f"{CALL}; CALL dm.remark(:country_code)"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_file_in_the_bucket_stops_nothing(platform: Platform, day: Day, name: str) -> None:
    """The run goes by the statements that were published last, and says so."""
    day.comes(("T2", "FR", "new"))
    write_metadata(platform, WRONG[name])
    assert units_of(platform, day) == [["FR"]]
    claimed = platform.job(
        "select statements, metadata_version from job.claim where target = %s and state = 'open'", FACT
    )
    plan = platform.refresh(FACT)
    published = plan.header.metadata_versions["tables/dm.fact_test.yaml"]
    assert claimed == [(list(plan.statements), published)]
    told = platform.job("select document from job.step_log where run_id = %s and step = 'slices'", run_of(day).run_id)
    assert told[-1][0]["refused_edit"]
    refresher.call_unit(plan, run_of(day), ["FR"])
    refresher.finish_refresh(plan, run_of(day))
    write_metadata(platform, DM)


def test_a_file_that_is_missing_or_unreadable_is_told(platform: Platform, day: Day) -> None:
    plan, key, bucket = platform.refresh(FACT), platform.refresh(FACT).metadata_key, platform.context.buckets.data
    platform.client("s3").put_object(Bucket=bucket, Key=key, Body="Präzision".encode("latin-1"))
    statements = refresher.current_statements(plan)
    assert statements.texts == plan.statements and "UTF-8" in str(statements.fault)
    platform.client("s3").delete_object(Bucket=bucket, Key=key)
    statements = refresher.current_statements(plan)
    assert statements.texts == plan.statements and "missing" in str(statements.fault) and key in str(statements.fault)
    write_metadata(platform, DM)
    assert refresher.current_statements(plan).fault is None


def test_a_failed_run_gives_back_and_the_next_takes_all_of_it(platform: Platform, day: Day) -> None:
    day.comes(("T2", "FR", "refuse me"), ("T1", "DE", "b"))
    assert units_of(platform, day) == [["DE"], ["FR"]]
    refresher.call_unit(platform.refresh(FACT), run_of(day), ["DE"])
    with pytest.raises(DataQualityError):
        refresher.call_unit(platform.refresh(FACT), run_of(day), ["FR"])
    refresher.fail_refresh(platform.refresh(FACT), run_of(day))
    with pytest.raises(NextRunError, match="given back or has lapsed"):
        refresher.call_unit(platform.refresh(FACT), run_of(day), ["FR"])
    day.comes(("T2", "FR", "mended"))
    assert units_of(platform, day) == [["DE"], ["FR"]]


def countries_in_log(platform: Platform, day: Day) -> list[str]:
    rows = platform.warehouse("select country_code from dm.call_log where run_id = %s order by 1", run_of(day).run_id)
    return [country for (country,) in rows]


def test_a_country_that_fails_leaves_the_others_of_its_task_alone(platform: Platform, day: Day) -> None:
    day.comes(("T1", "DE", "refuse me"), ("T2", "FR", "b"), ("T3", "IT", "b"))
    plan = platform.refresh(FACT)
    with pytest.raises(DataQualityError) as refused:
        refresher.call_units(plan, run_of(day), units_of(platform, day))
    assert refused.value.where == "dm.fact_test, country DE"
    assert countries_in_log(platform, day) == ["FR", "IT"]


def test_a_retry_calls_only_what_its_task_has_not_called(platform: Platform, day: Day) -> None:
    day.comes(("T1", "DE", "refuse me"), ("T2", "FR", "b"), ("T3", "IT", "b"))
    plan, units = platform.refresh(FACT), units_of(platform, day)
    with pytest.raises(DataQualityError):
        refresher.call_units(plan, run_of(day), units)
    platform.warehouse("update itg.test set notes = 'mended' where id = 'T1'")
    assert refresher.call_units(plan, run_of(day), units)["calls"] == 1
    assert countries_in_log(platform, day) == ["DE", "FR", "IT"], "each once"
    assert refresher.call_units(plan, run_of(day), units)["calls"] == 0
    assert refresher.finish_refresh(plan, run_of(day)) is not None


def test_of_several_errors_the_one_that_no_retry_mends_is_raised(
    platform: Platform, day: Day, monkeypatch: pytest.MonkeyPatch
) -> None:
    day.comes(("T1", "DE", "b"), ("T2", "FR", "refuse me"))
    real = refresher.call_statements

    def germany_is_locked(cursor: object, claim: object, run_id: str, unit: Sequence[str]) -> object:
        if "DE" in unit:
            raise RetriableError("a transaction did not get through", where="DE")
        return real(cursor, claim, run_id, unit)  # type: ignore[arg-type]

    monkeypatch.setattr("idiscover.aws.redshift._FIRST_WAIT_SECONDS", 0.01)
    monkeypatch.setattr(refresher, "call_statements", germany_is_locked)
    with pytest.raises(DataQualityError, match=r"failed too: DE \(a transaction did not get through\)") as refused:
        refresher.call_units(platform.refresh(FACT), run_of(day), units_of(platform, day))
    assert refused.value.where == "dm.fact_test, country FR"


def test_a_run_whose_claim_has_lapsed_passes_nothing_on(
    platform: Platform, org: Org, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It lapses between the run's look at its claim and the end of it: the changes are the other run's to pass on."""
    bring_in(platform, org, "lab", DAY_0, [lab("L1", "DE"), lab("L2", "FR"), lab("L3", "IT")])
    plan, slow, other = platform.refresh("itg.lab"), woken_run("itg.lab", 1), woken_run("itg.lab", 2)
    for countries in refresher.claim_slices(plan, slow):
        refresher.call_unit(plan, slow, countries)
    real = refresher.finish_claim

    def too_late(*arguments: object) -> bool:
        platform.job("update job.claim set expires_at_utc = now() - interval '1 second'")
        assert refresher.claim_slices(plan, other) == []  # nothing is stale any more, but it has the claim
        return real(*arguments)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(refresher, "finish_claim", too_late)
        assert refresher.finish_refresh(plan, slow) is None
    assert platform.job("select * from job.slice_mark") == []
    assert len(platform.warehouse("select * from itg.lab__changes")) == 3
    result = refresher.finish_refresh(plan, other)
    assert result is not None and result["changes"] == 3
    assert platform.job("select target, country_code from job.slice_mark order by 2") == [
        ("itg.test", "DE"), ("itg.test", "FR"), ("itg.test", "IT"),
    ]  # fmt: skip
    assert platform.warehouse("select * from itg.lab__changes") == []


def test_as_of_date_never_goes_back(platform: Platform, day: Day) -> None:
    day.comes(("T2", "FR", "new"))
    assert refresh(platform, FACT, run_of(day)) is not None
    day.arrive(RunKind.BACKFILL, DAY_0, {"itg.test": [Mark("late", "DE", None)]})
    assert refresh(platform, FACT, woken_run("itg_to_dm__fact_test", 99)) is not None
    log = "select as_of_date, country_code from dm.call_log order by call_id desc limit 1"
    assert platform.warehouse(log) == [(day.date, "DE")]


def test_ids_of_the_run_are_counted(platform: Platform, org: Org) -> None:
    bring_in(platform, org, "lab", DAY_0, [lab("L1", "DE"), lab("L2", "FR"), lab("L3", "IT")])
    result = refresh(platform, "itg.lab", woken_run("itg.lab", 1))
    assert result is not None
    assert result["ids"] == {"inserted": 3, "updated": 0, "unchanged": 0, "superseded": 0, "removed": 0}
    assert len(result["archived"]) == 1
