"""`idiscover migrate`: what a deploy would do to standing tables, what has been done, and a migration to start from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from idiscover.cli.app import DEFAULT_CONTEXT, ContextOption, RootOption, app


@app.command()
def migrate(
    context: ContextOption = DEFAULT_CONTEXT,
    root: RootOption = Path(),
    plan: Annotated[
        bool, typer.Option("--plan", help="What a deploy would do to the tables as they stand (the default).")
    ] = False,
    history: Annotated[bool, typer.Option("--history", help="What has changed tables: the ledger.")] = False,
    draft: Annotated[
        str | None,
        typer.Option("--draft", metavar="NAME", help="Write sql/migrations/NNNN_NAME.sql for what needs a person."),
    ] = None,
) -> None:
    """Show how a deploy would change the tables of the warehouse, or how they were changed. Changes none.

    A deploy adds columns and makes texts longer by itself. Everything else it leaves to a migration, and stops until
    there is one: sql/migrations/NNNN_name.sql.
    """
    from idiscover.cli import migrations

    if sum((plan, history, draft is not None)) > 1:
        raise typer.BadParameter("--plan, --history and --draft exclude each other")
    place = root.resolve()
    if history:
        lines = migrations.history_lines(context)
    elif draft is not None:
        lines = migrations.draft_lines(place, context, draft)
    else:
        lines = migrations.plan_lines(place, context)
    for line in lines:
        typer.echo(line)
