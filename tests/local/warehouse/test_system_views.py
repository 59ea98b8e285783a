"""The system views, and the queries of the catalogue that clients and tools send."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import psycopg2
import pytest
import redshift_connector

from .conftest import PASSWORD, Stack

Run = Callable[..., Any]

VIEWS = (
    "pg_class_info", "pg_database_info", "pg_proc_info", "pg_table_def", "pg_user_info", "stl_load_commits",
    "stl_load_errors", "stl_loaderror_detail", "stl_replacements", "stl_undone", "stv_inflight", "stv_locks",
    "stv_recents", "stv_sessions", "svv_all_columns", "svv_all_schemas", "svv_all_tables", "svv_columns",
    "svv_external_columns", "svv_external_schemas", "svv_external_tables", "svv_redshift_columns",
    "svv_redshift_databases", "svv_redshift_schemas", "svv_redshift_tables", "svv_relation_privileges", "svv_roles",
    "svv_schema_privileges", "svv_table_info", "svv_tables", "svv_transactions", "svv_user_info", "sys_load_detail",
    "sys_load_error_detail", "sys_load_history",
)  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def shop(stack: Stack) -> Iterator[None]:
    """A schema with a table of a design, a view and a reader."""
    connection = stack.connect()
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(
            "create schema shop;"
            "create table shop.sale (id bigint identity(1,1), buyer varchar(40) not null encode zstd,"
            " amount decimal(9,2) default 0, note super, primary key (id))"
            " distkey (buyer) compound sortkey (buyer, id);"
            "create view shop.sold as select id, amount from shop.sale;"
            "comment on table shop.sale is 'what was sold'; comment on column shop.sale.amount is 'in euros';"
            "insert into shop.sale (buyer, amount) values ('x', 1), ('y', 2); analyze shop.sale;"
            "create user reader password 'reader-1'; grant usage on schema shop to reader;"
            "grant select on shop.sold to reader"
        )
        yield
        cursor.execute("drop schema shop cascade; drop user reader")
    connection.close()


@pytest.mark.parametrize("view", VIEWS)
def test_each_view_answers_by_either_name(run: Run, view: str) -> None:
    run(f"select * from {view} limit 3")
    assert run(f"select count(*) >= 0 from pg_catalog.{view.upper()}") == [(True,)]
    assert run(f"select has_table_privilege('reader', '{view}', 'select')") == [(True,)]


def test_a_view_that_is_not_there_fails_by_name(run: Run) -> None:
    with pytest.raises(psycopg2.errors.UndefinedTable, match="svl_query_report"):
        run("select * from svl_query_report")


def test_tables_and_columns(run: Run) -> None:
    assert run("select table_name, table_type, remarks from svv_tables where table_schema = 'shop' order by 1") == [
        ("sale", "BASE TABLE", "what was sold"), ("sold", "VIEW", None)
    ]  # fmt: skip
    assert run(
        "select column_name, data_type, character_maximum_length, numeric_precision, numeric_scale, is_nullable,"
        " remarks from svv_all_columns where schema_name = 'shop' and table_name = 'sale' order by ordinal_position"
    ) == [
        ("id", "bigint", None, 64, 0, "NO", None),
        ("buyer", "character varying", 40, None, None, "NO", None),
        ("amount", "numeric", None, 9, 2, "YES", "in euros"),
        ("note", "super", None, None, None, "YES", None),
    ]
    run("set search_path = shop")
    assert run('select "column", type, distkey, sortkey, "notnull" from pg_table_def where tablename = \'sale\'') == [
        ("id", "bigint", False, 2, True),
        ("buyer", "character varying(40)", True, 1, True),
        ("amount", "numeric(9,2)", False, 0, False),
        ("note", "super", False, 0, False),
    ]
    run("set search_path = public")
    assert run("select * from pg_table_def where tablename = 'sale'") == []


def test_table_info_has_what_is_known_and_null_for_the_rest(run: Run) -> None:
    run("create table shop.nothing (a int)")
    assert run(
        'select "table", diststyle, sortkey1, sortkey_num, max_varchar, tbl_rows, size > 0, unsorted, skew_rows'
        " from svv_table_info where \"schema\" = 'shop'"
    ) == [("sale", "KEY(buyer)", "buyer", 2, 40, 2, True, None, None)]


def test_somebody_else_sees_what_he_may_see(stack: Stack) -> None:
    reader = psycopg2.connect(host="127.0.0.1", port=stack.port, user="reader", password="reader-1", dbname="warehouse")
    with reader, reader.cursor() as cursor:
        cursor.execute("select table_name from svv_all_tables where schema_name = 'shop'")
        assert cursor.fetchall() == [("sold",)]
        cursor.execute("select distinct table_name from svv_columns where table_schema = 'shop'")
        assert cursor.fetchall() == [("sold",)]
        cursor.execute("select count(*) from stv_recents where user_name <> 'reader' and query not like '<insuff%'")
        assert cursor.fetchone() == (0,)
    reader.close()


def test_privileges_users_and_sessions(run: Run) -> None:
    assert run(
        "select identity_name, identity_type, privilege_type from svv_relation_privileges"
        " where namespace_name = 'shop' and relation_name = 'sold' and identity_name <> current_user"
    ) == [("reader", "user", "SELECT")]
    assert ("reader", False) in run("select user_name, superuser from svv_user_info")
    assert run("select usename from pg_user where usename = 'reader'") == [("reader",)]
    assert run("select count(*) from stv_sessions where process = pg_backend_pid()") == [(1,)]


def test_locks_and_transactions(run: Run, stack: Stack) -> None:
    with stack.connect() as other, other.cursor() as cursor:
        cursor.execute("update shop.sale set amount = 3")
        pid = other.get_backend_pid()
        assert (pid,) in run("select lock_owner_pid from stv_locks where table_id = 'shop.sale'::regclass::int")
        assert (True,) in run(f"select granted from svv_transactions where pid = {pid}")
        other.rollback()
    other.close()


def test_show(run: Run) -> None:
    assert [row[1:4] for row in run("show tables from schema warehouse.shop")] == [
        ("shop", "sale", "TABLE"), ("shop", "sold", "VIEW")
    ]  # fmt: skip
    assert [row[2] for row in run("show tables from schema shop like 'sal%' limit 5")] == ["sale"]
    assert [row[3] for row in run('show columns from table "warehouse"."shop"."sale"')] == [
        "id",
        "buyer",
        "amount",
        "note",
    ]
    assert ("warehouse", "shop") in [row[:2] for row in run("show schemas from database warehouse")]
    assert [row[0] for row in run("show databases")] == ["warehouse"]
    assert ("reader", "SELECT") in [(row[6], row[4]) for row in run("show grants on table shop.sold")]
    assert run("show table shop.sale")[0][0].splitlines()[-1] == "DISTSTYLE KEY DISTKEY (buyer) SORTKEY (buyer, id);"
    assert run("show search_path") == [('"$user", public',)]
    with pytest.raises(psycopg2.errors.FeatureNotSupported, match="SHOW PROCEDURE"):
        run("show procedure shop.p(int)")
    run("rollback")
    with pytest.raises(psycopg2.errors.SyntaxError, match="in SHOW"):
        run("show tables from schema shop whatever")


# What SQLAlchemy's dialect for Redshift asks when it reflects a schema, in its shape.
REFLECTION = """
    select n.nspname as "schema", c.relname as "table_name", att.attname as "name",
        format_encoding(att.attencodingtype::integer) as "encode", format_type(att.atttypid, att.atttypmod) as "type",
        att.attisdistkey as "distkey", att.attsortkeyord as "sortkey", att.attnotnull as "notnull",
        pg_catalog.col_description(att.attrelid, att.attnum) as "comment", adsrc, attnum, n.oid as "schema_oid"
    from pg_catalog.pg_class c
    left join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    join pg_catalog.pg_attribute att on att.attrelid = c.oid
    left join pg_catalog.pg_attrdef ad on (att.attrelid, att.attnum) = (ad.adrelid, ad.adnum)
    where n.nspname !~ '^pg_' and att.attnum > 0 and not att.attisdropped and schema = 'shop' and table_name = 'sale'
    union
    select view_schema as "schema", view_name as "table_name", col_name as "name", null, col_type, null, 0, null, null,
        null, null, null
    from pg_get_late_binding_view_cols()
        cols(view_schema name, view_name name, col_name name, col_type varchar, col_num int)
    where 1
    union
    select c.schemaname, c.tablename, c.columnname, null, c.external_type, false, 0, null, null, null, c.columnnum,
        s.esoid
    from svv_external_columns c join svv_external_schemas s on s.schemaname = c.schemaname
    where 1 order by "schema", "table_name", "attnum"
