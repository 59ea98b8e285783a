"""EMR's states, with the test in the agent's place: claims and reports over HTTP."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from aws_stand import (
    Stand,
    add_step,
    cluster_status,
    make_cluster,
    step_status,
    wait_cluster,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from local.aws.emr_model import LiveCluster

DETAILS = {
    "Reason": "Exit code 1",
    "Message": "ValueError: boom",
    "LogFile": "s3://lake/logs/stderr.gz",
}


@pytest.fixture(scope="module")
def emr(shared: Stand) -> Any:
    return shared.client("emr")


def beat(stand: Stand, *holding: str) -> dict[str, Any]:
    return stand.post("agent/heartbeat", {"agent": "test", "holding": list(holding)})


def runnable(stand: Stand, cluster: str) -> list[str]:
    return [order["step_id"] for order in beat(stand)["runnable"] if order["cluster_id"] == cluster]


def claim(stand: Stand, cluster: str, step: str) -> bool:
    return stand.post("agent/claim", {"agent": "test", "cluster_id": cluster, "step_id": step})["claimed"]


def report(stand: Stand, cluster: str, step: str, outcome: str) -> str:
    values = {
        "agent": "test",
        "cluster_id": cluster,
        "step_id": step,
        "outcome": outcome,
        "details": DETAILS,
    }
    return stand.post("agent/report", values)["state"]


def run(stand: Stand, cluster: str, step: str, outcome: str) -> None:
    assert claim(stand, cluster, step)
    report(stand, cluster, step, outcome)


def states(emr: Any, cluster: str, *steps: str) -> list[str]:
    return [step_status(emr, cluster, step)["State"] for step in steps]


def test_the_way_of_a_good_run(shared: Stand, emr: Any) -> None:
    cluster = make_cluster(emr, AutoTerminationPolicy={"IdleTimeout": 300})
    assert cluster_status(emr, cluster)["State"] in ("STARTING", "BOOTSTRAPPING")
    step = add_step(emr, cluster, "script.py")
    assert runnable(shared, cluster) == [], "nothing runs before the cluster is ready"
    wait_cluster(emr, cluster, "RUNNING")
    assert runnable(shared, cluster) == [step]
    assert claim(shared, cluster, step)
    assert claim(shared, cluster, step), "an answer that was lost can be asked for again"
    assert states(emr, cluster, step) == ["RUNNING"]
    assert report(shared, cluster, step, "COMPLETED") == "COMPLETED"
    assert report(shared, cluster, step, "FAILED") == "COMPLETED", "the first report stands"
    assert not claim(shared, cluster, step)
    status = step_status(emr, cluster, step)
    assert "FailureDetails" not in status
    timeline = status["Timeline"]
    assert timeline["CreationDateTime"] <= timeline["StartDateTime"] <= timeline["EndDateTime"]
    assert cluster_status(emr, cluster)["State"] == "WAITING"
    emr.terminate_job_flows(JobFlowIds=[cluster])
    emr.get_waiter("cluster_terminated").wait(ClusterId=cluster, WaiterConfig={"Delay": 1, "MaxAttempts": 10})
    reason = {"Code": "USER_REQUEST", "Message": "Terminated by user request"}
    assert cluster_status(emr, cluster)["StateChangeReason"] == reason
    with pytest.raises(emr.exceptions.ClientError, match="may not be modified"):
        add_step(emr, cluster, "script.py")


@pytest.mark.parametrize(
    ("action", "second", "ends"),
    [
        ("CONTINUE", "PENDING", "RUNNING"),
        ("CANCEL_AND_WAIT", "CANCELLED", "WAITING"),
        ("TERMINATE_CLUSTER", "CANCELLED", "TERMINATED_WITH_ERRORS"),
    ],
)
def test_action_on_failure(shared: Stand, emr: Any, action: str, second: str, ends: str) -> None:
    cluster = make_cluster(emr)
    steps = [add_step(emr, cluster, "script.py", on_failure=action) for _ in range(2)]
    wait_cluster(emr, cluster, "RUNNING")
    assert runnable(shared, cluster) == steps[:1], "one step at a time is the default"
    run(shared, cluster, steps[0], "FAILED")
    assert step_status(emr, cluster, steps[0])["FailureDetails"] == DETAILS
    wait_cluster(emr, cluster, ends)
    assert states(emr, cluster, *steps) == ["FAILED", second]
    emr.terminate_job_flows(JobFlowIds=[cluster])


def test_concurrency(shared: Stand, emr: Any) -> None:
    cluster = make_cluster(emr, StepConcurrencyLevel=2)
    steps = [add_step(emr, cluster, "script.py") for _ in range(3)]
    wait_cluster(emr, cluster, "RUNNING")
    assert runnable(shared, cluster) == steps[:2]
    assert claim(shared, cluster, steps[0])
    assert claim(shared, cluster, steps[1])
    assert not claim(shared, cluster, steps[2]), "two run already"
    report(shared, cluster, steps[1], "COMPLETED")
    assert runnable(shared, cluster) == [steps[2]]
    assert [step["Id"] for step in emr.list_steps(ClusterId=cluster)["Steps"]] == steps[::-1], "newest first"
    with pytest.raises(emr.exceptions.ClientError, match="ActionOnFailure"):
        add_step(emr, cluster, "script.py", on_failure="TERMINATE_CLUSTER")
    report(shared, cluster, steps[0], "COMPLETED")
    emr.terminate_job_flows(JobFlowIds=[cluster])


def test_cancel_and_terminate(shared: Stand, emr: Any) -> None:
    cluster = make_cluster(emr)
    running, pending, third = (add_step(emr, cluster, "script.py") for _ in range(3))
    wait_cluster(emr, cluster, "RUNNING")
    assert claim(shared, cluster, running)
    answers = emr.cancel_steps(ClusterId=cluster, StepIds=[running, pending])["CancelStepsInfoList"]
    assert [answer["Status"] for answer in answers] == ["SUBMITTED", "SUBMITTED"]
    assert states(emr, cluster, running, pending) == ["CANCEL_PENDING", "CANCELLED"]
    assert running in beat(shared, running)["stop"]
    report(shared, cluster, running, "FAILED")
    assert states(emr, cluster, running) == ["CANCELLED"]
    again = emr.cancel_steps(ClusterId=cluster, StepIds=[running])["CancelStepsInfoList"][0]
    assert again["Status"] == "FAILED"
    assert "CANCELLED" in again["Reason"]
    assert claim(shared, cluster, third)
    emr.terminate_job_flows(JobFlowIds=[cluster])
    assert cluster_status(emr, cluster)["State"] == "TERMINATING"
    assert third in beat(shared, third)["stop"]
    report(shared, cluster, third, "CANCELLED")
    wait_cluster(emr, cluster, "TERMINATED")
    assert states(emr, cluster, third) == ["CANCELLED"]


def test_ends_by_itself_when_not_kept_alive(shared: Stand, emr: Any) -> None:
    cluster = make_cluster(emr, keep_alive=False)
    wait_cluster(emr, cluster, "TERMINATED")
    assert cluster_status(emr, cluster)["StateChangeReason"]["Code"] == "ALL_STEPS_COMPLETED"


def test_a_step_nobody_holds_is_reported_missing(shared: Stand, emr: Any) -> None:
    cluster = make_cluster(emr)
    step = add_step(emr, cluster, "script.py")
    wait_cluster(emr, cluster, "RUNNING")
    assert claim(shared, cluster, step)
    missing = {"cluster_id": cluster, "step_id": step}
    assert missing in beat(shared)["missing"]
    assert missing not in beat(shared, step)["missing"]
    report(shared, cluster, step, "FAILED")
    emr.terminate_job_flows(JobFlowIds=[cluster])


def test_unknown_ids_are_the_clients_error(emr: Any) -> None:
    cluster = make_cluster(emr)
    calls = [
        lambda: emr.describe_cluster(ClusterId="j-NONE"),
        lambda: emr.list_steps(ClusterId="j-NONE"),
        lambda: emr.describe_step(ClusterId=cluster, StepId="s-NONE"),
        lambda: emr.terminate_job_flows(JobFlowIds=["j-NONE"]),
        lambda: emr.cancel_steps(ClusterId="j-NONE", StepIds=["s-NONE"]),
        lambda: emr.put_auto_termination_policy(ClusterId="j-NONE", AutoTerminationPolicy={"IdleTimeout": 60}),
    ]
    for call in calls:
        with pytest.raises(emr.exceptions.InvalidRequestException) as caught:
            call()
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    emr.terminate_job_flows(JobFlowIds=[cluster])


def test_policies(emr: Any) -> None:
    cluster = make_cluster(emr)
    emr.put_auto_termination_policy(ClusterId=cluster, AutoTerminationPolicy={"IdleTimeout": 120})
    assert emr.get_auto_termination_policy(ClusterId=cluster)["AutoTerminationPolicy"] == {"IdleTimeout": 120}
    emr.remove_auto_termination_policy(ClusterId=cluster)
    assert "AutoTerminationPolicy" not in emr.get_auto_termination_policy(ClusterId=cluster)
    with pytest.raises(emr.exceptions.ClientError, match="IdleTimeout"):
        emr.put_auto_termination_policy(ClusterId=cluster, AutoTerminationPolicy={"IdleTimeout": 59})
    limits = {
        "UnitType": "Instances",
        "MinimumCapacityUnits": 1,
        "MaximumCapacityUnits": 3,
    }
    emr.put_managed_scaling_policy(ClusterId=cluster, ManagedScalingPolicy={"ComputeLimits": limits})
    assert emr.get_managed_scaling_policy(ClusterId=cluster)["ManagedScalingPolicy"]["ComputeLimits"] == limits
    emr.terminate_job_flows(JobFlowIds=[cluster])


class _Backend:
    """As much of moto's backend as a cluster asks for."""

    region_name, account_id = "us-east-1", "123456789012"

    def __init__(self) -> None:
        self.clusters: dict[str, LiveCluster] = {}


