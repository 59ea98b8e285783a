"""Whether an object fits into one query of Salesforce and one table of Redshift."""

from __future__ import annotations

from idiscover.errors import ConfigError
from idiscover.metadata.models import TEXT_TYPES, ObjectSpec
from idiscover.metadata.paths import object_path
from idiscover.warehouse.ddl import SYSTEM_COLUMNS_OF_ITG
from idiscover.warehouse.types import BYTES_PER_CHARACTER, VARCHAR_MAX_BYTES

SOQL_MAX_CHARACTERS = 100_000
TABLE_MAX_COLUMNS = 1600
COPY_MAX_LINE_BYTES = 4 * 1024 * 1024
_BESIDE_COLUMNS = 1000  # FROM, the window, and a filter of some length
_NUMBER_BYTES = 40  # as text, in a file


def check_limits(spec: ObjectSpec) -> list[str]:
    """What may be too large, but need not be, in words.

    Raises:
        ConfigError: the query or the table cannot be.
    """
    where, remedy = object_path(spec.object), "extract fewer fields (--fields), or leave some out of the file"
    select = sum(len(field.salesforce) + len(", ") for field in spec.fields)
    if select + _BESIDE_COLUMNS > SOQL_MAX_CHARACTERS:
        raise ConfigError(
            "the query of this object is longer than Salesforce takes",
            where=where,
            key="fields",
            got=f"{select:,} characters for {len(spec.fields)} fields",
            expected=f"at most {SOQL_MAX_CHARACTERS:,}, of which {_BESIDE_COLUMNS:,} for window and filter",
            remedy=remedy,
        )
    columns = len(spec.fields) + len(SYSTEM_COLUMNS_OF_ITG)
    if columns > TABLE_MAX_COLUMNS:
        raise ConfigError(
            "an itg table would have more columns than Redshift takes",
            where=where,
            key="fields",
            got=f"{columns}: {len(spec.fields)} fields and {len(SYSTEM_COLUMNS_OF_ITG)} of the platform's",
            expected=f"at most {TABLE_MAX_COLUMNS}",
            remedy=remedy,
        )
    return [*_cut_texts(spec), *_long_lines(spec)]


def _cut_texts(spec: ObjectSpec) -> list[str]:
    longest = VARCHAR_MAX_BYTES // BYTES_PER_CHARACTER
    names = [field.salesforce for field in spec.fields if field.type in TEXT_TYPES and (field.length or 0) > longest]
    if not names:
        return []
    return [
        f"{', '.join(names)}: longer than {longest:,} characters, and a column holds {VARCHAR_MAX_BYTES:,} bytes; a "
        "value with more of them fails COPY by name and line"
    ]


def _long_lines(spec: ObjectSpec) -> list[str]:
    widest = sum(
        BYTES_PER_CHARACTER * field.length if field.length is not None else _NUMBER_BYTES for field in spec.fields
    )
    if widest <= COPY_MAX_LINE_BYTES:
        return []
    return [
        f"a record that fills every field would have {widest:,} bytes, and COPY takes {COPY_MAX_LINE_BYTES:,} per "
        "line; real records are far smaller"
    ]
