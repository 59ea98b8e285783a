"""`/jobs/query`: create, list, look at, abort, delete, and read the results of query jobs."""

import sqlite3
from datetime import timedelta

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from local.salesforce.bulk import (
    DELIMITERS,
    LINE_ENDINGS,
    JobRequest,
    JobState,
    bind_for_bulk,
)
from local.salesforce.http.answers import (
    ApiError,
    clean_json_object,
    json_response,
    not_found,
)
from local.salesforce.http.service import ResultPagesShape, Service
from local.salesforce.large.objects import served_large
from local.salesforce.live import Moment
from local.salesforce.results import CsvDialect, Page, gzipped
from local.salesforce.schema import USER_IDS, find_object
from local.salesforce.times import to_iso
from local.salesforce.values import rest_datetime

JOBS_PER_PAGE = 1000
RESULT_URLS_PER_PAGE = 5
RESULT_PAGES_SINCE = 58
Json = dict[str, object]


def create(service: Service, version: str, body: bytes) -> Response:
    """POST /jobs/query."""
    content = clean_json_object(body)
    known = {"operation", "query", "contentType", "columnDelimiter", "lineEnding"}
    unknown = sorted(set(content) - known)
    if unknown:
        raise ApiError(400, "INVALIDJOB", f"Unrecognized field: {unknown[0]}")
    operation = _one_of(content, "operation", ("query", "queryAll"), None)
    _one_of(content, "contentType", ("CSV",), "CSV")
    soql = content.get("query")
    if not isinstance(soql, str) or not soql.strip():
        raise ApiError(400, "INVALIDJOB", "A query must be specified")
    request = JobRequest(
        operation,
        soql,
        _one_of(content, "columnDelimiter", tuple(DELIMITERS), "COMMA"),
        _one_of(content, "lineEnding", tuple(LINE_ENDINGS), "LF"),
        version,
        bind_for_bulk(soql),
    )
    since = to_iso(service.org.clock.now() - timedelta(days=1))
    if service.jobs.created_since(since) >= service.settings.daily_query_jobs:
        limit = service.settings.daily_query_jobs
        raise ApiError(400, "LIMIT_EXCEEDED", f"Max bulk v2 query jobs ({limit}) per 24 hrs has been reached")
    return json_response(_created(service.jobs.create(request)))


def listing(service: Service, version: str, request: Request) -> Response:
    """GET /jobs/query."""
    after = _whole(request.query_params.get("queryLocator", "0"), "queryLocator")
    rows = service.jobs.page_of_jobs(after, JOBS_PER_PAGE)
    done = len(rows) < JOBS_PER_PAGE
    following = None if done else f"/services/data/v{version}/jobs/query?queryLocator={rows[-1]['number']}"
    return json_response({"done": done, "nextRecordsUrl": following, "records": [_listed(row) for row in rows]})


def info(service: Service, version: str, job_id: str) -> Response:
    """GET /jobs/query/ID."""
    return json_response(_details(_job(service, version, job_id)))


def abort(service: Service, version: str, job_id: str, body: bytes) -> Response:
    """PATCH /jobs/query/ID with `{"state": "Aborted"}`."""
    job = _job(service, version, job_id)
    if clean_json_object(body) != {"state": JobState.ABORTED.value}:
        raise ApiError(400, "INVALIDJOB", 'The only change of a query job is {"state": "Aborted"}')
    if not service.jobs.abort(job["id"]):
        raise ApiError(400, "INVALIDJOBSTATE", f"Job in state {job['state']} cannot be aborted")
    return json_response(_created(_job(service, version, job_id)))


def delete(service: Service, version: str, job_id: str) -> Response:
    """DELETE /jobs/query/ID."""
    job = _job(service, version, job_id)
    if not service.jobs.delete(job["id"]):
        raise ApiError(400, "INVALIDJOBSTATE", f"Job in state {job['state']} cannot be deleted")
    return Response(status_code=204)


def results(service: Service, version: str, job_id: str, request: Request) -> Response:
    """GET /jobs/query/ID/results."""
    job = _complete_job(service, version, job_id)
    wanted = request.query_params.get("maxRecords")
    max_records = None if wanted is None else _whole(wanted, "maxRecords")
    if max_records == 0:
        raise ApiError(400, "INVALIDJOB", "maxRecords must be greater than 0")
    service.live.reached(Moment.PAGE, job["object"])
    page = service.jobs.page(job, _first_row(service, job, request), max_records)
    following = None if page.next_row is None else service.files.locator(job["id"], page.next_row)
    headers = {"Sforce-NumberOfRecords": str(page.count), "Sforce-Locator": following or "null"}
    return _csv(service, job, page, headers, request)


