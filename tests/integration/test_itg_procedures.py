"""The rendered itg procedures against a real warehouse, compared with `itg_model` after every call.

Random histories: batches in any order and again, countries in any order and again, labs that move, parents that come
after their children, batches that leave stg in between. Ids, countries and times are few, so that everything collides.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

import psycopg2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from idiscover.metadata.loading import FolderReader, load_catalog
from idiscover.metadata.models import Catalog
from idiscover.plan.build import itg_plan
from idiscover.warehouse.queries import batches_sql, stale_slices_sql
from idiscover.warehouse.release import release
from idiscover.warehouse.statements import parse_statement

from tests.integration import itg_model
from tests.integration.itg_model import Held, Table, Version, country_of_lab, own_country
from tests.support.warehouse_stack import running_warehouse

REPOSITORY = Path(__file__).resolve().parents[2]
EPOCH = datetime(2026, 1, 5)
RUN_ID = "manual__2026-01-05T00:00:00+00:00"
ORDER_DATE = date(2026, 1, 5)
OBJECTS = ("account", "testing_volume")
# column that decides the country, and one that stands for all others
COLUMNS = {"account": ("country_code", "name"), "testing_volume": ("lab_id", "data_source")}
ACCOUNTS = ("A1", "A2", "A3")
SOURCES = {
    "account": ("DE", "FR", "DE", "FR", None, "", "de", "D1", "DEU", " FR"),
    "testing_volume": (*ACCOUNTS, "A9", None),
}
IDS = {"account": ACCOUNTS, "testing_volume": ("T1", "T2", "T3", "T4")}
COUNTRIES = ("DE", "FR", "ZZ")
CONTENTS = (None, "", "a", "a ", "ä%'\\")


class World:
    """The warehouse, and beside it what the model says should be in it."""

    def __init__(self, connection: psycopg2.extensions.connection, catalog: Catalog) -> None:
        self._connection = connection
        self._plans = {name: itg_plan(catalog.objects[name]) for name in OBJECTS}
        self._statements = {name: catalog.tables[f"itg.{name}"].statements[0] for name in OBJECTS}
        self.staged: dict[str, list[Version]] = {name: [] for name in OBJECTS}
        self.held: dict[str, Table] = {name: {} for name in OBJECTS}
        self.newest: dict[str, dict[str, Version]] = {name: {} for name in OBJECTS}
        self.batches: dict[str, list[list[Version]]] = {name: [] for name in OBJECTS}
        for name in OBJECTS:
            for table in (f"stg.{name}", f"itg.{name}", f"itg.{name}__changes", f"itg.{name}__load_audit"):
                self.run(f"delete from {table}")

    def run(self, sql: str, parameters: object = None) -> list[tuple[object, ...]]:
        """One statement in a transaction of its own."""
        with self._connection, self._connection.cursor() as cursor:
            cursor.execute(sql, parameters)
            return cursor.fetchall() if cursor.description else []

    def country_of(self, name: str) -> Callable[[Version], str]:
        return own_country if name == "account" else country_of_lab(self.held["account"])

    def stage(self, name: str, rows: list[Version]) -> None:
        """A batch comes to stg."""
        source, content = COLUMNS[name]
        for row in rows:
            self.run(
                f"insert into stg.{name} (id, is_deleted, system_modstamp, {source}, {content},"
                " _read_at_utc, _batch_id) values (%s, false, %s, %s, %s, %s, %s)",
                (row.id, _time(row.modstamp), row.source, row.content, _time(row.read_at), row.batch),
            )
            known = self.newest[name].get(row.id)
            self.newest[name][row.id] = row if known is None else max(known, row, key=lambda item: item.order)
        self.staged[name] += rows

    def call(self, name: str, country: str) -> None:
        """One CALL; rows, changes and audit have to be what the model says."""
        expected = itg_model.call(country, self.staged[name], self.held[name], self.country_of(name))
        self.run(*parse_statement(self._statements[name]).bind(country, ORDER_DATE, RUN_ID))
        self.held[name] = expected.table
        assert self.rows(name) == expected.table
        assert self._take_changes(name) == Counter(expected.changes)
        assert self._take_audit(name, country) == {batch: counts for batch, counts in expected.audit.items() if counts}

    def converge(self, name: str, order: random.Random) -> None:
        """Call exactly the stale countries; then nothing is stale."""
        stale = [str(row[0]) for row in self.run(stale_slices_sql(self._plans[name]))]
        assert stale == sorted(itg_model.stale(self.staged[name], self.held[name], self.country_of(name)))
        for country in order.sample(stale, len(stale)):
            self.call(name, country)
        assert self.run(stale_slices_sql(self._plans[name])) == []

    def archive(self, name: str) -> None:
        """Batches that are wholly in place leave stg."""
        held, staged = self.held[name], self.staged[name]
        expected = []
        for batch in sorted({row.batch for row in staged}):
            rows = [row for row in staged if row.batch == batch]
            missing = sum(row.id not in held or held[row.id].version.order < row.order for row in rows)
            expected.append((batch, len(rows), len(rows), missing))
        assert self.run(batches_sql(self._plans[name])) == expected
        gone = [batch for batch, _, _, missing in expected if missing == 0]
        for batch in gone:
            self.run(f"delete from stg.{name} where _batch_id = %s", (batch,))
        self.staged[name] = [row for row in staged if row.batch not in gone]

    def rows(self, name: str) -> Table:
        source, content = COLUMNS[name]
        found = self.run(
            f"select id, system_modstamp, _read_at_utc, _batch_id, {source}, {content}, _country_code from itg.{name}"
        )
        table = {str(row[0]): Held(_version(row), str(row[6])) for row in found}
        assert len(table) == len(found)
        return table

    def _take_changes(self, name: str) -> Counter[tuple[str, str | None]]:
        found = self.run(f"select country_code, moved_from_country_code, run_id from itg.{name}__changes")
        self.run(f"delete from itg.{name}__changes")
        assert all(row[2] == RUN_ID for row in found)
        return Counter((row[0], row[1]) for row in found)

    def _take_audit(self, name: str, country: str) -> dict[str, Counter[str]]:
        kinds = ("inserted", "updated", "unchanged", "superseded")
        found = self.run(f"select batch_id, country_code, run_id, {', '.join(kinds)} from itg.{name}__load_audit")
        self.run(f"delete from itg.{name}__load_audit")
        assert all(row[1:3] == (country, RUN_ID) for row in found)
        assert len({row[0] for row in found}) == len(found)
        return {str(row[0]): +Counter(dict(zip(kinds, map(int, row[3:]), strict=True))) for row in found}


def _time(seconds: int) -> datetime:
    return EPOCH + timedelta(seconds=seconds)


def _version(row: tuple[object, ...]) -> Version:
    seconds = [int((moment - EPOCH).total_seconds()) for moment in row[1:3]]
    return Version(str(row[0]), *seconds, str(row[3]), row[4], row[5])


Action = Callable[[World, random.Random], None]


@dataclass(frozen=True)
class NewBatch:
    """A batch of versions, all read at one time; `label` decides how its id compares with others'."""

    name: str
    read_at: int
    label: int
    rows: tuple[tuple[str, int, str | None, str | None], ...]  # id, modstamp, source, content

    def __call__(self, world: World, _order: random.Random) -> None:
        batch = f"{self.name}-{self.label}-{len(world.batches[self.name])}"
        made = [Version(key, stamp, self.read_at, batch, source, content) for key, stamp, source, content in self.rows]
        world.batches[self.name].append(made)
        world.stage(self.name, made)


