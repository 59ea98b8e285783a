"""COPY and UNLOAD in procedures: in their transaction, as they stand and in dynamic SQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import psycopg2
import pytest

from local.warehouse.errands import parse_record

from .conftest import BUCKET, Lake

Run = Callable[..., Any]
RECORDS = b'1,"x,y"\n2,\n3,"a\tb\\n ""c"""\n4,\xc3\xa4\n'
ROWS = [(1, "x,y"), (2, ""), (3, 'a\tb\\n "c"'), (4, "ä")]
ROLE = "iam_role default csv"


@pytest.fixture
def autocommit(stack: Any, lake: Lake) -> Iterator[Run]:
    """A table to load, and files that are clean and that are not; each statement commits."""
    lake.put("errand/good/a.csv", RECORDS, pack=False)
    lake.put("errand/bad/a.csv", b"5,x\nz,y\n", pack=False)
    connection = stack.connect()
    connection.autocommit = True

    def execute(sql: str) -> Any:
        with connection.cursor() as cursor:
            cursor.execute(sql)
            execute.notices = connection.notices  # type: ignore[attr-defined]
            return cursor.fetchall() if cursor.description else cursor.statusmessage

    execute("drop table if exists errand; create table errand (id int not null, name varchar(20))")
    yield execute
    execute("drop table errand; drop procedure if exists errand_p(varchar)")
    connection.close()


def procedure(body: str, mode: str = "") -> str:
    return f"create or replace procedure errand_p(place varchar) {mode} as $$ begin {body} end $$ language plpgsql"


DYNAMIC = f"execute 'copy errand from ''s3://{BUCKET}/errand/' || place || ''' {ROLE}';"
STATIC = f"copy errand from 's3://{BUCKET}/errand/good/' {ROLE};"


def test_copy_as_it_stands_and_in_dynamic_sql(autocommit: Run) -> None:
    autocommit(procedure(f"{STATIC} {DYNAMIC}"))
    assert autocommit("call errand_p('good/')") == "CALL"
    assert "completed, 4 record(s) loaded successfully" in autocommit.notices[-1]  # type: ignore[attr-defined]
    assert autocommit("select distinct *, pg_last_copy_count() from errand order by 1") == [(*row, 4) for row in ROWS]
    assert autocommit("select count(*) from errand") == [(8,)]


def test_a_copy_that_fails_undoes_the_procedure_and_leaves_its_errors(autocommit: Run) -> None:
    autocommit(procedure(f"insert into errand values (9, 'kept'); {DYNAMIC}"))
    with pytest.raises(psycopg2.errors.InternalError_, match=r"^Load into table 'errand' failed\.  Check"):
        autocommit("call errand_p('bad/')")
    assert autocommit("select count(*) from errand") == [(0,)]
    assert autocommit(
        "select line_number, trim(colname), trim(err_reason), trim(raw_line) from stl_load_errors"
        f" where trim(filename) = 's3://{BUCKET}/errand/bad/a.csv' order by query desc limit 1"
    ) == [(2, "id", "Invalid digit, Value 'z', Pos 0, Type: Integer", "z,y")]


def test_a_rollback_takes_the_rows_with_it(autocommit: Run) -> None:
    autocommit(procedure(STATIC))
    autocommit("begin; call errand_p(''); rollback")
    assert autocommit("select count(*) from errand") == [(0,)]


def test_nonatomic_procedures_commit_a_copy_and_go_on_behind_one_that_fails(autocommit: Run) -> None:
    handled = f"begin {DYNAMIC} exception when others then raise info 'caught %', sqlerrm; end;"
    autocommit(procedure(f"{STATIC} {handled} raise exception 'at the end';", "nonatomic"))
    with pytest.raises(psycopg2.Error, match="at the end"):
        autocommit("call errand_p('bad/')")
    assert any("caught Load into table" in notice for notice in autocommit.notices)  # type: ignore[attr-defined]
    assert autocommit("select * from errand order by id") == ROWS


def test_unload_streams_its_rows(autocommit: Run, lake: Lake) -> None:
    autocommit(procedure(
        "insert into errand select n, 'x' from (select 1 as n union all select 2); "
        f"unload ('select id, id = 1 as f, null as none, name || ''a, b'' as t from errand order by 1')"
        f" to 's3://{BUCKET}/errand/out/' {ROLE} header parallel off allowoverwrite;"
        f" execute 'unload (''select id as x, x + 1 from errand'') to ''s3://{BUCKET}/errand/' || place ||"
        " ''' iam_role default parallel off allowoverwrite';"
    ))  # fmt: skip
    autocommit("call errand_p('more/')")
    read = {
        key: lake.client.get_object(Bucket=BUCKET, Key=f"errand/{key}/000")["Body"].read() for key in ("out", "more")
    }
    assert read == {"out": b'id,f,none,t\n1,t,,"xa, b"\n2,f,,"xa, b"\n', "more": b"1|2\n2|3\n"}


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("()", [None]),
        ("(,)", [None, None]),
        ('(1,"a, b",,"")', ["1", "a, b", None, ""]),
        (r'("say ""x""","a\\b",t)', ['say "x"', "a\\b", "t"]),
        ('("line\n)",2)', ["line\n)", "2"]),
    ],
)
def test_the_text_of_a_record_is_read(text: str, values: list[str | None]) -> None:
    assert parse_record(text) == values
