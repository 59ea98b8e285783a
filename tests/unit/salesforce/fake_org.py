"""A scripted Salesforce over real TLS: answers queued by path, and bodies that are cut in the middle."""

from __future__ import annotations

import gzip
import json
import os
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import trustme
from idiscover.salesforce.retry import RetryPolicy
from idiscover.salesforce.session import SalesforceSession, open_session

DATE = "Mon, 05 Jan 2026 02:00:07 GMT"
API_VERSION = "62.0"
DATA = f"/services/data/v{API_VERSION}"


@dataclass(frozen=True)
class Reply:
    """One answer. With `cut_at`, the connection breaks after that many bytes of the body as sent."""

    status: int = 200
    body: bytes = b"{}"
    headers: Mapping[str, str] = field(default_factory=dict)
    cut_at: int | None = None


@dataclass(frozen=True)
class Seen:
    """One request as the org saw it."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def form(self) -> dict[str, str]:
        """The body of a token request."""
        return dict(parse_qsl(self.body.decode()))

    @property
    def json(self) -> Any:
        """The body of an API request."""
        return json.loads(self.body)


def as_json(content: object, status: int = 200, **headers: str) -> Reply:
    """A JSON answer."""
    return Reply(status, json.dumps(content).encode(), {"Content-Type": "application/json", **headers})


def fault(status: int, code: str, message: str = "no reason") -> Reply:
    """An error answer of the REST API."""
    return as_json([{"errorCode": code, "message": message}], status)


def zipped(reply: Reply) -> Reply:
    """The answer as a server sends it to a client that takes gzip."""
    return Reply(reply.status, gzip.compress(reply.body), {**reply.headers, "Content-Encoding": "gzip"}, reply.cut_at)


class FakeOrg:
    """Answers what was queued for a path, in order, then what `routes` says; tokens are `token-1`, `token-2`, …"""

    def __init__(self, url: str) -> None:
        self.url = url
        self.seen: list[Seen] = []
        self.routes: dict[str, Callable[[Seen], Reply]] = {}
        self._queues: dict[str, list[Reply]] = {}
        self._tokens = 0
        self._lock = threading.Lock()

    def reset(self) -> None:
        """Forget everything."""
        self.seen, self.routes, self._queues, self._tokens = [], {}, {}, 0

    def queue(self, path: str, *replies: Reply) -> None:
        """What the next requests of `path` get."""
        self._queues.setdefault(path, []).extend(replies)

    def asked(self, path: str) -> list[Seen]:
        """All requests of a path so far."""
        return [seen for seen in self.seen if seen.path == path]

    @property
    def secret(self) -> dict[str, str]:
        """A secret that logs in here."""
        return {
            "login_url": self.url,
            "grant_type": "client_credentials",
            "client_id": "the-client",
            "client_secret": "the-secret",
        }

    def open(self, **changes: str) -> SalesforceSession:
        """A session whose pauses take no time."""
        return open_session({**self.secret, **changes}, API_VERSION, quick_retry())

    def answer(self, seen: Seen) -> Reply:
        """The answer to a request."""
        with self._lock:
            self.seen.append(seen)
            queued = self._queues.get(seen.path)
            if queued:
                return queued.pop(0)
        if seen.path in self.routes:
            return self.routes[seen.path](seen)
        if seen.path == "/services/oauth2/token":
            self._tokens += 1
            return as_json({"access_token": f"token-{self._tokens}", "instance_url": self.url})
        return fault(404, "NOT_FOUND", "The requested resource does not exist")


def quick_retry(tries: int = 4) -> RetryPolicy:
    """Real counts, no waiting."""
    return RetryPolicy(tries=tries, sleep=lambda _seconds: None)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    org: FakeOrg

    def _answer(self) -> None:
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        query = dict(parse_qsl(parts.query))
        reply = self.org.answer(Seen(self.command, parts.path, query, dict(self.headers), body))
        self.send_response_only(reply.status)
        headers = {"Date": DATE, "Content-Length": str(len(reply.body)), **reply.headers}
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(reply.body[: reply.cut_at])
        if reply.cut_at is not None and reply.cut_at < len(reply.body):
            self.close_connection = True

    do_GET = do_POST = do_PATCH = do_DELETE = _answer

    def log_message(self, *_args: object) -> None:
        """Keep the test's output clean."""


@contextmanager
def fake_org(folder: Path) -> Iterator[FakeOrg]:
    """A running org whose certificate the process trusts."""
    authority = trustme.CA()
    ca_file = folder / "ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    handler = type("Handler", (_Handler,), {})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    server.socket = context.wrap_socket(server.socket, server_side=True)
    handler.org = org = FakeOrg(f"https://localhost:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    before = os.environ.get("REQUESTS_CA_BUNDLE")
    os.environ["REQUESTS_CA_BUNDLE"] = str(ca_file)
    thread.start()
    try:
        yield org
    finally:
        server.shutdown()
        server.server_close()
        if before is None:
            del os.environ["REQUESTS_CA_BUNDLE"]
        else:
            os.environ["REQUESTS_CA_BUNDLE"] = before
