"""Which run this is, from Airflow's context, and whether its parameters make sense."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from idiscover.errors import ConfigError
from idiscover.metadata.countries import SLICE_CODES
from idiscover.metadata.spelling import nearest
from idiscover.plan.model import RunIdentity

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.sdk import Context

ORDER_DATE = "order_date"
WINDOW_START = "window_start"
WINDOW_END = "window_end"
MODE = "mode"
COUNTRIES = "countries"
DRY_RUN = "dry_run"
REASON = "reason"
MODES = ("delta", "full")
REASON_LENGTH = 500  # characters

EXTRACTION_PARAMETERS = (MODE, WINDOW_START, WINDOW_END, ORDER_DATE, COUNTRIES, DRY_RUN, REASON)
LOAD_PARAMETERS = (DRY_RUN, REASON)
REFRESH_PARAMETERS = (COUNTRIES, DRY_RUN, REASON)


def run_identity(context: Context) -> RunIdentity:
    """The identity of a run of any family, parameters included.

    Runs set off by assets have no interval. A run with `order_date` has the interval of that org day.

    Raises:
        ConfigError: a parameter is unknown, malformed or contradicts another.
    """
    plain = plain_identity(context)
    params: Mapping[str, Any] = context.get("params") or {}
    identity = plain.model_copy(
        update={
            "order_date": _date(params.get(ORDER_DATE), plain.dag_id),
            "window_start_utc": _moment(WINDOW_START, params.get(WINDOW_START), plain.dag_id),
            "window_end_utc": _moment(WINDOW_END, params.get(WINDOW_END), plain.dag_id),
            "mode": _mode(params.get(MODE), plain.dag_id),
            "countries": _countries(params.get(COUNTRIES), plain.dag_id),
            "dry_run": _flag(params.get(DRY_RUN), plain.dag_id),
        }
    )
    _check_window(identity)
    _check_read(identity)
    _check_kind(identity)
    return _with_interval_of_order_date(identity)


def plain_identity(context: Context) -> RunIdentity:
    """The identity without parameters, for those who clean up and report, whatever the parameters were.

    The reason is there: any text will do for it.
    """
    dag_run = context["dag_run"]
    return RunIdentity(
        dag_id=dag_run.dag_id,
        run_id=dag_run.run_id,
        run_type=str(getattr(dag_run.run_type, "value", dag_run.run_type)),
        interval_start_utc=_utc(dag_run.data_interval_start),
        interval_end_utc=_utc(dag_run.data_interval_end),
        reason=_reason((context.get("params") or {}).get(REASON)),
    )


def is_dry_run(context: Context) -> bool:
    """Whether the run only tells what it would do; for those who clean up and report, as `plain_identity`."""
    return (context.get("params") or {}).get(DRY_RUN) is True


def check_conf(context: Context, known: Sequence[str] = EXTRACTION_PARAMETERS) -> None:
    """Airflow accepts parameters that no DAG declares; a misspelt one would silently change what a run does.

    Raises:
        ConfigError: the run's conf has a key that is no parameter.
    """
    dag_run = context["dag_run"]
    for key in sorted(dag_run.conf or {}):
        if key not in known:
            close = nearest(key, known)
            raise ConfigError(
                "unknown DAG parameter",
                where=dag_run.dag_id,
                key=key,
                expected=f"one of {', '.join(known)}",
                did_you_mean=close,
                remedy="correct it" if close else "leave it out",
            )


def _check_window(run: RunIdentity) -> None:
    start, end = run.window_start_utc, run.window_end_utc
    if (start is None) != (end is None):
        raise ConfigError(
            "half a window",
            where=run.dag_id,
            key=WINDOW_START if start is None else WINDOW_END,
            got="nothing",
            expected="a date-time, because the other end of the window is given",
            remedy="give both window_start and window_end, or neither",
        )
    if start is not None and end is not None and start >= end:
        raise ConfigError(
            "window_start is not before window_end",
            where=run.dag_id,
            key=WINDOW_START,
            got=f"{start.isoformat()} to {end.isoformat()}",
            expected="a start before the end",
            remedy="swap them, or widen the window",
        )


def _check_read(run: RunIdentity) -> None:
    """A read of every record goes with nothing that makes it smaller; a day's run is never some countries' alone."""
    smaller = {
        WINDOW_START: run.window_start_utc and run.window_start_utc.isoformat(),
        COUNTRIES: ", ".join(run.countries),
        "a backfill": "of its interval" if run.run_type == "backfill" else "",
    }
    given = {name: value for name, value in smaller.items() if value}
    if run.mode == "full" and given:
        raise ConfigError(
            "a read of every record that is to read less",
            where=run.dag_id,
            key=MODE,
            got=", ".join(["mode full", *(f"{name} {value}" for name, value in given.items())]),
            expected="mode full alone, which tells which records there are no more",
            remedy="leave the mode out to read that window or those countries, or start a manual run with nothing"
            " but the mode",
        )
    if run.countries and run.order_date is not None:
        raise ConfigError(
            "an order date of some countries",
            where=run.dag_id,
            key=COUNTRIES,
            got=f"order_date {run.order_date}, countries {', '.join(run.countries)}",
            expected="one of the two: who runs a day, runs it whole",
            remedy="leave order_date out to read these countries from the watermark on, or give a window",
        )


def _check_kind(run: RunIdentity) -> None:
    start = run.window_start_utc
    if run.order_date is not None and start is not None:
        raise ConfigError(
            "both an order date and a window",
            where=run.dag_id,
            key=ORDER_DATE,
            got=f"order_date {run.order_date}, window_start {start.isoformat()}",
            expected="one of the two",
            remedy="leave the window out to run the day, or the order date to run the window",
        )
    if run.run_type == "backfill":
        _check_backfill(run)


def _check_backfill(run: RunIdentity) -> None:
    """A backfill that reprocesses a run of its day finds the parameters of that run, which may be that same day."""
    interval_day = run.interval_start_utc and run.interval_start_utc.date()
    given = {
        ORDER_DATE: run.order_date if run.order_date != interval_day else None,
        WINDOW_START: run.window_start_utc,
    }
    for key, value in given.items():
        if value is not None:
            raise ConfigError(
                "a backfill with a day or a window of its own",
                where=run.dag_id,
                key=key,
                got=value.isoformat(),
                expected=f"none, or {interval_day}: every run of a backfill reads the interval it is created for",
                remedy="leave the parameters out, or trigger a manual run with them",
            )


def _with_interval_of_order_date(run: RunIdentity) -> RunIdentity:
    """A person who types an order date into the trigger form gets that day, not the form's logical date."""
    if run.order_date is None:
        return run
    if run.interval_start_utc is not None and run.interval_start_utc.date() == run.order_date:
        return run
    start = datetime.combine(run.order_date, time(), tzinfo=UTC)
    return run.model_copy(update={"interval_start_utc": start, "interval_end_utc": start + timedelta(days=1)})


