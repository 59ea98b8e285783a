"""From objects of the org to metadata that a person confirms: proposals for new objects, differences for known ones."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from idiscover.cli.onboarding_files import MetadataFolder
from idiscover.errors import ConfigError
from idiscover.metadata.models import Catalog, ObjectSpec, Owner
from idiscover.metadata.org_describe import OrgObject, read_describe
from idiscover.metadata.paths import delta_filter_path, object_path, table_path
from idiscover.metadata.proposal_text import proposal_files
from idiscover.metadata.proposals import Proposal, propose
from idiscover.metadata.refreshing import Refresh, compare, refreshed_filter, refreshed_object
from idiscover.metadata.yaml_edit import YamlEdit
from idiscover.warehouse.ddl import create_itg_table, create_stg_table
from idiscover.warehouse.limits import check_limits
from idiscover.warehouse.table_changes import TableChange, changes_of_edit

Describe = Callable[[str], dict[str, Any]]
SOURCE_TABLES = "dm.fact_source_table"  # tells of every table of itg


@dataclass(frozen=True)
class Wishes:
    """What the command line says."""

    sobjects: tuple[str, ...]
    name: str | None = None
    owner: Owner | None = None
    fields: tuple[str, ...] | None = None
    all_fields: bool = False


@dataclass(frozen=True)
class Onboarded:
    """What is to become of one object; `statements`: the DDL of a new one, or what changes standing tables."""

    object: str
    proposal: Proposal | None
    refresh: Refresh | None
    warnings: tuple[str, ...]
    tables: tuple[str, ...] = ()
    alterations: tuple[TableChange, ...] = ()


@dataclass
class Onboarding:
    """All objects of one call, and the metadata as they are to be."""

    folder: MetadataFolder
    objects: list[Onboarded] = field(default_factory=list)


def onboard(folder: MetadataFolder, describe: Describe, wishes: Wishes) -> Onboarding:
    """What the metadata in a folder are to be, once the objects are onboarded or refreshed. Writes nothing.

    Raises:
        ConfigError: the metadata are wrong already, an object or a field cannot be extracted, or does not fit.
    """
    if wishes.name is not None and len(wishes.sobjects) > 1:
        raise ConfigError("one name for several objects", key="--object", got=wishes.name, remedy="onboard them singly")
    found = Onboarding(folder)
    folder.catalog()  # what is wrong already is told as such
    described = [read_describe(describe(name)) for name in dict.fromkeys(wishes.sobjects)]
    for org in _parents_first(described):
        found.objects.append(_one(folder, org, wishes))
    return found


def known_object(catalog: Catalog, api_name: str) -> ObjectSpec | None:
    """The object that is extracted from this one of the org."""
    return next((s for s in catalog.objects.values() if s.salesforce_object.lower() == api_name.lower()), None)


def _one(folder: MetadataFolder, org: OrgObject, wishes: Wishes) -> Onboarded:
    catalog = folder.catalog()
    known = known_object(catalog, org.name)
    return _refreshed(folder, org, known, wishes) if known else _new(folder, org, catalog, wishes)


def _new(folder: MetadataFolder, org: OrgObject, catalog: Catalog, wishes: Wishes) -> Onboarded:
    if wishes.name in catalog.objects:
        raise ConfigError(
            "an object of this name exists",
            where=object_path(str(wishes.name)),
            key="--object",
            got=f"{wishes.name}, which is {catalog.objects[str(wishes.name)].salesforce_object}",
            expected=f"a name that no object has, for {org.name}",
            remedy="choose another --object, or leave it out",
        )
    proposal = propose(org, catalog, wishes.fields, wishes.name, wishes.owner)
    folder.put({**proposal_files(proposal), **_with_source_table(folder, catalog, proposal.object)})
    spec = folder.catalog().objects[proposal.object]
    tables = (create_stg_table(spec), create_itg_table(spec))
    return Onboarded(proposal.object, proposal, None, tuple(check_limits(spec)), tables)


def _refreshed(folder: MetadataFolder, org: OrgObject, known: ObjectSpec, wishes: Wishes) -> Onboarded:
    if wishes.name not in (None, known.object):
        raise ConfigError(
            "this Salesforce object has a name already",
            where=object_path(known.object),
            key="--object",
            got=wishes.name,
            expected=known.object,
            remedy="leave --object out",
        )
    path, filter_path = object_path(known.object), delta_filter_path(known.object)
    refresh = compare(known, folder.text(path), org, wishes.fields, wishes.all_fields)
    delta = folder.catalog().delta_filters[known.object]
    filter_text = refreshed_filter(refresh, delta, folder.text(filter_path))
    text = refreshed_object(refresh, folder.text(path))
    if (text, filter_text) != (folder.text(path), folder.text(filter_path)):
        folder.put({path: text, filter_path: filter_text})
    spec = folder.catalog().objects[known.object]
    return Onboarded(
        known.object, None, refresh, tuple(check_limits(spec)), alterations=tuple(changes_of_edit(known, spec))
    )


def _with_source_table(folder: MetadataFolder, catalog: Catalog, name: str) -> dict[str, str]:
    """`dm.fact_source_table` counts every table of itg; with the new one among its inputs, that wakes it, too."""
    table, new = catalog.tables.get(SOURCE_TABLES), f"itg.{name}"
    if table is None or any(item.table == new for item in table.inputs):
        return {}
    path = table_path(SOURCE_TABLES)
    edit, entry = YamlEdit(folder.text(path)), f"{{table: {new}, marks: reference}}"
    behind = [position for position, item in enumerate(table.inputs) if item.table > new]
    if behind:
        edit.insert(("inputs",), behind[0], entry)
    else:
        edit.append(("inputs",), [entry])
    return {path: edit.text()}


def _parents_first(described: Sequence[OrgObject]) -> list[OrgObject]:
    """In their order, but what others point to before them: its country may become theirs."""
    by_name = {org.name: org for org in described}
    ordered: list[OrgObject] = []

    def place(org: OrgObject, trail: Collection[str]) -> None:
        for target in (name for item in org.carried for name in item.reference_to):
            if target in by_name and target not in trail:
                place(by_name[target], {*trail, target})
        if org not in ordered:
            ordered.append(org)

    for org in described:
        place(org, {org.name})
    return ordered
