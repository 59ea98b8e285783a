"""Which new fields of the org may be taken up without a person, and why the others wait for one. Pure.

What a proposal of `idiscover onboard` would say is taken as it is; a guess, a choice, and whatever may fail later runs
is left to somebody who reads it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import date

from idiscover.metadata.models import TEXT_TYPES, VARCHAR_MAX_BYTES, FieldType, ObjectSpec
from idiscover.metadata.naming import column_names
from idiscover.metadata.object_checks import COLUMNS_MAX, SYSTEM_COLUMNS
from idiscover.metadata.org_describe import OrgField, OrgObject
from idiscover.metadata.pii_guesses import guess_pii
from idiscover.metadata.refreshing import Refresh, compare, left_out_names, refreshed_object

_LONGEST_TEXT = VARCHAR_MAX_BYTES // 4  # characters, of up to four bytes each


@dataclass(frozen=True)
class NewFields:
    """New fields, judged.

    Attributes:
        taken: API names of those that may be taken up.
        refused: API name of each other → why it is not.
    """

    taken: tuple[str, ...]
    refused: dict[str, str]


def judge(spec: ObjectSpec, text: str, org: OrgObject, names: Collection[str], *, formulas_are_read: bool) -> NewFields:
    """Which of `names` may be taken up; those that the object's file has already are in neither part.

    Args:
        spec: the object as its file has it.
        text: the file.
        org: the object as describe has it now.
        names: API names of the new fields.
        formulas_are_read: whether the object is read whole regularly, so that changes of formulas are seen.
    """
    known = {field.salesforce.lower() for field in spec.fields}
    left_out = {name.lower() for name in left_out_names(text)}
    may_be_renamed = {item.renamed_to for item in compare(spec, text, org).missing}
    taken: list[OrgField] = []
    refused: dict[str, str] = {}
    for name in sorted(name for name in names if name.lower() not in known):
        field = org.field(name)
        if name.lower() in left_out:
            refused[name] = "its file names it as left out"
        elif field is None:
            refused[name] = _not_carried(org, name)
        elif field.name in may_be_renamed:
            refused[name] = "it may be the new name of a field that is missing"
        elif why := _why_not(field, spec, org, formulas_are_read):
            refused[name] = why
        else:
            taken.append(field)
    room = COLUMNS_MAX - SYSTEM_COLUMNS - len(spec.fields)
    refused |= {field.name: f"a table has at most {COLUMNS_MAX} columns" for field in taken[max(room, 0) :]}
    return NewFields(tuple(field.name for field in taken[: max(room, 0)]), refused)


def with_new_fields(
    spec: ObjectSpec, text: str, org: OrgObject, names: Collection[str], since: date
) -> tuple[Refresh, str]:
    """The proposal of `idiscover onboard` for these fields alone, and the object's file with them.

    Args:
        spec: the object as its file has it.
        text: the file.
        org: the object as describe has it now.
        names: API names, as `judge` has taken them.
        since: the day on which they are taken up.
    """
    # what else differs stays for a person: a column that grows is no addition, and no field is left out for good
    refresh = replace(compare(spec, text, org, names), changed=(), not_taken=())
    return refresh, refreshed_object(refresh, text, since)


def _not_carried(org: OrgObject, name: str) -> str:
    hidden = next((field for field in org.left_out if field.name.lower() == name.lower()), None)
    return (hidden.left_out if hidden is not None else None) or "the org does not show it any more"


def _why_not(field: OrgField, spec: ObjectSpec, org: OrgObject, formulas_are_read: bool) -> str | None:
    guess = guess_pii(field, org.name)
    if guess is not None:
        return f"it may be {guess.pii.value}: {guess.why}"
    if field.calculated and spec.history:
        return "a formula, and history: true remembers what changed: formulas change without a trace"
    if field.calculated and not formulas_are_read:
        return "a formula, whose changes windows do not read: it wants formula_refresh in the delta filter"
    if field.kind in TEXT_TYPES and (field.length or 0) > _LONGEST_TEXT:
        return f"a text of up to {field.length:,} characters, and a column holds {_LONGEST_TEXT:,} of any script"
    assert field.kind is not None
    kinds: dict[str, FieldType] = {field.name: field.kind}
    columns = [item.column for item in spec.fields]
    alone, beside = column_names(kinds, spec.object), column_names(kinds, spec.object, columns)
    if alone != beside:
        return f"its column would be {alone[field.name]}, which is that of another field"
    return None
