"""Answers with a fault in them."""

import asyncio
import csv
import io
import json
import zlib
from collections.abc import Callable, Mapping

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from local.salesforce.faults import ENDS_SESSION, ERRORS, Asked, Effect, Fault, Kind
from local.salesforce.http.answers import ApiError, bearer_token, json_response
from local.salesforce.http.service import Service
from local.salesforce.http.transport import end_connection
from local.salesforce.results import Page, gzipped

UNDATED = "idiscover.undated"  # in a scope whose answer is to have no Date
_ARRIVES_SECONDS = 0.05  # before a reset, so that what was sent has been taken up
_SLICES_PER_SECOND = 20
_HTML = b"<html><head><title>Maintenance</title></head><body><h1>We will be back soon</h1></body></html>\n"


def hit(
    service: Service, request: Request, asked: Asked, fault: Fault | None, answer: Callable[[], Response]
) -> Response:
    """What is answered under a fault; without one, what `answer` makes."""
    if fault is None:
        return answer()
    if fault.effect is not Effect.ERROR:
        return _faulty(service, asked, answer(), fault)
    if fault.arguments["error"] in ENDS_SESSION:
        service.tokens.revoke(bearer_token(request))
    return _error(fault, asked)


def _error(fault: Fault, asked: Asked) -> Response:
    status, code, message = ERRORS[str(fault.arguments["error"])]
    if asked.kind is Kind.LOGIN:
        return json_response({"error": code, "error_description": message}, status)
    return ApiError(status, code, message.format(object=asked.object)).response()


def _faulty(service: Service, asked: Asked, response: Response, fault: Fault) -> Response:
    """The answer with the fault in it; an answer that is an error itself stays as it is."""
    if response.status_code >= 300:
        return response
    if fault.effect is Effect.HTML:
        return Response(_HTML, 200, media_type="text/html")
    if fault.effect is Effect.UNKNOWN_SHAPE:
        return json_response({"batches": [{"href": "/1"}], "more": False})
    if fault.effect is Effect.LOCATOR:
        response.headers["Sforce-Locator"] = _next_locator(service, asked, response, str(fault.arguments["locator"]))
        return response
    if fault.effect is Effect.OTHER_PAGE:
        return _first_rows(service, asked, response)
    if fault.effect is Effect.STRIP:
        return _Stripped(response, fault)
    return _Edited(response, fault) if fault.effect in _EDITS else _Broken(response, fault)


def _next_locator(service: Service, asked: Asked, response: Response, wanted: str) -> str:
    following = response.headers["Sforce-Locator"]
    if wanted == "null" or following == "null":
        return "null"
    if wanted == "unknown":
        return "bm93aGVyZQ"
    job = service.jobs.find(asked.job or "")
    assert job is not None
    rows = int(response.headers["Sforce-NumberOfRecords"])
    row = service.files.row_of(job["id"], following)
    return service.files.locator(job["id"], row - rows if wanted == "repeated" else row + rows)


def _first_rows(service: Service, asked: Asked, response: Response) -> Response:
    job = service.jobs.find(asked.job or "")
    assert job is not None
    chunks = service.files.stream(job["id"], Page(0, int(response.headers["Sforce-NumberOfRecords"]), None))
    body = b"".join(gzipped(chunks) if response.headers.get("Content-Encoding") == "gzip" else chunks)
    return Response(body, response.status_code, dict(response.headers))


class _Wrapped(Response):
    """Stands for another answer, and takes what is put into its headers."""

    def __init__(self, inner: Response, fault: Fault) -> None:
        self.inner = inner
        self.arguments = fault.arguments
        self.effect = fault.effect
        self.status_code = inner.status_code
        self.background = inner.background
        self.raw_headers = inner.raw_headers

    async def body_of_inner(self, scope: Scope, receive: Receive) -> bytes:
        """The body that the answer would send."""
        parts: list[bytes] = []

        async def keep(message: Message) -> None:
            parts.append(message.get("body", b""))

        await self.inner(scope, receive, keep)
        return b"".join(parts)

    def number(self, name: str) -> int:
        """An argument that is a whole number."""
        return int(str(self.arguments[name]))


class _Stripped(_Wrapped):
    """Without one header, whoever puts it there."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        name = str(self.arguments["header"]).lower().encode("ascii")
        scope[UNDATED] = name == b"date"
        self.inner.raw_headers = [item for item in self.raw_headers if item[0].lower() != name]
        await self.inner(scope, receive, send)


class _Broken(_Wrapped):
    """Cut, slow, or with a pause in it."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await self.body_of_inner(scope, receive)
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        if self.effect is Effect.SLOW:
            await self._send_slowly(body, send)
            return
        first = self.number("after_bytes")
        await send(_part(body[:first]))
        if self.effect is Effect.STALL:
            await asyncio.sleep(float(str(self.arguments["seconds"])))
            await send(_part(body[first:], more=False))
            return
        await asyncio.sleep(_ARRIVES_SECONDS)
        end_connection(scope, reset=self.arguments["how"] == "reset")
        while (await receive())["type"] != "http.disconnect":
            pass

    async def _send_slowly(self, body: bytes, send: Send) -> None:
        size = max(1, self.number("bytes_per_second") // _SLICES_PER_SECOND)
        for start in range(0, len(body), size):
            await send(_part(body[start : start + size]))
            await asyncio.sleep(size / self.number("bytes_per_second"))
        await send(_part(b"", more=False))


def _part(body: bytes, more: bool = True) -> Message:
    return {"type": "http.response.body", "body": body, "more_body": more}


class _Edited(_Wrapped):
    """With other contents."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await self.body_of_inner(scope, receive)
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in self.raw_headers}
        is_gzip = headers.get("content-encoding") == "gzip"
        plain = zlib.decompress(body, zlib.MAX_WBITS | 16) if is_gzip else body
        edited = _EDITS[self.effect](plain, headers, self.arguments)
        headers.pop("content-length", None)
        answer = Response(b"".join(gzipped(iter([edited]))) if is_gzip else edited, self.status_code, headers)
        await answer(scope, receive, send)


def _truncate(body: bytes, _headers: dict[str, str], arguments: Mapping[str, object]) -> bytes:
    return body[: -int(str(arguments["bytes"]))]


def _drop_row(body: bytes, headers: dict[str, str], arguments: Mapping[str, object]) -> bytes:
    header, *rows = _rows(body)
    if not arguments["announced"]:
        headers["sforce-numberofrecords"] = str(len(rows) - 1)
    return _csv([header, *rows[:-1]])


def _other_rows(body: bytes, _headers: dict[str, str], _arguments: Mapping[str, object]) -> bytes:
    header, *rows = _rows(body)
    return _csv([header, *[rows[0] for _ in rows]])


def _urls(body: bytes, _headers: dict[str, str], arguments: Mapping[str, object]) -> bytes:
    answer = json.loads(body)
    key = next(key for key in ("resultPages", "resultChunks") if key in answer)
    first, *others = answer[key]
    answer[key] = [first, first, *others[1:]] if arguments["urls"] == "repeated" else others
    return json.dumps(answer).encode()


def _rows(body: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(body.decode(), newline="")))


def _csv(rows: list[list[str]]) -> bytes:
    out = io.StringIO(newline="")
    csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(rows)
    return out.getvalue().encode()


_EDITS: Mapping[Effect, Callable[[bytes, dict[str, str], Mapping[str, object]], bytes]] = {
    Effect.TRUNCATE: _truncate,
    Effect.DROP_ROW: _drop_row,
    Effect.OTHER_ROWS: _other_rows,
    Effect.URLS: _urls,
}
