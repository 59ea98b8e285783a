"""The Salesforce client against the simulator over TLS: logins, a lapsing token, pages in the other shape."""

from __future__ import annotations

import csv
import io
import json
import time
from collections.abc import Iterator

import pytest
from idiscover.salesforce import bulk, soql
from idiscover.salesforce.counting import count_records
from idiscover.salesforce.page_stream import PageStream
from idiscover.salesforce.session import open_session

from tests.integration.extraction_stack import API_VERSION, request_for, simulator, utc

TOKEN_SECONDS = 1.0
REQUEST = request_for("testing_volume", utc("2000-01-01T00:00"), utc("2026-01-06T00:00"), "testing_volume-1")


@pytest.fixture(scope="module")
def secret(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    state = tmp_path_factory.mktemp("org")
    options = ("--page-rows", "70", "--result-pages-shape", "chunks", "--token-seconds", str(TOKEN_SECONDS))
    with simulator(state, *options), pytest.MonkeyPatch.context() as patch:
        patch.setenv("REQUESTS_CA_BUNDLE", str(state / "tls" / "ca.pem"))
        yield json.loads((state / "credentials.json").read_text())


@pytest.mark.parametrize("grant", ["jwt", "client_credentials", "refresh_token", "password"])
def test_every_grant_logs_in(secret: dict[str, str], grant: str) -> None:
    session = open_session({**secret, "grant_type": grant}, API_VERSION)
    assert session.describe("Account")["name"] == "Account"
    assert session.org_now().year == 2026


def test_a_token_that_lapsed_is_renewed(secret: dict[str, str]) -> None:
    session = open_session({**secret, "grant_type": "jwt"}, API_VERSION)
    before = count_records(session, REQUEST)
    time.sleep(TOKEN_SECONDS + 0.2)
    assert count_records(session, REQUEST) == before > 0
    assert session.logins >= 2


def _rows(page: PageStream) -> list[list[str]]:
    _, *rows = csv.reader(io.StringIO(b"".join(page.chunks()).decode(), newline=""))
    assert page.announced_rows == len(rows)
    return rows


def test_parallel_pages_and_the_chain_of_locators_hold_the_same_rows(secret: dict[str, str]) -> None:
    session = open_session({**secret, "grant_type": "jwt"}, API_VERSION)
    job, _ = bulk.create_job(session, soql.select(REQUEST), REQUEST.operation)
    watch = bulk.JobWatch(job, 60)
    while not watch.look(session):
        time.sleep(watch.seconds_to_look)
    job = watch.job
    pages = bulk.result_pages(session, job.id)
    assert pages is not None
    assert len(pages) > 5  # more than one call of resultPages
    side_by_side = [row for page in pages for row in _rows(PageStream(session, page))]
    chained: list[list[str]] = []
    path: str | None = bulk.chained_page(session, job.id, 111)
    while path is not None:
        stream = PageStream(session, path)
        chained += _rows(stream)
        path = stream.next_locator and bulk.chained_page(session, job.id, 111, stream.next_locator)
    assert len(side_by_side) == job.rows == count_records(session, REQUEST)
    assert chained == side_by_side
