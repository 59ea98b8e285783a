"""Real runs against the AWS stand-in: always terminated, always mailed, red when anything failed."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.dags.rehearsals import rehearsed

DAG_ID = "sfdc_to_s3__biomarker"
REFRESH_ID = "stg_to_itg__biomarker"
CLEAN_UP = ("emr_tasks.terminate_cluster", "emr_tasks.watch_termination")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What came of every scenario of `rehearsal.py`."""
    return rehearsed(tmp_path_factory.mktemp("rehearsal"), "tests.dags.rehearsal", (DAG_ID, REFRESH_ID), 1500)


def subjects(run: dict[str, Any]) -> list[str]:
    return [mail["subject"].split(": ", 1)[1] for mail in run["mails"]]


def test_a_run_that_succeeds(runs: dict[str, Any]) -> None:
    run = runs["succeeds"]
    assert run["run_state"] == "success" and set(run["tasks"].values()) == {"success"}
    assert run["clusters"] == ["TERMINATED"]
    assert subjects(run) == ["extraction starts", "extraction OK"]
    assert run["calls"] == ["open", "open", "close"], "the lock is taken again before a cluster is made"
    batch = "biomarker-20260105-0123456789ab"
    extra = {"batch_id": batch, "rows": 0, "bytes": 0}
    assert run["asset_events"] == [{"uri": "x-idiscover://source/biomarker", "extra": extra}]
    assert {document["state"] for document in run["statuses"].values()} == {"sent"}


def test_short_waits_are_not_deferred_and_long_ones_are(runs: dict[str, Any]) -> None:
    assert runs["succeeds"]["deferrals"] == [], "a laptop's clusters and steps take seconds"
    deferred = runs["waits_deferred"]
    waits = ["emr_tasks.create_cluster", "emr_tasks.watch_steps", "emr_tasks.watch_termination"]
    assert deferred["deferrals"][0] == waits[0] and set(deferred["deferrals"]) <= set(waits), (
        "a step may end before it is watched"
    )
    for fact in ("run_state", "tasks", "clusters", "calls", "asset_events"):
        written = json.dumps(runs["succeeds"][fact]).replace("20260105", "20260106")
        assert deferred[fact] == json.loads(written), "the wait changes nothing else"


def test_the_step_is_told_where_its_request_lies_and_nothing_else(runs: dict[str, Any]) -> None:
    arguments = runs["succeeds"]["step_arguments"]
    assert arguments[:3] == ["spark-submit", "--deploy-mode", "cluster"]
    assert arguments[-2] == "--request"
    assert arguments[-1].startswith(f"s3://idiscover-local/status/{DAG_ID}/") and arguments[-1].endswith(
        "/request.json"
    )


def test_a_step_that_fails(runs: dict[str, Any]) -> None:
    run = runs["step_fails"]
    assert run["run_state"] == "failed"
    assert run["tasks"]["emr_tasks.watch_steps"] == "failed" and run["tasks"]["end"] == "failed"
    assert run["tries"]["emr_tasks.watch_steps"] == 1, "a dead step is not watched again"
    assert run["clusters"] == ["TERMINATED"]
    assert subjects(run) == ["extraction starts", "extraction FAILED (needs a person)"]
    closing = run["mails"][1]
    assert "Counts differ" in closing["text"] and "parsed 11 <b>" in closing["text"]
    assert "compare with the org" in closing["text"].lower()
    assert re.search(r"emr-logs/j-\w+/steps/s-\w+/", closing["text"]), "where the step's own log lies"
    assert "parsed 11 &lt;b&gt;" in closing["html"] and "<b>" not in closing["html"]
    assert run["asset_events"] == [] and run["calls"] == ["open", "open", "release"]


def test_a_cluster_that_is_refused(runs: dict[str, Any]) -> None:
    run = runs["create_refused"]
    assert run["run_state"] == "failed"
    assert run["tasks"]["emr_tasks.create_cluster"] == "failed" and run["tries"]["emr_tasks.create_cluster"] == 1
    assert [run["tasks"][task] for task in CLEAN_UP] == ["skipped", "skipped"]
    assert run["clusters"] == []
    assert subjects(run) == ["extraction starts", "extraction FAILED (needs a person)"]
    assert "IdleTimeout" in run["mails"][1]["text"]
    assert run["asset_events"] == [] and run["calls"] == ["open", "open", "release"]


