"""The protocol over TLS: OAuth, REST, Bulk query jobs, the request log, and the real simple-salesforce."""

import csv
import gzip
import io
import time
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

import jwt
import pytest
import requests
from simple_salesforce import Salesforce
from simple_salesforce.exceptions import SalesforceMalformedRequest

from local.salesforce.events import EventKind, iter_events
from local.salesforce.request_log import LoggedRead, ReadKind, iter_reads, total_calls
from local.salesforce.schema import OBJECTS
from tests.local.salesforce.sf_process import API, Simulator

VOLUMES = "SELECT Id, Name, Lab__r.Country_Code__c, Median_TAT_Days__c, SystemModstamp FROM Testing_Volume__c"


def _error(answer: requests.Response) -> tuple[int, str]:
    (error,) = answer.json()
    assert set(error) == {"message", "errorCode"}
    return answer.status_code, error["errorCode"]


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
        assert _error(answer) == (401, code)


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


def test_calls_are_counted_and_limited_in_the_open(simulator: Simulator) -> None:
    before = total_calls(simulator.state_dir)
    answer = simulator.get("/limits")
    used, limit = answer.headers["Sforce-Limit-Info"].removeprefix("api-usage=").split("/")
    assert total_calls(simulator.state_dir) == before + 1
    daily = answer.json()["DailyApiRequests"]
    assert daily == {"Max": int(limit), "Remaining": int(limit) - int(used)}
    assert {"DailyBulkV2QueryJobs", "DailyBulkV2QueryFileStorageMB"} <= set(answer.json())


def test_rest_errors_have_the_platforms_shape(simulator: Simulator) -> None:
    assert _error(simulator.query("SELECT Wrong FROM Account")) == (400, "INVALID_FIELD")
    assert _error(simulator.query("SELECT Id FROM Wrong")) == (400, "INVALID_TYPE")
    assert _error(simulator.query("SELEC")) == (400, "MALFORMED_QUERY")
    assert _error(simulator.get("/query")) == (400, "MALFORMED_QUERY")
    assert _error(simulator.get("/query/0r8-2000")) == (400, "INVALID_QUERY_LOCATOR")
    assert _error(simulator.get("/sobjects/Wrong/describe")) == (404, "NOT_FOUND")
    assert _error(simulator.get("/services/data/v99.0/limits")) == (404, "NOT_FOUND")
    assert _error(simulator.session.put(f"{simulator.url}{API}/limits")) == (405, "METHOD_NOT_ALLOWED")


def _truth(simulator: Simulator, name: str) -> dict[str, dict[str, object]]:
    """The org's records now, folded from the log here."""
    now = simulator.get("/idiscover/clock").json()["now"]
    records: dict[str, dict[str, object]] = {}
    for event in iter_events(simulator.state_dir, name):
        if event.committed_at > now:
            continue
        if event.kind is EventKind.PURGE:
            del records[event.id]
        else:
            records[event.id] = {**records.get(event.id, {}), **event.values}
    return records


def test_rest_pages_are_whole(simulator: Simulator) -> None:
    truth = _truth(simulator, "Testing_Volume__c")
    labs = _truth(simulator, "Account")
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


def test_count_and_deleted_rows(simulator: Simulator) -> None:
    truth = _truth(simulator, "Account")
    live = [record for record in truth.values() if not record["IsDeleted"]]
    assert 0 < len(live) < len(truth)
    for operation, rows in (("query", len(live)), ("queryAll", len(truth))):
        answer = simulator.query("SELECT COUNT() FROM Account", operation).json()
        assert answer == {"totalSize": rows, "done": True, "records": []}


ALL_FIELDS = [field.name for field in OBJECTS["Account"].stored_fields]


def _read_pages(
    simulator: Simulator, job_id: object, delimiter: str = ",", **parameters: str
) -> list[list[dict[str, str]]]:
    """All pages by the locator chain, each checked against its own headers."""
    pages, locator = [], ""
    while locator != "null":
        more = {"locator": locator} if locator else {}
        answer = simulator.get(f"/jobs/query/{job_id}/results", **parameters, **more)
        assert answer.status_code == 200, answer.text
        rows = list(csv.DictReader(io.StringIO(answer.content.decode(), newline=""), delimiter=delimiter))
        assert int(answer.headers["Sforce-NumberOfRecords"]) == len(rows)
        pages.append(rows)
        locator = answer.headers["Sforce-Locator"]
    return pages


def _as_csv(value: object) -> str:
    if value is None:
        return ""
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)


