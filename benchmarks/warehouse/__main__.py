"""Procedures against plain statements, and a delta against a rebuild: a warehouse of 10 million testing volumes.

    .venv/airflow/bin/python -m benchmarks.warehouse
    .venv/airflow/bin/python -m benchmarks.warehouse --volumes 1000000 --interactions 500000 --json figures.json

A warehouse of its own, as the local stack has it: PostgreSQL with the Redshift front before it. Redshift itself is
columnar and parallel, so only the ratios say something, and they are taken side by side. It asserts nothing.

1. Each procedure for one country, against the same slice's DELETE and INSERT … SELECT as plain statements in one
   transaction. All records of the country have changed. Each is rolled back, so that all meet the same tables.
2. One per cent of the records changed, in 2 of the countries and spread over all: finding the slices, all calls;
   against a rebuild of every country by plain statements.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import psycopg2
from idiscover.metadata.loading import FolderReader, load_catalog
from idiscover.metadata.models import Catalog
from idiscover.plan.build import itg_plan
from idiscover.warehouse.queries import stale_slices_sql
from idiscover.warehouse.release import release
from psycopg2.extensions import connection as Connection

from benchmarks.warehouse import statements
from benchmarks.warehouse.rows import Size, country_code, insert_itg, insert_stg
from tests.support.warehouse_stack import DATABASE, running_front, running_postgres

ROOT = Path(__file__).resolve().parents[2]
AS_OF = "2026-01-06"
FACTS = {"testing_volume": "fact_testing_volume", "lab_interaction": "fact_interaction"}
CHANGED = {"testing_volume": {"tested_patients": "held.tested_patients + 1"}, "lab_interaction": {"channel": "'Call'"}}
DIMENSIONS = ("dim_therapeutic_area", "dim_biomarker", "dim_lab")  # with an IF: no plain statements to compare with
OF_LABS = ("fact_lab_capability", "fact_test_offering")
MARTS = ("dm_testing_uptake",)


@dataclass(frozen=True)
class Pair:
    """A procedure beside the plain statements; medians, in seconds."""

    name: str
    rows: int
    procedure_seconds: float
    plain_seconds: float


@dataclass(frozen=True)
class Delta:
    """What a change of some records costs, beside a rebuild of the whole."""

    name: str
    rows: int
    countries: int
    seconds: float
    rebuild_seconds: float


class Warehouse:
    """A filled warehouse: `client` goes through the front as a task does; `upstream` past it, for filling."""

    def __init__(self, client: Connection, upstream: Connection, catalog: Catalog, size: Size) -> None:
        self.client, self.upstream, self.catalog, self.size = client, upstream, catalog, size

    def run(self, texts: Sequence[str]) -> float:
        """Seconds of statements in one transaction, committed."""
        with self.client, self.client.cursor() as cursor:
            started = time.monotonic()
            for text in texts:
                cursor.execute(text)
        return time.monotonic() - started

    def run_and_undo(self, texts: Sequence[str]) -> float:
        """Seconds of statements in one transaction, without its end: it is rolled back."""
        with self.client.cursor() as cursor:
            started = time.monotonic()
            for text in texts:
                cursor.execute(text)
            seconds = time.monotonic() - started
        self.client.rollback()
        return seconds

    def upkeep(self, *tables: str) -> None:
        """What Redshift does by itself: space of deleted rows, statistics."""
        with self.upstream.cursor() as cursor:
            for table in tables:
                cursor.execute(f"vacuum analyze {table}")

    def upstream_run(self, text: str) -> None:
        """Past the front: what makes rows and takes them away between measurements."""
        with self.upstream.cursor() as cursor:
            cursor.execute(text)

    def countries(self) -> list[str]:
        """All of the benchmark's."""
        return [country_code(number) for number in range(self.size.countries)]