def test_a_mail_that_is_refused_stops_nothing(runs: dict[str, Any]) -> None:
    run = runs["mail_refused"]
    assert run["run_state"] == "success" and run["clusters"] == ["TERMINATED"]
    assert run["mails"] == [] and len(run["asset_events"]) == 1
    assert set(run["statuses"]) == {"send_email_cluster_start", "send_email_cluster_termination"}
    for document in run["statuses"].values():
        assert document["state"] == "warning" and "MessageRejected" in document["warning"]


def test_clearing_one_task_of_a_run_whose_batch_stands_ends_at_once(runs: dict[str, Any]) -> None:
    cleared = runs["succeeds"]["cleared"]
    assert cleared["run_state"] == "success" and cleared["new_clusters"] == 0
    assert set(cleared["tasks"].values()) == {"success"}


def test_clearing_only_what_failed_says_what_to_clear(runs: dict[str, Any]) -> None:
    cleared = runs["step_fails"]["cleared"]
    assert cleared["run_state"] == "failed" and cleared["new_clusters"] == 0
    assert cleared["tasks"]["emr_tasks.watch_steps"] == "failed"
    assert "clear from create_cluster with downstream" in cleared["reason"]


def test_mails_hold_no_credential(runs: dict[str, Any]) -> None:
    for run in runs.values():
        for mail in run.get("mails", []):
            assert "idiscover/local/" not in mail["text"] + mail["html"], "not even a secret's name"


def test_a_refresh_calls_every_unit_once_and_shows_their_countries(runs: dict[str, Any]) -> None:
    run = runs["refreshed"]
    assert run["run_state"] == "success"
    assert run["labels"] == ["DE+FR, IT"], "few enough for one task"
    assert run["calls"] == ["claim", "call DE+FR", "call IT", "finish"]
    woken = ["x-idiscover://ready/dm.dim_biomarker"]
    assert sorted(event["uri"] for event in run["asset_events"]) == ["x-idiscover://itg/biomarker", *woken]
    assert run["mails"] == []


def test_a_refresh_without_changed_slices_still_announces(runs: dict[str, Any]) -> None:
    run = runs["nothing_changed"]
    assert run["run_state"] == "success" and run["tasks"]["end"] == "success"
    assert run["calls"] == ["claim", "finish"]
    assert "x-idiscover://itg/biomarker" in [event["uri"] for event in run["asset_events"]]


def test_a_refresh_with_nothing_to_claim_announces_nothing(runs: dict[str, Any]) -> None:
    run = runs["nothing_claimed"]
    assert run["run_state"] == "success" and run["tasks"]["end"] == "skipped"
    assert run["calls"] == ["claim", "finish"] and run["asset_events"] == []


def test_a_task_whose_country_fails_leaves_the_others_alone_and_is_mailed_once(runs: dict[str, Any]) -> None:
    run = runs["a_country_fails"]
    assert run["run_state"] == "failed"
    states = {name: run["tasks"][name] for name in ("t1.call[0]", "t1.call[1]", "t1.call[2]", "end")}
    assert list(states.values()) == ["success", "failed", "success", "upstream_failed"]
    assert run["tries"]["t1.call[1]"] == 1, "a ConfigError is not retried"
    countries = [label.split(", ") for label in run["labels"]]
    assert [len(group) for group in countries] == [7, 7, 7], "21 units, at most ten to a task"
    calls = [f"call {country}" for group in countries for country in group]
    assert run["calls"][0] == "claim" and sorted(run["calls"][1:-1]) == calls
    assert run["calls"][-1] == "give back" and len(run["calls"]) == 23, (
        "once, when the last country has run, whichever that is"
    )
    assert run["asset_events"] == []
    assert len(run["mails"]) == 1
    assert "no such country" in run["mails"][0]["text"] and "XX" in run["mails"][0]["text"]