"""


def test_reflection_with_columns_that_only_redshift_has(run: Run) -> None:
    assert [row[2:8] for row in run(REFLECTION)] == [
        ("id", "none", "bigint", False, 2, True),
        ("buyer", "none", "character varying(40)", True, 1, True),
        ("amount", "none", "numeric(9,2)", False, 0, False),
        ("note", "none", "jsonb", False, 0, False),
    ]
    assert run(
        "select c.relkind, case c.reldiststyle when 0 then 'EVEN' when 1 then 'KEY' when 8 then 'ALL' end as diststyle"
        " from pg_catalog.pg_class c join pg_catalog.pg_user u on u.usesysid = c.relowner where c.relname = 'sale'"
    ) == [("r", "KEY")]


def test_keys_that_are_not_enforced_are_seen_as_constraints(run: Run) -> None:
    run(
        "create table shop.line (sale_id bigint not null, place int, code varchar(5) unique,"
        " primary key (sale_id, place), foreign key (sale_id) references shop.sale (id))"
    )
    assert run(
        "select t.conname, t.contype, t.conkey, pg_catalog.pg_get_constraintdef(t.oid, true) from pg_catalog.pg_class c"
        " join pg_catalog.pg_constraint t on t.conrelid = c.oid"
        " join pg_catalog.pg_namespace n on n.oid = c.relnamespace"
        " where n.nspname = 'shop' and c.relname = 'line' order by t.contype"
    ) == [
        ("line_sale_id_fkey", "f", [1], "FOREIGN KEY (sale_id) REFERENCES shop.sale (id)"),
        ("line_pkey", "p", [1, 2], "PRIMARY KEY (sale_id, place)"),
        ("line_code_key", "u", [3], "UNIQUE (code)"),
    ]
    assert run(
        "select confrelid::regclass::text, confkey from pg_constraint"
        " where contype = 'f' and conrelid = 'shop.line'::regclass"
    ) == [("shop.sale", [1])]


def test_the_catalogue_as_dbt_asks_for_it(run: Run) -> None:
    assert run("select has_table_privilege(current_user, 'svv_table_info', 'SELECT') as can_select") == [(True,)]
    rows = run("""
        with late_binding as (
            select table_schema, table_name, 'LATE BINDING VIEW'::varchar as table_type, column_name, column_index,
                column_type
            from pg_get_late_binding_view_cols() cols(
                table_schema name, table_name name, column_name name, column_type varchar, column_index int)
            where (upper(table_schema) = upper('shop'))
        ),
        early_binding as (
            select sch.nspname as table_schema, tbl.relname as table_name,
                case when tbl.relkind = 'v' then 'VIEW' else 'BASE TABLE' end as table_type, col.attname as column_name,
                col.attnum as column_index, pg_catalog.format_type(col.atttypid, col.atttypmod) as column_type
            from pg_catalog.pg_namespace sch
            join pg_catalog.pg_class tbl on tbl.relnamespace = sch.oid
            join pg_catalog.pg_attribute col on col.attrelid = tbl.oid
            where tbl.relkind in ('r', 'v', 'f', 'p') and col.attnum > 0 and not col.attisdropped
                and (upper(sch.nspname) = upper('shop'))
        ),
        unioned as (select * from early_binding union all select * from late_binding),
        table_owners as (
            select schemaname as table_schema, tablename as table_name, tableowner as table_owner from pg_tables
            union all select schemaname, viewname, viewowner from pg_views
        )
        select 'warehouse' as table_database, * from unioned join table_owners using (table_schema, table_name)
        order by "column_index"
    """)
    assert len(rows) == 6
    assert run(
        "select u.usename as grantee, p.privilege_type from pg_user u cross join (select 'select' as privilege_type) p"
        " where has_table_privilege(u.usename, 'shop.sold', privilege_type) and u.usename != current_user"
    ) == [("reader", "select")]


def test_redshift_connector_tells_schemas_tables_and_columns(stack: Stack) -> None:
    with redshift_connector.connect(
        host="127.0.0.1", port=stack.port, user="postgres", password=PASSWORD, database="warehouse", ssl=False
    ) as connection:
        cursor = connection.cursor()
        assert ["shop", "warehouse"] in [list(row) for row in cursor.get_schemas(schema_pattern="shop")]
        assert [list(row)[1:4] for row in cursor.get_tables(schema_pattern="shop")] == [
            ["shop", "sale", "TABLE"], ["shop", "sold", "VIEW"]
        ]  # fmt: skip
        columns = [list(row) for row in cursor.get_columns(schema_pattern="shop", tablename_pattern="sale")]
        assert [row[3] for row in columns] == ["id", "buyer", "amount", "note"]
        assert len(cursor.get_columns()) > 4
        assert len(cursor.get_catalogs()) == 1
        cursor.get_procedures(schema_pattern="shop")
        cursor.get_primary_keys(schema="shop", table="sale")
