"""The verb `doctor`: runs the checks, and prints each finding as soon as it is known."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from dataclasses import asdict
from functools import cache
from pathlib import Path

from rich.console import Console
from rich.text import Text

from idiscover.cli.doctor.checks import Check, Finding, Outcome, run_checks
from idiscover.cli.doctor.machine import machine_checks
from idiscover.cli.doctor.services import service_checks
from idiscover.cli.doctor.stores import store_checks
from idiscover.cli.joining import more_checks
from idiscover.cli.places import read_context
from idiscover.cli.running import RunningDags, running_dags
from idiscover.metadata.models import Context

_STYLES = {Outcome.OK: "green", Outcome.WARN: "yellow", Outcome.FAIL: "bold red"}
_NAME_WIDTH = 20


def run_doctor(context_place: str, root: Path, as_json: bool) -> bool:
    """Prints every finding; whether all is well enough.

    Raises:
        ConfigError: the context is missing or wrong.
    """
    context = read_context(context_place)
    findings = run_checks(all_checks(context, root))
    if as_json:
        found = list(findings)
        counts = {outcome.value: sum(item.outcome is outcome for item in found) for outcome in Outcome}
        document = {"environment": context.environment, **counts, "findings": [asdict(item) for item in found]}
        print(json.dumps(document, indent=2, ensure_ascii=False))
    else:
        found = _show(Console(highlight=False), context, findings)
    return all(item.outcome is not Outcome.FAIL for item in found)


def all_checks(context: Context, root: Path) -> Sequence[Check]:
    """Of the machine, of what the environment has of its own, and of the environment."""

    @cache
    def running() -> RunningDags:
        return running_dags(context)

    own = more_checks.get(context.environment, list)()
    return [
        *machine_checks(root),
        *own,
        *service_checks(context, running)[:1],  # AWS itself comes before what needs it
        *store_checks(context, root, running),
        *service_checks(context, running)[1:],
    ]


def _show(console: Console, context: Context, findings: Iterable[Finding]) -> list[Finding]:
    """A line per finding, and its remedy below."""
    console.print(Text(f"environment {context.environment}", style="bold"))
    found = []
    with console.status("asking …") if console.is_terminal else nullcontext():
        for item in findings:
            found.append(item)
            line = Text.assemble((f"{item.outcome:<5}", _STYLES[item.outcome]), f"{item.check:<{_NAME_WIDTH}}")
            console.print(line.append(f" {item.found}"), soft_wrap=True)
            if item.remedy is not None:
                console.print(Text(f"{'':<6}{'':<{_NAME_WIDTH}}remedy: {item.remedy}"), soft_wrap=True)
    console.print(_summary(found))
    return found


def _summary(found: Sequence[Finding]) -> str:
    counts = {outcome: sum(item.outcome is outcome for item in found) for outcome in Outcome}
    if not counts[Outcome.FAIL] and not counts[Outcome.WARN]:
        return f"all {len(found)} checks are ok"
    return ", ".join(f"{count} {outcome}" for outcome, count in counts.items() if count)
