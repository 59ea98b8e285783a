"""What a rehearsal of DAGs plays: Salesforce, job metadata and Redshift, and the agent that ends the EMR step."""

from __future__ import annotations

import functools
import json
import sys
import threading
import types
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import boto3
import botocore.session
from botocore.client import BaseClient
from botocore.exceptions import ClientError, ReadTimeoutError
from idiscover.aws.s3 import Bucket
from idiscover.errors import ConfigError, RetriableError
from idiscover.lake.keys import manifest_key, source_prefix, status_key
from idiscover.lake.manifest import BatchCounts, BatchManifest
from idiscover.notify.failures import failure_of
from idiscover.plan.drift import SchemaDrift
from idiscover.plan.model import (
    ExtractionPlan,
    ExtractionRequest,
    LoadPlan,
    Plan,
    ReadMode,
    RefreshPlan,
    RunIdentity,
    RunKind,
    Window,
)
from idiscover.plan.tableau import SubjectPlan

from emr_jobs.status import StepStatus

FAILURE = {"Reason": "Counts differ", "Message": "job 12, parsed 11 <b>", "LogFile": "s3://idiscover-local/emr-logs/x"}
_SHARED = ("object", "salesforce_object", "operation", "columns", "key", "delta_field", "filter", "code_sha")


class Played:
    """Stands in for `idiscover.aws.extraction_run`, `.loader`, `.refresher`, `.sweep`, …; remembers all.

    Attributes:
        calls: what was asked, in order.
        faults: function → the errors that its next calls raise; the last one for good if `lasting`.
    """

    def __init__(self) -> None:
        self.reset()

    def install(self) -> None:
        """Puts the played modules where the tasks import them from.

        And has boto3's descriptions of services read once for all hooks, as on a laptop.
        """
        botocore.session.create_loader = functools.cache(botocore.session.create_loader)
        for name, functions in {
            "extraction_run": ("open_extraction", "batch_stands", "close_extraction", "release_lock"),
            "loader": ("copy_pending", "reconcile", "finish_load"),
            "refresher": ("claim_slices", "call_units", "finish_refresh", "fail_refresh"),
            "sweep": ("due_dag_ids", "refused_subjects"),
            "wakes": ("ready_consumers",),
            "schema_drift": ("check_schema",),
            "dry_runs": ("preview", "record", "told"),
        }.items():
            module = types.ModuleType(f"idiscover.aws.{name}")
            for function in functions:
                setattr(module, function, getattr(self, function))
            sys.modules[module.__name__] = module

    def reset(self) -> None:
        self.calls: list[str] = []
        self.request: ExtractionRequest | None = None
        self.units: list[list[str]] = []
        self.claimed = True
        self.called: set[str] = set()
        self.faults: dict[str, list[Exception]] = {}
        self.lasting = True

    def _asked(self, function: str, call: str) -> None:
        self.calls.append(call)
        errors = self.faults.get(function, [])
        if errors:
            raise errors[0] if self.lasting else errors.pop(0)

    def check_schema(self, plan: ExtractionPlan) -> SchemaDrift:
        return SchemaDrift(added=(f"Odd_{plan.object}__c is new: string(80)",))

    def open_extraction(self, plan: ExtractionPlan, run: RunIdentity) -> ExtractionRequest:
        self._asked("open_extraction", "open")
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
        self._asked("close_extraction", "close")
        manifest = self._manifest()
        assert manifest is not None
        return manifest

    def release_lock(self, plan: ExtractionPlan, run: RunIdentity) -> None:
        self.calls.append("release")

    def claim_slices(self, plan: RefreshPlan, run: RunIdentity) -> list[list[str]]:
        self._asked("claim_slices", "claim")
        return self.units

    def call_units(self, plan: RefreshPlan, run: RunIdentity, units: list[list[str]]) -> dict[str, object]:
        errors = [error for unit in units if (error := self._call_unit("+".join(unit))) is not None]
        if errors:
            raise next((error for error in errors if not isinstance(error, RetriableError)), errors[0])
        return {"calls": len(units)}

    def _call_unit(self, unit: str) -> Exception | None:
        """None if it is through, now or by an earlier try."""
        if unit in self.called:
            return None
        try:
            self._asked(f"call_unit {unit}", f"call {unit}")
        except Exception as error:
            return error
        if unit == "XX":
            return ConfigError("no such country", got="XX")
        self.called.add(unit)
        return None

    def finish_refresh(self, plan: RefreshPlan, run: RunIdentity) -> dict[str, object] | None:
        self._asked("finish_refresh", "finish")
        return {"units": len(self.units)} if self.claimed else None

    def ready_consumers(self, plan: LoadPlan | RefreshPlan) -> list[str]:
        """The first of them alone."""
        return sorted(consumer.table for consumer in plan.wakes)[:1]

    def fail_refresh(self, plan: RefreshPlan, run: RunIdentity) -> None:
        self.calls.append("give back")

    def preview(self, plan: Plan, run: RunIdentity) -> dict[str, object]:
        self._asked("preview", "preview")
        return {"summary": f"would {plan.kind}", "countries": list(run.countries)}

    def record(self, plan: Plan, run: RunIdentity, document: dict[str, object]) -> None:
        """Nobody reads it here."""

    def told(self, document: dict[str, object]) -> list[str]:
        return [str(document["summary"])]

    def copy_pending(self, plan: LoadPlan, run: RunIdentity) -> dict[str, object]:
        self._asked("copy_pending", "copy")
        return {"copied": []}

    def reconcile(self, plan: LoadPlan, run: RunIdentity) -> dict[str, object]:
        self._asked("reconcile", "reconcile")
        return {"batches": []}

    def finish_load(self, plan: LoadPlan, run: RunIdentity) -> dict[str, object]:
        self._asked("finish_load", "finish")
        return {"loaded": []}

    def due_dag_ids(self, plans: list[LoadPlan | RefreshPlan]) -> list[str]:
        return [plan.header.dag_id for plan in plans]

    def refused_subjects(self, plans: list[SubjectPlan], since: datetime) -> list[str]:
        assert since.tzinfo is not None
        return [plan.dag_id for plan in plans]

    def _manifest(self) -> BatchManifest | None:
        if self.request is None:
            return None
        s3, key = boto3.client("s3"), manifest_key(self.request.target_prefix)
        if not s3.list_objects_v2(Bucket=self.request.data_bucket, Prefix=key).get("Contents"):
            return None
        return BatchManifest.model_validate_json(s3.get_object(Bucket=self.request.data_bucket, Key=key)["Body"].read())


