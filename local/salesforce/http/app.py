"""The Starlette application: routes, authentication, call counting, and the org's time in every answer."""

import traceback
from collections.abc import Callable, Mapping
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from local.salesforce import schema
from local.salesforce.clock import http_date
from local.salesforce.describe import describe, summary
from local.salesforce.faults import Fault, Kind
from local.salesforce.fields import SObject
from local.salesforce.http import added_routes, bulk_routes, fault_routes, live_routes
from local.salesforce.http.answers import (
    VERSIONS,
    ApiError,
    bearer_token,
    clean_json_object,
    json_response,
    not_found,
    parse_version,
)
from local.salesforce.http.asked import asked
from local.salesforce.http.faulty import UNDATED, hit
from local.salesforce.http.service import Service
from local.salesforce.oauth import OAuthError
from local.salesforce.rest import PAGE_RECORDS
from local.salesforce.soql.errors import MALFORMED_QUERY, SoqlError
from local.salesforce.times import to_iso

_SMALLEST_BATCH = 200
Handler = Callable[[Service, Request, bytes], Response]
Json = dict[str, object]


def create_app(service: Service) -> ASGIApp:
    """The application over a service."""
    data = "/services/data/{version}"
    routes = [
        _route(service, "/idiscover/health", {"GET": _health}, public=True),
        _route(service, "/idiscover/clock", {"GET": _clock}, public=True),
        _route(service, "/idiscover/advance", {"POST": _advance}, public=True),
        _route(service, "/idiscover/live", {"GET": _live, "POST": _plan_live, "DELETE": _forget_live}, public=True),
        _route(
            service, "/idiscover/faults", {"GET": _faults, "POST": _plan_fault, "DELETE": _forget_faults}, public=True
        ),
        _route(service, "/idiscover/requests", {"GET": _requests}, public=True),
        _route(service, "/idiscover/objects", {"GET": _added, "POST": _add}, public=True),
        _route(service, "/services/oauth2/token", {"POST": _token}, public=True),
        _route(service, "/services/data", {"GET": _versions}, public=True),
        _route(service, "/services/data/", {"GET": _versions}, public=True),
        _route(service, data, {"GET": _resources}),
        _route(service, f"{data}/limits", {"GET": _limits}),
        _route(service, f"{data}/sobjects", {"GET": _sobjects}),
        _route(service, f"{data}/sobjects/{{name}}", {"GET": _sobject}),
        _route(service, f"{data}/sobjects/{{name}}/describe", {"GET": _describe}),
        _route(service, f"{data}/query", {"GET": _query}),
        _route(service, f"{data}/queryAll", {"GET": _query}),
        _route(service, f"{data}/query/{{locator}}", {"GET": _query_more}),
        _route(service, f"{data}/queryAll/{{locator}}", {"GET": _query_more}),
        _route(service, f"{data}/jobs/query", {"GET": _list_jobs, "POST": _create_job}),
        _route(service, f"{data}/jobs/query/{{job}}", {"GET": _job, "PATCH": _abort_job, "DELETE": _delete_job}),
        _route(service, f"{data}/jobs/query/{{job}}/results", {"GET": _results}),
        _route(service, f"{data}/jobs/query/{{job}}/resultPages", {"GET": _result_pages}),
    ]
    app = Starlette(routes=_with_trailing_slashes(routes), exception_handlers={404: _missing, Exception: _broken})
    return _OrgDate(app, service)


