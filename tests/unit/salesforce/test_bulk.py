"""Query jobs: created, waited for, aborted; result pages in both shapes, or not at all."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from idiscover.errors import ConfigError, FatalError, IdiscoverError, RetriableError
from idiscover.salesforce import bulk
from idiscover.salesforce.faults import NotInBulk, QueryTimeout

from tests.unit.salesforce.fake_org import DATA, FakeOrg, Reply, as_json, fault

JOBS = f"{DATA}/jobs/query"
JOB = f"{JOBS}/750A"
PAGES = f"{JOB}/resultPages"


def job(state: str, rows: int = 0, error: str | None = None) -> Reply:
    return as_json({"id": "750A", "state": state, "numberRecordsProcessed": rows, "errorMessage": error})


def test_a_job_is_created_as_csv_and_the_org_tells_the_time(org: FakeOrg) -> None:
    org.queue(JOBS, job("UploadComplete"))
    made, at = bulk.create_job(org.open(), "SELECT Id FROM Account", "queryAll")
    assert made == bulk.QueryJob("750A", "UploadComplete", 0, "")
    assert at == datetime(2026, 1, 5, 2, 0, 7, tzinfo=UTC)
    assert org.asked(JOBS)[0].json == {
        "operation": "queryAll",
        "query": "SELECT Id FROM Account",
        "contentType": "CSV",
        "columnDelimiter": "COMMA",
        "lineEnding": "LF",
    }


OPEN = bulk.QueryJob("750A", "UploadComplete", 0, "")


class Clock:
    """Seconds that pass when somebody waits."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def watched(org: FakeOrg, clock: Clock) -> tuple[bulk.JobWatch, list[float]]:
    """A job looked at until it is complete, and the pauses between."""
    session, watch, pauses = org.open(), bulk.JobWatch(OPEN, 60, clock), []
    while not watch.look(session):
        pauses.append(watch.seconds_to_look)
        clock.now += pauses[-1]
    return watch, pauses


def test_a_job_is_asked_after_ever_less_often_until_it_is_complete(org: FakeOrg) -> None:
    org.queue(JOB, job("UploadComplete"), job("InProgress", 5), job("InProgress", 9), job("JobComplete", 12))
    watch, pauses = watched(org, Clock())
    assert watch.job.rows == 12
    assert pauses == sorted(pauses) and pauses[0] < pauses[-1]
    assert [seen.method for seen in org.asked(JOB)] == ["GET"] * 4


REFUSED = "InvalidBatch : Failed to process query: INVALID_FIELD: No such column 'A__c' on entity 'Account'"


@pytest.mark.parametrize(
    ("state", "told", "kind"),
    [
        ("Failed", "InternalServerError: too many retries", RetriableError),
        ("Failed", "", RetriableError),
        ("Failed", "QUERY_TIMEOUT: Your query request was running for too long.", QueryTimeout),
        ("Failed", REFUSED, ConfigError),
        ("Failed", "INVALIDENTITY: Entity 'X' is not supported by the Bulk API.", NotInBulk),
        ("Aborted", "", FatalError),
    ],
)
def test_a_job_that_ends_badly_is_an_error(org: FakeOrg, state: str, told: str, kind: type[IdiscoverError]) -> None:
    org.queue(JOB, job("InProgress"), job(state, 0, told))
    with pytest.raises(kind, match=told or state) as caught:
        watched(org, Clock())
    assert type(caught.value) is kind


def test_a_job_has_its_time(org: FakeOrg) -> None:
    org.routes[JOB] = lambda _seen: job("InProgress", 3)
    clock = Clock()
    with pytest.raises(RetriableError, match=r"not complete in time[\s\S]*InProgress with 3 rows"):
        watched(org, clock)
    assert clock.now == 60


def test_a_job_that_nobody_wants_is_aborted_and_removed(org: FakeOrg) -> None:
    org.routes[JOB] = lambda _seen: job("Aborted")
    bulk.discard_job(org.open(), "750A", error := ValueError())
    assert [seen.method for seen in org.asked(JOB)] == ["PATCH", "DELETE"]
    assert org.asked(JOB)[0].json == {"state": "Aborted"}
    assert not hasattr(error, "__notes__")


def test_a_job_that_cannot_be_aborted_is_a_note_on_what_went_wrong_before(org: FakeOrg) -> None:
    org.routes[JOB] = lambda _seen: fault(400, "INVALIDJOBSTATE")
    bulk.discard_job(org.open(), "750A", error := ValueError())
    assert "could not be aborted" in error.__notes__[0]


def guide(first: int, count: int, following: str | None) -> Reply:
    pages = [{"resultUrl": f"{JOB}/results?locator=L{number}"} for number in range(first, first + count)]
    return as_json({"resultPages": pages, "nextRecordUrl": following, "done": following is None})


def chunks(first: int, count: int, following: str | None) -> Reply:
    pages = [{"resultLink": f"{JOB}/results?locator=L{number}"} for number in range(first, first + count)]
    return as_json({"resultChunks": pages, "nextRecordsUrl": following, "done": following is None})


@pytest.mark.parametrize("shape", [guide, chunks])
@pytest.mark.parametrize("total", [1, 5, 6, 13])
def test_all_pages_are_listed_in_order(org: FakeOrg, shape: object, total: int) -> None:
    assert callable(shape)
    for first in range(0, total, 5):
        more = first + 5 < total
        following = f"{PAGES}?locator=P{first + 5}" if more else None
        org.queue(PAGES, shape(first, min(5, total - first), following))
    pages = bulk.result_pages(org.open(), "750A")
    assert pages == [f"{JOB}/results?locator=L{number}" for number in range(total)]
    assert [seen.query.get("locator") for seen in org.asked(PAGES)] == [
        None if first == 0 else f"P{first}" for first in range(0, total, 5)
    ]


@pytest.mark.parametrize(
    "reply",
    [
        fault(404, "NOT_FOUND"),
        fault(400, "API_ERROR"),
        Reply(200, b"no json"),
        as_json([]),
        as_json({"pages": []}),
        as_json({"resultPages": [{"href": "x"}], "done": True}),
        as_json({"resultPages": [{"resultUrl": "x"}], "done": False}),
        as_json({"resultPages": [{"resultUrl": "x"}, {"resultUrl": "x"}], "done": True}),
    ],
)
def test_without_pages_that_are_understood_the_locators_are_followed(org: FakeOrg, reply: Reply) -> None:
    org.queue(PAGES, reply)
    assert bulk.result_pages(org.open(), "750A") is None


def test_pages_of_an_org_that_is_down_are_not_given_up(org: FakeOrg) -> None:
    org.queue(PAGES, guide(0, 5, f"{PAGES}?locator=P5"), *[Reply(503, b"")] * 4)
    with pytest.raises(RetriableError):
        bulk.result_pages(org.open(), "750A")


def test_the_chain_begins_without_a_locator(org: FakeOrg) -> None:
    session = org.open()
    assert bulk.chained_page(session, "750A", 500) == f"{JOB}/results?maxRecords=500"
    assert bulk.chained_page(session, "750A", 500, "L2") == f"{JOB}/results?maxRecords=500&locator=L2"