class AwsFaults:
    """Makes calls to AWS fail: operation → the codes of its next answers. `LOST` does the work and loses the answer."""

    LOST = "lost"

    def __init__(self) -> None:
        self.codes: dict[str, list[str]] = {}

    @contextmanager
    def at_work(self) -> Iterator[None]:
        plain = BaseClient._make_api_call

        def call(client: BaseClient, operation: str, arguments: dict[str, Any]) -> Any:
            code = self.codes[operation].pop(0) if self.codes.get(operation) else None
            if code in (None, self.LOST):
                answer = plain(client, operation, arguments)
                if code is None:
                    return answer
                raise ReadTimeoutError(endpoint_url=operation)
            raise ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": 400}}, operation)

        BaseClient._make_api_call = call
        try:
            yield
        finally:
            BaseClient._make_api_call = plain


class StepEnd(StrEnum):
    """Ends of a step that leave no error of its own."""

    COMPLETED = "COMPLETED"
    KILLED = "killed"  # its status document says that it is at work
    WORDLESS = "wordless"  # it left no status document
    CANCELLED = "cancelled"  # somebody terminated the cluster
    HANGING = "hanging"  # it does not end before it is cancelled


class Agent:
    """Takes each step and ends it with the next of `ends`, the last one for good.

    Writes the batch's manifest if that is COMPLETED, and the step's status document as the real step does.
    """

    def __init__(self, endpoint: str, played: Played) -> None:
        self.endpoint, self.played = endpoint, played
        self.ends: list[StepEnd | Exception] = [StepEnd.COMPLETED]
        self.steps = 0
        self.arguments: list[str] = []
        self._hanging: dict[str, dict[str, str]] = {}
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
        while not self._stop.wait(0.1):
            told = self._post("heartbeat", {"holding": list(self._hanging)})
            for order in told["runnable"]:
                self.arguments = order["args"]
                self._perform({"cluster_id": order["cluster_id"], "step_id": order["step_id"]})
            for step_id in told["stop"]:
                self._post("report", {**self._hanging.pop(step_id), "outcome": "CANCELLED", "details": {}})

    def _perform(self, step: dict[str, str]) -> None:
        self._post("claim", step)
        end = self.ends[min(self.steps, len(self.ends) - 1)]
        self.steps += 1
        if end is StepEnd.HANGING:
            self._hanging[step["step_id"]] = step
            return
        if end is StepEnd.COMPLETED:
            self._write_manifest()
        elif end is StepEnd.CANCELLED:
            boto3.client("emr").terminate_job_flows(JobFlowIds=[step["cluster_id"]])
        elif end is not StepEnd.WORDLESS:
            self._write_status(end)
        outcome = end.name if end in (StepEnd.COMPLETED, StepEnd.CANCELLED) else "FAILED"
        self._post("report", {**step, "outcome": outcome, "details": FAILURE if outcome == "FAILED" else {}})

    def _write_status(self, end: StepEnd | Exception) -> None:
        request = self.played.request
        assert request is not None
        status = StepStatus(Bucket(request.data_bucket, request.region), request)
        if isinstance(end, Exception):
            status.write("failed", failure=failure_of(end))
        else:
            status.write("running")

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
            job_ids=(),
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
