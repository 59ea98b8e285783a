"""What was published last, and which edits were refused: `status/publish/state.json`.

Where that is lost, the plans beside the DAG files say from which versions they were made.
"""

from __future__ import annotations

import json
from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from idiscover.aws.dag_files import Target
from idiscover.aws.s3 import Bucket
from idiscover.errors import ConfigError
from idiscover.lake.keys import PUBLISH_STATE_KEY


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class RefusedVersion(_Model):
    """A version that was refused; people have been told."""

    version: str
    since_utc: datetime


class PublishState(_Model):
    """`fingerprint` is of all versions that were looked at; empty before the first time.

    `files`: path → version that is in force. `failure`: of the last run, if it failed: a checksum of what was told.
    """

    fingerprint: str = ""
    files: dict[str, str] = Field(default_factory=dict)
    refused: dict[str, RefusedVersion] = Field(default_factory=dict)
    failure: str | None = None


def read_state(bucket: Bucket, target: Target) -> PublishState:
    """The state that the last publication left; from the standing plans, where there is none.

    Raises:
        ConfigError: what lies there is no such state.
    """
    if not bucket.exists(PUBLISH_STATE_KEY):
        return PublishState(files=_versions_of_plans(target))
    try:
        return PublishState.model_validate_json(bucket.read_text(PUBLISH_STATE_KEY))
    except ValidationError as error:
        raise ConfigError(
            "the state of the last publication cannot be read",
            where=bucket.uri(PUBLISH_STATE_KEY),
            got=str(error),
            remedy="delete it: the plans beside the DAG files say from which versions they were made",
        ) from error


def write_state(bucket: Bucket, state: PublishState) -> None:
    """Writes it whole."""
    bucket.write_text(PUBLISH_STATE_KEY, state.model_dump_json(indent=1))


def _versions_of_plans(target: Target) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in sorted(target.list()):
        if name.endswith(".json"):
            found |= json.loads(target.read(name)).get("header", {}).get("metadata_versions", {})
    return found
