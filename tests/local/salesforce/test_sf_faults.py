"""Faults on demand, over TLS: each does to an answer what it says, as often as it says."""

from __future__ import annotations

import csv
import io
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from local.salesforce.faults import ERRORS
from tests.local.salesforce.sf_answers import error_of, read_pages
from tests.local.salesforce.sf_process import API, Simulator

VOLUME = "Testing_Volume__c"
COUNT = f"SELECT COUNT() FROM {VOLUME}"
SOQL = f"SELECT Id, Name, Lab__c FROM {VOLUME}"
ENDS_SESSION = ("invalid_session_id", "invalid_auth_header", "invalid_jwt_format")


@pytest.fixture
def org(simulator: Simulator) -> Iterator[Simulator]:
    """The module's simulator, without faults before and after."""
    yield simulator
    simulator.session.delete(f"{simulator.url}/idiscover/faults", timeout=30).raise_for_status()


@pytest.fixture(scope="module")
def job(simulator: Simulator) -> str:
    """A complete job of several pages."""
    return str(simulator.finished_job(SOQL)["id"])


def plan(org: Simulator, on: str, effect: str, **more: object) -> dict[str, Any]:
    answer = org.session.post(f"{org.url}/idiscover/faults", json={"on": on, "effect": effect, **more}, timeout=30)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def fired(org: Simulator) -> list[int]:
    return [fault["fired"] for fault in org.get("/idiscover/faults").json()["faults"]]


def rows_of(answer: requests.Response) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(answer.content.decode(), newline="")))


def page(org: Simulator, job: str, **parameters: str) -> requests.Response:
    return org.get(f"/jobs/query/{job}/results", **parameters)


@pytest.mark.parametrize("name", [name for name in ERRORS if name not in (*ENDS_SESSION, "wrong_client")])
def test_an_error_is_answered_once_and_then_no_more(org: Simulator, name: str) -> None:
    status, code, _ = ERRORS[name]
    plan(org, "describe", "error", error=name)
    assert error_of(org.get(f"/sobjects/{VOLUME}/describe")) == (status, code)
    assert org.get(f"/sobjects/{VOLUME}/describe").status_code == 200
    assert fired(org) == [1]


@pytest.mark.parametrize("name", ENDS_SESSION)
def test_a_session_that_lapses_is_of_no_use_until_the_next_login(org: Simulator, name: str) -> None:
    plan(org, "limits", "error", error=name)
    assert error_of(org.get("/limits")) == (401, ERRORS[name][1])
    assert error_of(org.get("/limits")) == (401, "INVALID_SESSION_ID")
    assert error_of(org.query(COUNT)) == (401, "INVALID_SESSION_ID")
    org.log_in()
    assert org.get("/limits").status_code == 200


def test_a_login_is_refused_in_the_shape_of_oauth(org: Simulator) -> None:
    plan(org, "login", "error", error="wrong_client")
    plan(org, "login", "error", error="server_unavailable", nth=2)
    answers = [org.token_request(grant_type="client_credentials") for _ in range(3)]
    assert answers[0].json() == {"error": "invalid_client", "error_description": "invalid client credentials"}
    assert [answer.status_code for answer in answers] == [400, 503, 400]
    assert answers[2].json()["error"] == "invalid_client_id"  # its own


def test_faults_count_what_they_are_restricted_to(org: Simulator, job: str) -> None:
    plan(org, "count", "error", error="server_unavailable", object=VOLUME, nth=2, times=2)
    plan(org, "rest_query", "error", error="too_many_requests", times=None)
    plan(org, "job", "error", error="not_found", job=job)
    other = str(org.create_job("SELECT Id FROM Account").json()["id"])
    assert org.query("SELECT COUNT() FROM Account").status_code == 200
    assert [org.query(COUNT).status_code for _ in range(4)] == [200, 503, 503, 200]
    assert [org.query("SELECT Id FROM Account").status_code for _ in range(3)] == [429] * 3
    assert [org.get(f"/jobs/query/{id_}").status_code for id_ in (other, job, job)] == [200, 404, 200]
    assert fired(org) == [2, 3, 1]
    assert [fault["met"] for fault in org.get("/idiscover/faults").json()["faults"]] == [4, 3, 2]


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
def test_a_page_is_cut_at_a_byte(org: Simulator, job: str, encoding: str) -> None:
    whole = _raw_page(org, job, encoding).raw.read(decode_content=False)
    plan(org, "page", "cut", after_bytes=700)
    cut = _raw_page(org, job, encoding)
    taken = b""
    with pytest.raises(requests.RequestException, match="prematurely"):
        for chunk in cut.iter_content(1):
            taken += chunk
    assert encoding == "gzip" or taken == whole[:700]
    assert _raw_page(org, job, encoding).raw.read(decode_content=False) == whole


