"""Looks at an object of the org before a run reads it."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, replace

from idiscover.aws.extraction_run import org_session
from idiscover.aws.new_fields import ask_for
from idiscover.aws.s3 import Bucket
from idiscover.errors import ConfigError
from idiscover.lake.keys import metadata_key, schema_key
from idiscover.metadata.loading import parse_object
from idiscover.metadata.new_fields import judge
from idiscover.metadata.org_describe import OrgObject, read_describe
from idiscover.metadata.paths import object_path
from idiscover.plan.drift import SchemaDrift, Shapes, compare, shapes
from idiscover.plan.model import ExtractionPlan, ReadMode
from idiscover.salesforce.session import SalesforceSession

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Look:
    """What one describe has told: how the object differs, what it is like, and what it was like before."""

    drift: SchemaDrift
    now: Shapes
    known: Shapes | None


def check_schema(plan: ExtractionPlan) -> SchemaDrift:
    """What is new of the object, by one describe; what it is like is kept for the next run.

    New fields that are taken up are asked for first: killed between the two, the next run finds them new again.

    Raises:
        ConfigError: fields are missing, or of a type that their column cannot hold.
        RetriableError: Salesforce or S3 do not answer.
    """
    look = look_at_org(plan, org_session(plan))
    look.drift.require_readable(plan)
    bucket = Bucket(plan.context.buckets.data, plan.context.region)
    ask_for(bucket, plan, look.drift.taken)
    if look.now != look.known:
        bucket.write_text(schema_key(plan.object), json.dumps(look.now, indent=2))
    return look.drift


def look_at_org(plan: ExtractionPlan, session: SalesforceSession) -> Look:
    """The object as it is now and as it was; nothing is written."""
    bucket, key = Bucket(plan.context.buckets.data, plan.context.region), schema_key(plan.object)
    org = read_describe(session.describe(plan.salesforce_object))
    known = json.loads(bucket.read_text(key)) if bucket.exists(key) else None
    drift = compare(plan.columns, org, known)
    if plan.takes_new_fields and drift.new:
        drift = _judged(plan, bucket, org, drift)
    return Look(drift, shapes(org), known)


def _judged(plan: ExtractionPlan, bucket: Bucket, org: OrgObject, drift: SchemaDrift) -> SchemaDrift:
    """The new fields, parted into those that are taken up and those that wait for a person, with the reason."""
    key = metadata_key(object_path(plan.object))
    try:
        text = bucket.read_text(key)
        spec = parse_object(text, bucket.uri(key))
    except ConfigError as error:  # an edit that is refused: whoever takes up goes by what is in force then
        log.warning("new fields are judged when they are taken up: %s", error)
        return replace(drift, added=(), taken=drift.new)
    found = judge(spec, text, org, drift.new, formulas_are_read=plan.daily_read_mode is ReadMode.WHOLE)
    told = dict(zip(drift.new, drift.added, strict=True))
    refused = tuple(f"{told[name]}; not taken up: {why}" for name, why in found.refused.items())
    return replace(drift, added=refused, taken=found.taken)