def _cluster(idle_seconds: int | None, keep_alive: bool, steps: int) -> LiveCluster:
    alive = {"keep_job_flow_alive_when_no_steps": keep_alive}
    step = {
        "name": "s",
        "hadoop_jar_step": {"Jar": "x"},
        "action_on_failure": "CONTINUE",
    }
    cluster = LiveCluster(_Backend(), "c", None, None, None, [step] * steps, alive, cluster_id="j-1")  # type: ignore[arg-type]
    cluster.idle_timeout_seconds = idle_seconds
    cluster.creation_datetime = dt.datetime(2026, 1, 1)
    return cluster


def _picture(cluster: LiveCluster) -> Any:
    ends = [(step.state, step.end_date_time) for step in cluster.steps]
    return cluster.status, cluster.idle_since, cluster.terminating_since, ends


@settings(max_examples=200, deadline=None)
@given(
    idle_seconds=st.none() | st.integers(60, 600),
    keep_alive=st.booleans(),
    work=st.lists(
        st.tuples(
            st.floats(0, 90),
            st.sampled_from(["claim", "COMPLETED", "FAILED", "terminate"]),
        ),
        max_size=8,
    ),
    strides=st.lists(st.floats(0.01, 45), max_size=12),
    steps=st.integers(0, 3),
)
def test_time_in_strides_is_time_in_one(
    idle_seconds: int | None,
    keep_alive: bool,
    work: list[tuple[float, str]],
    strides: list[float],
    steps: int,
) -> None:
    """Reads in between, at any instants, change nothing: replay, which has none, ends in the same state."""
    start = dt.datetime(2026, 1, 1)
    pictures = []
    for between in ([], strides):
        cluster, now = _cluster(idle_seconds, keep_alive, steps), start
        for wait_seconds, action in work:
            until = now + dt.timedelta(seconds=wait_seconds)
            for stride in between:
                now = min(until, now + dt.timedelta(seconds=stride))
                cluster.advance(now)
            now = until
            cluster.advance(now)
            _act(cluster, action, now)
        cluster.advance(now + dt.timedelta(days=1))
        pictures.append(_picture(cluster))
    assert pictures[0] == pictures[1]