def test_a_connection_ends_by_a_reset(org: Simulator, job: str) -> None:
    plan(org, "page", "cut", after_bytes=700, how="reset")
    answer = _raw_page(org, job, "identity")
    # Below TLS: Python's ssl shows a reset as an end.
    with socket.socket(fileno=socket.dup(answer.raw.connection.sock.fileno())) as connection:
        connection.settimeout(10)
        with pytest.raises(ConnectionResetError):
            while connection.recv(65536):
                pass


def _raw_page(org: Simulator, job: str, encoding: str) -> requests.Response:
    url = f"{org.url}{API}/jobs/query/{job}/results"
    return org.session.get(url, headers={"Accept-Encoding": encoding}, stream=True, timeout=30)


def test_a_page_comes_slowly(org: Simulator, job: str) -> None:
    whole = page(org, job, maxRecords="20").content
    plan(org, "page", "slow", bytes_per_second=2000)
    started = time.monotonic()
    url = f"{org.url}{API}/jobs/query/{job}/results"
    answer = org.session.get(url, params={"maxRecords": "20"}, headers={"Accept-Encoding": "identity"}, timeout=30)
    assert answer.content == whole
    assert time.monotonic() - started > 0.8 * len(whole) / 2000


def test_a_page_stands_still_on_its_way(org: Simulator, job: str) -> None:
    whole = page(org, job).content
    plan(org, "page", "stall", after_bytes=100, seconds=1.5, times=2)
    url = f"{org.url}{API}/jobs/query/{job}/results"
    with pytest.raises(requests.RequestException, match="timed out"):
        org.session.get(url, timeout=0.5)
    assert page(org, job).content == whole


def test_contents_that_are_wrong(org: Simulator, job: str) -> None:
    good = page(org, job)
    plan(org, "page", "html")
    plan(org, "page", "truncate", nth=2, bytes=5)
    plan(org, "page", "drop_row", nth=3)
    plan(org, "page", "drop_row", nth=4, announced=False)
    plan(org, "page", "other_rows", nth=5)
    html, truncated, short, shorter, other, again = [page(org, job) for _ in range(6)]
    plan(org, "page", "other_page")
    astray = page(org, job, locator=good.headers["Sforce-Locator"])
    assert (rows_of(astray), astray.headers["Sforce-NumberOfRecords"]) == (rows_of(good), "100")
    assert html.status_code == 200 and html.headers["Content-Type"].startswith("text/html")
    assert truncated.content == good.content[:-5]
    assert (rows_of(short), short.headers["Sforce-NumberOfRecords"]) == (rows_of(good)[:-1], "100")
    assert (rows_of(shorter), shorter.headers["Sforce-NumberOfRecords"]) == (rows_of(good)[:-1], "99")
    assert rows_of(other) == rows_of(good)[:1] * 100
    assert again.content == good.content


def test_only_a_page_that_was_asked_for_before_comes_with_other_rows(org: Simulator, job: str) -> None:
    plan(org, "page", "other_rows", again=True)
    first, second = [page(org, job, maxRecords=size) for size in ("30", "40")]
    assert (len({row["Id"] for row in rows_of(first)}), len({row["Id"] for row in rows_of(second)})) == (30, 40)
    assert len({row["Id"] for row in rows_of(page(org, job, maxRecords="30"))}) == 1


def test_locators_that_lead_astray(org: Simulator, job: str) -> None:
    good = read_pages(org, job)
    locator = page(org, job).headers["Sforce-Locator"]
    following = page(org, job, locator=locator).headers["Sforce-Locator"]
    wanted = {"repeated": locator, "unknown": "bm93aGVyZQ", "null": "null", "further": None}
    for name, expected in wanted.items():
        plan(org, "page", "locator", locator=name)
        answer = page(org, job, locator=locator)
        assert rows_of(answer) == good[1]
        if expected is not None:
            assert answer.headers["Sforce-Locator"] == expected
    assert rows_of(page(org, job, locator=answer.headers["Sforce-Locator"])) == good[3]
    assert error_of(page(org, job, locator="bm93aGVyZQ")) == (400, "INVALID_QUERY_LOCATOR")
    assert page(org, job, locator=locator).headers["Sforce-Locator"] == following


def test_lists_of_pages_that_are_wrong(org: Simulator, job: str) -> None:
    path = f"/jobs/query/{job}/resultPages"
    good = [item["resultUrl"] for item in org.get(path).json()["resultPages"]]
    plan(org, "result_pages", "error", error="not_found")
    plan(org, "result_pages", "unknown_shape", nth=2)
    plan(org, "result_pages", "urls", nth=3, urls="repeated")
    plan(org, "result_pages", "urls", nth=4, urls="missing")
    absent, unknown, repeated, missing = [org.get(path) for _ in range(4)]
    assert absent.status_code == 404
    assert set(unknown.json()) == {"batches", "more"}
    assert [item["resultUrl"] for item in repeated.json()["resultPages"]] == [good[0], good[0], *good[2:]]
    assert [item["resultUrl"] for item in missing.json()["resultPages"]] == good[1:]


