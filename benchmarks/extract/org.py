"""The org that is read: the simulator with large objects, and around it what older clients ask for.

    python -m benchmarks.extract.org --port 9443 --state-dir /tmp/org --large Test__c=200000 --large-dir /tmp/rows

Beside the simulator's own addresses: SOAP's login, and of Bulk API 1 one batch per job, which is complete at once. Its
certificate is good for *.salesforce.com.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import trustme
import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route

from local.salesforce.http.app import create_app
from local.salesforce.http.service import Service, Settings, open_service
from local.salesforce.large.blocks import PLAIN
from local.salesforce.large.objects import served_large
from local.salesforce.results import gzipped
from local.salesforce.soql.execution import bind
from local.salesforce.times import from_iso
from local.salesforce.tls import TlsFiles

_NAMES = ("localhost", "127.0.0.1", "*.salesforce.com", "*.my.salesforce.com")
_RECORDS_PER_CHUNK = 2_000
_BATCH, _RESULT = "7510000000000001", "7520000000000001"
_LIMIT = {"Max": 1_000_000, "Remaining": 999_000}


@dataclass
class _Job:
    content_type: str
    soql: str = ""


class _OlderInterfaces:
    """SOAP's login and Bulk API 1 over the large objects of a service."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._jobs: dict[str, _Job] = {}

    def routes(self) -> list[Route]:
        """What they answer to; limits too, which lack what belongs to Bulk API 1."""
        job = "/services/async/{version}/job"
        batch = job + "/{job}/batch"
        return [
            Route("/services/Soap/u/{version}", self._log_in, methods=["POST"]),
            Route("/services/data/{version}/limits", self._limits),
            Route(job, self._create, methods=["POST"]),
            Route(job + "/{job}", self._show, methods=["GET", "POST"]),
            Route(batch, self._add, methods=["POST"]),
            Route(batch + "/{batch}", self._batch),
            Route(batch + "/{batch}/result", self._results),
            Route(batch + "/{batch}/result/{result}", self._result),
        ]

    async def _log_in(self, request: Request) -> Response:
        known = self._service.credentials
        form = {"grant_type": "client_credentials", "client_id": known.client_id, "client_secret": known.client_secret}
        token = self._service.tokens.grant(form, "")["access_token"]
        address = f"https://{request.headers['host']}/services/Soap/u/{request.path_params['version']}"
        inside = f"<sessionId>{token}</sessionId><serverUrl>{address}</serverUrl>"
        return _xml(f"<Envelope><Body><loginResponse><result>{inside}</result></loginResponse></Body></Envelope>")

    async def _limits(self, request: Request) -> Response:
        self._count()
        return JSONResponse({"DailyApiRequests": _LIMIT, "DailyBulkApiBatches": _LIMIT, "DailyBulkApiRequests": _LIMIT})

    async def _create(self, request: Request) -> Response:
        self._count()
        job = f"750{len(self._jobs):015d}"
        self._jobs[job] = _Job(json.loads(await request.body())["contentType"])
        return JSONResponse({"id": job, "state": "Open"})

    async def _show(self, request: Request) -> Response:
        self._count()
        return JSONResponse({"id": request.path_params["job"], "state": "Closed"})

    async def _add(self, request: Request) -> Response:
        self._job(request).soql = re.sub(r"\s+", " ", (await request.body()).decode()).strip()
        return await self._batch(request)

    async def _batch(self, request: Request) -> Response:
        self._count()
        told = {"id": _BATCH, "jobId": request.path_params["job"], "state": "Completed"}
        if self._job(request).content_type == "JSON":
            return JSONResponse(told)
        return _xml(f"<batchInfo>{''.join(f'<{name}>{value}</{name}>' for name, value in told.items())}</batchInfo>")

    async def _results(self, request: Request) -> Response:
        self._count()
        if self._job(request).content_type == "JSON":
            return JSONResponse([_RESULT])
        return _xml(f"<result-list><result>{_RESULT}</result></result-list>")

    async def _result(self, request: Request) -> Response:
        self._count()
        job = self._job(request)
        is_packed = "gzip" in request.headers.get("accept-encoding", "")
        kind = "application/json" if job.content_type == "JSON" else "text/csv"
        headers = {"Content-Encoding": "gzip"} if is_packed else {}
        chunks = await run_in_threadpool(_chunks, job, is_packed)
        return StreamingResponse(chunks, headers=headers, media_type=f"{kind}; charset=UTF-8")

    def _job(self, request: Request) -> _Job:
        return self._jobs[request.path_params["job"]]

    def _count(self) -> None:
        self._service.log.call(self._service.org.clock.now().date().isoformat())


def _chunks(job: _Job, is_packed: bool) -> Iterator[bytes]:
    bound = bind(job.soql)
    large = served_large(bound.sobject.name)
    if large is None:
        raise ValueError(f"{bound.sobject.name}: expected a large object")
    rows = large.select(bound)
    if job.content_type != "JSON":
        return large.csv(bound, rows, PLAIN, is_packed)
    times = [one.field.name for one in bound.columns if one.field.type.value == "datetime"]

    def records() -> Iterator[bytes]:
        """As Bulk API 1 has them: instants are milliseconds since 1970."""
        for at in range(0, len(rows), _RECORDS_PER_CHUNK):
            found = large.records(bound, rows[at : at + _RECORDS_PER_CHUNK], "61.0")
            for record in found:
                record.update({name: int(from_iso(str(record[name])).timestamp() * 1000) for name in times})
            yield ("[" if at == 0 else ",").encode() + json.dumps(found, ensure_ascii=False)[1:-1].encode()
        yield b"]" if rows else b"[]"

    return gzipped(records()) if is_packed else records()


def _xml(text: str) -> Response:
    return Response('<?xml version="1.0" encoding="UTF-8"?>' + text, media_type="application/xml")


def _certificates(folder: Path) -> TlsFiles:
    """As the simulator's own, for more names."""
    folder.mkdir(parents=True, exist_ok=True)
    files = TlsFiles(folder / "ca.pem", folder / "server.pem", folder / "server.key")
    authority = trustme.CA()
    server = authority.issue_cert(*_NAMES)
    server.private_key_pem.write_to_path(files.key)
    files.certificate.write_bytes(b"".join(blob.bytes() for blob in server.cert_chain_pems))
    authority.cert_pem.write_to_path(files.ca)
    return files


def main(argv: Sequence[str] | None = None) -> None:
    """Serve until the process is ended."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.extract.org", description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--state-dir", type=Path, required=True)
    parser.add_argument("--large-dir", type=Path, required=True)
    parser.add_argument("--large", action="append", required=True, metavar="NAME=ROWS")
    parser.add_argument("--page-rows", type=int, required=True)
    arguments = parser.parse_args(argv)
    tls = _certificates(arguments.state_dir / "tls")
    sizes = {name: int(rows) for name, _, rows in (item.partition("=") for item in arguments.large)}
    service = open_service(
        Settings(
            arguments.port,
            arguments.state_dir,
            scale=0.02,
            page_rows=arguments.page_rows,
            large=sizes,
            large_dir=arguments.large_dir,
        )
    )
    app = Starlette(routes=[*_OlderInterfaces(service).routes(), Mount("/", create_app(service))])
    try:
        uvicorn.run(
            app,
            host="127.0.0.1",
            port=arguments.port,
            ssl_certfile=str(tls.certificate),
            ssl_keyfile=str(tls.key),
            date_header=False,
            server_header=False,
            log_level="warning",
            timeout_keep_alive=60,
            timeout_graceful_shutdown=3,
        )
    finally:
        service.close()


if __name__ == "__main__":
    main()
