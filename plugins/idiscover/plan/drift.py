"""How an object of the org differs from what its run is to read: told before a query job, or a cluster, is spent. Pure.

Whether a field can still be carried is told from the columns of the plan, at every run until it is mended. A new field
is told once: that metadata leaves fields out is a choice, and only what appears after it is news.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from idiscover.errors import ConfigError
from idiscover.metadata.models import DECIMAL_TYPES, TEXT_TYPES, FieldType
from idiscover.metadata.org_describe import OrgField, OrgObject
from idiscover.metadata.paths import object_path
from idiscover.plan.model import ColumnPlan, ExtractionPlan

_REFERENCES = frozenset({FieldType.ID, FieldType.REFERENCE})
_ID_CHARACTERS = 18
_SIMILAR = 0.75

Shapes = Mapping[str, str]  # API name → type and sizes, as `shapes` writes them


@dataclass(frozen=True)
class SchemaDrift:
    """What differs; each entry is a line for people.

    Attributes:
        missing: fields that the org does not show any more: nothing can be read.
        unfit: fields of a type that their column cannot hold: nothing is read.
        changed: fields that differ and are still read; a value that does not fit breaks its row's contract.
        added: fields that were not there when the object was read last.
        new: the API names of those.
        taken: those that are taken up without a person, instead of standing in `added`.
    """

    missing: tuple[str, ...] = ()
    unfit: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    new: tuple[str, ...] = ()
    taken: tuple[str, ...] = ()

    @property
    def news(self) -> tuple[str, ...]:
        """What does not stop a run, and waits for a person."""
        return (*self.changed, *self.added)

    def require_readable(self, plan: ExtractionPlan) -> None:
        """Raises:
        ConfigError: fields are missing or unfit; all of them are named.
        """
        if not self.missing and not self.unfit:
            return
        raise ConfigError(
            "the org's object is not what the metadata says, and nothing was asked of it",
            where=f"{plan.salesforce_object} ({object_path(plan.object)})",
            got="; ".join((*self.missing, *self.unfit)),
            expected="the fields of the object's file, in types that their columns can hold",
            remedy=f"run `idiscover onboard {plan.salesforce_object}`: it compares the file with the org and proposes"
            " what to change; or give the integration user its access to the fields back",
        )


def compare(columns: Sequence[ColumnPlan], org: OrgObject, known: Shapes | None) -> SchemaDrift:
    """The differences between a plan's columns and the org.

    Args:
        columns: of the plan.
        org: the object as describe has it now.
        known: its shapes when the object was read last; None: never.
    """
    extracted = {column.salesforce.lower() for column in columns}
    unknown = [field for field in org.fields if known is not None and field.name not in known]
    new = [field for field in unknown if field.name.lower() not in extracted]
    candidates = [field for field in org.carried if field.name.lower() not in extracted]
    missing, unfit, changed = [], [], []
    for column in columns:
        field = org.field(column.salesforce)
        if field is None:
            missing.append(_missing(column, org, candidates))
        elif not _can_hold(column, field):
            unfit.append(f"{column.salesforce} is {_shape(field)} now, and its column holds {column.type.value}")
        else:
            told = (_grown(column, field), _formula(column, field))
            changed += [f"{column.salesforce}: {text}" for text in told if text]
    return SchemaDrift(
        missing=tuple(missing),
        unfit=tuple(unfit),
        changed=tuple(changed),
        added=tuple(f"{field.name} is new: {_shape(field)}" for field in new),
        new=tuple(field.name for field in new),
    )


def shapes(org: OrgObject) -> dict[str, str]:
    """Every field of the object and what it is like, to be compared with later."""
    return {field.name: _shape(field) for field in org.fields}


def _shape(field: OrgField) -> str:
    kind = field.kind.value if field.kind else field.type
    if field.length is not None:
        return f"{kind}({field.length})"
    return kind if field.precision is None else f"{kind}({field.precision},{field.scale})"


def _missing(column: ColumnPlan, org: OrgObject, candidates: Sequence[OrgField]) -> str:
    hidden = next((field for field in org.left_out if field.name.lower() == column.salesforce.lower()), None)
    if hidden is not None:
        return f"{column.salesforce} cannot be carried any more: {hidden.left_out}"
    names = [field.name for field in candidates if field.kind is column.type]
    near = difflib.get_close_matches(column.salesforce, names, n=1, cutoff=_SIMILAR)
    return f"{column.salesforce} is missing" + (f", perhaps renamed to {near[0]}" if near else "")


def _can_hold(column: ColumnPlan, field: OrgField) -> bool:
    """Whether every value of the field's type has a place in the column, its size apart."""
    if column.type in TEXT_TYPES:
        return field.kind in TEXT_TYPES or (field.kind in _REFERENCES and (column.length or 0) >= _ID_CHARACTERS)
    if column.type in _REFERENCES:
        return field.kind in _REFERENCES
    if column.type in DECIMAL_TYPES:
        return field.kind in DECIMAL_TYPES or field.kind is FieldType.INT
    return field.kind is column.type


def _formula(column: ColumnPlan, field: OrgField) -> str | None:
    """Whether the field has become a formula, or is none any more."""
    if column.calculated == field.calculated:
        return None
    if field.calculated:
        return "a formula now: it changes without a trace in SystemModstamp, and windows do not read such changes"
    return "no formula any more: it changes with SystemModstamp, and windows read it"


def _grown(column: ColumnPlan, field: OrgField) -> str | None:
    """What of a field's size is more than its column takes."""
    if column.type in TEXT_TYPES and (field.length or 0) > (column.length or 0):
        return f"up to {field.length} characters now, and its column takes {column.length}"
    if column.type in DECIMAL_TYPES and field.kind in DECIMAL_TYPES:
        digits = (field.precision or 0) - (field.scale or 0)
        taken = (column.precision or 0) - (column.scale or 0)
        if digits > taken or (field.scale or 0) > (column.scale or 0):
            return (
                f"{_shape(field)} now, and its column takes {column.precision} digits, {column.scale} of them decimals"
            )
    return None
