"""Verbs that start and follow runs: what is asked for, who is woken by whom, what is shown, how it ends."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from idiscover.cli.runs import following
from idiscover.cli.runs.asked import (
    Asked,
    countries_of,
    dag_of,
    downstream_of,
    extraction_of,
    new_run,
    wakes_of,
)
from idiscover.cli.runs.following import Followed, FollowedRun, Follower
from idiscover.cli.runs.show import line, show
from idiscover.errors import ConfigError, RetriableError
from idiscover.plan.build import build_plans
from rich.console import Console

from tests.unit.metadata_samples import sample_catalog, sample_context

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
PLANS = {plan.header.dag_id: plan for plan in build_plans(sample_catalog(), sample_context(), "0" * 40)}


@pytest.mark.parametrize(
    ("target", "dag_id"),
    [
        ("lab", "sfdc_to_s3__lab"),
        ("stg.lab", "s3_to_redshift__lab"),
        ("itg.lab", "stg_to_itg__lab"),
        ("dm.fact_test", "itg_to_dm__fact_test"),
        ("stg_to_itg__test", "stg_to_itg__test"),
    ],
)
def test_what_a_target_means(target: str, dag_id: str) -> None:
    assert dag_of(target, PLANS).header.dag_id == dag_id


def test_a_misspelt_target_is_named_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"did you mean: itg\.lab"):
        dag_of("itg.labb", PLANS)
    with pytest.raises(ConfigError, match="did you mean: lab"):
        extraction_of("itg.lab", PLANS)


def test_a_run_has_the_parameters_that_were_given_and_no_others() -> None:
    asked = Asked(
        mode="delta", window_start=datetime(2026, 1, 1), window_end=datetime(2026, 1, 2, tzinfo=UTC), reason="because"
    )
    run = new_run(PLANS["sfdc_to_s3__lab"], asked, "run", NOW)
    assert run.run_id == "run__2026-01-05T12:00:00.000000"
    assert run.body["conf"] == {
        "mode": "delta",
        "window_start": "2026-01-01T00:00:00+00:00",
        "window_end": "2026-01-02T00:00:00+00:00",
        "reason": "because",
    }
    assert run.body["logical_date"] is None and "because" in run.body["note"]


def test_an_order_date_brings_its_interval() -> None:
    body = new_run(PLANS["sfdc_to_s3__lab"], Asked(order_date=date(2026, 1, 5)), "run", NOW).body
    assert body["conf"] == {"order_date": "2026-01-05"}
    assert (body["logical_date"], body["data_interval_start"], body["data_interval_end"]) == (
        "2026-01-05T00:00:00+00:00",
        "2026-01-05T00:00:00+00:00",
        "2026-01-06T00:00:00+00:00",
    )


def test_a_dry_run_of_a_day_leaves_the_day_to_the_run_that_does_it() -> None:
    body = new_run(PLANS["sfdc_to_s3__lab"], Asked(order_date=date(2026, 1, 5), dry_run=True), "run", NOW).body
    assert body["conf"] == {"order_date": "2026-01-05", "dry_run": True}
    assert body["logical_date"] is None and not {"data_interval_start", "data_interval_end"} & body.keys()


def test_a_dry_run_shows_in_its_run_id_and_its_note() -> None:
    run = new_run(PLANS["stg_to_itg__lab"], Asked(dry_run=True, countries=("DE",)), "run", NOW)
    assert run.run_id.startswith("dry_run__") and run.body["note"].startswith("DRY RUN, ")
    assert run.body["conf"] == {"dry_run": True, "countries": ["DE"]}


def test_a_parameter_that_a_family_does_not_take_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"mode[^!]*one of countries, dry_run, reason"):
        new_run(PLANS["stg_to_itg__lab"], Asked(mode="full"), "run", NOW)
    with pytest.raises(ConfigError, match=r"countries[^!]*one of dry_run, reason"):
        new_run(PLANS["s3_to_redshift__lab"], Asked(countries=("DE",)), "run", NOW)


def test_countries_may_be_typed_as_people_type_them() -> None:
    assert countries_of(" de, GB ,") == ("DE", "GB") and countries_of(None) == ()


def test_what_a_run_may_wake_comes_after_its_inputs() -> None:
    found = downstream_of("sfdc_to_s3__test", PLANS)
    assert found[:3] == ["sfdc_to_s3__test", "s3_to_redshift__test", "stg_to_itg__test"]
    assert "itg_to_dm__fact_test" in found


class FakeAirflow:
    """Runs whose states and events a test writes down, look by look."""

    def __init__(self) -> None:
        self.states: dict[tuple[str, str], list[str]] = {}
        self.events: dict[tuple[str, str], list[dict[str, Any]]] = {}
        self.newest: dict[str, list[str]] = {}
        self.silent = 0
        self.untold: dict[tuple[str, str], int] = {}

    def run(self, dag_id: str, run_id: str) -> dict[str, Any] | None:
        if self.silent:
            self.silent -= 1
            raise RetriableError("Airflow is busy")
        states = self.states[dag_id, run_id]
        if not states:
            return None
        state = states.pop(0) if len(states) > 1 else states[0]
        end = NOW.isoformat() if state in ("success", "failed") else None
        return {"state": state, "start_date": NOW.isoformat(), "end_date": end, "note": None}

    def runs(self, dag_id: str = "~", **query: object) -> list[dict[str, Any]]:
        return [{"dag_run_id": run_id} for run_id in self.newest.get(dag_id, [])]

    def asset_events(self, dag_id: str, run_id: str) -> list[dict[str, Any]] | None:
        if self.untold.get((dag_id, run_id)):
            self.untold[dag_id, run_id] -= 1
            return None
        return self.events.get((dag_id, run_id), [])


def event(uri: str, *runs: tuple[str, str]) -> dict[str, Any]:
    made = [{"dag_id": dag_id, "run_id": run_id} for dag_id, run_id in runs]
    return {"uri": uri, "timestamp": NOW.isoformat(), "created_dagruns": made}


EXTRACTION, LOAD, REFRESH = ("sfdc_to_s3__lab", "e"), ("s3_to_redshift__lab", "l"), ("stg_to_itg__lab", "r")
SOURCE, READY = "x-idiscover://source/lab", "x-idiscover://ready/itg.lab"


@pytest.fixture
def airflow() -> FakeAirflow:
    """An extraction that wakes its load, which wakes the refresh; all go well."""
    fake = FakeAirflow()
    fake.states = {EXTRACTION: ["queued", "running", "success"], LOAD: ["running", "success"], REFRESH: ["success"]}
    fake.events = {
        EXTRACTION: [event(SOURCE, LOAD)],
        LOAD: [event("x-idiscover://stg/lab"), event(READY, REFRESH)],
        REFRESH: [event("x-idiscover://itg/lab")],
    }
    return fake


def followed(airflow: FakeAirflow, seconds_per_look: float = 2, **rest: Any) -> Followed:
    clock = [NOW]

    def sleep(_seconds: float) -> None:
        clock[0] += timedelta(seconds=seconds_per_look)

    follower = Follower(airflow, wakes_of(PLANS), [EXTRACTION], sleep=sleep, now=lambda: clock[0], **rest)
    steps: Iterator[Followed] = follower.follow()
    for number, _ in enumerate(steps):
        assert number < 1000, "it never ends"
    return follower.followed


def found(result: Followed) -> list[tuple[str, str | None, str]]:
    return [(run.dag_id, run.run_id, run.state) for run in result.runs]


def test_a_run_is_followed_to_the_end_of_all_that_it_wakes(airflow: FakeAirflow) -> None:
    result = followed(airflow)
    assert found(result) == [(*run, "success") for run in (EXTRACTION, LOAD, REFRESH)]
    assert result.has_succeeded


def test_a_run_that_somebody_deletes_is_not_followed_for_ever(airflow: FakeAirflow) -> None:
    airflow.states[EXTRACTION] = []
    result = followed(airflow)
    assert found(result) == [(*EXTRACTION, "failed")] and not result.has_succeeded
    assert "deleted" in result.runs[0].detail


def test_a_consumer_that_has_no_run_yet_is_waited_for(airflow: FakeAirflow) -> None:
    events = airflow.events[EXTRACTION]
    airflow.events[EXTRACTION] = [event(SOURCE)]
    looks: list[int] = []

    def more_roots() -> tuple[list[tuple[str, str]], bool]:
        looks.append(1)
        if len(looks) == 6:
            airflow.events[EXTRACTION] = events
        return [], False

    result = followed(airflow, more_roots=more_roots)
    assert found(result) == [(*run, "success") for run in (EXTRACTION, LOAD, REFRESH)]
    assert len(looks) > 6


def test_events_of_which_airflow_cannot_tell_yet_are_asked_for_again(airflow: FakeAirflow) -> None:
    """It answers with an error while a run that an event has made waits to begin."""
    airflow.untold = {EXTRACTION: 7, REFRESH: 3}
    assert found(followed(airflow)) == [(*run, "success") for run in (EXTRACTION, LOAD, REFRESH)]


def test_a_run_that_took_an_event_along_is_found_by_its_time(airflow: FakeAirflow) -> None:
    """Of several events at once, Airflow names the run in one alone."""
    airflow.events[EXTRACTION] = [event(SOURCE)]
    airflow.newest = {LOAD[0]: ["later", LOAD[1]]}
    airflow.states[LOAD[0], "later"] = ["success"]
    assert found(followed(airflow))[1] == (*LOAD, "success"), "the first that began after the event"


def test_a_wake_up_that_was_lost_is_told(airflow: FakeAirflow) -> None:
    airflow.events[EXTRACTION] = [event(SOURCE)]
    result = followed(airflow, seconds_per_look=60)
    assert found(result) == [(*EXTRACTION, "success")] and result.lost == [LOAD[0]]
    assert not result.has_succeeded


def test_a_wake_up_that_a_known_run_took_along_is_not_waited_for(airflow: FakeAirflow) -> None:
    """Nothing is left to do for its DAG."""
    airflow.events[EXTRACTION] = [event(SOURCE)]
    result = followed(airflow, is_due=lambda dag_id: dag_id != LOAD[0])
    assert found(result) == [(*EXTRACTION, "success")] and result.has_succeeded


@pytest.mark.parametrize("how", ["taken along by a known run", "nothing left to do", "lost"])
def test_two_wake_ups_without_runs_do_not_wait_for_ever(airflow: FakeAirflow, how: str) -> None:
    """Whoever looks for one reads the events of all again, which name no run as before."""
    airflow.events[LOAD] = [
        event(READY),
        event("x-idiscover://ready/itg.kit"),
        event("x-idiscover://ready/dm.fact_test"),
    ]
    made = [REFRESH, ("stg_to_itg__kit", "k"), ("itg_to_dm__fact_test", "f")] if how.startswith("taken along") else []
    airflow.events[REFRESH] = []
    for run in made:
        airflow.states[run], airflow.newest[run[0]] = ["success"], [run[1]]
    result = followed(airflow, seconds_per_look=60, is_due=lambda _dag_id: how == "lost")
    assert len(found(result)) == 2 + len(made)
    assert len(result.lost) == (3 if how == "lost" else 0)


def test_a_failure_ends_its_branch(airflow: FakeAirflow) -> None:
    airflow.states[LOAD] = ["failed"]
    result = followed(airflow)
    assert found(result) == [(*EXTRACTION, "success"), (*LOAD, "failed")]
    assert not result.has_succeeded


def test_a_silent_airflow_is_asked_again_and_given_up_at_last(airflow: FakeAirflow) -> None:
    airflow.silent = 5
    assert followed(airflow).has_succeeded
    airflow.silent = following._MOST_SILENCES * 10
    airflow.states[EXTRACTION] = ["running"]
    with pytest.raises(RetriableError):
        followed(airflow)


def test_runs_that_come_later_are_followed_too(airflow: FakeAirflow) -> None:
    airflow.states[EXTRACTION[0], "second"] = ["success"]
    looks: list[int] = []

    def more_roots() -> tuple[list[tuple[str, str]], bool]:
        looks.append(1)
        return ([(EXTRACTION[0], "second")] if len(looks) >= 8 else []), len(looks) < 9

    assert (EXTRACTION[0], "second", "success") in found(followed(airflow, more_roots=more_roots))


def test_elsewhere_than_on_a_terminal_a_line_tells_each_change(capsys: pytest.CaptureFixture[str]) -> None:
    run = FollowedRun("sfdc_to_s3__lab", "e", "queued")

    def steps() -> Iterator[Followed]:
        yield Followed([run])
        yield Followed([run])
        run.state, run.started_at_utc, run.ended_at_utc = "success", NOW, NOW + timedelta(seconds=61.5)
        run.detail = "12 rows"
        yield Followed([run])

    show(Console(force_terminal=False, width=120), steps())
    lines = capsys.readouterr().out.splitlines()
    assert [text.split() for text in lines] == [
        ["sfdc_to_s3__lab", "queued"],
        ["sfdc_to_s3__lab", "success", "61.5", "s", "12", "rows"],
    ]
    assert line(run).endswith("12 rows")
