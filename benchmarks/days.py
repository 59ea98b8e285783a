"""Does a day get slower with the days before it? Seconds per phase, first day against last, on the direct chain.

    .venv/airflow/bin/python -m benchmarks.days --days 30 --scale 0.05

Airflow, EMR and Spark are left out; all other code and SQL is that of production, on the local warehouse.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from idiscover.plan.model import LoadPlan

from tests.support.chain_fixtures import SEED, beginning
from tests.support.direct_chain import DirectChain
from tests.support.direct_figures import Work, differences, work
from tests.support.direct_stack import running_stack

PHASES = ("extract", "load", "stg_to_itg", "itg_to_dm", "dm_to_dm")
NEIGHBOURS = 3  # days on each end, whose middle one is told: a single day may have more to do than another


@dataclass(frozen=True)
class TimedDay:
    """One day: seconds per phase, what was done, and how many versions the histories hold after it."""

    order_date: date
    seconds: Counter[str]
    work: Work
    versions: int


def main(argv: Sequence[str] | None = None) -> int:
    """Run the days; the exit status: 1 if a table is not as the oracle has it in the end."""
    arguments = _arguments(argv)
    with tempfile.TemporaryDirectory() as folder, running_stack(Path(folder)) as stack, beginning(stack) as begin:
        chain = begin(seed=arguments.seed, scale=arguments.scale)
        days = [_timed_day(chain)]
        for number in range(1, arguments.days + 1):
            chain.advance()
            days.append(_timed_day(chain))
            print(f"day {number}: {sum(days[-1].seconds.values()):.1f} s", file=sys.stderr, flush=True)
        found = differences(chain)
    _report(days)
    print("every table is as the oracle has it" if not found else f"{len(found)} differences, such as {found[0]}")
    return 1 if found else 0


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.days", description=__doc__.splitlines()[0])
    parser.add_argument("--days", type=int, default=30, help="after the first load (default 30)")
    parser.add_argument("--scale", type=float, default=0.05, help="of the org (default 0.05)")
    parser.add_argument("--seed", type=int, default=SEED)
    return parser.parse_args(argv)


def _timed_day(chain: DirectChain) -> TimedDay:
    before, seconds = work(chain), Counter[str]()
    with contextlib.redirect_stdout(io.StringIO()):  # the steps' logs
        started = time.monotonic()
        for name in chain.objects:
            chain.extract(name)
        seconds["extract"] = time.monotonic() - started
        while chain.woken:
            started, dag_id = time.monotonic(), chain.first(sorted(chain.woken))
            chain.run_consumer(dag_id)
            plan = chain.plans[dag_id]
            seconds["load" if isinstance(plan, LoadPlan) else plan.header.family.value] += time.monotonic() - started
    return TimedDay(chain.order_date(), seconds, work(chain) - before, _versions(chain))


def _versions(chain: DirectChain) -> int:
    histories = [name for name, spec in chain.catalog.objects.items() if spec.history]
    counts = [chain.stack.warehouse(f"select count(*) from itg.{name}__history")[0][0] for name in histories]
    return sum(counts)


def _report(days: Sequence[TimedDay]) -> None:
    shown = {
        "day 0": days[0],
        "first days": _middle(days[1 : 1 + NEIGHBOURS]),
        "last days": _middle(days[1:][-NEIGHBOURS:]),
    }
    print(f"{'':<18}" + "".join(f"{name:>14}" for name in shown))
    for phase in PHASES:
        _line(f"{phase}, s", [f"{day.seconds[phase]:.2f}" for day in shown.values()])
    _line("all, s", [f"{sum(day.seconds.values()):.2f}" for day in shown.values()])
    for name in ("rows_extracted", "query_jobs", "api_calls", "rows_written", "rows_read"):
        _line(name.replace("_", " "), [f"{getattr(day.work, name):,}" for day in shown.values()])
    _line("calls", [f"{sum(day.work.calls.values()):,}" for day in shown.values()])
    _line("versions held", [f"{day.versions:,}" for day in shown.values()])


def _middle(days: Sequence[TimedDay]) -> TimedDay:
    """The day of median length."""
    return sorted(days, key=lambda day: sum(day.seconds.values()))[len(days) // 2]


def _line(name: str, values: Sequence[str]) -> None:
    print(f"{name:<18}" + "".join(f"{value:>14}" for value in values))


if __name__ == "__main__":
    sys.exit(main())
