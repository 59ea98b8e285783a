"""What a request is about, by its method, address and body; for faults, and for the list of requests."""

import json
import re
from urllib.parse import parse_qs

from starlette.requests import Request

from local.salesforce.faults import Asked, Kind
from local.salesforce.http.service import Service
from local.salesforce.schema import find_object

_PATHS = (
    (re.compile(r"/services/oauth2/token/?"), {"POST": Kind.LOGIN}),
    (re.compile(r"/services/data/[^/]+/limits/?"), {"GET": Kind.LIMITS}),
    (re.compile(r"/services/data/[^/]+/sobjects/(?P<object>\w+)/describe/?"), {"GET": Kind.DESCRIBE}),
    (re.compile(r"/services/data/[^/]+/query(?:All)?(?:/(?P<cursor>[^/]+))?/?"), {"GET": Kind.REST_QUERY}),
    (re.compile(r"/services/data/[^/]+/jobs/query/?"), {"POST": Kind.CREATE_JOB}),
    (
        re.compile(r"/services/data/[^/]+/jobs/query/(?P<job>\w+)/?"),
        {"GET": Kind.JOB, "PATCH": Kind.ABORT_JOB, "DELETE": Kind.DELETE_JOB},
    ),
    (re.compile(r"/services/data/[^/]+/jobs/query/(?P<job>\w+)/resultPages/?"), {"GET": Kind.RESULT_PAGES}),
    (re.compile(r"/services/data/[^/]+/jobs/query/(?P<job>\w+)/results/?"), {"GET": Kind.PAGE}),
)
_COUNT = re.compile(r"\s*SELECT\s+COUNT\s*\(\s*\)", re.IGNORECASE)
_FROM = re.compile(r"\bFROM\s+(\w+)", re.IGNORECASE)


def asked(service: Service, request: Request, body: bytes) -> Asked:
    """What the request is about; its object is looked for only while faults are planned."""
    path = request.url.path
    url = f"{path}?{request.url.query}" if request.url.query else path
    for pattern, methods in _PATHS:
        match = pattern.fullmatch(path)
        if match is not None and request.method in methods:
            kind, found = methods[request.method], match.groupdict()
            if kind is Kind.REST_QUERY and _COUNT.match(_soql(request)):
                kind = Kind.COUNT
            if service.faults.is_quiet:
                return Asked(kind, url, None, found.get("job"))
            again = kind is Kind.PAGE and service.faults.was_asked(url)
            return Asked(kind, url, _object(service, request, body, found), found.get("job"), again=again)
    return Asked(Kind.OTHER, url)


def _object(service: Service, request: Request, body: bytes, found: dict[str, str | None]) -> str | None:
    if found.get("object"):
        return found["object"]
    job, cursor = found.get("job"), found.get("cursor")
    if job:
        row = service.jobs.find(job)
        return None if row is None else str(row["object"])
    if cursor:
        row = service.store.row("SELECT soql FROM cursors WHERE id = ?", (cursor.rpartition("-")[0],))
        return None if row is None else _from(str(row["soql"]))
    if request.method == "POST":
        return _from(_posted_soql(body))
    return _from(_soql(request))


def _soql(request: Request) -> str:
    return parse_qs(request.url.query).get("q", [""])[0]


def _posted_soql(body: bytes) -> str:
    try:
        content = json.loads(body)
    except ValueError:
        return ""
    return str(content.get("query", "")) if isinstance(content, dict) else ""


def _from(soql: str) -> str | None:
    match = _FROM.search(soql)
    found = None if match is None else find_object(match[1])
    return None if found is None else found.name
