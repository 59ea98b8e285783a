"""The procedures of dm against a real warehouse, compared with the oracle, on random rows of itg."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from random import Random

import psycopg2
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from idiscover.metadata.loading import FolderReader, load_catalog
from idiscover.metadata.models import Catalog, Family
from idiscover.metadata.table_checks_spec import checks_in_force
from idiscover.warehouse.checks import Written, questions
from idiscover.warehouse.release import release
from idiscover.warehouse.statements import parse_statement

from tests.integration.random_itg import AS_OF_DATE, changed_records, insert, itg_of, random_records
from tests.oracle.comparison import compare
from tests.oracle.dm import compute_dm
from tests.oracle.dm.calendar import dim_date
from tests.oracle.shapes import Row, Tables
from tests.support.warehouse_stack import running_warehouse

REPOSITORY = Path(__file__).resolve().parents[2]
SLICES = ("DE", "FR", "ZZ")


class Dm:
    """A warehouse with a release in it; everything a test does is rolled back."""

    def __init__(self, connection: psycopg2.extensions.connection, catalog: Catalog) -> None:
        self._connection = connection
        self._cursor = connection.cursor()
        self._catalog = catalog

    def fill(self, itg: Tables) -> None:
        """itg as it is given, dm empty."""
        self._connection.rollback()
        self.replace({}, itg)

    def replace(self, before: Tables, after: Tables) -> None:
        """itg becomes another; dm stays as it is."""
        for table in before:
            self._cursor.execute(f"delete from {table}")
        insert(self._cursor, after)

    def refresh(self, table: str, slices: Sequence[str] = SLICES, as_of_date: date = AS_OF_DATE) -> None:
        """What a refresh of `table` calls, for these slices."""
        for text in self._catalog.tables[table].statements:
            for country in slices:
                self._cursor.execute(*parse_statement(text).bind(country, as_of_date, "run"))

    def failing(self, table: str, slices: Sequence[str] = SLICES, as_of_date: date = AS_OF_DATE) -> dict[str, int]:
        """How much breaks each declared check of `table` that would stop these slices."""
        spec = self._catalog.tables[table]
        written = Written(table, spec.grain, tuple(slices), as_of_date, "run", {})
        found: dict[str, int] = {}
        for question in questions([c for c in checks_in_force(spec.checks) if c.severity == "fail"], written):
            self._cursor.execute(question.sql)
            counts = self._cursor.fetchone()
            found |= {check.label: count for check, count in zip(question.checks, counts, strict=True) if count}
        return found

    def rows(self, table: str) -> list[Row]:
        self._cursor.execute(f"select * from {table}")
        names = [column[0] for column in self._cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in self._cursor.fetchall()]


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return load_catalog(FolderReader(REPOSITORY / "metadata"))


@pytest.fixture(scope="module")
def dm(tmp_path_factory: pytest.TempPathFactory, catalog: Catalog) -> Iterator[Dm]:
    with running_warehouse(tmp_path_factory.mktemp("dm")) as dsn:
        connection = psycopg2.connect(dsn)
        with connection, connection.cursor() as cursor:
            for statement in release(catalog, REPOSITORY / "sql"):
                cursor.execute(statement.sql)
        yield Dm(connection, catalog)
        connection.close()


def tables_in_order(catalog: Catalog) -> list[str]:
    """dm tables, each after its inputs."""
    pending = {name: spec for name, spec in catalog.tables.items() if spec.family is not Family.STG_TO_ITG}
    order: list[str] = []
    while pending:
        ready = [name for name, spec in pending.items() if not any(i.table in pending for i in spec.inputs)]
        order += sorted(ready)
        pending = {name: spec for name, spec in pending.items() if name not in ready}
    return order


def stale_slices(catalog: Catalog, before: Tables, after: Tables, order: list[str]) -> dict[str, set[str]]:
    """Which slices of each dm table the marks of its inputs make stale, by docs/architecture.md, "Marks"."""
    changed = {f"itg.{name}": _changed_slices(f"itg.{name}", before, after) for name in catalog.objects}
    for table in order:
        stale: set[str] = set()
        for source in catalog.tables[table].inputs:
            slices = changed[source.table]
            if source.marks == "reference":
                stale |= {"ZZ"} if slices else set()
            else:
                stale |= set(SLICES) if source.marks == "all" and "ZZ" in slices else slices
        changed[table] = stale
    return {table: changed[table] for table in order}


def _changed_slices(table: str, before: Tables, after: Tables) -> set[str]:
    """Slices that hold or held a record whose row or history is another now."""
    old, new = _records(table, before), _records(table, after)
    changed = [key for key in {**old, **new} if old.get(key) != new.get(key)]
    return {str(side[key][0]["_country_code"]) for side in (old, new) for key in changed if key in side}


def _records(table: str, itg: Tables) -> dict[object, list[Row]]:
    """Per record that itg holds, its row and then its versions."""
    records = {row["id"]: [row] for row in itg[table]}
    for version in itg.get(f"{table}__history", []):
        if version["id"] in records:
            records[version["id"]].append(version)
    return records


def differences(dm: Dm, itg: Tables, tables: list[str]) -> list[str]:
    """What differs from the oracle; dm.dim_date has a test of its own, for its many rows are always the same."""
    expected = {name: rows for name, rows in compute_dm(itg, AS_OF_DATE).items() if name != "dm.dim_date"}
    found = compare(expected, {table: dm.rows(table) for table in tables if table in expected})
    return [str(difference) for difference in found]


@pytest.mark.parametrize("as_of_date", [AS_OF_DATE, date(2026, 3, 31), date(2024, 2, 29)])
def test_the_calendar(dm: Dm, as_of_date: date) -> None:
    dm.fill({})
    dm.refresh("dm.dim_date", as_of_date=as_of_date)
    differences = compare({"dm.dim_date": dim_date(as_of_date)}, {"dm.dim_date": dm.rows("dm.dim_date")})
    assert [str(difference) for difference in differences] == []


# The rows come of one number, which has nothing to be made smaller.
@settings(max_examples=25, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(seed=st.integers(0, 2**32))
def test_refreshing_what_is_marked_gives_what_the_oracle_gives(dm: Dm, catalog: Catalog, seed: int) -> None:
    """All slices at first; after a change of itg, those alone that the inputs' marks make stale."""
    random = Random(seed)
    records = random_records(random, catalog)
    before = itg_of(records, catalog)
    after = itg_of(changed_records(random, records, catalog), catalog)
    order = tables_in_order(catalog)
    dm.fill(before)
    for table in order:
        dm.refresh(table)
    assert differences(dm, before, order) == []
    dm.replace(before, after)
    for table, slices in stale_slices(catalog, before, after, order).items():
        dm.refresh(table, sorted(slices))
    assert differences(dm, after, order) == []


@pytest.mark.parametrize("as_of_date", [AS_OF_DATE, date(2024, 2, 29)])
def test_no_check_stops_what_procedures_make_of_whatever_the_org_holds(
    dm: Dm, catalog: Catalog, as_of_date: date
) -> None:
    """Dangling keys, impossible days, negative patients: a check that fails asks for what no procedure promises."""
    random = Random(as_of_date.toordinal())
    records = random_records(random, catalog)
    before = itg_of(records, catalog)
    after = itg_of(changed_records(random, records, catalog), catalog)
    order = tables_in_order(catalog)
    dm.fill(before)
    for table in order:
        dm.refresh(table, as_of_date=as_of_date)
        assert dm.failing(table, as_of_date=as_of_date) == {}, table
    dm.replace(before, after)
    for table, stale in stale_slices(catalog, before, after, order).items():
        if slices := sorted(stale):
            dm.refresh(table, slices, as_of_date)
            assert dm.failing(table, slices, as_of_date) == {}, table
