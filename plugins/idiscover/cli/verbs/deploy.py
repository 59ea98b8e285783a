"""`idiscover deploy`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from idiscover.cli.app import DEFAULT_CONTEXT, ContextOption, DryRunOption, RootOption, app


@app.command()
def deploy(
    context: ContextOption = DEFAULT_CONTEXT,
    root: RootOption = Path(),
    dry_run: DryRunOption = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace metadata that were edited in the bucket since, too.")
    ] = False,
) -> None:
    """Bring code, metadata, tables, procedures and DAG files of this repository to an environment."""
    from idiscover.cli.deploying import deploy as run_deploy

    for line in run_deploy(root.resolve(), context, dry_run, overwrite):
        typer.echo(line)
