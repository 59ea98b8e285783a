"""EMR clusters and steps that live: a state machine driven by time, by requests and by the agent's reports.

`LiveCluster.advance(now)` carries out every change that time alone has made due, each at the instant it was due, so
advancing in one stride or in many gives the same state: that is what makes replay exact, and what lets reads advance
without being journaled.
"""

from __future__ import annotations

import datetime as dt
import os
from typing import Any

import moto.emr.models as moto_emr

from local.aws.determinism import utcnow

# How long a cluster stays STARTING, then BOOTSTRAPPING, then, once nothing runs, TERMINATING. EC2 takes minutes.
BOOT_SECONDS = float(os.environ.get("IDISCOVER_EMR_BOOT_SECONDS", "1"))
# A terminating cluster waits this long for the agent to confirm that its steps are dead.
TERMINATION_LIMIT_SECONDS = 30.0
BOOTING = ("STARTING", "BOOTSTRAPPING")
ENDED = ("TERMINATED", "TERMINATED_WITH_ERRORS")
LEAVING = ("TERMINATING", *ENDED)
STEP_ACTIVE = ("PENDING", "RUNNING", "CANCEL_PENDING")
STEP_HELD = ("RUNNING", "CANCEL_PENDING")


def _seconds(value: float) -> dt.timedelta:
    return dt.timedelta(seconds=value)


class LiveStep(moto_emr.Step):
    """A step: PENDING → RUNNING → COMPLETED, FAILED or CANCELLED (by way of CANCEL_PENDING once it runs)."""

    def __init__(self, state: str = "PENDING", **kwargs: Any) -> None:
        super().__init__(state=state, **kwargs)
        self.end_date_time: dt.datetime | None = None  # type: ignore[assignment]
        self.failure_details: dict[str, str] | None = None
        self.last_state_change_reason: str | None = None
        self.claimed_by: str | None = None

    def start(self) -> None:
        """moto starts a cluster's first step at creation; here the agent does, by claiming it."""

    def end(self, state: str, at: dt.datetime, message: str | None = None) -> None:
        """Reach a terminal state."""
        self.state = state
        self.end_date_time = at
        self.last_state_change_reason = message

    @property
    def status(self) -> dict[str, Any]:
        timeline = {"CreationDateTime": self.creation_date_time}
        if self.start_date_time:
            timeline["StartDateTime"] = self.start_date_time
        if self.end_date_time:
            timeline["EndDateTime"] = self.end_date_time
        reason = {"Message": self.last_state_change_reason} if self.last_state_change_reason else {}
        status = {"State": self.state, "StateChangeReason": reason, "Timeline": timeline}
        if self.failure_details:
            status["FailureDetails"] = self.failure_details
        return status


