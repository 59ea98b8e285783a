"""`idiscover follow`."""

from __future__ import annotations

from typing import Annotated

import typer

from idiscover.cli.app import DEFAULT_CONTEXT, ContextOption, app
from idiscover.cli.verbs.run import JsonOption


@app.command()
def follow(
    dag_id: Annotated[str, typer.Argument(metavar="DAG_ID", help="As Airflow lists it.")],
    run_id: Annotated[str, typer.Argument(metavar="RUN_ID", help="As `idiscover run` printed it, or the UI has it.")],
    as_json: JsonOption = False,
    context: ContextOption = DEFAULT_CONTEXT,
) -> None:
    """Follow a run of a DAG, and all that it wakes, to the end.

    A line per run: state, seconds, rows or countries. Of a failed one: whether it passes or needs a person, what to do,
    and where its log is. Exit status 0 if all succeeded; Ctrl-C stops following, never the runs.
    """
    from idiscover.cli.runs.command import HowToFollow, follow_run

    raise typer.Exit(follow_run(context, dag_id, run_id, HowToFollow(as_json=as_json)))
