"""`idiscover backfill`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from idiscover.cli.app import DEFAULT_CONTEXT, ContextOption, DryRunOption, app
from idiscover.cli.verbs.run import DAY, CountriesOption, JsonOption, ReasonOption, WaitOption


@app.command()
def backfill(
    object_name: Annotated[str, typer.Argument(metavar="OBJECT", help="As metadata/objects/ names it.")],
    first: Annotated[
        datetime | None, typer.Option("--from", metavar="DAY", formats=DAY, help="The first order date.")
    ] = None,
    last: Annotated[
        datetime | None, typer.Option("--to", metavar="DAY", formats=DAY, help="The last order date, included.")
    ] = None,
    reprocess: Annotated[
        str,
        typer.Option(
            "--reprocess",
            metavar="none|failed|completed",
            help="Days that have a run: leave them alone, run those again that failed, or run all again.",
        ),
    ] = "none",
    countries: CountriesOption = None,
    reason: ReasonOption = None,
    follow: Annotated[int | None, typer.Option("--follow", metavar="ID", help="Follow a backfill that runs.")] = None,
    cancel: Annotated[int | None, typer.Option("--cancel", metavar="ID", help="End a backfill: no day begins.")] = None,
    wait: WaitOption = True,
    as_json: JsonOption = False,
    context: ContextOption = DEFAULT_CONTEXT,
    dry_run: DryRunOption = False,
) -> None:
    """Read past days of an object again, one after the other, and follow them to the marts.

    Each day reads the records whose SystemModstamp lies in it, and nothing else: it neither moves the watermark over a
    gap nor says which records there are no more. A record that has changed since lies in a later day; to bring a whole
    object in line, use idiscover resync.

    With --dry-run: the days, which of them have a run, and what would be read. Exit status 0 if every run succeeded.
    """
    from idiscover.cli.runs.asked import Asked, countries_of
    from idiscover.cli.runs.backfills import Days, cancel_backfill, follow_backfill, start_backfill
    from idiscover.cli.runs.command import HowToFollow
    from idiscover.cli.windows import require_both_ends

    require_both_ends(first, last)
    how = HowToFollow(wait, as_json)
    if cancel is not None:
        raise typer.Exit(cancel_backfill(context, cancel))
    if follow is not None:
        raise typer.Exit(follow_backfill(context, object_name, follow, how))
    if first is None or last is None:
        raise typer.BadParameter("a backfill has a first and a last day: --from and --to")
    if reprocess not in ("none", "failed", "completed"):
        raise typer.BadParameter(f"--reprocess is none, failed or completed, not {reprocess}")
    asked = Asked(countries=countries_of(countries), dry_run=dry_run, reason=reason)
    days = Days(first.date(), last.date(), reprocess)
    raise typer.Exit(start_backfill(context, object_name, days, asked, how))
