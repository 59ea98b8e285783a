"""The step's own JSON log, at the request's `status_key`."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import Any, Literal

from idiscover.aws.s3 import Bucket
from idiscover.lake.manifest import BatchManifest
from idiscover.notify.failures import Failure
from idiscover.plan.model import ExtractionRequest

from emr_jobs.progress import Progress

State = Literal["running", "succeeded", "failed"]


class StepStatus:
    """Written at the start and at the end, whatever the end is. Times of the step itself are wall time."""

    def __init__(self, bucket: Bucket, request: ExtractionRequest) -> None:
        self._bucket = bucket
        self._request = request
        self._started = time.monotonic()
        self._started_at_utc = datetime.now(UTC)
        self.progress = Progress()

    def write(self, state: State, manifest: BatchManifest | None = None, failure: Failure | None = None) -> None:
        """Put the document in its place, over the one before."""
        document = self.document(state, manifest, failure)
        self._bucket.write_text(self._request.status_key, json.dumps(document, indent=2))

    def document(self, state: State, manifest: BatchManifest | None, failure: Failure | None) -> dict[str, Any]:
        """What `write` writes."""
        window, progress = self._request.window, self.progress
        return {
            "step": "extract",
            "state": state,
            "object": self._request.object,
            "batch_id": window.batch_id,
            "run_id": window.run_id,
            "window_start_utc": window.start_utc.isoformat(),
            "window_end_utc": window.end_utc.isoformat(),
            "read_mode": window.read_mode.value,
            "code_sha": self._request.code_sha,
            "started_at_utc": self._started_at_utc.isoformat(),
            "seconds": round(time.monotonic() - self._started, 3),
            "phases_seconds": progress.phases_seconds,
            "api_calls": progress.api_calls,
            "csv_bytes": progress.csv_bytes,
            "page_resumes": progress.resumes,
            "reads": manifest.reads if manifest else None,
            "rows": manifest.rows if manifest else None,
            "ids": manifest.id_count if manifest else None,
            "bytes": manifest.bytes if manifest else None,
            "files": len(manifest.all_files) if manifest else None,
            "job_ids": manifest.job_ids if manifest else None,
            "counts": manifest.counts.model_dump() if manifest else None,
            "id_counts": manifest.ids.counts.model_dump() if manifest and manifest.ids else None,
            "failure": None if failure is None else failure.model_dump(mode="json"),
        }
