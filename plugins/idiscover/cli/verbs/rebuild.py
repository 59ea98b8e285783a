"""`idiscover rebuild`."""

from __future__ import annotations

from typing import Annotated

import typer

from idiscover.cli.app import DEFAULT_CONTEXT, ContextOption, DryRunOption, app


@app.command()
def rebuild(
    object_name: Annotated[str, typer.Argument(metavar="OBJECT", help="As metadata/objects/ names it.")],
    reason: Annotated[str | None, typer.Option("--reason", help="Stands in the notes of the runs that follow.")] = None,
    rows_may_differ: Annotated[
        bool,
        typer.Option(
            "--rows-may-differ",
            help="The number of rows that stand there now is no measure: checks of kind row_count are left out.",
        ),
    ] = False,
    context: ContextOption = DEFAULT_CONTEXT,
    dry_run: DryRunOption = False,
) -> None:
    """Make an object's table in itg, and its history, anew from archive/.

    For a table whose rows are wrong, missing or strange. All of it is one transaction: whoever reads the table sees
    either what it was or what it has to be. The object's loads and the table's refreshes wait meanwhile. The table's
    checks are asked before the commit: where one fails, the table stays as it was. Then every slice of every table
    that is computed from it is refreshed. Killed anywhere, say it again.
    """
    from idiscover.aws.rebuild import rebuild as make_anew
    from idiscover.aws.rebuild import without_row_counts, work_of
    from idiscover.aws.wakes import ready_consumers
    from idiscover.cli.deployed import Waker, open_deployed, wake

    deployed = open_deployed(context)
    plan, load = deployed.refresh_of(object_name), deployed.load_of(object_name)
    if dry_run:
        work = work_of(plan, load)
        typer.echo(f"{plan.table} would be made anew from {len(work.manifests)} batches with {work.rows:,} rows")
        typer.echo(f"every slice would be refreshed of: {', '.join(consumer.table for consumer in plan.consumers)}")
        return
    result = make_anew(without_row_counts(plan) if rows_may_differ else plan, load, typer.echo)
    typer.echo(f"{plan.table}: made anew from {result['batches']} batches, {result['rows']:,} rows")
    wake(Waker(plan.context, "rebuild", reason), deployed.dags_of(ready_consumers(plan)), typer.echo)
