"""Publishing to a server that speaks Tableau's protocol, over TLS, by the client that is used in production."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
from idiscover.aws import tableau_publishing
from idiscover.aws.job_metadata_checks import CheckResult, StoredResult
from idiscover.aws.tableau_publishing import Wanted, bring, failures_of
from idiscover.aws.tableau_site import tableau_site
from idiscover.errors import ConfigError, FatalError, IdiscoverError, NextRunError, RetriableError
from idiscover.metadata.environment import TableauSettings
from idiscover.metadata.loading import FolderReader, load_catalog, parse_context
from idiscover.metadata.models import Context, Owner
from idiscover.metadata.subjects import SubjectSpec
from idiscover.plan.tableau import subject_plan
from idiscover.tableau.notes import Failure, TableState, certification_note, rows_note, stale_warning

from tests.support.tableau_server import SITE, TOKEN_NAME, TOKEN_VALUE, TableauState, running_tableau
from tests.unit.metadata_samples import REPOSITORY

SUBJECT = SubjectSpec(
    subject="tests",
    title="Tests & labs",
    description="Tests of labs.",
    view="dm.v_fact_test",
    owner=Owner(name="Lab Team", email="labs@example.com"),
)
STATE = TableState(
    "dm.fact_test", 1234, datetime(2026, 1, 6, 2, 30), "itg.test", "Current", 1234, datetime(2026, 1, 5, 22)
)
NEXT = replace(STATE, loaded_at=datetime(2026, 1, 7, 2, 30))
STOPPED = Failure("tested_at_most_eligible", "fail", ["FR", "DE"])
WARNED = Failure("rows_as_yesterday", "warn", ["TR"])
SETTINGS = TableauSettings()
TEXT, OTHER = (f"<?xml version='1.0'?><datasource caption='{name}'/>" for name in "ab")
READER = ("tableau_reader", "s3cret-of-the-reader")


class Tableau:
    """The server, and a session per call, as a task has one."""

    def __init__(self, address: str, state: TableauState) -> None:
        self.secret = {"server": address, "token_name": TOKEN_NAME, "token_value": TOKEN_VALUE, "site": SITE}
        self.state = state

    def bring(
        self,
        text: str = TEXT,
        failures: Sequence[Failure] = (),
        extract: bool = False,
        again: bool = False,
        settings: TableauSettings = SETTINGS,
        state: TableState = STATE,
    ) -> str:
        subject = SUBJECT.model_copy(update={"extract": extract})
        told = (certification_note(state, failures), stale_warning(state, failures), rows_note(state))
        with tableau_site(self.secret, settings) as site:
            return bring(site, site.project_id(), Wanted(subject, "test", text, READER, *told, again))

    @property
    def source(self):  # type: ignore[no-untyped-def]
        return self.state.source(SUBJECT.title)


@pytest.fixture
def tableau(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Tableau]:
    with running_tableau(tmp_path) as (address, authority, state):
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority))
        yield Tableau(address, state)


def test_a_subject_is_published_described_and_certified(tableau: Tableau) -> None:
    text = "<?xml version='1.0'?>\n<datasource caption='ä & 日本'/>"
    assert tableau.bring(text) == "published, certified"
    source = tableau.source
    assert source.text == text and source.is_certified and source.warning is None
    assert source.description == "Tests of labs. Owner: Lab Team."
    assert source.note == (
        "Loaded 2026-01-06 02:30:00 UTC, 1,234 rows. The source is known up to 2026-01-05 22:00 UTC."
        " Compared with itg.test (1,234 live rows): Current. No check has failed."
    )
    assert source.login == "tableau_reader"
    assert tableau.state.requests[-1] == "POST /auth/signout"


def test_said_again_it_changes_nothing_and_what_changed_is_published_anew(tableau: Tableau) -> None:
    tableau.bring()
    tableau.source.tags.add("by a person")
    assert tableau.bring() == "as it was, certified"
    assert (tableau.source.publications, tableau.source.updates) == (1, 1)
    assert tableau.bring(text=OTHER) == "published anew, certified"
    assert tableau.source.publications == 2 and len(tableau.source.tags) == 3 and "by a person" in tableau.source.tags
    assert tableau.bring(text=OTHER, again=True) == "published anew, certified"
    assert len(tableau.state.sources) == 1


def test_a_failed_check_is_a_warning_until_it_passes(tableau: Tableau) -> None:
    assert tableau.bring(failures=[STOPPED, WARNED]) == "published, certified, with a warning"
    warning = tableau.source.warning
    assert warning is not None and (warning["type"], warning["isActive"]) == ("STALE", "true")
    assert warning["message"] == (
        "iDiscover: the last load was refused, rows are those of the last good one (tested_at_most_eligible in DE, FR);"
        " a check found something (rows_as_yesterday in TR)"
    )
    assert "Checks that failed: tested_at_most_eligible in DE, FR; rows_as_yesterday in TR." in tableau.source.note
    tableau.bring(failures=[WARNED])
    assert tableau.source.warning["message"] == "iDiscover: a check found something (rows_as_yesterday in TR)"
    asked = len(tableau.state.requests)
    tableau.bring(failures=[WARNED])
    assert not [line for line in tableau.state.requests[asked:] if line.startswith("PUT")], "the same again is nothing"
    tableau.bring()
    assert tableau.source.warning is None and tableau.source.note.endswith("No check has failed.")


def _context() -> Context:
    place = REPOSITORY / "context" / "local.yaml"
    context = parse_context(place.read_text(encoding="utf-8"), str(place))
    return context.model_copy(update={"secrets": context.secrets.model_copy(update={"tableau": "tableau"})})


def test_a_subject_whose_table_is_not_in_the_warehouse_is_not_published(
    tableau: Tableau, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Metadata may be ahead of the last deploy; a data source without fields would take the place of a good one."""
    context = _context()
    login = {"host": "warehouse.example.com", "port": "5439", "dbname": "idiscover"}
    secrets = {"tableau": tableau.secret, context.secrets.redshift: login}
    catalog = load_catalog(FolderReader(REPOSITORY / "metadata"))
    monkeypatch.setattr(tableau_publishing, "read_secret", lambda name, _region: secrets[name])
    monkeypatch.setattr(tableau_publishing, "open_job_metadata", lambda _context: nullcontext())
    monkeypatch.setattr(tableau_publishing, "newest_failures", lambda _metadata: [])
    monkeypatch.setattr(tableau_publishing.postgres, "connect", lambda *_: SimpleNamespace(close=lambda: None))
    monkeypatch.setattr(tableau_publishing, "_types", lambda *_: {})
    with pytest.raises(ConfigError, match=r"not in the warehouse(.|\n)*dm\.dm_lab_360"):
        plan = subject_plan(catalog.subjects["lab_360"], catalog, context)
        tableau_publishing.publish_subjects([plan], context, print)
    assert tableau.state.requests == []


