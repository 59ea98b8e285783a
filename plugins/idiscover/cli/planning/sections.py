"""What would run, as sections of text: the form in which a plan is shown, written as JSON and compared."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# What only a run knows, as it is shown.
RUN_ID, BATCH_ID, WATERMARK = "<run_id>", "<batch_id>", "<watermark>"


@dataclass(frozen=True)
class Section:
    """One thing that would be sent, run or written.

    `language` is sql, soql or json, empty for plain text. One that is `folded` is shown by its summary, and compared
    and written as JSON whole.
    """

    title: str
    text: str
    language: str = ""
    summary: str = ""

    @property
    def is_folded(self) -> bool:
        """Whether the text form shows the summary alone."""
        return bool(self.summary)

    def document(self) -> dict[str, Any]:
        """For `--json`: the text, or the value where the text is JSON itself."""
        value = json.loads(self.text) if self.language == "json" else self.text
        return {"title": self.title, "language": self.language or "text", "value": value}


@dataclass(frozen=True)
class Group:
    """What one DAG does, or what a release brings; `notes` are for people, and never compared."""

    title: str
    sections: tuple[Section, ...]
    notes: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "title": self.title,
            "notes": list(self.notes),
            "sections": [section.document() for section in self.sections],
        }


def facts(rows: Sequence[tuple[str, str]]) -> str:
    """Names and values, aligned; values may have several lines."""
    width = max(len(name) for name, _ in rows)
    lines = []
    for name, value in rows:
        first, *rest = value.split("\n") or [""]
        lines.append(f"{name:<{width}}  {first}".rstrip())
        lines += [f"{'':<{width}}  {line}".rstrip() for line in rest]
    return "\n".join(lines)


def as_json(value: Mapping[str, Any] | Sequence[Any]) -> str:
    """A document as it is shown and compared."""
    return json.dumps(value, indent=2, ensure_ascii=False)
