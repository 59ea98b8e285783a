"""What a deploy would change of what runs now, section by section. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from idiscover.cli.planning.sections import Group, Section

NOW, PLANNED = "runs now", "planned"
_CONTEXT_LINES = 3


@dataclass(frozen=True)
class Difference:
    """A section that is not as it runs; `lines` are a unified diff, from what runs now to what is planned."""

    group: str
    section: str
    lines: tuple[str, ...]

    @property
    def title(self) -> str:
        """Where it is."""
        return f"{self.group}: {self.section}"

    def document(self) -> dict[str, Any]:
        """For `--json`."""
        return {"group": self.group, "section": self.section, "diff": list(self.lines)}


def differences(now: Mapping[str, Sequence[Section]], planned: Sequence[Group]) -> list[Difference]:
    """All sections that differ, in the plan's order; then the DAGs that would go.

    Args:
        now: title of a group → what of it runs now; a group that is not there does not run yet.
        planned: what is planned.
    """
    found: list[Difference] = []
    for group in planned:
        found += _of_group(group.title, now.get(group.title, ()), group.sections)
    for title in sorted(set(now) - {group.title for group in planned}):
        found += _of_group(title, now[title], ())
    return found


def _of_group(title: str, now: Sequence[Section], planned: Sequence[Section]) -> list[Difference]:
    before = {section.title: section.text for section in now}
    after = {section.title: section.text for section in planned}
    names = [*after, *(name for name in before if name not in after)]
    return [
        Difference(title, name, tuple(_diff(before.get(name), after.get(name))))
        for name in names
        if before.get(name) != after.get(name)
    ]


def _diff(before: str | None, after: str | None) -> list[str]:
    lines = [None if text is None else text.splitlines() for text in (before, after)]
    names = [name if found is not None else "nothing" for name, found in zip((NOW, PLANNED), lines, strict=True)]
    return list(difflib.unified_diff(lines[0] or [], lines[1] or [], *names, n=_CONTEXT_LINES, lineterm=""))
