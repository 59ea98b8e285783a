"""The main job, whole: a real small stack driven by the command line, compared with the oracle day by day.

The tests of this module are one story and run in order; each leaves the stack where the next begins. Five further days
in a row are those of tests/chain, without Airflow.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import boto3
import pytest
from idiscover.aws import redshift
from idiscover.aws.dag_files import BucketTarget
from idiscover.aws.s3 import Bucket

from local.stack.environment import REGION, aws_url
from local.stack.stack import look
from tests.e2e.chain import SCALE, Chain, patiently

MART = "dm.dm_testing_uptake"
FACT, FACT_DAG = "dm.fact_testing_volume", "itg_to_dm__fact_testing_volume"
EDITED_KEY, EDITED_DAG = "metadata/tables/dm.dim_lab.yaml", "itg_to_dm__dim_lab"
EDITED_TEXT = "Labs with their history."
SABOTAGED = "sfdc_to_s3__testing_volume"
SABOTAGE = f'if "{SABOTAGED}" in " ".join(__import__("sys").argv):\n    raise RuntimeError("sabotaged by a test")\n\n'
ENTRY = 'if __name__ == "__main__":'


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    environment = dict(os.environ)  # asking a stack points this process at it
    chain = Chain(tmp_path_factory.mktemp("stacks of the chain"))
    try:
        yield chain
    finally:
        chain.verb("reset", "--yes")
        os.environ.clear()
        os.environ.update(environment)


def refreshes(chain: Chain, order_date: date) -> dict[str, int]:
    """Finished refreshes of each table for an order date."""
    rows = chain.stand().job_metadata(
        "select target, count(*) from job.claim where state = 'finished' and order_date = %s group by target",
        [order_date],
    )
    return dict(rows)


def test_demo_brings_the_first_day_to_the_mart(chain: Chain) -> None:
    result = chain.verb("demo", "--scale", SCALE, timeout_seconds=1500)

    assert result.returncode == 0, result.stdout
    assert "hops agree" in result.stdout
    assert chain.differences() == []
    stand = chain.stand()
    assert set(refreshes(chain, chain.order_date())) == set(stand.catalog.tables)
    subjects = [mail["subject"] for mail in stand.inbox()]
    assert sum("starts" in subject for subject in subjects) == len(stand.catalog.objects)
    assert sum("OK" in subject for subject in subjects) == len(stand.catalog.objects)
    assert stand.warehouse(f"select count(*) from {MART}")[0][0] > 0


def published_sources(chain: Chain) -> dict[str, dict[str, Any]]:
    """Title → data source, as the stack's Tableau has it."""
    file = chain.layout.state("tableau") / "published.json"
    found = json.loads(file.read_text(encoding="utf-8"))["sources"].values() if file.exists() else ()
    return {source["name"]: source for source in found}


def test_each_subject_is_published_certified_and_compared_with_its_source(chain: Chain) -> None:
    titles = {subject.title for subject in chain.stand().catalog.subjects.values()}

    def certified() -> set[str]:
        sources = published_sources(chain).values()
        return {item["name"] for item in sources if item["is_certified"] and "yet" not in item["note"]}

    patiently(lambda: certified() == titles, 300, "every subject in Tableau")
    sources = published_sources(chain)
    assert all(source["note"].startswith("Loaded 2") and source["warning"] is None for source in sources.values())
    assert all(source["publications"] == 1 for source in sources.values()), "once, whatever wakes its DAG"
    failed = "select table_name, check_name from dm.v_check_result where not has_passed and severity = 'fail'"
    assert chain.stand().warehouse(failed) == []
    checked = chain.stand().warehouse("select distinct table_name from dm.v_check_result")
    assert {table for (table,) in checked} == set(chain.stand().catalog.tables)


def test_the_same_day_again_changes_nothing(chain: Chain) -> None:
    before = chain.counts()

    result = chain.verb("demo")

    assert result.returncode == 0, result.stdout
    assert chain.counts() == before


