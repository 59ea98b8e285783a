"""The faults that the extraction is shown to take, in words and as they are made. docs/faults.md has them as a table.

Pure: the test of the documentation reads it, too.
"""

from __future__ import annotations

import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

Plan = Mapping[str, object]  # as POST /idiscover/faults takes it

_CALLS = ("count", "create_job", "job", "result_pages", "page")  # of an extraction, in their order
_TOO_LONG = "QUERY_TIMEOUT: Your query request was running for too long."


@dataclass(frozen=True)
class Fault:
    """One fault of Salesforce's, and what the extraction does.

    The read has three pages, two of them at once, unless `settings` say otherwise.
    """

    name: str
    fault: str
    outcome: str
    plans: Sequence[Plan]
    error: str | None = None  # class of the error that the first try ends with; None: it ends well
    says: str = ""  # in the error's text
    requests: Mapping[str, int] = field(default_factory=lambda: {"page": PAGES})  # of a kind, in the first try
    again: Mapping[str, int] = field(default_factory=dict)  # in the second try; none: pages that are not safe
    logins: int | None = 0  # more than one of each process; None: as many as there happen to be
    resumes: int = 0
    settings: Mapping[str, object] = field(default_factory=dict)  # of `request.salesforce`
    patience: Mapping[str, float] = field(default_factory=dict)  # constants of the client, in seconds


def _page(effect: str, **more: object) -> Plan:
    return {"on": "page", "effect": effect, **more}


def _error(on: str, error: str, **more: object) -> Plan:
    return {"on": on, "effect": "error", "error": error, **more}


def _everywhere(error: str) -> tuple[Plan, ...]:
    """The first call of each kind, and of the pages the second."""
    return tuple(_error(on, error, nth=2 if on == "page" else 1) for on in _CALLS)


PAGES = 3  # of the read, where they are read side by side
NO_RESULT_PAGES = _error("result_pages", "not_found", times=None)
CHAIN = {"page_rows": 150}  # four pages, one after the other
_TRIED_AGAIN = "each call is made again after a pause"
_ONE_MORE_EACH = {"count": 3, "create_job": 2, "page": 4}

CONNECTION_FAULTS = (
    Fault(
        "page_cut",
        "a page's connection ends in the middle of its body",
        "the page is asked for again; what was passed on is compared and dropped, and the rest follows",
        [_page("cut", nth=2, after_bytes=3000)],
        requests={"page": 4},
        resumes=1,
    ),
    Fault(
        "page_reset",
        "a page's connection is reset in the middle of its body",
        "as above",
        [_page("cut", nth=2, after_bytes=3000, how="reset")],
        requests={"page": 4},
        resumes=1,
    ),
    Fault(
        "page_cut_often",
        "pages are cut again and again, each time further on",
        "each is taken up as often as that, as long as it gets on",
        [_page("cut", nth=1 + n, after_bytes=1500 * (1 + n)) for n in range(4)],
        requests={"page": 7},
        resumes=4,
        settings={"parallel_pages": 1},
    ),
    Fault(
        "page_cut_for_ever",
        "a page never gets beyond one byte",
        "five cuts without progress end the try; the next one reads the pages that are not safe yet",
        [_page("cut", nth=3, after_bytes=10, times=None)],
        error="RetriableError",
        says="A result page is cut 5 times",
        requests={"page": 7},
        settings={"parallel_pages": 1},
    ),
    Fault(
        "page_changed",
        "a page that was cut comes back with other rows",
        "the difference is noticed; the page is begun anew, and its file written anew",
        [_page("cut", nth=2, after_bytes=6000), _page("other_rows", again=True)],
        requests={"page": 5},
    ),
    Fault(
        "page_slow",
        "a page comes slowly, but comes",
        "it is waited for, as long as it brings 64 KiB in three minutes",
        [_page("slow", nth=2, bytes_per_second=30_000)],
    ),
    Fault(
        "page_trickles",
        "a page trickles, so that no read ever times out",
        "less than 64 KiB in three minutes is taken for cut; five times, and the try ends",
        [_page("slow", nth=2, bytes_per_second=800)],
        requests={"page": 4},
        resumes=1,
        patience={"page_stream._SLOW_SECONDS": 3.0},
    ),
    Fault(
        "page_silent",
        "a page stands still in the middle of its body",
        "after three minutes of silence it is taken for cut",
        [_page("stall", nth=2, after_bytes=3000, seconds=20)],
        requests={"page": 4},
        resumes=1,
        patience={"session._READ_SECONDS": 4.0},
    ),
)

