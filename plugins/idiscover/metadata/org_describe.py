"""What Salesforce's describe says of an object, as far as a proposal needs it; and which fields can be carried."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from idiscover.errors import ConfigError
from idiscover.metadata.models import DECIMAL_TYPES, SALESFORCE_NAME_PATTERN, TEXT_TYPES, FieldType

# Types that are carried as another: what they hold is the same.
_CARRIED_AS = {"combobox": FieldType.STRING, "long": FieldType.INT}
_COMPOUND = "a compound field, which the Bulk API refuses; its parts are fields of their own"
_REASONS = {
    "address": _COMPOUND,
    "location": _COMPOUND,
    "base64": "binary content, which a query job cannot bring",
    "encryptedstring": "encrypted; a query brings it masked, or not at all",
    "anytype": "its type changes from record to record",
    "time": "a time without a day, for which there is no column type here",
}
# Salesforce's own fields have labels that say less than we know.
_DESCRIPTIONS = {
    "Id": "Salesforce's id of the record, 18 characters.",
    "IsDeleted": "Whether the record lies in the recycle bin.",
    "OwnerId": "User or queue that owns the record.",
    "CreatedDate": "When the record was created.",
    "CreatedById": "User who created the record.",
    "LastModifiedDate": "When a person last changed the record.",
    "LastModifiedById": "User who last changed the record.",
    "SystemModstamp": "When a person or a process last changed the record; its version.",
}
_LARGEST_LENGTH = 131072
_NAME = re.compile(SALESFORCE_NAME_PATTERN)


@dataclass(frozen=True)
class OrgField:
    """One field as describe has it. `kind` is None where it cannot be carried; `left_out` says why."""

    name: str
    type: str
    label: str
    help: str
    kind: FieldType | None
    left_out: str | None
    length: int | None
    precision: int | None
    scale: int | None
    calculated: bool
    nillable: bool
    picklist: tuple[str, ...]
    reference_to: tuple[str, ...]

    @property
    def is_custom(self) -> bool:
        """Whether the customer added it."""
        return self.name.lower().endswith("__c")

    @property
    def description(self) -> str:
        """Label and help text, on one line: the column's comment."""
        if self.name in _DESCRIPTIONS:
            return _DESCRIPTIONS[self.name]
        label, more = " ".join(self.label.split()) or self.name, " ".join(self.help.split())
        text = f"{label}: {more}" if more else label
        return text if text.endswith((".", "!", "?")) else f"{text}."


@dataclass(frozen=True)
class OrgObject:
    """One object of the org."""

    name: str
    label: str
    label_plural: str
    fields: tuple[OrgField, ...]

    @property
    def carried(self) -> tuple[OrgField, ...]:
        """The fields that an extraction can bring, in describe's order."""
        return tuple(field for field in self.fields if field.kind is not None)

    @property
    def left_out(self) -> tuple[OrgField, ...]:
        """The others."""
        return tuple(field for field in self.fields if field.kind is None)

    def field(self, name: str) -> OrgField | None:
        """The field of this API name, in any case, if it can be carried."""
        return next((field for field in self.carried if field.name.lower() == name.lower()), None)


def read_describe(answer: Mapping[str, Any]) -> OrgObject:
    """The object of a describe.

    Raises:
        ConfigError: it cannot be queried, or has no Id.
    """
    name = str(answer["name"])
    if not answer.get("queryable", True):
        raise ConfigError("Salesforce does not let this object be queried", where=name, remedy="extract another object")
    fields = tuple(_field(item) for item in answer["fields"])
    if not any(field.kind is FieldType.ID for field in fields):
        raise ConfigError(
            "an object without an Id cannot be extracted", where=name, got=", ".join(field.name for field in fields)
        )
    label = str(answer.get("label") or name)
    return OrgObject(name, label, str(answer.get("labelPlural") or label), fields)


def _field(item: Mapping[str, Any]) -> OrgField:
    kind, reason = _kind(item)
    return OrgField(
        name=str(item["name"]),
        type=str(item["type"]),
        label=str(item.get("label") or ""),
        help=str(item.get("inlineHelpText") or ""),
        kind=kind,
        left_out=reason,
        length=min(int(item["length"]), _LARGEST_LENGTH) if kind in TEXT_TYPES else None,
        precision=int(item["precision"]) if kind in DECIMAL_TYPES else None,
        scale=int(item["scale"]) if kind in DECIMAL_TYPES else None,
        calculated=bool(item.get("calculated")),
        nillable=bool(item.get("nillable", True)),
        picklist=tuple(str(value["value"]) for value in item.get("picklistValues") or () if value.get("active", True)),
        reference_to=tuple(item.get("referenceTo") or ()),
    )


def _kind(item: Mapping[str, Any]) -> tuple[FieldType | None, str | None]:
    """The type that a field is carried as; or None, and the reason why it is not."""
    described = str(item["type"])
    if item.get("deprecatedAndHidden"):
        return None, "deprecated and hidden"
    if not _NAME.fullmatch(str(item["name"])):
        return None, "its name has more than 80 characters"
    if described.lower() in _REASONS:
        return None, _REASONS[described.lower()]
    kind = _CARRIED_AS.get(described)
    if kind is None and described in FieldType.__members__.values():
        kind = FieldType(described)
    if kind is None:
        return None, f"type {described} is not carried"
    if kind in TEXT_TYPES and not int(item.get("length") or 0):
        return None, "describe gives no length"
    if kind in DECIMAL_TYPES and not 1 <= int(item.get("precision") or 0) <= 38:
        return None, "describe gives no precision between 1 and 38"
    return kind, None
