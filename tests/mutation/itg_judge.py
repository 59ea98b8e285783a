"""Judges procedures of itg: stg and itg hold crafted versions; what each call leaves has to be what `itg_model` says.

Ids do not know of each other, so one state holds hundreds of cases: what itg holds of an Id, in which country, which
versions stg has, whether the newest read of every Id has it. A procedure is created, called for every country, twice,
and looked at in one transaction, which is rolled back.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import psycopg2
from idiscover.metadata.models import Catalog
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor
from psycopg2.extras import execute_values

from tests.integration import itg_model
from tests.integration.itg_model import (
    CountryOf,
    Held,
    Outcome,
    Read,
    State,
    Version,
    country_of_parent,
    no_country,
    own_country,
)
from tests.integration.itg_world import EPOCH, KINDS, ORDER_DATE, RUN_ID, SAMPLES, time_of
from tests.mutation.procedures import Procedure

COUNTRIES = ("FR", "ZZ", "DE")
REFUSED_COUNTRIES = ("de", "D", "D1", "", None, " DE", "DEU")
CASES = 420
# Newest read of every Id; an older one, one as old with a smaller name, and one of another object never count.
NEWEST, ABSENCE_AT = "r7", 10
OTHER_READS = (("r8", 9), ("r6", ABSENCE_AT))
# (SystemModstamp, time of the read): on both sides of the newest read's beginning, and the same SystemModstamp twice
_TIMES = ((1, 2), (1, 3), (4, 5), (4, 10), (10, 9), (9, 9), (11, 12), (4, 12))
# Rows that others point to: id, what decides their country, and the country.
_PARENTS = {
    "account": (("A1", "DE", "DE"), ("A2", "FR", "FR"), ("A3", None, "ZZ")),
    "lab_objective": (("O1", "A2", "FR"), ("O2", "A1", "DE"), ("O3", "A3", "ZZ")),
}
_CONTENTS = ("a", "a", "b", None)


@dataclass(frozen=True)
class Calls:
    """The state before the calls, and what each of them has to leave."""

    state: State
    outcomes: tuple[tuple[str, Outcome], ...]  # country and outcome, in the order of the calls


class ItgJudge:
    """Crafted versions of the objects of `itg_world`, one shape of procedure each."""

    def __init__(self, connection: Connection, catalog: Catalog) -> None:
        self._connection = connection
        specs = {name: catalog.objects[name] for name in SAMPLES}
        self._crowds = {name: _calls(_crowd(name, spec.history)) for name, spec in specs.items()}
        self._handfuls = {
            name: [_calls(make(name, spec.history)) for make in (_few, _one)] for name, spec in specs.items()
        }
        with connection, connection.cursor() as cursor:
            for name in specs:
                _fill(cursor, name, self._crowds[name].state)

    def verdict(self, procedure: Procedure, sql: str) -> str | None:
        """How `sql`, put in the place of `procedure`, gives itself away; None if it does not."""
        name = procedure.table.removeprefix("itg.")
        try:
            with self._connection.cursor() as cursor:
                cursor.execute("set statement_timeout to 20000")
                cursor.execute(sql)
                found = _call_all(cursor, name, self._crowds[name]) or _refusals(cursor, name)
                for calls in self._handfuls[name]:
                    if found:
                        break
                    _empty(cursor, name, calls.state)
                    _leave_parents(cursor, name, calls.state)
                    _fill(cursor, name, calls.state)
                    found = _call_all(cursor, name, calls)
                return found
        except psycopg2.Error as error:
            return f"refused: {str(error).splitlines()[0]}"
        finally:
            self._connection.rollback()


def _fill(cursor: Cursor, name: str, state: State) -> None:
    """stg, itg, history and the ledger as the state says."""
    sample = SAMPLES[name]
    columns = f"id, system_modstamp, {sample.source}, {sample.content}, _read_at_utc, _batch_id"
    held = [row.version for row in state.held.values()]
    countries = [row.country for row in state.held.values()]
    _insert(cursor, f"stg.{name} ({columns})", map(_record, state.staged))
    _insert(
        cursor,
        f"itg.{name} ({columns}, _country_code, _run_id, _loaded_at_utc)",
        ((*_record(row), country, "r", EPOCH) for row, country in zip(held, countries, strict=True)),
    )
    if state.history is not None:
        known = ((*_record(row), "r", EPOCH) for row in state.history)
        _insert(cursor, f"itg.{name}__history ({columns}, _run_id, _loaded_at_utc)", known)
    _fill_reads(cursor, name, state)
    for table in (f"stg.{name}", f"stg.{name}__ids", f"itg.{name}"):
        cursor.execute(f"analyze {table}")


def _fill_reads(cursor: Cursor, name: str, state: State) -> None:
    ids = ((key, read.batch) for read in state.reads for key in sorted(read.ids))
    _insert(cursor, f"stg.{name}__ids (id, _batch_id)", ids)
    ledger = [(read.batch, name, 1, time_of(read.absence_at), "r", time_of(50)) for read in state.reads]
    ledger += [("w1", name, 1, None, "r", time_of(60)), ("z9", "another", 1, time_of(99), "r", time_of(70))]
    columns = 'batch_id, object, "rows", absence_at_utc, run_id, loaded_at_utc'
    _insert(cursor, f"stg.batch_load ({columns})", ledger)
    # as if applied: the newest read as it was loaded at other times, and an older one when the newest was loaded
    applied = [(NEWEST, time_of(at), EPOCH) for at in (ABSENCE_AT, 40)] + [("r8", time_of(50), EPOCH)]
    _insert(cursor, f"itg.{name}__absence (batch_id, loaded_at_utc, applied_at_utc)", applied)


def _call_all(cursor: Cursor, name: str, calls: Calls) -> str | None:
    for number, (country, outcome) in enumerate(calls.outcomes):
        cursor.execute(f"call itg.load_{name}(%s, %s, %s)", (country, ORDER_DATE, RUN_ID))
        found = _difference(cursor, name, country, outcome)
        if found:
            return f"call {number} ({country}): {found}"
    return None


def _refusals(cursor: Cursor, name: str) -> str | None:
    """What is no country is refused; so is a call whose books do not balance."""
    for country in REFUSED_COUNTRIES:
        error = _error_of(cursor, f"call itg.load_{name}(%s, %s, %s)", (country, ORDER_DATE, RUN_ID))
        if "is not a country code" not in error:
            return f"country {country!r}: {error or 'taken'}"
    sample = SAMPLES[name]
    columns = f"id, system_modstamp, {sample.content}, _read_at_utc, _batch_id"
    later = [("TWICE", time_of(30), "a", time_of(31), "b9"), ("TWICE", time_of(30), "b", time_of(31), "b9")]
    again = [("TWICE", time_of(30), "a", time_of(32), "b9")]
    held = [(*row, "ZZ", "r", EPOCH) for row in (later[0], later[0])]
    for staged, standing in ((later, []), (again, held)):
        cursor.execute("savepoint books")
        _insert(cursor, f"stg.{name} ({columns})", staged)
        _insert(cursor, f"itg.{name} ({columns}, _country_code, _run_id, _loaded_at_utc)", standing)
        error = _error_of(cursor, f"call itg.load_{name}('ZZ', %s, %s)", (ORDER_DATE, RUN_ID))
        cursor.execute("rollback to savepoint books")
        if " Ids, but " not in error:
            return f"an Id twice in {'itg' if standing else 'stg'}: {error or 'taken'}"
    return None


def _empty(cursor: Cursor, name: str, state: State) -> None:
    sides = ["__absence"] if state.history is None else ["__absence", "__history"]
    tables = [f"stg.{name}", f"stg.{name}__ids", f"itg.{name}", *(f"itg.{name}{side}" for side in sides)]
    for table in (*tables, "stg.batch_load"):
        cursor.execute(f"delete from {table}")


def _leave_parents(cursor: Cursor, name: str, state: State) -> None:
    """Of the rows that the object's rows could point to, only those stay that they do point to."""
    parent = SAMPLES[name].parent
    if parent:
        versions = (*state.staged, *(row.version for row in state.held.values()))
        named = tuple(sorted({version.source for version in versions if version.source}))
        cursor.execute(f"delete from itg.{parent} where id not in %s", (named,))


