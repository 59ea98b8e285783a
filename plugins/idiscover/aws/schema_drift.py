"""Looks at an object of the org before a run reads it."""

from __future__ import annotations

import json

from idiscover.aws.extraction_run import org_session
from idiscover.aws.s3 import Bucket
from idiscover.lake.keys import schema_key
from idiscover.metadata.org_describe import read_describe
from idiscover.plan.drift import SchemaDrift, compare, shapes
from idiscover.plan.model import ExtractionPlan


def check_schema(plan: ExtractionPlan) -> SchemaDrift:
    """What is new of the object, by one describe; what it is like is kept for the next run.

    Raises:
        ConfigError: fields are missing, or of a type that their column cannot hold.
        RetriableError: Salesforce or S3 do not answer.
    """
    org = read_describe(org_session(plan).describe(plan.salesforce_object))
    bucket, key = Bucket(plan.context.buckets.data, plan.context.region), schema_key(plan.object)
    known = json.loads(bucket.read_text(key)) if bucket.exists(key) else None
    drift = compare(plan.columns, org, known)
    drift.require_readable(plan)
    now = shapes(org)
    if now != known:
        bucket.write_text(key, json.dumps(now, indent=2))
    return drift
