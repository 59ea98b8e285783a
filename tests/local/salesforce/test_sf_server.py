"""The protocol over TLS: OAuth, REST, and the real simple-salesforce."""

import time
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

import jwt
import pytest
from simple_salesforce import Salesforce
from simple_salesforce.exceptions import SalesforceMalformedRequest

from local.salesforce.request_log import total_calls
from local.salesforce.schema import OBJECTS
from tests.local.salesforce.sf_answers import error_of, truth_of
from tests.local.salesforce.sf_process import API, Simulator

VOLUMES = "SELECT Id, Name, Lab__r.Country_Code__c, Median_TAT_Days__c, SystemModstamp FROM Testing_Volume__c"


def _assertion(simulator: Simulator, **changes: object) -> str:
    known = simulator.credentials
    claims = {
        "iss": known["client_id"],
        "sub": known["username"],
        "aud": simulator.url,
        "exp": int(time.time()) + 120,
        **changes,
    }
    return jwt.encode(claims, known["private_key"], algorithm="RS256")


JWT_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"


def test_every_grant_gives_a_token_that_works(simulator: Simulator) -> None:
    known = simulator.credentials
    client = {"client_id": known["client_id"], "client_secret": known["client_secret"]}
    password = known["password"] + known["security_token"]
    forms: list[dict[str, str]] = [
        {"grant_type": "client_credentials", **client},
        {"grant_type": JWT_GRANT, "assertion": _assertion(simulator)},
        {"grant_type": "refresh_token", "refresh_token": known["refresh_token"], **client},
        {"grant_type": "password", "username": known["username"], "password": password, **client},
    ]
    for form in forms:
        answer = simulator.token_request(**form)
        assert answer.status_code == 200, answer.text
        token = answer.json()
        assert {"access_token", "instance_url", "id", "token_type", "issued_at"} <= set(token)
        assert token["instance_url"] == simulator.url and token["issued_at"].isdigit()
        headers = {"Authorization": f"Bearer {token['access_token']}"}
        assert simulator.session.get(f"{simulator.url}{API}/limits", headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"iss": "nobody"}, "invalid_client_id"),
        ({"sub": "nobody@x"}, "invalid_grant"),
        ({"aud": "https://elsewhere.example"}, "invalid_grant"),
        ({"exp": 1_700_000_000}, "invalid_grant"),
        ({"exp": None}, "invalid_grant"),
    ],
)
def test_a_wrong_assertion_is_refused(simulator: Simulator, changes: dict[str, object], error: str) -> None:
    claims = {key: value for key, value in changes.items() if value is not None}
    if changes == {"exp": None}:
        known = simulator.credentials
        assertion = jwt.encode({"iss": known["client_id"]}, known["private_key"], algorithm="RS256")
    else:
        assertion = _assertion(simulator, **claims)
    answer = simulator.token_request(grant_type=JWT_GRANT, assertion=assertion)
    assert (answer.status_code, answer.json()["error"]) == (400, error)
    assert answer.json()["error_description"]


def test_an_assertion_signed_by_another_key_is_refused(simulator: Simulator) -> None:
    claims = jwt.decode(_assertion(simulator), options={"verify_signature": False})
    forged = jwt.encode(claims, "a secret of at least thirty-two characters", algorithm="HS256")
    assert simulator.token_request(grant_type=JWT_GRANT, assertion=forged).json()["error"] == "invalid_grant"


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({"grant_type": "magic"}, "unsupported_grant_type"),
        ({"grant_type": "client_credentials", "client_id": "x"}, "invalid_client_id"),
        ({"grant_type": "client_credentials", "client_id": "@", "client_secret": "x"}, "invalid_client"),
        ({"grant_type": "refresh_token", "client_id": "@", "refresh_token": "x"}, "invalid_grant"),
        ({"grant_type": "refresh_token", "client_id": "@", "client_secret": "x"}, "invalid_client"),
    ],
)
def test_wrong_credentials_are_refused(simulator: Simulator, form: dict[str, str], error: str) -> None:
    filled = {key: simulator.credentials["client_id"] if value == "@" else value for key, value in form.items()}
    answer = simulator.token_request(**filled)
    assert (answer.status_code, answer.json()["error"]) == (400, error)


