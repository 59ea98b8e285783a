"""What each kind of read of an object costs: a day's window, that and every Id (sweep), every row (formula refresh).

    .venv/airflow/bin/python -m benchmarks.reads --rows 1000000 --changed 1000

Each is a whole spark-submit against the stage of `benchmarks.extract`; the step that finds nothing shows what starting
costs. It asserts nothing.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from idiscover.lake.manifest import BatchManifest
from idiscover.plan.model import ReadMode

from benchmarks.extract import ours
from benchmarks.extract.measure import run
from benchmarks.extract.stage import Stage, running_stage
from local.salesforce.large.rows import stamp


@dataclass(frozen=True)
class Read:
    """One read, and what it cost. `bytes` are those of its files in S3."""

    name: str
    rows: int
    ids: int
    bytes: int
    api_calls: int
    cpu_seconds: float
    seconds: float


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, and print a table."""
    arguments = _arguments(argv)
    with running_stage([arguments.rows], arguments.page_rows) as stage:
        reads = list(_reads(stage, arguments))
    idle = reads[0]
    print(
        f"an object of {arguments.rows:,} rows, of which {arguments.changed:,} changed; beyond a step that finds none:"
    )
    print(f"{'':28} {'rows':>10} {'Ids':>10} {'MB in S3':>9} {'API calls':>9} {'CPU s':>7} {'seconds':>8}")
    for read in reads:
        print(
            f"{read.name:28} {read.rows:>10,} {read.ids:>10,} {read.bytes / 1e6:>9.1f} {read.api_calls:>9} "
            f"{read.cpu_seconds - idle.cpu_seconds:>+7.1f} {read.seconds - idle.seconds:>+8.1f}"
        )
    print(f"the step that finds none itself: {idle.cpu_seconds:.1f} CPU s, {idle.seconds:.1f} s")
    return 0


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reads", description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000, help="of the object (default 1,000,000)")
    parser.add_argument("--changed", type=int, default=1_000, help="since the last read (default 1,000)")
    parser.add_argument("--page-rows", type=int, default=100_000, help="of a result page (default 100,000)")
    parser.add_argument("--cores", type=int, default=2)
    return parser.parse_args(argv)


def _reads(stage: Stage, arguments: argparse.Namespace) -> Iterator[Read]:
    changed = datetime.fromisoformat(stamp(arguments.rows - arguments.changed))
    nothing = datetime.fromisoformat(stamp(arguments.rows - 1)) + timedelta(seconds=1)
    yield _read(stage, arguments, "nothing has changed", nothing, ReadMode.WINDOW)
    yield _read(stage, arguments, "the window", changed, ReadMode.WINDOW)
    yield _read(stage, arguments, "the window and every Id", changed, ReadMode.WINDOW_AND_IDS)
    yield _read(stage, arguments, "every row", changed, ReadMode.WHOLE)


def _read(stage: Stage, arguments: argparse.Namespace, name: str, start: datetime, mode: ReadMode) -> Read:
    print(f"{name} …", file=sys.stderr, flush=True)
    batch = name.replace(" ", "-")
    wanted = ours.request(arguments.rows, batch, arguments.page_rows, arguments.cores, start, mode)
    command, environment = ours.prepare(stage, wanted, arguments.cores)
    folder, calls = stage.folder / batch, stage.api_calls()
    folder.mkdir()
    usage = run(command, environment, folder, folder / "stdout.txt")
    written = stage.bucket / wanted.target_prefix / "manifest.json"
    manifest = BatchManifest.model_validate_json(written.read_text())
    ids = manifest.ids.rows if manifest.ids else 0
    size = sum(file.bytes for file in (*manifest.files, *(manifest.ids.files if manifest.ids else ())))
    return Read(name, manifest.rows, ids, size, stage.api_calls() - calls, usage.cpu_seconds, usage.seconds)


if __name__ == "__main__":
    sys.exit(main())
