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
    from idiscover.plan.tableau import subject_plan

    settings = read_context(context)
    catalog = catalog_in_force(settings)
    plans = [subject_plan(subject, catalog, settings) for subject in subjects_of(catalog, names)]
    publish_subjects(plans, settings, typer.echo, again)


@tableau_app.command()
def status(context: ContextOption = DEFAULT_CONTEXT) -> None:
    """Show what is published: each data source with its version, certification and warning; and what nobody publishes.

    Signs in to Tableau, which ends the session of a run that publishes just now; that run tries again.
    """
    from idiscover.aws.publishing import catalog_in_force
    from idiscover.aws.tableau_inventory import inventory
    from idiscover.cli.places import read_context
    from idiscover.plan.tableau import subject_plan
    from idiscover.tableau.inventory import inventory_text

    settings = read_context(context)
    catalog = catalog_in_force(settings)
    plans = [subject_plan(subject, catalog, settings) for _, subject in sorted(catalog.subjects.items())]
    typer.echo(inventory_text(inventory(plans, settings)))


@tableau_app.command()
def prune(
    titles: Annotated[
        list[str] | None, typer.Argument(metavar="[TITLE]…", help="All of them, if none is named.")
    ] = None,
    context: ContextOption = DEFAULT_CONTEXT,
    yes: Annotated[bool, typer.Option("--yes", help="Remove them; without it they are only shown.")] = False,
) -> None:
    """Remove data sources that this environment has published and no subject publishes any more; first shown.

    Workbooks on a data source stay when it is removed, and show an error.
    """
    from idiscover.aws.publishing import catalog_in_force
    from idiscover.aws.tableau_inventory import orphans, remove
    from idiscover.cli.places import read_context
    from idiscover.errors import ConfigError

    settings = read_context(context)
    kept = [subject.title for subject in catalog_in_force(settings).subjects.values()]
    found = orphans(kept, settings)
    if unknown := sorted(set(titles or ()) - set(found)):
        expected = ", ".join(found) or "nothing: each data source has its subject"
        raise ConfigError("there is no such data source to remove", got=", ".join(unknown), expected=expected)
    doomed = [title for title in found if not titles or title in titles]
    if not yes:
        for title in doomed:
            typer.echo(f"would be removed: {title}")
        typer.echo("nothing was removed; --yes removes them" if doomed else "nothing to remove")
        return
    for title in remove(doomed, kept, settings):
        typer.echo(f"removed: {title}")