def test_what_has_stopped_a_table_before_it_is_told_of_a_mart() -> None:
    """A mart over a fact whose slice was refused is whole, but old; a warning of the fact's is no concern of it."""
    catalog = load_catalog(FolderReader(REPOSITORY / "metadata"))

    def failed(table: str, check: str, severity: str, country: str) -> StoredResult:
        result = CheckResult(check, "unique_key", severity, 2, ("a-key",))
        return StoredResult(table, result, country, "run", date(2026, 1, 5), datetime(2026, 1, 6))

    failures = [
        failed("dm.fact_testing_volume", "unique_key", "fail", "DE"),
        failed("itg.biomarker", "unique_key", "fail", "ZZ"),
        failed("dm.dim_lab", "unique_key", "warn", "FR"),
        failed("dm.fact_interaction", "unique_key", "fail", "FR"),
        failed("dm.dm_testing_uptake", "unique_key", "warn", "GB"),
        failed("dm.dm_testing_uptake", "of_last_year", "fail", "GB"),
    ]
    context = _context()
    found = failures_of(subject_plan(catalog.subjects["testing_uptake"], catalog, context), failures)
    assert [(item.check, item.origin) for item in found] == [
        ("unique_key", None),
        ("unique_key", "dm.fact_testing_volume"),
        ("unique_key", "itg.biomarker"),
    ]
    assert stale_warning(STATE, found) == (
        "iDiscover: what the rows are made of was refused, and is that of the last good load"
        " (dm.fact_testing_volume: unique_key in DE; itg.biomarker: unique_key in ZZ);"
        " a check found something (unique_key in GB)"
    )
    note = certification_note(STATE, found)
    assert "dm.fact_testing_volume: unique_key in DE" in note and "No check has failed" not in note
    freshness = subject_plan(catalog.subjects["data_freshness"], catalog, context)
    assert failures_of(freshness, failures) == [], "it counts them"


def test_warnings_of_people_stay(tableau: Tableau) -> None:
    tableau.bring()
    by_hand = {"type": "MAINTENANCE", "message": "moves on Friday", "isActive": "true", "isSevere": "false"}
    tableau.source.warning = dict(by_hand)
    tableau.bring(failures=[STOPPED])
    tableau.bring()
    assert tableau.source.warning == by_hand


