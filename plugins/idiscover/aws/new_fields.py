"""Fields that runs have found new in the org, and that wait to be taken up: a small document each, in the bucket.

An extraction writes them, `publish_dags` takes the fields up (`aws/taking_up.py`) and deletes them. One document per
field, so that nobody overwrites what another has found.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from datetime import UTC, datetime

from idiscover.aws.s3 import Bucket
from idiscover.lake.keys import NEW_FIELDS_PREFIX, new_field_key
from idiscover.plan.model import ExtractionPlan


def ask_for(bucket: Bucket, plan: ExtractionPlan, fields: Iterable[str]) -> None:
    """These fields of the plan's object are to be taken up."""
    for field in fields:
        document = {"salesforce_object": plan.salesforce_object, "found_at_utc": datetime.now(UTC).isoformat()}
        bucket.write_text(new_field_key(plan.object, field), json.dumps(document))


def asked_for(bucket: Bucket) -> dict[str, list[str]]:
    """Object → API names of the fields that wait, sorted."""
    found: dict[str, list[str]] = {}
    for key in bucket.list(NEW_FIELDS_PREFIX):
        name, _, field = key.removeprefix(NEW_FIELDS_PREFIX).removesuffix(".json").partition("/")
        found.setdefault(name, []).append(field)
    return found


def forget(bucket: Bucket, object_name: str, fields: Collection[str]) -> None:
    """They wait no longer."""
    if fields:
        bucket.delete(new_field_key(object_name, field) for field in fields)


def is_news(bucket: Bucket, object_name: str, fields: Collection[str], why: str) -> bool:
    """Whether nobody has been told yet why these fields go on waiting; from now on, somebody has."""
    news = False
    for field in fields:
        key = new_field_key(object_name, field)
        document = json.loads(bucket.read_text(key)) if bucket.exists(key) else {"waits_for": why}
        if document.get("waits_for") != why:
            bucket.write_text(key, json.dumps({**document, "waits_for": why}))
            news = True
    return news
