"""The org's objects and fields, as data: drives describe, SOQL validation and generation."""

from collections.abc import Iterable, Mapping

from local.salesforce.fields import SObject
from local.salesforce.ids import make_id
from local.salesforce.schema.accounts import ACCOUNT
from local.salesforce.schema.engagement import LAB_HCP_AFFILIATION, LAB_INTERACTION, LAB_OBJECTIVE, OBJECTIVE_HCP
from local.salesforce.schema.field_force import (
    OBJECT_TERRITORY_ASSOCIATION,
    QUEUE_IDS,
    TERRITORY,
    USER,
    USER_IDS,
    USER_TERRITORY_ASSOCIATION,
    user_id,
)
from local.salesforce.schema.reference_data import (
    BIOMARKER,
    PRODUCT,
    RECORD_TYPE,
    RECORD_TYPE_IDS,
    RECORD_TYPES,
    THERAPEUTIC_AREA,
)
from local.salesforce.schema.testing import LAB_CAPABILITY, TEST_OFFERING, TESTING_VOLUME

__all__ = [
    "ACCOUNT",
    "BIOMARKER",
    "LAB_CAPABILITY",
    "LAB_HCP_AFFILIATION",
    "LAB_INTERACTION",
    "LAB_OBJECTIVE",
    "OBJECTIVE_HCP",
    "OBJECTS",
    "OBJECT_TERRITORY_ASSOCIATION",
    "ORG_ID",
    "PRODUCT",
    "QUEUE_IDS",
    "RECORD_TYPE",
    "RECORD_TYPES",
    "RECORD_TYPE_IDS",
    "TERRITORY",
    "TESTING_VOLUME",
    "TEST_OFFERING",
    "THERAPEUTIC_AREA",
    "USER",
    "USER_IDS",
    "USER_TERRITORY_ASSOCIATION",
    "every_object",
    "find_object",
    "set_added",
    "set_large",
    "user_id",
]

ORG_ID = make_id("00D", 7_654_321)
OBJECTS: Mapping[str, SObject] = {
    item.name: item
    for item in (
        RECORD_TYPE,
        USER,
        TERRITORY,
        USER_TERRITORY_ASSOCIATION,
        THERAPEUTIC_AREA,
        PRODUCT,
        BIOMARKER,
        ACCOUNT,
        OBJECT_TERRITORY_ASSOCIATION,
        LAB_CAPABILITY,
        TEST_OFFERING,
        TESTING_VOLUME,
        LAB_HCP_AFFILIATION,
        LAB_OBJECTIVE,
        OBJECTIVE_HCP,
        LAB_INTERACTION,
    )
}
_BY_LOWER_NAME = {name.lower(): item for name, item in OBJECTS.items()}
# What somebody has added to the org that this process serves (see `added`).
_ADDED: dict[str, SObject] = {}
# Its large objects (see `large`).
_LARGE: dict[str, SObject] = {}


def find_object(name: str) -> SObject | None:
    """The object of this name in any case, or None."""
    lower = name.lower()
    return _BY_LOWER_NAME.get(lower) or _ADDED.get(lower) or _LARGE.get(lower)


def every_object() -> list[SObject]:
    """The org's own objects, the added ones, and the large ones."""
    return [*OBJECTS.values(), *_ADDED.values(), *_LARGE.values()]


def set_added(sobjects: Iterable[SObject]) -> None:
    """These are the added objects of the org, and no others."""
    _ADDED.clear()
    _ADDED.update({item.name.lower(): item for item in sobjects})


def set_large(sobjects: Iterable[SObject]) -> None:
    """These are the large objects of the org, and no others."""
    _LARGE.clear()
    _LARGE.update({item.name.lower(): item for item in sobjects})
