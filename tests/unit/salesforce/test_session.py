"""Sessions against a scripted org over TLS: logins, lapsed tokens, retries, and what errors say."""

from __future__ import annotations

import traceback
from datetime import UTC, datetime

import jwt
import pytest
import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from idiscover.errors import ConfigError, FatalError, IdiscoverError, NextRunError, RetriableError
from idiscover.salesforce.counting import count_records
from idiscover.salesforce.faults import LocatorFault, NotFound, NotInBulk, QueryTimeout, connection_fault
from idiscover.salesforce.retry import RetryPolicy
from idiscover.salesforce.session import SalesforceSession

from tests.unit.salesforce.fake_org import API_VERSION, DATA, FakeOrg, Reply, Seen, as_json, fault, quick_retry
from tests.unit.salesforce.samples import sample_request

TOKEN = "/services/oauth2/token"
QUERY = f"{DATA}/query/"
COUNTED = as_json({"totalSize": 7, "done": True, "records": []})


def test_count_limits_describe_and_the_orgs_time(org: FakeOrg) -> None:
    org.queue(QUERY, COUNTED)
    org.queue(f"{DATA}/queryAll/", as_json({"totalSize": 9, "done": True, "records": []}))
    org.queue(f"{DATA}/limits/", as_json({"DailyApiRequests": {"Max": 5000, "Remaining": 4998}}))
    org.queue(f"{DATA}/limits/", as_json({"DailyApiRequests": {"Max": 5000, "Remaining": 4997}}))
    org.queue(f"{DATA}/sobjects/Account/describe", as_json({"name": "Account"}))
    session = org.open()
    assert session.count("SELECT COUNT() FROM Account") == 7
    assert session.count("SELECT COUNT() FROM Account", include_deleted=True) == 9
    assert session.limits()["DailyApiRequests"]["Remaining"] == 4998
    assert session.org_now() == datetime(2026, 1, 5, 2, 0, 7, tzinfo=UTC)
    assert session.describe("Account") == {"name": "Account"}
    assert org.asked(QUERY)[0].query == {"q": "SELECT COUNT() FROM Account"}
    assert org.asked(QUERY)[0].headers["Authorization"] == "Bearer token-1"
    assert (session.api_calls, session.logins) == (5, 1)


@pytest.mark.parametrize(
    "face",
    [
        fault(401, "INVALID_SESSION_ID", "Session expired or invalid"),
        fault(401, "INVALID_AUTH_HEADER", "INVALID_HEADER_TYPE"),
        fault(400, "INVALID_JWT_FORMAT", "Invalid JWT"),
        Reply(401, b"<html>unauthorized</html>"),
    ],
)
def test_a_lapsed_token_is_renewed_once(org: FakeOrg, face: Reply) -> None:
    org.queue(QUERY, face, COUNTED)
    session = org.open()
    assert session.count("SELECT COUNT() FROM Account") == 7
    assert [seen.headers["Authorization"] for seen in org.asked(QUERY)] == ["Bearer token-1", "Bearer token-2"]
    org.reset()
    org.queue(QUERY, face, face, COUNTED)
    with pytest.raises(FatalError, match="just opened"):
        org.open().count("SELECT COUNT() FROM Account")


@pytest.mark.parametrize("status", [406, 420, 429, 503])
def test_a_passing_fault_is_tried_again(org: FakeOrg, status: int) -> None:
    passing = Reply(status, b"[]")
    org.queue(QUERY, passing, passing, passing, COUNTED)
    assert org.open().count("SELECT COUNT() FROM Account") == 7
    org.queue(QUERY, *[passing] * 4, COUNTED)
    with pytest.raises(RetriableError, match=str(status)):
        org.open().count("SELECT COUNT() FROM Account")
    assert len(org.asked(QUERY)) == 8


def test_a_broken_connection_is_tried_again(org: FakeOrg) -> None:
    org.queue(QUERY, Reply(200, COUNTED.body, cut_at=3), COUNTED)
    assert org.open().count("SELECT COUNT() FROM Account") == 7


