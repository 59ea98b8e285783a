"""Each rule of our own: SQL that breaks it, and SQL that keeps it."""

from __future__ import annotations

import pytest
from sqlfluff.core import FluffConfig, Linter

from local.sql_rules.rules import RULES

LINTER = Linter(config=FluffConfig(overrides={"dialect": "redshift", "rules": "idiscover"}))
HEADER = "-- Purpose:    x.\n-- Grain:      x.\n-- Parameters: x.\n-- Call:       call dm.x();\n"
PROCEDURE = "create procedure dm.x () as $$ begin null; end; $$ language plpgsql;"
TABLE_HEAD = "-- dm.x: x. grain: a.\n-- Small: a copy on every node.\n"
TABLE = "create table dm.x (a int) diststyle all sortkey (a);"

# rule → SQL that breaks it, SQL that keeps it
CASES: list[tuple[str, str, str]] = [
    ("ID01", "insert into dm.x select a from itg.y;", "insert into dm.x (a) select a from itg.y;"),
    ("ID01", "insert into dm.x values (1);", "insert into dm.x (a) values (1);"),
    ("ID02", "select * from itg.y;", "select count(*) from itg.y;"),
    ("ID02", "select y.* from itg.y as y;", "with y as (select a from itg.z) select y.*, 1 as b from y;"),
    ("ID03", PROCEDURE, HEADER + PROCEDURE),
    ("ID03", HEADER.replace("-- Grain:      x.\n", "") + PROCEDURE, HEADER + PROCEDURE),
    ("ID04", "-- Small: a copy on every node.\n" + TABLE, TABLE_HEAD + TABLE),
    ("ID04", "-- dm.x: x. grain: a.\n" + TABLE, TABLE_HEAD + TABLE),
    ("ID05", TABLE_HEAD + "create table dm.x (a int) sortkey (a);", TABLE_HEAD + TABLE),
    ("ID05", TABLE_HEAD + "create table dm.x (a int) diststyle all;", "create temp table x as select a from itg.y;"),
    ("ID06", "truncate table dm.x;", "delete from dm.x where a = 1;"),
    ("ID06", "commit;", "analyze dm.x;"),
    ("ID07", "delete from dm.x;", "delete from dm.x where country_code = 'DE';"),
    ("ID07", "delete from dm.x using itg.y;", "delete from dm.x using itg.y where x.a = y.a;"),
    ("ID08", "select a from dm.x where a > current_date;", "select 'current_date' as a from dm.x;"),
    ("ID08", "select a from dm.x where a > getdate();", "insert into dm.x (a, b) select a, getdate() from itg.y;"),
    ("ID08", "select getdate() - 1 as a from dm.x;", "update itg.x set _loaded_at_utc = getdate() where a = 1;"),
    ("ID08", "insert into dm.x (a) values (trunc(getdate()));", "insert into dm.x (a) values (1, getdate());"),
    ("ID09", "select x.a from dm.x, itg.y;", "select x.a from dm.x cross join itg.y;"),
]  # fmt: skip


def found(sql: str) -> list[str]:
    return [fault.rule_code() for fault in LINTER.lint_string(sql + "\n").get_violations()]


@pytest.mark.parametrize(("rule", "breaks", "keeps"), CASES)
def test_a_rule_tells_what_breaks_it_from_what_keeps_it(rule: str, breaks: str, keeps: str) -> None:
    assert set(found(breaks)) == {rule}
    assert found(keeps) == []


def test_every_rule_is_tried_and_is_found_by_sqlfluff() -> None:
    codes = {rule.__name__.removeprefix("Rule_") for rule in RULES}
    assert codes == {rule for rule, _, _ in CASES}
    assert codes <= {rule.code for rule in LINTER.rule_tuples()}, "run `make setup`: the plugin is not registered"


def test_the_job_metadata_are_no_redshift() -> None:
    linter = Linter(config=FluffConfig(overrides={"dialect": "postgres", "rules": "idiscover"}))
    assert linter.lint_string("create table job.x (a int);\ndelete from job.x;\n").get_violations() == []
