"""`idiscover schema`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from idiscover.cli.app import RootOption, app


@app.command()
def schema(
    root: RootOption = Path(),
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; end with status 1 if a file is not up to date.")
    ] = False,
) -> None:
    """Make the JSON Schemas, the key tables of docs/metadata.md and docs/dictionary.md from models and metadata."""
    from idiscover.cli.schema_files import schema_files, stale, write

    changed = stale(root.resolve()) if check else write(root.resolve())
    for path in changed:
        typer.echo(f"{path}: {'is not up to date' if check else 'written'}")
    typer.echo(f"{len(schema_files(root.resolve())) - len(changed)} files up to date")
    if check and changed:
        typer.echo("run idiscover schema", err=True)
        raise typer.Exit(1)
