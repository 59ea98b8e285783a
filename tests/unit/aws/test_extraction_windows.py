"""The window of every kind of run, by table and by property."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from idiscover.aws.extraction_run import batch_id, extraction_request, new_window, open_extraction, run_kind
from idiscover.errors import ConfigError
from idiscover.metadata.models import Protection
from idiscover.plan.build import build_plans
from idiscover.plan.model import ExtractionPlan, ReadMode, RunIdentity, RunKind
from idiscover.salesforce import soql

from tests.unit.metadata_samples import sample_catalog, sample_context

LOOKBACK = timedelta(hours=12)  # as the sample's delta filters say


def plan() -> ExtractionPlan:
    """Of the sample's labs: history begins in 2015."""
    plans = {item.header.dag_id: item for item in build_plans(sample_catalog(), sample_context(), "0" * 40)}
    found = plans["sfdc_to_s3__lab"]
    assert isinstance(found, ExtractionPlan)
    return found


PLAN = plan()
START = PLAN.start


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def run(
    run_type: str, day: str | None = None, *, order_date: str | None = None, own: tuple[str, str] | None = None
) -> RunIdentity:
    start = at(day) if day else None
    return RunIdentity(
        dag_id=PLAN.header.dag_id,
        run_id=f"{run_type}__{day}",
        run_type=run_type,
        interval_start_utc=start,
        interval_end_utc=None if start is None else start + timedelta(days=1),
        order_date=None if order_date is None else date.fromisoformat(order_date),
        window_start_utc=None if own is None else at(own[0]),
        window_end_utc=None if own is None else at(own[1]),
    )


@dataclass(frozen=True)
class Case:
    """A run, what is known when it starts, and the window it has to get."""

    name: str
    run: RunIdentity
    watermark: str | None
    org_now: str
    kind: RunKind
    order_date: str
    window: tuple[str, str]
    is_empty: bool = False


