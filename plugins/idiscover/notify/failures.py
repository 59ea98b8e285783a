"""What people are told of a failure: of one error, of one task, of the whole run. Pure.

Mails and status documents are made of the same models, so that they cannot contradict each other.
"""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from idiscover.errors import FailureKind, IdiscoverError, RetriableError
from idiscover.notify.redaction import redact

REASON_LENGTH = 4000  # characters of one reason
_PLACES = ("where", "key", "got", "expected")
_UNFORESEEN = "nobody foresaw this error: read the log, and tell the engineers"
_NO_WORD = (
    "its process ended without a word: it was killed, was out of memory, or its machine went away; if it happens "
    "again, look at the workers' memory"
)


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Failure(_Model):
    """One error, redacted. `error` is the name of its class.

    `is_retried`: whether another try of the same run may help, so that Airflow makes one if it has any left.
    """

    kind: FailureKind
    error: str
    is_retried: bool
    what: str
    where: str | None = None
    key: str | None = None
    got: str | None = None
    expected: str | None = None
    remedy: str | None = None

    @property
    def message(self) -> str:
        """All but the remedy, a line each."""
        places = [f"  {name}: {value}" for name in _PLACES if (value := getattr(self, name)) is not None]
        return _cut("\n".join([self.what, *places]))


class FailedTask(_Model):
    """A task that did not do its work.

    `failure` is None where it left no word; `tries` None where they were not counted; `state` is Airflow's.
    """

    task_id: str
    state: str
    failure: Failure | None = None
    tries: int | None = None
    log_uri: str | None = None
    countries: tuple[str, ...] = ()

    @property
    def is_cause(self) -> bool:
        """Whether it failed itself, rather than not being run because another had failed."""
        return self.state == "failed"

    @property
    def kind(self) -> FailureKind:
        """Of a task that left no word: passing, for its process was ended from outside."""
        return self.failure.kind if self.failure else FailureKind.PASSING

    @property
    def message(self) -> str:
        """What it said, or that it said nothing; empty if it is not a cause."""
        if self.failure is not None:
            return self.failure.message
        return _NO_WORD if self.is_cause else ""


class RunFailure(_Model):
    """A run that failed for good: what failed, whether somebody is needed, what happens next, where to look."""

    dag_id: str
    run_id: str
    kind: FailureKind
    failed: tuple[FailedTask, ...]
    by_itself: str
    to_do: str
    log_uri: str
    reason: str | None = None  # why a person started the run


def failure_of(error: BaseException) -> Failure:
    """An error, or the platform's error that caused it, as people are told of it.

    What is not the platform's is retried by Airflow like any exception, and needs a person if it stays; unless it is a
    plain fault of the network.
    """
    known = _known(error)
    if known is None:
        is_network = isinstance(error, ConnectionError | TimeoutError)
        return Failure(
            kind=FailureKind.PASSING if is_network else FailureKind.NEEDS_A_PERSON,
            error=type(error).__name__,
            is_retried=True,
            what=redact(f"{type(error).__name__}: {error}".rstrip(": ")),
            remedy=None if is_network else _UNFORESEEN,
        )
    texts = {name: None if (value := getattr(known, name)) is None else redact(str(value)) for name in _PLACES}
    return Failure(
        kind=known.kind,
        error=type(known).__name__,
        is_retried=isinstance(known, RetriableError),
        what=redact(known.what),
        remedy=None if known.remedy is None else redact(known.remedy),
        **texts,
    )


def kind_of(failed: Sequence[FailedTask]) -> FailureKind:
    """Of a run: somebody is needed as soon as one of its tasks needs somebody."""
    causes = [task for task in failed if task.is_cause]
    needs = any(task.kind is FailureKind.NEEDS_A_PERSON for task in causes)
    return FailureKind.NEEDS_A_PERSON if needs else FailureKind.PASSING


def explained(kind: FailureKind) -> str:
    """The kind in a sentence."""
    if kind is FailureKind.PASSING:
        return "passing: a later run may succeed though nobody changes anything"
    return "needs a person: every run fails the same way until somebody has changed something"


def tried(task: FailedTask) -> str:
    """How often a task was tried, and why it is not tried again."""
    often = {None: "as often as Airflow tries", 1: "once"}.get(task.tries, f"{task.tries} times")
    if task.failure is None or task.failure.is_retried:
        return f"{often}; Airflow has given up"
    if task.kind is FailureKind.PASSING:
        return f"{often}; no other try of this run would help"
    return f"{often}; another try would meet the same cause"


def remedies(failed: Sequence[FailedTask], kind: FailureKind) -> tuple[str, ...]:
    """What the errors of that kind say should be done, each once."""
    told = [task.failure.remedy for task in failed if task.failure and task.failure.remedy and task.kind is kind]
    return tuple(dict.fromkeys(told))


def _known(error: BaseException | None) -> IdiscoverError | None:
    while error is not None and not isinstance(error, IdiscoverError):
        error = error.__cause__
    return error


def _cut(text: str) -> str:
    return text if len(text) <= REASON_LENGTH else f"{text[:REASON_LENGTH]} … (cut; the log has all of it)"
