"""Job metadata: what each step of each run said at its end."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from idiscover.aws.job_metadata import JobMetadata
from idiscover.plan.model import RunIdentity

FAILED = "failed"
SUCCEEDED = "succeeded"
SKIPPED = "skipped"  # there was nothing to do
LAST_STEP = "end"


def record_step(metadata: JobMetadata, run: RunIdentity, step: str, state: str, document: Mapping[str, Any]) -> None:
    """Adds one row; a retried step has one for each try."""
    with metadata.transaction() as cursor:
        cursor.execute(
            "insert into job.step_log (dag_id, run_id, run_type, step, state, document)"
            " values (%s, %s, %s, %s, %s, %s)",
            [run.dag_id, run.run_id, run.run_type, step, state, json.dumps(document, default=str)],
        )


def rests_after_failures(metadata: JobMetadata, dag_id: str) -> bool:
    """Whether a DAG whose newest runs failed should be left alone for now.

    It rests 5 minutes after a failed run, and twice as long after each more, up to 6 hours: what fails every time would
    otherwise mail its owner at every sweep. An asset event wakes it all the same.
    """
    with metadata.transaction() as cursor:
        cursor.execute(
            "select coalesce(max(written_at_utc) + least(interval '6 hours',"
            " interval '5 minutes' * power(2, least(count(distinct run_id), 8) - 1)) > now(), false)"
            " from job.step_log where dag_id = %s and state = %s and log_id > coalesce("
            "(select max(log_id) from job.step_log where dag_id = %s and step = %s and state = %s), 0)",
            [dag_id, FAILED, dag_id, LAST_STEP, SUCCEEDED],
        )
        return bool(cursor.fetchone()[0])
