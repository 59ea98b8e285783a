"""`idiscover report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from idiscover.cli.app import DEFAULT_CONTEXT, ContextOption, app


@app.command()
def report(
    out: Annotated[Path, typer.Option("--out", help="The HTML file to write.")] = Path("report.html"),
    context: ContextOption = DEFAULT_CONTEXT,
) -> None:
    """Write a page with plots of testing uptake, turnaround, objectives and coverage, as the marts have them now.

    One file that needs only a browser. It holds sums of all countries, and nothing of a single lab or person.
    """
    from idiscover.aws.job_metadata import open_job_metadata
    from idiscover.aws.job_metadata_checks import newest_failures
    from idiscover.aws.publishing import catalog_in_force
    from idiscover.aws.report_rows import declared_checks, failed_checks, read_figures
    from idiscover.cli.analysts import open_warehouse, write_text
    from idiscover.cli.places import read_context
    from idiscover.report.page import render_report

    settings = read_context(context)
    with open_job_metadata(settings) as metadata:
        failed = failed_checks(newest_failures(metadata), declared_checks(catalog_in_force(settings)))
    with open_warehouse(settings) as connection:
        page = render_report(read_figures(connection, settings.environment, failed))
    write_text(out, page)
    typer.echo(f"{out}: {len(page.encode()):,} bytes")