CASES = (
    Case("the first scheduled run reads from the start of history",
         run("scheduled", "2026-01-05"), None, "2026-01-06T00:30",
         RunKind.SCHEDULED, "2026-01-05", ("2015-01-01", "2026-01-06")),
    Case("a scheduled run reads from the watermark, less the lookback",
         run("scheduled", "2026-01-06"), "2026-01-06", "2026-01-07T00:30",
         RunKind.SCHEDULED, "2026-01-06", ("2026-01-05T12:00", "2026-01-07")),
    Case("a missed day is caught up",
         run("scheduled", "2026-01-09"), "2026-01-06", "2026-01-10T00:30",
         RunKind.SCHEDULED, "2026-01-09", ("2026-01-05T12:00", "2026-01-10")),
    Case("a scheduled run ends at the org's now, if that is before its interval's end",
         run("scheduled", "2026-01-06"), "2026-01-06", "2026-01-06T18:00",
         RunKind.SCHEDULED, "2026-01-06", ("2026-01-05T12:00", "2026-01-06T18:00")),
    Case("the run of a day long since read is empty",
         run("scheduled", "2026-01-05"), "2026-01-09", "2026-01-10T00:30",
         RunKind.SCHEDULED, "2026-01-05", ("2026-01-08T12:00", "2026-01-06"), is_empty=True),
    Case("within the lookback, the day before is read once more",
         run("scheduled", "2026-01-05"), "2026-01-06", "2026-01-10T00:30",
         RunKind.SCHEDULED, "2026-01-05", ("2026-01-05T12:00", "2026-01-06")),
    Case("a run with an order date is that day's scheduled run, whoever started it",
         run("manual", "2026-01-06", order_date="2026-01-06"), "2026-01-06", "2026-01-07T00:30",
         RunKind.SCHEDULED, "2026-01-06", ("2026-01-05T12:00", "2026-01-07")),
    Case("a manual run reads from the watermark, less the lookback, to the org's now",
         run("manual", "2026-01-07"), "2026-01-06", "2026-01-06T15:45",
         RunKind.MANUAL, "2026-01-06", ("2026-01-05T12:00", "2026-01-06T15:45")),
    Case("a manual run before any other reads all of history",
         run("manual"), None, "2026-01-06T15:45",
         RunKind.MANUAL, "2026-01-06", ("2015-01-01", "2026-01-06T15:45")),
    Case("a manual run may have a window of its own",
         run("manual", own=("2020-03-01", "2020-04-01")), "2026-01-06", "2026-01-06T15:45",
         RunKind.MANUAL, "2026-01-06", ("2020-03-01", "2020-04-01")),
    Case("its own window may be older than history",
         run("manual", own=("2010-01-01", "2011-01-01")), None, "2026-01-06T15:45",
         RunKind.MANUAL, "2026-01-06", ("2010-01-01", "2011-01-01")),
    Case("its own window ends at the org's now at the latest",
         run("manual", own=("2026-01-01", "2027-01-01")), "2026-01-06", "2026-01-06T15:45",
         RunKind.MANUAL, "2026-01-06", ("2026-01-01", "2026-01-06T15:45")),
    Case("its own window in the future is empty",
         run("manual", own=("2027-01-01", "2028-01-01")), "2026-01-06", "2026-01-06T15:45",
         RunKind.MANUAL, "2026-01-06", ("2027-01-01", "2026-01-06T15:45"), is_empty=True),
    Case("a backfill reads its own interval, whatever the watermark",
         run("backfill", "2025-12-01"), "2026-01-06", "2026-01-06T15:45",
         RunKind.BACKFILL, "2025-12-01", ("2025-12-01", "2025-12-02")),
    Case("a backfill of today ends at the org's now",
         run("backfill", "2026-01-06"), "2026-01-06", "2026-01-06T15:45",
         RunKind.BACKFILL, "2026-01-06", ("2026-01-06", "2026-01-06T15:45")),
    Case("a backfill of tomorrow is empty",
         run("backfill", "2026-01-07"), "2026-01-06", "2026-01-06T15:45",
         RunKind.BACKFILL, "2026-01-07", ("2026-01-07", "2026-01-06T15:45"), is_empty=True),
    Case("the lookback does not reach before the start of history",
         run("scheduled", "2015-01-01"), "2015-01-01T06:00", "2015-01-02T00:30",
         RunKind.SCHEDULED, "2015-01-01", ("2015-01-01", "2015-01-02")),
)  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_windows(case: Case) -> None:
    watermark = at(case.watermark) if case.watermark else None
    window = new_window(PLAN, case.run, watermark, at(case.org_now))
    assert (window.run_kind, window.order_date.isoformat()) == (case.kind, case.order_date)
    assert (window.start_utc, window.end_utc) == (at(case.window[0]), at(case.window[1]))
    assert window.is_empty is case.is_empty
    assert (window.object, window.run_id) == ("lab", case.run.run_id)


@pytest.mark.parametrize("run_type", ["scheduled", "backfill"])
def test_without_an_interval_a_scheduled_run_has_no_window(run_type: str) -> None:
    with pytest.raises(ConfigError, match="no data interval"):
        new_window(PLAN, run(run_type), None, at("2026-01-06"))


@pytest.mark.parametrize("now", ["2026-01-05T23:59", "1999-01-01"])
def test_an_order_date_that_has_not_begun_is_refused(now: str) -> None:
    """It would arrive at the marts as their newest day, and they would be computed as of it for ever."""
    typed = run("manual", "2026-01-06", order_date="2026-01-06")
    with pytest.raises(ConfigError, match="an order date that has not begun"):
        new_window(PLAN, typed, None, at(now))
    assert new_window(PLAN, typed, None, at("2026-01-06T00:00")).order_date == date(2026, 1, 6)


def test_a_start_moved_past_the_watermark_leaves_no_gap() -> None:
    """A gap would keep the watermark where it is for ever, and each run would read all that came since."""
    moved = PLAN.model_copy(update={"start": at("2026-06-01")})
    window = new_window(moved, run("scheduled", "2026-06-02"), at("2026-01-06"), at("2026-06-03T00:30"))
    assert window.start_utc <= at("2026-01-06")