LAPSED_SESSIONS = tuple(
    Fault(
        name,
        f"401 {name.upper()} in the middle of a run; the token is of no use any more",
        "a new login, and the call again",
        [_error("job", name), _error("page", name, nth=2)],
        requests={"page": 4, "create_job": 1},
        logins=2,
    )
    for name in ("invalid_session_id", "invalid_auth_header", "invalid_jwt_format")
)

SESSION_FAULTS = (
    *LAPSED_SESSIONS,
    Fault(
        "session_refused_again",
        "401 with a token that was just given",
        "the try ends: a third login would not help",
        [_error("count", "invalid_session_id", times=2)],
        error="FatalError",
        says="check the connected app's session policy",
        requests={"count": 2, "create_job": 0},
        logins=1,
    ),
    Fault(
        "login_unavailable",
        "the login answers 503",
        "it is tried again",
        [_error("login", "server_unavailable", times=2)],
        logins=2,
    ),
    Fault(
        "login_refused",
        "the login is refused in the middle of a run",
        "the try ends, and says what to look at in the secret",
        [_error("login", "wrong_client", nth=2, times=None)],
        error="ConfigError",
        says="Salesforce refused the login",
        requests={"page": 0},
        logins=None,
    ),
)

PASSING_REFUSALS = tuple(
    Fault(name, fault, _TRIED_AGAIN, _everywhere(name), requests=_ONE_MORE_EACH)
    for name, fault in (
        ("concurrent_requests", "403 REQUEST_LIMIT_EXCEEDED: too many requests at once"),
        ("not_acceptable", "406"),
        ("enhance_your_calm", "420"),
        ("too_many_requests", "429"),
        ("server_error", "500"),
        ("server_unavailable", "503 SERVER_UNAVAILABLE"),
    )
)

LIMIT_FAULTS = (
    *PASSING_REFUSALS,
    Fault(
        "unavailable_for_long",
        "503 until the tries of a call are used up",
        "the try ends; the next one reads the pages that are not safe yet",
        [_error("page", "server_unavailable", nth=3, times=None)],
        error="RetriableError",
        says="Salesforce is not available",
        requests={"page": 6},
        settings={"parallel_pages": 1},
    ),
    Fault(
        "total_requests",
        "403 REQUEST_LIMIT_EXCEEDED: the day's API calls are used up",
        "the run ends at once, as no try of it helps; the next run reads the pages that are not safe yet",
        [_error("page", "total_requests", nth=3, times=None)],
        error="NextRunError",
        says="The org's API calls are used up",
        settings={"parallel_pages": 1},
    ),
    Fault(
        "limit_exceeded",
        "LIMIT_EXCEEDED: the day's query jobs are used up",
        "the run ends at once, as no try of it helps",
        [_error("create_job", "limit_exceeded")],
        error="NextRunError",
        says="A limit of the org is used up",
        requests={"create_job": 1, "page": 0},
    ),
)

