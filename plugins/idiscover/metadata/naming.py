"""Names of objects and columns from Salesforce's API names: snake case, unique, and no word that SQL keeps for itself.

The same names in give the same names out, whatever the order in which describe lists the fields.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping

from idiscover.metadata.models import FieldType
from idiscover.metadata.object_checks import RESERVED_COLUMNS, RESERVED_OBJECTS
from idiscover.metadata.reserved_words import REDSHIFT_RESERVED_WORDS

OBJECT_NAME_MAX_LENGTH = 34  # see metadata/object_checks.py
COLUMN_NAME_MAX_LENGTH = 63

_DELETED_FIELD, _DELETED_COLUMN = "IsDeleted", "is_deleted"  # procedures know the column: no other field may be it
_CUSTOM_SUFFIX = re.compile(r"__(c|pc|mdt|e|b|x|kav)$", re.IGNORECASE)
_WORD_STARTS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def snake_case(api_name: str) -> str:
    """`Sample_Shipment__c` → `sample_shipment`, `CreatedById` → `created_by_id`, `HCPName` → `hcp_name`."""
    plain = _CUSTOM_SUFFIX.sub("", api_name)
    words = _WORD_STARTS.sub("_", plain).lower()
    return re.sub(r"_+", "_", words).strip("_")


def object_name(api_name: str, taken: Collection[str]) -> str:
    """Our name of an object, which no other in `taken` has; `User` → `sf_user`, for a table cannot be named so."""
    name = snake_case(api_name)
    if name in REDSHIFT_RESERVED_WORDS or name in RESERVED_OBJECTS:
        name = f"sf_{name}"
    return _numbered(name, taken, OBJECT_NAME_MAX_LENGTH)


def column_names(fields: Mapping[str, FieldType], of_object: str, taken: Iterable[str] = ()) -> dict[str, str]:
    """API name → column, in the order of `fields`.

    A reference ends in `_id`; a word that SQL or the platform keeps for itself gets the object's name in front. Of two
    fields with the same name, the standard one keeps it, then the first by API name; the others are numbered from 2.

    Args:
        fields: API name → type of the fields that want a name.
        of_object: our name of their object.
        taken: columns that there are already.
    """
    used = {*taken}
    named: dict[str, str] = {}
    for api_name in sorted(fields, key=lambda name: (bool(_CUSTOM_SUFFIX.search(name)), name)):
        named[api_name] = _numbered(_column(api_name, fields[api_name], of_object), used, COLUMN_NAME_MAX_LENGTH)
        used.add(named[api_name])
    return {api_name: named[api_name] for api_name in fields}


def _column(api_name: str, kind: FieldType, of_object: str) -> str:
    name = snake_case(api_name)
    if kind is FieldType.REFERENCE and not name.endswith("_id"):
        name = f"{name}_id"
    is_taken = name == _DELETED_COLUMN and api_name != _DELETED_FIELD
    if is_taken or name in REDSHIFT_RESERVED_WORDS or name in RESERVED_COLUMNS:
        return f"{of_object}_{name}"
    return name


def _numbered(name: str, taken: Collection[str], limit: int) -> str:
    """`name`, or the first of `name_2`, `name_3`, … that nobody has; each cut to `limit`."""
    candidate, number = name[:limit].rstrip("_"), 1
    while candidate in taken:
        number += 1
        suffix = f"_{number}"
        candidate = name[: limit - len(suffix)].rstrip("_") + suffix
    return candidate
