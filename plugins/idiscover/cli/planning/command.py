"""The verb `plan`: reads metadata, and shows, draws or compares what follows from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from rich.console import Console

from idiscover.cli.places import metadata_reader, read_context
from idiscover.cli.planning.collect import WholePlan, whole_plan
from idiscover.cli.planning.compare import Difference, differences
from idiscover.cli.planning.reading import ReadForPlan, read_for_plan
from idiscover.cli.planning.running import running_sections
from idiscover.cli.planning.sections import as_json
from idiscover.cli.planning.show import show_differences, show_plan
from idiscover.cli.release_code import code_sha, script_files
from idiscover.errors import ConfigError
from idiscover.plan.picture import as_mermaid
from idiscover.plan.picture_svg import as_svg

MERMAID = "mermaid"


@dataclass(frozen=True)
class PlanRequest:
    """The verb's arguments and options."""

    name: str
    metadata: str
    context: str
    root: Path
    order_date: str | None
    diff: bool
    picture: str | None
    as_json: bool


def run_plan(request: PlanRequest) -> bool:
    """Prints what was asked for; whether anything differs from what runs.

    Raises:
        ConfigError: the subject's metadata, or what they rest on, are wrong, there is no such object or table, or a
            picture of an unknown kind is asked for; with --diff, AWS refuses.
    """
    day = _date(request.order_date)
    console = Console(highlight=False)
    with Console(stderr=True).status("reading metadata …"):
        context = read_context(request.context)
        read = read_for_plan(metadata_reader(request.metadata, context.region), request.name)
        sha = code_sha(script_files(request.root))
        plan = whole_plan(read.catalog, context, sha, request.root / "sql", request.name, day)
    _warn(read)
    if request.picture is not None:
        _draw(console, plan, request.picture)
        return False
    if not request.diff:
        _show(console, plan, request.as_json)
        return False
    with Console(stderr=True).status("reading what runs …"):
        found = differences(running_sections(plan, request.root / "sql"), plan.groups)
    _show_differences(console, plan, found, request.as_json)
    return bool(found)


def _warn(read: ReadForPlan) -> None:
    """Tells mistakes of other objects and tables; what the plan shows of these is nothing."""
    if read.mistake is not None:
        console = Console(stderr=True, highlight=False)
        console.print(f"warning: {read.mistake}", markup=False, soft_wrap=True)
        left_out = f"left out of this plan, with what rests on them: {', '.join(read.left_out)}"
        console.print(left_out, markup=False, soft_wrap=True)


def _show(console: Console, plan: WholePlan, is_json: bool) -> None:
    if is_json:
        print(as_json(plan.document()))
    else:
        show_plan(console, plan)


def _show_differences(console: Console, plan: WholePlan, found: Sequence[Difference], is_json: bool) -> None:
    if is_json:
        print(as_json({"name": plan.subject.name, "differences": [item.document() for item in found]}))
    else:
        show_differences(console, found, f"environment {plan.context.environment}")


def _draw(console: Console, plan: WholePlan, target: str) -> None:
    if target == MERMAID:
        print(as_mermaid(plan.picture), end="")
        return
    path = Path(target)
    title = f"What wakes what, from {plan.subject.name}"
    drawings = {".svg": lambda: as_svg(plan.picture, title), ".mmd": lambda: as_mermaid(plan.picture)}
    if path.suffix not in drawings:
        raise ConfigError(
            "no such kind of picture", key="--picture", got=target, expected="mermaid, or a file .svg or .mmd"
        )
    path.write_text(drawings[path.suffix](), encoding="utf-8")
    console.print(f"{path}: {len(plan.picture.nodes)} DAGs")


def _date(text: str | None) -> date | None:
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError:
        raise ConfigError("not a date", key="--order-date", got=text, expected="YYYY-MM-DD") from None
