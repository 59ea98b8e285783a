"""The day's progress: a table that moves on a terminal, a line per change of state elsewhere."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.live import Live
from rich.table import Table

from local.demo.runs import Progress, RowOfDay

_STYLES = {"success": "green", "failed": "red", "running": "yellow", "queued": "yellow", "waiting": "dim"}


def show_progress(console: Console, steps: Iterator[Progress]) -> None:
    """Shows every step until there are none left; errors of `steps` pass through, the last picture stays."""
    if console.is_terminal:
        with Live(console=console, refresh_per_second=4) as live:
            for progress in steps:
                live.update(_table(progress))
        return
    shown: dict[str, str] = {}
    for progress in steps:
        for row in progress.rows:
            text = _line(row)
            key = f"{row.state} {row.detail}"
            if shown.get(row.dag_id, "waiting ") != key:
                console.print(text, highlight=False, soft_wrap=True)
            shown[row.dag_id] = key


def _table(progress: Progress) -> Table:
    table = Table("DAG", "state", "what", "seconds", box=None, pad_edge=False)
    for row in progress.rows:
        style = _STYLES.get(row.state, "")
        table.add_row(row.dag_id, f"[{style}]{row.state}[/{style}]" if style else row.state, row.detail, _number(row))
    return table


def _line(row: RowOfDay) -> str:
    return f"  {row.dag_id:<36} {row.state:<8} {_number(row):>6} s  {row.detail}"


def _number(row: RowOfDay) -> str:
    return "" if row.seconds is None else f"{row.seconds:.1f}"
