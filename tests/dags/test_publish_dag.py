"""Real runs of `publish_dags`: what Airflow shows of an edit, of one that is refused, and of a broken context."""

from __future__ import annotations

from typing import Any

import pytest

from tests.dags.publishing import DAG_ID, FILE
from tests.dags.rehearsals import rehearsed


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What came of every step of `publishing.py`."""
    return rehearsed(tmp_path_factory.mktemp("publishing"), "tests.dags.publishing", ("sfdc_to_s3__biomarker",), 600)


def test_the_first_run_makes_all_dags_and_their_pools(runs: dict[str, Any]) -> None:
    run = runs["first"]
    assert (run["state"], run["import_errors"], run["mails"]) == ("success", [], [])
    names = ("kit", "lab", "result", "test", "unit")
    families = ("sfdc_to_s3", "s3_to_redshift", "stg_to_itg")
    generated = {f"{family}__{name}" for family in families for name in names} | {DAG_ID, "sweep_pending"}
    assert set(run["dags"]) == {*generated, "publish_dags"}
    assert run["pools"]["emr"] == 3 and run["pools"]["table__dm__fact_test"] == 1
    assert run["schedule"] == "*/5 * * * *" and run["tagged"] == []


def test_a_broken_edit_is_shown_and_mailed_and_the_dag_stays(runs: dict[str, Any]) -> None:
    before, run = runs["first"], runs["broken"]
    assert (run["state"], run["import_errors"]) == ("success", [])
    assert run["told"]["refused"] == [FILE] and run["told"]["written"] == [f"{DAG_ID}.json"]
    assert {**run["told"], "state": "succeeded"}.items() <= run["status"].items()
    assert run["tagged"] == [DAG_ID] and run["dags"] == before["dags"] and run["tasks"] == before["tasks"]
    notice, _, rest = run["doc"].partition("## dm.fact_test")
    assert before["doc"] == f"## dm.fact_test{rest}"
    assert f"An edit of `metadata/{FILE}` is refused" in notice and f"where: {FILE}:2:9" in notice
    (mail,) = run["mails"]
    assert mail["subject"].strip() == f"[iDiscover local] {FILE}: edit REFUSED (needs a person)"
    assert f"{FILE}:2:9" in mail["text"] and "marts@example.com" in str(mail)


def test_once_mended_tag_and_explanation_are_gone(runs: dict[str, Any]) -> None:
    run = runs["mended"]
    assert run["told"]["mended"] == [FILE] and run["tagged"] == []
    assert "Facts of tests." in run["doc"] and "refused" not in run["doc"]
    assert [mail["subject"] for mail in run["mails"]] == [f"[iDiscover local] {FILE}: mended"]


def test_a_state_that_cannot_be_read_is_made_anew_and_mailed(runs: dict[str, Any]) -> None:
    run = runs["no state"]
    assert (run["state"], run["tries"], run["files"]) == ("success", 1, runs["mended"]["files"])
    (mail,) = run["mails"]
    assert mail["subject"] == "[iDiscover local] publish_dags: its state was made anew"
    assert "status/publish/state.json" in mail["text"] and "made anew from the plans" in run["told"]["warnings"][0]


def test_a_broken_context_fails_the_run_changes_nothing_and_is_mailed_once(runs: dict[str, Any]) -> None:
    run, again = runs["no context"], runs["still no context"]
    for found in (run, again):
        assert (found["state"], found["tries"], found["files"]) == ("failed", 1, runs["mended"]["files"])
    (mail,) = run["mails"]
    assert mail["subject"] == "[iDiscover local] publish_dags: publish FAILED (needs a person)"
    assert "a key is missing" in mail["text"] and "context/local.yaml" in mail["text"]
    assert again["mails"] == []


def test_without_the_variable_the_run_says_what_to_create(runs: dict[str, Any]) -> None:
    run = runs["no variable"]
    assert run["state"] == "failed"
    assert "dna_env_variables" in run["mails"][0]["text"] and "Secrets Manager" in run["mails"][0]["text"]
