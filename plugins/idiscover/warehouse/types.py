"""Salesforce's field types as Redshift's column types."""

from __future__ import annotations

from idiscover.errors import ConfigError
from idiscover.lake.protection import HASH_CHARACTERS
from idiscover.metadata.models import DECIMAL_TYPES, TEXT_TYPES, VARCHAR_MAX_BYTES, FieldSpec, FieldType, Protection

# VARCHAR(n) counts bytes, Salesforce counts characters, and UTF-8 takes up to four bytes for one
BYTES_PER_CHARACTER = 4

_FIXED = {
    FieldType.ID: "varchar(18)",
    FieldType.REFERENCE: "varchar(18)",
    FieldType.BOOLEAN: "boolean",
    FieldType.INT: "bigint",
    FieldType.DATE: "date",
    FieldType.DATETIME: "timestamp",
}


def column_type(field: FieldSpec) -> str:
    """The Redshift type that holds every value of `field`; of a hashed one its hash, and what was read before."""
    if field.type in TEXT_TYPES and field.length is not None:
        size = BYTES_PER_CHARACTER * field.length
        if field.protect is Protection.HASH:
            size = max(size, HASH_CHARACTERS)
        return f"varchar({min(size, VARCHAR_MAX_BYTES)})"
    if field.type in DECIMAL_TYPES:
        return f"numeric({field.precision}, {field.scale})"
    if field.type in _FIXED:
        return _FIXED[field.type]
    raise ConfigError("a field type has no column type", key=field.column, got=field.type.value)


def quoted(identifier: str) -> str:
    """`identifier` in double quotes: a name of metadata may be a reserved word."""
    return '"' + identifier.replace('"', '""') + '"'


def literal(text: str) -> str:
    """`text` as a literal of a comment. Databases differ in what a backslash means, and a comment can do without."""
    return "'" + text.replace("\\", "/").replace("'", "''") + "'"
