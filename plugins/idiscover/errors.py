"""The errors of the platform, named by what the caller should do about them.

`orchestration/` maps them to Airflow's retry or fail in one place: `RetriableError` is retried,
all others fail the task at once, because a second try would meet the same cause.

Two questions are told apart. Would another try of this run help? Only after a `RetriableError`. Does
somebody have to change something? That is an error's `kind`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar

DETAILS = ("where", "key", "got", "expected", "did_you_mean", "remedy")  # of an error, in the order of its text


class FailureKind(StrEnum):
    """Whether a failure goes away by itself."""

    PASSING = "passing"  # a later run may succeed though nobody has changed anything
    NEEDS_A_PERSON = "needs a person"  # every run fails the same way until somebody has changed something


class IdiscoverError(Exception):
    """Base of all errors of the platform.

    A message says where, what was found, what was expected and what to do.

    Args:
        what: one sentence that names the fault.
        where: file, S3 key, object or table that it concerns.
        key: the key or column inside `where`.
        got: what was found.
        expected: what should have been there.
        did_you_mean: the known name that is nearest to what was found.
        remedy: what a person can do now.
    """

    kind: ClassVar[FailureKind] = FailureKind.NEEDS_A_PERSON

    def __init__(
        self,
        what: str,
        *,
        where: str | None = None,
        key: str | None = None,
        got: object = None,
        expected: object = None,
        did_you_mean: str | None = None,
        remedy: str | None = None,
    ) -> None:
        self.what, self.where, self.key = what, where, key
        self.got, self.expected, self.did_you_mean, self.remedy = got, expected, did_you_mean, remedy
        super().__init__(self._text())

    def _text(self) -> str:
        parts = [self.what]
        for name in DETAILS:
            value = getattr(self, name)
            if value is not None:
                parts.append(f"  {name.replace('_', ' ')}: {value}")
        return "\n".join(parts)


class ConfigError(IdiscoverError):
    """Metadata, context or a parameter is wrong; a person has to change it."""

    def at(self, where: str, key: str | None = None) -> ConfigError:
        """The same fault, told of another place."""
        details = {name: getattr(self, name) for name in DETAILS}
        return ConfigError(self.what, **{**details, "where": where, "key": key or self.key})


class RetriableError(IdiscoverError):
    """A passing fault (network, throttling, lock); the same call may succeed later."""

    kind = FailureKind.PASSING


class UnforeseenError(RetriableError):
    """A fault that nobody foresaw: tried again, because it may pass; if it stays, a person has to look."""

    kind = FailureKind.NEEDS_A_PERSON


class NextRunError(IdiscoverError):
    """A passing fault that outlasts this run (a daily limit, a lost cluster or claim): no try of it helps, a later run
    may.
    """

    kind = FailureKind.PASSING


class FatalError(IdiscoverError):
    """A fault that no retry mends; a person has to look."""


class DataQualityError(IdiscoverError):
    """Counts or contents differ between two places that must agree."""