def test_a_failed_step_leaves_no_batch(chain: Chain) -> None:
    stand = chain.stand()
    before = chain.counts()
    key = next(key for key in stand.bucket.list("script/") if key.endswith("/extract.py"))
    script = stand.bucket.read_text(key)
    assert ENTRY in script
    stand.bucket.write_text(key, script.replace(ENTRY, SABOTAGE + ENTRY), "text/x-python")

    failed = chain.shell("run", "testing_volume", "--reason", "a test")
    stand.bucket.write_text(key, script, "text/x-python")

    assert failed.returncode == 1
    assert "sabotaged by a test" in failed.stdout
    assert len(stand.api.runs(SABOTAGED, state="failed")) == 1
    after = chain.counts()
    assert [after[name] for name in ("batches", "events")] == [before[name] for name in ("batches", "events")]
    mails = stand.inbox()[before["mails"] :]
    subjects = [mail["subject"] for mail in mails if "FAILED" in mail["subject"]]
    assert len(subjects) == 1
    assert "testing_volume" in subjects[0] and "extraction FAILED (" in subjects[0]
    emr = boto3.client("emr", endpoint_url=aws_url(stand.settings), region_name=REGION)
    states = {cluster["Status"]["State"] for cluster in emr.list_clusters()["Clusters"]}
    assert states == {"TERMINATED"}


def test_the_next_day_catches_up_by_the_statements_edited_in_the_bucket(chain: Chain) -> None:
    stand = chain.stand()
    key = f"metadata/tables/{MART}.yaml"
    text = stand.bucket.read_text(key)
    call = "  - CALL dm.load_dm_testing_uptake(:country_code, :as_of_date, :run_id)\n"
    assert text.count(call) == 1
    stand.bucket.write_text(key, text.replace(call, call + call), "application/yaml")

    result = chain.verb("day")

    assert result.returncode == 0, result.stdout
    assert chain.differences() == []
    order_date = chain.order_date()
    assert refreshes(chain, order_date) == dict.fromkeys(stand.catalog.tables, 1), "one refresh per table and day"
    sizes = dict(stand.job_metadata("select order_date, sum(bytes) from job.batch group by order_date"))
    assert sizes[order_date] < sizes[min(sizes)] / 2, "only deltas travel"
    assert "kept as edited in the bucket" in result.stdout
    per_country = stand.job_metadata(
        "select count(*) from job.claim_call join job.claim using (claim_id)"
        " where target = %s and order_date = %s group by country_code",
        [MART, order_date],
    )
    assert per_country
    assert {count for (count,) in per_country} == {2}


def test_batches_that_itg_holds_lie_in_the_archive(chain: Chain) -> None:
    stand = chain.stand()

    assert stand.job_metadata("select distinct state from job.batch") == [("archived",)]
    assert stand.bucket.list("source/") == []
    for name in stand.catalog.objects:
        assert stand.warehouse(f"select count(*) from stg.{name}") == [(0,)]


def test_a_cleared_run_changes_nothing(chain: Chain) -> None:
    stand = chain.stand()
    dag_id, run_id = "sfdc_to_s3__account", f"order_date__{chain.order_date()}"
    before = {name: count for name, count in chain.counts().items() if name in ("batches", "calls")}

    stand.api.clear_run(dag_id, run_id)
    patiently(lambda: stand.api.run_state(dag_id, run_id) == "success", 120, "the cleared run")
    chain.wait_until_idle()

    assert {name: count for name, count in chain.counts().items() if name in before} == before
    assert stand.inbox()[-1]["subject"].endswith("extraction OK"), "the batch stands, in archive/"
    assert chain.differences() == []


def test_a_dry_run_from_a_shell_tells_and_does_nothing(chain: Chain) -> None:
    before = chain.counts()

    told = chain.shell("run", "account", "--mode", "full", "--dry-run")
    refused = chain.shell("run", MART, "--countries", "UK")

    assert told.returncode == 0, told.stdout
    assert "DRY RUN: nothing was done" in told.stdout and "FROM Account" in told.stdout
    assert "every record, whatever its SystemModstamp" in told.stdout
    [newest] = chain.stand().api.runs("sfdc_to_s3__account", run_id_prefix_pattern="dry_run__")
    assert newest["state"] == "success" and newest["note"].startswith("DRY RUN: nothing was done")
    assert refused.returncode == 1 and "'UK' is not one of" in refused.stdout
    assert chain.counts() == before


