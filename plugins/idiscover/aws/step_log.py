"""One JSON log per run and step, under `status/`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from idiscover.aws.s3 import Bucket
from idiscover.lake.keys import status_key
from idiscover.plan.model import ExtractionPlan, LoadPlan, RefreshPlan, RunIdentity


def write_status(
    plan: ExtractionPlan | LoadPlan | RefreshPlan, run: RunIdentity, step: str, document: Mapping[str, Any]
) -> str:
    """Writes `status/<dag_id>/<run_id>/<step>.json`; the newest try stands, earlier ones are its versions.

    Returns:
        The key.
    """
    key = status_key(run.dag_id, run.run_id, step)
    content = {
        "dag_id": run.dag_id,
        "run_id": run.run_id,
        "run_type": run.run_type,
        "step": step,
        "written_at_utc": datetime.now(UTC).isoformat(),
        **document,
    }
    bucket = Bucket(plan.context.buckets.data, plan.context.region)
    bucket.write_text(key, json.dumps(content, indent=2, default=str, ensure_ascii=False))
    return key