def _calls(state: State) -> Calls:
    outcomes = []
    standing = state
    for country in (*COUNTRIES, *reversed(COUNTRIES)):
        outcome = itg_model.call(country, standing)
        outcomes.append((country, outcome))
        standing = State(state.staged, outcome.table, outcome.history, state.reads, state.country_of)
    return Calls(state, tuple(outcomes))


def _country_of(name: str) -> CountryOf:
    parent = SAMPLES[name].parent
    if parent:
        return country_of_parent(_parents(parent))
    return own_country if name == "account" else no_country


def _one(name: str, history: bool) -> State:
    """One record, read again and still the same: a join that finds all others in its place finds nothing.

    Beside it one whose parent, of which there is no other, has come to be known since it was written, and one whose
    parent has gone.
    """
    source, country_of = SAMPLES[name].sources[0], _country_of(name)
    before, again = (Version("ID0", 20, read_at, f"b{read_at}", source, "a") for read_at in (21, 22))
    held = {"ID0": Held(before, country_of(before))}
    if SAMPLES[name].parent:
        held["ID4"] = Held(Version("ID4", 20, 21, "b21", source, "a"), "ZZ")
        held["ID5"] = Held(Version("ID5", 20, 21, "b21", None, "a"), country_of(before))
    return State([again], held, frozenset({before}) if history else None, [], country_of)


