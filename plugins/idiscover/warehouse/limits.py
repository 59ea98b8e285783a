"""Whether an object fits into one query of Salesforce, and its records into COPY; `metadata/` counts the columns."""

from __future__ import annotations

from idiscover.errors import ConfigError
from idiscover.metadata.models import TEXT_TYPES, VARCHAR_MAX_BYTES, ObjectSpec
from idiscover.metadata.paths import object_path
from idiscover.warehouse.types import BYTES_PER_CHARACTER

SOQL_MAX_CHARACTERS = 100_000
COPY_MAX_LINE_BYTES = 4 * 1024 * 1024
_BESIDE_COLUMNS = 1000  # FROM, the window, and a filter of some length
_NUMBER_BYTES = 40  # as text, in a file


def check_limits(spec: ObjectSpec) -> list[str]:
    """What may be too large, but need not be, in words.

    Raises:
        ConfigError: the query cannot be.
    """
    select = sum(len(field.salesforce) + len(", ") for field in spec.fields)
    if select + _BESIDE_COLUMNS > SOQL_MAX_CHARACTERS:
        raise ConfigError(
            "the query of this object is longer than Salesforce takes",
            where=object_path(spec.object),
            key="fields",
            got=f"{select:,} characters for {len(spec.fields)} fields",
            expected=f"at most {SOQL_MAX_CHARACTERS:,}, of which {_BESIDE_COLUMNS:,} for window and filter",
            remedy="extract fewer fields (--fields), or leave some out of the file",
        )
    return [*_cut_texts(spec), *_long_lines(spec)]


def _cut_texts(spec: ObjectSpec) -> list[str]:
    longest = VARCHAR_MAX_BYTES // BYTES_PER_CHARACTER
    names = [field.salesforce for field in spec.fields if field.type in TEXT_TYPES and (field.length or 0) > longest]
    if not names:
        return []
    return [
        f"{', '.join(names)}: longer than {longest:,} characters, and a column holds {VARCHAR_MAX_BYTES:,} bytes; a "
        "row with a longer value breaks its contract"
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
