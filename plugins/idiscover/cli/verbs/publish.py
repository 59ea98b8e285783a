"""`idiscover publish`."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from idiscover.cli.app import DEFAULT_CONTEXT, ContextOption, DryRunOption, app


@app.command()
def publish(
    context: ContextOption = DEFAULT_CONTEXT,
    allow_deletions: Annotated[
        bool,
        typer.Option("--allow-deletions", help="Take DAGs away whose files were deleted, however many they are."),
    ] = False,
    dry_run: DryRunOption = False,
    as_json: Annotated[bool, typer.Option("--json", help="Say it as JSON.")] = False,
) -> None:
    """Bring edits of the metadata in the bucket to the DAGs, as publish_dags does every few minutes.

    Shows each edit as a diff. An edit that is faulty is refused: the DAGs made from its file stay as they are, and the
    exit status is 1. Deletions that would take away far too many DAGs are refused, too, unless they are allowed.
    """
    from idiscover.cli.publishing import described, publish_from_shell

    report = publish_from_shell(context, allow_deletions=allow_deletions, dry_run=dry_run)
    if as_json:
        typer.echo(
            json.dumps(
                {
                    "edits": list(report.edits),
                    "refused": {edit.path: [str(problem) for problem in edit.problems] for edit in report.refused},
                    "mended": list(report.mended),
                    "written": report.files.written,
                    "deleted": report.files.deleted,
                    "warnings": report.warnings,
                },
                indent=2,
                ensure_ascii=False,
            )
        )
    else:
        for text in described(report, dry_run):
            typer.echo(text)
    raise typer.Exit(1 if report.refused else 0)
