"""The extraction as EMR runs it: spark-submit against the simulator over TLS and moto's S3."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from idiscover.lake.protection import hashing
from idiscover.metadata.models import ExtractionSettings
from idiscover.plan.model import ExtractionRequest, ReadMode
from simple_salesforce import Salesforce

from tests.integration.extraction_stack import API_VERSION, Aws, Spark, moto, request_for, simulator, utc

EARLY, LATE = utc("2000-01-01T00:00"), utc("2026-01-06T00:00")


@dataclass(frozen=True)
class Stack:
    """Everything that a step needs, and the org's address for a second, independent reader."""

    url: str
    credentials: dict[str, str]
    ca_file: Path
    aws: Aws
    spark: Spark

    def log_in(self) -> Salesforce:
        """simple-salesforce with a token fetched by hand."""
        http = requests.Session()
        http.trust_env, http.verify = False, str(self.ca_file)
        form = {"grant_type": "client_credentials"} | {
            key: self.credentials[key] for key in ("client_id", "client_secret")
        }
        token = http.post(f"{self.url}/services/oauth2/token", data=form, timeout=10).json()
        return Salesforce(
            instance_url=token["instance_url"], session_id=token["access_token"], session=http, version=API_VERSION
        )


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("extraction stack")  # a space in the path, as a user may have
    state = folder / "org"
    ca_file = state / "tls" / "ca.pem"
    with simulator(state, "--page-rows", "600") as url, moto() as aws:
        credentials = json.loads((state / "credentials.json").read_text())
        aws.put_secret("sf", {"grant_type": "jwt", **credentials})
        aws.put_secret("s3", {"role_arn": "arn:aws:iam::123456789012:role/idiscover-source-writer"})
        work = folder / "step"
        work.mkdir()
        yield Stack(url, credentials, ca_file, aws, Spark(work, aws, ca_file))


def files_of(stack: Stack, manifest: dict[str, Any]) -> list[list[str]]:
    """All rows of a batch's files (or, of its `ids`, all Ids), checked against its manifest on the way."""
    rows: list[list[str]] = []
    for file in manifest["files"]:
        stored = stack.aws.read(file["key"])
        assert (len(stored), hashlib.sha256(stored).hexdigest()) == (file["bytes"], file["sha256"])
        header, *found = csv.reader(io.StringIO(gzip.decompress(stored).decode(), newline=""))
        assert header == manifest["columns"]
        assert len(found) == file["rows"]
        rows += found
    return rows