def test_a_resync_is_followed_to_the_marts(chain: Chain) -> None:
    before = chain.stand().job_metadata("select count(*) from job.batch where read_mode = 'whole'")

    result = chain.shell("resync", "biomarker", "--reason", "a test")

    assert result.returncode == 0, result.stdout
    for dag_id in ("sfdc_to_s3__biomarker", "s3_to_redshift__biomarker", "stg_to_itg__biomarker"):
        assert f"{dag_id} " in result.stdout
    assert "runs succeeded" in result.stdout
    chain.wait_until_idle()
    after = chain.stand().job_metadata("select count(*) from job.batch where read_mode = 'whole'")
    assert after[0][0] == before[0][0] + 1
    assert chain.stand().job_metadata("select reason from job.batch where reason is not null") == [("a test",)]
    assert chain.differences() == []


def published(chain: Chain, run_id: str) -> None:
    """Starts `publish_dags` by hand, and waits for its end."""
    api = chain.stand().api
    assert api.create_run("publish_dags", {"dag_run_id": run_id, "logical_date": None})
    patiently(lambda: api.run_state("publish_dags", run_id) in ("success", "failed"), 180, "publish_dags")
    assert api.run_state("publish_dags", run_id) == "success"


def shown(chain: Chain, dag_id: str) -> dict[str, Any]:
    """What Airflow shows of a DAG."""
    return dict(chain.stand().api.call("GET", f"/dags/{dag_id}/details"))


def tags(chain: Chain, dag_id: str) -> set[str]:
    """A DAG's tags in Airflow."""
    return {tag["name"] for tag in shown(chain, dag_id)["tags"]}


def test_an_edit_in_the_bucket_is_seen_in_airflow(chain: Chain) -> None:
    bucket = chain.stand().bucket
    text = bucket.read_text(EDITED_KEY)
    assert EDITED_TEXT in text
    bucket.write_text(EDITED_KEY, text.replace(EDITED_TEXT, "Edited in the bucket."), "application/yaml")

    published(chain, "edited")

    patiently(lambda: "Edited in the bucket." in shown(chain, EDITED_DAG)["doc_md"], 600, "the edited documentation")
    bucket.write_text(EDITED_KEY, text, "application/yaml")
    published(chain, "edited_back")
    patiently(lambda: EDITED_TEXT in shown(chain, EDITED_DAG)["doc_md"], 600, "the documentation as it was")


def test_a_broken_edit_keeps_its_dag_says_so_and_is_mended(chain: Chain) -> None:
    stand = chain.stand()
    text, before, mails = stand.bucket.read_text(EDITED_KEY), generated(chain), len(stand.inbox())
    stand.bucket.write_text(EDITED_KEY, text.replace("family: itg_to_dm", "family: itg_to_dn"), "application/yaml")

    line = text.splitlines().index("family: itg_to_dm") + 1

    published(chain, "broken")

    patiently(lambda: "edit refused" in tags(chain, EDITED_DAG), 600, "the tag of a refused edit")
    doc = shown(chain, EDITED_DAG)["doc_md"]
    assert EDITED_TEXT in doc and f"dm.dim_lab.yaml:{line}:9" in doc and "itg_to_dn" in doc
    assert {name for name, body in generated(chain).items() if before.get(name) != body} == {f"{EDITED_DAG}.json"}
    subjects = [mail["subject"] for mail in stand.inbox()[mails:]]
    assert len([subject for subject in subjects if "dm.dim_lab.yaml: edit REFUSED" in subject]) == 1
    assert stand.api.create_run(EDITED_DAG, {"dag_run_id": "while_refused", "logical_date": None})
    patiently(lambda: stand.api.run_state(EDITED_DAG, "while_refused") == "success", 120, "the last good DAG")
    up = chain.verb("up", timeout_seconds=300)
    assert up.returncode == 0, up.stdout
    assert "refused, as edited in the bucket: tables/dm.dim_lab.yaml" in up.stdout

    stand.bucket.write_text(EDITED_KEY, text, "application/yaml")
    published(chain, "mended")

    patiently(lambda: "edit refused" not in tags(chain, EDITED_DAG), 600, "the tag is gone")
    assert generated(chain)[f"{EDITED_DAG}.json"] != before[f"{EDITED_DAG}.json"], "it names the new version"
    mended = [mail["subject"] for mail in stand.inbox()[mails:] if "dm.dim_lab.yaml: mended" in mail["subject"]]
    assert len(mended) == 1


