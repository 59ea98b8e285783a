"""`idiscover doctor`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from idiscover.cli.app import DEFAULT_CONTEXT, ContextOption, RootOption, app


@app.command()
def doctor(
    context: ContextOption = DEFAULT_CONTEXT,
    root: RootOption = Path(),
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Check this machine and an environment, and say how to mend what fails.

    The machine: Python, what is installed beside it, disk, clock; on a laptop Java and the stack's parts and ports too.
    The environment: secrets (that they are complete; never what they hold), buckets, warehouse, job metadata,
    Salesforce (login, limits, every object and field that is read), EMR, SES, Airflow (DAGs, import errors, pools).

    Every check is made, whatever became of those before it. A key is written to status/doctor/ and removed again;
    nothing else changes. Exit status 1 if a check fails; a warning is no failure.
    """
    from idiscover.cli.doctor.command import run_doctor

    raise typer.Exit(0 if run_doctor(context, root.resolve(), as_json) else 1)
