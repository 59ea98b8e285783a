"""What an object's file says of its extraction beside the fields: how it is read, and what is done to values."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from idiscover.metadata.base import Model
from idiscover.metadata.environment import SalesforceSettings

VARCHAR_MAX_BYTES = 65535  # of a text column in Redshift

_OVERRIDES = "`salesforce.{key}` of the environment, otherwise for this object."


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
    rows_per_job: int | None = Field(
        default=None, ge=1, le=100_000_000, description=_OVERRIDES.format(key="rows_per_job")
    )
    parallel_jobs: int | None = Field(default=None, ge=1, le=25, description=_OVERRIDES.format(key="parallel_jobs"))
    parallel_pages: int | None = Field(default=None, ge=1, le=64, description=_OVERRIDES.format(key="parallel_pages"))
    page_rows: int | None = Field(default=None, ge=1, le=1_000_000, description=_OVERRIDES.format(key="page_rows"))
    job_timeout_minutes: int | None = Field(
        default=None, ge=1, le=1440, description=_OVERRIDES.format(key="job_timeout_minutes")
    )

    def over(self, settings: SalesforceSettings) -> SalesforceSettings:
        """The environment's settings, with those that the object has of its own."""
        own = self.model_dump(include=set(SalesforceSettings.model_fields), exclude_none=True)
        return settings.model_copy(update=own)
