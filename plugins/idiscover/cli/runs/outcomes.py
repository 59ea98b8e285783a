"""What a run left behind: rows and countries, or why it failed; from the status documents in the bucket."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from idiscover.aws.airflow_rest import AirflowRest, run_page
from idiscover.aws.s3 import Bucket
from idiscover.lake.keys import status_key
from idiscover.metadata.models import Context
from idiscover.notify.failures import RunFailure, explained
from idiscover.plan.model import ExtractionPlan, LoadPlan, Plan

_END, _FAILURE, _DRY_RUN = "end", "failure", "dry_run"
_OUTCOMES = ("inserted", "updated", "removed")


class Outcomes:
    """Reads status documents of one environment."""

    def __init__(self, context: Context, airflow: AirflowRest) -> None:
        self._bucket = Bucket(context.buckets.data, context.region)
        self._airflow = airflow
        self._address: str | None = None

    def detail(self, plan: Plan | None, dag_id: str, run_id: str) -> str:
        """Rows and countries of a run that went well, in a few words."""
        document = self._read(dag_id, run_id, _END)
        if document is None or plan is None:
            return ""
        if isinstance(plan, ExtractionPlan):
            broken = document["counts"].get("quarantined")  # none in a document of before
            out = f", {_count(broken, 'broken row')} in quarantine" if broken else ""
            return f"{_count(document['rows'], 'row')}, {_count(document['bytes'], 'byte')}{out}"
        if isinstance(plan, LoadPlan):
            return _count(document["rows"], "row")
        if "units" not in document:
            return "nothing was ready"
        countries = _count(sum(len(unit) for unit in document["units"]), "country", "countries")
        ids = document.get("ids") or {}
        changed = ", ".join(f"{ids[name]:,} {name}" for name in _OUTCOMES if ids.get(name))
        return f"{countries}{f': {changed}' if changed else ''}"

    def failure(self, dag_id: str, run_id: str) -> list[str]:
        """Why a run failed, whether somebody is needed, what to do, where the log is; as lines.

        Where the run left no word of it (a dry run, a run ended by hand), what Airflow knows of its tasks.
        """
        document = self._read(dag_id, run_id, _FAILURE)
        lines = [f"{dag_id}, run {run_id}: FAILED"]
        try:
            failure = RunFailure.model_validate({name: (document or {}).get(name) for name in RunFailure.model_fields})
        except ValidationError:
            return [*lines, *self._failed_tasks(dag_id, run_id)]
        lines.append(f"  fault: {explained(failure.kind)}")
        for task in failure.failed:
            if task.is_cause:
                lines.append(f"  {task.task_id}: " + task.message.replace("\n", "\n  "))
        lines += [f"  by itself: {failure.by_itself}", f"  to do: {failure.to_do}"]
        causes = [task for task in failure.failed if task.is_cause]
        return [*lines, f"  log: {next((task.log_uri for task in causes if task.log_uri), failure.log_uri)}"]

    def dry_run(self, dag_id: str, run_id: str) -> dict[str, Any] | None:
        """What a dry run would have done; None if it left no word."""
        return self._read(dag_id, run_id, _DRY_RUN)

    def page(self, dag_id: str, run_id: str, task_id: str = "", map_index: int = -1) -> str:
        """Where Airflow's UI shows a run, or a task's log."""
        if self._address is None:
            self._address = self._airflow.address()
        return run_page(self._address, dag_id, run_id, task_id, map_index)

    def _failed_tasks(self, dag_id: str, run_id: str) -> list[str]:
        failed = [task for task in self._airflow.task_instances(dag_id, run_id) if task["state"] == "failed"]
        if not failed:
            return ["  no task failed: the run was ended by hand", f"  see: {self.page(dag_id, run_id)}"]
        first = min(failed, key=lambda task: task["end_date"] or "")
        log = self.page(dag_id, run_id, first["task_id"], first["map_index"])
        return [f"  task {first['task_id']} failed", f"  log: {log}"]

    def _read(self, dag_id: str, run_id: str, step: str) -> dict[str, Any] | None:
        key = status_key(dag_id, run_id, step)
        if not self._bucket.exists(key):
            return None
        document: Mapping[str, Any] = json.loads(self._bucket.read_text(key))
        return dict(document)


def _count(number: int, noun: str, nouns: str | None = None) -> str:
    return f"{number:,} {noun if number == 1 else nouns or noun + 's'}"