JOB_FAULTS = (
    Fault(
        "job_failed",
        "a query job is Failed",
        "it is made once more",
        [{"on": "run_job", "effect": "fail", "message": "InternalServerError: try again"}],
        requests={"create_job": 2, "page": 3},
    ),
    Fault(
        "job_failed_again",
        "a query job is Failed, and again when it is made once more",
        "the try ends with Salesforce's message",
        [{"on": "run_job", "effect": "fail", "message": "InternalServerError: try again", "times": 2}],
        error="RetriableError",
        says="InternalServerError: try again",
        requests={"create_job": 2, "page": 0},
    ),
    Fault(
        "job_aborted",
        "somebody aborts a query job",
        "the run ends: it is asked why",
        [{"on": "run_job", "effect": "abort"}],
        error="FatalError",
        says="was aborted",
        requests={"create_job": 1, "page": 0},
    ),
    Fault(
        "job_aborted_beside_another",
        "somebody aborts one of several query jobs",
        "as above; those that Salesforce still works on are aborted and deleted",
        [{"on": "run_job", "effect": "abort"}, {"on": "run_job", "effect": "delay", "nth": 2, "seconds": 3.0}],
        error="FatalError",
        says="was aborted",
        requests={"create_job": 2, "abort_job": 1, "delete_job": 1, "page": 0},
        again={"create_job": 4},
        settings={"rows_per_job": 200, "parallel_jobs": 2},
    ),
    Fault(
        "job_never_ends",
        "a query job stays InProgress",
        "after `salesforce.job_timeout_minutes` it is aborted and deleted, and the try ends",
        [{"on": "run_job", "effect": "never_end"}],
        error="RetriableError",
        says="is not complete in time",
        requests={"abort_job": 1, "delete_job": 1, "page": 0},
        settings={"job_timeout_minutes": 0.05},
    ),
    Fault(
        "count_times_out",
        "QUERY_TIMEOUT of a COUNT()",
        "its range is halved until its parts can be counted",
        [_error("count", "query_timeout", over_rows=200, times=None)],
        requests={"create_job": 1, "page": 3},
    ),
    Fault(
        "job_times_out",
        "a query job is Failed with QUERY_TIMEOUT",
        "its range is halved until its parts complete",
        [{"on": "run_job", "effect": "fail", "message": _TOO_LONG, "over_rows": 200, "times": None}],
        requests={"count": 2},
    ),
    Fault(
        "everything_times_out",
        "QUERY_TIMEOUT of every query that finds anything",
        "the try ends at the range of one second that cannot be counted",
        [_error("count", "query_timeout", over_rows=0, times=None)],
        error="QueryTimeout",
        says="Salesforce timed the query out",
        requests={"create_job": 0},
    ),
    Fault(
        "not_for_bulk",
        "INVALIDENTITY: the Bulk API does not serve the object",
        "it is read by REST",
        [_error("create_job", "not_for_bulk", times=None)],
        requests={"create_job": 1, "rest_query": 1, "page": 0},
    ),
    Fault(
        "not_for_bulk_and_times_out",
        "INVALIDENTITY, and QUERY_TIMEOUT by REST",
        "its range is halved until its parts can be read by REST",
        [
            _error("create_job", "not_for_bulk", times=None),
            _error("rest_query", "query_timeout", over_rows=200, times=None),
        ],
        requests={"page": 0},
    ),
    Fault(
        "not_for_bulk_and_limited",
        "INVALIDENTITY, and a day's API calls used up between two ranges by REST",
        "the run ends; the next one reads the ranges that are not safe yet",
        [
            _error("create_job", "not_for_bulk", times=None),
            _error("rest_query", "query_timeout", over_rows=300, times=None),
            _error("rest_query", "total_requests", nth=3),
        ],
        error="NextRunError",
        says="The org's API calls are used up",
        requests={"page": 0, "rest_query": 3},
        again={"page": 0, "rest_query": 1},
        settings={"parallel_jobs": 1, "parallel_pages": 1},
    ),
)

