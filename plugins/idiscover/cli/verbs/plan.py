"""`idiscover plan`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from idiscover.cli.app import DEFAULT_CONTEXT, DEFAULT_METADATA, ContextOption, MetadataOption, RootOption, app


@app.command()
def plan(
    name: Annotated[str, typer.Argument(help="An object, such as account, or a table, such as dm.dim_lab.")],
    metadata: MetadataOption = DEFAULT_METADATA,
    context: ContextOption = DEFAULT_CONTEXT,
    root: RootOption = Path(),
    order_date: Annotated[
        str | None,
        typer.Option("--order-date", metavar="YYYY-MM-DD", help="Show this day's scheduled run, with its real window."),
    ] = None,
    diff: Annotated[
        bool, typer.Option("--diff", help="Show only what differs from what runs: DAG bucket and last release.")
    ] = False,
    exit_code: Annotated[bool, typer.Option("--exit-code", help="With --diff: exit status 1 if anything differs.")] = (
        False
    ),
    picture: Annotated[
        str | None,
        typer.Option(
            "--picture",
            metavar="mermaid|FILE",
            help="Only the picture of the DAGs: as Mermaid, or into FILE.svg or FILE.mmd.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Show everything that would run for an object or a table. Nothing is touched.

    For an object: what is read and why, SOQL, cluster and step, keys in S3, COPY, CALLs, pools, assets, consumers,
    DDL and procedures, and which DAG wakes which, up to the marts. For a table: its inputs, units, statements,
    consumers, DDL and procedure.

    Mistakes in files that it does not rest on are told on stderr, and these files are left out.

    With --diff the plan is compared with the plans in the DAG bucket and with the SQL of the last release; only then is
    anything asked of AWS, and only by reading.
    """
    from idiscover.cli.planning.command import PlanRequest, run_plan

    request = PlanRequest(name, metadata, context, root.resolve(), order_date, diff, picture, as_json)
    differs = run_plan(request)
    raise typer.Exit(1 if differs and exit_code else 0)