@st.composite
def _batches(draw: st.DrawFn) -> NewBatch:
    name = draw(st.sampled_from(OBJECTS))
    ids = draw(st.lists(st.sampled_from(IDS[name]), unique=True, min_size=1))
    values = st.tuples(st.integers(0, 2), st.sampled_from(SOURCES[name]), st.sampled_from(CONTENTS))
    rows = tuple((key, *draw(values)) for key in ids)
    return NewBatch(name, draw(st.integers(0, 2)), draw(st.integers(0, 9)), rows)


def _replay(world: World, order: random.Random) -> None:
    """A batch that was archived comes back."""
    name = order.choice(OBJECTS)
    present = {row.batch for row in world.staged[name]}
    gone = [batch for batch in world.batches[name] if batch[0].batch not in present]
    if gone:
        world.stage(name, order.choice(gone))


def _call(world: World, order: random.Random) -> None:
    world.call(order.choice(OBJECTS), order.choice(COUNTRIES))


def _converge(world: World, order: random.Random) -> None:
    world.converge(order.choice(OBJECTS), order)


def _archive(world: World, order: random.Random) -> None:
    world.archive(order.choice(OBJECTS))


ACTIONS = st.one_of(_batches(), _batches(), st.sampled_from([_replay, _call, _call, _converge, _archive, _archive]))


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return load_catalog(FolderReader(REPOSITORY / "metadata"))


