"""From what the org says of an object to a proposal of its metadata. Pure; a person reads and confirms it.

What is decided here, and why, is told in `Proposal.notes`; what a person has to confirm, in `Proposal.to_confirm`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from idiscover.errors import ConfigError
from idiscover.metadata.country_proposals import Country, propose_country
from idiscover.metadata.models import (
    READ_AT_COLUMN,
    Catalog,
    DeltaFilter,
    FieldType,
    Interval,
    Owner,
)
from idiscover.metadata.naming import column_names, object_name
from idiscover.metadata.org_describe import OrgField, OrgObject
from idiscover.metadata.pii_guesses import PiiGuess, guess_pii

T = TypeVar("T")

DELTA_FIELDS = ("SystemModstamp", "LastModifiedDate")  # every change of a record touches them; the first is preferred
_IS_DELETED = "IsDeleted"
_DEFAULT_OWNER = Owner(name="iConnect Platform", email="iconnect-platform@example.com")
_DEFAULT_SCHEDULE, _DEFAULT_LOOKBACK_MINUTES, _DEFAULT_START = "0 0 * * *", 720, "2015-01-01T00:00:00Z"


@dataclass(frozen=True)
class ProposedField:
    """A field of the org and the column it is to become."""

    field: OrgField
    column: str
    guess: PiiGuess | None


@dataclass(frozen=True)
class Reads:
    """What a day's run is to read: load mode, delta field and what is read beside windows."""

    field: str | None
    version_column: str
    load_mode: str
    sweep: Interval
    formula_refresh: Interval
    why: str


@dataclass(frozen=True)
class Proposal:
    """All that the files of a new object say."""

    org: OrgObject
    object: str
    owner: Owner
    schedule: str
    lookback_minutes: int
    start: str
    fields: tuple[ProposedField, ...]
    not_taken: tuple[str, ...]  # fields that could be carried, and are not wanted
    key: str
    country: Country
    reads: Reads

    @property
    def grain(self) -> str:
        """What one row is."""
        return f"one row per {self.org.label.lower()}"

    @property
    def notes(self) -> list[str]:
        """What was decided, and why."""
        owner = f"owner: {self.owner.name} <{self.owner.email}>"
        return [f"country: {self.country.why}", f"reads: {self.reads.why}", owner, f"schedule: {self.schedule} (UTC)"]

    @property
    def to_confirm(self) -> list[str]:
        """What was guessed: `Field__c → column: what it may be`."""
        guessed = [item for item in self.fields if item.guess]
        found = [f"{item.field.name} → {item.column}: pii {item.guess.pii} ({item.guess.why})" for item in guessed]  # type: ignore[union-attr]
        return [*found, *([f"country: {self.country.why}"] if self.country.is_guess else [])]


def propose(
    org: OrgObject,
    catalog: Catalog,
    wanted: Collection[str] | None = None,
    name: str | None = None,
    owner: Owner | None = None,
) -> Proposal:
    """The metadata of an object that the catalog does not have.

    Args:
        org: the object, as describe has it.
        catalog: what there is; the country may come from one of its objects, owner and schedule are as most have them.
        wanted: API names of the fields to extract, beside those that an extraction needs; None: all that can be.
        name: our name of the object.
        owner: who answers for it.

    Raises:
        ConfigError: a wanted field does not exist, or cannot be carried.
    """
    name = name or object_name(org.name, catalog.objects)
    taken = _taken(org, catalog, wanted)
    types = {field.name: field.kind for field in taken if field.kind is not None}
    columns = column_names(types, name)
    fields = tuple(ProposedField(field, columns[field.name], guess_pii(field, org.name)) for field in taken)
    key = next(item.column for item in fields if item.field.kind is FieldType.ID)
    specs, filters = list(catalog.objects.values()), list(catalog.delta_filters.values())
    return Proposal(
        org=org,
        object=name,
        owner=owner or usual_owner(catalog),
        schedule=_most_common((spec.schedule for spec in specs), _DEFAULT_SCHEDULE),
        lookback_minutes=_most_common((item.lookback_minutes for item in filters), _DEFAULT_LOOKBACK_MINUTES),
        start=_most_common((_start(item) for item in filters), _DEFAULT_START),
        fields=fields,
        not_taken=tuple(field.name for field in org.carried if field not in taken),
        key=key,
        country=propose_country(columns, taken, catalog, key),
        reads=propose_reads(columns, taken),
    )


