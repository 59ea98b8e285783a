"""What a person may give a run, as Airflow's trigger form shows it. Airflow checks each value against its JSON schema
(400 to whoever triggers); what contradicts something else is refused by the first task: see `identity`.

Every default is "nothing said": runs of the schedule, of assets and of backfills have the defaults too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow.sdk import Param

from idiscover.metadata.countries import COUNTRY_CODES, SLICE_CODES
from idiscover.orchestration.identity import (
    COUNTRIES,
    DRY_RUN,
    MODE,
    MODES,
    ORDER_DATE,
    REASON,
    REASON_LENGTH,
    WINDOW_END,
    WINDOW_START,
)
from idiscover.plan.model import ExtractionPlan
from idiscover.plan.reads import describe_daily_read

_WHAT, _HOW = "What is read", "How it is run"


def extraction_parameters(plan: ExtractionPlan) -> dict[str, Param]:
    """Of `sfdc_to_s3__<object>`. Countries only where Salesforce can pick an object's records by country."""
    daily = f"as its daily run: {describe_daily_read(plan.daily_read_mode, plan.due_every_days)}"
    params = {
        MODE: _param(
            type=["null", "string"],
            enum=[None, *MODES],
            values_display={"None": daily, "delta": "delta: its window", "full": "full: every record"},
            title="Mode",
            description="full reads every record, whatever its SystemModstamp, and with that tells which there are no"
            " more, exactly as the daily run of an object with load_mode: full does. It goes with no window and no"
            " countries. delta reads the window.",
            section=_WHAT,
        ),
        WINDOW_START: _moment("Window start", "Start of a window of your own, included. Needs window_end."),
        WINDOW_END: _moment("Window end", "End of a window of your own, excluded. Needs window_start."),
        ORDER_DATE: _param(
            type=["null", "string"],
            format="date",
            title="Order date",
            description="Run this org day as its scheduled run would: from the watermark to the end of the day (UTC).",
            section=_WHAT,
        ),
    }
    if plan.country_field is not None:
        params[COUNTRIES] = _countries(
            COUNTRY_CODES,
            f"Read the window's records of these countries only (by {plan.country_field}). Such a run never moves the"
            " watermark and says nothing about records that are gone.",
        )
    return {**params, **_how("asks the org for COUNT() only")}


def load_parameters() -> dict[str, Param]:
    """Of `s3_to_redshift__<object>`."""
    return _how("tells which batches are pending, with their rows")


def refresh_parameters() -> dict[str, Param]:
    """Of `stg_to_itg__…`, `itg_to_dm__…`, `dm_to_dm__…`."""
    countries = _countries(
        SLICE_CODES,
        "Refresh exactly these slices now, whatever is pending; a country that a pending move joins to one of them"
        " comes along. What is pending stays pending. Nothing chosen: what is pending.",
    )
    return {COUNTRIES: countries, **_how("tells which countries would be called")}


def _how(shows: str) -> dict[str, Param]:
    return {
        DRY_RUN: Param(
            False,
            type="boolean",
            title="Dry run",
            description=f"Only tell what would happen: {shows}. Nothing is frozen, locked, read, copied, called or"
            " mailed; see the first task's log, and its XCom dry_run.",
            section=_HOW,
        ),
        REASON: _param(
            type=["null", "string"],
            format="multiline",
            maxLength=REASON_LENGTH,
            title="Reason",
            description="Why you start this run: kept with its window, its batch and its status documents, and mailed.",
            section=_HOW,
        ),
    }


def _moment(title: str, description: str) -> Param:
    return _param(
        type=["null", "string"],
        format="date-time",
        title=title,
        description=f"{description} On SystemModstamp, with an offset.",
        section=_WHAT,
    )


def _countries(codes: Sequence[str], description: str) -> Param:
    return _param(
        type=["null", "array"],
        items={"type": "string", "enum": list(codes)},
        uniqueItems=True,
        examples=list(codes),
        title="Countries",
        description=description,
        section=_WHAT,
    )


def _param(**schema: Any) -> Param:
    return Param(None, **schema)