class _OrgDate:
    """Puts the org's time into the Date header of every answer, whoever made it."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app = app
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def dated(message: Message) -> None:
            if message["type"] == "http.response.start" and not scope.get(UNDATED):
                date = http_date(self._service.org.clock.now()).encode("ascii")
                message["headers"] = [*message.get("headers", []), (b"date", date)]
            await send(message)

        await self._app(scope, receive, dated)


def _route(service: Service, path: str, handlers: Mapping[str, Handler], public: bool = False) -> Route:
    async def endpoint(request: Request) -> Response:
        body = await request.body()
        return await run_in_threadpool(_answer, service, request, body, handlers, public)

    return Route(path, endpoint, methods=["GET", "POST", "PUT", "PATCH", "DELETE"])


def _with_trailing_slashes(routes: list[Route]) -> list[Route]:
    """simple-salesforce ends some paths in a slash, and a redirect would lose its Authorization header."""
    seen = {route.path for route in routes}
    more = [
        Route(f"{route.path}/", route.endpoint, methods=list(route.methods or ()))
        for route in routes
        if not route.path.endswith("/") and f"{route.path}/" not in seen
    ]
    return [*routes, *more]


def _answer(service: Service, request: Request, body: bytes, handlers: Mapping[str, Handler], public: bool) -> Response:
    about = asked(service, request, body)
    fault: Fault | None = None
    headers: dict[str, str] = {}
    try:
        if not public:
            _authenticate(service, request)
            headers = _count_call(service)
        fault = service.faults.meet(about)
        response = hit(service, request, about, fault, lambda: _handled(service, request, body, handlers))
    except ApiError as error:
        response = error.response()
    except SoqlError as error:
        response = ApiError(400, error.code, error.message).response()
    response.headers.update(headers)
    if about.kind is not Kind.OTHER:
        service.faults.answered(about, response.status_code, fault)
    return response


def _handled(service: Service, request: Request, body: bytes, handlers: Mapping[str, Handler]) -> Response:
    handler = handlers.get(request.method)
    if handler is None:
        allowed = ", ".join(handlers)
        message = f"HTTP Method '{request.method}' not allowed. Allowed are {allowed}"
        raise ApiError(405, "METHOD_NOT_ALLOWED", message)
    return handler(service, request, body)


def _authenticate(service: Service, request: Request) -> None:
    scheme = request.headers.get("authorization", "").partition(" ")[0]
    if scheme and scheme.lower() not in ("bearer", "oauth"):
        raise ApiError(401, "INVALID_AUTH_HEADER", "INVALID_HEADER_TYPE")
    if not service.tokens.is_valid(bearer_token(request)):
        raise ApiError(401, "INVALID_SESSION_ID", "Session expired or invalid")


def _count_call(service: Service) -> dict[str, str]:
    limit = service.settings.daily_api_requests
    used = service.log.call(service.org.clock.now().date().isoformat())
    if used > limit:
        raise ApiError(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
    return {"Sforce-Limit-Info": f"api-usage={used}/{limit}"}


def _missing(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 404
    return ApiError(status, "NOT_FOUND", "The requested resource does not exist").response()


def _broken(request: Request, error: Exception) -> Response:
    traceback.print_exception(error)
    return ApiError(500, "UNKNOWN_EXCEPTION", "An unexpected error occurred.").response()


# --- the stack's own


def _health(service: Service, request: Request, body: bytes) -> Response:
    return json_response({"status": "ok", "now": to_iso(service.org.clock.now())})


def _clock(service: Service, request: Request, body: bytes) -> Response:
    return json_response({"now": to_iso(service.org.clock.now()), "day": service.org.clock.complete_day()})


def _advance(service: Service, request: Request, body: bytes) -> Response:
    content = clean_json_object(body or b'{"days": 1}')
    days = content.get("days")
    if not isinstance(days, int) or isinstance(days, bool) or days < 1:
        raise ApiError(400, "INVALID_INPUT", f"days: got {days!r}; expected a whole number of at least 1")
    service.org.advance(days)
    return _clock(service, request, body)


def _live(service: Service, request: Request, body: bytes) -> Response:
    return live_routes.plans(service)


def _plan_live(service: Service, request: Request, body: bytes) -> Response:
    return live_routes.plan(service, body)


def _forget_live(service: Service, request: Request, body: bytes) -> Response:
    return live_routes.forget(service)


def _faults(service: Service, request: Request, body: bytes) -> Response:
    return fault_routes.planned(service)


def _plan_fault(service: Service, request: Request, body: bytes) -> Response:
    return fault_routes.plan(service, body)


def _forget_faults(service: Service, request: Request, body: bytes) -> Response:
    return fault_routes.forget(service)


def _requests(service: Service, request: Request, body: bytes) -> Response:
    return fault_routes.requests(service)


def _added(service: Service, request: Request, body: bytes) -> Response:
    return added_routes.listing(service)


def _add(service: Service, request: Request, body: bytes) -> Response:
    return added_routes.add(service, body)


# --- OAuth and the data API


def _token(service: Service, request: Request, body: bytes) -> Response:
    form = dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
    # The host the client came by, so that localhost and 127.0.0.1 both lead back here.
    host = request.headers.get("host", f"localhost:{service.settings.port}")
    try:
        answer = service.tokens.grant(form, f"https://{host}")
    except OAuthError as error:
        return json_response({"error": error.error, "error_description": error.description}, 400)
    return json_response(answer, headers={"Cache-Control": "no-cache, no-store"})


def _versions(service: Service, request: Request, body: bytes) -> Response:
    return json_response([{"label": f"v{n}.0", "url": f"/services/data/v{n}.0", "version": f"{n}.0"} for n in VERSIONS])


def _resources(service: Service, request: Request, body: bytes) -> Response:
    base = f"/services/data/v{_version(request)}"
    names = ("sobjects", "query", "queryAll", "limits", "jobs/query")
    return json_response({name.partition("/")[0]: f"{base}/{name}" for name in names})


def _limits(service: Service, request: Request, body: bytes) -> Response:
    _version(request)
    now, settings = service.org.clock.now(), service.settings
    called = service.store.row("SELECT calls FROM api_calls WHERE org_date = ?", (now.date().isoformat(),))
    jobs = service.jobs.created_since(to_iso(now.replace(hour=0, minute=0, second=0, microsecond=0)))
    used: dict[str, tuple[int, int]] = {
        "DailyApiRequests": (settings.daily_api_requests, 0 if called is None else called["calls"]),
        "DailyBulkV2QueryJobs": (settings.daily_query_jobs, jobs),
        "DailyBulkV2QueryFileStorageMB": (976_562, 0),
    }
    return json_response({name: {"Max": top, "Remaining": max(0, top - n)} for name, (top, n) in used.items()})


def _sobjects(service: Service, request: Request, body: bytes) -> Response:
    version = _version(request)
    entries = [summary(sobject, version) for sobject in schema.every_object()]
    return json_response({"encoding": "UTF-8", "maxBatchSize": 200, "sobjects": entries})


def _sobject(service: Service, request: Request, body: bytes) -> Response:
    version = _version(request)
    return json_response({"objectDescribe": summary(_named_object(request), version), "recentItems": []})


def _describe(service: Service, request: Request, body: bytes) -> Response:
    version = _version(request)
    return json_response(describe(_named_object(request), version))


def _query(service: Service, request: Request, body: bytes) -> Response:
    version = _version(request)
    soql = request.query_params.get("q")
    if not soql:
        raise ApiError(400, MALFORMED_QUERY, "A query string has to be specified")
    operation = "queryAll" if request.url.path.rstrip("/").endswith("/queryAll") else "query"
    return json_response(service.queries.first_page(operation, soql, version, _batch_size(request)))


def _query_more(service: Service, request: Request, body: bytes) -> Response:
    version = _version(request)
    return json_response(service.queries.next_page(request.path_params["locator"], version, _batch_size(request)))


def _batch_size(request: Request) -> int:
    """`Sforce-Query-Options: batchSize=n`, which the platform holds between 200 and 2,000."""
    name, _, wanted = request.headers.get("sforce-query-options", "").partition("=")
    if name.strip().lower() != "batchsize" or not wanted.strip().isdigit():
        return PAGE_RECORDS
    return min(PAGE_RECORDS, max(_SMALLEST_BATCH, int(wanted)))


def _list_jobs(service: Service, request: Request, body: bytes) -> Response:
    return bulk_routes.listing(service, _version(request), request)


def _create_job(service: Service, request: Request, body: bytes) -> Response:
    return bulk_routes.create(service, _version(request), body)


def _job(service: Service, request: Request, body: bytes) -> Response:
    return bulk_routes.info(service, _version(request), request.path_params["job"])


def _abort_job(service: Service, request: Request, body: bytes) -> Response:
    return bulk_routes.abort(service, _version(request), request.path_params["job"], body)


def _delete_job(service: Service, request: Request, body: bytes) -> Response:
    return bulk_routes.delete(service, _version(request), request.path_params["job"])


def _results(service: Service, request: Request, body: bytes) -> Response:
    return bulk_routes.results(service, _version(request), request.path_params["job"], request)


def _result_pages(service: Service, request: Request, body: bytes) -> Response:
    return bulk_routes.result_pages(service, _version(request), request.path_params["job"], request)


def _version(request: Request) -> str:
    return parse_version(request.path_params["version"])


def _named_object(request: Request) -> SObject:
    found = schema.find_object(request.path_params["name"])
    if found is None:
        raise not_found()
    return found