def test_without_a_session_nothing_is_read(simulator: Simulator) -> None:
    for header, code in (
        ("", "INVALID_SESSION_ID"),
        ("Bearer x", "INVALID_SESSION_ID"),
        ("Basic x", "INVALID_AUTH_HEADER"),
    ):
        answer = simulator.session.get(f"{simulator.url}{API}/sobjects", headers={"Authorization": header})
        assert error_of(answer) == (401, code)


def test_every_answer_carries_the_orgs_time(simulator: Simulator) -> None:
    paths = ("/idiscover/health", "/services/data", "/limits", "/query", "/services/nowhere", "/jobs/query/750")
    for path in paths:
        answer = simulator.get(path)
        assert answer.headers.get("Date"), path
        assert len(answer.raw.headers.getlist("Date")) == 1, path
        now = datetime.fromisoformat(simulator.get("/idiscover/clock").json()["now"])
        assert 0 <= (now - parsedate_to_datetime(answer.headers["Date"])).total_seconds() < 30, path


def test_describe_has_every_field_in_its_shape(simulator: Simulator) -> None:
    listed = {item["name"]: item for item in simulator.get("/sobjects").json()["sobjects"]}
    assert set(listed) == set(OBJECTS)
    for name in OBJECTS:
        described = simulator.get(f"/sobjects/{name}/describe").json()
        fields = {field["name"]: field for field in described["fields"]}
        assert len({len(field) for field in fields.values()}) == 1 and len(fields["Id"]) >= 50
        assert fields["SystemModstamp"]["type"] == "datetime" and fields["Id"]["length"] == 18
        without_bin = ("RecordType", "User", "UserTerritory2Association")
        assert ("IsDeleted" in fields) == (name not in without_bin), name
        unowned = (*without_bin, "Territory2", "ObjectTerritory2Association")
        assert ("OwnerId" in fields) == (name not in unowned), name
    account = {f["name"]: f for f in simulator.get("/sobjects/account/describe").json()["fields"]}
    assert account["BillingCity"]["compoundFieldName"] == "BillingAddress" and account["Name"]["length"] == 255
    assert account["Accreditation__c"]["type"] == "multipicklist"
    assert [v["value"] for v in account["Accreditation__c"]["picklistValues"]] == ["CAP", "CLIA", "ISO15189"]
    volume = {f["name"]: f for f in simulator.get("/sobjects/Testing_Volume__c/describe").json()["fields"]}
    assert (volume["Tested_Patients__c"]["precision"], volume["Tested_Patients__c"]["scale"]) == (18, 0)
    assert (volume["Median_TAT_Days__c"]["precision"], volume["Median_TAT_Days__c"]["scale"]) == (6, 2)
    assert (volume["Lab__c"]["referenceTo"], volume["Lab__c"]["relationshipName"]) == (["Account"], "Lab__r")
    assert volume["Name"]["autoNumber"] and not account["Name"]["autoNumber"]
    capability = {f["name"]: f for f in simulator.get("/sobjects/Lab_Capability__c/describe").json()["fields"]}
    assert [name for name, field in capability.items() if field["calculated"]] == ["Lab_Segment__c"]
    formula = capability["Lab_Segment__c"]
    assert formula["calculatedFormula"] == "TEXT(Lab__r.Segment__c)" and formula["length"] == 1300
    assert not formula["updateable"] and not formula["createable"] and formula["filterable"]


def test_calls_are_counted_and_limited_in_the_open(simulator: Simulator) -> None:
    before = total_calls(simulator.state_dir)
    answer = simulator.get("/limits")
    used, limit = answer.headers["Sforce-Limit-Info"].removeprefix("api-usage=").split("/")
    assert total_calls(simulator.state_dir) == before + 1
    daily = answer.json()["DailyApiRequests"]
    assert daily == {"Max": int(limit), "Remaining": int(limit) - int(used)}
    assert {"DailyBulkV2QueryJobs", "DailyBulkV2QueryFileStorageMB"} <= set(answer.json())