def _utc(moment: datetime | None) -> datetime | None:
    return None if moment is None else datetime.fromtimestamp(moment.timestamp(), tz=UTC)


def _date(value: object, where: str) -> date | None:
    if value in (None, ""):
        return None
    try:
        return date.fromisoformat(str(value))
    except ValueError as error:
        raise ConfigError(
            "not a date", where=where, key=ORDER_DATE, got=value, expected="YYYY-MM-DD, such as 2026-01-05"
        ) from error


def _mode(value: object, where: str) -> object:
    if value in (None, ""):
        return None
    if value not in MODES:
        raise ConfigError(
            "not a mode",
            where=where,
            key=MODE,
            got=value,
            expected=f"one of {', '.join(MODES)}",
            did_you_mean=nearest(value, MODES),
            remedy="leave it out to read what the daily run reads",
        )
    return value


def _countries(value: object, where: str) -> tuple[str, ...]:
    """Sorted, each once."""
    if value in (None, ""):
        return ()
    listed = value if isinstance(value, list | tuple) else [value]
    wrong = [code for code in listed if code not in SLICE_CODES]
    if wrong:
        raise ConfigError(
            "not a country",
            where=where,
            key=COUNTRIES,
            got=", ".join(map(str, wrong)),
            expected="a list of ISO 3166-1 alpha-2 codes in capitals, such as [DE, GB]; ZZ for records without one",
            remedy="the United Kingdom is GB, Greece GR; see dm.dim_country",
        )
    return tuple(sorted(set(listed)))


def _flag(value: object, where: str) -> bool:
    if value not in (None, True, False):
        raise ConfigError(
            "neither true nor false", where=where, key=DRY_RUN, got=value, expected="true or false", remedy="correct it"
        )
    return bool(value)


def _reason(value: object) -> str | None:
    text = "" if value is None else str(value).strip()
    return text[:REASON_LENGTH] or None


def _moment(key: str, value: object, where: str) -> datetime | None:
    if value in (None, ""):
        return None
    expected = "a date-time with an offset, such as 2026-01-05T00:00:00+00:00"
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError as error:
        raise ConfigError("not a date-time", where=where, key=key, got=value, expected=expected) from error
    if moment.tzinfo is None:
        raise ConfigError("a date-time without an offset", where=where, key=key, got=value, expected=expected)
    return moment.astimezone(UTC)
