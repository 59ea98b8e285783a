"""One JSON log per run and step, under `status/` and in the job metadata."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from idiscover.aws.job_metadata import open_job_metadata
from idiscover.aws.job_metadata_steps import FAILED, SUCCEEDED, record_step
from idiscover.aws.s3 import Bucket
from idiscover.lake.keys import status_key
from idiscover.notify.failures import RunFailure, failure_of
from idiscover.notify.redaction import redact
from idiscover.plan.model import ExtractionPlan, LoadPlan, RefreshPlan, RunIdentity

log = logging.getLogger(__name__)

FAILURE_STEP = "failure"  # not a step that ran: what is told of a run that failed


def write_status(
    plan: ExtractionPlan | LoadPlan | RefreshPlan, run: RunIdentity, step: str, document: Mapping[str, Any]
) -> str:
    """Writes `status/<dag_id>/<run_id>/<step>.json`, and the same into `job.step_log`.

    In the bucket the newest try stands (earlier ones are its versions), in the job metadata each try has a row.

    Args:
        plan: which environment.
        run: whose step.
        step: its name.
        document: what to say; `state` in it, `succeeded` where it has none.

    Returns:
        The key.
    """
    key = status_key(run.dag_id, run.run_id, step)
    content = {
        "dag_id": run.dag_id,
        "run_id": run.run_id,
        "run_type": run.run_type,
        **({"reason": run.reason} if run.reason else {}),
        "step": step,
        "written_at_utc": datetime.now(UTC).isoformat(),
        "state": SUCCEEDED,
        **document,
    }
    bucket = Bucket(plan.context.buckets.data, plan.context.region)
    bucket.write_text(key, json.dumps(content, indent=2, default=str, ensure_ascii=False))
    with open_job_metadata(plan.context) as metadata:
        record_step(metadata, run, step, str(content["state"]), document)
    return key


def write_run_failure(plan: ExtractionPlan | LoadPlan | RefreshPlan, run: RunIdentity, failure: RunFailure) -> None:
    """Writes `status/<dag_id>/<run_id>/failure.json`: what the mail of a failed run says."""
    write_status(plan, run, FAILURE_STEP, {"state": FAILED, **failure.model_dump(mode="json")})


@contextmanager
def logged_step(plan: LoadPlan | RefreshPlan, run: RunIdentity, step: str) -> Iterator[dict[str, Any]]:
    """A step whose status is written at its end, however it ends. The block fills in the document.

    Yields:
        The document of a step that succeeds. What is written says in addition how long it took (`step_seconds`).
    """
    document: dict[str, Any] = {}
    begun = time.monotonic()
    try:
        yield document
    except Exception as error:
        told = {"error": redact(str(error)), "failure": failure_of(error).model_dump(mode="json")}
        _write_failure(plan, run, step, {**document, "state": FAILED, **told, **_lasted(begun)})
        raise
    write_status(plan, run, step, {**document, **_lasted(begun)})


def _lasted(begun: float) -> dict[str, float]:
    return {"step_seconds": round(time.monotonic() - begun, 3)}


def _write_failure(plan: LoadPlan | RefreshPlan, run: RunIdentity, step: str, document: Mapping[str, Any]) -> None:
    """Never raises: the error of the step itself is on its way, and matters more."""
    try:
        write_status(plan, run, step, document)
    except Exception:
        log.warning("the status of %s could not be written", step, exc_info=True)