def main(argv: Sequence[str] | None = None) -> int:
    """Fill, measure, print."""
    arguments = _arguments(argv)
    size = Size(arguments.volumes, arguments.interactions, arguments.countries)
    with _filled(size) as warehouse:
        pairs = list(_pairs(warehouse, arguments.repeat))
        deltas = list(_deltas(warehouse))
    _report(pairs, deltas)
    if arguments.json:
        told = {"pairs": [asdict(pair) for pair in pairs], "deltas": [asdict(delta) for delta in deltas]}
        arguments.json.write_text(json.dumps(told, indent=1), encoding="utf-8")
    return 0


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.warehouse", description=str(__doc__).splitlines()[0])
    parser.add_argument("--volumes", type=int, default=10_000_000, help="testing volumes (default 10,000,000)")
    parser.add_argument("--interactions", type=int, default=5_000_000, help="interactions (default 5,000,000)")
    parser.add_argument("--countries", type=int, default=40, help="that they lie in (default 40)")
    parser.add_argument("--repeat", type=int, default=3, help="of each pair; the median is told (default 3)")
    parser.add_argument("--json", type=Path, help="write all figures to this file too")
    return parser.parse_args(argv)


@contextmanager
def _filled(size: Size) -> Iterator[Warehouse]:
    catalog = load_catalog(FolderReader(ROOT / "metadata"))
    with tempfile.TemporaryDirectory(prefix="idiscover-warehouse-") as name:
        folder = Path(name)
        with running_postgres(folder) as cluster, running_front(folder, cluster) as dsn:
            client, upstream = psycopg2.connect(dsn), psycopg2.connect(cluster.dsn(DATABASE))
            upstream.autocommit = True
            warehouse = Warehouse(client, upstream, catalog, size)
            warehouse.run([statement.sql for statement in release(catalog, ROOT / "sql")])
            _fill(warehouse)
            yield warehouse
            client.close()
            upstream.close()


def _fill(warehouse: Warehouse) -> None:
    for name, spec in warehouse.catalog.objects.items():
        rows = warehouse.size.rows_of(name)
        if rows:
            seconds = _timed(lambda spec=spec: warehouse.upstream_run(insert_itg(spec, warehouse.size)))
            warehouse.upkeep(f"itg.{name}")
            _say(f"itg.{name}: {rows:,} rows made in {seconds:.0f} s")
    for table in (*DIMENSIONS, *OF_LABS, *FACTS.values(), *MARTS):
        seconds = sum(warehouse.run([_call("dm", table, country)]) for country in [*warehouse.countries(), "ZZ"])
        warehouse.upkeep(f"dm.{table}")
        _say(f"dm.{table}: all countries called in {seconds:.0f} s")


