"""What demo and day print at their end."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from decimal import Decimal

from rich.console import Console
from rich.table import Table

from local.demo.stand import Stand
from local.demo.verification import Hop
from local.stack.environment import ADMIN, airflow_url, aws_url, tableau_url

_SAMPLE = {
    "country": "country_code",
    "therapeutic area": "therapeutic_area_name",
    "biomarker": "biomarker_name",
    "month": "month",
    "eligible": "eligible_patients",
    "tested": "tested_patients",
    "rate": "testing_rate",
    "change": "testing_rate_change_month",
    "12 months": "testing_rate_12_months",
    "TAT": "mean_tat_days",
    "labs": "testing_labs",
}


def print_verdict(console: Console, hops: list[Hop]) -> int:
    """One table over all hops; the exit status: 0 only if every hop agrees."""
    table = Table("hop", "figures, each counted anew at its place", "verdict", title="Every hop counted anew")
    for hop in hops:
        figures = " = " if hop.agrees else " ≠ "
        text = figures.join(f"{_number(value)} {place}" for place, value in hop.figures.items())
        table.add_row(hop.what, text, "[green]agrees[/green]" if hop.agrees else "[red]DIFFERS[/red]")
    console.print(table)
    differing = [hop for hop in hops if not hop.agrees]
    if differing or not hops:
        console.print(f"[red]{len(differing)} of {len(hops)} hops differ[/red]")
        return 1
    console.print(f"[green]all {len(hops)} hops agree[/green]")
    return 0


def print_mails(console: Console, stand: Stand, since: datetime) -> None:
    """Subjects of the e-mails that went out since the day began."""
    subjects = Counter(mail["subject"] for mail in stand.inbox() if datetime.fromisoformat(mail["sent_at"]) >= since)
    table = Table("e-mails that went out", "times", box=None, pad_edge=False)
    for subject, count in subjects.items():
        table.add_row(subject, str(count))
    console.print(table if subjects else "no e-mails went out")


def print_sample(console: Console, stand: Stand) -> None:
    """A few rows of the mart."""
    rows = stand.warehouse(
        f"select {', '.join(_SAMPLE.values())} from dm.dm_testing_uptake"
        " where testing_rate is not null and month > '1900-01-01'"
        " order by month desc, eligible_patients desc, country_code, biomarker_id limit 8"
    )
    table = Table(*_SAMPLE, title="dm.dm_testing_uptake, a sample")
    for row in rows:
        table.add_row(*(_shown(value) for value in row))
    console.print(table)


def print_travel(console: Console, stand: Stand) -> None:
    """What travelled per order date, and how often each mart was refreshed for it."""
    travel = Table("order date", "batches", "rows extracted", "bytes in S3", title="What travelled")
    for day, batches, rows, size in stand.job_metadata(
        "select order_date, count(*), sum(rows), sum(bytes) from job.batch where run_kind = 'scheduled'"
        " group by order_date order by order_date"
    ):
        travel.add_row(str(day), str(batches), f"{rows:,}", f"{size:,}")
    console.print(travel)
    refreshes = Table("table", "order date", "refreshes", "CALLs", title="Refreshes per table and order date")
    for target, day, count, calls in stand.job_metadata(
        "select target, order_date, count(distinct claim_id), count(call_id) from job.claim"
        " left join job.claim_call using (claim_id)"
        " where state = 'finished' and order_date = (select max(order_date) from job.claim)"
        " group by target, order_date order by target"
    ):
        refreshes.add_row(target, str(day), str(count), str(calls))
    console.print(refreshes)


def print_addresses(console: Console, stand: Stand) -> None:
    """Where to look, and how to get in."""
    aws = aws_url(stand.settings)
    console.print(
        f"\nAirflow   {airflow_url(stand.settings)}   user {ADMIN}, password {stand.settings.passwords['admin']}\n"
        f"mail      {aws}/idiscover/inbox\n"
        f"bucket    {aws}/idiscover/bucket/{stand.context.buckets.data}/\n"
        f"Tableau   {tableau_url(stand.settings)}   what was published\n"
        f"logs      {stand.layout.logs}\n",
        highlight=False,
        soft_wrap=True,
    )


def _shown(value: object) -> str:
    if isinstance(value, Decimal) and value != value.to_integral_value():
        return f"{value:.3f}"
    return "" if value is None else str(value)


def _number(value: object) -> str:
    return "nothing" if value is None else f"{value:,}"
