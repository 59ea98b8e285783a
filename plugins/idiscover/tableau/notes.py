"""What a published data source says of itself: how fresh and how complete its table is, and which checks failed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

MARK = "iDiscover: "  # begins our warnings, so that those of people are left alone


@dataclass(frozen=True)
class TableState:
    """A table as it stands, and as dm.dm_data_freshness has compared it with its source; times UTC.

    Attributes:
        is_compared: whether that was after the load; if not, there is neither status nor what is known of the source.
    """

    table: str
    rows: int
    loaded_at: datetime | None
    source: str | None = None
    status: str = ""
    source_live_rows: int | None = None
    high_water_at: datetime | None = None
    is_compared: bool = True


@dataclass(frozen=True)
class Failure:
    """A check whose newest outcome is a failure, in the countries where it is. No keys: they may tell of persons.

    Attributes:
        origin: the table that it checks, where that is not the subject's own but one that it is made of.
    """

    check: str
    severity: str
    countries: Sequence[str]
    origin: str | None = None


def certification_note(state: TableState | None, failures: Sequence[Failure]) -> str:
    """Freshness and reconciliation of a subject's table, in a few sentences. The same state gives the same text."""
    parts = [rows_note(state)]
    if state is None:
        return parts[0]
    if state.high_water_at is not None:
        parts.append(f"The source is known up to {state.high_water_at:%Y-%m-%d %H:%M} UTC.")
    if not state.is_compared:
        parts.append("Not compared with its source yet.")
    elif state.source is not None:
        live = "" if state.source_live_rows is None else f" ({state.source_live_rows:,} live rows)"
        parts.append(f"Compared with {state.source}{live}: {state.status}.")
    if failures:
        parts.append(f"Checks that failed: {_told(failures)}.")
    else:
        parts.append("No check has failed.")
    return " ".join(parts)


def rows_note(state: TableState | None) -> str:
    """How the note begins: with the load whose rows there are."""
    if state is None:
        return "Published by iDiscover. Nothing was loaded yet."
    loaded = "never" if state.loaded_at is None else f"{state.loaded_at:%Y-%m-%d %H:%M:%S}"
    return f"Loaded {loaded} UTC, {state.rows:,} rows."


def stale_warning(state: TableState | None, failures: Sequence[Failure]) -> str | None:
    """What viewers are warned of; None where there is nothing.

    With severity fail, the rows of these countries are those of the last good load.

    Args:
        state: of the subject's table; None: nothing was loaded.
        failures: of that table, and those that have stopped a table that it is made of.
    """
    faults = []
    stopped = [failure for failure in failures if failure.severity == "fail" and failure.origin is None]
    if stopped:
        faults.append(f"the last load was refused, rows are those of the last good one ({_told(stopped)})")
    before = [failure for failure in failures if failure.severity == "fail" and failure.origin is not None]
    if before:
        faults.append(f"what the rows are made of was refused, and is that of the last good load ({_told(before)})")
    warned = [failure for failure in failures if failure.severity != "fail"]
    if warned:
        faults.append(f"a check found something ({_told(warned)})")
    if state is not None and state.status == "Different":
        faults.append(f"{state.table} has other rows than {state.source}")
    return f"{MARK}{'; '.join(faults)}" if faults else None


def _told(failures: Sequence[Failure]) -> str:
    return "; ".join(
        f"{f'{failure.origin}: ' if failure.origin else ''}{failure.check} in {', '.join(sorted(failure.countries))}"
        for failure in failures
    )
