"""What an object's file says of its extraction beside the fields: how it is read, and what is done to values."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from idiscover.metadata.base import Model

VARCHAR_MAX_BYTES = 65535  # of a text column in Redshift


class Protection(StrEnum):
    """What is written instead of a personal value."""

    HASH = "hash"
    MASK = "mask"


class ExtractionSettings(Model):
    """How one object is extracted; every key has a default that is good without a thought."""

    quarantine_limit: int = Field(
        default=0,
        ge=0,
        le=1_000_000,
        description="How many rows of one read may break their contract (a type, a length, a key that is missing)"
        " before the run fails. They are left out of the batch and written to `quarantine/`, with the reason, either"
        " way. 0: the first one fails the run.",
    )