def _act(cluster: LiveCluster, action: str, now: dt.datetime) -> None:
    running = [step for step in cluster.steps if step.state in ("RUNNING", "CANCEL_PENDING")]
    if action == "claim" and cluster.runnable():
        cluster.claim(cluster.runnable()[0], "agent", now)
    elif action == "terminate":
        cluster.begin_termination(now, "USER_REQUEST", "Terminated by user request")
    elif action in ("COMPLETED", "FAILED") and running:
        cluster.finish_step(running[0], action, {}, now)


def test_idle_clusters_end_and_busy_ones_do_not() -> None:
    start = dt.datetime(2026, 1, 1)
    cluster = _cluster(idle_seconds=60, keep_alive=True, steps=1)
    cluster.advance(start + dt.timedelta(seconds=5))
    assert cluster.claim(cluster.steps[0], "agent", start + dt.timedelta(seconds=5))
    cluster.advance(start + dt.timedelta(hours=1))
    assert cluster.state == "RUNNING"
    cluster.finish_step(cluster.steps[0], "COMPLETED", {}, start + dt.timedelta(hours=1))
    cluster.advance(start + dt.timedelta(hours=1, seconds=59))
    assert cluster.state == "WAITING"
    cluster.advance(start + dt.timedelta(hours=1, seconds=70))
    assert cluster.state == "TERMINATED"


def test_a_dead_agent_does_not_hold_a_cluster_for_ever() -> None:
    start = dt.datetime(2026, 1, 1)
    cluster = _cluster(idle_seconds=None, keep_alive=True, steps=1)
    cluster.advance(start + dt.timedelta(seconds=5))
    cluster.claim(cluster.steps[0], "agent", start + dt.timedelta(seconds=5))
    cluster.begin_termination(start + dt.timedelta(seconds=6), "USER_REQUEST", "x")
    cluster.advance(start + dt.timedelta(seconds=20))
    assert (cluster.state, cluster.steps[0].state) == ("TERMINATING", "CANCEL_PENDING")
    cluster.advance(start + dt.timedelta(seconds=60))
    assert (cluster.state, cluster.steps[0].state) == ("TERMINATED", "CANCELLED")
