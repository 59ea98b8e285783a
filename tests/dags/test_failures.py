"""Every class of error at every task of every family, in real runs: tries, end state, one mail that says the truth."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from idiscover.errors import FailureKind, IdiscoverError, RetriableError

from tests.dags.failing import ERRORS, LOADS, REFRESHES
from tests.dags.rehearsals import rehearsed
from tests.dags.sharing import JOB_METADATA
from tests.support.aws_platform import create_job_metadata
from tests.support.warehouse_stack import running_postgres

EXTRACTION, LOAD, REFRESH = "sfdc_to_s3__biomarker", "s3_to_redshift__biomarker", "stg_to_itg__biomarker"
FIRST, SECOND = "sfdc_to_s3__territory", "sfdc_to_s3__therapeutic_area"  # they share a cluster
START, CREATE, ADD = "send_email_cluster_start", "emr_tasks.create_cluster", "emr_tasks.add_steps"
WATCH, TERMINATE = "emr_tasks.watch_steps", "emr_tasks.terminate_cluster"
WATCH_TERMINATION = "emr_tasks.watch_termination"
RETRIES = 2  # of context/local.yaml


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, dict[str, Any]]]:
    """What came of every scene of `failing.py`."""
    folder, module = tmp_path_factory.mktemp("failing"), "tests.dags.failing"
    changed = {dag_id: {"cluster_group": "small"} for dag_id in (FIRST, SECOND)}
    with running_postgres(folder) as cluster, pytest.MonkeyPatch.context() as patch:
        patch.setenv(JOB_METADATA, create_job_metadata(cluster))
        yield rehearsed(folder, module, (EXTRACTION, LOAD, REFRESH, FIRST, SECOND), 2400, 1, changed)


def is_retried(error: Exception) -> bool:
    return isinstance(error, RetriableError) or not isinstance(error, IdiscoverError)


def kind_of(error: Exception) -> str:
    return (error.kind if isinstance(error, IdiscoverError) else FailureKind.NEEDS_A_PERSON).value


def failure_mails(run: dict[str, Any]) -> list[dict[str, Any]]:
    return [mail for mail in run["mails"] if "FAILED" in mail["subject"]]


def check_told(run: dict[str, Any], kind: str, *texts: str) -> None:
    """The run is red, announces nothing, and one mail and one document say why."""
    assert run["run_state"] == "failed" and run["asset_events"] == []
    (mail,) = failure_mails(run)
    assert mail["subject"].endswith(f"FAILED ({kind})")
    for text in texts:
        assert text in mail["text"], text
    document = run["statuses"]["failure"]
    assert document["kind"] == kind and document["state"] == "failed"
    assert document["by_itself"] in mail["text"] and document["to_do"] in mail["text"]


def check_error_told(run: dict[str, Any], error: Exception, tries: int) -> None:
    """All that an error of the platform says is in the mail; of an unforeseen one, its class."""
    text = failure_mails(run)[0]["text"]
    if isinstance(error, IdiscoverError):
        assert error.what in text and "got: 3" in text and "expected: 4" in text
        assert str(error.remedy) in text.lower()
    else:
        assert type(error).__name__ in text and "nobody foresaw this error" in text.lower()
    often = "once" if tries == 1 else f"{tries} times"
    ends = (
        "Airflow has given up" if is_retried(error) else "another try" if "person" in kind_of(error) else "no other try"
    )
    assert re.search(rf"^Tried: +{often}; {ends}", text, re.MULTILINE)


# -- extraction -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ERRORS)
def test_the_first_task(runs: dict[str, dict[str, Any]], name: str) -> None:
    run, error = runs["extraction"][f"start {name}"], ERRORS[name]
    tries = RETRIES + 1 if is_retried(error) else 1
    assert run["tries"][START] == tries and run["tasks"][CREATE] == "upstream_failed"
    check_told(run, kind_of(error), "the next scheduled run", "No window was frozen and no cluster made")
    check_error_told(run, error, tries)
    assert run["clusters"] == [] and run["calls"] == [*["open"] * tries, "release"]


@pytest.mark.parametrize("name", ERRORS)
def test_the_step(runs: dict[str, dict[str, Any]], name: str) -> None:
    """A step that failed for a passing reason is tried again on the cluster of the run; any other error ends it."""
    run, error = runs["extraction"][f"step {name}"], ERRORS[name]
    tries = RETRIES + 1 if is_retried(error) else 1
    assert (run["steps"], run["tries"][WATCH]) == (tries, tries)
    check_told(run, kind_of(error), f"the step failed with {type(error).__name__}", "clear from create_cluster")
    check_error_told(run, error, tries)
    assert run["clusters"] == ["TERMINATED"] and run["calls"][-1] == "release" and "close" not in run["calls"]
    (cause,) = [task for task in run["statuses"]["failure"]["failed"] if task["state"] == "failed"]
    assert (cause["task_id"], cause["tries"], cause["failure"]["remedy"] is None) == (WATCH, tries, False)
    assert "/steps/s-" in cause["log_uri"], "the log of the step, not of the task"


@pytest.mark.parametrize(
    ("scene", "task", "tries", "steps"),
    [
        ("start passes", START, 3, 1),
        ("create throttled", CREATE, 2, 1),
        ("add lost", ADD, 2, 1),
        ("step passes", WATCH, 3, 3),
        ("terminate throttled", TERMINATE, 3, 1),
        ("end passes", "end", 3, 1),
    ],
)
def test_what_passes_in_time_is_nobodys_business(
    runs: dict[str, dict[str, Any]], scene: str, task: str, tries: int, steps: int
) -> None:
    run = runs["extraction"][scene]
    assert run["run_state"] == "success" and len(run["asset_events"]) == 1
    assert (run["tries"][task], run["steps"], run["clusters"]) == (tries, steps, ["TERMINATED"])
    assert [mail["subject"].split(": ")[1] for mail in run["mails"]] == ["extraction starts", "extraction OK"]
    assert "failure" not in run["statuses"]


@pytest.mark.parametrize(
    ("scene", "task", "tries", "kind", "says"),
    [
        ("create refused", CREATE, 1, "needs a person", "AccessDeniedException"),
        ("create killed", CREATE, 3, "needs a person", "RuntimeError: killed"),
        ("add throttled", ADD, 3, "passing", "ThrottlingException"),
        ("step killed", WATCH, 3, "passing", "killed in the middle of its work"),
        ("step wordless", WATCH, 3, "needs a person", "before it could say why"),
        ("cluster terminated", WATCH, 1, "needs a person", "ask who terminated it"),
    ],
)
def test_emr(runs: dict[str, dict[str, Any]], scene: str, task: str, tries: int, kind: str, says: str) -> None:
    run = runs["extraction"][scene]
    assert run["tries"][task] == tries
    check_told(run, kind, says.capitalize() if says.startswith("ask") else says)
    assert run["calls"][-1] == "release", "the object's lock is given back"
    made = scene != "create refused"
    assert run["clusters"] == (["TERMINATED"] if made else []), "none is made, none is left alive"


def test_a_cluster_that_cannot_be_terminated_is_told_of(runs: dict[str, dict[str, Any]]) -> None:
    run = runs["extraction"]["terminate refused"]
    assert run["tries"][TERMINATE] == run["tries"][WATCH_TERMINATION] == 1 and run["clusters"] != ["TERMINATED"]
    check_told(run, "needs a person", "may be alive still: EMR ends it after 900 seconds", "not registered")
    assert run["calls"][-1] == "release"


NO_WORD = "its process ended without a word"


def test_a_task_whose_process_is_killed(runs: dict[str, dict[str, Any]]) -> None:
    extraction, load, refresh = (
        runs["extraction"]["watch killed"],
        runs["load"]["copy killed"],
        runs["refresh"]["call killed"],
    )
    for run, task, by_itself in (
        (extraction, WATCH, "The object's lock is given back"),
        (load, "copy", "The batches stay pending"),
        (refresh, "t1.call[0]", "The claim is given back"),
    ):
        assert run["tries"][task] == RETRIES + 1
        check_told(run, "passing", NO_WORD, by_itself)
    assert extraction["clusters"] == ["TERMINATED"] and extraction["calls"][-1] == "release"
    assert refresh["calls"].count("give back") == 1 and "t1.call (DE, FR)" in failure_mails(refresh)[0]["text"]


def test_a_closing_mail_whose_process_is_killed_is_sent_by_the_last_task(runs: dict[str, dict[str, Any]]) -> None:
    run = runs["extraction"]["closing mail killed"]
    assert run["tasks"]["send_email_cluster_termination"] == "failed"
    check_told(run, "needs a person", "the step failed with ConfigError: no such field")


@pytest.mark.parametrize("name", ["retriable", "data_quality"])
def test_a_batch_that_cannot_be_registered(runs: dict[str, dict[str, Any]], name: str) -> None:
    """The closing mail had nothing to tell of it: another does."""
    run, error = runs["extraction"][f"end {name}"], ERRORS[name]
    tries = RETRIES + 1 if is_retried(error) else 1
    assert run["tries"]["end"] == tries
    check_told(run, kind_of(error), "The batch lies in S3 but is not registered", "clear end")
    check_error_told(run, error, tries)
    assert run["calls"][-1] == "release" and run["clusters"] == ["TERMINATED"]


# -- load and refresh -----------------------------------------------------------------------------


@pytest.mark.parametrize("scene", [scene for scene in LOADS if scene.split()[1] in ERRORS])
def test_a_load(runs: dict[str, dict[str, Any]], scene: str) -> None:
    run, (task, name) = runs["load"][scene], scene.split()
    error = ERRORS[name]
    tries = RETRIES + 1 if is_retried(error) else 1
    assert run["tries"][task] == tries and run["tasks"][task] == "failed"
    check_told(run, kind_of(error), "The batches stay pending", "sweep_pending")
    check_error_told(run, error, tries)


@pytest.mark.parametrize("scene", [scene for scene in REFRESHES if scene.split()[1] in ERRORS])
def test_a_refresh(runs: dict[str, dict[str, Any]], scene: str) -> None:
    run, (task, name) = runs["refresh"][scene], scene.split()
    error = ERRORS[name]
    tries = RETRIES + 1 if is_retried(error) else 1
    task_id = {"slices": "t1.slices", "call": "t1.call[0]", "end": "end"}[task]
    assert run["tries"][task_id] == tries and run["tasks"][task_id] == "failed"
    check_told(run, kind_of(error), "The claim is given back", "sweep_pending")
    check_error_told(run, error, tries)
    assert run["calls"].count("give back") == 1
    if task == "call":
        assert run["tasks"]["t1.call[1]"] == "success", "the other countries go through"
        assert "t1.call (DE, FR)" in failure_mails(run)[0]["text"]


def test_a_unit_that_gets_through_in_time(runs: dict[str, dict[str, Any]]) -> None:
    run = runs["refresh"]["call passes"]
    assert run["run_state"] == "success" and run["tries"]["t1.call[1]"] == 3
    assert run["mails"] == [] and "give back" not in run["calls"]
    assert {event["uri"] for event in run["asset_events"]} == {
        "x-idiscover://itg/biomarker",
        "x-idiscover://ready/dm.dim_biomarker",
    }


def test_units_that_fail_in_different_ways_are_told_in_one_mail(runs: dict[str, dict[str, Any]]) -> None:
    run = runs["refresh"]["call mixed"]
    assert (run["tries"]["t1.call[0]"], run["tries"]["t1.call[1]"]) == (3, 1)
    check_told(run, "needs a person", "t1.call (DE, FR): the line is down", "t1.call (IT): a table is missing")
    assert run["calls"].count("give back") == 1


def test_two_runs_make_one_cluster_and_end_it_once(runs: dict[str, dict[str, Any]]) -> None:
    first, cleared, second = (runs["sharing"]["shared"][name] for name in ("first", "cleared", "second"))
    counts = {name: [run["emr"][name] for run in (first, cleared, second)] for name in first["emr"]}
    assert counts == {
        "RunJobFlow": [1, 0, 0],
        "AddJobFlowSteps": [1, 1, 1],
        "CancelSteps": [1, 0, 0],
        "TerminateJobFlows": [0, 0, 1],
    }
    assert second["run_state"] == "success" and set(second["tasks"].values()) == {"success"}
    assert second["all_clusters"] == ["ended"]


def test_one_that_fails_cancels_its_step_and_leaves_the_cluster_to_the_other(
    runs: dict[str, dict[str, Any]],
) -> None:
    first = runs["sharing"]["shared"]["first"]
    assert first["run_state"] == "failed" and first["tasks"][WATCH] == "failed"
    assert first["tasks"][TERMINATE] == "success" and first["tasks"][WATCH_TERMINATION] == "skipped"
    assert [state for _, state in first["steps"]] == ["CANCELLED"] and first["all_clusters"] == ["alive"]


def test_cleared_it_joins_again_and_its_old_step_is_not_taken_for_its_new_one(runs: dict[str, dict[str, Any]]) -> None:
    cleared = runs["sharing"]["shared"]["cleared"]
    assert cleared["run_state"] == "success" and cleared["new_clusters"] == 0
    assert [state for _, state in cleared["steps"]] == ["CANCELLED", "COMPLETED"]
    assert cleared["all_clusters"] == ["alive"]


def test_steps_say_whose_they_are(runs: dict[str, dict[str, Any]]) -> None:
    first, second = runs["sharing"]["shared"]["first"], runs["sharing"]["shared"]["second"]
    old, new, other = (name for name, _ in second["steps"])
    assert old.startswith(f"extract territory, {first['run_id']}, member ") and new.startswith(old[:-1])
    assert other.startswith(f"extract therapeutic_area, {second['run_id']}, member ")
    assert len({old, new, other}) == 3


def test_mails_say_that_the_cluster_is_shared_and_to_whom_it_is_left(runs: dict[str, dict[str, Any]]) -> None:
    first, second = runs["sharing"]["shared"]["first"]["mails"], runs["sharing"]["shared"]["second"]["mails"]
    assert "shared by the group small" in first[0]["text"]
    assert f"shared: left to {SECOND}" in first[1]["text"]
    assert f"is left to {SECOND}; the last of them ends it" in first[1]["text"]
    assert "shared: nobody else needs it" in second[1]["text"]


def test_a_cluster_that_somebody_terminated_gives_way_to_one_other(runs: dict[str, dict[str, Any]]) -> None:
    lost = runs["sharing"]["lost"]
    gone, other, again = lost["joined"]
    assert other == again != gone
    assert lost["emr"]["RunJobFlow"] == 1 and lost["emr"]["TerminateJobFlows"] == 1
    assert set(lost["all_clusters"]) == {"ended"}
