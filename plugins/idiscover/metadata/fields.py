"""Models of one field of an object: its type, its column, what becomes of its values. `models.py` has the others."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from enum import StrEnum

from pydantic import ConfigDict, Field, JsonValue, model_validator

from idiscover.metadata.base import Model, Name, SalesforceName, Text, unfit
from idiscover.metadata.extraction import Protection


class FieldType(StrEnum):
    """Field types of Salesforce's describe that an extraction can carry."""

    ID = "id"
    REFERENCE = "reference"
    STRING = "string"
    TEXTAREA = "textarea"
    PICKLIST = "picklist"
    MULTIPICKLIST = "multipicklist"
    EMAIL = "email"
    PHONE = "phone"
    URL = "url"
    BOOLEAN = "boolean"
    INT = "int"
    DOUBLE = "double"
    CURRENCY = "currency"
    PERCENT = "percent"
    DATE = "date"
    DATETIME = "datetime"


TEXT_TYPES = frozenset(
    {
        FieldType.STRING,
        FieldType.TEXTAREA,
        FieldType.PICKLIST,
        FieldType.MULTIPICKLIST,
        FieldType.EMAIL,
        FieldType.PHONE,
        FieldType.URL,
    }
)
DECIMAL_TYPES = frozenset({FieldType.DOUBLE, FieldType.CURRENCY, FieldType.PERCENT})


def _requires(key: str, values: Iterable[str], *required: str) -> dict[str, JsonValue]:
    """JSON Schema of a model's validator: with one of these values, the key asks for others beside it."""
    return {
        "if": {"properties": {key: {"enum": [*sorted(values)]}}, "required": [key]},
        "then": {"required": [*required]},
    }


class PiiClass(StrEnum):
    """How personal a field's content is."""

    NONE = "none"
    PERSONAL = "personal"
    SENSITIVE = "sensitive"


class FieldSpec(Model):
    """One field of a Salesforce object and the column it becomes."""

    model_config = ConfigDict(
        json_schema_extra={
            "allOf": [_requires("type", TEXT_TYPES, "length"), _requires("type", DECIMAL_TYPES, "precision", "scale")]
        }
    )

    salesforce: SalesforceName = Field(description="API name of the field.")
    type: FieldType = Field(description="Type as describe names it; decides the column's type.")
    column: Name = Field(description="Target column in stg and itg.")
    description: Text = Field(description="Comment on the column.")
    pii: PiiClass = Field(
        default=PiiClass.NONE,
        description="How personal the content is; stands in the column's comment and in the DAG's documentation.",
    )
    calculated: bool = Field(
        default=False,
        description="true: a formula. It changes without a trace in SystemModstamp, so its object needs"
        " `formula_refresh: daily` or `load_mode: full`.",
    )
    length: int | None = Field(
        default=None,
        ge=1,
        le=131072,
        description="Characters, as Salesforce counts them; required for the text types (string, textarea, picklist,"
        " multipicklist, email, phone, url). The column holds four bytes for each, at most 65,535.",
    )
    precision: int | None = Field(
        default=None, ge=1, le=38, description="Digits in all; required for double, currency and percent."
    )
    scale: int | None = Field(
        default=None, ge=0, le=37, description="Digits after the point; required for double, currency and percent."
    )
    since: date | None = Field(
        default=None,
        description="Day on which a running object took the field up, such as 2026-02-28. A batch that was read without"
        " it is loaded all the same, with null in its column; `new_fields: take` writes it. Not for the key, the"
        " version column, the country's column and `is_deleted`.",
    )
    trim: bool = Field(
        default=False,
        description="true: white space at both ends is left out, and what is nothing else becomes null. Text types"
        " only.",
    )
    protect: Protection | None = Field(
        default=None,
        description="Written instead of the value, which is stored nowhere then; null stays null. `hash`: its"
        " HMAC-SHA256 with the key of `secrets.protection`, 64 hex digits: the same for the same value, so that it"
        " can be counted and joined. `mask`: `***`. Text types only.",
    )

    @model_validator(mode="after")
    def _sizes_fit_the_type(self) -> FieldSpec:
        kind = self.type.value
        if self.type in TEXT_TYPES and self.length is None:
            raise unfit(f"length, for type {kind}", "add length: the characters that describe tells of", {"length": 1})
        if self.type in DECIMAL_TYPES and (self.precision is None or self.scale is None):
            sizes = {"precision": 18, "scale": 0}
            raise unfit(f"precision and scale, for type {kind}", "add precision: and scale: as describe tells", sizes)
        if self.precision is not None and self.scale is not None and self.scale > self.precision:
            raise unfit("a scale that is at most the precision", "correct scale or precision", {"scale": 0})
        return self

    @model_validator(mode="after")
    def _rules_fit_the_type(self) -> FieldSpec:
        rules = {"trim": self.trim or None, "protect": self.protect}
        for key, rule in rules.items():
            if rule is not None and self.type not in TEXT_TYPES:
                expected = f"no {key}, for type {self.type.value}: text types have it"
                raise unfit(expected, f"remove {key}", {"trim": False, "protect": None})
        return self
