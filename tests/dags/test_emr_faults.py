"""What EMR's and the step's own words come to: tried again, left to the next run, or a person's."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from idiscover.aws import step_status
from idiscover.errors import (
    DataQualityError,
    FailureKind,
    FatalError,
    IdiscoverError,
    NextRunError,
    RetriableError,
    UnforeseenError,
)
from idiscover.notify.failures import failure_of
from idiscover.orchestration.emr_faults import start_fault, step_fault

from tests.unit.notify.examples import EXTRACTION, RUN

ADDED = datetime(2026, 1, 6, 0, 10, tzinfo=UTC)
DETAILS = {"Reason": "Unknown Error.", "Message": "java.lang.OutOfMemoryError", "LogFile": "s3://logs/stderr.gz"}


def cluster(state: str, code: str | None = None) -> dict[str, Any]:
    reason = {"Code": code, "Message": "EMR's words"} if code else {}
    return {"Id": "j-1", "Status": {"State": state, "StateChangeReason": reason}}


def step(state: str = "FAILED") -> dict[str, Any]:
    status = {"State": state, "Timeline": {"CreationDateTime": ADDED}, "FailureDetails": DETAILS}
    return {"Id": "s-1", "Status": status}


@pytest.mark.parametrize(
    ("of", "kind", "says"),
    [
        (cluster("STARTING"), RetriableError, "STARTING"),
        (cluster("TERMINATED_WITH_ERRORS", "INTERNAL_ERROR"), RetriableError, "EMR's words"),
        (cluster("TERMINATED_WITH_ERRORS", "INSTANCE_FAILURE"), RetriableError, "INSTANCE_FAILURE"),
        (cluster("TERMINATED_WITH_ERRORS", "BOOTSTRAP_FAILURE"), FatalError, "bootstrap script"),
        (cluster("TERMINATED_WITH_ERRORS", "VALIDATION_ERROR"), FatalError, "emr settings of the context"),
        (cluster("TERMINATING", "USER_REQUEST"), FatalError, "ask who terminated it"),
    ],
)
def test_a_cluster_that_does_not_come_up(of: dict[str, Any], kind: type[IdiscoverError], says: str) -> None:
    fault = start_fault(of)
    assert type(fault) is kind and says in str(fault) and "cluster j-1" in str(fault)


class Spoken:
    """The bucket in which the step's status document lies; None: there is none."""

    def __init__(self, document: str | None) -> None:
        self.document = document

    def __call__(self, _name: str, _region: str) -> Spoken:
        return self

    def exists(self, _key: str) -> bool:
        return self.document is not None

    def read_text(self, _key: str) -> str:
        assert self.document is not None
        return self.document


def document(error: Exception | None, after: timedelta = timedelta(seconds=20)) -> str:
    told = None if error is None else failure_of(error).model_dump(mode="json")
    return json.dumps({"started_at_utc": (ADDED + after).isoformat(), "state": "…", "failure": told})


LIVING, GONE = cluster("WAITING"), cluster("TERMINATED", "ALL_STEPS_COMPLETED")
DOWN, WRONG = RetriableError("Salesforce is not available", remedy="wait"), DataQualityError("counts differ", got="3")
USED_UP = NextRunError("calls are used up")


@pytest.mark.parametrize(
    ("told", "of", "kind", "says"),
    [
        (document(DOWN), LIVING, RetriableError, "the step failed with RetriableError: Salesforce is not available"),
        (document(DOWN), GONE, NextRunError, "Salesforce is not available"),
        (document(WRONG), LIVING, FatalError, "the step failed with DataQualityError: counts differ"),
        (document(USED_UP), LIVING, NextRunError, "calls are used up"),
        (document(KeyError("x")), LIVING, UnforeseenError, "KeyError"),
        (document(None), LIVING, RetriableError, "killed in the middle"),
        (document(None), GONE, NextRunError, "killed in the middle"),
        (document(WRONG, timedelta(minutes=-9)), LIVING, UnforeseenError, "before it could say why"),
        (None, LIVING, UnforeseenError, "OutOfMemoryError"),
        ("not JSON", LIVING, UnforeseenError, "s3://logs/stderr.gz"),
        ("{}", LIVING, UnforeseenError, "before it could say why"),
    ],
)
def test_a_step_that_failed(
    told: str | None, of: dict[str, Any], kind: type[IdiscoverError], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(step_status, "Bucket", Spoken(told))
    fault = step_fault(step(), of, EXTRACTION, RUN)
    assert type(fault) is kind and says in str(fault) and "step s-1" in str(fault)


def test_the_kind_and_the_remedy_of_the_steps_error_come_through(monkeypatch: pytest.MonkeyPatch) -> None:
    for error in (DOWN, WRONG, USED_UP, KeyError("x")):
        monkeypatch.setattr(step_status, "Bucket", Spoken(document(error)))
        fault = step_fault(step(), LIVING, EXTRACTION, RUN)
        assert fault.kind is failure_of(error).kind and fault.remedy == failure_of(error).remedy


@pytest.mark.parametrize(
    ("state", "of", "kind", "says"),
    [
        ("CANCELLED", LIVING, FatalError, "somebody cancelled the step"),
        ("CANCELLED", cluster("TERMINATED", "USER_REQUEST"), FatalError, "ask who terminated it"),
        ("INTERRUPTED", cluster("TERMINATED_WITH_ERRORS", "INSTANCE_FAILURE"), NextRunError, "INSTANCE_FAILURE"),
    ],
)
def test_a_step_that_was_ended(state: str, of: dict[str, Any], kind: type[IdiscoverError], says: str) -> None:
    fault = step_fault(step(state), of, EXTRACTION, RUN)
    assert type(fault) is kind and says in str(fault)
    assert (fault.kind is FailureKind.PASSING) == (kind is NextRunError)