@pytest.mark.parametrize(("family", "first"), [("extraction", "send_email_cluster_start"), ("refresh", "t1.slices")])
def test_a_dry_run_tells_and_skips_the_rest(runs: dict[str, Any], family: str, first: str) -> None:
    run = runs[f"dry_{family}"]
    assert run["run_state"] == "success"
    assert run["tasks"].pop(first) == "success"
    assert set(run["tasks"].values()) == {"skipped"} and len(run["tasks"]) == (7 if family == "extraction" else 2)
    kind = {"extraction": "would extraction", "refresh": "would refresh"}[family]
    assert kind in run["told"]
    assert run["calls"] == ["preview"], "nothing is opened, claimed, called, given back"
    assert run["clusters"] == [] and run["mails"] == [] and run["asset_events"] == [] and run["statuses"] == {}
    assert set(run["cleared"]["tasks"].values()) == {"success", "skipped"}, "cleared, its tasks do no more"
    assert run["cleared"]["new_clusters"] == 0


@pytest.mark.parametrize(("family", "first"), [("extraction", "send_email_cluster_start"), ("refresh", "t1.slices")])
def test_a_dry_run_that_finds_something_wrong_is_red_and_mails_nobody(
    runs: dict[str, Any], family: str, first: str
) -> None:
    run = runs[f"dry_{family}_fails"]
    assert run["run_state"] == "failed" and run["tasks"][first] == "failed" and run["tries"][first] == 1
    assert run["calls"] == ["preview"]
    assert run["clusters"] == [] and run["mails"] == [] and run["asset_events"] == [] and run["statuses"] == {}


def test_the_sweep_wakes_what_is_due_once(runs: dict[str, Any]) -> None:
    first, again = runs["sweep"], runs["sweep_again"]
    assert first["run_state"] == again["run_state"] == "success"
    assert first["labels"] == [REFRESH_ID] and first["queued"] == 1
    assert again["tasks"]["trigger"] == "skipped" and again["queued"] == 1, (
        "a consumer with a run waiting is left alone"
    )


def test_airflows_own_rest_api_takes_what_the_client_sends(runs: dict[str, Any]) -> None:
    rest = runs["rest"]
    assert set(rest["dag_ids"]) >= {DAG_ID, REFRESH_ID, "sweep_pending"}
    assert rest["tagged"] == [DAG_ID] and rest["prefixed"] == [REFRESH_ID]
    assert rest["details"]["is_paused"] is False and "mode" in rest["details"]["params"]
    assert rest["no_details"] is None and rest["import_errors"] == []
    assert rest["pools"] == [2, 0, 1], "made, standing, changed"
    assert set(rest["tasks"].values()) == {"success"} and len(rest["tasks"]) == 8
    assert [event["uri"] for event in rest["events"]] == ["x-idiscover://source/biomarker"]
    assert rest["events"][0]["created_dagruns"] == [], "no scheduler runs here"
    assert rest["events_of_a_run_that_waits"] is None, "once Airflow tells of it, the client may too"
    assert (rest["state"], rest["no_run"], rest["cleared"]) == ("success", None, "queued")
    assert rest["created"] == [True, False]
    assert (rest["run"]["note"], rest["run"]["conf"]) == ("another note", {"dry_run": True})
    assert rest["lost_note"].startswith("FatalError: Airflow refuses")
    longest, most = rest["longest_path"]
    assert longest <= most


def test_bad_parameters_are_refused_when_the_run_is_triggered(runs: dict[str, Any]) -> None:
    country, mode, dry_run = runs["rest"]["refusals"]
    for refusal, words in (
        (country, "'UK' is not one of"),
        (mode, "'ful' is not one of"),
        (dry_run, "'yes' is not of type"),
    ):
        assert refusal.startswith("ConfigError: Airflow does not accept the request") and "status 400" in refusal
        assert words in refusal and "schema" not in refusal


def test_a_backfill_over_rest(runs: dict[str, Any]) -> None:
    backfill = runs["rest"]["backfill"]
    days = [f"2026-02-0{day}T00:00:00Z" for day in (1, 2, 3)]
    assert backfill["dates"] == days
    assert backfill["runs"] == [[day, {"reason": "to see"}] for day in days]
    assert "already a running backfill" in backfill["second"]
    assert backfill["open"] == [backfill["id"]] and backfill["paused"] == [True, True], "cancelled is paused too"
    assert backfill["completed"] and backfill["dates_again"] == [], "these days have runs now"
