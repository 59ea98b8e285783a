"""What is published, as text for people. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class StandingSource:
    """A data source that was published from here, or shall be.

    Attributes:
        subject: whose title it has; None: nobody publishes it any more.
        version: fingerprint of its text; None: it is not there.
        is_current: whether the text is the one that would be published.
        updated_at: as Tableau tells it, UTC.
        note: of its certification; None: it is not certified.
        warning: what viewers are warned of.
    """

    title: str
    subject: str | None
    version: str | None = None
    is_current: bool = False
    updated_at: str = ""
    note: str | None = None
    warning: str | None = None


def inventory_text(sources: Sequence[StandingSource]) -> str:
    """A few lines per data source."""
    return "\n".join(line for source in sources for line in _lines(source)) or "no subjects, and nothing published"


def _lines(source: StandingSource) -> list[str]:
    head = f"{source.title} ({source.subject or 'of no subject'}): {_version(source)}"
    if source.version is None:
        return [head]
    lines = [head, f"  {'certified: ' + source.note if source.note is not None else 'not certified'}"]
    if source.warning is not None:
        lines.append(f"  warning: {source.warning}")
    return lines


def _version(source: StandingSource) -> str:
    if source.version is None:
        return "not published yet"
    known = f"version {source.version}, changed {source.updated_at} UTC"
    if source.subject is None:
        return f"{known}; nobody publishes it any more: idiscover tableau prune"
    return known if source.is_current else f"{known}; another text would be published"
