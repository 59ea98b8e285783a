"""What a case of a fault is, and how its plans are written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

Plan = Mapping[str, object]  # as POST /idiscover/faults takes it

PAGES = 3  # of the read, where they are read side by side
CALLS = ("count", "create_job", "job", "result_pages", "page")  # of an extraction, in their order


@dataclass(frozen=True)
class Fault:
    """One fault of Salesforce's, and what the extraction does.

    The read has three pages, two of them at once, unless `settings` say otherwise.
    """

    name: str
    fault: str
    outcome: str
    plans: Sequence[Plan]
    error: str | None = None  # class of the error that the first try ends with; None: it ends well
    says: str = ""  # in the error's text
    requests: Mapping[str, int] = field(default_factory=lambda: {"page": PAGES})  # of a kind, in the first try
    again: Mapping[str, int] = field(default_factory=dict)  # in the second try; none: pages that are not safe
    logins: int | None = 0  # more than one of each process; None: as many as there happen to be
    resumes: int = 0
    settings: Mapping[str, object] = field(default_factory=dict)  # of `request.salesforce`
    patience: Mapping[str, float] = field(default_factory=dict)  # constants of the client, in seconds


def on_page(effect: str, **more: object) -> Plan:
    return {"on": "page", "effect": effect, **more}


def error_on(on: str, error: str, **more: object) -> Plan:
    return {"on": on, "effect": "error", "error": error, **more}


def everywhere(error: str) -> tuple[Plan, ...]:
    """The first call of each kind, and of the pages the second."""
    return tuple(error_on(on, error, nth=2 if on == "page" else 1) for on in CALLS)
