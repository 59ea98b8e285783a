"""Which run this is, from Airflow's context, and whether its parameters make sense."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from idiscover.errors import ConfigError
from idiscover.plan.model import RunIdentity

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow.sdk import Context

ORDER_DATE = "order_date"
WINDOW_START = "window_start"
WINDOW_END = "window_end"
PARAMETERS = (ORDER_DATE, WINDOW_START, WINDOW_END)


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
        }
    )
    _check_window(identity)
    _check_kind(identity)
    return _with_interval_of_order_date(identity)


def plain_identity(context: Context) -> RunIdentity:
    """The identity without parameters, for those who clean up and report, whatever the parameters were."""
    dag_run = context["dag_run"]
    return RunIdentity(
        dag_id=dag_run.dag_id,
        run_id=dag_run.run_id,
        run_type=str(getattr(dag_run.run_type, "value", dag_run.run_type)),
        interval_start_utc=_utc(dag_run.data_interval_start),
        interval_end_utc=_utc(dag_run.data_interval_end),
    )


def check_conf(context: Context) -> None:
    """Airflow accepts parameters that no DAG declares; a misspelt one would silently change what a run does.

    Raises:
        ConfigError: the run's conf has a key that is no parameter.
    """
    dag_run = context["dag_run"]
    for key in sorted(dag_run.conf or {}):
        if key not in PARAMETERS:
            close = get_close_matches(key, PARAMETERS, n=1)
            raise ConfigError(
                "unknown DAG parameter",
                where=dag_run.dag_id,
                key=key,
                expected=f"one of {', '.join(PARAMETERS)}",
                remedy=f"did you mean {close[0]}?" if close else "leave it out",
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
    if run.run_type == "backfill" and (run.order_date is not None or start is not None):
        raise ConfigError(
            "a backfill with a day or a window of its own",
            where=run.dag_id,
            key=ORDER_DATE if run.order_date is not None else WINDOW_START,
            expected="none: every run of a backfill reads the interval it is created for",
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
