"""What `idiscover onboard` tells a person: what was decided and guessed, what is left to do by hand, what is next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Console
from rich.syntax import Syntax
from rich.text import Text

from idiscover.cli.onboarding import SOURCE_TABLES, Onboarded, Onboarding
from idiscover.metadata.proposals import Proposal
from idiscover.metadata.refreshing import MissingField, Refresh
from idiscover.warehouse.migration_plan import described

_FEW = 12


def show(console: Console, found: Onboarding, ddl: bool) -> None:
    """Everything but the questions: per object what was found, then the files as a diff."""
    for item in found.objects:
        _object(console, item)
    console.print(found.folder.diff(), end="", soft_wrap=True)
    if ddl:
        for table in (table for item in found.objects for table in item.tables):
            console.print()
            _sql(console, table)


def next_steps(found: Onboarding) -> list[str]:
    """What is to be done once the files are written, in order."""
    new = [item.object for item in found.objects if item.proposal is not None]
    altered = [item.object for item in found.objects if item.alterations]
    steps = ["read the files, and correct what was guessed: lines marked # to confirm, descriptions, grain, owner"]
    steps.append("idiscover validate")
    steps += [f"idiscover plan {item.object} shows all that would run" for item in found.objects]
    if altered:
        if any(change.needs_migration for item in found.objects for change in item.alterations):
            steps.append("idiscover migrate --draft NAME writes the migration for what no deploy does by itself")
        steps.append(
            f"when no batch of {', '.join(altered)} is pending: idiscover deploy --context context/<environment>.yaml"
        )
    else:
        steps.append("idiscover deploy --context context/<environment>.yaml (on a laptop: make up)")
    for name in new:
        steps.append(f"idiscover run {name}: its first run reads everything from `start`, and itg.{name} follows")
    if new:
        steps.append(
            f"{SOURCE_TABLES} is woken by the new tables; a mart that uses them: docs/add-an-object.md, part 5"
        )
    elif any(item.refresh and item.refresh.added for item in found.objects):
        steps.append("rows read before have null in new columns until they change; a backfill reads them again")
    return steps


def as_json(found: Onboarding, written: Sequence[str]) -> dict[str, Any]:
    """The same for machines."""
    return {
        "objects": [_object_json(item) for item in found.objects],
        "changed": found.folder.changed,
        "files": {path: found.folder.text(path) for path in found.folder.changed},
        "written": list(written),
        "next": next_steps(found) if found.folder.changed else [],
    }


def _object_json(item: Onboarded) -> dict[str, Any]:
    subject = item.proposal or item.refresh
    assert subject is not None
    return {
        "object": item.object,
        "salesforce_object": subject.org.name,
        "is_new": item.proposal is not None,
        "to_confirm": subject.to_confirm,
        "notes": list(subject.notes),
        "left_out": [{"field": field.name, "why": field.left_out} for field in subject.org.left_out],
        "missing": [_missing(one) for one in item.refresh.missing] if item.refresh else [],
        "changed": _changes(item.refresh) if item.refresh else [],
        "warnings": list(item.warnings),
        "by_itself": [change.sql for change in item.alterations if change.is_automatic],
        "needs_migration": [described(change) for change in item.alterations if change.needs_migration],
    }


def _object(console: Console, item: Onboarded) -> None:
    if item.proposal is not None:
        _new(console, item.proposal)
    if item.refresh is not None:
        _refreshed(console, item.refresh)
    _list(console, "watch out", item.warnings, "yellow")
    automatic = [change for change in item.alterations if change.is_automatic]
    if automatic:
        console.print(Text("the next deploy runs by itself:", style="bold"))
        for change in automatic:
            _sql(console, change.sql)
    planned = [change for change in item.alterations if change.needs_migration]
    if planned:
        console.print(Text("no deploy does by itself, so that it needs a migration:", style="bold yellow"))
        for change in planned:
            console.print(Text(f"  {described(change)}; {change.why}", style="yellow"))
    console.print()


def _new(console: Console, proposal: Proposal) -> None:
    org = proposal.org
    console.print(Text(f"{org.name} → {proposal.object}", style="bold"))
    console.print(f"  {len(proposal.fields)} of {len(org.fields)} fields", highlight=False)
    for note in proposal.notes:
        console.print(Text(f"  {note}"))
    _list(console, "to confirm", proposal.to_confirm, "yellow")
    _left_out(console, proposal.org.left_out, proposal.not_taken)


def _refreshed(console: Console, refresh: Refresh) -> None:
    console.print(Text(f"{refresh.org.name} → {refresh.spec.object}, which is extracted already", style="bold"))
    _list(console, "new in the org", [f"{item.field.name} → {item.column}" for item in refresh.added], "green")
    _list(console, "changed in the org", _changes(refresh), "yellow")
    _list(console, "gone from the org", [_missing(item) for item in refresh.missing], "red")
    _list(console, "noted", refresh.notes, "yellow")
    _list(console, "to confirm", refresh.to_confirm, "yellow")
    if not (refresh.added or refresh.changed or refresh.missing or refresh.not_taken):
        console.print("  nothing has changed")


def _changes(refresh: Refresh) -> list[str]:
    told = []
    for change in refresh.changed:
        kept = "" if change.grown is not None else "; the file stays, as a column never shrinks"
        told.append(f"{change.spec.salesforce} ({change.spec.column}): {', '.join(change.differences)}{kept}")
    return told


def _missing(item: MissingField) -> str:
    name, column = item.spec.salesforce, item.spec.column
    remedy = (
        f"if it is {item.renamed_to} now, write salesforce: {item.renamed_to} and keep column: {column}"
        if item.renamed_to
        else "extractions fail by its name until it is taken out of the file, or the integration user sees it again; "
        "its column stays in the tables, with what was read"
    )
    return f"{name} ({column}): {remedy}"


def _left_out(console: Console, cannot: Sequence[Any], not_wanted: Sequence[str]) -> None:
    _list(console, "left out", [f"{field.name} ({field.type}): {field.left_out}" for field in cannot], "dim")
    if not_wanted:
        console.print(Text(f"  not asked for: {len(not_wanted)} fields, listed at the end of the file", style="dim"))


def _list(console: Console, head: str, items: Sequence[str], style: str) -> None:
    for line in _lines(head, items):
        console.print(Text(line, style=style), soft_wrap=True)


def _lines(head: str, items: Sequence[str]) -> Iterator[str]:
    if items:
        yield f"  {head}:"
        yield from (f"    {item}" for item in items[:_FEW])
        if len(items) > _FEW:
            yield f"    … and {len(items) - _FEW} more, marked in the file"


def _sql(console: Console, text: str) -> None:
    if console.is_terminal:
        console.print(Syntax(text, "sql", background_color="default", word_wrap=True))
    else:
        console.print(text, highlight=False, soft_wrap=True, markup=False)
