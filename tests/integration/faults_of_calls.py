"""Faults of connections, sessions and limits. Pure."""

from __future__ import annotations

from tests.integration.fault_model import Fault, error_on, everywhere, on_page

_TRIED_AGAIN = "each call is made again after a pause"
_ONE_MORE_EACH = {"count": 3, "create_job": 2, "page": 4}

CONNECTION_FAULTS = (
    Fault(
        "page_cut",
        "a page's connection ends in the middle of its body",
        "the page is asked for again; what was passed on is compared and dropped, and the rest follows",
        [on_page("cut", nth=2, after_bytes=3000)],
        requests={"page": 4},
        resumes=1,
    ),
    Fault(
        "page_reset",
        "a page's connection is reset in the middle of its body",
        "as above",
        [on_page("cut", nth=2, after_bytes=3000, how="reset")],
        requests={"page": 4},
        resumes=1,
    ),
    Fault(
        "page_cut_often",
        "pages are cut again and again, each time further on",
        "each is taken up as often as that, as long as it gets on",
        [on_page("cut", nth=1 + n, after_bytes=1500 * (1 + n)) for n in range(4)],
        requests={"page": 7},
        resumes=4,
        settings={"parallel_pages": 1},
    ),
    Fault(
        "page_cut_for_ever",
        "a page never gets beyond one byte",
        "five cuts without progress end the try; the next one reads the pages that are not safe yet",
        [on_page("cut", nth=3, after_bytes=10, times=None)],
        error="RetriableError",
        says="A result page is cut 5 times",
        requests={"page": 7},
        settings={"parallel_pages": 1},
    ),
    Fault(
        "page_changed",
        "a page that was cut comes back with other rows",
        "the difference is noticed; the page is begun anew, and its file written anew",
        [on_page("cut", nth=2, after_bytes=6000), on_page("other_rows", again=True)],
        requests={"page": 5},
    ),
    Fault(
        "page_slow",
        "a page comes slowly, but comes",
        "it is waited for, as long as it brings 64 KiB in three minutes",
        [on_page("slow", nth=2, bytes_per_second=30_000)],
    ),
    Fault(
        "page_trickles",
        "a page trickles, so that no read ever times out",
        "less than 64 KiB in three minutes is taken for cut; five times, and the try ends",
        [on_page("slow", nth=2, bytes_per_second=800)],
        requests={"page": 4},
        resumes=1,
        patience={"page_stream._SLOW_SECONDS": 3.0},
    ),
    Fault(
        "page_silent",
        "a page stands still in the middle of its body",
        "after three minutes of silence it is taken for cut",
        [on_page("stall", nth=2, after_bytes=3000, seconds=20)],
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
        [error_on("job", name), error_on("page", name, nth=2)],
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
        [error_on("count", "invalid_session_id", times=2)],
        error="FatalError",
        says="check the connected app's session policy",
        requests={"count": 2, "create_job": 0},
        logins=1,
    ),
    Fault(
        "login_unavailable",
        "the login answers 503",
        "it is tried again",
        [error_on("login", "server_unavailable", times=2)],
        logins=2,
    ),
    Fault(
        "login_refused",
        "the login is refused in the middle of a run",
        "the try ends, and says what to look at in the secret",
        [error_on("login", "wrong_client", nth=2, times=None)],
        error="ConfigError",
        says="Salesforce refused the login",
        requests={"page": 0},
        logins=None,
    ),
)

PASSING_REFUSALS = tuple(
    Fault(name, fault, _TRIED_AGAIN, everywhere(name), requests=_ONE_MORE_EACH)
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
        [error_on("page", "server_unavailable", nth=3, times=None)],
        error="RetriableError",
        says="Salesforce is not available",
        requests={"page": 6},
        settings={"parallel_pages": 1},
    ),
    Fault(
        "total_requests",
        "403 REQUEST_LIMIT_EXCEEDED: the day's API calls are used up",
        "the run ends at once, as no try of it helps; the next run reads the pages that are not safe yet",
        [error_on("page", "total_requests", nth=3, times=None)],
        error="NextRunError",
        says="The org's API calls are used up",
        settings={"parallel_pages": 1},
    ),
    Fault(
        "limit_exceeded",
        "LIMIT_EXCEEDED: the day's query jobs are used up",
        "the run ends at once, as no try of it helps",
        [error_on("create_job", "limit_exceeded")],
        error="NextRunError",
        says="A limit of the org is used up",
        requests={"create_job": 1, "page": 0},
    ),
)