def test_a_bulk_job_returns_every_value_as_it_is(simulator: Simulator) -> None:
    truth = _truth(simulator, "Account")
    job = simulator.finished_job(f"SELECT {', '.join(ALL_FIELDS)} FROM Account")
    assert (job["state"], job["numberRecordsProcessed"], job["jobType"]) == ("JobComplete", len(truth), "V2Query")
    wanted = {"id", "operation", "object", "createdDate", "systemModstamp", "state", "apiVersion", "jobType", "retries"}
    assert wanted | {"numberRecordsProcessed", "totalProcessingTime", "isPkChunkingSupported"} <= set(job)
    assert job["isPkChunkingSupported"] is True and job["apiVersion"] == 59.0
    rows = [row for page in _read_pages(simulator, job["id"], maxRecords="37") for row in page]
    assert len(rows) == len(truth)
    assert list(rows[0]) == ALL_FIELDS
    for row in rows:
        assert row == {"Id": row["Id"], **{name: _as_csv(truth[row["Id"]][name]) for name in ALL_FIELDS[1:]}}


def test_the_bytes_of_a_page(simulator: Simulator) -> None:
    fields = "Name, Eligible_Patients__c, Median_TAT_Days__c, IsDeleted"
    soql = f"SELECT {fields} FROM Testing_Volume__c WHERE Name = 'TV-00000001'"
    truth = next(r for r in _truth(simulator, "Testing_Volume__c").values() if r["Name"] == "TV-00000001")
    eligible, tat, gone = truth["Eligible_Patients__c"], truth["Median_TAT_Days__c"], _as_csv(truth["IsDeleted"])
    job = simulator.finished_job(soql, columnDelimiter="PIPE", lineEnding="CRLF")
    tat_text = "" if tat is None else f"{tat:.2f}".rstrip("0").ljust(len(f"{int(float(str(tat)))}") + 2, "0")
    assert simulator.get(f"/jobs/query/{job['id']}/results").content.decode() == (
        '"Name"|"Eligible_Patients__c"|"Median_TAT_Days__c"|"IsDeleted"\r\n'
        f'"TV-00000001"|"{eligible}.0"|"{tat_text}"|"{gone}"\r\n'
    )


def test_no_rows_make_a_header_alone(simulator: Simulator) -> None:
    job = simulator.finished_job("SELECT Id, Lab__r.Name FROM Testing_Volume__c WHERE Name = 'none'")
    answer = simulator.get(f"/jobs/query/{job['id']}/results")
    assert answer.content == b'"Id","Lab__r.Name"\n'
    assert (answer.headers["Sforce-NumberOfRecords"], answer.headers["Sforce-Locator"]) == ("0", "null")
    pages = simulator.get(f"/jobs/query/{job['id']}/resultPages").json()
    assert len(pages["resultPages"]) == 1 and pages["done"] is True


def test_result_pages_cover_the_chain_and_can_be_read_again(simulator: Simulator) -> None:
    job = simulator.finished_job("SELECT Id FROM Testing_Volume__c")
    chain = _read_pages(simulator, job["id"])
    assert len(chain) > 5 and all(len(page) == 100 for page in chain[:-1])
    urls, next_url = [], f"{API}/jobs/query/{job['id']}/resultPages"
    while next_url:
        answer = simulator.get(next_url).json()
        assert set(answer) == {"resultPages", "done"} | (set() if answer["done"] else {"nextRecordUrl"})
        assert 1 <= len(answer["resultPages"]) <= 5
        urls += [page["resultUrl"] for page in answer["resultPages"]]
        next_url = answer.get("nextRecordUrl", "")
    pages = [list(csv.DictReader(io.StringIO(simulator.get(url).text, newline=""))) for url in reversed(urls)]
    assert pages[::-1] == chain
    assert [simulator.get(url).content for url in urls] == [simulator.get(url).content for url in urls]


def test_gzip_only_when_asked_for(simulator: Simulator) -> None:
    job = simulator.finished_job("SELECT Id, Name FROM Account")
    url = f"{simulator.url}{API}/jobs/query/{job['id']}/results"
    plain = simulator.session.get(url, headers={"Accept-Encoding": "identity"}, stream=True)
    packed = simulator.session.get(url, headers={"Accept-Encoding": "gzip"}, stream=True)
    assert "Content-Encoding" not in plain.headers and packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.raw.read(decode_content=False)) == plain.raw.read(decode_content=False)