def result_pages(service: Service, version: str, job_id: str, request: Request) -> Response:
    """GET /jobs/query/ID/resultPages: up to five URLs of pages that can be read side by side."""
    if int(version.split(".")[0]) < RESULT_PAGES_SINCE:
        raise not_found()
    job = _complete_job(service, version, job_id)
    first, size = _first_row(service, job, request), job["page_rows"]
    base = f"/services/data/v{version}/jobs/query/{job['id']}"
    starts = list(range(first, max(job["row_count"], 1), size))
    urls = [
        f"{base}/results?locator={service.files.locator(job['id'], start)}" for start in starts[:RESULT_URLS_PER_PAGE]
    ]
    done = len(starts) <= RESULT_URLS_PER_PAGE
    following = None
    if not done:
        following = f"{base}/resultPages?locator={service.files.locator(job['id'], starts[RESULT_URLS_PER_PAGE])}"
    if service.settings.result_pages_shape is ResultPagesShape.CHUNKS:
        return json_response({"resultChunks": [{"resultLink": url} for url in urls], "nextRecordsUrl": following})
    answer: Json = {"resultPages": [{"resultUrl": url} for url in urls], "done": done}
    return json_response(answer if following is None else {**answer, "nextRecordUrl": following})


def _csv(service: Service, job: sqlite3.Row, page: Page, headers: dict[str, str], request: Request) -> Response:
    is_packed = "gzip" in request.headers.get("accept-encoding", "")
    if is_packed:
        headers["Content-Encoding"] = "gzip"
    large = served_large(job["object"])
    if large is None:
        chunks = service.files.stream(job["id"], page)
        chunks = gzipped(chunks) if is_packed else chunks
    else:
        bound = bind_for_bulk(job["soql"])
        dialect = CsvDialect(DELIMITERS[job["delimiter"]], LINE_ENDINGS[job["line_ending"]])
        chunks = large.csv(bound, large.select(bound)[page.first : page.first + page.count], dialect, is_packed)
    return StreamingResponse(chunks, headers=headers, media_type="text/csv; charset=UTF-8")


def _first_row(service: Service, job: sqlite3.Row, request: Request) -> int:
    locator = request.query_params.get("locator")
    if not locator or locator == "null":
        return 0
    try:
        return service.files.row_of(job["id"], locator)
    except ValueError as error:
        raise ApiError(400, "INVALID_QUERY_LOCATOR", "invalid query locator") from error


def _complete_job(service: Service, version: str, job_id: str) -> sqlite3.Row:
    job = _job(service, version, job_id)
    if job["state"] != JobState.JOB_COMPLETE.value:
        raise ApiError(400, "INVALIDJOBSTATE", f"Job is in state {job['state']}; its results cannot be read")
    return job


def _job(service: Service, version: str, job_id: str) -> sqlite3.Row:
    job = service.jobs.find(job_id)
    if job is None:
        raise not_found()
    if job["api_version"] != version:
        message = f"The job was created with API version {job['api_version']}; use that version, not {version}"
        raise ApiError(409, "API_ERROR", message)
    return job


def _created(job: sqlite3.Row) -> Json:
    return {
        "id": job["id"],
        "operation": job["operation"],
        "object": job["object"],
        "createdById": USER_IDS[0],
        "createdDate": rest_datetime(job["created_at"]),
        "systemModstamp": rest_datetime(job["modified_at"]),
        "state": job["state"],
        "concurrencyMode": "Parallel",
        "contentType": "CSV",
        "apiVersion": float(job["api_version"]),
        "lineEnding": job["line_ending"],
        "columnDelimiter": job["delimiter"],
    }


def _listed(job: sqlite3.Row) -> Json:
    return {**_created(job), "jobType": "V2Query"}


def _details(job: sqlite3.Row) -> Json:
    upper = job["soql"].upper()
    sobject = find_object(job["object"])
    chunked = sobject is not None and sobject.pk_chunking and "ORDER BY" not in upper and "LIMIT" not in upper
    complete = job["state"] == JobState.JOB_COMPLETE.value
    details: Json = {
        **_listed(job),
        "numberRecordsProcessed": job["row_count"] if complete else 0,
        "retries": 0,
        "totalProcessingTime": job["processing_ms"],
        "isPkChunkingSupported": chunked,
    }
    return details if job["error_message"] is None else {**details, "errorMessage": job["error_message"]}


def _one_of(content: dict[str, object], key: str, choices: tuple[str, ...], default: str | None) -> str:
    value = content.get(key, default)
    if not isinstance(value, str) or value not in choices:
        raise ApiError(400, "INVALIDJOB", f"{key}: got {value!r}; expected one of {', '.join(choices)}")
    return value


def _whole(text: str, name: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise ApiError(400, "INVALIDJOB", f"{name}: got {text!r}; expected a whole number")
    return int(text)
