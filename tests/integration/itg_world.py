"""A warehouse with what a release makes of the repository's metadata, and beside it what `itg_model` says is in it."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path

import psycopg2
from idiscover.aws import archive
from idiscover.metadata.loading import FolderReader, load_catalog
from idiscover.metadata.models import Catalog
from idiscover.plan.build import itg_plan
from idiscover.plan.model import ItgPlan
from idiscover.warehouse.queries import batches_sql, stale_slices_sql
from idiscover.warehouse.release import release
from idiscover.warehouse.statements import parse_statement
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from tests.integration import itg_model
from tests.integration.itg_model import (
    CountryOf,
    Held,
    Read,
    State,
    Table,
    Version,
    country_of_parent,
    no_country,
    own_country,
)
from tests.support.warehouse_stack import running_warehouse

REPOSITORY = Path(__file__).resolve().parents[2]
EPOCH = datetime(2026, 1, 5)
RUN_ID = "manual__2026-01-05T00:00:00+00:00"
ORDER_DATE = date(2026, 1, 5)
KINDS = ("inserted", "updated", "unchanged", "superseded", "removed")


@dataclass(frozen=True)
class Sample:
    """An object, the column that decides the country, one that stands for all others, and what the country is of."""

    name: str
    source: str
    content: str
    ids: tuple[str, ...]
    sources: tuple[str | None, ...]
    parent: str | None = None


ACCOUNTS, OBJECTIVES = ("A1", "A2", "A3"), ("O1", "O2", "O3")
SAMPLES = {
    sample.name: sample
    for sample in (
        # with history, its own country
        Sample("account", "country_code", "name", ACCOUNTS, ("DE", "FR", "DE", "FR", None, "", "de", "D1", "DEU")),
        # with history, the country of an account
        Sample("lab_objective", "lab_id", "status", OBJECTIVES, (*ACCOUNTS, "A9", None), "account"),
        # the country of an objective, which has that of an account
        Sample("objective_hcp", "lab_objective_id", "name", ("H1", "H2", "H3"), (*OBJECTIVES, None), "lab_objective"),
        # read whole, with a formula
        Sample("lab_capability", "lab_id", "lab_segment", ("C1", "C2", "C3"), (*ACCOUNTS, None), "account"),
        # read whole, without IsDeleted, without a country
        Sample("record_type", "sobject_type", "name", ("R1", "R2"), ("Account", None)),
    )
}
COUNTRIES = ("DE", "FR", "ZZ")


@dataclass
class Batch:
    """What one extraction brought."""

    id: str
    rows: list[Version]
    read: Read | None


@dataclass
class Books:
    """What the model knows of an object."""

    staged: list[Version] = field(default_factory=list)
    held: Table = field(default_factory=dict)
    history: frozenset[Version] | None = None
    reads: dict[str, Read] = field(default_factory=dict)  # those whose Ids are in stg
    batches: dict[str, Batch] = field(default_factory=dict)  # all that ever came
    archived: set[str] = field(default_factory=set)


class World:
    """The warehouse, and the books of what should be in it; every step compares the two."""

    def __init__(self, connection: Connection, catalog: Catalog) -> None:
        self._connection = connection
        self.plans: dict[str, ItgPlan] = {name: itg_plan(catalog.objects[name]) for name in SAMPLES}
        self._statements = {name: catalog.tables[f"itg.{name}"].statements[0] for name in SAMPLES}
        self.books = {name: Books(history=frozenset() if plan.history else None) for name, plan in self.plans.items()}
        self.run("delete from stg.batch_load")
        for name, plan in self.plans.items():
            sides = ("__changes", "__load_audit", "__absence", *(["__history"] if plan.history else []))
            for table in (f"stg.{name}", f"stg.{name}__ids", f"itg.{name}", *(f"itg.{name}{side}" for side in sides)):
                self.run(f"delete from {table}")

    def run(self, sql: str, parameters: object = None) -> list[tuple[object, ...]]:
        """One statement in a transaction of its own."""
        with self._transaction() as cursor:
            cursor.execute(sql, parameters)
            return cursor.fetchall() if cursor.description else []

    @contextmanager
    def _transaction(self) -> Iterator[Cursor]:
        with self._connection, self._connection.cursor() as cursor:
            yield cursor

    def state(self, name: str) -> State:
        """What the model looks at."""
        books = self.books[name]
        return State(books.staged, books.held, books.history, list(books.reads.values()), self._country_of(name))

    def _country_of(self, name: str) -> CountryOf:
        parent = SAMPLES[name].parent
        if parent:
            return country_of_parent(self.books[parent].held)
        return own_country if name == "account" else no_country

    def load(self, name: str, batch: Batch) -> None:
        """A batch comes to stg, as a load brings it: rows, Ids and the ledger's row at once."""
        sample, books = SAMPLES[name], self.books[name]
        with self._transaction() as cursor:
            for row in batch.rows:
                cursor.execute(
                    f"insert into stg.{name} (id, system_modstamp, {sample.source}, {sample.content}, _read_at_utc,"
                    " _batch_id) values (%s, %s, %s, %s, %s, %s)",
                    (row.id, time_of(row.modstamp), row.source, row.content, time_of(row.read_at), row.batch),
                )
            self._load_ids(cursor, name, batch)
        books.staged += batch.rows
        books.batches[batch.id] = batch
        books.archived.discard(batch.id)
        if batch.read:
            books.reads[batch.id] = batch.read

    def _load_ids(self, cursor: Cursor, name: str, batch: Batch) -> None:
        cursor.execute(f"delete from stg.{name}__ids where _batch_id = %s", (batch.id,))
        for key in sorted(batch.read.ids) if batch.read else ():
            cursor.execute(f"insert into stg.{name}__ids (id, _batch_id) values (%s, %s)", (key, batch.id))
        absence = time_of(batch.read.absence_at) if batch.read else None
        cursor.execute(
            'insert into stg.batch_load (batch_id, object, "rows", ids, absence_at_utc, run_id, loaded_at_utc)'
            " values (%s, %s, %s, %s, %s, %s, getdate())",
            (batch.id, name, len(batch.rows), len(batch.read.ids) if batch.read else None, absence, RUN_ID),
        )

    def forget(self, name: str, batch_id: str) -> None:
        """The ledger's row of an archived batch is taken away, so that it can be loaded again."""
        self.run("delete from stg.batch_load where batch_id = %s", (batch_id,))
        self.books[name].reads.pop(batch_id, None)

    def call(self, name: str, country: str) -> None:
        """One CALL; rows, history, changes and audit have to be what the model says."""
        books, expected = self.books[name], itg_model.call(country, self.state(name))
        self.run(*parse_statement(self._statements[name]).bind(country, ORDER_DATE, RUN_ID))
        books.held, books.history = expected.table, expected.history
        assert self.rows(name) == expected.table
        if books.history is not None:
            assert Counter(self._versions(f"itg.{name}__history", name)) == Counter(books.history)
        assert self._take_changes(name) == Counter(expected.changes)
        assert self._take_audit(name, country) == {batch: counts for batch, counts in expected.audit.items() if counts}

    def stale(self, name: str) -> list[str]:
        """The countries that have something to write, by the model and by the warehouse."""
        found = [str(row[0]) for row in self.run(stale_slices_sql(self.plans[name]))]
        assert found == sorted(itg_model.stale(self.state(name)))
        return found

    def converge(self, name: str, order: random.Random) -> None:
        """Call exactly the stale countries; then nothing is stale."""
        stale = self.stale(name)
        for country in order.sample(stale, len(stale)):
            self.call(name, country)
        assert self.stale(name) == []

    def archive(self, name: str) -> None:
        """Batches that are wholly in place leave stg, and Ids that no longer count."""
        books, state, plan = self.books[name], self.state(name), self.plans[name]
        by_batch = {
            key: [row for row in books.staged if row.batch == key] for key in {row.batch for row in books.staged}
        }
        missing = {key: itg_model.missing(state, rows) for key, rows in by_batch.items()}
        expected = [(key, len(rows), len(rows), missing[key]) for key, rows in sorted(by_batch.items())]
        assert self.run(batches_sql(plan)) == expected
        unapplied = next((state.newest.batch for row in books.held.values() if state.is_dead(row.version)), None)
        with self._transaction() as cursor:
            assert archive._unapplied(cursor, plan) == unapplied
        gone = {key for key in books.batches if not missing.get(key) and key != unapplied}
        gone -= {key for key in gone if not self.run("select 1 from stg.batch_load where batch_id = %s", (key,))}
        books.archived |= gone
        self._sweep(name)

    def _sweep(self, name: str) -> None:
        """Of whatever is archived, only the newest read's Ids stay."""
        books, newest = self.books[name], self.state(name).newest
        older = sorted(key for key in self._batches_with_ids(name) if newest is None or key != newest.batch)
        with self._transaction() as cursor:
            assert archive._older_reads(cursor, self.plans[name]) == older
            archive._empty_stg(cursor, self.plans[name], books.archived, books.archived.intersection(older))
        books.staged = [row for row in books.staged if row.batch not in books.archived]
        for key in books.archived.intersection(older):
            books.reads.pop(key, None)

    def _batches_with_ids(self, name: str) -> set[str]:
        return {str(row[0]) for row in self.run(f"select distinct _batch_id from stg.{name}__ids")}

    def rows(self, name: str) -> Table:
        """itg as it is."""
        countries = {str(key): str(country) for key, country in self.run(f"select id, _country_code from itg.{name}")}
        versions = self._versions(f"itg.{name}", name)
        assert len(countries) == len(versions)
        return {version.id: Held(version, countries[version.id]) for version in versions}

    def _versions(self, table: str, name: str) -> list[Version]:
        sample = SAMPLES[name]
        columns = f"id, system_modstamp, _read_at_utc, _batch_id, {sample.source}, {sample.content}"
        return [_version(row) for row in self.run(f"select {columns} from {table}")]

    def _take_changes(self, name: str) -> Counter[tuple[str, str | None]]:
        found = self.run(f"select country_code, moved_from_country_code, run_id from itg.{name}__changes")
        self.run(f"delete from itg.{name}__changes")
        assert all(row[2] == RUN_ID for row in found)
        return Counter((row[0], row[1]) for row in found)

    def _take_audit(self, name: str, country: str) -> dict[str, Counter[str]]:
        found = self.run(f"select batch_id, country_code, run_id, {', '.join(KINDS)} from itg.{name}__load_audit")
        self.run(f"delete from itg.{name}__load_audit")
        assert all(row[1:3] == (country, RUN_ID) for row in found)
        assert len({row[0] for row in found}) == len(found)
        return {str(row[0]): +Counter(dict(zip(KINDS, map(int, row[3:]), strict=True))) for row in found}


@contextmanager
def released_warehouse(folder: Path) -> Iterator[tuple[Connection, Catalog]]:
    """A warehouse with everything that a release of the repository brings, and the catalog that it is made of."""
    catalog = load_catalog(FolderReader(REPOSITORY / "metadata"))
    with running_warehouse(folder) as dsn:
        connection = psycopg2.connect(dsn)
        for _ in range(2):  # a release that comes again changes nothing
            with connection, connection.cursor() as cursor:
                for statement in release(catalog, REPOSITORY / "sql"):
                    cursor.execute(statement.sql)
        yield connection, catalog
        connection.close()


def time_of(seconds: int) -> datetime:
    """The model's seconds as a time."""
    return EPOCH + timedelta(seconds=seconds)


def _version(row: tuple[object, ...]) -> Version:
    seconds = [int((moment - EPOCH).total_seconds()) for moment in row[1:3]]
    return Version(str(row[0]), *seconds, str(row[3]), row[4], row[5])
