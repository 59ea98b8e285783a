"""Progress of followed runs: a table that moves on a terminal, a line per change elsewhere."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from idiscover.cli.runs.following import FAILED, RUNNING, SUCCESS, WAITING, Followed, FollowedRun

_STYLES = {SUCCESS: "green", FAILED: "bold red", RUNNING: "yellow", "queued": "yellow", WAITING: "dim"}


def show(console: Console, steps: Iterator[Followed]) -> None:
    """Shows every step until there are none left; the last picture stays, errors of `steps` pass through."""
    if console.is_terminal:
        with Live(console=console, refresh_per_second=4) as live:
            for followed in steps:
                live.update(_table(followed))
        return
    shown: dict[tuple[str, str | None], str] = {}
    for followed in steps:
        for run in followed.runs:
            key = (run.dag_id, run.run_id)
            if shown.get(key) != run.state:
                console.print(line(run), highlight=False, markup=False, soft_wrap=True)
            shown[key] = run.state


def line(run: FollowedRun) -> str:
    """One run as a line of text."""
    return f"{run.dag_id:<44} {run.state:<8} {_seconds(run):>8}  {run.detail}".rstrip()


def _table(followed: Followed) -> Table:
    table = Table("DAG", "state", "", "what", box=None, pad_edge=False)
    table.columns[2].justify = "right"
    for run in followed.runs:
        table.add_row(run.dag_id, Text(run.state, style=_STYLES.get(run.state, "")), _seconds(run), run.detail)
    return table


def _seconds(run: FollowedRun) -> str:
    return "" if run.seconds is None else f"{run.seconds:,.1f} s"
