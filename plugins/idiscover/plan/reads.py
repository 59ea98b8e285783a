"""What a run of an object reads: decided here, once, when its window is frozen. Pure."""

from __future__ import annotations

from idiscover.errors import ConfigError
from idiscover.metadata.models import DeltaFilter, ObjectSpec
from idiscover.metadata.paths import delta_filter_path
from idiscover.plan.model import ExtractionPlan, ReadMode, RunIdentity, RunKind


def daily_read_mode(spec: ObjectSpec, delta: DeltaFilter) -> ReadMode:
    """What scheduled and manual runs of the object read."""
    if spec.load_mode == "full" or delta.formula_refresh == "daily":
        return ReadMode.WHOLE
    return ReadMode.WINDOW_AND_IDS if delta.sweep == "daily" else ReadMode.WINDOW


def describe_read(mode: ReadMode) -> str:
    """The mode in a few words, for people."""
    return {
        ReadMode.WINDOW: "its window",
        ReadMode.WINDOW_AND_IDS: "its window, and the Id of every record, to see which there are no more",
        ReadMode.WHOLE: "every record, whatever its SystemModstamp",
    }[mode]


def read_mode_of(plan: ExtractionPlan, run: RunIdentity, kind: RunKind) -> ReadMode:
    """What this run reads. Who names a window, by a backfill or a parameter, gets that window and nothing else.

    Raises:
        ConfigError: it names one, and the object has no field to cut it on.
    """
    names_a_window = run.window_start_utc is not None or run.window_end_utc is not None
    if kind is not RunKind.BACKFILL and not names_a_window:
        return plan.daily_read_mode
    if plan.delta_field is None:
        raise ConfigError(
            "the object has no time of its last change, so that no window of it can be read",
            where=f"{plan.salesforce_object} ({delta_filter_path(plan.object)})",
            key="field",
            got="a backfill" if kind is RunKind.BACKFILL else "window_start or window_end",
            expected="a run without a window, which reads every record",
            remedy="start a manual run without window_start and window_end",
        )
    return ReadMode.WINDOW
