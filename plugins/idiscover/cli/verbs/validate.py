"""`idiscover validate`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from idiscover.cli.app import DEFAULT_METADATA, MetadataOption, RootOption, app


class Format(StrEnum):
    """Of a report."""

    TEXT = "text"
    JSON = "json"


_STYLES = {"mistake": typer.colors.RED, "excerpt": typer.colors.CYAN, "sound": typer.colors.GREEN}
_SOUND, _MISTAKES, _NOT_CHECKED = 0, 1, 2


@app.command()
def validate(
    metadata: MetadataOption = DEFAULT_METADATA,
    context: Annotated[
        list[str] | None,
        typer.Option("--context", help="A file, or s3://bucket/key; may be repeated.  [default: all of context/]"),
    ] = None,
    form: Annotated[Format, typer.Option("--format", help="For people, or for machines.")] = Format.TEXT,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
    root: RootOption = Path(),
) -> None:
    """Find all mistakes in metadata and contexts: file, line, column, what was expected, and what to do.

    Objects, delta filters, tables and contexts are checked one by one and against each other, and statements against
    the procedures and tables of sql/ where the repository is at hand. Nothing is written. The checks are those of
    compile and deploy.

    The status is 0 if all is sound, 1 if there are mistakes, 2 if nothing could be checked: wrong usage, or a place
    that is not there.
    """
    from rich.console import Console

    from idiscover.cli.validating import validate as run_validate
    from idiscover.errors import IdiscoverError

    contexts = context if context is not None else [str(path) for path in sorted((root / "context").glob("*.yaml"))]
    try:
        with Console(stderr=True).status(f"reading {metadata}"):  # shown on a terminal only; a bucket takes seconds
            report = run_validate(metadata, contexts, root / "sql")
    except IdiscoverError as error:
        typer.echo(f"{type(error).__name__}: {error}", err=True)
        raise typer.Exit(_NOT_CHECKED) from None
    if as_json or form is Format.JSON:
        typer.echo(report.json())
    else:
        typer.echo(report.text(lambda style, text: typer.style(text, fg=_STYLES[style])))
    raise typer.Exit(_SOUND if report.is_sound else _MISTAKES)