@pytest.fixture(scope="module")
def connection(catalog: Catalog, tmp_path_factory: pytest.TempPathFactory) -> Iterator[psycopg2.extensions.connection]:
    with running_warehouse(tmp_path_factory.mktemp("warehouse")) as dsn:
        connection = psycopg2.connect(dsn)
        for _ in range(2):  # a release that comes again changes nothing
            with connection, connection.cursor() as cursor:
                for statement in release(catalog, REPOSITORY / "sql"):
                    cursor.execute(statement.sql)
        yield connection
        connection.close()


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(actions=st.lists(ACTIONS, min_size=5, max_size=25), seed=st.integers(0, 999))
def test_any_history_ends_as_the_model_says(
    connection: psycopg2.extensions.connection, catalog: Catalog, actions: list[Action], seed: int
) -> None:
    world, order = World(connection, catalog), random.Random(seed)
    for action in actions:
        action(world, order)
    for name in OBJECTS:
        world.converge(name, order)
    for name in OBJECTS:
        assert {key: row.version for key, row in world.held[name].items()} == world.newest[name]
        assert {row.country for row in world.held[name].values()} <= set(COUNTRIES)
    for name in OBJECTS:
        world.archive(name)
        assert world.staged[name] == []


def test_several_countries_in_one_transaction(connection: psycopg2.extensions.connection, catalog: Catalog) -> None:
    """As a unit of countries joined by a move is run: all of it, or nothing."""
    world = World(connection, catalog)
    world.stage("account", [Version("A1", 1, 1, "b1", "DE", "a"), Version("A2", 1, 1, "b1", "FR", "b")])
    world.call("account", "DE")
    statement = parse_statement(catalog.tables["itg.account"].statements[0])
    world.stage("account", [Version("A1", 2, 2, "b2", "FR", "a"), Version("A3", 1, 2, "b2", "DE", "c")])
    before = world.rows("account")
    with pytest.raises(ZeroDivisionError), connection, connection.cursor() as cursor:
        for country in ("FR", "DE", "FR"):
            cursor.execute(*statement.bind(country, ORDER_DATE, RUN_ID))
        raise ZeroDivisionError
    assert world.rows("account") == before
    with connection, connection.cursor() as cursor:
        for country in ("FR", "DE", "FR"):
            cursor.execute(*statement.bind(country, ORDER_DATE, RUN_ID))
    assert {key: row.country for key, row in world.rows("account").items()} == {"A1": "FR", "A2": "FR", "A3": "DE"}
    assert world.run(stale_slices_sql(itg_plan(catalog.objects["account"]))) == []


def test_an_id_twice_in_a_batch_is_refused_by_name_and_number(
    connection: psycopg2.extensions.connection, catalog: Catalog
) -> None:
    world = World(connection, catalog)
    world.stage("account", [Version("A1", 1, 1, "b1", "DE", "a"), Version("A1", 1, 1, "b1", "DE", "b")])
    with pytest.raises(psycopg2.Error, match=r"load_account DE: 1 Ids are not 1 new .* 2 written"):
        world.call("account", "DE")
    assert world.rows("account") == {}


@pytest.mark.parametrize("country", ["de", "D", "D1", "", None])
def test_what_is_no_country_is_refused(
    connection: psycopg2.extensions.connection, catalog: Catalog, country: str | None
) -> None:
    with pytest.raises(psycopg2.Error, match="not a country code"):
        World(connection, catalog).run("call itg.load_account(%s, '2026-01-05', 'x')", (country,))
