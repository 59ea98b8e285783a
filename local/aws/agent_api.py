"""What the step agent asks of the server: a heartbeat that hands out work, a claim, and a report.

    POST /idiscover/agent/heartbeat {agent, holding: [step id, …]}
        → {runnable: [order, …], stop: [step id, …], missing: [{cluster_id, step_id}, …]}   not journaled
    POST /idiscover/agent/claim     {agent, cluster_id, step_id}                            → {claimed: bool}
    POST /idiscover/agent/report    {agent, cluster_id, step_id, outcome, details}          → {state}

An order is {cluster_id, step_id, name, jar, args, log_uri}. `details` is EMR's FailureDetails.
"""

from __future__ import annotations

import json
import threading
import time
from typing import Any

from local.aws import emr_service
from local.aws.blobs import BlobStore
from local.aws.determinism import utcnow
from local.aws.emr_model import LiveCluster, LiveStep
from local.aws.journal import Request
from local.aws.wire import Response

PREFIX = "/idiscover/agent/"
JOURNALED = (PREFIX + "claim", PREFIX + "report")
# Another agent is turned away for this long after the last sign of the present one.
TAKEOVER_SECONDS = 10.0
OUTCOMES = ("COMPLETED", "FAILED", "CANCELLED")


class Heartbeats:
    """When the agent was last heard of. Held in memory only: after a restart of the server the agent is new."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._agent: str | None = None
        self._at: float | None = None

    def accept(self, agent: str) -> bool:
        """Note a sign of life; False if another agent was heard of a moment ago."""
        with self._lock:
            now = time.monotonic()
            if self._agent not in (None, agent) and self._at is not None and now - self._at < TAKEOVER_SECONDS:
                return False
            self._agent, self._at = agent, now
            return True

    def age_seconds(self) -> float | None:
        """Seconds since the last heartbeat; None if there was none."""
        with self._lock:
            return None if self._at is None else round(time.monotonic() - self._at, 3)


def json_response(value: Any, status: str = "200 OK") -> Response:
    """A JSON answer."""
    body = json.dumps(value).encode()
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    return Response(status, [*headers, ("X-Content-Type-Options", "nosniff")], body)


def handle(request: Request, blobs: BlobStore, heartbeats: Heartbeats) -> Response:
    """Answer a request of the agent; the engine's lock is held."""
    try:
        asked = json.loads(blobs.read(request.body) or b"{}")
        call = request.path.removeprefix(PREFIX)
        if request.method != "POST" or call not in ("heartbeat", "claim", "report"):
            return json_response({"error": f"no such call: {request.method} {request.path}"}, "404 Not Found")
        if call == "heartbeat":
            return _heartbeat(asked, heartbeats)
        found = _find(asked["cluster_id"], asked["step_id"])
        if found is None:
            return json_response({"error": f"no step {asked['step_id']}"}, "404 Not Found")
        cluster, step = found
        answer = _claim(asked, cluster, step) if call == "claim" else _report(asked, cluster, step)
        return json_response(answer)
    except (KeyError, ValueError, TypeError) as error:
        return json_response({"error": f"{type(error).__name__}: {error}"}, "400 Bad Request")


def _heartbeat(asked: dict[str, Any], heartbeats: Heartbeats) -> Response:
    agent, holding = str(asked["agent"]), set(asked["holding"])
    if not heartbeats.accept(agent):
        return json_response({"error": "another agent is at work"}, "409 Conflict")
    runnable, stop, missing = [], set(holding), []
    for cluster in emr_service.all_clusters():
        runnable += [_order(cluster, step) for step in cluster.runnable()]
        for step in cluster.steps:
            if step.state == "RUNNING":
                stop.discard(step.id)
            if step.state in ("RUNNING", "CANCEL_PENDING") and step.id not in holding:
                missing.append({"cluster_id": cluster.id, "step_id": step.id})
    return json_response({"runnable": runnable, "stop": sorted(stop), "missing": missing})


def _order(cluster: LiveCluster, step: LiveStep) -> dict[str, Any]:
    return {
        "cluster_id": cluster.id,
        "step_id": step.id,
        "name": step.name,
        "jar": step.jar,
        "args": list(step.args),
        "log_uri": cluster.log_uri,
    }


def _find(cluster_id: str, step_id: str) -> tuple[LiveCluster, LiveStep] | None:
    for cluster in emr_service.all_clusters():
        for step in cluster.steps:
            if (cluster.id, step.id) == (cluster_id, step_id):
                return cluster, step
    return None


def _claim(asked: dict[str, Any], cluster: LiveCluster, step: LiveStep) -> dict[str, Any]:
    return {"claimed": cluster.claim(step, str(asked["agent"]), utcnow())}


def _report(asked: dict[str, Any], cluster: LiveCluster, step: LiveStep) -> dict[str, Any]:
    outcome = asked["outcome"]
    if outcome not in OUTCOMES:
        raise ValueError(f"outcome {outcome!r}, expected one of {OUTCOMES}")
    details = {name: str(text) for name, text in asked.get("details", {}).items()}
    cluster.finish_step(step, outcome, details, utcnow())
    return {"state": step.state}