def as_bulk_text(value: object) -> str:
    """A REST value as Bulk's CSV has it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value)
    return text.replace("+0000", "Z") if text.endswith("+0000") else text


def as_comparable(request: ExtractionRequest, row: list[str]) -> tuple[object, ...]:
    """Numbers compared as numbers: REST writes 12.0 where Bulk writes 12 or 12.0."""
    kinds = [column.type.value for column in request.columns]
    numbers = {"double", "currency", "percent", "int"}
    return tuple(float(value) if value and kind in numbers else value for value, kind in zip(row, kinds, strict=True))


def rows_by_rest(stack: Stack, request: ExtractionRequest) -> set[tuple[object, ...]]:
    names = [column.salesforce for column in request.columns]
    soql = f"SELECT {', '.join(names)} FROM {request.salesforce_object} WHERE SystemModstamp < 2026-01-06T00:00:00Z"
    records = stack.log_in().query_all(soql, include_deleted=request.operation == "queryAll")["records"]
    return {as_comparable(request, [as_bulk_text(record[name]) for name in names]) for record in records}


def test_every_row_arrives_once_as_rest_has_it(stack: Stack) -> None:
    request = request_for("testing_volume", EARLY, LATE, "testing_volume-1", ReadMode.WINDOW_AND_IDS)
    done = stack.spark.submit(request)
    assert done.returncode == 0, done.stderr
    manifest = json.loads(stack.aws.read(f"{request.target_prefix}manifest.json"))
    rows = files_of(stack, manifest)
    expected = rows_by_rest(stack, request)
    assert len(expected) > 300
    assert len(manifest["files"]) > 2  # the pages were read side by side
    assert len(rows) == len(expected)
    assert {as_comparable(request, row[:-2]) for row in rows} == expected
    assert {row[-1] for row in rows} == {"testing_volume-1"}
    ids = files_of(stack, manifest["ids"])
    assert len(manifest["ids"]["files"]) > 2
    assert sorted(ids) == sorted([str(row[0]), "testing_volume-1"] for row in expected)
    assert set(manifest["counts"].values()) == {len(expected), 0}  # 0: no NUL was dropped
    status = json.loads(stack.aws.read(request.status_key))
    assert (status["state"], status["rows"], status["bytes"]) == (
        "succeeded",
        len(expected),
        sum(file["bytes"] for file in [*manifest["files"], *manifest["ids"]["files"]]),
    )
    _no_credentials_shown(stack, done.stdout + done.stderr + json.dumps(status))


def _no_credentials_shown(stack: Stack, text: str) -> None:
    for name in ("client_secret", "password", "refresh_token", "security_token"):
        assert stack.credentials[name] not in text
    assert "PRIVATE KEY" not in text
    assert "Bearer" not in text


def test_rules_of_metadata_ride_along_and_broken_rows_lie_beside_the_batch(stack: Stack) -> None:
    """Names that nobody shall read, and that are longer than the metadata say."""
    stack.aws.put_secret("protection", {"hmac_key": "k" * 64})
    good = request_for("biomarker", EARLY, LATE, "biomarker-2")
    names = [column.column for column in good.columns]
    at = names.index("name")
    rules = [{}] * at + [{"length": 4, "protect": "hash"}] + [{}] * (len(names) - at - 1)
    request = good.model_copy(
        update={
            "columns": tuple(item.model_copy(update=more) for item, more in zip(good.columns, rules, strict=True)),
            "extraction": ExtractionSettings(quarantine_limit=1000),
            "secrets": good.secrets.model_copy(update={"protection": "protection"}),
        }
    )
    done = stack.spark.submit(ExtractionRequest.model_validate_json(request.model_dump_json()))
    assert done.returncode == 0, done.stderr
    manifest = json.loads(stack.aws.read(f"{request.target_prefix}manifest.json"))
    expected = {row[0]: str(row[at]) for row in rows_by_rest(stack, good)}
    kept = {row[0]: row[at] for row in files_of(stack, manifest)}
    assert kept == {key: hashing("k" * 64)(name) for key, name in expected.items() if len(name) <= 4}
    broken = files_of(stack, {"files": manifest["quarantine"], "columns": [*names, "_column", "_reason", "_page"]})
    assert {row[0] for row in broken} == set(expected) - set(kept) != set()
    assert {row[-3] for row in broken} == {"name"} and kept
    assert {row[at] for row in broken} == {hashing("k" * 64)(expected[row[0]]) for row in broken}
    counts = manifest["counts"]
    assert counts["quarantined"] == len(broken) == counts["parsed_rows"] - len(kept)


def test_a_refused_query_ends_in_one_clear_line(stack: Stack) -> None:
    good = request_for("biomarker", EARLY, LATE, "biomarker-1")
    column = good.columns[0].model_copy(update={"salesforce": "No_Such__c"})
    done = stack.spark.submit(good.model_copy(update={"columns": (*good.columns, column)}))
    assert done.returncode == 1
    last = done.stderr.rstrip().splitlines()[-1]
    assert last.startswith("ConfigError: ")
    assert "No such column 'No_Such__c'" in last
    assert stack.aws.keys(good.target_prefix) == [f"{good.target_prefix}read-rows.json"], "what was to be read, no rows"
    assert json.loads(stack.aws.read(good.status_key))["state"] == "failed"