def test_an_answer_that_is_no_json_is_asked_for_again(org: FakeOrg) -> None:
    html = Reply(200, b"<html>We will be back soon</html>")
    session = org.open()
    org.queue(QUERY, html, COUNTED)
    assert session.count("SELECT COUNT() FROM Account") == 7
    org.queue(QUERY, html, COUNTED)
    assert session.send("GET", QUERY).json()["totalSize"] == 7
    org.queue(QUERY, *[html] * 4)
    with pytest.raises(RetriableError, match="is no JSON"):
        session.send("GET", QUERY)


def test_too_many_calls_at_once_pass_but_the_days_limit_does_not(org: FakeOrg) -> None:
    code = "REQUEST_LIMIT_EXCEEDED"
    concurrent = fault(403, code, "ConcurrentRequests (Concurrent API Requests) Limit exceeded.")
    org.queue(QUERY, concurrent, COUNTED)
    assert org.open().count("SELECT COUNT() FROM Account") == 7
    org.queue(QUERY, fault(403, code, "TotalRequests Limit exceeded."), COUNTED)
    with pytest.raises(NextRunError, match="24 hours"):
        org.open().count("SELECT COUNT() FROM Account")


@pytest.mark.parametrize(
    ("reply", "kind", "says"),
    [
        (fault(400, "MALFORMED_QUERY", "unexpected token: 'FORM'"), ConfigError, "unexpected token"),
        (fault(400, "INVALID_FIELD", "x\n^\nERROR at Row:1\nNo such column 'A' on entity 'B'"), ConfigError, "No such"),
        (fault(400, "INVALIDENTITY", "Entity 'X' is not supported by the Bulk API."), NotInBulk, "Entity 'X'"),
        (fault(400, "LIMIT_EXCEEDED", "Max jobs"), NextRunError, "24 hours"),
        (fault(403, "API_DISABLED_FOR_ORG"), FatalError, "rights"),
        (fault(404, "NOT_FOUND"), NotFound, "NOT_FOUND"),
        (fault(409, "API_ERROR", "version"), FatalError, "API version"),
        (fault(400, "QUERY_TIMEOUT", "too long"), QueryTimeout, "window smaller"),
        (fault(400, "INVALID_QUERY_LOCATOR", "invalid query locator"), LocatorFault, "from the beginning"),
    ],
)
def test_other_faults_are_told_at_once(org: FakeOrg, reply: Reply, kind: type[IdiscoverError], says: str) -> None:
    org.queue(QUERY, reply, COUNTED)
    with pytest.raises(kind, match=says):
        org.open().count("SELECT COUNT() FROM Account")
    assert len(org.asked(QUERY)) == 1


def test_a_count_that_times_out_is_taken_by_ranges(org: FakeOrg) -> None:
    """The org can count six hours at most; a second holds one record."""

    def count(seen: Seen) -> Reply:
        ends = [datetime.fromisoformat(word) for word in seen.query["q"].split() if word.endswith("Z")]
        seconds = int((ends[1] - ends[0]).total_seconds())
        return fault(400, "QUERY_TIMEOUT") if seconds > 6 * 3600 else as_json({"totalSize": seconds})

    org.routes[f"{DATA}/queryAll/"] = count
    assert count_records(org.open(), sample_request()) == 86_400
    org.routes[f"{DATA}/queryAll/"] = lambda _seen: fault(400, "QUERY_TIMEOUT")
    end = datetime(2026, 1, 5, 0, 0, 2, tzinfo=UTC)
    with pytest.raises(QueryTimeout):
        count_records(org.open(), sample_request(end=end))


def test_the_token_goes_to_no_other_host(org: FakeOrg) -> None:
    session = org.open()
    with pytest.raises(FatalError, match="another host"):
        session.send("GET", "https://elsewhere.example/services/data")
    org.queue("/x", as_json({"ok": True}))
    assert session.send("GET", f"{org.url}/x").json() == {"ok": True}


KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PEM = KEY.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
).decode()


@pytest.mark.parametrize("pem", [PEM, PEM.replace("\n", "\\n")])
def test_the_jwt_grant_signs_an_assertion(org: FakeOrg, pem: str) -> None:
    org.open(grant_type="jwt", username="robot@example.com", private_key=pem)
    form = org.asked(TOKEN)[0].form
    assert form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
    claims = jwt.decode(form["assertion"], KEY.public_key(), algorithms=["RS256"], audience=org.url)
    assert (claims["iss"], claims["sub"]) == ("the-client", "robot@example.com")
    assert 0 < claims["exp"] - datetime.now(UTC).timestamp() <= 300


def test_the_other_grants_send_what_they_need(org: FakeOrg) -> None:
    org.open()
    org.open(grant_type="refresh_token", refresh_token="r")
    org.open(grant_type="password", username="u", password="p", security_token="t")
    client = {"client_id": "the-client", "client_secret": "the-secret"}
    assert [seen.form for seen in org.asked(TOKEN)] == [
        {"grant_type": "client_credentials", **client},
        {"grant_type": "refresh_token", **client, "refresh_token": "r"},
        {"grant_type": "password", **client, "username": "u", "password": "pt"},
    ]


@pytest.mark.parametrize(
    "changes",
    [
        {"grant_type": "saml"},
        {"grant_type": "jwt", "username": "u"},
        {"grant_type": "jwt", "username": "u", "private_key": "no key but hush-hush"},
        {"login_url": "http://localhost"},
        {"client_secret": ""},
    ],
)
def test_a_secret_that_cannot_work_is_a_config_error(org: FakeOrg, changes: dict[str, str]) -> None:
    with pytest.raises(ConfigError) as caught:
        org.open(**changes)
    assert "hush" not in "".join(traceback.format_exception(caught.value))


def test_a_refused_login_names_salesforces_reason_and_no_secret(org: FakeOrg) -> None:
    refused = as_json({"error": "invalid_grant", "error_description": "user hasn't approved this consumer"}, 400)
    org.queue(TOKEN, refused)
    with pytest.raises(ConfigError, match="hasn't approved") as caught:
        org.open()
    assert "the-secret" not in "".join(traceback.format_exception(caught.value))
    org.queue(TOKEN, as_json({"access_token": "hush-hush"}))
    with pytest.raises(ConfigError, match="no token") as caught:
        org.open()
    assert "hush" not in "".join(traceback.format_exception(caught.value))


def test_a_login_that_is_down_is_tried_again(org: FakeOrg) -> None:
    org.queue(TOKEN, Reply(503, b""), Reply(503, b""))
    assert org.open().logins == 1
    org.queue(TOKEN, *[Reply(503, b"")] * 4)
    with pytest.raises(RetriableError, match="503"):
        org.open()


def test_an_unreachable_org_is_a_passing_fault(org: FakeOrg) -> None:
    secret = {**org.secret, "login_url": "https://localhost:1"}
    with pytest.raises(RetriableError, match="cannot be reached"):
        SalesforceSession(secret, API_VERSION, quick_retry(2)).client()


def test_pauses_double_and_are_bounded() -> None:
    pauses: list[float] = []
    policy = RetryPolicy(sleep=pauses.append, uniform=lambda low, high: high)
    for attempt in range(8):
        policy.pause(attempt)
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60]


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (requests.exceptions.SSLError("[SSL: CERTIFICATE_VERIFY_FAILED] self-signed certificate"), ConfigError),
        (requests.exceptions.SSLError("[SSL: UNEXPECTED_EOF_WHILE_READING] EOF occurred"), RetriableError),
        (requests.ConnectTimeout("timed out"), RetriableError),
    ],
)
def test_a_certificate_that_is_not_trusted_is_no_passing_fault(error: Exception, kind: type[IdiscoverError]) -> None:
    assert type(connection_fault(error, "login", "https://login.example.com")) is kind