def test_bulk_refusals_over_http(simulator: Simulator) -> None:
    assert _error(simulator.create_job("SELECT COUNT() FROM Account")) == (400, "MALFORMED_QUERY")
    assert _error(simulator.create_job("SELECT BillingAddress FROM Account")) == (400, "INVALID_FIELD")
    assert _error(simulator.create_job("SELECT Id FROM Nowhere")) == (400, "INVALIDENTITY")
    assert _error(simulator.create_job("SELECT Id FROM Account", columnDelimiter="DOT")) == (400, "INVALIDJOB")
    assert _error(simulator.create_job("SELECT Id FROM Account", operation="insert")) == (400, "INVALIDJOB")
    assert _error(simulator.create_job("SELECT Id FROM Account", wrong="x")) == (400, "INVALIDJOB")
    broken = simulator.session.post(f"{simulator.url}{API}/jobs/query", data="{")
    assert _error(broken) == (400, "JSON_PARSER_ERROR")


def test_a_jobs_life(simulator: Simulator) -> None:
    job_id = simulator.finished_job("SELECT Id FROM Account")["id"]
    base = f"{simulator.url}{API}/jobs/query"
    assert _error(simulator.get(f"/services/data/v60.0/jobs/query/{job_id}")) == (409, "API_ERROR")
    assert _error(simulator.get(f"/services/data/v60.0/jobs/query/{job_id}/results")) == (409, "API_ERROR")
    assert _error(simulator.get(f"/jobs/query/{job_id}/results", locator="AAAA")) == (400, "INVALID_QUERY_LOCATOR")
    assert _error(simulator.get(f"/jobs/query/{job_id}/results", maxRecords="0")) == (400, "INVALIDJOB")
    assert _error(simulator.session.patch(f"{base}/{job_id}", json={"state": "Aborted"})) == (400, "INVALIDJOBSTATE")
    listed = simulator.get("/jobs/query").json()
    assert listed["done"] and job_id in [job["id"] for job in listed["records"]]
    assert simulator.session.delete(f"{base}/{job_id}").status_code == 204
    assert _error(simulator.get(f"/jobs/query/{job_id}")) == (404, "NOT_FOUND")
    assert not list((simulator.state_dir / "results").glob(f"{job_id}*"))


def test_the_request_log_tells_each_read(simulator: Simulator) -> None:
    before = len(list(iter_reads(simulator.state_dir)))
    soql = (
        "SELECT Id FROM Testing_Volume__c WHERE SystemModstamp >= 2025-06-01T00:00:00.000000+00:00 "
        "AND SystemModstamp < 2025-09-01T00:00:00Z"
    )
    window = ("2025-06-01T00:00:00.000Z", "2025-09-01T00:00:00.000Z")
    rows = sum(
        window[0] <= str(r["SystemModstamp"]) < window[1] for r in _truth(simulator, "Testing_Volume__c").values()
    )
    job = simulator.finished_job(soql)
    simulator.query("SELECT COUNT() FROM Account WHERE IsDeleted = true", "queryAll")
    simulator.query("SELECT Id FROM Account LIMIT 7")
    bulk, count, rest = list(iter_reads(simulator.state_dir))[before:]
    now = simulator.get("/idiscover/clock").json()["now"]
    assert bulk == LoggedRead(
        bulk.seq, bulk.org_time, ReadKind.BULK, "queryAll", "Testing_Volume__c", soql, *window, str(job["id"]), rows
    )
    assert rows > 0 and bulk.org_time <= now and len(bulk.org_time) == len(now)
    assert (count.kind, count.operation, count.object, count.window_start, count.job_id) == (
        ReadKind.COUNT,
        "queryAll",
        "Account",
        None,
        None,
    )
    assert (rest.kind, rest.operation, rest.rows) == (ReadKind.REST, "query", 7)


def test_simple_salesforce_works(simulator: Simulator, tmp_path: Path) -> None:
    client = Salesforce(
        instance_url=simulator.url,
        session_id=simulator.session.headers["Authorization"].removeprefix("Bearer "),
        session=simulator.session,
        version="59.0",
    )
    truth = _truth(simulator, "Testing_Volume__c")
    live = [record for record in truth.values() if not record["IsDeleted"]]
    assert {field["name"] for field in client.Account.describe()["fields"]} >= set(ALL_FIELDS)
    assert len(client.describe()["sobjects"]) == len(OBJECTS)
    assert client.limits()["DailyApiRequests"]["Remaining"] > 0
    assert client.query("SELECT COUNT() FROM Testing_Volume__c")["totalSize"] == len(live)
    assert client.query_all(VOLUMES, include_deleted=True)["totalSize"] == len(truth)
    files = client.bulk2.Testing_Volume__c.download(VOLUMES, path=str(tmp_path), max_records=150)
    assert sum(item["number_of_records"] for item in files) == len(live) and len(files) > 2
    with pytest.raises(SalesforceMalformedRequest, match="No such column"):
        client.query("SELECT Wrong FROM Account")
