"""The WSGI application: AWS requests go through the engine to moto, MWAA's to Airflow, /idiscover/… to our pages."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from moto.moto_server import werkzeug_app

from local.aws import (
    agent_api,
    blobs,
    determinism,
    emr_service,
    mail,
    mwaa,
    pages,
    snapshot,
    wire,
)
from local.aws.agent_api import json_response
from local.aws.engine import Engine
from local.aws.journal import Request
from local.aws.wire import Response

log = logging.getLogger(__name__)
OURS = "/idiscover/"
# moto's own control paths could wipe the state, or serve what no AWS endpoint serves.
_CLOSED = ("/moto-api", "/latest/meta-data/", "/latest/api/")
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_installed = False


def install() -> None:
    """Patch moto, once per process."""
    global _installed
    if not _installed:
        _installed = True
        # No page of another origin may read what the stand-in holds.
        werkzeug_app.DISABLE_GLOBAL_CORS = True
        determinism.install()
        blobs.install()
        snapshot.install()
        emr_service.install()
        mail.install()


class StandIn:
    """The stand-in as a WSGI application over the state in `folder`."""

    def __init__(self, folder: Path) -> None:
        install()
        self._moto = werkzeug_app.DomainDispatcherApplication(werkzeug_app.create_backend_app)
        self.engine = Engine(folder, self._answer)
        self.heartbeats = agent_api.Heartbeats()
        self._mwaa = mwaa.Environment(mwaa.Airflow.from_environment())
        self._started = time.monotonic()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        response = self._route(environ)
        start_response(response.status, response.headers)
        return [response.body]

    def _route(self, environ: dict[str, Any]) -> Response:
        path = environ.get("PATH_INFO", "")
        # A signed request is an AWS client's, even for a bucket named "idiscover".
        signed = wire.is_signed(environ)
        ours = path.startswith(OURS) and not signed
        if not signed and not _is_local(environ):
            return json_response({"error": "served to this machine only"}, "403 Forbidden")
        if not signed and path.startswith(_CLOSED):
            return json_response({"error": "not served here"}, "404 Not Found")
        if mwaa.is_for_mwaa(environ):
            return self._mwaa.answer(environ)
        if ours and not path.startswith(agent_api.PREFIX):
            return self._page(environ, path)
        request = wire.read_request(environ, self.engine.blobs)
        changes = path in agent_api.JOURNALED if ours else wire.changes_state(request, self.engine.blobs)
        try:
            return self.engine.write(request) if changes else self.engine.read(request)
        except OSError as error:
            log.exception("state could not be kept")
            return _fault("503 Service Unavailable", "ServiceUnavailable", f"state could not be kept: {error}")

    def _answer(self, request: Request) -> Response:
        """Answer one request, first time and at replay alike; the engine's lock is held."""
        environ = wire.to_environ(request, self.engine.blobs)
        if request.path.startswith(agent_api.PREFIX) and not wire.is_signed(environ):
            return agent_api.handle(request, self.engine.blobs, self.heartbeats)
        try:
            return wire.call(self._moto, environ)
        except NotImplementedError as error:
            return _fault("501 Not Implemented", "NotImplemented", str(error))
        except Exception as error:
            # The boundary of code that is not ours: whatever moto raises becomes AWS's internal error, with a log line.
            log.exception("moto failed on %s %s", request.method, request.path)
            return _fault("500 Internal Server Error", "InternalFailure", f"{type(error).__name__}: {error}")

    def _page(self, environ: dict[str, Any], path: str) -> Response:
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return json_response({"error": "read only"}, "405 Method Not Allowed")
        with self.engine.locked():
            if path == OURS + "health":
                return json_response(self._health())
            return pages.render(path, environ.get("QUERY_STRING", ""))

    def _health(self) -> dict[str, Any]:
        clusters = emr_service.all_clusters()
        return {
            "status": "ok",
            "uptime_seconds": round(time.monotonic() - self._started, 1),
            "agent_heartbeat_age_seconds": self.heartbeats.age_seconds(),
            "clusters_alive": sum(cluster.end_datetime is None for cluster in clusters),
            "steps_running": sum(step.state == "RUNNING" for cluster in clusters for step in cluster.steps),
            "mails": len(mail.inbox()),
            **self.engine.status(),
        }


def _is_local(environ: dict[str, Any]) -> bool:
    """Whether the request names this machine: a page of another site, by DNS rebinding, does not."""
    host = environ.get("HTTP_HOST", "")
    name = host if host.endswith("]") else host.rsplit(":", 1)[0]
    origin = environ.get("HTTP_ORIGIN")
    return name in _LOOPBACK and (origin is None or origin == f"http://{host}")


def _fault(status: str, code: str, message: str) -> Response:
    body = json.dumps({"__type": code, "message": message}).encode()
    headers = [("Content-Type", "application/x-amz-json-1.1"), ("Content-Length", str(len(body)))]
    return Response(status, headers, body)
