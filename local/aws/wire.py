"""From WSGI to a request that can be kept, and from an answer to WSGI."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from moto.core.request import PRESERVED_HEADER_NAMES_ENVIRON_KEY

from local.aws.blobs import BlobStore
from local.aws.journal import Request

_KEPT = ("REQUEST_METHOD", "PATH_INFO", "RAW_URI", "REQUEST_URI", "QUERY_STRING", "CONTENT_TYPE", "SERVER_NAME")
_KEPT_TOO = ("SERVER_PORT", "SCRIPT_NAME", "REMOTE_ADDR", "wsgi.url_scheme")
# Hop-by-hop headers: the body has been read whole, so they no longer describe it.
_DROPPED = ("HTTP_TRANSFER_ENCODING", "HTTP_EXPECT", "HTTP_CONNECTION")
_READING_ACTION = re.compile(r"(Describe|List|Get|BatchGet|Filter|Test|Lookup)[A-Z]")
_READING_METHODS = ("GET", "HEAD", "OPTIONS")


@dataclass(frozen=True)
class Response:
    """An answer, whole."""

    status: str
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def code(self) -> int:
        return int(self.status.split()[0])


def read_request(environ: dict[str, Any], blobs: BlobStore) -> Request:
    """Read the body off the socket and keep what moto needs to see."""
    stream = environ["wsgi.input"]
    if environ.get("HTTP_TRANSFER_ENCODING", "").lower() == "chunked":
        data = stream.read()
    else:
        data = stream.read(int(environ.get("CONTENT_LENGTH") or 0))
    kept = {
        key: str(value)
        for key, value in environ.items()
        if key in _KEPT or key in _KEPT_TOO or (key.startswith("HTTP_") and key not in _DROPPED)
    }
    return Request(kept, blobs.put(data), dict(environ.get(PRESERVED_HEADER_NAMES_ENVIRON_KEY) or {}))


def to_environ(request: Request, blobs: BlobStore) -> dict[str, Any]:
    """The WSGI environment that moto's application is called with."""
    data = blobs.read(request.body)
    return {
        **request.environ,
        "CONTENT_LENGTH": str(len(data)),
        "wsgi.input": io.BytesIO(data),
        "wsgi.errors": io.StringIO(),
        "wsgi.version": (1, 0),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        PRESERVED_HEADER_NAMES_ENVIRON_KEY: request.names,
    }


def call(app: Any, environ: dict[str, Any]) -> Response:
    """Call a WSGI application and collect its whole answer."""
    started: list[Any] = []

    def start_response(status: str, headers: list[tuple[str, str]], _exc: Any = None) -> None:
        started[:] = [status, headers]

    chunks: Iterable[bytes] = app(environ, start_response)
    try:
        body = b"".join(chunks)
    finally:
        close = getattr(chunks, "close", None)
        if close is not None:
            close()
    return Response(started[0], started[1], body)


def is_signed(environ: dict[str, Any]) -> bool:
    """Whether an AWS client made this request (in its headers or in a presigned URL)."""
    query = environ.get("QUERY_STRING", "")
    return "HTTP_AUTHORIZATION" in environ or "X-Amz-Signature=" in query or "AWSAccessKeyId=" in query


def changes_state(request: Request, blobs: BlobStore) -> bool:
    """Whether the request may change state: by the name of its action where it has one, else by its method."""
    target = request.environ.get("HTTP_X_AMZ_TARGET")
    if target:
        return _READING_ACTION.match(target.rpartition(".")[2]) is None
    if request.method == "POST" and "x-www-form-urlencoded" in request.environ.get("CONTENT_TYPE", ""):
        action = parse_qs(blobs.read(request.body).decode("utf-8", "replace")).get("Action", [""])[0]
        if action:
            return _READING_ACTION.match(action) is None
    return request.method not in _READING_METHODS
