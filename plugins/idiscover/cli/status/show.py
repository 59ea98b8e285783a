"""A status for people: objects × families as a table, the marts, and whatever waits, holds or failed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from idiscover.cli.status.report import LastRun, ObjectState, RunState, StatusReport, TableState
from idiscover.lake.keys import quarantine_prefix

_STYLES = {
    RunState.NEVER: "dim",
    RunState.RUNNING: "yellow",
    RunState.RETRYING: "yellow",
    RunState.OK: "green",
    RunState.IDLE: "green",
    RunState.FAILED: "bold red",
}
_OUTCOMES = {"inserted": "+", "updated": "~", "removed": "-"}  # of Ids; those that change nothing are not shown
_NONE = "–"
_KEYS = 3  # of what breaks a check; the JSON has ten, and the query


def rendered(report: StatusReport) -> RenderableType:
    """Everything, one part below the other; parts that say nothing are left out."""
    org = (
        "no batch has seen the org yet"
        if report.org_now_utc is None
        else f"the org's time {_moment(report.org_now_utc)}"
    )
    head = f"environment {report.environment}, {_moment(report.asked_at_utc)} UTC; {org}"
    parts: list[RenderableType] = [Text(head, style="bold"), Text(""), _objects(report.objects)]
    if report.tables:
        parts += [Text(""), _tables(report.tables)]
    for title, lines in _lists(report).items():
        if lines:
            parts += [Text(""), Text(title, style="bold"), *(Text(f"  {line}") for line in lines)]
    return Group(*parts)


def _objects(objects: Sequence[ObjectState]) -> Table:
    table = _table("object", "SFDC → S3", "S3 → stg", "stg → itg", "→ dm")
    for name in ("org", "files", "stg"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("itg", no_wrap=True)
    table.add_column("behind", justify="right", no_wrap=True)
    for item in objects:
        rows = item.rows
        table.add_row(
            item.object,
            _run(item.extraction),
            _run(item.load),
            _run(item.itg) if item.itg else Text(_NONE),
            _marts(item),
            _number(rows.org if rows else None),
            _number(rows.files if rows else None),
            _number(rows.stg if rows else None),
            _ids(rows.itg if rows else None),
            _NONE if item.behind is None else _span(item.behind),
        )
    return table


def _tables(tables: Sequence[TableState]) -> Table:
    shown = _table("table", "last run", "order date", "countries", "seconds")
    for item in tables:
        claim = item.claim
        shown.add_row(
            item.table,
            Text(item.last.state.value, style=_STYLES[item.last.state]),
            _day(item.last.order_date),
            _number(claim.countries_called if claim else None),
            _NONE if claim is None else f"{claim.seconds:.1f}",
        )
    return shown


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in columns:
        table.add_column(name, no_wrap=True)
    return table


def _lists(report: StatusReport) -> dict[str, list[str]]:
    """Title → lines."""
    return {
        "waits": [
            f"{item.table} for {item.run_kind} {item.order_date}, since {_moment(item.since_utc)}: has"
            f" {_names(item.arrived)}{f', not yet {_names(item.missing)}' if item.missing else ''}"
            for item in report.waiting
        ],
        "batches on their way": [
            f"{batch.batch_id}: {batch.state}, {batch.rows:,} rows, registered {_moment(batch.registered_at_utc)}"
            for batch in report.batches
        ],
        "broken rows": [
            f"{item.rows.batch_id}: {item.rows.quarantined:,} break their contract and are in"
            f" {quarantine_prefix(item.object, item.rows.batch_id)} instead"
            for item in report.objects
            if item.rows is not None and item.rows.quarantined
        ],
        "refused batches": [
            f"{item.batch_id} of run {item.run_id}: {item.reason}" for item in report.refused
        ],
        "checks that fail": [
            f"{item.table} {item.check} ({item.severity}), {_names(item.countries)}, order date {item.order_date}:"
            f" {item.failing_count:,} found, such as {', '.join(item.sample_keys[:_KEYS])}"
            for item in report.checks
        ],
        "open claims": [
            f"{claim.target} for {claim.run_kind} {claim.order_date} by {claim.run_id}:"
            f" {_number(claim.countries_called)} countries called, {_number(claim.units)} units,"
            f" lapses {_moment(claim.expires_at_utc)}"
            for claim in report.claims
        ],
        "locks": [
            f"{window.object}, {_moment(window.start_utc)} to {_moment(window.end_utc)}, by {window.run_id}:"
            f" lapses {_moment(window.lapses_at_utc)}"
            for window in report.locks
            if window.lapses_at_utc is not None
        ],
        "last failures": [
            f"{failure.dag_id}, {_moment(failure.at_utc)}, {failure.kind}"
            f"{', over' if failure.is_over else ''}: {failure.what}"
            for failure in report.failures
        ],
        "plans of another version of the code, of which nothing can be told": report.unreadable,
    }  # fmt: skip


def _run(run: LastRun) -> Text:
    day = "" if run.order_date is None else f" {run.order_date}"
    return Text(f"{run.state}{day}", style=_STYLES[run.state])


def _marts(item: ObjectState) -> Text:
    if not item.marts:
        return Text(_NONE)
    current, count = item.current_marts, len(item.marts)
    return Text(f"{current} of {count} current", style="green" if current == count else "yellow")


def _ids(ids: dict[str, int] | None) -> str:
    """New, changed and gone: `+13,000 ~12 -3`."""
    if ids is None:
        return _NONE
    return " ".join(f"{sign}{ids[name]:,}" for name, sign in _OUTCOMES.items() if ids.get(name)) or "same"


def _names(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


def _number(count: int | None) -> str:
    return _NONE if count is None else f"{count:,}"


def _day(day: date | None) -> str:
    return _NONE if day is None else day.isoformat()


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}"


def _span(span: timedelta) -> str:
    """Days and hours, or minutes where it is less than an hour."""
    minutes = int(span.total_seconds() // 60)
    days, hours = divmod(minutes // 60, 24)
    if minutes < 60:
        return f"{minutes} min"
    return f"{days} d {hours} h" if days else f"{hours} h {minutes % 60} min"
