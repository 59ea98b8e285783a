"""What the Redshift front costs beside PostgreSQL itself: per query, and per megabyte of a COPY.

    .venv/airflow/bin/python -m benchmarks.front --rows 1000000 --queries 2000

Both are asked in turns, over the same client library, in one run, against one PostgreSQL of the benchmark's own. S3 is
`benchmarks.extract.sink`. It asserts nothing about time.
"""

from __future__ import annotations

import argparse
import gzip
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from local.postgres import PostgresCluster

REPOSITORY = Path(__file__).resolve().parents[1]
DATABASE = "warehouse"
FILES = 4
ROUNDS = 10
COLUMNS = (
    "id bigint not null, code varchar(18) not null, name varchar(80), note varchar(200), amount decimal(12,2),"
    " measured double precision, day date, moment timestamp, active boolean, kind smallint"
)
_NAMES = ("Laboratoire Saint-Louis", 'Labor "Süd", Köln', "Bangkok สถาบัน", "Hospital Clínico", "Lab 4711")


@dataclass(frozen=True)
class Stand:
    """Where PostgreSQL and the front before it listen."""

    direct: str
    front: str
    folder: Path
    postgres_pid: int
    front_pid: int

    def cpu_seconds(self) -> float:
        """What the servers have used of the processor so far: PostgreSQL with all its backends, and the front."""
        return _cpu_seconds(self.postgres_pid) + _cpu_seconds(self.front_pid)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, and print two tables."""
    arguments = _arguments(argv)
    print(f"load of the machine at the start: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory(prefix="front-benchmark-") as folder, _running(Path(folder)) as stand:
        _queries(stand, arguments.queries)
        _copies(stand, arguments.rows, arguments.repeat)
    print(f"load of the machine at the end: {os.getloadavg()[0]:.1f}")
    return 0


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.front", description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000, help="of the COPY (default 1,000,000)")
    parser.add_argument("--queries", type=int, default=2000, help="of each kind, to each of the two (default 2,000)")
    parser.add_argument("--repeat", type=int, default=3, help="times that each COPY runs (default 3)")
    return parser.parse_args(argv)


# -- the stand


@contextmanager
def _running(folder: Path) -> Iterator[Stand]:
    """PostgreSQL, the front before it and S3, as processes of their own; all ended behind."""
    cluster = PostgresCluster(folder / "data", _free_port(), "benchmark")
    cluster.initialise()
    front_port, sink_port = _free_port(), _free_port()
    processes = [_started(folder, "postgres", cluster.command())]
    try:
        _wait(cluster.is_ready)
        cluster.ensure_databases([DATABASE])
        (folder / "s3").mkdir()
        sink = ["-m", "benchmarks.extract.sink", "--port", str(sink_port), "--folder", str(folder / "s3")]
        processes.append(_started(folder, "s3", [sys.executable, *sink]))
        front = ["-m", "local.warehouse", "--port", str(front_port), "--state-dir", str(folder / "front")]
        environment = {
            "REDSHIFT_FRONT_UPSTREAM": cluster.dsn(DATABASE),
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{sink_port}",
            "AWS_ACCESS_KEY_ID": "any",
            "AWS_SECRET_ACCESS_KEY": "any",
            "AWS_DEFAULT_REGION": "eu-central-1",
        }
        processes.append(_started(folder, "front", [sys.executable, *front], environment))
        _wait(lambda: _listens(front_port) and _listens(sink_port))
        direct = cluster.dsn(DATABASE)
        yield Stand(
            direct, direct.replace(f":{cluster.port}/", f":{front_port}/"), folder, processes[0].pid, processes[-1].pid
        )
    finally:
        for process in reversed(processes):
            process.terminate()
            process.wait(timeout=60)


def _started(
    folder: Path, name: str, command: Sequence[str], more: dict[str, str] | None = None
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command, cwd=REPOSITORY, env={**os.environ, **(more or {})}, stderr=(folder / f"{name}.log").open("wb")
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _wait(ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not ready():
        if time.monotonic() > deadline:
            raise TimeoutError("the benchmark's servers are not up after 60 seconds")
        time.sleep(0.05)


def _cpu_seconds(pid: int) -> float:
    """What a process, those below it and those that ended below it have used of the processor."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except FileNotFoundError:  # it has just ended, and is counted with its parent from now on
        return 0.0
    own = sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
    return own + sum(_cpu_seconds(int(child)) for child in children)