def usual_owner(catalog: Catalog) -> Owner:
    """Who answers for most objects."""
    return _most_common((spec.owner for spec in catalog.objects.values()), _DEFAULT_OWNER)


def needed_fields(org: OrgObject) -> set[str]:
    """What an extraction cannot do without, as far as the object has it: Id, IsDeleted, the time of the change."""
    stamps = [name for name in DELTA_FIELDS if (field := org.field(name)) and field.kind is FieldType.DATETIME]
    ids = [field.name for field in org.carried if field.kind is FieldType.ID]
    return {*ids[:1], *stamps[:1], *([_IS_DELETED] if org.field(_IS_DELETED) else [])}


def wanted_fields(org: OrgObject, wanted: Iterable[str]) -> set[str]:
    """The wanted fields by their names in the org.

    Raises:
        ConfigError: one of them does not exist, or cannot be carried.
    """
    found = set()
    for name in wanted:
        field = org.field(name)
        if field is None:
            reasons = {item.name.lower(): item.left_out for item in org.left_out}
            raise ConfigError(
                "a wanted field cannot be extracted",
                where=org.name,
                key="--fields",
                got=f"{name}: {reasons.get(name.lower(), 'the org has no such field, or hides it from this user')}",
                expected=", ".join(sorted(item.name for item in org.carried)),
                remedy="correct --fields",
            )
        found.add(field.name)
    return found


def propose_reads(columns: dict[str, str], fields: Sequence[OrgField]) -> Reads:
    """What a day's run is to read, by the fields that are extracted."""
    types = {field.name: field.kind for field in fields}
    field = next((name for name in DELTA_FIELDS if types.get(name) is FieldType.DATETIME), None)
    if field is None:
        why = "load_mode full: no field tells of a record's last change, so every run reads every record"
        return Reads(None, READ_AT_COLUMN, "full", "never", "never", why)
    formulas = [item.name for item in fields if item.calculated]
    if formulas:
        why = f"windows of {field} in backfills; each day every record, for formulas change without a trace: "
        return Reads(field, columns[field], "delta", "never", "daily", why + _some(formulas))
    why = f"windows of {field}, and each day every Id, to see what was deleted for good"
    if _IS_DELETED not in types:
        why = f"windows of {field}, and each day every Id: without IsDeleted nothing else tells of deletions"
    if field != DELTA_FIELDS[0]:
        why += f"; there is no {DELTA_FIELDS[0]}, so what processes of Salesforce's own change may be missed"
    return Reads(field, columns[field], "delta", "daily", "never", why)


def _taken(org: OrgObject, catalog: Catalog, wanted: Collection[str] | None) -> list[OrgField]:
    if wanted is None:
        return list(org.carried)
    names = wanted_fields(org, wanted) | needed_fields(org)
    everything = {field.name: field.name for field in org.carried}
    country = propose_country(everything, org.carried, catalog, None)
    if country.field is not None:
        names.add(country.field)
    return [field for field in org.carried if field.name in names]


def _start(item: DeltaFilter) -> str:
    return item.start.strftime("%Y-%m-%dT%H:%M:%SZ")


def _some(names: Sequence[str], most: int = 3) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _most_common(found: Iterable[T], default: T) -> T:
    """What most have; of equals the first."""
    counted = Counter(found).most_common(1)
    return counted[0][0] if counted else default
