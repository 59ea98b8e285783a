"""What a run of an object reads: decided here, once, when its window is frozen. Pure."""

from __future__ import annotations

from idiscover.metadata.models import DeltaFilter, ObjectSpec
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
    """What this run reads. Who names a window, by a backfill or a parameter, gets that window and nothing else."""
    names_a_window = run.window_start_utc is not None or run.window_end_utc is not None
    return ReadMode.WINDOW if kind is RunKind.BACKFILL or names_a_window else plan.daily_read_mode
