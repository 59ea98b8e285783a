"""Bulk API 2.0 query jobs over TLS, and the request log."""

import csv
import gzip
import io

import pytest

from local.salesforce.request_log import LoggedRead, ReadKind, iter_reads
from local.salesforce.schema import OBJECTS
from tests.local.salesforce.sf_answers import as_csv, error_of, read_pages, truth_of
from tests.local.salesforce.sf_process import API, Simulator


@pytest.mark.parametrize("name", sorted(OBJECTS))
def test_a_bulk_job_returns_every_value_as_it_is(simulator: Simulator, name: str) -> None:
    truth, accounts = truth_of(simulator, name), truth_of(simulator, "Account")
    fields = OBJECTS[name].plain_fields
    job = simulator.finished_job(f"SELECT {', '.join(field.name for field in fields)} FROM {name}")
    assert (job["state"], job["numberRecordsProcessed"], job["jobType"]) == ("JobComplete", len(truth), "V2Query")
    wanted = {"id", "operation", "object", "createdDate", "systemModstamp", "state", "apiVersion", "jobType", "retries"}
    assert wanted | {"numberRecordsProcessed", "totalProcessingTime", "isPkChunkingSupported"} <= set(job)
    assert job["isPkChunkingSupported"] is OBJECTS[name].pk_chunking and job["apiVersion"] == 59.0
    rows = [row for page in read_pages(simulator, job["id"], maxRecords="370") for row in page]
    assert {row["Id"] for row in rows} == set(truth) and len(rows) == len(truth)
    assert list(rows[0]) == [field.name for field in fields]
    for row in rows:
        record = {"Id": row["Id"], **truth[row["Id"]]}
        for field in fields:
            value = record.get(field.name)
            if field.calculated:
                value = accounts.get(str(record["Lab__c"]), {}).get("Segment__c")
            assert _says(row[field.name], value), (field.name, row[field.name], value)


def _says(text: str, value: object) -> bool:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(text) == value
    return text == as_csv(value)


def test_the_bytes_of_a_page(simulator: Simulator) -> None:
    fields = "Name, Eligible_Patients__c, Median_TAT_Days__c, IsDeleted"
    soql = f"SELECT {fields} FROM Testing_Volume__c WHERE Name = 'TV-00000001'"
    truth = next(r for r in truth_of(simulator, "Testing_Volume__c").values() if r["Name"] == "TV-00000001")
    eligible, tat, gone = truth["Eligible_Patients__c"], truth["Median_TAT_Days__c"], as_csv(truth["IsDeleted"])
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
    chain = read_pages(simulator, job["id"])
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
    assert error_of(simulator.create_job("SELECT COUNT() FROM Account")) == (400, "MALFORMED_QUERY")
    assert error_of(simulator.create_job("SELECT BillingAddress FROM Account")) == (400, "INVALID_FIELD")
    assert error_of(simulator.create_job("SELECT Id FROM Nowhere")) == (400, "INVALIDENTITY")
    assert error_of(simulator.create_job("SELECT Id FROM Account", columnDelimiter="DOT")) == (400, "INVALIDJOB")
    assert error_of(simulator.create_job("SELECT Id FROM Account", operation="insert")) == (400, "INVALIDJOB")
    assert error_of(simulator.create_job("SELECT Id FROM Account", wrong="x")) == (400, "INVALIDJOB")
    broken = simulator.session.post(f"{simulator.url}{API}/jobs/query", data="{")
    assert error_of(broken) == (400, "JSON_PARSER_ERROR")


def test_a_jobs_life(simulator: Simulator) -> None:
    job_id = simulator.finished_job("SELECT Id FROM Account")["id"]
    base = f"{simulator.url}{API}/jobs/query"
    assert error_of(simulator.get(f"/services/data/v60.0/jobs/query/{job_id}")) == (409, "API_ERROR")
    assert error_of(simulator.get(f"/services/data/v60.0/jobs/query/{job_id}/results")) == (409, "API_ERROR")
    assert error_of(simulator.get(f"/jobs/query/{job_id}/results", locator="AAAA")) == (400, "INVALID_QUERY_LOCATOR")
    assert error_of(simulator.get(f"/jobs/query/{job_id}/results", maxRecords="0")) == (400, "INVALIDJOB")
    assert error_of(simulator.session.patch(f"{base}/{job_id}", json={"state": "Aborted"})) == (400, "INVALIDJOBSTATE")
    listed = simulator.get("/jobs/query").json()
    assert listed["done"] and job_id in [job["id"] for job in listed["records"]]
    assert simulator.session.delete(f"{base}/{job_id}").status_code == 204
    assert error_of(simulator.get(f"/jobs/query/{job_id}")) == (404, "NOT_FOUND")
    assert not list((simulator.state_dir / "results").glob(f"{job_id}*"))


def test_the_request_log_tells_each_read(simulator: Simulator) -> None:
    before = len(list(iter_reads(simulator.state_dir)))
    soql = (
        "SELECT Id FROM Testing_Volume__c WHERE SystemModstamp >= 2025-06-01T00:00:00.000000+00:00 "
        "AND SystemModstamp < 2025-09-01T00:00:00Z"
    )
    window = ("2025-06-01T00:00:00.000Z", "2025-09-01T00:00:00.000Z")
    rows = sum(
        window[0] <= str(r["SystemModstamp"]) < window[1] for r in truth_of(simulator, "Testing_Volume__c").values()
    )
    job = simulator.finished_job(soql)
    simulator.query("SELECT COUNT() FROM Account WHERE IsDeleted = true", "queryAll")
    simulator.query("SELECT Id FROM Account LIMIT 7")
    sweep = simulator.finished_job("SELECT Id FROM Account")
    whole = simulator.finished_job("SELECT Id, Name FROM RecordType", operation="query")
    bulk, count, rest, ids, everything = list(iter_reads(simulator.state_dir))[before:]
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
    # An Id sweep, and a read of a whole object: the statement tells them apart, and neither has a window.
    assert (ids.soql, ids.window_start, ids.window_end) == ("SELECT Id FROM Account", None, None)
    assert (ids.job_id, ids.rows) == (str(sweep["id"]), len(truth_of(simulator, "Account")))
    assert (everything.soql, everything.operation) == ("SELECT Id, Name FROM RecordType", "query")
    assert (everything.window_start, everything.job_id, everything.rows) == (None, str(whole["id"]), 3)
