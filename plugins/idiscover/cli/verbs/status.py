"""`idiscover status`."""

from __future__ import annotations

from typing import Annotated

import typer

from idiscover.cli.app import DEFAULT_CONTEXT, ContextOption, app


@app.command()
def status(
    context: ContextOption = DEFAULT_CONTEXT,
    object: Annotated[
        str | None, typer.Option("--object", help="Only this object, and the tables of dm that depend on it.")
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Show it again and again, until Ctrl-C.")] = False,
    every: Annotated[
        float, typer.Option("--every", min=1, max=3600, metavar="SECONDS", help="With --watch: how often.")
    ] = 5,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Show how far every object and every table is, and what waits, is refused, holds or failed.

    Per object: the newest run of each family, the rows of its newest batch as each hop counted them, and how far it is
    behind the org. Then the tables of dm, what waits for which inputs, batches that are not in itg yet, refused ones
    with the reason, open claims and locks with the end of their lease, and the newest failure of each DAG.

    All of it is read from the job metadata, none by searching data. Exit status 1 if a batch is refused, or a run
    failed that no other has come after.
    """
    from idiscover.cli.status.command import StatusRequest, run_status

    needs_somebody = run_status(StatusRequest(context, object, as_json, watch, every))
    raise typer.Exit(1 if needs_somebody else 0)
