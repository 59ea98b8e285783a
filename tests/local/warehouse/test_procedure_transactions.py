"""Transactions in procedures: handlers, NONATOMIC, COMMIT and ROLLBACK, TRUNCATE, nested calls.

The examples of AWS's developer guide ("Trapping errors", "Managing transactions") are among them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import psycopg2
import pytest
import redshift_connector

from .conftest import PASSWORD, Stack

Run = Callable[..., Any]


@pytest.fixture
def auto(stack: Stack) -> Iterator[Run]:
    """Run a statement in its own transaction, in a schema of its own; its rows."""
    connection = stack.connect(options="-c search_path=tx")
    connection.autocommit = True

    def execute(sql: str) -> Any:
        with connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall() if cursor.description else cursor.statusmessage

    execute("create schema tx")
    execute("create table employee (firstname varchar, lastname varchar)")
    execute("insert into employee values ('Tomas', 'Smith')")
    execute("create table log (message varchar)")
    execute.notices = connection.notices  # type: ignore[attr-defined]
    yield execute
    execute("rollback; drop schema tx cascade")
    connection.close()


def _procedure(name: str, body: str, parameters: str = "", nonatomic: bool = False) -> str:
    kind = " nonatomic" if nonatomic else ""
    return f"create or replace procedure {name}({parameters}){kind} as $$ {body} $$ language plpgsql"


FAILING = """
begin
    update employee set firstname = 'Adam' where lastname = 'Smith';
    execute 'select invalid';
exception when others then
    raise info 'An exception occurred.';
    insert into log values ('Error message: ' || sqlerrm || ' ' || sqlstate);
