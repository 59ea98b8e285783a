"""What EMR's and the step's own words about a failure mean: the error to raise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from idiscover.errors import FailureKind, FatalError, IdiscoverError, NextRunError, RetriableError, UnforeseenError
from idiscover.notify.failures import Failure
from idiscover.plan.model import ExtractionPlan, RunIdentity

LIVING_STATES = ["STARTING", "BOOTSTRAPPING", "RUNNING", "WAITING"]
ENDED_STATES = ["TERMINATED", "TERMINATED_WITH_ERRORS"]
# EMR's StateChangeReason codes for which another cluster may do better: EC2 out of capacity, a node lost, an outage.
_PASSING_CODES = frozenset({"INTERNAL_ERROR", "INSTANCE_FAILURE", "INSTANCE_FLEET_TIMEOUT"})
_CANCELLED_STATES = frozenset({"CANCELLED", "CANCEL_PENDING", "INTERRUPTED"})


def start_fault(cluster: Mapping[str, Any]) -> IdiscoverError:
    """The error for a cluster that did not come up; `cluster` as DescribeCluster tells of it."""
    end = _end_of(cluster)
    kind = RetriableError if end.is_passing else FatalError
    return kind("the cluster did not come up", where=end.where, got=end.got, remedy=end.remedy)


def step_fault(
    step: Mapping[str, Any], cluster: Mapping[str, Any], plan: ExtractionPlan, run: RunIdentity
) -> IdiscoverError:
    """The error for a step that did not complete; `step` and `cluster` as EMR describes them.

    The step's own word alone knows whether the fault is a passing one; a step without a word is told with EMR's. Where
    the cluster is gone, no try of this run helps: whoever terminates the run's cluster knows of that one only.

    Raises:
        ConfigError, RetriableError: S3, where the step's word lies, cannot be asked.
    """
    from idiscover.aws.step_status import last_word

    where = f"step {step['Id']}"
    is_gone = cluster["Status"]["State"] not in LIVING_STATES
    if step["Status"]["State"] in _CANCELLED_STATES:
        return _lost_cluster(cluster, where) if is_gone else _cancelled(where)
    word = last_word(plan, run, step["Status"]["Timeline"]["CreationDateTime"])
    if word is None:
        return _without_word(step, where)
    return _killed(step, where, is_gone) if word.failure is None else _as_error(word.failure, where, is_gone)


def _as_error(failure: Failure, where: str, is_gone: bool) -> IdiscoverError:
    """The step's own error, in this process: of the same kind, with the same words."""
    kind = FatalError if failure.kind is FailureKind.NEEDS_A_PERSON else NextRunError
    if failure.is_retried and not is_gone:
        kind = UnforeseenError if failure.kind is FailureKind.NEEDS_A_PERSON else RetriableError
    return kind(
        f"the step failed with {failure.error}: {failure.what}",
        where="; ".join(filter(None, (where, failure.where))),
        key=failure.key,
        got=failure.got,
        expected=failure.expected,
        remedy=failure.remedy,
    )


def _killed(step: Mapping[str, Any], where: str, is_gone: bool) -> IdiscoverError:
    kind = NextRunError if is_gone else RetriableError
    remedy = "read the step's stderr: out of memory? Then a larger emr.instance_type"
    return kind("the step was killed in the middle of its work", where=where, got=details(step), remedy=remedy)


def _lost_cluster(cluster: Mapping[str, Any], where: str) -> IdiscoverError:
    end = _end_of(cluster)
    kind = NextRunError if end.is_passing else FatalError
    return kind("the cluster went away under its step", where=where, got=f"{end.where} {end.got}", remedy=end.remedy)


def _cancelled(where: str) -> IdiscoverError:
    return FatalError("somebody cancelled the step", where=where, remedy="ask who, and why")


def details(step: Mapping[str, Any]) -> str:
    """EMR's FailureDetails in one line; the message is the last line of the step's stderr."""
    told = step["Status"].get("FailureDetails") or {}
    named = (("Reason", "reason"), ("Message", "message"), ("LogFile", "log file"))
    return "; ".join(f"{name} {told[key]}" for key, name in named if told.get(key)) or "no FailureDetails"


@dataclass(frozen=True)
class _End:
    """Why a cluster is not what it should be, in EMR's words."""

    is_passing: bool
    where: str
    got: str
    remedy: str


def _end_of(cluster: Mapping[str, Any]) -> _End:
    status = cluster["Status"]
    reason = status.get("StateChangeReason") or {}
    code = reason.get("Code")
    is_passing = status["State"] in LIVING_STATES or code in _PASSING_CODES
    if is_passing:
        remedy = "look at EMR's events for the cluster"
    elif code == "USER_REQUEST":
        remedy = "ask who terminated it, and why"
    else:
        remedy = "correct what EMR names: emr settings of the context, bootstrap script, roles, subnet"
    got = " ".join(filter(None, (status["State"], code, reason.get("Message"))))
    return _End(is_passing, f"cluster {cluster['Id']}", got, remedy)


def _without_word(step: Mapping[str, Any], where: str) -> IdiscoverError:
    """It never got so far as to write its status: Spark, the code, or what the cluster may do."""
    return UnforeseenError(
        "the step failed before it could say why",
        where=where,
        got=details(step),
        remedy="read the step's stderr and controller log; was the code deployed, and may the cluster read it?",
    )
