"""What a rehearsal of DAGs plays: Salesforce, job metadata and Redshift, and the agent that ends the EMR step."""

from __future__ import annotations

import json
import sys
import threading
import types
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import boto3
from idiscover.errors import ConfigError
from idiscover.lake.keys import manifest_key, source_prefix, status_key
from idiscover.lake.manifest import BatchCounts, BatchManifest
from idiscover.plan.model import (
    ExtractionPlan,
    ExtractionRequest,
    LoadPlan,
    RefreshPlan,
    RunIdentity,
    ReadMode,
    RunKind,
    Window,
)

FAILURE = {"Reason": "Counts differ", "Message": "job 12, parsed 11 <b>", "LogFile": "s3://idiscover-local/emr-logs/x"}
_SHARED = ("object", "salesforce_object", "operation", "columns", "key", "delta_field", "filter", "code_sha")


class Played:
    """Stands in for `idiscover.aws.extraction_run`, `.refresher` and `.sweep`, and remembers what was asked of it."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.request: ExtractionRequest | None = None
        self.units: list[list[str]] = []
        self.claimed = True

    def install(self) -> None:
        """Puts the played modules where the tasks import them from."""
        for name, functions in {
            "extraction_run": ("open_extraction", "batch_stands", "close_extraction", "release_lock"),
            "refresher": ("claim_slices", "call_unit", "finish_refresh", "fail_refresh"),
            "sweep": ("due_dag_ids",),
        }.items():
            module = types.ModuleType(f"idiscover.aws.{name}")
            for function in functions:
                setattr(module, function, getattr(self, function))
            sys.modules[module.__name__] = module

    def reset(self) -> None:
        self.calls, self.request, self.units, self.claimed = [], None, [], True

    def open_extraction(self, plan: ExtractionPlan, run: RunIdentity) -> ExtractionRequest:
        self.calls.append("open")
        assert run.order_date is not None and run.interval_start_utc is not None and run.interval_end_utc is not None
        batch_id = f"{plan.object}-{run.order_date:%Y%m%d}-0123456789ab"
        self.request = ExtractionRequest(
            window=Window(
                object=plan.object,
                run_id=run.run_id,
                run_kind=RunKind.SCHEDULED,
                order_date=run.order_date,
                batch_id=batch_id,
                start_utc=run.interval_start_utc,
                end_utc=run.interval_end_utc,
                read_mode=ReadMode.WINDOW,
            ),
            data_bucket=plan.context.buckets.data,
            target_prefix=source_prefix(plan.object, batch_id),
            status_key=status_key(run.dag_id, run.run_id, "extract"),
            secrets=plan.context.secrets,
            salesforce=plan.context.salesforce,
            region=plan.context.region,
            **{name: getattr(plan, name) for name in _SHARED},
        )
        return self.request

    def batch_stands(self, plan: ExtractionPlan, run: RunIdentity) -> bool:
        return self._manifest() is not None

    def close_extraction(self, plan: ExtractionPlan, run: RunIdentity) -> BatchManifest:
        self.calls.append("close")
        manifest = self._manifest()
        assert manifest is not None
        return manifest

    def release_lock(self, plan: ExtractionPlan, run: RunIdentity) -> None:
        self.calls.append("release")

    def claim_slices(self, plan: RefreshPlan, run: RunIdentity) -> list[list[str]]:
        self.calls.append("claim")
        return self.units

    def call_unit(self, plan: RefreshPlan, run: RunIdentity, unit: list[str]) -> dict[str, object]:
        self.calls.append(f"call {'+'.join(unit)}")
        if "XX" in unit:
            raise ConfigError("no such country", got="XX")
        return {"countries": unit}

    def finish_refresh(self, plan: RefreshPlan, run: RunIdentity) -> dict[str, object] | None:
        self.calls.append("finish")
        return {"units": len(self.units)} if self.claimed else None

    def fail_refresh(self, plan: RefreshPlan, run: RunIdentity) -> None:
        self.calls.append("give back")

    def due_dag_ids(self, plans: list[LoadPlan | RefreshPlan]) -> list[str]:
        return [plan.header.dag_id for plan in plans]

    def _manifest(self) -> BatchManifest | None:
        if self.request is None:
            return None
        s3, key = boto3.client("s3"), manifest_key(self.request.target_prefix)
        if not s3.list_objects_v2(Bucket=self.request.data_bucket, Prefix=key).get("Contents"):
            return None
        return BatchManifest.model_validate_json(s3.get_object(Bucket=self.request.data_bucket, Key=key)["Body"].read())


class Agent:
    """Takes each step and ends it with `outcome`; writes the batch's manifest if that is COMPLETED."""

    def __init__(self, endpoint: str, played: Played) -> None:
        self.endpoint, self.played = endpoint, played
        self.outcome = "COMPLETED"
        self.arguments: list[str] = []
        self._stop = threading.Event()

    @contextmanager
    def at_work(self) -> Iterator[None]:
        thread = threading.Thread(target=self._loop, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join(timeout=5)

    def _loop(self) -> None:
        while not self._stop.wait(0.2):
            for order in self._post("heartbeat", {"holding": []})["runnable"]:
                self.arguments = order["args"]
                self._perform({"cluster_id": order["cluster_id"], "step_id": order["step_id"]})

    def _perform(self, step: dict[str, str]) -> None:
        self._post("claim", step)
        if self.outcome == "COMPLETED":
            self._write_manifest()
        details = {} if self.outcome == "COMPLETED" else FAILURE
        self._post("report", {**step, "outcome": self.outcome, "details": details})

    def _write_manifest(self) -> None:
        request = self.played.request
        assert request is not None
        window = request.window
        manifest = BatchManifest(
            batch_id=window.batch_id,
            object=request.object,
            salesforce_object=request.salesforce_object,
            run_id=window.run_id,
            run_kind="scheduled",
            order_date=window.order_date,
            read_mode=window.read_mode,
            window_start_utc=window.start_utc,
            window_end_utc=window.end_utc,
            read_started_at_utc=datetime.now(UTC),
            read_at_utc=datetime.now(UTC),
            absence_at_utc=None,
            job_id=None,
            columns=("id", "_read_at_utc", "_batch_id"),
            files=(),
            counts=BatchCounts(count_before=0, count_after=0, job_rows=0, page_rows=0, parsed_rows=0, file_rows=0),
            code_sha=request.code_sha,
        )
        body = manifest.model_dump_json().encode()
        boto3.client("s3").put_object(Bucket=request.data_bucket, Key=manifest_key(request.target_prefix), Body=body)

    def _post(self, call: str, body: dict[str, Any]) -> dict[str, Any]:
        data = json.dumps({"agent": "rehearsal", **body}).encode()
        request = urllib.request.Request(f"{self.endpoint}/idiscover/agent/{call}", data=data, method="POST")
        with urllib.request.urlopen(request, timeout=10) as answer:
            return dict(json.load(answer))
