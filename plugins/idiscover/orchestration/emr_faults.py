"""What EMR's and the step's own words about a failure mean: the error to raise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from idiscover.errors import FailureKind, FatalError, IdiscoverError, NextRunError, RetriableError, UnforeseenError
from idiscover.notify.failures import Failure
from idiscover.notify.run_failures import CLEAR_REMEDY
from idiscover.plan.model import ExtractionPlan, RunIdentity

LIVING_STATES = ["STARTING", "BOOTSTRAPPING", "RUNNING", "WAITING"]
ENDED_STATES = ["TERMINATED", "TERMINATED_WITH_ERRORS"]
# EMR's StateChangeReason codes for which another cluster may do better: EC2 out of capacity, a node lost, an outage.
_PASSING_CODES = frozenset({"INTERNAL_ERROR", "INSTANCE_FAILURE", "INSTANCE_FLEET_TIMEOUT"})
_CANCELLED_STATES = frozenset({"CANCELLED", "CANCEL_PENDING", "INTERRUPTED"})


def cluster_fault(cluster: Mapping[str, Any], what: str) -> IdiscoverError:
    """The error for a cluster that is not what it should be; `cluster` as DescribeCluster tells of it."""
    status = cluster["Status"]
    reason = status.get("StateChangeReason") or {}
    where = f"cluster {cluster['Id']}"
    got = " ".join(filter(None, (status["State"], reason.get("Code"), reason.get("Message"))))
    if status["State"] in LIVING_STATES or reason.get("Code") in _PASSING_CODES:
        return RetriableError(what, where=where, got=got, remedy="look at EMR's events for the cluster")
    if reason.get("Code") == "USER_REQUEST":
        return FatalError(what, where=where, got=got, remedy="ask who terminated it, and why")
    remedy = "correct what EMR names: the emr settings of the context, the bootstrap script, roles or subnet"
    return FatalError(what, where=where, got=got, remedy=remedy)


def step_fault(
    step: Mapping[str, Any], cluster: Mapping[str, Any], plan: ExtractionPlan, run: RunIdentity
) -> IdiscoverError:
    """The error for a step that did not complete; `step` and `cluster` as EMR describes them.

    A cluster that is gone comes first, for it ends its steps. Then the step's own word, which alone knows whether the
    fault is a passing one; a step without a word is told with EMR's.

    Raises:
        ConfigError, RetriableError: S3, where the step's word lies, cannot be asked.
    """
    from idiscover.aws.step_status import last_word

    where = f"step {step['Id']}"
    if cluster["Status"]["State"] not in LIVING_STATES:
        return _lost_cluster(cluster, where)
    if step["Status"]["State"] in _CANCELLED_STATES:
        return FatalError("somebody cancelled the step", where=where, remedy="ask who, and why")
    word = last_word(plan, run, step["Status"]["Timeline"]["CreationDateTime"])
    if word is None:
        return _without_word(step, where)
    if word.failure is None:
        return RetriableError(
            "the step was killed in the middle of its work",
            where=where,
            got=details(step),
            remedy="read the step's stderr: out of memory? Then a larger emr.instance_type",
        )
    return as_error(word.failure, where)


def as_error(failure: Failure, where: str) -> IdiscoverError:
    """The step's own error, in this process: of the same kind, with the same words."""
    kind = FatalError if failure.kind is FailureKind.NEEDS_A_PERSON else NextRunError
    if failure.is_retried:
        kind = UnforeseenError if failure.kind is FailureKind.NEEDS_A_PERSON else RetriableError
    return kind(
        f"the step failed with {failure.error}: {failure.what}",
        where="; ".join(filter(None, (where, failure.where))),
        key=failure.key,
        got=failure.got,
        expected=failure.expected,
        remedy=failure.remedy,
    )


def details(step: Mapping[str, Any]) -> str:
    """EMR's FailureDetails in one line; the message is the last line of the step's stderr."""
    told = step["Status"].get("FailureDetails") or {}
    named = (("Reason", "reason"), ("Message", "message"), ("LogFile", "log file"))
    return "; ".join(f"{name} {told[key]}" for key, name in named if told.get(key)) or "no FailureDetails"


def _lost_cluster(cluster: Mapping[str, Any], where: str) -> IdiscoverError:
    """No try of this run helps: whoever terminates the cluster knows of one cluster only."""
    fault = cluster_fault(cluster, "")
    kind = NextRunError if isinstance(fault, RetriableError) else FatalError
    remedy = f"{fault.remedy}; {CLEAR_REMEDY}"
    return kind("the cluster went away under its step", where=f"{where}, {fault.where}", got=fault.got, remedy=remedy)


def _without_word(step: Mapping[str, Any], where: str) -> IdiscoverError:
    """It never got so far as to write its status: Spark, the code, or what the cluster may do."""
    return UnforeseenError(
        "the step failed before it could say why",
        where=where,
        got=details(step),
        remedy="read the step's stderr and controller log; was the code deployed, and may the cluster read it?",
    )
