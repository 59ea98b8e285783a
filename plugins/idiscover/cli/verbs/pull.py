"""`idiscover pull`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from idiscover.cli.app import DEFAULT_CONTEXT, ContextOption, DryRunOption, RootOption, app


@app.command()
def pull(
    context: ContextOption = DEFAULT_CONTEXT,
    root: RootOption = Path(),
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Take the bucket's text of files, too, that were changed here as well.")
    ] = False,
    dry_run: DryRunOption = False,
) -> None:
    """Bring metadata and the context that were edited in the bucket since the last release into this repository.

    Shows each edit as a diff from the repository's text to the bucket's, and writes it to metadata/, and the context to
    the file that --context names. A file that was
    changed on both sides stops it, before anything is written.
    """
    from idiscover.cli.pulling import pull as run_pull

    for text in run_pull(root.resolve(), context, dry_run, overwrite):
        typer.echo(text)
