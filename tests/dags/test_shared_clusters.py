"""Two extractions that share a cluster, in real runs: made once, left alone by whoever fails, ended by the last."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.dags.rehearsals import rehearsed
from tests.dags.sharing import JOB_METADATA
from tests.support.aws_platform import create_job_metadata
from tests.support.warehouse_stack import running_postgres

FIRST, SECOND = "sfdc_to_s3__biomarker", "sfdc_to_s3__territory"
CREATE, TERMINATE = "emr_tasks.create_cluster", "emr_tasks.terminate_cluster"
WATCH, WATCH_TERMINATION = "emr_tasks.watch_steps", "emr_tasks.watch_termination"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """What came of every scenario of `sharing.py`."""
    folder = tmp_path_factory.mktemp("sharing")
    with running_postgres(folder) as cluster, pytest.MonkeyPatch.context() as patch:
        patch.setenv(JOB_METADATA, create_job_metadata(cluster))
        yield rehearsed(folder, "tests.dags.sharing", (FIRST, SECOND), 900, changed={"cluster_group": "small"})


def closing_text(run: dict[str, Any]) -> str:
    return str(run["mails"][-1]["text"])


def test_two_runs_make_one_cluster_and_end_it_once(runs: dict[str, Any]) -> None:
    first, second = runs["both"]["first"], runs["both"]["second"]
    assert (first["run_state"], second["run_state"]) == ("success", "success")
    assert first["emr"] == {"RunJobFlow": 1, "AddJobFlowSteps": 1, "CancelSteps": 0, "TerminateJobFlows": 0}
    assert first["tasks"][TERMINATE] == "success" and first["tasks"][WATCH_TERMINATION] == "skipped"
    assert first["all_clusters"] == ["alive"], "the other has begun"
    assert second["emr"]["RunJobFlow"] == 0 and second["emr"]["AddJobFlowSteps"] == 1
    assert [state for _, state in second["steps"]] == ["COMPLETED", "COMPLETED"]
    assert runs["both"]["end"] == ["ended"]


def test_steps_say_whose_they_are(runs: dict[str, Any]) -> None:
    first, second = runs["both"]["first"], runs["both"]["second"]
    (name, _), (other, _) = second["steps"]
    assert name.startswith(f"extract biomarker, {first['run_id']}, member ")
    assert other.startswith(f"extract territory, {second['run_id']}, member ")


def test_mails_say_that_the_cluster_is_shared_and_to_whom_it_is_left(runs: dict[str, Any]) -> None:
    first = runs["both"]["first"]
    assert "shared by the group small" in first["mails"][0]["text"]
    assert f"shared: left to {SECOND}" in closing_text(first)
    assert f"is left to {SECOND}; the last of them ends it" in closing_text(runs["one_fails"]["first"])


def test_one_that_fails_leaves_the_cluster_to_the_other(runs: dict[str, Any]) -> None:
    first = runs["one_fails"]["first"]
    assert first["run_state"] == "failed" and first["tasks"][WATCH] == "failed"
    assert first["emr"]["TerminateJobFlows"] == 0 and first["all_clusters"][0] == "alive"


def test_cleared_it_joins_again_with_a_step_of_its_own(runs: dict[str, Any]) -> None:
    cleared = runs["one_fails"]["cleared"]
    assert cleared["run_state"] == "success" and cleared["new_clusters"] == 0
    assert cleared["emr"] == {"RunJobFlow": 0, "AddJobFlowSteps": 1, "CancelSteps": 0, "TerminateJobFlows": 0}


def test_a_cluster_that_is_gone_gives_way_to_another(runs: dict[str, Any]) -> None:
    second = runs["one_fails"]["second"]
    assert second["run_state"] == "success" and second["emr"]["RunJobFlow"] == 1
    assert len(second["all_clusters"]) == 3 and runs["one_fails"]["end"] == ["ended"] * 3


def test_a_step_that_nobody_watches_any_more_is_cancelled_alone(runs: dict[str, Any]) -> None:
    first = runs["one_hangs"]["first"]
    assert first["run_state"] == "failed" and first["tasks"][TERMINATE] == "success"
    assert first["emr"]["CancelSteps"] == 1 and first["emr"]["TerminateJobFlows"] == 0
    assert [state for _, state in first["steps"]] == ["CANCELLED"]
    assert first["all_clusters"][0] == "alive" and runs["one_hangs"]["end"][0] == "ended"
