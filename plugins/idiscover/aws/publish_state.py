"""What was published last, and which edits were refused: `status/publish/state.json`.

Where that is lost, or cannot be read, the plans beside the DAG files say from which versions they were made. What was
refused is not in them: those edits are judged, and told of, once more.
"""

from __future__ import annotations

import json
import logging
from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from idiscover.aws.dag_files import Target
from idiscover.aws.s3 import Bucket
from idiscover.lake.keys import PUBLISH_STATE_KEY

log = logging.getLogger(__name__)


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class RefusedVersion(_Model):
    """A version that was refused; people have been told."""

    version: str
    since_utc: datetime


class PublishState(_Model):
    """`fingerprint` is of all versions that were looked at; empty before the first time.

    `files`: path → version that is in force. `failure`: of the last run, if it failed: a checksum of what was told.
    `unreadable`: why the state that stood could not be read, and this one was made from the plans; never written.
    """

    fingerprint: str = ""
    files: dict[str, str] = Field(default_factory=dict)
    refused: dict[str, RefusedVersion] = Field(default_factory=dict)
    failure: str | None = None
    unreadable: str | None = Field(default=None, exclude=True)


def read_state(bucket: Bucket, target: Target) -> PublishState:
    """The state that the last publication left; from the standing plans, where there is none that can be read."""
    if not bucket.exists(PUBLISH_STATE_KEY):
        return PublishState(files=_versions_of_plans(target))
    try:
        return PublishState.model_validate_json(bucket.read_bytes_version(PUBLISH_STATE_KEY)[0])
    except ValidationError as error:
        log.warning("%s cannot be read, and is made anew from the plans: %s", bucket.uri(PUBLISH_STATE_KEY), error)
        return PublishState(files=_versions_of_plans(target), unreadable=str(error))


def write_state(bucket: Bucket, state: PublishState) -> None:
    """Writes it whole."""
    bucket.write_text(PUBLISH_STATE_KEY, state.model_dump_json(indent=1))


def _versions_of_plans(target: Target) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in sorted(target.list()):
        if name.endswith(".json"):
            found |= _versions_of_plan(name, target.read(name))
    return found


def _versions_of_plan(name: str, text: str) -> dict[str, str]:
    """Path → version of the files that a plan was made from; none if somebody has broken it: it is written anew."""
    try:
        plan = json.loads(text)
        return dict(plan.get("header", plan).get("metadata_versions", {}))  # a plan of no table has no header
    except (ValueError, AttributeError, TypeError) as error:
        log.warning("the plan %s does not say what it was made from: %s", name, error)
        return {}
