"""Faults that somebody plans, to see how a reader takes them.

    POST /idiscover/faults
    {"on": "page", "nth": 2, "times": 1, "object": "Testing_Volume__c", "effect": "cut", "after_bytes": 1000}

"Cut the answer to the second request for a page of testing volumes after 1,000 bytes." `on` is a kind of request (see
`Kind`), or `run_job`: a query job is worked on. `object` and `job` restrict it; `again` to addresses that were asked
for before, since there is a fault; `over_rows` to queries with more rows than that (`count`, `rest_query` and `run_job`
alone; a REST query is answered by an `error`, with status 400). `nth` counts what it is restricted to, 1 unless given;
from there on it fires `times` times, 1 unless given, always with null. Of several faults that are due the oldest fires.
The effects, and what each needs, stand in `EFFECTS`.

Kept in memory: a restart forgets them. GET tells every fault and how often it fired, DELETE forgets all;
GET /idiscover/requests tells the newest requests, what they were answered and by which fault.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

_KEPT_REQUESTS = 20_000


class Kind(Enum):
    """What a request is about. `RUN_JOB` is none: a job is about to be worked on."""

    LOGIN = "login"
    LIMITS = "limits"
    DESCRIBE = "describe"
    COUNT = "count"
    REST_QUERY = "rest_query"
    CREATE_JOB = "create_job"
    JOB = "job"
    ABORT_JOB = "abort_job"
    DELETE_JOB = "delete_job"
    RESULT_PAGES = "result_pages"
    PAGE = "page"
    OTHER = "other"
    RUN_JOB = "run_job"


# Name → status, errorCode and message. The first three end the request's session, too.
ERRORS: Mapping[str, tuple[int, str, str]] = {
    "invalid_session_id": (401, "INVALID_SESSION_ID", "Session expired or invalid"),
    "invalid_auth_header": (401, "INVALID_AUTH_HEADER", "INVALID_HEADER_TYPE"),
    "invalid_jwt_format": (401, "INVALID_JWT_FORMAT", "Token is not in the expected format"),
    "total_requests": (403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."),
    "concurrent_requests": (
        403,
        "REQUEST_LIMIT_EXCEEDED",
        "ConcurrentRequests Limit exceeded.",
    ),
    "not_found": (404, "NOT_FOUND", "The requested resource does not exist"),
    "not_acceptable": (406, "NOT_ACCEPTABLE", "The requested representation is not available"),
    "enhance_your_calm": (420, "UNKNOWN_EXCEPTION", "Enhance Your Calm"),
    "too_many_requests": (429, "TOO_MANY_REQUESTS", "Too many requests"),
    "server_error": (500, "UNKNOWN_EXCEPTION", "An unexpected error occurred."),
    "server_unavailable": (503, "SERVER_UNAVAILABLE", "Server is too busy"),
    "query_timeout": (400, "QUERY_TIMEOUT", "Your query request was running for too long."),
    "limit_exceeded": (400, "LIMIT_EXCEEDED", "Max bulk v2 query jobs (10000) per 24 hrs has been reached"),
    "not_for_bulk": (400, "INVALIDENTITY", "Entity '{object}' is not supported by the Bulk API."),
    "wrong_client": (400, "invalid_client", "invalid client credentials"),
}
ENDS_SESSION = frozenset({"invalid_session_id", "invalid_auth_header", "invalid_jwt_format"})


class Effect(Enum):
    """What happens to the answer, or to the job."""

    ERROR = "error"
    CUT = "cut"
    SLOW = "slow"
    STALL = "stall"
    HTML = "html"
    UNKNOWN_SHAPE = "unknown_shape"
    TRUNCATE = "truncate"
    DROP_ROW = "drop_row"
    OTHER_ROWS = "other_rows"
    OTHER_PAGE = "other_page"
    LOCATOR = "locator"
    URLS = "urls"
    STRIP = "strip"
    FAIL = "fail"
    ABORT = "abort"
    NEVER_END = "never_end"
    DELAY = "delay"


@dataclass(frozen=True)
class Argument:
    """What an effect needs to know."""

    kind: type
    default: object = None  # None: it has to be given
    choices: tuple[str, ...] = ()


EFFECTS: Mapping[Effect, Mapping[str, Argument]] = {
    # One of `ERRORS`.
    Effect.ERROR: {"error": Argument(str, choices=tuple(ERRORS))},
    # Of the body as it is sent, compressed if it was asked for so; then an end (`close`), or a TCP reset.
    Effect.CUT: {"after_bytes": Argument(int), "how": Argument(str, "close", ("close", "reset"))},
    Effect.SLOW: {"bytes_per_second": Argument(int)},
    # After so many bytes nothing for so long; then the rest.
    Effect.STALL: {"after_bytes": Argument(int), "seconds": Argument(float)},
    # A proxy's page, with status 200.
    Effect.HTML: {},
    # JSON that nobody has heard of.
    Effect.UNKNOWN_SHAPE: {},
    # A whole answer of a CSV that ends so many bytes early, its headers unchanged.
    Effect.TRUNCATE: {"bytes": Argument(int)},
    # A page without its last row; its header still counts it, or with `announced` false does not.
    Effect.DROP_ROW: {"announced": Argument(bool, True)},
    # A page of as many rows, of which all but the first are others: the first again and again.
    Effect.OTHER_ROWS: {},
    # As many of the job's rows, but its first ones.
    Effect.OTHER_PAGE: {},
    # Instead of the next page's: this page's own, that of the page after the next, an unknown one, or none.
    Effect.LOCATOR: {"locator": Argument(str, choices=("repeated", "further", "unknown", "null"))},
    # A list of result pages with its first address twice (and the second not at all), or without its first.
    Effect.URLS: {"urls": Argument(str, choices=("repeated", "missing"))},
    # An answer without this header.
    Effect.STRIP: {"header": Argument(str)},
    # Of a job: Failed with this errorMessage, Aborted, or InProgress for ever.
    Effect.FAIL: {"message": Argument(str)},
    Effect.ABORT: {},
    Effect.NEVER_END: {},
    # InProgress for so long, and the jobs after it wait.
    Effect.DELAY: {"seconds": Argument(float)},
}
JOB_EFFECTS = frozenset({Effect.FAIL, Effect.ABORT, Effect.NEVER_END, Effect.DELAY})
_OF_PAGES = (Effect.TRUNCATE, Effect.DROP_ROW, Effect.OTHER_ROWS, Effect.OTHER_PAGE, Effect.LOCATOR)
# What an effect is of, where it is not of any answer.
ONLY_OF: Mapping[Effect, Kind] = {
    **dict.fromkeys(JOB_EFFECTS, Kind.RUN_JOB),
    **dict.fromkeys(
        (Effect.TRUNCATE, Effect.DROP_ROW, Effect.OTHER_ROWS, Effect.OTHER_PAGE, Effect.LOCATOR), Kind.PAGE
    ),
    Effect.URLS: Kind.RESULT_PAGES,
}
COUNTED_KINDS = frozenset({Kind.COUNT, Kind.REST_QUERY, Kind.RUN_JOB})


@dataclass(frozen=True)
class Asked:
    """One request, as far as a fault looks at it; `object` and `job` where it is about one."""

    kind: Kind
    url: str
    object: str | None = None
    job: str | None = None
    rows: int | None = None  # of the query, once they are known
    again: bool = False


@dataclass
class Fault:
    """A planned fault, and what became of it."""

    number: int
    kind: Kind
    effect: Effect
    arguments: Mapping[str, object]
    nth: int = 1
    times: int | None = 1
    object: str | None = None
    job: str | None = None
    again: bool = False
    over_rows: int | None = None
    met: int = 0
    fired: int = 0

    def fits(self, asked: Asked) -> bool:
        """Whether such a request is one of those that the fault counts."""
        return (
            self.kind is asked.kind
            and self.object in (None, asked.object)
            and self.job in (None, asked.job and asked.job[:15])
            and (asked.again or not self.again)
            and self._rows_fit(asked)
        )

    def _rows_fit(self, asked: Asked) -> bool:
        """A query meets faults twice, before and after its rows are counted; a job once, when they are."""
        if asked.rows is None:
            return self.over_rows is None
        if self.over_rows is None:
            return asked.kind is Kind.RUN_JOB
        return asked.rows > self.over_rows

    @property
    def is_due(self) -> bool:
        """Whether the request that it just met is hit."""
        return self.met >= self.nth and (self.times is None or self.fired < self.times)


@dataclass(frozen=True)
class Answered:
    """One request and its answer."""

    kind: str
    job: str | None
    url: str
    status: int
    fault: int | None


@dataclass
class Faults:
    """All faults of a running simulator, and the newest requests."""

    _plans: list[Fault] = field(default_factory=list)
    _made: int = 0
    _requests: deque[Answered] = field(default_factory=lambda: deque(maxlen=_KEPT_REQUESTS))
    _pages_asked: set[str] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def plan(self, kind: Kind, effect: Effect, arguments: Mapping[str, object], **restrictions: object) -> Fault:
        """Keep a fault."""
        with self._lock:
            self._made += 1
            fault = Fault(self._made, kind, effect, arguments, **restrictions)  # type: ignore[arg-type]
            self._plans.append(fault)
        return fault

    @property
    def is_quiet(self) -> bool:
        """Whether nothing is planned."""
        return not self._plans

    def planned(self) -> list[Fault]:
        """Every fault since the last `forget`, in the order of their making."""
        with self._lock:
            return list(self._plans)

    def forget(self) -> None:
        """No fault any more."""
        with self._lock:
            self._plans.clear()
            self._pages_asked.clear()

    def meet(self, asked: Asked) -> Fault | None:
        """Count a request with the faults that it fits; the fault that hits it, if one does."""
        with self._lock:
            found = [fault for fault in self._plans if fault.fits(asked)]
            for fault in found:
                fault.met += 1
            due = next((fault for fault in found if fault.is_due), None)
            if due is not None:
                due.fired += 1
            return due

    def was_asked(self, url: str) -> bool:
        """Whether a page was asked for before, since there is a fault; from now on it was."""
        with self._lock:
            known = url in self._pages_asked
            self._pages_asked.add(url)
            return known

    def answered(self, asked: Asked, status: int, fault: Fault | None) -> None:
        """Keep a request with its answer."""
        number = None if fault is None else fault.number
        self._requests.append(Answered(asked.kind.value, asked.job, asked.url, status, number))

    def requests(self) -> list[Answered]:
        """The newest requests, oldest first."""
        return list(self._requests)
