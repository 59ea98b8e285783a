"""What the PySpark step of an extraction said at its end, from the status document that it leaves."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

from pydantic import ValidationError

from idiscover.aws.s3 import Bucket
from idiscover.lake.keys import status_key
from idiscover.notify.failures import Failure
from idiscover.plan.model import ExtractionPlan, RunIdentity


@dataclass(frozen=True)
class StepWord:
    """The newest word of a step: `failure` is None while, as far as the step knew, it was at work."""

    failure: Failure | None


def last_word(plan: ExtractionPlan, run: RunIdentity, since: datetime) -> StepWord | None:
    """What a step that EMR took at `since` has said of itself; None if it never spoke, or what it said is not readable.

    The document of an earlier step of the run is older than the step that is asked about.

    Raises:
        ConfigError, RetriableError: S3 refuses, or does not answer.
    """
    bucket = Bucket(plan.context.buckets.data, plan.context.region)
    key = status_key(run.dag_id, run.run_id, "extract")
    if not bucket.exists(key):
        return None
    try:
        document = json.loads(bucket.read_text(key))
        if datetime.fromisoformat(document["started_at_utc"]) < since:
            return None
        told = document.get("failure")
        return StepWord(None if told is None else Failure.model_validate(told))
    except (ValueError, KeyError, TypeError, ValidationError):
        return None
