"""Which run it is, and which parameters are refused."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from idiscover.errors import ConfigError
from idiscover.orchestration.identity import (
    REFRESH_PARAMETERS,
    check_conf,
    is_dry_run,
    plain_identity,
    run_identity,
)

START, END = datetime(2026, 1, 5, tzinfo=UTC), datetime(2026, 1, 6, tzinfo=UTC)


def context(run_type: str = "manual", interval: bool = True, **params: Any) -> Any:
    dag_run = SimpleNamespace(
        dag_id="sfdc_to_s3__account",
        run_id="r1",
        run_type=SimpleNamespace(value=run_type),
        data_interval_start=START if interval else None,
        data_interval_end=END if interval else None,
        conf=params,
    )
    return {"dag_run": dag_run, "params": params}


def test_a_scheduled_run() -> None:
    run = run_identity(context("scheduled"))
    assert (run.dag_id, run.run_id, run.run_type) == ("sfdc_to_s3__account", "r1", "scheduled")
    assert (run.interval_start_utc, run.interval_end_utc, run.order_date) == (START, END, None)


def test_an_asset_run_has_no_interval_and_no_parameters() -> None:
    run = run_identity({**context("asset_triggered", interval=False), "params": None})
    assert run.interval_start_utc is None and run.interval_end_utc is None


def test_the_day_of_a_run_made_over_rest() -> None:
    run = run_identity(context(order_date="2026-01-05"))
    assert run.order_date == date(2026, 1, 5)
    assert (run.interval_start_utc, run.interval_end_utc) == (START, END)


def test_an_order_date_typed_by_hand_brings_its_own_day() -> None:
    run = run_identity(context(order_date="2026-01-03"))
    assert run.interval_start_utc == datetime(2026, 1, 3, tzinfo=UTC)
    assert run.interval_end_utc == datetime(2026, 1, 4, tzinfo=UTC)


@given(
    st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2100, 1, 1)),
    st.integers(min_value=1, max_value=10**7),
    st.integers(min_value=-12, max_value=14),
    st.integers(min_value=-12, max_value=14),
)
def test_windows_are_compared_as_moments(start: datetime, seconds: int, zone_1: int, zone_2: int) -> None:
    first = start.replace(tzinfo=UTC)
    last = first + timedelta(seconds=seconds)
    texts = [
        moment.astimezone(timezone(timedelta(hours=zone))).isoformat()
        for moment, zone in ((first, zone_1), (last, zone_2))
    ]
    run = run_identity(context(window_start=texts[0], window_end=texts[1]))
    assert (run.window_start_utc, run.window_end_utc) == (first, last)
    with pytest.raises(ConfigError, match="not before"):
        run_identity(context(window_start=texts[1], window_end=texts[0]))
    with pytest.raises(ConfigError, match="not before"):
        run_identity(context(window_start=texts[0], window_end=texts[0]))


@pytest.mark.parametrize(
    ("params", "run_type", "what"),
    [
        ({"window_start": "2026-01-05T00:00:00Z"}, "manual", "half a window"),
        ({"window_end": "2026-01-05T00:00:00Z"}, "manual", "half a window"),
        ({"window_start": "2026-01-05T00:00:00", "window_end": "2026-01-06T00:00:00Z"}, "manual", "without an offset"),
        ({"window_start": "yesterday", "window_end": "2026-01-06T00:00:00Z"}, "manual", "not a date-time"),
        ({"order_date": "2026-02-30"}, "manual", "not a date"),
        ({"order_date": "05.01.2026"}, "manual", "not a date"),
        (
            {
                "order_date": "2026-01-05",
                "window_start": "2026-01-05T00:00:00Z",
                "window_end": "2026-01-06T00:00:00Z",
            },
            "manual",
            "both an order date and a window",
        ),
        ({"order_date": "2026-01-04"}, "backfill", "a backfill with"),
        (
            {"window_start": "2026-01-05T00:00:00Z", "window_end": "2026-01-06T00:00:00Z"},
            "backfill",
            "a backfill with",
        ),
    ],
)
def test_bad_parameters_are_refused(params: dict[str, str], run_type: str, what: str) -> None:
    with pytest.raises(ConfigError, match=what) as caught:
        run_identity(context(run_type, **params))
    assert caught.value.where == "sfdc_to_s3__account"
    assert caught.value.key in params or what == "half a window"
    assert plain_identity(context(run_type, **params)).run_id == "r1", "cleaning up works whatever the parameters"


def test_a_backfill_reprocesses_the_run_of_its_day_with_the_parameters_that_it_had() -> None:
    run = run_identity(context("backfill", order_date="2026-01-05"))
    assert (run.run_type, run.order_date) == ("backfill", date(2026, 1, 5))
    assert run.interval_start_utc == datetime(2026, 1, 5, tzinfo=UTC)


def test_empty_parameters_are_none() -> None:
    run = run_identity(context(order_date=None, window_start="", window_end=None))
    assert run.order_date is run.window_start_utc is run.window_end_utc is None


def test_a_misspelt_parameter_is_refused_with_the_right_one() -> None:
    with pytest.raises(ConfigError, match="did you mean: order_date"):
        check_conf(context(orderdate="2026-01-05"))
    with pytest.raises(ConfigError, match="leave it out"):
        check_conf(context(colour="blue"))
    check_conf(context(order_date="2026-01-05"))
    check_conf({"dag_run": SimpleNamespace(conf=None, dag_id="x")})


def test_what_a_person_asks_for() -> None:
    run = run_identity(context(countries=["GB", "DE", "GB"], dry_run=True, reason=" incident 4711 "))
    assert (run.countries, run.dry_run, run.reason, run.mode) == (("DE", "GB"), True, "incident 4711", None)
    assert run_identity(context(mode="full")).mode == "full"
    assert run_identity(context(countries=None, dry_run=False, reason=None, mode=None)).countries == ()


def test_the_reason_is_told_whatever_the_other_parameters_are() -> None:
    assert plain_identity(context(mode="nonsense", reason="because")).reason == "because"
    assert is_dry_run(context(mode="nonsense", dry_run=True)) and not is_dry_run(context())


@pytest.mark.parametrize(
    ("run_type", "params", "words"),
    [
        ("manual", {"mode": "ful"}, "not a mode[^!]*did you mean: full"),
        ("manual", {"countries": ["UK"]}, "not a country[^!]*got: UK[^!]*GB"),
        ("manual", {"countries": "de"}, "not a country[^!]*got: de"),
        ("manual", {"dry_run": "yes"}, "neither true nor false"),
        ("manual", {"mode": "full", "countries": ["DE"]}, "read less[^!]*countries DE"),
        (
            "manual",
            {
                "mode": "full",
                "window_start": "2026-01-05T00:00:00+00:00",
                "window_end": "2026-01-06T00:00:00+00:00",
            },
            "read less[^!]*window_start 2026-01-05",
        ),
        ("backfill", {"mode": "full"}, "read less[^!]*a backfill"),
        ("manual", {"order_date": "2026-01-05", "countries": ["DE"]}, "an order date of some countries"),
    ],
)
def test_what_contradicts_itself_is_refused(run_type: str, params: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words) as error:
        run_identity(context(run_type, **params))
    assert "remedy: " in str(error.value)


def test_a_backfill_may_be_of_some_countries_and_of_mode_delta() -> None:
    run = run_identity(context("backfill", countries=["DE"], mode="delta"))
    assert (run.countries, run.mode) == (("DE",), "delta")


def test_a_family_has_parameters_of_its_own() -> None:
    check_conf(context(countries=["DE"], dry_run=True), REFRESH_PARAMETERS)
    with pytest.raises(ConfigError, match=r"unknown DAG parameter[^!]*mode"):
        check_conf(context(mode="full"), REFRESH_PARAMETERS)
