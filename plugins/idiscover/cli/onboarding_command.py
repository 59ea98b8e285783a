"""`idiscover onboard`, from its options to what is written."""

from __future__ import annotations

import difflib
import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import typer
from pydantic import ValidationError
from rich.console import Console

from idiscover.aws.secrets import read_secret
from idiscover.cli.onboarding import Describe, Onboarding, Wishes, known_object, onboard
from idiscover.cli.onboarding_files import MetadataFolder
from idiscover.cli.onboarding_report import as_json, next_steps, show
from idiscover.cli.places import read_context
from idiscover.errors import ConfigError
from idiscover.metadata.models import Owner
from idiscover.metadata.proposals import usual_owner
from idiscover.salesforce.faults import NotFound
from idiscover.salesforce.session import SalesforceSession, open_session


@dataclass(frozen=True)
class OnboardRequest:
    """The options of one call."""

    sobjects: tuple[str, ...]
    name: str | None
    context: str
    metadata: Path
    fields: str | None
    all_fields: bool
    owner: tuple[str, str] | None
    ddl: bool
    yes: bool
    dry_run: bool
    as_json: bool


def run_onboard(request: OnboardRequest) -> None:
    """Proposes, shows, asks and writes.

    Raises:
        ConfigError: nothing was written, for something is wrong.
    """
    console = Console()
    wishes = _wishes(request)
    if not (request.metadata / "objects").is_dir():
        raise ConfigError(
            "there are no metadata here",
            where=str(request.metadata),
            expected="a folder with objects/, delta_filter/ and tables/",
            remedy="run it in the repository, or name the folder: --metadata",
        )
    context, folder = read_context(request.context), MetadataFolder(request.metadata)
    if wishes.owner is None and _asks(request):
        wishes = replace(wishes, owner=_asked_owner(folder, wishes))
    with Console(stderr=True).status("asking Salesforce …"):
        secret = read_secret(context.secrets.salesforce, context.region)
        session = open_session(secret, context.salesforce.api_version)
        found = onboard(folder, _describer(session), wishes)
    if request.as_json:
        written = found.folder.write() if request.yes and not request.dry_run else []
        typer.echo(json.dumps(as_json(found, written), indent=2, ensure_ascii=False))
        return
    show(console, found, request.ddl)
    _write(console, found, request)


def _write(console: Console, found: Onboarding, request: OnboardRequest) -> None:
    changed = found.folder.changed
    if not changed:
        console.print("no file is to be changed")
        return
    console.print()
    if request.dry_run:
        console.print(f"{len(changed)} files would be written to {request.metadata}: {', '.join(changed)}")
        return
    if not request.yes:
        if not _asks(request):
            raise ConfigError(
                "nobody is there to say yes", got="no terminal", remedy="add --yes to write, or --dry-run to look"
            )
        typer.confirm(f"Write {len(changed)} files to {request.metadata}?", abort=True)
    for path in found.folder.write():
        console.print(f"written: {request.metadata / path}", highlight=False, soft_wrap=True)
    console.print("\nnext:")
    for number, step in enumerate(next_steps(found), start=1):
        console.print(f"  {number}. {step}", highlight=False, markup=False, soft_wrap=True)


def _asks(request: OnboardRequest) -> bool:
    """Whether somebody is there to answer, and is to be asked."""
    return sys.stdin.isatty() and not (request.yes or request.dry_run or request.as_json)


def _asked_owner(folder: MetadataFolder, wishes: Wishes) -> Owner | None:
    """Who answers for the new objects; None where there are none."""
    catalog = folder.catalog()
    new = [name for name in wishes.sobjects if known_object(catalog, name) is None]
    if not new:
        return None
    usual = usual_owner(catalog)
    said = typer.prompt(f"Who answers for {', '.join(new)}?", default=f"{usual.name} <{usual.email}>")
    name, _, email = str(said).rstrip(" >").partition("<")
    return _owner((name.strip(), email.strip()))


def _wishes(request: OnboardRequest) -> Wishes:
    fields = (
        None if request.fields is None else tuple(name.strip() for name in request.fields.split(",") if name.strip())
    )
    if fields is not None and request.all_fields:
        raise ConfigError("--fields and --all-fields exclude each other", remedy="leave one of them out")
    return Wishes(request.sobjects, request.name, _owner(request.owner), fields, request.all_fields)


def _owner(given: tuple[str, str] | None) -> Owner | None:
    if given is None:
        return None
    try:
        return Owner(name=given[0], email=given[1])
    except ValidationError as error:
        raise ConfigError(
            "an owner is a name and an e-mail address",
            key="--owner",
            got=" ".join(given),
            expected='such as --owner "Lab Data" lab-data@example.com; asked for, Lab Data <lab-data@example.com>',
        ) from error


def _describer(session: SalesforceSession) -> Describe:
    """Describe of an object; a name that the org does not have is told with those that are like it."""

    def describe(name: str) -> dict[str, Any]:
        try:
            return session.describe(name)
        except NotFound as error:
            answer = session.call(lambda client: client.restful("sobjects"), "the list of objects")
            known = {str(item["name"]).lower(): str(item["name"]) for item in answer["sobjects"]}
            near = [known[item] for item in difflib.get_close_matches(name.lower(), known, n=3)]
            raise ConfigError(
                "Salesforce has no such object, or hides it from the integration user",
                where="--context",
                got=name,
                expected=f"an API name; {len(known)} objects can be seen",
                remedy=f"did you mean {', '.join(near)}?" if near else "check the name, and the user's rights",
            ) from error

    return describe
