"""The rendered itg procedures against a real warehouse, compared with `itg_model` after every call.

Random histories: batches in any order and again, countries in any order and again, labs that move, parents that come
after their children, records that are gone for good, reads of every Id that arrive late or again, loads around calls
that never came, batches that leave stg in between. Ids, countries and times are few, so that everything collides.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import psycopg2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from idiscover.metadata.models import Catalog
from idiscover.plan.model import ReadMode
from idiscover.warehouse.queries import stale_slices_sql
from idiscover.warehouse.statements import parse_statement
from psycopg2.extensions import connection as Connection

from tests.integration.itg_model import Read, Version, end_of
from tests.integration.itg_world import (
    COUNTRIES,
    ORDER_DATE,
    RUN_ID,
    SAMPLES,
    Batch,
    World,
    released_warehouse,
)

CONTENTS = (None, "", "a", "a ", "ä%'\\")
NAMES = tuple(SAMPLES)
LAST_SECOND = 6

Life = tuple[int, int]  # a record can be read from the first second until before the second
Lives = dict[str, Life]
Action = Callable[[World, Lives, random.Random], None]


@dataclass(frozen=True)
class NewBatch:
    """A batch that the org could have given: rows of records that live, and Ids as they were after the rows.

    A read of every Id begins at `read_at`, and sees what is there a second later. `label` decides how the batch's id
    compares with others'.
    """

    name: str
    mode: ReadMode
    read_at: int
    label: int
    rows: tuple[tuple[str, int, str | None, str | None], ...]  # id, modstamp, source, content

    def __call__(self, world: World, lives: Lives, _order: random.Random) -> None:
        batch = f"{self.name}-{self.label}-{len(world.books[self.name].batches)}"
        seen_at = self.read_at + 1 if self.mode is ReadMode.WHOLE else self.read_at
        rows = [
            Version(key, min(stamp, seen_at), seen_at, batch, source, content)
            for key, stamp, source, content in self.rows
            if _lives(lives, key, seen_at)
        ]
        read = None
        if self.mode.tells_absence:
            ids = {row.id for row in rows}
            if self.mode is ReadMode.WINDOW_AND_IDS:
                ids = {key for key in SAMPLES[self.name].ids if _lives(lives, key, self.read_at + 1)}
            read = Read(batch, self.read_at, frozenset(ids))
        world.load(self.name, Batch(batch, rows, read))


def _lives(lives: Lives, key: str, second: int) -> bool:
    first, end = lives[key]
    return first <= second < end


@st.composite
def _batches(draw: st.DrawFn) -> NewBatch:
    name = draw(st.sampled_from(NAMES))
    sample, mode = SAMPLES[name], draw(st.sampled_from(list(ReadMode)))
    ids = sample.ids if mode is ReadMode.WHOLE else draw(st.lists(st.sampled_from(sample.ids), unique=True))
    values = st.tuples(st.integers(0, 3), st.sampled_from(sample.sources), st.sampled_from(CONTENTS))
    rows = tuple((key, *draw(values)) for key in ids)
    return NewBatch(name, mode, draw(st.integers(0, LAST_SECOND - 1)), draw(st.integers(0, 9)), rows)


@st.composite
def _lives_of_all(draw: st.DrawFn) -> Lives:
    """Most records stay; some are gone for good, some come late."""
    span = st.tuples(st.sampled_from([0, 0, 0, 2]), st.sampled_from([LAST_SECOND + 2] * 2 + [2, 3, 4, 5]))
    return {key: draw(span) for sample in SAMPLES.values() for key in sample.ids}


def _forget(world: World, _lives: Lives, order: random.Random) -> None:
    """Somebody takes an archived batch out of the ledger, to load it again; before that, much may happen."""
    name = order.choice(NAMES)
    known = sorted(world.books[name].archived)
    if known:
        world.forget(name, order.choice(known))


def _replay(world: World, _lives: Lives, order: random.Random) -> None:
    """An archived batch comes back."""
    name = order.choice(NAMES)
    known = sorted(world.books[name].archived)
    if known:
        batch = world.books[name].batches[order.choice(known)]
        world.forget(name, batch.id)
        world.load(name, batch)


def _call(world: World, _lives: Lives, order: random.Random) -> None:
    world.call(order.choice(NAMES), order.choice(COUNTRIES))


def _converge(world: World, _lives: Lives, order: random.Random) -> None:
    world.converge(order.choice(NAMES), order)


def _archive(world: World, _lives: Lives, order: random.Random) -> None:
    world.archive(order.choice(NAMES))


STEPS = [_replay, _forget, _call, _call, _converge, _converge, _archive, _archive]
ACTIONS = st.one_of(_batches(), _batches(), st.sampled_from(STEPS))


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Connection, Catalog]]:
    with released_warehouse(tmp_path_factory.mktemp("warehouse")) as released:
        yield released


@pytest.fixture
def world(warehouse: tuple[Connection, Catalog]) -> World:
    return World(*warehouse)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(actions=st.lists(ACTIONS, min_size=5, max_size=30), lives=_lives_of_all(), seed=st.integers(0, 999))
def test_any_history_ends_as_the_model_says(
    warehouse: tuple[Connection, Catalog], actions: list[Action], lives: Lives, seed: int
) -> None:
    world, order = World(*warehouse), random.Random(seed)
    for action in actions:
        action(world, lives, order)
    _load_what_was_forgotten(world)
    for name in NAMES:  # parents first
        world.converge(name, order)
    for books in world.books.values():
        versions = [row for batch in books.batches.values() for row in batch.rows]
        reads = [batch.read for batch in books.batches.values() if batch.read]
        assert {key: row.version for key, row in books.held.items()} == end_of(versions, reads)
        assert books.history is None or books.history == frozenset(versions)
        assert {row.country for row in books.held.values()} <= set(COUNTRIES)
    for name, books in world.books.items():
        world.archive(name)
        assert books.staged == []
        assert sum(bool(read.ids) for read in books.reads.values()) <= 1


def _load_what_was_forgotten(world: World) -> None:
    ledger = {str(row[0]) for row in world.run("select batch_id from stg.batch_load")}
    for name, books in world.books.items():
        for batch in list(books.batches.values()):
            if batch.id not in ledger:
                world.load(name, batch)


def version(key: str, modstamp: int, batch: str, source: str | None = "DE", content: str = "a") -> Version:
    return Version(key, modstamp, modstamp, batch, source, content)


def test_a_record_that_is_gone_leaves_and_an_older_version_of_it_does_not_come_back(world: World) -> None:
    world.load("account", Batch("b1", [version("A1", 1, "b1"), version("A2", 1, "b1", "FR")], None))
    world.converge("account", random.Random(0))
    world.load("account", Batch("b2", [], Read("b2", 3, frozenset({"A2"}))))
    assert world.stale("account") == ["DE"]
    world.converge("account", random.Random(0))
    assert set(world.rows("account")) == {"A2"}
    world.archive("account")
    world.load("account", Batch("b0", [version("A1", 0, "b0", "FR")], None))
    assert world.stale("account") == ["FR"]  # for its history alone
    world.converge("account", random.Random(0))
    assert set(world.rows("account")) == {"A2"}
    assert world.run("select id, _batch_id from itg.account__history order by 1, 2") == [
        ("A1", "b0"), ("A1", "b1"), ("A2", "b1"),
    ]  # fmt: skip


def test_a_record_changed_while_the_ids_were_read_stays(world: World) -> None:
    """It came, or came into the window, after the read began: another read has to say that it is gone."""
    world.load("account", Batch("b1", [version("A1", 3, "b1")], Read("b1", 3, frozenset())))
    world.converge("account", random.Random(0))
    assert set(world.rows("account")) == {"A1"}
    world.load("account", Batch("b2", [], Read("b2", 4, frozenset())))
    world.converge("account", random.Random(0))
    assert world.rows("account") == {}


def test_the_newest_read_counts_whichever_arrives_last(world: World) -> None:
    """An older read arrives late: it lacks a record that came after it."""
    world.load("account", Batch("b2", [version("A1", 2, "b2")], Read("b2", 5, frozenset({"A1"}))))
    world.load("account", Batch("b1", [], Read("b1", 4, frozenset({"A2"}))))
    world.converge("account", random.Random(0))
    assert set(world.rows("account")) == {"A1"}
    world.archive("account")
    assert world.run("select batch_id, absence_at_utc is null from stg.batch_load order by 1") == [
        ("b1", True), ("b2", False),
    ]  # fmt: skip


def test_grandchildren_move_with_the_lab(world: World) -> None:
    world.load("account", Batch("a1", [version("A1", 1, "a1", "DE")], None))
    world.load("lab_objective", Batch("o1", [version("O1", 1, "o1", "A1")], None))
    world.load("objective_hcp", Batch("h1", [version("H1", 1, "h1", "O1")], None))
    chain = ("account", "lab_objective", "objective_hcp")
    for name in chain:
        world.converge(name, random.Random(0))
        world.archive(name)
    world.load("account", Batch("a2", [version("A1", 2, "a2", "FR")], None))
    for name in chain:
        world.converge(name, random.Random(0))
        assert {row.country for row in world.rows(name).values()} == {"FR"}
    world.load("account", Batch("a3", [], Read("a3", 5, frozenset())))
    for name in chain:
        world.converge(name, random.Random(0))
    assert {row.country for row in world.rows("objective_hcp").values()} == {"ZZ"}


def test_several_countries_in_one_transaction(world: World, warehouse: tuple[Connection, Catalog]) -> None:
    """As a unit of countries joined by a move is run: all of it, or nothing."""
    connection, catalog = warehouse
    world.load("account", Batch("b1", [version("A1", 1, "b1", "DE"), version("A2", 1, "b1", "FR")], None))
    world.call("account", "DE")
    statement = parse_statement(catalog.tables["itg.account"].statements[0])
    world.load("account", Batch("b2", [version("A1", 2, "b2", "FR"), version("A3", 2, "b2", "DE")], None))
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
    assert world.run(stale_slices_sql(world.plans["account"])) == []


def test_an_id_twice_in_a_batch_is_refused_by_name_and_number(world: World) -> None:
    twice = [version("A1", 1, "b1"), version("A1", 1, "b1", content="b")]
    world.load("account", Batch("b1", twice, None))
    with pytest.raises(psycopg2.Error, match=r"load_account DE: 1 Ids, but 1 new, .* 2 written"):
        world.call("account", "DE")
    assert world.rows("account") == {}


@pytest.mark.parametrize("country", ["de", "D", "D1", "", None])
def test_what_is_no_country_is_refused(world: World, country: str | None) -> None:
    with pytest.raises(psycopg2.Error, match="not a country code"):
        world.run("call itg.load_account(%s, '2026-01-05', 'x')", (country,))
