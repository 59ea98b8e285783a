"""The SQL of docs/ runs: on the job metadata that its DDL makes, and on a warehouse that a release makes.

The object that docs/add-an-object.md adds is released, and a row of it goes the way of a batch from stg to itg.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

import psycopg2
import pytest
from idiscover.metadata.loading import FolderReader, load_catalog
from idiscover.metadata.models import Catalog
from idiscover.plan.build import itg_plan
from idiscover.warehouse.queries import stale_slices_sql
from idiscover.warehouse.release import release
from idiscover.warehouse.statements import parse_statement

from tests.support.aws_platform import create_job_metadata
from tests.support.warehouse_stack import running_front, running_postgres
from tests.unit.docs.pages import DOCS, REPOSITORY, Block, all_blocks, blocks, example_files

RUNBOOK = DOCS / "runbook.md"
PLACES = ("-- job metadata: ", "-- warehouse: ")

# Every test rolls back, but identities go on: the claims here have to be 1, 2, 3.
# Day 5 of dm.fact_x went through. On day 6, itg.a has come, itg.b has not; a claim on dm.fact_y is open, and a run of
# object b holds its window.
SEED = """
alter sequence job.claim_claim_id_seq restart with 1;
insert into job.batch values
('a-5', 'a', 'r5', 'scheduled', '2026-01-05', '2015-01-01Z', '2026-01-06Z', '2026-01-06 02:00Z', 7, 70, '{}',
 'archive/a/a-5/manifest.json', 'archived', now(), now(), now()),
('a-6', 'a', 'r6', 'scheduled', '2026-01-06', '2026-01-05 12:00Z', '2026-01-07Z', '2026-01-07 02:00Z', 3, 30,
 '{}', 'source/a/a-6/manifest.json', 'loaded', now(), now(), null);
insert into job.watermark values ('a', '2026-01-07Z', 'a-6'), ('b', '2026-01-06Z', 'b-5');
insert into job.run_window values
('b', 'r6', 'manual', 'scheduled', '2026-01-06', 'b-6', '2026-01-05 12:00Z', '2026-01-07Z', now(), now() + '1 hour'),
('b', 'r5', 'manual', 'scheduled', '2026-01-05', 'b-5', '2015-01-01Z', '2026-01-06Z', now(), null);
insert into job.claim (target, run_id, run_kind, order_date, as_of_date, state, statements, metadata_version,
 expires_at_utc) values
('dm.fact_x', 'x5', 'scheduled', '2026-01-05', '2026-01-05', 'finished', '[]', 'v', now()),
('dm.dm_testing_uptake', 'u5', 'scheduled', '2026-01-05', '2026-01-05', 'finished', '[]', 'v', now()),
('dm.fact_y', 'y6', 'scheduled', '2026-01-06', '2026-01-06', 'open', '[]', 'v', now() + interval '45 minutes');
insert into job.claim_call (claim_id, country_code, statement, seconds) values (1, 'DE', 'CALL', 1.5);
insert into job.input_arrival (target, input, run_kind, order_date, source_id, claim_id) values
('dm.fact_x', 'itg.a', 'scheduled', '2026-01-05', 'c1', 1), ('dm.fact_x', 'itg.b', 'scheduled', '2026-01-05', 'c2', 1),
('dm.fact_x', 'itg.a', 'scheduled', '2026-01-06', 'c3', null),
('dm.fact_y', 'itg.a', 'scheduled', '2026-01-06', 'c3', null);
insert into job.step_log (dag_id, run_id, run_type, step, state, document) values
('dm_to_dm__fact_x', 'x6', 'asset_triggered', 'call_DE', 'failed',
 '{"error": "a procedure refuses to go on", "failure": {"kind": "needs a person"}}'),