def test_an_extract_is_made_then_refreshed_and_waited_for(tableau: Tableau) -> None:
    assert tableau.bring(extract=True) == "published, certified, extract refreshed"
    assert tableau.bring(extract=True) == "as it was, certified", "once per load"
    assert tableau.bring(extract=True, state=NEXT) == "as it was, certified, extract refreshed"
    jobs = [line for line in tableau.state.requests if "/source-0/" in line and line.startswith("POST /datasources")]
    assert jobs == ["POST /datasources/source-0/createExtract", "POST /datasources/source-0/refresh"]
    assert tableau.source.refreshes == 2 and tableau.state.polls == 2
    tableau.state.job_outcome = 1
    for _ in range(2):  # the note still tells of the load before, so that the next run tries again
        with pytest.raises(FatalError, match="could not make an extract"):
            tableau.bring(extract=True)
    assert "2026-01-07" in tableau.source.note


def test_an_extract_that_takes_too_long_is_for_the_next_run(tableau: Tableau, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TableauSettings, "job_timeout_seconds", 0)
    with pytest.raises(NextRunError, match="takes too long"):
        tableau.bring(extract=True)


def test_a_large_text_goes_in_chunks(tableau: Tableau, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TSC_FILESIZE_LIMIT_MB", "1")
    monkeypatch.setenv("TSC_CHUNK_SIZE_MB", "1")
    text = f"<?xml version='1.0'?><datasource caption='{'ä' * 1_300_000}'/>"
    tableau.bring(text)
    assert tableau.source.text == text
    assert sum(line.startswith("PUT /fileUploads/") for line in tableau.state.requests) == 3


@pytest.mark.parametrize(
    ("status", "kind", "what"),
    [
        (403, ConfigError, "Tableau refuses a right"),
        (429, RetriableError, "Tableau is busy"),
        (500, RetriableError, "Tableau does not answer"),
        (409, FatalError, "Tableau does not accept a request"),
    ],
)
def test_what_tableau_says_becomes_an_error_of_the_platform(
    tableau: Tableau, status: int, kind: type[IdiscoverError], what: str
) -> None:
    tableau.state.fail_next = status
    with pytest.raises(kind, match=what):
        tableau.bring()
    assert tableau.bring() == "published, certified", "and the next try goes through"


def test_who_may_not_is_told_and_no_secret_is_shown(
    tableau: Tableau, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG)
    tableau.bring()
    tableau.secret["token_value"] = "pat-of-yesterday"
    with pytest.raises(ConfigError, match=r"Tableau refuses the login(.|\n)*15 days") as refused:
        tableau.bring()
    tableau.secret["token_value"] = TOKEN_VALUE
    with pytest.raises(ConfigError, match=r"no such project(.|\n)*0 projects named Nowhere"):
        tableau.bring(settings=TableauSettings(project="Nowhere"))
    told = f"{caplog.text}{refused.value}"
    assert [secret for secret in (TOKEN_VALUE, "pat-of-yesterday", READER[1]) if secret in told] == []


@pytest.mark.parametrize("status", [409, 500])
def test_what_the_server_repeats_of_a_secret_is_not_told(tableau: Tableau, status: int) -> None:
    tableau.secret |= dict(zip(("reader_username", "reader_password"), READER, strict=True))
    tableau.state.fail_next, tableau.state.fault = status, f"cannot log in with {READER[1]}, {TOKEN_VALUE}"
    with pytest.raises(IdiscoverError, match="cannot log in with …, …"):
        tableau.bring()


def test_a_session_that_another_sign_in_has_ended_is_tried_again(tableau: Tableau) -> None:
    """A personal access token has one session at a time: `idiscover tableau publish` beside the DAG."""
    with (
        pytest.raises(RetriableError, match=r"ended the session(.|\n)*let nobody else"),
        tableau_site(tableau.secret, SETTINGS) as site,
    ):
        tableau.bring()
        site.project_id()
    assert tableau.bring() == "as it was, certified"


@pytest.mark.parametrize(
    "server",
    ["http://a", "https://", "https://a/#/site/lab", "https://a/site", "https://a:99999", "https://me:s3cret@a", "a"],
)
def test_an_address_that_is_none_is_told_without_a_login_in_it(server: str) -> None:
    with (
        pytest.raises(ConfigError, match="https only") as refused,
        tableau_site({"server": server, "token_name": "a", "token_value": "b"}, SETTINGS),
    ):
        pass
    assert "s3cret" not in str(refused.value)


def test_a_page_instead_of_an_answer_may_be_over_soon(tableau: Tableau) -> None:
    """Such as a proxy's, with status 200."""
    tableau.state.page = b"<html><body>Back at noon"
    with pytest.raises(RetriableError, match="does not answer"):
        tableau.bring()


def test_a_server_that_is_not_there_may_come_back() -> None:
    secret = {"server": "https://127.0.0.1:9", "token_name": "a", "token_value": "b"}
    with pytest.raises(RetriableError, match="does not answer"), tableau_site(secret, SETTINGS):
        pass
    with pytest.raises(ConfigError, match=r"secret is incomplete(.|\n)*token_value"), tableau_site({}, SETTINGS):
        pass
