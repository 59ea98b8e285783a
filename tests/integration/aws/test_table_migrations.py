"""Standing tables brought to those of a release, through the front: by files, by itself, killed, two at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from idiscover.aws import redshift, table_migrations
from idiscover.aws.job_metadata import open_job_metadata
from idiscover.aws.table_migrations import Migrator, ReleaseSql, read_ledger, read_plan, tables_alone
from idiscover.errors import ConfigError, FatalError
from idiscover.warehouse.migration_files import parse_migrations
from idiscover.warehouse.migration_ledger import LEDGER, TABLE, Entry
from idiscover.warehouse.release import ReleaseStatement

from tests.support.aws_platform import Platform

LAB, KIT, FACT = "stg.moved_lab", "itg.moved_kit", "dm.moved_fact"
COLUMNS = ('"id" varchar(18) not null', "name varchar(80)", "fee numeric(18, 2)")
HEADER = "-- Purpose:     {0}.\n-- Tables:      {1}\n-- Back:        rename it back.\n"
RENAMED = HEADER.format("the org calls it price", LAB) + f"alter table {LAB} rename column fee to price;\n"
ALONE = (
    HEADER.format("names have grown", LAB)
    + "-- Transaction: none, because Redshift alters no column inside one.\n"
    + f"alter table {LAB} alter column name type varchar(160);\nupdate {LAB} set name = upper(name);\n"
)


def table(
    name: str, columns: Sequence[str] = COLUMNS, keys: str = 'diststyle key distkey ("id") sortkey ("id")'
) -> str:
    return f"-- {name}\ncreate table if not exists {name} (\n    " + ",\n    ".join(columns) + f"\n)\n{keys};"


def release(*tables: str, files: Mapping[str, str] | None = None, before: ReleaseSql | None = None) -> ReleaseSql:
    """Of these tables and the ledger."""
    statements = [ReleaseStatement(text.splitlines()[0], text) for text in (*tables, LEDGER)]
    return ReleaseSql(
        statements, parse_migrations(files or {}), before.statements if before else None, "ada@laptop", "c0ffee"
    )


@pytest.fixture
def warehouse(platform: Platform) -> Iterator[Platform]:
    """Without these tables and without a ledger."""

    def drop() -> None:
        platform.warehouse("; ".join(f"drop table if exists {name} cascade" for name in (LAB, KIT, FACT, TABLE)))

    drop()
    yield platform
    drop()
    platform.warehouse(LEDGER)


def deploy(platform: Platform, sql: ReleaseSql) -> list[str]:
    with open_job_metadata(platform.context) as metadata, tables_alone(metadata):
        return list(Migrator(platform.context, sql).run())


def ledger(platform: Platform) -> list[tuple[str, str, str]]:
    return [(entry.kind.value, entry.state.value, entry.name) for entry in read_ledger(platform.context)]


def columns(platform: Platform, name: str) -> dict[str, str]:
    rows = platform.warehouse(
        "select attname, format_type(atttypid, atttypmod) from pg_attribute where attrelid = %s::regclass"
        " and attnum > 0 and not attisdropped order by attnum",
        name,
    )
    return dict(rows)


def test_a_new_warehouse_has_the_newest_form_and_its_files_are_noted_not_run(warehouse: Platform) -> None:
    said = deploy(warehouse, release(table(LAB), files={"0001_price.sql": RENAMED}))
    assert said == ["tables and procedures: 2 statements run"]
    assert ledger(warehouse) == [
        ("baseline", "baseline", "new warehouse: 2 tables"), ("file", "baseline", "0001_price"),
    ]  # fmt: skip
    assert deploy(warehouse, release(table(LAB), files={"0001_price.sql": RENAMED})) == said
    assert len(ledger(warehouse)) == 2


def test_what_only_adds_is_done_by_itself_once_and_rows_stay(warehouse: Platform) -> None:
    first = release(table(LAB))
    deploy(warehouse, first)
    warehouse.warehouse(f"insert into {LAB} (id, name, fee) values ('1', 'Würzburg', 1.5)")
    wider = [COLUMNS[0], "name varchar(320)", COLUMNS[2], "city varchar(160)", "opened date"]
    second = release(table(LAB, wider), table(KIT), before=first)
    assert deploy(warehouse, second)[:-1] == [
        f"by itself: {LAB}: add column: city varchar(160)",
        f"by itself: {LAB}: add column: opened date",
        f"by itself: {LAB}: widen column: name: varchar(80) → varchar(320)",
    ]
    assert ledger(warehouse)[1:] == [
        ("automatic", "applied", f"{LAB}: add city, opened"),
        ("automatic", "applied", f"{LAB}: name: varchar(80) → varchar(320)"),
        ("automatic", "applied", f"{KIT}: create"),
    ]
    newest = read_ledger(warehouse.context)[1]
    assert (newest.applied_by, newest.release, newest.done) == ("ada@laptop", "c0ffee", 2)
    assert newest.statements.splitlines()[0] == f'alter table {LAB} add column "city" varchar(160);'
    assert warehouse.warehouse(f"select * from {LAB}")[0][1:] == ("Würzburg", pytest.approx(1.5), None, None)
    assert deploy(warehouse, second) == ["tables and procedures: 3 statements run"]
    assert not read_plan(warehouse.context, second).changes


def test_a_release_that_takes_something_away_stops_before_anything_or_leaves_it(warehouse: Platform) -> None:
    first = release(table(LAB))
    deploy(warehouse, first)
    before = ledger(warehouse), columns(warehouse, LAB)
    renamed = [*COLUMNS[:2], "price numeric(18, 2)", "city varchar(40)"]
    with pytest.raises(ConfigError, match="nobody has decided") as stopped:
        deploy(warehouse, release(table(LAB, renamed), table(KIT), before=first))
    assert f"{LAB}: column renamed, or another: fee → price" in str(stopped.value)
    assert (ledger(warehouse), columns(warehouse, LAB)) == before, "not even the column that could be added"
    shorter = release(table(LAB, COLUMNS[:2]), before=first)
    assert [change.kind.value for change in read_plan(warehouse.context, shorter).harmless] == ["column left over"]
    deploy(warehouse, shorter)
    assert columns(warehouse, LAB) == before[1], "so that a release can be taken back"


def test_a_file_does_what_nothing_else_may_and_once(warehouse: Platform) -> None:
    first = release(table(LAB))
    deploy(warehouse, first)
    warehouse.warehouse(f"insert into {LAB} (id, fee) values ('1', 2)")
    renamed = [*COLUMNS[:2], "price numeric(18, 2)", "city varchar(40)"]
    second = release(table(LAB, renamed), files={"0001_price.sql": RENAMED}, before=first)
    assert deploy(warehouse, second)[:2] == [
        "migration 0001_price: applied, 1 statements", f"by itself: {LAB}: add column: city varchar(40)",
    ]  # fmt: skip
    assert warehouse.warehouse(f"select price from {LAB}") == [(2,)]
    assert read_ledger(warehouse.context)[1].version == 1
    assert deploy(warehouse, second)[:-1] == []
    for text, words in ((RENAMED + "-- edited\n", "is not the one of this release"), (None, None)):
        changed = release(table(LAB, renamed), files={"0001_price.sql": text} if text else {}, before=second)
        if words is None:  # an older release, which has the tables it wants
            deploy(warehouse, changed)
        else:
            with pytest.raises(ConfigError, match=words):
                deploy(warehouse, changed)


def test_a_file_that_is_refused_leaves_nothing_and_one_that_does_not_suffice_is_told(warehouse: Platform) -> None:
    first = release(table(LAB))
    deploy(warehouse, first)
    retyped = release(table(LAB, [*COLUMNS[:2], "fee bigint"]), before=first)
    wrong = HEADER.format("pounds", LAB) + f"update {LAB} set name = 'x';\nalter table {LAB} drop column nothing;\n"
    with pytest.raises(FatalError, match="nothing"):
        deploy(warehouse, replace(retyped, files=parse_migrations({"0001_fee.sql": wrong})))
    assert len(ledger(warehouse)) == 1
    idle = {"0001_fee.sql": HEADER.format("pounds", LAB) + f"update {LAB} set fee = 0;\n"}
    with pytest.raises(ConfigError, match="still other than the release wants"):
        deploy(warehouse, replace(retyped, files=parse_migrations(idle)))
    swap = read_plan(warehouse.context, retyped).changes[0].sql
    done = {**idle, "0002_fee_again.sql": HEADER.format("pounds", LAB) + swap + "\n"}
    deploy(warehouse, replace(retyped, files=parse_migrations(done)))
    assert columns(warehouse, LAB)["fee"] == "bigint"


@pytest.mark.parametrize(
    "columns_after",
    [(*COLUMNS[:2], "fee numeric(18, 2) not null"), ("id varchar(20) not null", "name bigint not null", COLUMNS[2])],
)
def test_the_statements_that_are_proposed_lead_to_the_wanted_table(
    warehouse: Platform, columns_after: Sequence[str]
) -> None:
    first = release(table(LAB))
    deploy(warehouse, first)
    warehouse.warehouse(f"insert into {LAB} (id, name, fee) values ('1', '7', 2)")
    second = release(table(LAB, columns_after), before=first)
    planned = [change for change in read_plan(warehouse.context, second).changes if change.needs_migration]
    text = HEADER.format("as proposed", LAB) + "\n".join(change.sql for change in planned)
    deploy(warehouse, replace(second, files=parse_migrations({"0001_as_proposed.sql": text})))
    assert not read_plan(warehouse.context, second).changes
    assert [str(value) for value in warehouse.warehouse(f"select id, name, fee from {LAB}")[0]] == ["1", "7", "2.00"]


@pytest.mark.parametrize("fee", ["fee bigint", "fee numeric(18, 2) not null"])
def test_a_proposed_change_of_a_mart_takes_its_view_along_and_no_one_elses(warehouse: Platform, fee: str) -> None:
    first = release(table(FACT))
    deploy(warehouse, first)
    warehouse.warehouse("create view dm.v_moved_fact as select id, fee from dm.moved_fact")
    second = release(table(FACT, [*COLUMNS[:2], fee]), before=first)
    planned = [change for change in read_plan(warehouse.context, second).changes if change.needs_migration]
    text = HEADER.format("as proposed", FACT) + "\n".join(change.sql for change in planned)
    proposed = replace(second, files=parse_migrations({"0001_as_proposed.sql": text}))
    somebodys = "create view public.somebodys as select fee from dm.moved_fact"
    warehouse.warehouse(somebodys)
    with pytest.raises(FatalError, match="depend"):
        deploy(warehouse, proposed)
    assert columns(warehouse, FACT)["fee"] == "numeric(18,2)"
    assert warehouse.warehouse("select * from public.somebodys") == []
    assert warehouse.warehouse("select * from dm.v_moved_fact") == [], "nothing was changed"
    warehouse.warehouse("drop view public.somebodys")
    deploy(warehouse, proposed)
    assert not read_plan(warehouse.context, second).changes


def test_a_warehouse_from_before_the_ledger_runs_all_files(warehouse: Platform) -> None:
    warehouse.warehouse(table(LAB))
    sql = release(table(LAB, [*COLUMNS[:2], "price numeric(18, 2)"]), files={"0001_price.sql": RENAMED})
    assert [line.partition(":")[0] for line in deploy(warehouse, sql)[:2]] == [
        f"ledger {TABLE}", "migration 0001_price",
    ]  # fmt: skip
    assert [kind for kind, _, _ in ledger(warehouse)] == ["baseline", "file"]
    assert "price" in columns(warehouse, LAB)


class Killed(BaseException):
    """The process is gone."""


class Killer:
    """Ends the work after the n-th write that came through: a commit, or a statement that is its own transaction."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.left = 0
        real_transaction, real_alone = redshift.transaction, table_migrations.statements_alone

        @contextmanager
        def transaction(*place: str, **options: bool) -> Iterator[Any]:
            with real_transaction(*place, **options) as cursor:
                yield cursor
                written = not cursor.query.startswith((b"select", b"set"))
            if written:
                self.effect()

        @contextmanager
        def alone(*place: str) -> Iterator[Any]:
            with real_alone(*place) as cursor:
                yield _Counted(cursor, self)

        monkeypatch.setattr(redshift, "transaction", transaction)
        monkeypatch.setattr(table_migrations, "transaction", transaction)
        monkeypatch.setattr(table_migrations, "statements_alone", alone)

    def effect(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise Killed


class _Counted:
    def __init__(self, cursor: Any, killer: Killer) -> None:
        self._cursor, self._killer = cursor, killer

    def execute(self, sql: str, *parameters: Any) -> None:
        self._cursor.execute(sql, *parameters)
        if not sql.startswith("set"):
            self._killer.effect()


def test_killed_anywhere_the_next_deploy_goes_on(warehouse: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    killer = Killer(monkeypatch)
    first = release(table(LAB), table(FACT))
    files = {"0001_price.sql": RENAMED, "0002_names.sql": ALONE}
    wanted = [COLUMNS[0], "name varchar(160)", "price numeric(18, 2)", "city varchar(40)"]
    fact = [COLUMNS[0], "name varchar(99)", COLUMNS[2]]
    second = release(table(LAB, wanted), table(FACT, fact), table(KIT), files=files, before=first)
    ends: list[tuple[object, ...]] = []
    for effects in range(1, 20):
        warehouse.warehouse("; ".join(f"drop table if exists {name}" for name in (LAB, KIT, FACT, TABLE)))
        deploy(warehouse, first)
        warehouse.warehouse(f"insert into {LAB} (id, name, fee) values ('1', 'a', 2)")
        killer.left = effects
        try:
            deploy(warehouse, second)
        except Killed:
            deploy(warehouse, second)
        is_last, killer.left = killer.left > 0, 0
        ends.append((ledger(warehouse), columns(warehouse, LAB), warehouse.warehouse(f"select * from {LAB}")))
        if is_last:
            break
    assert is_last and effects == 13, "after each write, and after none"
    assert all(end == ends[-1] for end in ends)
    assert {state for _, state, _ in ends[-1][0]} == {"baseline", "applied"}  # type: ignore[attr-defined]


def test_a_longer_column_that_was_begun_and_has_gone_since_stops_no_deploy(
    warehouse: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    killer = Killer(monkeypatch)
    first = release(table(LAB))
    deploy(warehouse, first)
    killer.left = 1
    with pytest.raises(Killed):
        deploy(warehouse, release(table(LAB, [COLUMNS[0], "name varchar(160)", COLUMNS[2]]), before=first))
    text = HEADER.format("it is a title", LAB) + f"alter table {LAB} rename column name to title;\n"
    title = [COLUMNS[0], "title varchar(80)", COLUMNS[2]]
    deploy(warehouse, release(table(LAB, title), files={"0001_title.sql": text}, before=first))
    states = {name: state for _, state, name in ledger(warehouse)}
    assert states[f"{LAB}: name: varchar(80) → varchar(160)"] == "abandoned" and states["0001_title"] == "applied"


def test_what_is_still_to_run_of_a_file_may_be_corrected(warehouse: Platform) -> None:
    first = release(table(LAB))
    deploy(warehouse, first)
    wanted = table(LAB, [COLUMNS[0], "name varchar(160)", COLUMNS[2]])
    wrong = ALONE.replace("upper(name)", "nonsense(name)")
    with pytest.raises(FatalError, match="nonsense"):
        deploy(warehouse, release(wanted, files={"0001_names.sql": wrong}))
    (entry,) = [entry for entry in read_ledger(warehouse.context) if entry.version == 1]
    assert (entry.state.value, entry.done) == ("running", 1)
    with pytest.raises(ConfigError, match="is not the one of this release"):
        deploy(warehouse, release(wanted, files={"0001_names.sql": wrong.replace("160", "170")}))
    deploy(warehouse, release(wanted, files={"0001_names.sql": ALONE}))
    ended: list[Entry] = [entry for entry in read_ledger(warehouse.context) if entry.version == 1]
    assert [(entry.state.value, entry.done) for entry in ended] == [("applied", 2)]
    assert "upper(name)" in ended[0].statements


def test_of_two_deploys_one_finds_everything_done(warehouse: Platform) -> None:
    first = release(table(LAB))
    deploy(warehouse, first)
    second = release(table(LAB, [*COLUMNS, "city varchar(40)"]), before=first)
    said: list[list[str]] = []
    threads = [threading.Thread(target=lambda: said.append(deploy(warehouse, second))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(map(len, said)) == [1, 1, 2]
    assert len(ledger(warehouse)) == 2


def test_a_view_on_a_column_that_grows_is_not_in_the_way(warehouse: Platform) -> None:
    first = release(table(FACT))
    deploy(warehouse, first)
    warehouse.warehouse("create view dm.v_moved_fact as select name from dm.moved_fact")
    deploy(warehouse, release(table(FACT, [COLUMNS[0], "name varchar(99)", COLUMNS[2]]), before=first))
    assert columns(warehouse, FACT)["name"] == "character varying(99)"


def test_a_history_that_comes_later_begins_with_what_its_table_holds(warehouse: Platform) -> None:
    """Said beforehand. One that goes and comes back is completed; a release that is run again adds nothing."""
    system = ["_read_at_utc timestamp", "_batch_id varchar(128) not null"]
    plain, history = table(KIT, [*COLUMNS, *system]), table(f"{KIT}__history", [*COLUMNS, *system])
    first = release(plain)
    second, third = release(plain, history, before=first), release(plain, before=release(plain, history))
    warehouse.warehouse(f"drop table if exists {KIT}__history")
    deploy(warehouse, first)
    insert = f"insert into {KIT} (id, name, _read_at_utc, _batch_id) values"
    warehouse.warehouse(f"{insert} ('1', 'a', '2026-01-05', 'b1'), ('2', null, '2026-01-06', 'b2')")
    told = f"{KIT}__history: begins with the versions that {KIT} holds; older ones are in archive/: "
    told += "idiscover rebuild moved_kit"
    assert f"would be filled: {told}" in list(read_plan(warehouse.context, second).lines())
    assert deploy(warehouse, second)[-1] == f"filled: {told}"

    def versions() -> list[tuple[Any, ...]]:
        return warehouse.warehouse(f"select id, name, _batch_id from {KIT}__history order by 1, 3")

    try:
        assert versions() == [("1", "a", "b1"), ("2", None, "b2")]
        deploy(warehouse, second)
        assert len(versions()) == 2
        deploy(warehouse, third)  # without history; the table stays, and nobody writes it
        warehouse.warehouse(f"update {KIT} set name = 'c', _batch_id = 'b3' where id = '1'")
        deploy(warehouse, second)
        assert versions() == [("1", "a", "b1"), ("1", "c", "b3"), ("2", None, "b2")]
        assert read_plan(warehouse.context, release(plain, history, before=second)).fills == ()
    finally:
        warehouse.warehouse(f"drop table {KIT}__history")


def test_what_an_old_procedure_writes_beside_a_release_comes_to_the_history_too(
    warehouse: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A refresh that was called while the release stood at the table waits for it, and knows of no history."""
    system = ["_read_at_utc timestamp", "_batch_id varchar(128) not null"]
    plain, history = table(KIT, [*COLUMNS, *system]), table(f"{KIT}__history", [*COLUMNS, *system])
    row = "(id, name, _batch_id) values ('9', 'late', 'b9');"
    old, new = (
        "create or replace procedure itg.load_moved_kit () as $$\nbegin\n"
        + "".join(f"    insert into {name} {row}\n" for name in names)
        + "end;\n$$ language plpgsql;"
        for names in ((KIT,), (KIT, f"{KIT}__history"))
    )
    warehouse.warehouse(f"drop table if exists {KIT}__history")
    first = release(plain, f"-- procedure\n{old}")
    deploy(warehouse, first)
    refresh = threading.Thread(target=lambda: warehouse.warehouse("call itg.load_moved_kit()"))
    real = table_migrations.view_changes

    def meanwhile(*arguments: Any) -> Any:  # the lock is had
        refresh.start()
        for _ in range(100):
            if warehouse.warehouse("select 1 from pg_locks where not granted limit 1"):
                return real(*arguments)
            time.sleep(0.1)
        raise AssertionError("the refresh does not wait")

    monkeypatch.setattr(table_migrations, "view_changes", meanwhile)
    try:
        deploy(warehouse, release(plain, history, f"-- procedure\n{new}", before=first))
        refresh.join(60)
        assert warehouse.warehouse(f"select id, _batch_id from {KIT}") == [("9", "b9")]
        assert warehouse.warehouse(f"select id, _batch_id from {KIT}__history") == [("9", "b9")]
    finally:
        warehouse.warehouse(f"drop table if exists {KIT}__history")
        warehouse.warehouse("drop procedure if exists itg.load_moved_kit()")