def _few(name: str, history: bool) -> State:
    """In each country one kind of change, so that it does not hide behind another.

    What goes is missed by the newest read, while the read before, of a later name, has it.
    """
    first, second, country_of = *SAMPLES[name].sources[:2], _country_of(name)
    gone, new = Version("ID1", 1, 2, "b1", first, "a"), Version("ID2", 20, 22, "b22", second, "a")
    before, after = Version("ID3", 20, 21, "b21", None, "a"), Version("ID3", 20, 22, "b22", None, "b")
    held = {row.id: Held(row, country_of(row)) for row in (gone, before)}
    reads = [Read(NEWEST, ABSENCE_AT, frozenset()), Read("r8", ABSENCE_AT - 1, frozenset({"ID1"}))]
    return State([new, after], held, frozenset({before}) if history else None, reads, country_of)


def _crowd(name: str, history: bool) -> State:
    """Hundreds of cases of one object, by a seed that is its name."""
    choice, sample, country_of = random.Random(name), SAMPLES[name], _country_of(name)
    staged: list[Version] = []
    held = _parents(name)
    for number in range(CASES):
        key = f"ID{number:04}"
        versions = _versions(choice, key, (*sample.sources, *sample.sources, "GB"))
        if choice.random() < 0.7:
            mine = choice.choice(versions)
            # a parent moves without its children; what has its own country lies there
            stays = not sample.parent or choice.random() < 0.6
            held[key] = Held(mine, country_of(mine) if stays else choice.choice(COUNTRIES))
        staged += [version for version in versions if choice.random() < 0.6]
    ids = sorted({version.id for version in staged} | held.keys())
    reads = [Read(NEWEST, ABSENCE_AT, frozenset(choice.sample(ids, len(ids) * 2 // 3)))]
    reads += [Read(batch, at, frozenset(choice.sample(ids, len(ids) * 2 // 3))) for batch, at in OTHER_READS]
    versions = [*staged, *(row.version for row in held.values())]
    known = frozenset(choice.sample(sorted(set(versions), key=repr), len(set(versions)) // 2))
    return State(staged, held, known if history else None, reads, country_of)


def _parents(name: str) -> dict[str, Held]:
    """Rows that children point to, newer than every read."""
    rows = _PARENTS.get(name, ())
    return {key: Held(Version(key, 20, 20, "b", source, "a"), country) for key, source, country in rows}


def _versions(choice: random.Random, key: str, sources: tuple[str | None, ...]) -> list[Version]:
    """One to four versions of an Id, each of its own batch; some differ by the batch alone."""
    times = choice.sample(_TIMES, choice.choice((1, 1, 2, 3)))
    if choice.random() < 0.3:
        times.append(times[0])
    batches = choice.sample([f"b{number}" for number in range(8)], len(times))
    source, content = choice.choice(sources), choice.choice(_CONTENTS)
    versions = []
    for (modstamp, read_at), batch in zip(times, batches, strict=True):
        if choice.random() < 0.3:
            source = choice.choice(sources)
        if choice.random() < 0.4:
            content = choice.choice(_CONTENTS)
        versions.append(Version(key, modstamp, read_at, batch, source, content))
    return versions


def _difference(cursor: Cursor, name: str, country: str, outcome: Outcome) -> str | None:
    """What of itg, history, changes and audit is not as the model says; changes and audit are emptied."""
    sample = SAMPLES[name]
    columns = f"id, system_modstamp, _read_at_utc, _batch_id, {sample.source}, {sample.content}"
    wanted: Counter[tuple[object, ...]] = Counter((*_key(row.version), row.country) for row in outcome.table.values())
    if _rows(cursor, f"select {columns}, _country_code from itg.{name}") != wanted:
        return "itg differs"
    if outcome.history is not None:
        known = Counter(map(_key, outcome.history))
        if _rows(cursor, f"select {columns} from itg.{name}__history") != known:
            return "the history differs"
    found = _rows(cursor, f"select country_code, moved_from_country_code, run_id from itg.{name}__changes")
    if found != Counter((*change, RUN_ID) for change in outcome.changes):
        return "the changes differ"
    cursor.execute(f"delete from itg.{name}__changes")
    audit = _rows(cursor, f"select country_code, batch_id, run_id, {', '.join(KINDS)} from itg.{name}__load_audit")
    cursor.execute(f"delete from itg.{name}__load_audit")
    books = {batch: counts for batch, counts in outcome.audit.items() if counts}
    lines = Counter((country, batch, RUN_ID, *(counts[kind] for kind in KINDS)) for batch, counts in books.items())
    return None if audit == lines else "the audit differs"


def _rows(cursor: Cursor, sql: str) -> Counter[tuple[object, ...]]:
    cursor.execute(sql)
    return Counter(cursor.fetchall())


def _error_of(cursor: Cursor, sql: str, parameters: tuple[object, ...]) -> str:
    """The message of the error that a statement ends with; nothing if it does not. The transaction goes on."""
    cursor.execute("savepoint attempt")
    try:
        cursor.execute(sql, parameters)
    except psycopg2.Error as error:
        cursor.execute("rollback to savepoint attempt")
        return str(error)
    cursor.execute("rollback to savepoint attempt")
    return ""


def _insert(cursor: Cursor, target: str, records: Iterator[tuple[object, ...]] | list[tuple[object, ...]]) -> None:
    found = list(records)
    if found:
        execute_values(cursor, f"insert into {target} values %s", found, page_size=1000)


def _record(row: Version) -> tuple[object, ...]:
    return row.id, time_of(row.modstamp), row.source, row.content, time_of(row.read_at), row.batch


def _key(row: Version) -> tuple[object, ...]:
    return row.id, time_of(row.modstamp), time_of(row.read_at), row.batch, row.source, row.content
