"""`idiscover contract`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from idiscover.cli.app import RootOption, app


@app.command()
def contract(
    root: RootOption = Path(),
    accept: Annotated[
        str | None,
        typer.Option("--accept", help="Why columns may go or get another type; raises the contract's version."),
    ] = None,
) -> None:
    """Write sql/contract/dm_views.json: the columns of the views that analysts build on.

    New columns and wider types are written as they are. A column that goes, or gets a type that does not hold every old
    value, stops it, as it stops `idiscover validate`, until somebody says why.
    """
    from idiscover.cli.contracting import renew

    found, has_changed = renew(root.resolve(), accept)
    columns = sum(len(columns) for columns in found.views.values())
    state = "written" if has_changed else "up to date"
    typer.echo(
        f"sql/contract/dm_views.json: {state}, version {found.version}, {len(found.views)} views, {columns} columns"
    )
    if accept is not None:
        gone = ", ".join(found.breaks[-1].columns)
        typer.echo(f"write it down in CHANGELOG.md, under Removed or Changed: {gone}: {accept}")
