"""How fast is an object of millions of records out of the org: ours, our peers, and what the machine could do at best.

    .venv/airflow/bin/python -m benchmarks.extract --rows 5000000 --peer-rows 200000 --json figures.json
    .venv/airflow/bin/python -m benchmarks.extract --memory

All run against one simulator, one after the other, in an order that turns round with each repeat. Org, S3 and client
share the machine's cores: the processor seconds of each stand beside the rest. What a peer lacks of the org (SOAP's
login, Bulk API 1) the benchmark adds. It asserts nothing.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.extract import report
from benchmarks.extract.contenders import CONTENDERS, Contender, Options
from benchmarks.extract.measure import RunFailed, run
from benchmarks.extract.stage import CACHE, Stage, running_stage
from local.salesforce.large.blocks import BlockStore
from local.salesforce.large.rows import BLOCK_ROWS

_BY_DEFAULT = "ours,bulk2,raw,arrow,operator,dlt,tap"
_MEMORY_SIZES = (1_000_000, 10_000_000)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and report; 1 if somebody could not be measured, or brought another number of rows."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that servers end, and files go
    arguments = _arguments(argv)
    options = Options(arguments.page_rows, arguments.cores)
    runs = [one for number in range(arguments.repeat) for one in _runs(arguments, number)]
    results: list[report.Result] = []
    failures: list[str] = []
    with running_stage(sorted({rows for _, rows in runs}), arguments.page_rows) as stage:
        for number, (contender, rows) in enumerate(runs):
            _say(f"[{number + 1}/{len(runs)}] {contender.name}, {rows:,} rows: {contender.what}")
            try:
                results.append(_one(contender, stage, rows, number, options))
                _say(f"  {report.line(results[-1])}")
            except (RunFailed, RuntimeError) as error:
                failures.append(f"{contender.name}, {rows:,} rows: not measured: {error}")
                _say(f"  {failures[-1]}")
    for line in [*report.table(results), "", *report.ratios(results), *report.memory_slopes(results), *failures]:
        print(line)
    if arguments.json:
        arguments.json.write_text(json.dumps([one.to_json() for one in results], indent=2))
    return 1 if failures else 0


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.extract", description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=5_000_000, help="ours, bulk2 and the limits (default 5,000,000)")
    parser.add_argument("--peer-rows", type=int, default=200_000, help="the other peers (default 200,000)")
    parser.add_argument(
        "--slope-rows", type=int, default=50_000, help="the peers' other size (default 50,000; 0: none)"
    )
    parser.add_argument("--page-rows", type=int, default=100_000, help="of a result page (default 100,000)")
    parser.add_argument("--cores", type=int, default=2, help="Spark's, and the limits' processes (default 2)")
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--only", default=_BY_DEFAULT, help=f"of {', '.join(CONTENDERS)} (default {_BY_DEFAULT})")
    parser.add_argument("--memory", action="store_true", help="ours alone, at 1 and at 10 million rows")
    parser.add_argument("--json", type=Path, help="every run, as JSON")
    return parser.parse_args(argv)


def _runs(arguments: argparse.Namespace, number: int) -> Iterator[tuple[Contender, int]]:
    """Who runs at what size; the other way round every other time."""
    if arguments.memory:
        runs = [(CONTENDERS["ours"], rows) for rows in _MEMORY_SIZES]
    else:
        wanted = [CONTENDERS[name] for name in arguments.only.split(",")]
        runs = [(one, arguments.rows) for one in wanted if not one.is_peer]
        sizes = [rows for rows in (arguments.slope_rows, arguments.peer_rows) if rows]
        runs += [(one, rows) for one in wanted if one.is_peer for rows in sizes]
    yield from reversed(runs) if number % 2 else runs


def _one(contender: Contender, stage: Stage, rows: int, number: int, options: Options) -> report.Result:
    folder = stage.folder / f"{contender.name}-{number}"
    folder.mkdir()
    try:
        attempt = contender.prepare(stage, rows, folder, options)
        output = folder / "stdout.txt"
        calls, (org, sink) = stage.api_calls(), stage.server_cpu_seconds()
        usage = run(attempt.command, attempt.environment, folder, output)
        org_after, sink_after = stage.server_cpu_seconds()
        told = attempt.told(output)
    finally:
        _throw_away(stage)
    if told["rows"] != rows:
        raise RuntimeError(f"it brought {told['rows']} rows")
    return report.Result(
        contender.name,
        rows,
        _csv_bytes(rows),
        usage,
        stage.api_calls() - calls,
        org_after - org,
        sink_after - sink,
        told,
    )


def _throw_away(stage: Stage) -> None:
    """What a run wrote; the next finds the disk as this one did."""
    for path in [*stage.folder.glob("*-[0-9]*"), *stage.bucket.iterdir(), *(stage.folder / "tmp").iterdir()]:
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def _csv_bytes(rows: int) -> int:
    """The first `rows` rows as CSV, to a block."""
    store = BlockStore(CACHE / "rows")
    return sum(store.block(number).length for number in range(-(-rows // BLOCK_ROWS)))


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
