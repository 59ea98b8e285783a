"""What an author and an operator say to a running stack: each word by the command line, each run by Airflow and Spark.

Comes last of the soaks of this stack: the oracle knows nothing of what these leave.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import boto3
import pytest
from idiscover.aws import redshift
from idiscover.metadata.loading import FolderReader, load_catalog

from local.stack.environment import REGION, aws_url, salesforce_url
from tests.e2e.chain import ROOT, Chain, patiently
from tests.e2e.killing import settle
from tests.support.added_objects import ASSAY, TAG, Described, Rows, assays, expected_in_itg, give, tags

REBUILT = "lab_objective"
COPIED = ("context", "dags", "emr_jobs", "metadata", "plugins", "requirements", "sql")


@dataclass(frozen=True)
class StackOrg:
    """The simulator of a stack."""

    url: str
    ca_file: Path


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what is deployed, to be changed."""
    folder = tmp_path_factory.mktemp("repository")
    for name in COPIED:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def said(chain: Chain, *words: str, timeout_seconds: float = 3600) -> str:
    """The output of a verb that must succeed."""
    result = chain.shell(*words, timeout_seconds=timeout_seconds)
    assert result.returncode == 0, result.stdout
    return result.stdout


@pytest.mark.timeout(7200)
def test_doctor_finds_a_running_stack_well(chain: Chain) -> None:
    report = json.loads(said(chain, "doctor", "--json"))
    assert report


@pytest.mark.timeout(7200)
def test_replayed_batches_change_nothing(chain: Chain) -> None:
    before, order_date = chain.counts(), chain.order_date()

    told = said(chain, "replay", REBUILT, "--from", str(order_date), "--to", str(order_date), "--reason", "a test")

    assert "made pending" in told
    patiently(lambda: chain.counts()["events"] > before["events"], 600, "the load of what was replayed")
    settle(chain)
    assert chain.counts()["batches"] == before["batches"]
    assert chain.differences() == []


@pytest.mark.timeout(7200)
def test_a_table_made_anew_is_as_before(chain: Chain) -> None:
    context = chain.stand().context
    with redshift.transaction(context.secrets.redshift, context.region) as cursor:
        cursor.execute(f"delete from itg.{REBUILT} where id < (select max(id) from itg.{REBUILT})")
    before = chain.counts()

    told = said(chain, "rebuild", REBUILT, "--reason", "a test")

    assert f"itg.{REBUILT}: made anew" in told
    patiently(lambda: chain.counts()["calls"] > before["calls"], 600, "the refreshes of the marts")
    settle(chain)
    assert chain.differences() == []


@pytest.mark.timeout(7200)
def test_objects_that_nobody_knows_go_from_nothing_to_itg(chain: Chain, repository: Path) -> None:
    stand = chain.stand()
    org = StackOrg(salesforce_url(stand.settings), chain.layout.state("salesforce") / "tls" / "ca.pem")
    labs = [lab for (lab,) in stand.warehouse("select id from itg.account where country_code is not null order by id")]
    made: dict[str, tuple[Described, Rows]] = {"sf_tag": tags(), "assay_run": assays(labs[:7])}
    for described, rows in made.values():
        give(org, described, rows)

    told = said(chain, "onboard", TAG, ASSAY, "--metadata", str(repository / "metadata"), "--yes", "--no-ddl")
    assert "sf_tag" in told and "assay_run" in told
    said(chain, "deploy", "--root", str(repository))
    said(chain, "publish")
    for name in made:
        patiently(lambda dag=f"stg_to_itg__{name}": dag in stand.api.dag_ids(), 600, f"the DAGs of {name}")
        assert "runs succeeded" in said(chain, "run", name, "--reason", "a test")
    settle(chain)

    catalog = load_catalog(FolderReader(repository / "metadata"))
    for name, (described, rows) in made.items():
        columns = {field.salesforce: field.column for field in catalog.objects[name].fields}
        assert in_itg(chain, name) == expected_in_itg(described, rows, columns)


def in_itg(chain: Chain, name: str) -> dict[str, dict[str, object]]:
    """Id → column → value, without the platform's own columns."""
    context = chain.stand().context
    with redshift.transaction(context.secrets.redshift, context.region) as cursor:
        cursor.execute(f"select * from itg.{name}")
        names = [column[0] for column in cursor.description]
        rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    return {row["id"]: {name: value for name, value in row.items() if not name.startswith("_")} for row in rows}


@pytest.mark.timeout(7200)
def test_a_person_is_erased(chain: Chain) -> None:
    stand = chain.stand()
    [(person,)] = stand.warehouse(
        "select min(hcp_id) from itg.objective_hcp where hcp_id in"
        " (select id from itg.account where specialty is not null)"
    )
    shown = said(chain, "erase", person, "--dry-run")
    assert "found in itg.account: " in shown and "a dry run" in shown

    told = said(chain, "erase", person, "--yes", "--reason", "a test")

    assert told.splitlines()[-1].startswith("nothing left")
    settle(chain)
    assert stand.warehouse("select count(*) from itg.account where id = %s", [person]) == [(0,)]
    assert stand.warehouse("select count(*) from dm.dim_hcp where hcp_key = md5('hcp|' || %s)", [person]) == [(0,)]
    assert versions_with(chain, person) == []
    assert "runs succeeded" in said(chain, "resync", "account", "--reason", "a test")
    settle(chain)
    assert stand.warehouse("select count(*) from itg.account where id = %s", [person]) == [(0,)]


def versions_with(chain: Chain, record_id: str) -> list[str]:
    """The versions of objects in the data bucket that hold an Id, in 18 or 15 characters."""
    stand = chain.stand()
    s3, bucket = boto3.client("s3", endpoint_url=aws_url(stand.settings), region_name=REGION), stand.bucket.name
    found = []
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        for item in page.get("Versions", []):
            body = s3.get_object(Bucket=bucket, Key=item["Key"], VersionId=item["VersionId"])["Body"].read()
            if record_id[:15].encode() in body:
                found.append(f"{item['Key']}?versionId={item['VersionId']}")
    return found
