"""A plan for people: sections with headings, SQL and JSON in colours on a terminal, plain text elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.syntax import Syntax
from rich.text import Text

from idiscover.cli.planning.collect import WholePlan
from idiscover.cli.planning.compare import Difference
from idiscover.cli.planning.sections import Group, Section
from idiscover.plan.picture import as_text

_THEME = "ansi_dark"  # the terminal's own colours
_LEXERS = {"sql": "postgresql", "soql": "sql", "json": "json"}
_SIGNS = {"+": "green", "-": "red", "@": "cyan"}


def show_plan(console: Console, plan: WholePlan) -> None:
    """Everything, DAG by DAG, then what a release brings, then the picture."""
    day = f", order date {plan.order_date}" if plan.order_date else ""
    _heading(console, f"{plan.subject.kind} {plan.subject.name} in environment {plan.context.environment}{day}")
    _print(console, "nothing of this was sent, run or written")
    for group in plan.groups:
        _show_group(console, group)
    console.print()
    _heading(console, "what wakes what")
    _print(console, as_text(plan.picture))


def show_differences(console: Console, differences: Sequence[Difference], where: str) -> None:
    """What a deploy of this would change, per section."""
    if not differences:
        _print(console, f"nothing differs from what runs in {where}")
        return
    for difference in differences:
        _heading(console, difference.title)
        for line in difference.lines:
            console.print(Text(line, style=_SIGNS.get(line[:1], "")), soft_wrap=True)
        console.print()


def _show_group(console: Console, group: Group) -> None:
    console.print()
    _heading(console, group.title)
    for note in group.notes:
        _print(console, note)
    for section in group.sections:
        console.print()
        console.print(Text(section.title, style="bold"), soft_wrap=True)
        _show_section(console, section)


def _show_section(console: Console, section: Section) -> None:
    if section.is_folded:
        _print(console, _indented(f"{section.summary} (--json shows it)"))
    elif section.language and console.is_terminal:
        lexer = _LEXERS[section.language]
        highlighted = Syntax("", lexer, theme=_THEME, background_color="default").highlight(_indented(section.text))
        highlighted.rstrip()
        console.print(highlighted, soft_wrap=True)
    else:
        _print(console, _indented(section.text))


def _heading(console: Console, text: str) -> None:
    console.print(Text(text, style="bold cyan"), soft_wrap=True)
    console.print(Text("─" * len(text), style="cyan"), soft_wrap=True)


def _print(console: Console, text: str) -> None:
    """As it is: no markup, no colours of numbers, no lines that are broken for the terminal's width."""
    console.print(Text(text), soft_wrap=True)


def _indented(text: str) -> str:
    return "\n".join(f"  {line}".rstrip() for line in text.splitlines())
