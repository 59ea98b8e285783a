"""A run's steps among those of others on the same cluster: found, cancelled and waited for by their name."""

from __future__ import annotations

import logging
import time
from typing import Any

import pytest
from idiscover.errors import RetriableError
from idiscover.orchestration.emr_calls import cancel_steps, end_steps, newest_step

OURS, OTHERS = "extract lab, run, member 3", "extract lab, run, member 31"


class Emr:
    """EMR's client and hook in one. Its steps, newest first, come two to a page; cancelled `slowly`, they never end."""

    def __init__(self, *steps: tuple[str, str], state: str = "RUNNING", slowly: bool = False) -> None:
        self.steps = [[f"s-{number}", name, told] for number, (name, told) in enumerate(steps)]
        self.state, self.slowly = state, slowly
        self.cancelled: list[str] = []
        self.conn, self.log = self, logging.getLogger(__name__)

    def get_paginator(self, operation: str) -> Emr:
        assert operation == "list_steps"
        return self

    def paginate(self, ClusterId: str, StepStates: list[str] | None = None) -> list[dict[str, Any]]:
        told = [
            {"Id": key, "Name": name, "Status": {"State": state}}
            for key, name, state in self.steps
            if StepStates is None or state in StepStates
        ]
        return [{"Steps": told[at : at + 2]} for at in range(0, len(told), 2)]

    def describe_cluster(self, ClusterId: str) -> dict[str, Any]:
        return {"Cluster": {"Status": {"State": self.state}}}

    def cancel_steps(self, ClusterId: str, StepIds: list[str], StepCancellationOption: str) -> None:
        assert StepCancellationOption == "TERMINATE_PROCESS"
        self.cancelled += StepIds
        for step in self.steps:
            if step[0] in StepIds:
                step[2] = "CANCEL_PENDING" if self.slowly else "CANCELLED"


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds slept; nobody waits for them."""
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    monkeypatch.setattr(time, "monotonic", lambda: sum(slept))
    return slept


def test_the_newest_step_of_the_name_is_found_on_any_page() -> None:
    emr = Emr((OTHERS, "RUNNING"), (OTHERS, "FAILED"), ("x", "PENDING"), (OURS, "RUNNING"), (OURS, "FAILED"))
    assert newest_step(emr, "j-1", OURS) == "s-3"
    assert newest_step(emr, "j-1", "extract lab") is None, "the whole name counts"


def test_only_the_runs_own_steps_are_ended(clock: list[float]) -> None:
    emr = Emr((OTHERS, "RUNNING"), (OURS, "PENDING"), (OURS, "RUNNING"), (OURS, "COMPLETED"))
    end_steps(emr, "j-1", OURS, poll_seconds=1)
    assert emr.cancelled == ["s-1", "s-2"] and clock == [1]
    end_steps(emr, "j-1", OURS, poll_seconds=1)
    assert clock == [1], "where nothing is at work, nobody waits"


def test_the_step_that_counts_is_left_alone() -> None:
    emr = Emr((OURS, "RUNNING"), (OURS, "RUNNING"))
    assert cancel_steps(emr, "j-1", OURS, but="s-0") == ["s-1"] == emr.cancelled


def test_a_step_that_does_not_end_is_told_of(clock: list[float]) -> None:
    emr = Emr((OURS, "RUNNING"), slowly=True)
    with pytest.raises(RetriableError, match="a cancelled step does not end") as caught:
        end_steps(emr, "j-1", OURS, poll_seconds=30)
    assert emr.cancelled == ["s-0"], "asked once"
    assert sum(clock) > 120 and "s-0" in str(caught.value.where)


def test_on_a_cluster_that_ends_nothing_is_cancelled() -> None:
    emr = Emr((OURS, "RUNNING"), state="TERMINATING")
    assert cancel_steps(emr, "j-1", OURS) == ["s-0"] and emr.cancelled == []
