"""`idiscover resync`."""

from __future__ import annotations

from typing import Annotated

import typer

from idiscover.cli.app import DEFAULT_CONTEXT, ContextOption, DryRunOption, app
from idiscover.cli.verbs.run import JsonOption, ReasonOption, WaitOption


@app.command()
def resync(
    object_name: Annotated[str, typer.Argument(metavar="OBJECT", help="As metadata/objects/ names it.")],
    reason: ReasonOption = None,
    wait: WaitOption = True,
    as_json: JsonOption = False,
    context: ContextOption = DEFAULT_CONTEXT,
    dry_run: DryRunOption = False,
) -> None:
    """Read an object whole, and bring its table in itg and the marts in line with the org.

    For an object that has drifted: records that came into sight again, formulas that changed, rows that nobody trusts.
    Every record is read, whatever its SystemModstamp; those that are there are written over by their newest version,
    those that are not leave itg. Country by country, each in one transaction, so that whoever reads the tables never
    sees a hole. While it reads, it holds the object's lock, as any run does: a daily run that comes meanwhile is tried
    again and, if it gives up, caught up by the next. Of a large object, begin when none is due.

    With --dry-run: how many records would be read, and what would be woken. Exit status 0 if every run succeeded.
    """
    from idiscover.cli.runs.asked import Asked
    from idiscover.cli.runs.command import HowToFollow
    from idiscover.cli.runs.command import resync as read_whole

    asked = Asked(mode="full", dry_run=dry_run, reason=reason)
    raise typer.Exit(read_whole(context, object_name, asked, HowToFollow(wait, as_json)))