PAGE_LIST_FAULTS = (
    Fault(
        "no_result_pages",
        "404 for `resultPages`",
        "the pages are read one after the other, by their locators",
        [NO_RESULT_PAGES],
        requests={"page": 4},
        settings=CHAIN,
    ),
    Fault(
        "result_pages_of_unknown_shape",
        "`resultPages` in a shape that nobody knows",
        "as above",
        [{"on": "result_pages", "effect": "unknown_shape"}],
        requests={"page": 4},
        settings=CHAIN,
    ),
    Fault(
        "result_pages_repeated",
        "`resultPages` names a page twice",
        "as above",
        [{"on": "result_pages", "effect": "urls", "urls": "repeated"}],
        requests={"page": 4},
        settings=CHAIN,
    ),
    Fault(
        "result_pages_incomplete",
        "`resultPages` leaves a page out",
        "the rows are fewer than the job's: the try ends, and the next one reads everything anew",
        [{"on": "result_pages", "effect": "urls", "urls": "missing"}],
        error="DataQualityError",
        says="The job's rows and the rows that arrived differ",
        requests={"page": 2},
    ),
    Fault(
        "locator_ends_early",
        "a locator says `null` before the end",
        "as above",
        [NO_RESULT_PAGES, _page("locator", nth=2, locator="null")],
        error="DataQualityError",
        says="The job's rows and the rows that arrived differ",
        requests={"page": 2},
        settings=CHAIN,
    ),
    Fault(
        "locator_stripped",
        "a proxy takes Sforce-Locator away",
        "as above",
        [NO_RESULT_PAGES, _page("strip", nth=2, header="Sforce-Locator")],
        error="DataQualityError",
        says="The job's rows and the rows that arrived differ",
        requests={"page": 2},
        settings=CHAIN,
    ),
    Fault(
        "locator_leads_too_far",
        "a locator passes over a page",
        "as above",
        [NO_RESULT_PAGES, _page("locator", nth=2, locator="further")],
        error="DataQualityError",
        says="The job's rows and the rows that arrived differ",
        requests={"page": 3},
        settings=CHAIN,
    ),
    Fault(
        "locator_repeated",
        "a locator leads back to a page that was read",
        "the try ends; the next one reads the job's pages from the beginning",
        [NO_RESULT_PAGES, _page("locator", nth=2, times=None, locator="repeated")],
        error="LocatorFault",
        says="A locator leads back to a page that was read",
        requests={"page": 2},
        settings=CHAIN,
    ),
    Fault(
        "locator_unknown",
        "INVALID_QUERY_LOCATOR: a locator that Salesforce does not know itself",
        "as above",
        [NO_RESULT_PAGES, _page("locator", nth=2, locator="unknown")],
        error="LocatorFault",
        says="Salesforce refused a locator of its own",
        requests={"page": 3},
        settings=CHAIN,
    ),
    Fault(
        "no_result_pages_for_a_while",
        "404 for `resultPages` in a try that ends, and not in the next",
        "the pages that are safe are cut otherwise: they are read anew",
        [NO_RESULT_PAGES, _error("page", "total_requests", nth=3)],
        error="NextRunError",
        requests={"page": 3},
        again={"page": PAGES},
        settings=CHAIN,
    ),
)

CONTENT_FAULTS = (
    Fault(
        "html_for_a_page",
        "a proxy's HTML page, with status 200, for a page of rows",
        "the page is begun anew",
        [_page("html", nth=2)],
        requests={"page": 4},
    ),
    Fault(
        "html_for_json",
        "a proxy's HTML page, with status 200, for any other call",
        "the call is made again after a pause",
        [{"on": on, "effect": "html"} for on in (*_CALLS[:-1], "limits")],
        requests={"limits": 2, "count": 3, "create_job": 2, "result_pages": 2, "page": 3},
    ),
    Fault(
        "html_for_a_login",
        "HTML, with status 200, for a login",
        "the run ends: the secret's login URL may not be Salesforce's",
        [{"on": "login", "effect": "html"}],
        error="ConfigError",
        says="The login's answer holds no token",
        requests={"count": 0},
    ),
    Fault(
        "html_for_ever",
        "HTML for a page, each time",
        "the try ends; the next one reads the pages that are not safe yet",
        [_page("html", nth=3, times=None)],
        error="DataQualityError",
        requests={"page": 5},
        settings={"parallel_pages": 1},
    ),
    Fault(
        "csv_cut_in_a_row",
        "a whole answer whose CSV ends within a row",
        "the page is begun anew",
        [_page("truncate", nth=2, bytes=30)],
        requests={"page": 4},
    ),
    Fault(
        "row_missing",
        "a page has a row less than Sforce-NumberOfRecords says",
        "the page is begun anew",
        [_page("drop_row", nth=2)],
        requests={"page": 4},
    ),
    Fault(
        "row_missing_unsaid",
        "a page has a row too few, and says so itself",
        "the rows are fewer than the job's: the try ends, and the next one reads everything anew",
        [_page("drop_row", nth=2, announced=False)],
        error="DataQualityError",
        says="The job's rows and the rows that arrived differ",
    ),
    Fault(
        "page_in_the_place_of_another",
        "a page comes whole, in the place of another with as many rows",
        "two files with the same contents are noticed, though all counts agree: the try ends, and the next one reads "
        "everything anew",
        [_page("other_page", nth=2)],
        error="DataQualityError",
        says="Two result pages hold the same rows",
        settings={"parallel_pages": 1},
    ),
    Fault(
        "number_of_records_stripped",
        "a proxy takes Sforce-NumberOfRecords away",
        "the parsed rows are counted, and compared with the job's; the batch says that the header was missing",
        [_page("strip", times=None, header="Sforce-NumberOfRecords")],
    ),
    Fault(
        "date_missing_once",
        "an answer without Date creates a job",
        "the org's time is that of the answer before",
        [{"on": "create_job", "effect": "strip", "header": "Date"}],
    ),
    Fault(
        "date_missing",
        "a proxy takes Date away from every answer",
        "the run ends before a job is spent: nobody knows the org's time",
        [{"on": on, "effect": "strip", "header": "Date", "times": None} for on in ("login", "limits")],
        error="FatalError",
        says="Salesforce's answers have no Date header",
        requests={"create_job": 0},
    ),
)