('dm_to_dm__fact_x', 'x6', 'asset_triggered', 'failure', 'failed', '{"kind": "needs a person", "to_do": "mend it"}'),
('dm_to_dm__fact_x', 'x5', 'asset_triggered', 'end', 'succeeded', '{}');
"""


@dataclass(frozen=True)
class Stores:
    """Addresses of the two databases."""

    jobs: str
    warehouse: str


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """The repository's metadata and the page's example."""
    folder = tmp_path_factory.mktemp("metadata")
    standing = FolderReader(REPOSITORY / "metadata")
    texts = {path: standing.read(path)[0] for path in standing.list()}
    texts |= example_files()
    for path, text in texts.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    return load_catalog(FolderReader(folder))


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory, catalog: Catalog) -> Iterator[Stores]:
    folder = tmp_path_factory.mktemp("stores")
    with running_postgres(folder) as cluster, running_front(folder, cluster) as warehouse:
        jobs = create_job_metadata(cluster)
        with psycopg2.connect(warehouse) as connection, connection.cursor() as cursor:
            for statement in release(catalog, REPOSITORY / "sql"):
                cursor.execute(statement.sql)
        connection.close()
        yield Stores(jobs, warehouse)


def _rows(dsn: str, *statements: str) -> list[dict[str, Any]]:
    """Rows of the last statement; all of them in one transaction that is rolled back."""
    connection = psycopg2.connect(dsn)
    try:
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            names = [column[0] for column in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()] if names else []
    finally:
        connection.rollback()
        connection.close()


def _asked(stores: Stores, title: str) -> list[dict[str, Any]]:
    """What the runbook's query with this title gives on the seeded job metadata."""
    text = next(block.text for block in blocks(RUNBOOK, "sql") if block.text.startswith(f"-- job metadata: {title}\n"))
    return _rows(stores.jobs, SEED, text)


@pytest.mark.parametrize("block", all_blocks("sql"), ids=str)
def test_blocks_run(stores: Stores, block: Block) -> None:
    place = next((place for place in PLACES if block.text.startswith(place)), None)
    assert place is not None, f"{block}: the first line has to be one of {PLACES}"
    if place == PLACES[0]:
        _rows(stores.jobs, SEED, block.text)
    else:
        _rows(stores.warehouse, block.text)


def test_what_waits_names_what_is_missing(stores: Stores) -> None:
    found = {row["target"]: row for row in _asked(stores, "what waits")}
    assert set(found) == {"dm.fact_x", "dm.fact_y"}
    waiting = found["dm.fact_x"]
    assert waiting["order_date"] == date(2026, 1, 6)
    assert (waiting["arrived_inputs"], waiting["missing_inputs"]) == ("itg.a", "itg.b")
    assert waiting["claimed_by"] is None
    assert waiting["org_now_utc"].isoformat().startswith("2026-01-07T02:00")
    assert found["dm.fact_y"]["missing_inputs"] is None
    assert found["dm.fact_y"]["claimed_by"].startswith("y6 until ")


def test_batches_freshness_failures_and_holders(stores: Stores) -> None:
    assert [row["batch_id"] for row in _asked(stores, "batches on their way")] == ["a-6"]
    fresh = {row["object"]: row["behind"].total_seconds() / 3600 for row in _asked(stores, "how fresh each object is")}
    assert fresh == {"b": 26, "a": 2}
    failed = _asked(stores, "steps that failed")
    told = [(row["dag_id"], row["kind"], row["error"]) for row in failed]
    assert told == [("dm_to_dm__fact_x", "needs a person", "a procedure refuses to go on")]
    held = {(row["kind"], row["name"], row["run_id"]) for row in _asked(stores, "who holds what")}
    assert held == {("window", "b", "r6"), ("claim", "dm.fact_y", "y6")}
    refreshed = {row["target"]: (row["state"], row["calls"]) for row in _asked(stores, "refreshes")}
    assert refreshed["dm.fact_x"] == ("finished", 1)


def test_the_example_object_goes_from_stg_to_itg(stores: Stores, catalog: Catalog) -> None:
    plan = itg_plan(catalog.objects["sample_shipment"])
    connection = psycopg2.connect(stores.warehouse)
    try:
        with connection.cursor() as cursor:
            _stage(cursor)
            for name in ("account", "sample_shipment"):
                statement = parse_statement(catalog.tables[f"itg.{name}"].statements[0])
                cursor.execute(*statement.bind("DE", date(2026, 1, 5), "run"))
            cursor.execute("select id, carrier, _country_code from itg.sample_shipment")
            assert cursor.fetchall() == [("S1", "By air", "DE")]
            cursor.execute(stale_slices_sql(plan))
            assert cursor.fetchall() == []
    finally:
        connection.rollback()
        connection.close()


def _stage(cursor: Any) -> None:
    """A lab in DE and its shipment, each as a batch of one row."""
    cursor.execute(
        "insert into stg.account (id, is_deleted, country_code, system_modstamp, _read_at_utc, _batch_id)"
        " values ('L1', false, 'DE', '2026-01-05 10:00:00', '2026-01-06 02:00:00', 'a-5')"
    )
    cursor.execute(
        "insert into stg.sample_shipment (id, is_deleted, lab_id, carrier, system_modstamp, _read_at_utc, _batch_id)"
        " values ('S1', false, 'L1', 'By air', '2026-01-05 10:00:00', '2026-01-06 02:00:00', 'c-5')"
    )
