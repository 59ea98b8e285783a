"""`idiscover hyper`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from idiscover.cli.app import DEFAULT_CONTEXT, ContextOption, RootOption, app


@app.command()
def hyper(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A subject, or a view such as dm.v_dim_lab.")],
    out: Annotated[Path, typer.Option("--out", help="The .hyper file to write.")],
    context: ContextOption = DEFAULT_CONTEXT,
    root: RootOption = Path(),
) -> None:
    """Write the rows of a view, as they are now, to an extract for Tableau.

    The file appears whole or not at all. It holds the rows of all countries: give it to nobody who may not see them.
    """
    from idiscover.aws.hyper import write_extract
    from idiscover.aws.view_rows import view_rows
    from idiscover.cli.analysts import open_repository, open_warehouse
    from idiscover.cli.places import read_context
    from idiscover.warehouse.views import view_of

    repository = open_repository(root)
    table = repository.table_of(name)
    columns = [column.name for column in repository.columns(table)]
    with open_warehouse(read_context(context)) as connection, view_rows(connection, view_of(table), columns) as rows:
        count = write_extract(rows, out)
    typer.echo(f"{out}: {count:,} rows of {view_of(table)}, {out.stat().st_size:,} bytes")