@dataclass(frozen=True)
class StoreFault:
    """One fault of S3's: what some of its answers are, in the place of its own."""

    name: str
    fault: str
    outcome: str
    operation: str
    status: int
    code: str
    nth: int = 1
    times: int = 1
    error: str | None = None
    says: str = ""
    again: Mapping[str, int] = field(default_factory=dict)


_AWS_TRIES = 6
S3_FAULTS = (
    StoreFault(
        "s3_slow_down",
        "S3 answers SlowDown while a page is written",
        "the request is made again, six times in all, after pauses",
        *("PutObject", 503, "SlowDown"),
        nth=3,
        times=_AWS_TRIES - 1,
    ),
    StoreFault(
        "s3_internal_error",
        "S3 answers 500 while a page is written",
        "as above",
        *("PutObject", 500, "InternalError"),
        nth=4,
    ),
    StoreFault(
        "s3_does_not_list",
        "S3 answers 503 to a list of keys",
        "as above",
        *("ListObjectsV2", 503, "ServiceUnavailable"),
    ),
    StoreFault(
        "s3_slow_down_for_long",
        "S3 answers SlowDown until the tries are used up",
        "the try ends; the next one reads the pages that are not safe yet",
        *("PutObject", 503, "SlowDown"),
        nth=5,
        times=_AWS_TRIES,
        error="RetriableError",
        says="AWS is busy",
    ),
    StoreFault(
        "s3_rights_lapse",
        "the rights to write lapse while a page is written",
        "the try ends; the next one asks for them anew, and reads the pages that are not safe yet",
        *("PutObject", 400, "ExpiredToken"),
        nth=5,
        error="RetriableError",
        says="AWS is busy",
    ),
    StoreFault(
        "s3_refuses_the_manifest",
        "S3 does not take the manifest",
        "there is no batch without it: the next try reads everything anew",
        *("PutObject", 503, "SlowDown"),
        nth=9,
        times=_AWS_TRIES,
        error="RetriableError",
        says="manifest.json",
        again={"page": PAGES},
    ),
)


@dataclass(frozen=True)
class Kill:
    """What is ended, and when: while the query job runs, or while the last page is on its way."""

    name: str
    fault: str
    outcome: str
    at: str = "page"
    sign: signal.Signals = signal.SIGKILL
    on_spark: str | None = None  # its master; else the step's own code with threads in the place of Spark
    again: Mapping[str, int] = field(default_factory=lambda: {"create_job": 0, "page": 1})  # in the second try


KILLS = (
    Kill(
        "worker",
        "kill -9 of an executor's Python workers",
        "Spark runs their pages again, on other workers, and the step ends well",
        on_spark="local[2,4]",  # a task is tried as often as on YARN
    ),
    Kill(
        "worker_for_good",
        "kill -9 of the Python workers, as often as Spark tries a task",
        "the try ends and says so; the next one reads the pages that are not safe yet",
        on_spark="local[2]",
    ),
    Kill(
        "step",
        "kill -9 of the step, with all its processes, while pages are read",
        "as above",
        on_spark="local[2]",
    ),
    Kill(
        "driver",
        "kill -9 of the driver while pages are read",
        "as above",
    ),
    Kill(
        "driver_at_a_job",
        "kill -9 of the driver while a query job runs",
        "the next try finds the job, and watches it on",
        at="job",
        again={"create_job": 0, "page": PAGES},
    ),
    Kill(
        "cancelled_at_a_job",
        "the step is cancelled (SIGTERM) while a query job runs",
        "the job is aborted and deleted, and the step ends with what happened in one line; the next try makes it anew",
        at="job",
        sign=signal.SIGTERM,
        again={"create_job": 1, "page": PAGES},
    ),
)

SALESFORCE_FAULTS = (
    *CONNECTION_FAULTS,
    *SESSION_FAULTS,
    *LIMIT_FAULTS,
    *JOB_FAULTS,
    *PAGE_LIST_FAULTS,
    *CONTENT_FAULTS,
)
