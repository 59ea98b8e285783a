"""`idiscover run`."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

import typer

from idiscover.cli.app import DEFAULT_CONTEXT, ContextOption, DryRunOption, app

DAY = ["%Y-%m-%d"]
MOMENT = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S%z"]
ReasonOption = Annotated[
    str | None, typer.Option("--reason", help="Why: kept with window, batch and status documents, and mailed.")
]
CountriesOption = Annotated[
    str | None, typer.Option("--countries", metavar="DE,GB", help="ISO 3166-1 alpha-2 codes with commas between.")
]
WaitOption = Annotated[bool, typer.Option("--wait/--no-wait", help="Follow the runs to their end, or only start them.")]
JsonOption = Annotated[bool, typer.Option("--json", help="For machines: the outcome on stdout, progress on stderr.")]


@app.command()
def run(
    target: Annotated[
        str,
        typer.Argument(help="An object (account), a table (stg.account, itg.account, dm.dim_lab) or a dag_id."),
    ],
    mode: Annotated[
        str | None,
        typer.Option("--mode", metavar="delta|full", help="Read the window, or every record; else as the daily run."),
    ] = None,
    window_start: Annotated[
        datetime | None,
        typer.Option("--from", metavar="TIME", formats=MOMENT, help="Start of a window of your own, included; UTC."),
    ] = None,
    window_end: Annotated[
        datetime | None,
        typer.Option("--to", metavar="TIME", formats=MOMENT, help="End of a window of your own, excluded; UTC."),
    ] = None,
    order_date: Annotated[
        datetime | None,
        typer.Option("--order-date", metavar="DAY", formats=DAY, help="Run this org day as its scheduled run would."),
    ] = None,
    countries: CountriesOption = None,
    reason: ReasonOption = None,
    wait: WaitOption = True,
    as_json: JsonOption = False,
    context: ContextOption = DEFAULT_CONTEXT,
    dry_run: DryRunOption = False,
) -> None:
    """Start a DAG by hand, with what its trigger form takes, and follow it and all that it wakes.

    An object means its extraction: the load, its table in itg and the marts follow by themselves. Of an object's
    extraction, --countries reads the records of these countries only; of a table of itg or dm, it refreshes exactly
    these slices now, whatever is pending.

    With --dry-run the run tells what it would do (window, queries, the org's COUNT(), pending batches, countries), and
    does nothing else.

    Ctrl-C stops following, never the run. Exit status 0 if every run that was followed succeeded.
    """
    from idiscover.cli.runs.asked import Asked, countries_of
    from idiscover.cli.runs.command import HowToFollow, run_target
    from idiscover.cli.windows import require_both_ends

    require_both_ends(window_start, window_end)
    day: date | None = order_date.date() if order_date else None
    asked = Asked(mode, window_start, window_end, day, countries_of(countries), dry_run, reason)
    raise typer.Exit(run_target(context, target, asked, HowToFollow(wait, as_json)))
