"""The stage smoke: whether Airflow shows what was deployed, and runs something of it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any

from idiscover.aws.airflow_rest import AirflowRest
from idiscover.aws.s3 import Bucket
from idiscover.errors import FatalError, IdiscoverError
from idiscover.metadata.models import Context

CANARY = "sweep_pending"  # touches every store, and changes nothing where nothing is pending
GENERATED = "dags/generated/"
_POLL_SECONDS = 2.0


def smoke(
    context: Context, timeout_seconds: float, dry_run: bool = False, sleep: Callable[[float], None] = time.sleep
) -> Iterator[str]:
    """Yields one line per check that passed; waits up to `timeout_seconds` for each: Airflow parses in its own time.

    Raises:
        FatalError: a check does not pass, with what Airflow says.
    """
    rest = AirflowRest(context)
    checks: list[tuple[str, Callable[[], str | None]]] = [
        ("no file fails to parse", lambda: _import_errors(rest)),
        ("every deployed DAG is there", lambda: _missing_dags(rest, context)),
        ("every pool is there", lambda: _missing_pools(rest, context)),
    ]
    for name, check in checks:
        if dry_run:
            yield f"would check: {name}"
            continue
        _until_passed(name, check, timeout_seconds, sleep)
        yield f"ok: {name}"
    if dry_run:
        yield f"would run: {CANARY}"
        return
    run_id = f"smoke__{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
    rest.create_run(CANARY, {"dag_run_id": run_id, "logical_date": None, "note": "smoke test of a release"})
    _until_passed(f"{CANARY} runs", lambda: _not_through(rest, run_id), timeout_seconds, sleep)
    yield f"ok: {CANARY} runs ({run_id})"


def _until_passed(
    name: str, check: Callable[[], str | None], timeout_seconds: float, sleep: Callable[[float], None]
) -> None:
    deadline = time.monotonic() + timeout_seconds
    while (got := check()) is not None:
        if time.monotonic() >= deadline:
            raise FatalError(
                "a smoke test failed",
                where=name,
                got=got,
                expected=f"it passes within {timeout_seconds:.0f} s",
                remedy="look at it in Airflow's UI; the release before stands in the bucket's versions",
            )
        sleep(_POLL_SECONDS)


def _import_errors(rest: AirflowRest) -> str | None:
    found = rest.import_errors()
    return "; ".join(f"{error['filename']}: {_last_line(error['stack_trace'])}" for error in found) or None


def _last_line(trace: str) -> str:
    return trace.strip().rpartition("\n")[2]


def _missing_dags(rest: AirflowRest, context: Context) -> str | None:
    expected = {CANARY} | {name for name, plan in _plans(context).items() if "header" in plan or "subject" in plan}
    missing = sorted(expected - rest.dag_ids())
    return f"{len(missing)} of {len(expected)} missing: {', '.join(missing)}" if missing else None


def _missing_pools(rest: AirflowRest, context: Context) -> str | None:
    expected = {name for plan in _plans(context).values() for name in plan.get("header", plan).get("pools", {})}
    missing = sorted(expected - {pool["name"] for pool in rest.pages("/pools", "pools")})
    return f"missing: {', '.join(missing)}" if missing else None


def _plans(context: Context) -> dict[str, dict[str, Any]]:
    """Of the DAG bucket, by the name of their file, which is the dag_id."""
    bucket = Bucket(context.buckets.dags, context.region)
    keys = [key for key in bucket.list(GENERATED) if key.endswith(".json")]
    return {PurePosixPath(key).stem: json.loads(bucket.read_text(key)) for key in keys}


def _not_through(rest: AirflowRest, run_id: str) -> str | None:
    try:
        state = rest.run_state(CANARY, run_id)
    except IdiscoverError as error:
        return str(error)
    if state == "failed":
        raise FatalError("the canary run failed", where=f"{CANARY} {run_id}", remedy="its log is in Airflow's UI")
    return None if state == "success" else f"state {state}"