def test_headers_are_stripped(org: Simulator, job: str) -> None:
    good = page(org, job)
    for name in ("Sforce-NumberOfRecords", "Sforce-Locator", "Date"):
        plan(org, "page", "strip", header=name)
        answer = page(org, job)
        assert name in good.headers and name not in answer.headers
        assert len(answer.headers) == len(good.headers) - 1 and answer.content == good.content
    plan(org, "count", "strip", header="date")
    assert "Date" not in org.query(COUNT).headers


def test_jobs_that_do_not_complete(org: Simulator) -> None:
    message = "QUERY_TIMEOUT: Your query request was running for too long."
    plan(org, "run_job", "fail", message=message, object=VOLUME)
    plan(org, "run_job", "abort", nth=2)
    plan(org, "run_job", "never_end", nth=3)
    plan(org, "run_job", "delay", nth=4, seconds=0.5)
    failed, aborted = [org.finished_job(SOQL) for _ in range(2)]
    assert (failed["state"], failed["errorMessage"], failed["numberRecordsProcessed"]) == ("Failed", message, 0)
    assert (aborted["state"], aborted.get("errorMessage")) == ("Aborted", None)
    open_job = org.create_job(SOQL).json()["id"]
    started = time.monotonic()
    assert org.finished_job(SOQL)["state"] == "JobComplete"  # after it in the queue: it is at its end already
    assert time.monotonic() - started > 0.5
    assert org.get(f"/jobs/query/{open_job}").json()["state"] == "InProgress"
    base = f"{org.url}{API}/jobs/query/{open_job}"
    assert org.session.patch(base, json={"state": "Aborted"}).json()["state"] == "Aborted"


def test_queries_of_many_rows_time_out(org: Simulator) -> None:
    total = org.query(COUNT, "queryAll").json()["totalSize"]
    for on in ("count", "rest_query"):
        plan(org, on, "error", error="query_timeout", over_rows=total - 1, times=None)
    plan(org, "run_job", "fail", message="QUERY_TIMEOUT: too long", over_rows=total - 1, times=None)
    small = f"{SOQL} WHERE Id != '{org.query('SELECT Id FROM Testing_Volume__c LIMIT 1').json()['records'][0]['Id']}'"
    assert error_of(org.query(COUNT, "queryAll")) == (400, "QUERY_TIMEOUT")
    assert error_of(org.query(SOQL, "queryAll")) == (400, "QUERY_TIMEOUT")
    assert org.finished_job(SOQL)["state"] == "Failed"
    assert org.query(small.replace("Id, Name, Lab__c", "COUNT()"), "queryAll").json()["totalSize"] == total - 1
    assert org.query(small, "queryAll").status_code == 200
    assert org.finished_job(small)["state"] == "JobComplete"
    assert fired(org) == [1, 1, 1]


def test_an_object_that_the_bulk_api_refuses(org: Simulator) -> None:
    plan(org, "create_job", "error", error="not_for_bulk", object=VOLUME, times=None)
    for _ in range(2):
        answer = org.create_job(SOQL)
        assert error_of(answer) == (400, "INVALIDENTITY")
        assert answer.json()[0]["message"] == f"Entity '{VOLUME}' is not supported by the Bulk API."
    assert org.create_job("SELECT Id FROM Account").status_code == 200


def test_the_requests_are_told_with_what_hit_them(org: Simulator, job: str) -> None:
    number = plan(org, "page", "error", error="server_unavailable")["number"]
    page(org, job)
    org.query(COUNT)
    newest = org.get("/idiscover/requests").json()["requests"][-2:]
    assert newest[0] == {
        "kind": "page", "job": job, "url": f"{API}/jobs/query/{job}/results", "status": 503, "fault": number,
    }  # fmt: skip
    assert (newest[1]["kind"], newest[1]["status"], newest[1]["fault"]) == ("count", 200, None)


@pytest.mark.parametrize(
    "wrong",
    [
        {"on": "page"},
        {"on": "sometime", "effect": "html"},
        {"on": "other", "effect": "html"},
        {"on": "page", "effect": "cut"},
        {"on": "page", "effect": "cut", "after_bytes": -1},
        {"on": "page", "effect": "cut", "after_bytes": True},
        {"on": "page", "effect": "cut", "after_bytes": 1, "how": "loudly"},
        {"on": "page", "effect": "error", "error": "unheard_of"},
        {"on": "page", "effect": "html", "after_bytes": 1},
        {"on": "page", "effect": "html", "nth": 0},
        {"on": "page", "effect": "html", "times": 0},
        {"on": "page", "effect": "html", "object": "Nowhere"},
        {"on": "page", "effect": "html", "over_rows": 1},
        {"on": "count", "effect": "html", "over_rows": 1},
        {"on": "page", "effect": "urls", "urls": "repeated"},
        {"on": "page", "effect": "abort"},
        {"on": "run_job", "effect": "html"},
    ],
)
def test_faults_that_cannot_be_are_refused(org: Simulator, wrong: dict[str, object]) -> None:
    answer = org.session.post(f"{org.url}/idiscover/faults", json=wrong, timeout=30)
    assert error_of(answer) == (400, "INVALID_INPUT")
    assert fired(org) == []
