"""What a check is, and how they are run: each whatever became of those before it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from idiscover.errors import IdiscoverError
from idiscover.notify.redaction import redact


class Outcome(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARN = "warn"  # it works, or could not be checked here
    FAIL = "fail"


@dataclass(frozen=True)
class Finding:
    """What a check found; `remedy` where it is not ok."""

    check: str
    outcome: Outcome
    found: str
    remedy: str | None = None


Report = Iterable[Finding]


@dataclass(frozen=True)
class Check:
    """A question with one or several findings.

    `remedy` is for errors that name none themselves.
    """

    name: str
    ask: Callable[[], Report]
    remedy: str


def run_checks(checks: Iterable[Check]) -> Iterator[Finding]:
    """The findings of all checks, each as soon as it is known; a check that raises has failed."""
    for check in checks:
        try:
            yield from check.ask()
        except IdiscoverError as error:
            parts = [error.what, *(str(part) for part in (error.where, error.key, error.got) if part is not None)]
            yield Finding(check.name, Outcome.FAIL, redact("; ".join(parts)), error.remedy or check.remedy)
        except Exception as error:  # whatever a check meets, the others are asked all the same
            yield Finding(check.name, Outcome.FAIL, redact(f"{type(error).__name__}: {error}"), check.remedy)


def ok(check: str, found: str) -> Finding:
    """Nothing to do."""
    return Finding(check, Outcome.OK, found)


def warn(check: str, found: str, remedy: str) -> Finding:
    """It works all the same, or could not be checked here."""
    return Finding(check, Outcome.WARN, found, remedy)


def fail(check: str, found: str, remedy: str) -> Finding:
    """Something will not work until it is mended."""
    return Finding(check, Outcome.FAIL, found, remedy)


def some(names: Iterable[str], most: int = 5) -> str:
    """Names in their order; the rest of many counted."""
    found = sorted(names)
    more = f" and {len(found) - most} more" if len(found) > most else ""
    return ", ".join(found[:most]) + more