def test_times_in_other_zones_are_the_same_instants() -> None:
    east = datetime.fromisoformat("2026-01-06T01:00:00+01:00")
    shifted = run("backfill", "2026-01-06").model_copy(
        update={"interval_start_utc": east, "interval_end_utc": east + timedelta(days=1)}
    )
    window = new_window(PLAN, shifted, None, at("2026-01-08"))
    assert window.order_date == date(2026, 1, 6)
    assert window.model_dump(mode="json")["start_utc"] == "2026-01-06T00:00:00Z"


MINUTES = st.integers(0, 60 * 24 * 40).map(lambda minutes: START + timedelta(minutes=minutes))
DAYS = st.integers(0, 40).map(lambda days: (START + timedelta(days=days)).date().isoformat())


@given(
    kind=st.sampled_from(["scheduled", "backfill", "manual"]),
    day=DAYS,
    watermark=st.none() | MINUTES,
    org_now=MINUTES,
    own=st.none() | st.tuples(MINUTES, MINUTES),
)
def test_any_window(
    kind: str, day: str, watermark: datetime | None, org_now: datetime, own: tuple[datetime, datetime] | None
) -> None:
    given_own = own if kind == "manual" else None
    identity = run(kind, day).model_copy(
        update={
            "window_start_utc": given_own[0] if given_own else None,
            "window_end_utc": given_own[1] if given_own else None,
        }
    )
    window = new_window(PLAN, identity, watermark, org_now)
    assert window.end_utc <= org_now
    if kind == "backfill":
        assert window.start_utc == at(day)
    elif given_own is None:
        assert window.start_utc >= START
        if watermark is None:
            assert window.start_utc == START
        else:  # no gap before it, and no more than the lookback read again
            assert watermark - LOOKBACK <= window.start_utc <= watermark
    if kind != "manual":
        assert window.order_date.isoformat() == day and window.end_utc <= at(day) + timedelta(days=1)


@pytest.mark.parametrize(
    ("run_type", "order_date", "kind"),
    [
        ("scheduled", None, RunKind.SCHEDULED),
        ("scheduled", "2026-01-05", RunKind.SCHEDULED),
        ("manual", None, RunKind.MANUAL),
        ("manual", "2026-01-05", RunKind.SCHEDULED),
        ("asset_triggered", None, RunKind.MANUAL),
        ("backfill", None, RunKind.BACKFILL),
    ],
)
def test_kinds(run_type: str, order_date: str | None, kind: RunKind) -> None:
    assert run_kind(run(run_type, order_date=order_date)) is kind


def test_a_batch_id_is_the_runs_own() -> None:
    day, first = date(2026, 1, 5), run("scheduled", "2026-01-05")
    ids = {
        batch_id("lab", day, first),
        batch_id("test", day, first),
        batch_id("lab", day, first.model_copy(update={"run_type": "backfill"})),
        batch_id("lab", day, first.model_copy(update={"run_id": "another"})),
    }
    assert len(ids) == 4
    assert batch_id("lab", day, first.model_copy(update={"order_date": day})) in ids
    assert all(len(item) <= 128 and item.split("-")[1] == "20260105" for item in ids)


NOW = "2026-01-06T15:45"
WHOLE, SWEPT = (PLAN.model_copy(update={"daily_read_mode": mode}) for mode in (ReadMode.WHOLE, ReadMode.WINDOW_AND_IDS))
NO_COUNTRY = PLAN.model_copy(update={"country_field": None})
NO_DELTA = WHOLE.model_copy(update={"delta_field": None})


def asked(identity: RunIdentity, **parameters: object) -> RunIdentity:
    """The run with what a person gives in the trigger form."""
    return identity.model_copy(update=parameters)


