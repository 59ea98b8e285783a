"""The verbs demo, day, up and verify: bring up, run a day, count it."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta

import psutil
from rich.console import Console

from local.demo.progress import show_progress
from local.demo.report import print_addresses, print_mails, print_sample, print_travel, print_verdict
from local.demo.runs import DayFailed, all_dags, create_runs, follow, is_under_way, wait_for_dags
from local.demo.stand import Stand
from local.demo.verification import verify_day
from local.demo.where_time_went import print_where_time_went, record_of_day
from local.provisioning import provision
from local.stack.cpu import processor_time, spent
from local.stack.layout import stack_layout
from local.stack.stack import start

# without a terminal the output goes to a file or a log: wide enough that nothing is cut
_WIDTH_WITHOUT_TERMINAL = 180
console = Console(width=None if Console().is_terminal else _WIDTH_WITHOUT_TERMINAL)


def bring_up(stack: str, options: dict[str, str]) -> int:
    """Starts what is missing, provisions, and says where things are."""
    print_addresses(console, _bring_up(stack, options))
    return 0


def run_demo(stack: str, options: dict[str, str]) -> int:
    """Brings the stack up and runs the org's last complete day."""
    begun = time.monotonic()
    stand = _bring_up(stack, options)
    code = _run_day(stand, _order_date(stand))
    print_addresses(console, stand)
    console.print(f"demo: {time.monotonic() - begun:.0f} s")
    return code


def run_next_day(stack: str) -> int:
    """Moves the org one day on and runs that day.

    A day before it that is still under way ends first. One that failed is caught up: the new day's window starts at the
    watermark.
    """
    begun = time.monotonic()
    stand = _bring_up(stack, {})
    before = _order_date(stand)
    if is_under_way(stand, before):
        console.print(f"order date {before} is still under way: it ends first", highlight=False)
        _run_day(stand, before)
    stand.advance_org()
    code = _run_day(stand, _order_date(stand))
    if code == 0:
        print_travel(console, stand)
    console.print(f"day: {time.monotonic() - begun:.0f} s")
    return code


def run_verification(stack: str) -> int:
    """Counts the org's last complete day anew."""
    stand = _bring_up(stack, {})
    return print_verdict(console, verify_day(stand, _order_date(stand)))


def _bring_up(stack: str, options: dict[str, str]) -> Stand:
    layout = stack_layout(stack)
    console.print(f"[bold]stack {stack}[/bold] in {layout.home}")
    settings = start(layout, console.print, options)
    stand = Stand(layout, settings)
    for line in provision(layout, settings, stand.api):
        console.print(f"  {line}", highlight=False)
    wait_for_dags(stand, set(all_dags(stand)))
    return stand


def _run_day(stand: Stand, order_date: date) -> int:
    since = datetime.now(UTC) - timedelta(seconds=5)
    begun, begun_at, used = time.monotonic(), datetime.now(UTC), processor_time(stand.layout)
    console.print(f"\n[bold]order date {order_date}[/bold]: {create_runs(stand, order_date)}", highlight=False)
    try:
        show_progress(console, follow(stand, order_date, since))
    except DayFailed as error:
        console.print(f"\n[red]the day failed[/red]\n{error}", highlight=False)
        return 1
    wall_seconds, seconds = time.monotonic() - begun, spent(used, processor_time(stand.layout))
    console.print(f"through in {wall_seconds:.0f} s", highlight=False)
    code = print_verdict(console, verify_day(stand, order_date))
    print_mails(console, stand, since)
    print_sample(console, stand)
    print_where_time_went(console, record_of_day(stand, begun_at), seconds, psutil.cpu_count() or 1, wall_seconds)
    return code


def _order_date(stand: Stand) -> date:
    """The org's last complete day."""
    now, _ = stand.org_clock()
    return now.date() - timedelta(days=1)