end;
"""
LOGGED = [('Error message: column "invalid" does not exist 42703',)]


def test_an_atomic_handler_rolls_back_commits_its_own_work_and_throws_again(auto: Run) -> None:
    auto(_procedure("p", "begin insert into log values ('before'); " + FAILING + " end"))
    with pytest.raises(psycopg2.errors.UndefinedColumn, match='column "invalid" does not exist'):
        auto("call p()")
    assert auto("select * from employee") == [("Tomas", "Smith")]
    assert auto("select * from log") == LOGGED


def test_a_nonatomic_handler_keeps_what_was_done_and_goes_on(auto: Run) -> None:
    auto(_procedure("p", FAILING, nonatomic=True))
    assert auto("call p()") == "CALL"
    assert auto("select * from employee") == [("Adam", "Smith")]
    assert auto("select * from log") == LOGGED
    assert "An exception occurred." in auto.notices[-1]  # type: ignore[attr-defined]


def test_a_nonatomic_procedure_goes_on_behind_a_block_that_failed(auto: Run) -> None:
    second = FAILING.replace("update employee set firstname = 'Adam'", "insert into employee values ('Edie', 'R') --")
    auto(_procedure("p", f"begin {FAILING} {second} end;", nonatomic=True).replace("-- where lastname = 'Smith'", ""))
    auto("call p()")
    assert auto("select * from employee order by 1") == [("Adam", "Smith"), ("Edie", "R")]
    assert auto("select * from log") == LOGGED * 2


def test_a_nonatomic_procedure_commits_each_statement(auto: Run) -> None:
    auto(_procedure("p", "begin insert into log values ('kept'); execute 'select invalid'; end", nonatomic=True))
    with pytest.raises(psycopg2.errors.UndefinedColumn):
        auto("call p()")
    assert auto("select * from log") == [("kept",)]


def test_a_block_within_a_nonatomic_procedure_is_one_transaction(auto: Run) -> None:
    body = "begin start transaction; insert into log values ('lost'); rollback; insert into log values ('kept'); end"
    auto(_procedure("p", body, nonatomic=True))
    auto("call p()")
    assert auto("select * from log") == [("kept",)]


def test_within_a_transaction_a_nonatomic_procedure_commits_nothing(auto: Run) -> None:
    auto(_procedure("p", "begin insert into log values ('lost'); end", nonatomic=True))
    auto("begin; call p(); rollback")
    assert auto("select * from log") == []


def test_raise_in_a_nonatomic_handler_throws_again(auto: Run) -> None:
    auto(_procedure("p", FAILING.replace("\nend;", "\n raise;\nend;"), nonatomic=True))
    with pytest.raises(psycopg2.errors.UndefinedColumn):
        auto("call p()")
    assert auto("select * from log") == LOGGED


def test_an_error_within_a_handler_is_caught_by_the_outer_one(auto: Run) -> None:
    inner = "begin execute 'select invalid'; exception when others then execute 'select worse'; end;"
    auto(_procedure("p", f"begin {inner} exception when others then insert into log values (sqlerrm); end"))
    with pytest.raises(psycopg2.errors.UndefinedColumn, match="worse"):
        auto("call p()")
    assert auto("select * from log") == [('column "worse" does not exist',)]


def test_commit_and_rollback(auto: Run) -> None:
    body = """
    declare n int;
    begin
        insert into log values ('one');
        commit;
        insert into log values ('two');
        select into n count(*) from log;
        if n = 2 then
            rollback;
        end if;
        insert into log values ('three');
    end"""
    auto(_procedure("p", body))
    auto("call p()")
    assert auto("select * from log order by 1") == [("one",), ("three",)]
    for command in ("commit", "rollback", "truncate log", "execute 'truncate log'"):
        auto(_procedure("p", f"begin {command}; end"))
        with pytest.raises(psycopg2.errors.InvalidTransactionTermination) as caught:
            auto("begin; call p()")
        first = command.replace("execute '", "").split()[0].upper()
        message = f"{first} cannot be invoked from a procedure that is executing in an atomic context."
        assert caught.value.diag.message_primary == message
        assert "Try calling the procedure as a top-level call" in caught.value.diag.message_hint
        auto("rollback")


@pytest.mark.parametrize("statement", ["truncate employee", "execute 'truncate employee'"])
def test_truncate_commits_what_was_done_before_it(auto: Run, statement: str) -> None:
    auto(_procedure("inner_p", f"begin insert into log values ('kept'); {statement}; end"))
    auto(_procedure("p", "begin call inner_p(); insert into log values ('lost'); execute 'select invalid'; end"))
    with pytest.raises(psycopg2.errors.UndefinedColumn):
        auto("call p()")
    assert auto("select * from log") == [("kept",)]
    assert auto("select count(*) from employee") == [(0,)]


def test_commit_within_a_block_that_has_a_handler(auto: Run) -> None:
    body = (
        "begin insert into log values ('one'); commit; insert into log values ('two'); execute 'select invalid';"
        " exception when others then insert into log values ('handled'); end"
    )
    auto(_procedure("p", body))
    with pytest.raises(psycopg2.errors.UndefinedColumn):
        auto("call p()")
    assert auto("select * from log order by 1") == [("handled",), ("one",)]


def test_an_atomic_procedure_has_its_nonatomic_children_in_its_transaction(auto: Run) -> None:
    auto(_procedure("child", "begin insert into log values ('lost'); end", nonatomic=True))
    auto(_procedure("p", "begin call child(); execute 'select invalid'; end"))
    with pytest.raises(psycopg2.errors.UndefinedColumn):
        auto("call p()")
    assert auto("select * from log") == []


def test_a_nonatomic_parent_logs_the_failures_of_its_children(auto: Run) -> None:
    auto(_procedure("child", "begin insert into log values ('lost'); execute 'select invalid'; end"))
    body = "begin call child(); exception when others then insert into log values ('child: ' || sqlerrm); end"
    auto(_procedure("p", body, nonatomic=True))
    auto("call p()")
    assert auto("select * from log") == [('child: column "invalid" does not exist',)]


def test_what_can_not_be_undone_within_a_handlers_block_fails_by_name(auto: Run) -> None:
    auto(_procedure("child", "begin truncate employee; end"))
    auto(_procedure("p", "begin call child(); exception when others then null; end"))
    with pytest.raises(psycopg2.errors.FeatureNotSupported, match=r"TRUNCATE .* is not emulated"):
        auto("call p()")


def test_redshift_connectors_call_is_a_transaction_of_its_own(auto: Run, stack: Stack) -> None:
    auto(_procedure("p", FAILING, nonatomic=True))
    with redshift_connector.connect(
        host="127.0.0.1", port=stack.port, user="postgres", password=PASSWORD, database="warehouse", ssl=False
    ) as connection:
        connection.autocommit = True
        cursor = connection.cursor()
        cursor.execute("set search_path to tx")
        cursor.execute("call p()")
        connection.autocommit = False
        cursor.execute("call p()")
        connection.rollback()
    assert auto("select * from log") == LOGGED
    assert auto("select firstname from employee") == [("Adam",)]


def test_a_security_definer_procedure_works_without_committing(auto: Run) -> None:
    for nonatomic in (False, True):
        auto(_procedure("p", FAILING, nonatomic=nonatomic).replace("language", "security definer language"))
        if nonatomic:
            auto("call p()")
        else:
            with pytest.raises(psycopg2.errors.UndefinedColumn, match="invalid"):
                auto("call p()")
    auto(_procedure("q", "begin truncate log; end").replace("language", "security definer language"))
    auto("call q()")
    assert auto("select * from log") == []
    with pytest.raises(psycopg2.errors.FeatureNotSupported, match="SECURITY DEFINER"):
        auto(_procedure("r", "begin commit; end").replace("language", "security definer language"))


def test_psycopgs_pipelined_call_is_a_transaction_of_its_own(auto: Run, stack: Stack) -> None:
    auto(_procedure("p", "begin insert into log values (m); truncate employee; end", "m varchar"))
    with psycopg.connect(
        host="127.0.0.1", port=stack.port, user="postgres", password=PASSWORD, dbname="warehouse", autocommit=True,
        prepare_threshold=0,
    ) as connection:  # fmt: skip
        connection.execute("set search_path to tx")
        for _ in range(2):
            connection.execute("call p(%s)", ("x",))
        with pytest.raises(psycopg.errors.InvalidTransactionTermination), connection.transaction():
            connection.execute("call p(%s)", ("y",))
        with pytest.raises(psycopg.errors.UndefinedFunction):
            connection.execute("call nothing(%s)", ("x",))
        assert connection.execute("select count(*) from log").fetchone() == (2,)
    assert auto("select count(*) from employee") == [(0,)]


def test_calls_may_be_nested_sixteen_levels_deep(auto: Run) -> None:
    auto(_procedure("p", "begin if n > 1 then call p(n - 1); end if; end", "n int"))
    assert auto("call p(16)") == "CALL"
    with pytest.raises(psycopg2.Error, match="nested calls"):
        auto("call p(17)")


def test_a_result_set_comes_by_a_refcursor(auto: Run) -> None:
    body = "begin open rs_out for select top 1 firstname from employee where lastname = param; end"
    auto(_procedure("get_result_set", body, "param in varchar, rs_out inout refcursor"))
    assert auto("begin; call get_result_set('Smith', 'mycursor')") == [("mycursor",)]
    assert auto("fetch all from mycursor") == [("Tomas",)]
    auto("commit")


def test_inout_parameters_of_nested_calls(auto: Run) -> None:
    auto(_procedure("twice", "begin n := n * 2; end", "n inout int"))
    auto(_procedure("p", "declare m int; begin m := n; call twice(m); call twice(m); n := m; end", "n inout int"))
    assert auto("call p(3)") == [(12,)]


def test_loops_and_cursors(auto: Run) -> None:
    body = """
    declare
        c cursor for select firstname from employee order by 1;
        who varchar(20);
        r record;
    begin
        open c;
        loop
            fetch c into who;
            exit when not found;
            insert into log values ('cursor ' || who);
        end loop;
        close c;
        for r in select * from employee loop
            insert into log values ('loop ' || r.lastname);
        end loop;
        for i in reverse 2..1 loop
            insert into log values ('number ' || i);
        end loop;
        <<outermost>>
        while true loop
            exit outermost;
        end loop;
        create temp table scratch as select 1 as a;
        drop table scratch;
    end"""
    auto(_procedure("p", body))
    auto("call p()")
    auto("call p()")
    expected = [("cursor Tomas",), ("loop Smith",), ("number 1",), ("number 2",)]
    assert auto("select distinct message from log order by 1") == expected
