"""What of a procedure is linted: every statement of its body, on its own line, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from idiscover.errors import FatalError
from idiscover.plan.build import build_plans
from idiscover.warehouse.release import ReleaseStatement

from local.sql_rules import linting
from local.sql_rules.bodies import lintable_body
from tests.unit.metadata_samples import REPOSITORY, sample_catalog, sample_context

PROCEDURE = """\
-- Purpose: x; not a statement.
create or replace procedure dm.x (p_country_code varchar(2))
as $$
declare
    v_a bigint;
begin
    if p_country_code is null then
        raise exception 'no; country %', p_country_code;
    end if;
    delete from dm.x
    where country_code = p_country_code;
    get diagnostics v_a := row_count;

    -- why; so
    insert into dm.x (a)
    with one as (
        select a -- one; of them
        from itg.y
    ),

    two as (select a from one)

    select a from two;
    if v_a > 0 then
        select count(*), max(a) into v_a, v_b
        from dm.x;
    else
        for v_row in select 1 loop
            update dm.x set a = ';' where a = 2;
        end loop;
    end if;
exception when others then
    delete from dm.z where a = 1;
end;
$$ language plpgsql;
"""
STATEMENTS = {
    10: "delete from dm.x", 11: "where country_code = p_country_code;",
    15: "insert into dm.x (a)", 16: "with one as (", 17: "    select a -- one; of them", 18: "    from itg.y", 19: "),",
    20: "", 21: "two as (select a from one)", 22: "", 23: "select a from two;",
    25: "select count(*), max(a)", 26: "from dm.x;", 29: "update dm.x set a = ';' where a = 2;",
    33: "delete from dm.z where a = 1;",
}  # fmt: skip


def test_every_statement_stands_where_it_stood_and_the_rest_is_silent() -> None:
    lines = (lintable_body(PROCEDURE) or "").splitlines()
    assert {number: line for number, line in enumerate(lines, start=1) if line != "--"} == STATEMENTS
    assert lintable_body("create table dm.x (a int);") is None


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with the repository's settings of sqlfluff."""
    (tmp_path / "context").mkdir()
    for name in (".sqlfluff", "context/local.yaml"):
        (tmp_path / name).write_text((REPOSITORY / name).read_text())
    return tmp_path


def lint(root: Path, monkeypatch: pytest.MonkeyPatch, statements: Sequence[ReleaseStatement]) -> str:
    monkeypatch.setattr(linting, "load_catalog", lambda _reader: None)
    monkeypatch.setattr(linting, "release", lambda _catalog, _sql: statements)
    monkeypatch.setattr(linting, "for_analysts", lambda found, *_others: found)
    monkeypatch.setattr(linting, "build_plans", lambda *_of: [])
    said: list[str] = []
    try:
        said += linting.lint_rendered(root)
    except FatalError as error:
        said.append(str(error))
    return "\n".join(said)


def test_faults_are_told_by_file_and_line_and_what_is_sound_is_looked_at_once(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    header = "".join(f"-- {part}: x.\n" for part in ("Purpose", "Grain", "Parameters", "Call"))
    sound = header + PROCEDURE.split("\n", 1)[1].replace("count(*), max(a) into v_a, v_b", "count(*) into v_a")
    sound = sound.replace("update dm.x set a = ';' where a = 2;", "analyze dm.x;")
    sound = sound.replace("delete from dm.z where a = 1;", "analyze dm.z;")
    wrong = sound.replace("analyze dm.z;", "delete from dm.z;")
    comment = ReleaseStatement("comment stg.x.a", "comment on column stg.x.a is 'Long.';")
    said = lint(root, monkeypatch, [ReleaseStatement("procedure dm.x", wrong), comment])
    assert "== [bodies/procedure_dm.x.sql] FAIL" in said and "DELETE without WHERE" in said
    assert "where: bodies/procedure_dm.x.sql" in said
    assert len(json.loads((root / linting.CACHE).read_text())) == 2, "the other two texts are sound"
    corrected = [ReleaseStatement("procedure dm.x", sound), comment]
    assert lint(root, monkeypatch, corrected).endswith("3 texts sound, 1 known to be")
    assert lint(root, monkeypatch, corrected).endswith("3 texts sound, 3 known to be")
    (root / linting.CACHE).write_text("broken")
    assert lint(root, monkeypatch, corrected).endswith("3 texts sound, 0 known to be")


def test_checks_and_what_is_for_analysts_are_linted() -> None:
    """The counts, the keys and the rows before of each check; comments of views, dictionary, grants."""
    catalog = sample_catalog()
    texts = linting.check_texts(build_plans(catalog, sample_context(), "lint"))
    assert set(texts) == {f"checks/{table}.sql" for table in catalog.tables}, "that of the grain is in each"
    lab = texts["checks/itg.lab.sql"]
    assert lab.count("count(*) as rows_before") == 1 and "limit 10;" in lab and lab.count(";") >= 3
    statements = [ReleaseStatement("comments dm.x", "comment on view dm.v_x is 'y';"),
                  ReleaseStatement("dictionary dm.v_x", "delete from dm.x;"),
                  ReleaseStatement("grants role: schema", "grant usage on schema dm to role r;")]  # fmt: skip
    texts = linting.lintable_texts(statements)
    assert texts["rendered/comments.sql"] == "comment on view dm.v_x is 'y';\n"
    assert {"rendered/dictionary_dm.v_x.sql", "rendered/grants_role_schema.sql"} < set(texts)
