"""What a run of an object reads: decided here, once, when its window is frozen. Pure."""

from __future__ import annotations

from datetime import date

from idiscover.errors import ConfigError
from idiscover.metadata.models import DAYS_OF_INTERVAL, DeltaFilter, Family, FilterCondition, ObjectSpec
from idiscover.metadata.paths import delta_filter_path, object_path
from idiscover.plan.model import ExtractionPlan, ReadMode, RunIdentity, RunKind, Window


def daily_read_mode(spec: ObjectSpec, delta: DeltaFilter) -> ReadMode:
    """What scheduled and manual runs of the object read, when it is due."""
    if spec.load_mode == "full" or delta.formula_refresh != "never":
        return ReadMode.WHOLE
    return ReadMode.WINDOW_AND_IDS if delta.sweep != "never" else ReadMode.WINDOW


def due_every_days(spec: ObjectSpec, delta: DeltaFilter) -> int:
    """How often it is due."""
    interval = delta.formula_refresh if delta.formula_refresh != "never" else delta.sweep
    return 1 if spec.load_mode == "full" or interval == "never" else DAYS_OF_INTERVAL[interval]


def is_due(plan: ExtractionPlan, order_date: date, last: date | None) -> bool:
    """Whether a run of an order date reads more than its window; `last` is that of the newest batch that did."""
    return last is None or (order_date - last).days >= plan.due_every_days


def describe_daily_read(mode: ReadMode, every_days: int) -> str:
    """What scheduled and manual runs read, in a few words."""
    if every_days == 1:
        return describe_read(mode)
    more = describe_read(mode).removeprefix(f"{describe_read(ReadMode.WINDOW)}, and ")
    return f"{describe_read(ReadMode.WINDOW)}; every {every_days} days {more}"


def describe_read(mode: ReadMode) -> str:
    """The mode in a few words, for people."""
    return {
        ReadMode.WINDOW: "its window",
        ReadMode.WINDOW_AND_IDS: "its window, and the Id of every record, to see which there are no more",
        ReadMode.WHOLE: "every record, whatever its SystemModstamp",
    }[mode]


def explain_read(spec: ObjectSpec, delta: DeltaFilter) -> str:
    """What a day's run reads, and which key of the metadata says so."""
    mode = daily_read_mode(spec, delta)
    refresh = f"formula_refresh: {delta.formula_refresh} in its delta filter"
    reasons = {
        ReadMode.WINDOW: "nothing asks for more",
        ReadMode.WINDOW_AND_IDS: f"sweep: {delta.sweep} in its delta filter",
        ReadMode.WHOLE: "load_mode: full" if spec.load_mode == "full" else refresh,
    }
    return f"{describe_daily_read(mode, due_every_days(spec, delta))} ({reasons[mode]})"


def read_mode_of(plan: ExtractionPlan, run: RunIdentity, kind: RunKind, due: bool = True) -> ReadMode:
    """What this run reads. Who names a window or countries, or backfills, gets that window and nothing else.

    Where more than the window is read every so many days only (`due`), a run on another day reads its window. `mode:
    full` reads every record, as the daily run of an object with `load_mode: full` does. `mode: delta` reads the window
    where the daily run would read every record.

    Raises:
        ConfigError: it names a window, and the object has no field to cut it on; or countries, and Salesforce alone
            does not know the country of the object's records.
    """
    if run.mode == "full":
        return ReadMode.WHOLE
    if run.countries:
        require_country_field(plan)
    names_a_window = run.window_start_utc is not None or run.window_end_utc is not None
    leaves_whole_read = run.mode == "delta" and plan.daily_read_mode is ReadMode.WHOLE
    if kind is not RunKind.BACKFILL and not names_a_window and not run.countries and not leaves_whole_read:
        return plan.daily_read_mode if due else ReadMode.WINDOW
    if plan.delta_field is None:
        asked = "window_start or window_end" if names_a_window else "countries" if run.countries else "mode: delta"
        raise ConfigError(
            "the object has no time of its last change, so that no window of it can be read",
            where=f"{plan.salesforce_object} ({delta_filter_path(plan.object)})",
            key="field",
            got="a backfill" if kind is RunKind.BACKFILL else asked,
            expected="a run without a window, which reads every record",
            remedy="start a manual run without window_start and window_end, mode or countries",
        )
    return ReadMode.WINDOW


def require_country_field(plan: ExtractionPlan) -> None:
    """Raises:
    ConfigError: no query to Salesforce can pick the object's records by country.
    """
    if plan.country_field is None:
        raise ConfigError(
            "Salesforce cannot be asked for the object's records of some countries",
            where=f"{plan.header.dag_id} ({object_path(plan.object)})",
            key="countries",
            expected="none: only where the country rule is column, with a field that can stand in a condition, is the"
            " country in the record itself",
            remedy="leave countries out; to refresh some countries' slices only, trigger"
            f" {Family.STG_TO_ITG.value}__{plan.object} with countries",
        )


def read_filter(plan: ExtractionPlan, window: Window) -> tuple[FilterCondition, ...]:
    """The conditions that a read has beside its window: the delta filter's, and the countries'."""
    if not window.countries:
        return plan.filter
    require_country_field(plan)
    assert plan.country_field is not None
    return (*plan.filter, FilterCondition(field=plan.country_field, op="in", value=window.countries))