def generated(chain: Chain) -> dict[str, str]:
    """Name → text of every generated file in the DAG bucket."""
    context = chain.stand().context
    target = BucketTarget(Bucket(context.buckets.dags, context.region))
    return {name: target.read(name) for name in target.list()}


def test_state_outlives_a_kill_of_every_part(chain: Chain) -> None:
    chain.wait_until_idle()
    before, clock = chain.counts(), chain.stand().org_clock()[0]
    states = look(chain.layout)
    assert all(state.healthy for state in states), [state.part.name for state in states if not state.healthy]

    for state in states:
        process = state.record.find()
        assert process is not None
        process.send_signal(signal.SIGKILL)
    result = chain.verb("up", timeout_seconds=300)

    assert result.returncode == 0, result.stdout
    assert all(state.healthy for state in look(chain.layout))
    assert chain.counts() == before
    assert chain.stand().org_clock()[0] >= clock
    assert chain.verb("verify").returncode == 0
    assert chain.differences() == []


def test_no_secret_is_in_a_log_or_a_mail(chain: Chain) -> None:
    stand = chain.stand()
    settings = stand.settings
    token = json.loads((chain.layout.state("tableau") / "credentials.json").read_text(encoding="utf-8"))
    secrets = [*settings.passwords.values(), *settings.keys.values(), "PRIVATE KEY-----\nM", token["token_value"]]
    for log in sorted(Path(chain.layout.home).rglob("*.log")):
        text = log.read_text(encoding="utf-8", errors="replace")
        assert not [secret for secret in secrets if secret in text], log
    mails = "\n".join(str(mail) for mail in stand.inbox())
    assert not [secret for secret in secrets if secret in mails]


def test_a_failed_check_keeps_the_last_good_slice_and_is_told_everywhere(chain: Chain) -> None:
    stand = chain.stand()
    count = f"select country_code, count(*) from {FACT} where country_code <> 'ZZ' group by 1 order by 1"
    before, mails = stand.warehouse(count), len(stand.inbox())
    country = before[0][0]
    with redshift.transaction(stand.context.secrets.redshift, stand.context.region) as cursor:
        cursor.execute(
            "create temporary table doubled as select * from itg.testing_volume"
            " where _country_code = %s and not coalesce(is_deleted, false) order by id limit 1",
            [country],
        )
        cursor.execute("insert into itg.testing_volume select * from doubled")
        cursor.execute("select id from doubled")
        ((key,),) = cursor.fetchall()

    refused = chain.shell("run", FACT, "--countries", country)

    assert refused.returncode == 1, refused.stdout
    assert stand.warehouse(count) == before, "the last good slice"
    [run] = stand.api.runs(FACT_DAG, state="failed")
    states = {task["task_id"]: task["state"] for task in stand.api.task_instances(FACT_DAG, run["dag_run_id"])}
    assert states == {"t1.slices": "success", "t1.call": "failed", "end": "upstream_failed"}
    [mail] = [mail for mail in stand.inbox()[mails:] if "FAILED" in mail["subject"]]
    assert "key: unique_key" in mail["text"] and f"from {FACT}" in mail["text"] and key in mail["text"]
    told = (
        "select check_name, failing_count from dm.v_check_result"
        " where not has_passed and severity = 'fail' and table_name = %s"
    )
    assert ("unique_key", 1) in stand.warehouse(told, [FACT])
    published = chain.shell("tableau", "publish", "testing_uptake")
    assert published.returncode == 0 and "with a warning" in published.stdout
    warning = published_sources(chain)["Testing uptake"]["warning"]
    assert f"{FACT}: unique_key" in warning["message"] and key not in str(warning)


def test_one_row_less_is_found(chain: Chain) -> None:
    context = chain.stand().context
    with redshift.transaction(context.secrets.redshift, context.region) as cursor:
        cursor.execute(
            "delete from itg.testing_volume where id ="
            " (select min(id) from itg.testing_volume where tested_patients > 0)"
        )

    verdict = chain.verb("verify")

    assert verdict.returncode == 1, verdict.stdout
    assert "DIFFERS" in verdict.stdout


def test_reset_leaves_nothing(chain: Chain) -> None:
    assert chain.verb("reset", "--yes").returncode == 0
    assert not chain.layout.home.exists()