# -- queries


def _queries(stand: Stand, count: int) -> None:
    with (
        psycopg.connect(stand.front, autocommit=True) as front,
        psycopg.connect(stand.direct, autocommit=True) as direct,
    ):
        front.execute(f"create table asked ({COLUMNS})")
        direct.execute(
            "insert into asked select n, n, 'name ' || n, 'note', n / 7.0, n / 3.0, date '2026-01-01' + n, now(), true,"
            " 1 from generate_series(1, 1000) as n"
        )
        title = f"a query, median of {count:,}"
        print(f"\n{title:34} {'PostgreSQL':>11} {'front':>11} {'ratio':>6} {'CPU':>11} {'CPU':>11} {'more CPU':>11}")
        for name, run in _KINDS.items():
            few = max(count // 10, ROUNDS) if "rows" in name else count
            times: dict[str, list[float]] = {"direct": [], "front": []}
            used = {"direct": 0.0, "front": 0.0}
            for number in range(ROUNDS):
                for where, connection in (("direct", direct), ("front", front)):
                    before = stand.cpu_seconds()
                    times[where] += _timed(run, connection, few // ROUNDS, number * few)
                    used[where] += stand.cpu_seconds() - before
            wall = {where: statistics.median(found) * 1e6 for where, found in times.items()}
            cpu = {where: used[where] / len(times[where]) * 1e6 for where in times}
            print(
                f"{name:34} {wall['direct']:>8.0f} µs {wall['front']:>8.0f} µs {wall['front'] / wall['direct']:>6.2f}"
                f" {cpu['direct']:>8.0f} µs {cpu['front']:>8.0f} µs {cpu['front'] - cpu['direct']:>8.0f} µs"
            )


def _timed(
    run: Callable[[psycopg.Connection, int], object], connection: psycopg.Connection, count: int, first: int
) -> list[float]:
    found = []
    for number in range(first, first + count):
        started = time.perf_counter()
        run(connection, number)
        found.append(time.perf_counter() - started)
    return found


def _simple(connection: psycopg.Connection, _: int) -> None:
    with psycopg.ClientCursor(connection) as cursor:
        cursor.execute("select 1").fetchone()


def _new_text(connection: psycopg.Connection, number: int) -> None:
    with psycopg.ClientCursor(connection) as cursor:
        cursor.execute(
            f"select count(*), sum(amount) from asked where id = {number} and day >= '2026-01-01' and name like 'n%'"
        ).fetchone()


def _prepared(connection: psycopg.Connection, number: int) -> None:
    connection.execute("select amount from asked where id = %s", (number,), prepare=True).fetchone()


def _unprepared(connection: psycopg.Connection, number: int) -> None:
    connection.execute("select amount from asked where id = %s", (number,), prepare=False).fetchone()


def _thousand_rows(connection: psycopg.Connection, _: int) -> None:
    connection.execute("select * from asked").fetchall()


_KINDS: dict[str, Callable[[psycopg.Connection, int], object]] = {
    "select 1, simple protocol": _simple,
    "a text that was never seen, simple": _new_text,
    "prepared, with a parameter": _prepared,
    "extended protocol, not prepared": _unprepared,
    "a result of 1,000 rows, 10 columns": _thousand_rows,
}


# -- COPY


def _copies(stand: Stand, rows: int, repeat: int) -> None:
    files = [_csv(rows * part // FILES, rows * (part + 1) // FILES) for part in range(FILES)]
    _store(stand, "clean", files)
    dirty = [files[0].replace(b"\n", b"\nx,,,,,,,,,\n", 1), *files[1:]]
    _store(stand, "dirty", dirty)
    size = sum(map(len, files))
    auth = "iam_role default format as csv timeformat 'auto' dateformat 'auto'"
    runs: dict[str, Callable[[], None]] = {
        "PostgreSQL's COPY FROM STDIN": lambda: _direct_copy(stand, files),
        "front, CSV": lambda: _front_copy(stand, f"'s3://lake/clean/plain/' {auth}"),
        "front, CSV in gzip": lambda: _front_copy(stand, f"'s3://lake/clean/gzip/' {auth} gzip"),
        "front, one bad line in gzip": lambda: _front_copy(stand, f"'s3://lake/dirty/gzip/' {auth} gzip maxerror 2"),
    }
    times: dict[str, list[float]] = {name: [] for name in runs}
    processor: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(repeat):
        for name, run in runs.items():
            _recreate(stand)
            before, started = stand.cpu_seconds(), time.perf_counter()
            run()
            times[name].append(time.perf_counter() - started)
            processor[name].append(stand.cpu_seconds() - before)
            _check(stand, rows)
    best = {name: min(found) for name, found in times.items()}
    used = {name: min(found) for name, found in processor.items()}
    base_name = next(iter(runs))
    base = best[base_name]
    title = f"COPY of {rows:,} rows, {size / 1e6:.0f} MB"
    print(f"\n{title:34} {f'best of {repeat}':>12} {'rows/s':>12} {'MB/s':>12} {'ratio':>7} {'CPU':>9} {'ratio':>7}")
    for name, seconds in best.items():
        speed = size / 1e6 / seconds
        print(
            f"{name:34} {seconds:>10.1f} s {rows / seconds:>12,.0f} {speed:>12.1f} {seconds / base:>7.2f}"
            f" {used[name]:>7.1f} s {used[name] / used[base_name]:>7.2f}"
        )


def _csv(first: int, last: int) -> bytes:
    """Rows first..last-1, clean; quotes, commas and scripts of several bytes among them."""
    lines = []
    for n in range(first, last):
        name = _NAMES[n % 5].replace('"', '""')
        note = "" if n % 3 else f"seen on visit {n}; nothing to add"
        lines.append(
            f'{n},a0{n:016d},"{name} {n}","{note}",{n % 100_000}.{n % 100:02d},{n / 7:.6f},'
            f"2026-{n % 12 + 1:02d}-{n % 28 + 1:02d},2026-01-05T{n % 24:02d}:{n % 60:02d}:{n * 7 % 60:02d}.123,"
            f"{'true' if n % 2 else 'false'},{n % 7}\n"
        )
    return "".join(lines).encode()


def _store(stand: Stand, name: str, files: Sequence[bytes]) -> None:
    for form, pack in (("plain", bytes), ("gzip", lambda data: gzip.compress(data, 6))):
        folder = stand.folder / "s3" / "lake" / name / form
        folder.mkdir(parents=True)
        for number, data in enumerate(files):
            (folder / f"{number}.csv").write_bytes(pack(data))


def _recreate(stand: Stand) -> None:
    """The same table for all, made by the front: with the checks on bytes that it puts on a table."""
    with psycopg.connect(stand.front, autocommit=True) as front, psycopg.ClientCursor(front) as cursor:
        cursor.execute("drop table if exists loaded")
        cursor.execute(f"create table loaded ({COLUMNS})")
    with psycopg.connect(stand.direct, autocommit=True) as direct:
        direct.execute("checkpoint")


def _direct_copy(stand: Stand, files: Sequence[bytes]) -> None:
    with psycopg.connect(stand.direct) as direct, direct.cursor() as cursor:
        for data in files:
            with cursor.copy("copy loaded from stdin (format csv)") as copy:
                copy.write(data)
        cursor.execute("analyze loaded")


def _front_copy(stand: Stand, what: str) -> None:
    with psycopg.connect(stand.front) as front, psycopg.ClientCursor(front) as cursor:
        cursor.execute(f"copy loaded from {what}")


def _check(stand: Stand, rows: int) -> None:
    with psycopg.connect(stand.direct) as direct:
        found = direct.execute("select count(*) from loaded").fetchone()
    if found != (rows,):
        raise AssertionError(f"loaded {found}, expected {rows} rows")


if __name__ == "__main__":
    sys.exit(main())