def _pairs(warehouse: Warehouse, repeat: int) -> Iterator[Pair]:
    country = warehouse.countries()[warehouse.size.countries // 2]
    for name, changed in CHANGED.items():
        spec = warehouse.catalog.objects[name]
        _stage(warehouse, name, f"held._country_code = '{country}'", changed)
        yield _pair(
            warehouse, f"itg.{name}", country, _call("itg", name, country), statements.of_itg(spec, [country]), repeat
        )
        warehouse.upstream_run(f"truncate stg.{name}")
    for table in (*OF_LABS, *FACTS.values(), *MARTS):
        plain = _plain_dm(table, country)
        yield _pair(warehouse, f"dm.{table}", country, _call("dm", table, country), plain, repeat)


def _pair(warehouse: Warehouse, table: str, country: str, call: str, plain: Sequence[str], repeat: int) -> Pair:
    """Both ways, every other time in the opposite order."""
    found: dict[str, list[float]] = {"procedure": [], "plain": []}
    ways = [("procedure", [call]), ("plain", plain)]
    for number in range(repeat):
        for name, texts in ways if number % 2 == 0 else reversed(ways):
            found[name].append(warehouse.run_and_undo(texts))
            warehouse.upkeep(table)
    column = "_country_code" if table.startswith("itg.") else "country_code"
    with warehouse.upstream.cursor() as cursor:
        cursor.execute(f"select count(*) from {table} where {column} = '{country}'")
        rows = cursor.fetchone()[0]
    pair = Pair(table, rows, statistics.median(found["procedure"]), statistics.median(found["plain"]))
    _say(f"{table}: {pair.rows:,} rows, procedure {pair.procedure_seconds:.2f} s, plain {pair.plain_seconds:.2f} s")
    return pair


def _deltas(warehouse: Warehouse) -> Iterator[Delta]:
    two = warehouse.countries()[:2]
    rebuilds = {name: _rebuild(warehouse, name) for name in FACTS}
    for name in FACTS:
        in_two = f"held._country_code in ('{two[0]}', '{two[1]}')"
        share = 100 * len(two) // warehouse.size.countries  # 1 % of all is so much of the two
        yield _delta(warehouse, name, f"in {len(two)} countries", in_two, share, rebuilds[name])
        yield _delta(warehouse, name, "over all countries", "true", 100, rebuilds[name])


def _delta(warehouse: Warehouse, name: str, where: str, which: str, share: int, rebuild: float) -> Delta:
    number = f"substr(held.id, 4)::bigint % {share} = 0"
    rows = _stage(warehouse, name, f"{which} and {number}", CHANGED[name])
    started = time.monotonic()
    with warehouse.client, warehouse.client.cursor() as cursor:
        cursor.execute(stale_slices_sql(itg_plan(warehouse.catalog.objects[name])))
        stale = [row[0] for row in cursor.fetchall()]
    for country in stale:
        warehouse.run([_call("itg", name, country)])
    for table in _downstream(name):
        for country in stale:
            warehouse.run([_call("dm", table, country)])
    delta = Delta(f"{name}, 1 % {where}", rows, len(stale), time.monotonic() - started, rebuild)
    warehouse.upstream_run(f"truncate stg.{name}")
    warehouse.upkeep(f"itg.{name}", *(f"dm.{table}" for table in _downstream(name)))
    _say(f"{delta.name}: {rows:,} rows, {len(stale)} countries, {delta.seconds:.1f} s; rebuild {rebuild:.1f} s")
    return delta


def _rebuild(warehouse: Warehouse, name: str) -> float:
    """Seconds of plain statements for every country: itg in one go, then dm country by country."""
    _stage(warehouse, name, "true", CHANGED[name])
    spec = warehouse.catalog.objects[name]
    seconds = warehouse.run(statements.of_itg(spec, warehouse.countries()))
    warehouse.upstream_run(f"truncate stg.{name}")
    warehouse.upkeep(f"itg.{name}")
    for table in _downstream(name):
        seconds += sum(warehouse.run(_plain_dm(table, country)) for country in warehouse.countries())
        warehouse.upkeep(f"dm.{table}")
    return seconds


def _downstream(name: str) -> tuple[str, ...]:
    return (FACTS[name], *(MARTS if name == "testing_volume" else ()))


def _stage(warehouse: Warehouse, name: str, which: str, changed: dict[str, str]) -> int:
    """Newer versions of some records into stg; how many."""
    spec = warehouse.catalog.objects[name]
    with warehouse.upstream.cursor() as cursor:
        cursor.execute(insert_stg(spec, "batch-1", which, changed))
        rows: int = cursor.rowcount
    warehouse.upkeep(f"stg.{name}")
    return rows


def _plain_dm(table: str, country: str) -> list[str]:
    folder = ROOT / "sql" / "procedures" / ("dm_to_dm" if table in MARTS else "itg_to_dm")
    literals = {"p_country_code": f"'{country}'", "p_as_of_date": f"cast('{AS_OF}' as date)", "p_run_id": "'plain'"}
    return statements.of_dm(folder / f"load_{table}.sql", literals)


def _call(schema: str, table: str, country: str) -> str:
    return f"call {schema}.load_{table}('{country}', '{AS_OF}', 'benchmark')"


def _timed(work: Callable[[], object]) -> float:
    started = time.monotonic()
    work()
    return time.monotonic() - started


def _report(pairs: Sequence[Pair], deltas: Sequence[Delta]) -> None:
    print(f"{'one country':28} {'rows':>10} {'procedure s':>12} {'plain s':>9} {'ratio':>6}")
    for pair in pairs:
        ratio = pair.procedure_seconds / pair.plain_seconds
        print(
            f"{pair.name:28} {pair.rows:>10,} {pair.procedure_seconds:>12.2f} {pair.plain_seconds:>9.2f} {ratio:>6.2f}"
        )
    print()
    print(f"{'delta':44} {'rows':>9} {'countries':>9} {'seconds':>8} {'rebuild s':>9} {'cheaper':>8}")
    for delta in deltas:
        ratio = delta.rebuild_seconds / delta.seconds
        print(
            f"{delta.name:44} {delta.rows:>9,} {delta.countries:>9} {delta.seconds:>8.1f} "
            f"{delta.rebuild_seconds:>9.1f} {ratio:>7.1f}x"
        )


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