class LiveCluster(moto_emr.Cluster):
    """A cluster: STARTING → BOOTSTRAPPING → RUNNING ⇄ WAITING → TERMINATING → TERMINATED or TERMINATED_WITH_ERRORS."""

    steps: list[LiveStep]  # type: ignore[assignment]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.idle_timeout_seconds: int | None = None
        self.managed_scaling_policy: dict[str, Any] | None = None
        self.idle_since: dt.datetime | None = None
        self.terminating_since: dt.datetime | None = None
        self.reason: dict[str, str] = {}
        self.ends_as = "TERMINATED"
        super().__init__(*args, **kwargs)

    def start_cluster(self) -> None:
        self.state = "STARTING"
        self.start_datetime = utcnow()

    def run_bootstrap_actions(self) -> None:
        """Time does this: see `advance`."""

    def add_steps(self, steps: list[dict[str, Any]]) -> list[LiveStep]:
        added = [LiveStep(**step) for step in steps]
        self.steps.extend(added)
        if getattr(self, "state", None) == "WAITING":
            self.state, self.idle_since = "RUNNING", None
        return added

    def terminate(self) -> None:
        self.advance(utcnow())
        self.begin_termination(utcnow(), "USER_REQUEST", "Terminated by user request")

    def advance(self, now: dt.datetime) -> None:
        """Carry out every change that has become due by `now`, each at the instant it was due."""
        while (due := self._next_change()) is not None and due <= now:
            self._change(due)

    def _next_change(self) -> dt.datetime | None:
        if self.state == "STARTING":
            return self.creation_datetime + _seconds(BOOT_SECONDS)
        if self.state == "BOOTSTRAPPING":
            return self.creation_datetime + _seconds(2 * BOOT_SECONDS)
        if self.state == "WAITING" and self.idle_timeout_seconds and self.idle_since:
            return self.idle_since + _seconds(self.idle_timeout_seconds)
        if self.state == "TERMINATING" and self.terminating_since:
            return self._termination_due(self.terminating_since)
        return None

    def _termination_due(self, since: dt.datetime) -> dt.datetime:
        limit = since + _seconds(TERMINATION_LIMIT_SECONDS)
        if any(step.state in STEP_HELD for step in self.steps):
            return limit
        last_end = max((step.end_date_time for step in self.steps if step.end_date_time), default=since)
        return min(limit, max(since, last_end) + _seconds(BOOT_SECONDS))

    def _change(self, at: dt.datetime) -> None:
        if self.state == "STARTING":
            self.state = "BOOTSTRAPPING"
        elif self.state == "BOOTSTRAPPING":
            self.ready_datetime = at
            self.settle(at)
        elif self.state == "WAITING":
            text = f"Auto-terminated after being idle for {self.idle_timeout_seconds} seconds"
            self.begin_termination(at, "ALL_STEPS_COMPLETED", text)
        else:
            self._finish_termination(at)

    def settle(self, at: dt.datetime) -> None:
        """After boot, and after each end of a step: RUNNING while steps are active, else WAITING or the end."""
        if self.state in LEAVING:
            return
        if any(step.state in STEP_ACTIVE for step in self.steps):
            self.state, self.idle_since = "RUNNING", None
        elif self.keep_job_flow_alive_when_no_steps:
            self.state, self.idle_since = "WAITING", at
            self.reason = {"Message": "Cluster ready to run steps."}
        else:
            failed = any(step.state == "FAILED" for step in self.steps)
            text = "Steps completed with errors" if failed else "Steps completed"
            self.begin_termination(at, "ALL_STEPS_COMPLETED", text)

    def begin_termination(self, at: dt.datetime, code: str, message: str, ends_as: str = "TERMINATED") -> None:
        """Cancel what is pending, ask for the end of what runs, go TERMINATING. No-op if already on the way out."""
        if self.state in LEAVING:
            return
        self.state, self.terminating_since, self.idle_since = "TERMINATING", at, None
        self.reason = {"Code": code, "Message": message}
        self.ends_as = ends_as
        self._cancel_pending(at, "Cluster is terminating")
        for step in self.steps:
            if step.state == "RUNNING":
                step.state = "CANCEL_PENDING"

    def _finish_termination(self, at: dt.datetime) -> None:
        for step in self.steps:
            if step.state in STEP_HELD:
                step.end("CANCELLED", at, "Cluster was terminated")
        self.state, self.end_datetime = self.ends_as, at

    def _cancel_pending(self, at: dt.datetime, message: str) -> None:
        for step in self.steps:
            if step.state == "PENDING":
                step.end("CANCELLED", at, message)

    def runnable(self) -> list[LiveStep]:
        """The pending steps that may start now, in order of their addition."""
        if self.state not in ("RUNNING", "WAITING"):
            return []
        free = self.step_concurrency_level - sum(step.state in STEP_HELD for step in self.steps)
        return [step for step in self.steps if step.state == "PENDING"][: max(0, free)]

    def claim(self, step: LiveStep, agent: str, at: dt.datetime) -> bool:
        """The agent takes a step; False if it may not start (any more). Claiming one's own step again is fine."""
        if step.state == "RUNNING" and step.claimed_by == agent:
            return True
        if step not in self.runnable():
            return False
        step.state, step.claimed_by, step.start_date_time = "RUNNING", agent, at
        self.state, self.idle_since = "RUNNING", None
        return True

    def cancel_step(self, step: LiveStep, at: dt.datetime) -> str | None:
        """CancelSteps for one step; returns why it cannot be cancelled, or None."""
        if step.state == "PENDING":
            step.end("CANCELLED", at, "Cancelled by user request")
            self.settle(at) if self.state not in BOOTING else None
        elif step.state in STEP_HELD:
            step.state = "CANCEL_PENDING"
        else:
            return f"Step is in state {step.state} and cannot be cancelled"
        return None

    def finish_step(self, step: LiveStep, outcome: str, details: dict[str, str], at: dt.datetime) -> None:
        """The agent's report. `outcome` is COMPLETED, FAILED or CANCELLED; a second report changes nothing."""
        if step.state not in STEP_HELD:
            return
        if step.state == "CANCEL_PENDING" and outcome == "FAILED":
            outcome = "CANCELLED"
        if outcome == "FAILED":
            step.failure_details = details
        step.end(outcome, at, "Cancelled by user request" if outcome == "CANCELLED" else None)
        if outcome == "FAILED":
            self._act_on_failure(step, at)
        self.settle(at)

    def _act_on_failure(self, step: LiveStep, at: dt.datetime) -> None:
        if step.action_on_failure == "CANCEL_AND_WAIT":
            self._cancel_pending(at, f"Step {step.id} failed")
        elif step.action_on_failure in ("TERMINATE_CLUSTER", "TERMINATE_JOB_FLOW"):
            self.begin_termination(at, "STEP_FAILURE", "Shut down as step failed", "TERMINATED_WITH_ERRORS")

    @property
    def status(self) -> dict[str, Any]:
        timeline = {"CreationDateTime": self.creation_datetime}
        if self.ready_datetime:
            timeline["ReadyDateTime"] = self.ready_datetime
        if self.end_datetime:
            timeline["EndDateTime"] = self.end_datetime
        return {"State": self.state, "StateChangeReason": self.reason, "Timeline": timeline}
