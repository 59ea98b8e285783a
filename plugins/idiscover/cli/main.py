"""The `idiscover` console script: verbs for every environment, and those that entry points add."""

from __future__ import annotations

import sys
from importlib.metadata import entry_points

import typer

from idiscover.cli.app import app
from idiscover.cli.joining import joins, more_checks
from idiscover.cli.verbs import load_verbs
from idiscover.errors import IdiscoverError

VERBS = "idiscover.verbs"


def main() -> None:
    """Errors of the platform end in words, not in traces; the exit status is 1 then."""
    load_verbs()
    for verbs in entry_points(group=VERBS):
        verbs.load()(app)
    try:
        app()
    except IdiscoverError as error:
        typer.echo(f"{type(error).__name__}: {error}", err=True)
        sys.exit(1)
    finally:
        joins.clear()
        more_checks.clear()


if __name__ == "__main__":
    main()
