"""`idiscover erase`."""

from __future__ import annotations

from typing import Annotated

import typer

from idiscover.cli.app import DEFAULT_CONTEXT, ContextOption, DryRunOption, app


@app.command()
def erase(
    record_id: Annotated[
        list[str], typer.Argument(metavar="ID...", help="Salesforce Ids of 18 or 15 characters, of any object.")
    ],
    reason: Annotated[
        str | None, typer.Option("--reason", help="Stands in job.erasure. Never name the person.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask. What is erased cannot be brought back.")] = False,
    context: ContextOption = DEFAULT_CONTEXT,
    dry_run: DryRunOption = False,
) -> None:
    """Remove records from every layer for good, and keep them from coming back.

    Rows of the record go, references to it become null: in stg, itg, histories, source/ and archive/ with all old
    versions of their objects, and in dm by its own refreshes. A keyed hash of the Id guards later extractions, replays
    and rebuilds; job.erasure records who asked, when and what was done, without the Id.

    At the end all layers are searched. Exit status 0: nothing is left; 1: something is, and is named; so is a mart
    whose DAG is paused or fails. Killed anywhere, or ended with 1, say it again. Erase the person in Salesforce, too:
    the org is not touched.
    """
    from idiscover.aws.erasure import erase as erase_records
    from idiscover.aws.erasure import objects_of, search
    from idiscover.cli.deployed import requester
    from idiscover.cli.erasing import ask, request_of, say_findings

    request = request_of(context, record_id, reason, typer.echo)
    found = search(request)
    say_findings(found, "found in", typer.echo)
    if dry_run:
        typer.echo("a dry run: nothing was changed")
        return
    if not yes:
        ask(len(record_id), objects_of(request))
    left = erase_records(request, requester(), reason)
    if left.is_empty:
        typer.echo("nothing left: no version of an object, no table holds the Id")
        return
    say_findings(left, "LEFT in", typer.echo)
    raise typer.Exit(1)
