"""What a field and an object of the org are; `schema` holds the org's own, as data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property


class FieldType(Enum):
    """Field types as describe names them."""

    ID = "id"
    REFERENCE = "reference"
    STRING = "string"
    PICKLIST = "picklist"
    MULTIPICKLIST = "multipicklist"
    BOOLEAN = "boolean"
    DOUBLE = "double"
    CURRENCY = "currency"
    PERCENT = "percent"
    INT = "int"
    DATE = "date"
    DATETIME = "datetime"
    PHONE = "phone"
    URL = "url"
    EMAIL = "email"
    TEXTAREA = "textarea"
    ADDRESS = "address"
    # of added objects only (see `added`)
    LOCATION = "location"
    BASE64 = "base64"
    ENCRYPTED = "encryptedstring"
    COMBOBOX = "combobox"
    TIME = "time"
    ANY = "anyType"

    @property
    def is_decimal(self) -> bool:
        """Whether its values have decimals, which Java prints."""
        return self in (FieldType.DOUBLE, FieldType.CURRENCY, FieldType.PERCENT)

    @property
    def is_text(self) -> bool:
        """Whether SOQL compares it as text, without regard to case."""
        return self in _TEXT_TYPES


_TEXT_TYPES = frozenset(
    {
        FieldType.STRING,
        FieldType.PICKLIST,
        FieldType.MULTIPICKLIST,
        FieldType.PHONE,
        FieldType.URL,
        FieldType.EMAIL,
        FieldType.TEXTAREA,
    }
)


@dataclass(frozen=True)
class Field:
    """One field. `length` is in characters, `precision` and `scale` in decimal digits (0 where they mean nothing).

    `formula` is (relationship name, field of that parent): the value is the parent's at the moment of a read.
    """

    name: str
    type: FieldType
    label: str
    length: int = 0
    precision: int = 0
    scale: int = 0
    nillable: bool = True
    updateable: bool = True
    auto_number: bool = False
    name_field: bool = False
    picklist: tuple[str, ...] = ()
    reference_to: tuple[str, ...] = ()
    relationship_name: str | None = None
    compound_field: str | None = None
    components: tuple[str, ...] = ()
    default_value: bool | None = None
    formula: tuple[str, str] | None = None

    @property
    def custom(self) -> bool:
        """Whether the customer added it, which its name says."""
        return self.name.endswith("__c")

    @property
    def calculated(self) -> bool:
        """Whether it is a formula, whose value no event of its record holds."""
        return self.formula is not None

    @property
    def is_compound(self) -> bool:
        """Whether it is made of other fields, which Bulk refuses."""
        return self.type in (FieldType.ADDRESS, FieldType.LOCATION)


@dataclass(frozen=True)
class SObject:
    """One object: its fields in describe's order, and the first three characters of its ids.

    `described` is the describe of an added object, as somebody gave it.
    """

    name: str
    label: str
    label_plural: str
    key_prefix: str
    fields: tuple[Field, ...]
    updateable: bool = True
    pk_chunking: bool = True
    record_type_ids: tuple[tuple[str, str], ...] = field(default=())
    described: Mapping[str, object] | None = field(default=None, compare=False)

    @property
    def custom(self) -> bool:
        """Whether the customer added it."""
        return self.name.endswith("__c")

    @cached_property
    def by_lower_name(self) -> Mapping[str, Field]:
        """Fields by lower-case name: SOQL names are not case-sensitive."""
        return {item.name.lower(): item for item in self.fields}

    @cached_property
    def by_lower_relationship(self) -> Mapping[str, Field]:
        """Reference fields by lower-case relationship name (`lab__r`)."""
        return {item.relationship_name.lower(): item for item in self.fields if item.relationship_name}

    @cached_property
    def positions(self) -> Mapping[str, int]:
        """Where the value of each stored field stands in a record's row."""
        return {item.name: position for position, item in enumerate(self.stored_fields)}

    @cached_property
    def has_is_deleted(self) -> bool:
        """Whether deleted rows of it can be seen at all."""
        return "isdeleted" in self.by_lower_name

    @cached_property
    def has_owner(self) -> bool:
        """Whether somebody owns its records."""
        return "ownerid" in self.by_lower_name

    @cached_property
    def plain_fields(self) -> tuple[Field, ...]:
        """Fields with one value, which Bulk can read: all but compound ones."""
        return tuple(item for item in self.fields if not item.is_compound)

    @cached_property
    def stored_fields(self) -> tuple[Field, ...]:
        """Plain fields with a value of their own, which events hold: all but formulas."""
        return tuple(item for item in self.plain_fields if not item.calculated)
