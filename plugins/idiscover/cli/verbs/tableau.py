"""`idiscover tableau`: data sources for analysts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from idiscover.cli.app import DEFAULT_CONTEXT, ContextOption, RootOption, app

tableau_app = typer.Typer(no_args_is_help=True, help="Make Tableau data sources of the subjects, check, publish them.")
app.add_typer(tableau_app, name="tableau")


@tableau_app.command()
def render(
    out: Annotated[Path, typer.Option("--out", help="Folder to write <subject>.tds to.")] = Path("dist/tableau"),
    context: ContextOption = DEFAULT_CONTEXT,
    root: RootOption = Path(),
) -> None:
    """Write the data source of every subject, with the address of the environment's warehouse and without a login.

    Opened in Tableau Desktop, such a file asks for a login to the warehouse, and is ready to be worked with.
    """
    from idiscover.cli.analysts import open_repository, warehouse_of, write_text
    from idiscover.cli.places import read_context

    texts = open_repository(root).data_sources(warehouse_of(read_context(context)))
    for name, text in texts.items():
        write_text(out / name, text)
        typer.echo(f"{out / name}: written")


@tableau_app.command()
def check(
    schema: Annotated[Path, typer.Argument(metavar="XSD", help="Tableau's schema of workbooks.")],
    root: RootOption = Path(),
) -> None:
    """Hold the data source of every subject to Tableau's published schema."""
    from idiscover.cli.analysts import open_repository
    from idiscover.tableau.data_source import Warehouse
    from idiscover.tableau.schema_check import check_against_schema

    texts = open_repository(root).data_sources(Warehouse("warehouse.example.com", 5439, "idiscover"))
    check_against_schema(texts, schema)
    typer.echo(f"{len(texts)} data sources are valid by {schema}")


@tableau_app.command()
def publish(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[SUBJECT]…", help="All subjects, if none is named.")
    ] = None,
    context: ContextOption = DEFAULT_CONTEXT,
    again: Annotated[
        bool, typer.Option("--again", help="Publish what stands there already, too: after a change of the password.")
    ] = False,
) -> None:
    """Bring subjects to Tableau: data source, certification with freshness, warning if a check failed, extract.

    By the metadata in force. A data source is published if its text has changed, the rest follows the last load; said
    again, it does nothing. Needs secrets.tableau of the context.
    """
    from idiscover.aws.publishing import catalog_in_force
    from idiscover.aws.tableau_publishing import publish_subjects
    from idiscover.cli.analysts import subjects_of
    from idiscover.cli.places import read_context

    settings = read_context(context)
    catalog = catalog_in_force(settings)
    publish_subjects(subjects_of(catalog, names), catalog, settings, typer.echo, again)