@pytest.mark.parametrize(
    ("of", "identity", "mode"),
    [
        (PLAN, asked(run("manual"), mode="full"), ReadMode.WHOLE),
        (SWEPT, asked(run("manual"), mode="full"), ReadMode.WHOLE),
        (SWEPT, asked(run("manual"), mode="delta"), ReadMode.WINDOW_AND_IDS),
        (WHOLE, asked(run("manual"), mode="delta"), ReadMode.WINDOW),
        (WHOLE, run("manual"), ReadMode.WHOLE),
        (WHOLE, asked(run("backfill", "2026-01-05"), mode="delta"), ReadMode.WINDOW),
        (SWEPT, asked(run("manual"), countries=("DE",)), ReadMode.WINDOW),
        (WHOLE, asked(run("manual"), countries=("DE",)), ReadMode.WINDOW),
        (NO_DELTA, asked(run("manual"), mode="full"), ReadMode.WHOLE),
    ],
)
def test_what_a_person_asks_for_is_read(of: ExtractionPlan, identity: RunIdentity, mode: ReadMode) -> None:
    assert new_window(of, identity, None, at(NOW)).read_mode is mode


@pytest.mark.parametrize("of", [WHOLE, SWEPT], ids=["whole", "swept"])
@pytest.mark.parametrize(
    ("last", "is_due"),
    [(None, True), ("2025-12-29", True), ("2025-12-28", True), ("2025-12-30", False), ("2026-01-05", False),
     ("2026-02-01", False)],
)  # fmt: skip
def test_what_is_due_once_a_week_is_read_once_a_week(of: ExtractionPlan, last: str | None, is_due: bool) -> None:
    """Counted in order dates: a day that is caught up is due as it was on its day."""
    weekly = of.model_copy(update={"due_every_days": 7})
    newest = None if last is None else date.fromisoformat(last)
    found = new_window(weekly, run("scheduled", "2026-01-05"), at("2026-01-05"), at(NOW), newest)
    assert found.read_mode is (of.daily_read_mode if is_due else ReadMode.WINDOW)
    asked_for = new_window(weekly, asked(run("manual"), mode="full"), None, at(NOW), newest)
    assert asked_for.read_mode is ReadMode.WHOLE, "whoever asks for it gets it"


def test_a_manual_whole_read_has_the_window_of_a_manual_run() -> None:
    """So that it moves the watermark as any run does that reads from there."""
    watermark = at("2026-01-06")
    whole = new_window(PLAN, asked(run("manual"), mode="full"), watermark, at(NOW))
    delta = new_window(PLAN, run("manual"), watermark, at(NOW))
    assert (whole.start_utc, whole.end_utc) == (delta.start_utc, delta.end_utc)


def test_countries_stand_in_the_query_and_in_the_window() -> None:
    identity = asked(run("manual", own=("2026-01-01", "2026-01-02")), countries=("DE", "GB"), reason="because")
    window = new_window(PLAN, identity, None, at(NOW))
    assert (window.countries, window.reason) == (("DE", "GB"), "because")
    query = soql.count(extraction_request(PLAN, identity, window))
    assert query.endswith("AND SystemModstamp < 2026-01-02T00:00:00.000Z AND Country_Code__c IN ('DE', 'GB')")
    alone = new_window(PLAN, run("manual"), None, at(NOW))
    assert "Country_Code__c" not in soql.count(extraction_request(PLAN, run("manual"), alone))


@pytest.mark.parametrize(
    ("of", "parameters", "words"),
    [
        (NO_COUNTRY, {"countries": ("DE",)}, "trigger stg_to_itg__lab with countries"),
        (NO_DELTA, {"mode": "delta"}, "got: mode: delta"),
        (NO_DELTA, {"countries": ("DE",)}, "got: countries"),
    ],
)
def test_what_the_object_cannot_give_is_refused(of: ExtractionPlan, parameters: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        new_window(of, asked(run("manual"), **parameters), None, at(NOW))


def test_nothing_begins_where_values_are_to_be_hashed_and_nobody_says_with_which_key() -> None:
    """Before anything is frozen, locked or created: no store is there, and none is asked."""
    hashed = PLAN.columns[2].model_copy(update={"protect": Protection.HASH})
    secrets = PLAN.context.secrets.model_copy(update={"protection": None})
    context = PLAN.context.model_copy(update={"secrets": secrets})
    with pytest.raises(ConfigError, match=r"secrets\.protection"):
        open_extraction(PLAN.model_copy(update={"columns": (hashed,), "context": context}), run("manual"))
