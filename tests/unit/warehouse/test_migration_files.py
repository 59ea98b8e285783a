"""Files of `sql/migrations`: what they are, in which order they come, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest
from idiscover.errors import ConfigError
from idiscover.warehouse.migration_files import checksum_of, parse_migrations, read_migrations, split_statements
from idiscover.warehouse.migration_ledger import Entry, EntryKind, EntryState, entries_of, new_entry
from idiscover.warehouse.migration_plan import plan_migrations
from idiscover.warehouse.table_shapes import shapes_of

from tests.unit.metadata_samples import REPOSITORY

HEADER = """\
-- Purpose:     the org calls it price,
--              and so do we.
-- Tables:      itg.lab, stg.lab
-- Back:        rename it back.
"""
RENAME = HEADER + "alter table itg.lab rename column fee to price;\n"
LAB = shapes_of(["create table itg.lab (\n    id int,\n    price int\n)"])
OLD = shapes_of(["create table itg.lab (\n    id int,\n    fee int\n)"])


def test_a_file_is_read() -> None:
    (file,) = parse_migrations({"0001_price.sql": RENAME})
    assert (file.version, file.name, file.in_transaction) == (1, "0001_price", True)
    assert file.purpose == "the org calls it price, and so do we."
    assert (file.tables, file.back) == (("itg.lab", "stg.lab"), "rename it back.")
    assert [text.splitlines()[-1] for text in file.statements] == ["alter table itg.lab rename column fee to price"]
    assert file.checksum == checksum_of(RENAME.replace("\n", "\r\n"))


def test_the_repository_s_files_are_sound() -> None:
    read_migrations(REPOSITORY / "sql")


def test_semicolons_that_end_nothing() -> None:
    text = "-- a; b\nselect ';', \"a;b\", 'it''s; so' /* c; d */;\n\nselect $$x; y$$;;\n-- the end;\n"
    assert list(split_statements(text)) == [
        "-- a; b\nselect ';', \"a;b\", 'it''s; so' /* c; d */", "select $$x; y$$",
    ]  # fmt: skip
    text = r"select 'it\'s; so', 'C:\\'; select $body$x; $$y;$$ $body$; select 1"
    assert list(split_statements(text)) == [
        r"select 'it\'s; so', 'C:\\'", "select $body$x; $$y;$$ $body$", "select 1",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"1_price.sql": RENAME}, "no proper name"),
        ({"0000_price.sql": RENAME}, "no proper name"),
        ({"0001_Price.sql": RENAME}, "no proper name"),
        ({"0002_price.sql": RENAME}, "a number of a migration is missing"),
        ({"0001_a.sql": RENAME, "0001_b.sql": RENAME}, "is used twice"),
        ({"0001_a.sql": RENAME, "0003_b.sql": RENAME}, "a number of a migration is missing"),
        ({"0001_a.sql": RENAME.replace("-- Back", "-- Bak")}, "header of a migration is incomplete"),
        ({"0001_a.sql": RENAME.replace("rename it back.", "")}, "header of a migration is incomplete"),
        ({"0001_a.sql": RENAME.replace("stg.lab", "lab")}, "names what is no table"),
        ({"0001_a.sql": HEADER}, "a migration does nothing"),
        ({"0001_a.sql": HEADER + "Truncate itg.lab;"}, "ends its own transaction"),
        ({"0001_a.sql": HEADER + "-- c\ncommit;"}, "ends its own transaction"),
        (
            {"0001_a.sql": HEADER + 'alter table itg.lab alter column "fee" type varchar(9);'},
            "refuses in a transaction",
        ),
        ({"0001_a.sql": HEADER + "-- Transaction: no\ndelete from itg.lab;"}, "header of a migration is wrong"),
    ],
)
def test_what_is_refused(files: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigError, match=words) as refused:
        parse_migrations(files)
    assert "sql/migrations/" in str(refused.value) and "remedy" in str(refused.value)


def entry(version: int, text: str = RENAME, name: str = "price", **others: object) -> Entry:
    row = Entry(
        version, version, f"{version:04}_{name}", EntryKind.FILE, EntryState.APPLIED, checksum_of(text), "", 1,
        datetime(2026, 11, 26), "ada@laptop", "c0ffee",
    )  # fmt: skip
    return replace(row, **others)  # type: ignore[arg-type]


def files(*versions: int) -> dict[str, str]:
    return {f"{version:04}_price.sql": RENAME for version in versions}


def test_those_of_the_ledger_are_not_run_again_and_those_of_a_later_release_are_named() -> None:
    plan = plan_migrations(parse_migrations(files(1, 2)), [entry(1), entry(2), entry(3)], OLD, OLD)
    assert (plan.pending, plan.later) == ((), ("0003_price",))


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ([entry(1, text=RENAME + " ")], "is not the one of this release"),
        ([entry(1, name="other")], "is not the one of this release"),
        ([entry(2)], "comes too late"),
        ([entry(1), replace(entry(2), state=EntryState.RUNNING, checksum="", statements="other;")], "is not the one"),
    ],
)
def test_what_the_ledger_contradicts(entries: list[Entry], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        plan_migrations(parse_migrations(files(1, 2)), entries, OLD, OLD)


def test_what_a_file_is_for_does_not_stop_a_deploy_and_what_none_is_for_does() -> None:
    plan = plan_migrations(parse_migrations(files(1)), [entry(1)], OLD, LAB, OLD)
    assert [change.column for change in plan.uncovered] == ["price"]
    with pytest.raises(ConfigError, match="in a way that nobody has decided") as stopped:
        plan.require_covered()
    assert "itg.lab" in str(stopped.value) and "idiscover migrate --draft" in str(stopped.value)
    assert 'alter table itg.lab rename column "fee" to "price";' in "\n".join(plan.lines())
    waiting = plan_migrations(parse_migrations(files(1, 2)), [entry(1)], OLD, LAB, OLD)
    waiting.require_covered()
    assert [change.column for change in waiting.covered] == ["price"]


def test_an_entry_holds_what_a_column_can() -> None:
    long = new_entry("x" * 300, EntryKind.AUTOMATIC, ["ü" * 70000], checksum="", by="b", release="r")
    assert len(str(long["statements"]).encode()) <= 65535 and len(str(long["name"])) == 256
    row = (1, None, "n", "automatic", "running", "c", "s", 0, datetime(2026, 1, 1), "by", "r")
    assert entries_of([row])[0].state is EntryState.RUNNING