def test_rest_errors_have_the_platforms_shape(simulator: Simulator) -> None:
    assert error_of(simulator.query("SELECT Wrong FROM Account")) == (400, "INVALID_FIELD")
    assert error_of(simulator.query("SELECT Id FROM Wrong")) == (400, "INVALID_TYPE")
    assert error_of(simulator.query("SELEC")) == (400, "MALFORMED_QUERY")
    assert error_of(simulator.get("/query")) == (400, "MALFORMED_QUERY")
    assert error_of(simulator.get("/query/0r8-2000")) == (400, "INVALID_QUERY_LOCATOR")
    assert error_of(simulator.get("/sobjects/Wrong/describe")) == (404, "NOT_FOUND")
    assert error_of(simulator.get("/services/data/v99.0/limits")) == (404, "NOT_FOUND")
    assert error_of(simulator.session.put(f"{simulator.url}{API}/limits")) == (405, "METHOD_NOT_ALLOWED")


def test_rest_pages_are_whole(simulator: Simulator) -> None:
    truth = truth_of(simulator, "Testing_Volume__c")
    labs = truth_of(simulator, "Account")
    answer = simulator.session.get(
        f"{simulator.url}{API}/queryAll", params={"q": VOLUMES}, headers={"Sforce-Query-Options": "batchSize=200"}
    ).json()
    sizes, records = [len(answer["records"])], list(answer["records"])
    while not answer["done"]:
        answer = simulator.session.get(
            simulator.url + answer["nextRecordsUrl"], headers={"Sforce-Query-Options": "batchSize=200"}
        ).json()
        sizes.append(len(answer["records"]))
        records += answer["records"]
    assert sizes[:-1] == [200] * (len(sizes) - 1) and len(sizes) > 2 and "nextRecordsUrl" not in answer
    assert answer["totalSize"] == len(records) == len(truth)
    for record in records:
        expected = truth[record["Id"]]
        assert record["attributes"]["url"] == f"{API}/sobjects/Testing_Volume__c/{record['Id']}"
        assert record["SystemModstamp"] == str(expected["SystemModstamp"])[:-1] + "+0000"
        assert record["Median_TAT_Days__c"] == expected["Median_TAT_Days__c"]
        lab = labs.get(str(expected["Lab__c"]))
        assert (record["Lab__r"] or {}).get("Country_Code__c") == (None if lab is None else lab["Country_Code__c"])


def test_rest_shows_formulas(simulator: Simulator) -> None:
    truth, accounts = truth_of(simulator, "Lab_Capability__c"), truth_of(simulator, "Account")
    answer = simulator.query("SELECT Id, Lab_Segment__c FROM Lab_Capability__c", "queryAll").json()
    assert answer["totalSize"] == len(truth)
    for record in answer["records"]:
        lab = accounts.get(str(truth[record["Id"]]["Lab__c"]), {})
        assert record["Lab_Segment__c"] == lab.get("Segment__c")


def test_count_and_deleted_rows(simulator: Simulator) -> None:
    truth = truth_of(simulator, "Account")
    live = [record for record in truth.values() if not record["IsDeleted"]]
    assert 0 < len(live) < len(truth)
    for operation, rows in (("query", len(live)), ("queryAll", len(truth))):
        answer = simulator.query("SELECT COUNT() FROM Account", operation).json()
        assert answer == {"totalSize": rows, "done": True, "records": []}


def test_simple_salesforce_works(simulator: Simulator, tmp_path: Path) -> None:
    client = Salesforce(
        instance_url=simulator.url,
        session_id=simulator.session.headers["Authorization"].removeprefix("Bearer "),
        session=simulator.session,
        version="59.0",
    )
    truth = truth_of(simulator, "Testing_Volume__c")
    live = [record for record in truth.values() if not record["IsDeleted"]]
    assert {field["name"] for field in client.Account.describe()["fields"]} >= {
        field.name for field in OBJECTS["Account"].plain_fields
    }
    assert len(client.describe()["sobjects"]) == len(OBJECTS)
    assert client.limits()["DailyApiRequests"]["Remaining"] > 0
    assert client.query("SELECT COUNT() FROM Testing_Volume__c")["totalSize"] == len(live)
    assert client.query_all(VOLUMES, include_deleted=True)["totalSize"] == len(truth)
    files = client.bulk2.Testing_Volume__c.download(VOLUMES, path=str(tmp_path), max_records=150)
    assert sum(item["number_of_records"] for item in files) == len(live) and len(files) > 2
    with pytest.raises(SalesforceMalformedRequest, match="No such column"):
        client.query("SELECT Wrong FROM Account")
