"""The small parts of messages: excerpts, suggestions, cron, reserved words, what sql/ holds."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from idiscover.metadata.excerpts import excerpt
from idiscover.metadata.reserved_words import REDSHIFT_RESERVED_WORDS
from idiscover.metadata.schedules import cron_fault
from idiscover.metadata.spelling import nearest
from idiscover.metadata.sql_inventory import SqlColumn, SqlInventory
from idiscover.metadata.yaml_text import Place
from sqlfluff.dialects.dialect_redshift_keywords import redshift_reserved_keywords

from tests.unit.metadata_samples import REPOSITORY


@pytest.mark.parametrize(
    ("line", "column", "shown", "mark"),
    [
        ("key: id", 6, "key: id", "     ^^"),
        ('a: "b c", d', 4, 'a: "b c", d', "   ^^^^^"),
        ("\tkey: id", 1, "→key: id", "^"),
        ("描述: 实验室 x", 5, "描述: 实验室 x", "      ^^^^^^"),
        ("e\u0301a: x", 5, "e\u0301a: x", "   ^"),
        ("key:", 5, "key:", "    ^"),
        ("", 1, "", "^"),
        ("x" * 60 + " y" + "z" * 80, 62, "… " + "x" * 49 + " y" + "z" * 49 + " …", " " * 52 + "^" * 51),
    ],
)
def test_the_mark_stands_below_what_it_marks(line: str, column: int, shown: str, mark: str) -> None:
    above, below = excerpt(f"first\n{line}\nlast\n", Place("x.yaml", 2, column))
    assert above == f"    2 | {shown}".rstrip()
    if len(line) < 100:
        assert below == f"      | {mark}"
    assert below.index("^") > below.index("|")


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=150), st.integers(1, 160), st.integers(1, 4))
@settings(max_examples=60)
def test_any_place_of_any_text_has_an_excerpt_or_none(text: str, column: int, line: int) -> None:
    shown = excerpt(text, Place("x.yaml", line, column))
    assert len(shown) in (0, 2)
    assert len(shown) == (2 if line <= len(text.splitlines()) else 0)
    assert all("\n" not in part and "\x1b" not in part for part in shown)


def test_a_place_without_a_column_has_no_excerpt() -> None:
    assert excerpt("a: 1", Place("x.yaml")) == excerpt("a: 1", Place("x.yaml", 1)) == []


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_characters=":"), min_size=1, max_size=20))
@settings(max_examples=40)
def test_places_are_read_as_they_are_written(file: str) -> None:
    assert Place.parse(file) == Place(file)
    assert Place.parse(f"{file}:3:14") == Place(file, 3, 14)
    assert Place.parse(f"s3://{file}:3") == Place(f"s3://{file}", 3)


@pytest.mark.parametrize(
    ("written", "known", "meant"),
    [
        ("lab_idd", ["lab_id", "id"], "lab_id"),
        ("Schedule", ["schedule", "source"], "schedule"),
        ("itg.units", ["itg.unit", "stg.unit"], "itg.unit"),
        ("itg.unit", ["itg.kit", "itg.lab"], None),  # of one schema, and nothing else alike
        ("stg.acount", ["itg.account"], "itg.account"),
        ("id", ["id"], None),
        ("", ["id", ""], None),
        (7, ["7"], None),
        ("x", [], None),
    ],
)
def test_what_was_meant(written: object, known: list[str], meant: str | None) -> None:
    assert nearest(written, known) == meant


@pytest.mark.parametrize("expression", ["0 0 * * *", "*/5 * * * *", "30 4 1,15 * 5", "0 22 * * MON-FRI", "0 0 29 2 *"])
def test_cron_that_comes(expression: str) -> None:
    assert cron_fault(expression) is None


@pytest.mark.parametrize(
    "expression", ["", "@daily", "0 0 * *", "0 0 0 * * *", "60 * * * *", "0 0 30 2 *", "x * * * *"]
)
def test_cron_that_never_comes(expression: str) -> None:
    assert cron_fault(expression)


def test_reserved_words_are_redshifts() -> None:
    """sqlfluff's list was made from the same page of the manual, at another time."""
    theirs = {word.lower() for word in redshift_reserved_keywords.split("\n") if word}
    assert len(REDSHIFT_RESERVED_WORDS & theirs) > 120
    parameters_of_copy = {"comprows", "compupdate", "delimiters", "explicit_ids", "fillrecord", "ignoreblanklines"}
    others = {"append", "datetime", "ignoreheader", "runlength", "within"}
    assert not theirs - REDSHIFT_RESERVED_WORDS - parameters_of_copy - others


def test_sql_is_read_as_it_is_written(tmp_path: Path) -> None:
    for path, text in {
        "procedures/dm_to_dm/load_a.sql": "create or replace procedure dm.load_a (p_x numeric(8, 2), p_y int)\nas $$",
        "procedures/dm_to_dm/load_b.sql.j2": "create or replace procedure dm.load_b ()\nas $$ {{ x }}",
        "ddl/dm/a.sql": 'create table if not exists dm.a (\n    id varchar(18) not null,\n    "order" numeric(30, 6),\n'
        "    at timestamp with time zone encode az64,\n    primary key (id)\n)\nsortkey (id);",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text, encoding="utf-8")
    sql = SqlInventory.read(tmp_path)
    assert sql == SqlInventory(
        {"dm.load_a": 2, "dm.load_b": 0},
        {
            "dm.a": {
                "id": SqlColumn("varchar(18)", is_nullable=False),
                "order": SqlColumn("numeric(30,6)"),
                "at": SqlColumn("timestamptz"),  # one name per type
            }
        },
    )
    assert list(sql.tables["dm.a"]) == ["id", "order", "at"]  # the order of the DDL
    assert SqlInventory.read(tmp_path / "nowhere") is None


def test_the_repositorys_sql_is_known_file_by_file() -> None:
    sql = SqlInventory.read(REPOSITORY / "sql")
    assert sql is not None
    procedures = {path.name.split(".")[0] for path in (REPOSITORY / "sql" / "procedures").glob("*_to_dm/load_*")}
    assert {name.removeprefix("dm.") for name in sql.procedures} == procedures
    tables = {f"dm.{path.stem}" for path in (REPOSITORY / "sql" / "ddl" / "dm").glob("*.sql")}
    assert set(sql.tables) == tables and all(len(columns) > 4 for columns in sql.tables.values())
