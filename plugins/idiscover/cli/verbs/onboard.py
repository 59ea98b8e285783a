"""`idiscover onboard`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from idiscover.cli.app import DEFAULT_CONTEXT, DEFAULT_METADATA, ContextOption, DryRunOption, app


@app.command()
def onboard(
    sobjects: Annotated[list[str], typer.Argument(metavar="SOBJECT…", help="API names, such as Sample_Shipment__c.")],
    name: Annotated[
        str | None, typer.Option("--object", help="Our name of it; for a single object. Default: from its API name.")
    ] = None,
    context: ContextOption = DEFAULT_CONTEXT,
    metadata: Annotated[Path, typer.Option("--metadata", help="The folder that is written to.")] = Path(
        DEFAULT_METADATA
    ),
    fields: Annotated[
        str | None,
        typer.Option("--fields", help="Extract these alone, with commas, and what an extraction needs. Default: all."),
    ] = None,
    all_fields: Annotated[
        bool, typer.Option("--all-fields", help="Of a known object: the fields that its file names as left out, too.")
    ] = False,
    owner: Annotated[
        tuple[str, str] | None,
        typer.Option("--owner", metavar="NAME EMAIL", help="Who answers for it. Else asked; as most objects have it."),
    ] = None,
    ddl: Annotated[bool, typer.Option("--ddl/--no-ddl", help="Show the tables of stg and itg that come of it.")] = True,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    dry_run: DryRunOption = False,
    as_json: Annotated[bool, typer.Option("--json", help="For machines; writes only with --yes.")] = False,
) -> None:
    """Propose the metadata of an object of the org, or bring those of a known one up to date.

    Reads what Salesforce says of the object (describe) and proposes its three files: fields with types, lengths and
    descriptions, guesses of what is personal, key, country rule, what a day's run reads, owner and schedule; and adds
    its table to the inputs of dm.fact_source_table. Shows them as a diff, with the tables that come of them, checks all
    metadata together, asks, and writes all files or none.

    Of an object that is extracted already, new fields are added behind the others, lengths that have grown are grown,
    and what is gone is told. Everything else in its file stays as somebody wrote it.

    Salesforce is reached as the environment's runs reach it: by the secret that the context names.
    """
    from idiscover.cli.onboarding_command import OnboardRequest, run_onboard

    request = OnboardRequest(
        sobjects=tuple(sobjects),
        name=name,
        context=context,
        metadata=metadata,
        fields=fields,
        all_fields=all_fields,
        owner=owner,
        ddl=ddl,
        yes=yes,
        dry_run=dry_run,
        as_json=as_json,
    )
    run_onboard(request)
