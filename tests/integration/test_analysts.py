"""What analysts see of a real warehouse, tried through the front as a login that has their role and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any

import psycopg2
import pytest
from idiscover.aws.analyst_views import ensure_role, fill_entitlement, view_changes
from idiscover.errors import ConfigError
from idiscover.metadata.entitlement import Entitlement
from idiscover.metadata.loading import FolderReader, load_catalog
from idiscover.metadata.models import Catalog, PiiClass
from idiscover.metadata.sql_inventory import SqlInventory
from idiscover.warehouse.grants import grants
from idiscover.warehouse.release import VIEW, ReleaseStatement, for_analysts, release, view_names
from idiscover.warehouse.statements import parse_statement
from idiscover.warehouse.views import create_view, mart_views, view_of
from psycopg2 import errors

from tests.integration.random_itg import AS_OF_DATE, Records, insert, itg_of, random_records
from tests.integration.test_dm_procedures import SLICES, tables_in_order
from tests.support.warehouse_stack import REPOSITORY, running_warehouse

ROLE, LOGIN, PASSWORD = "idiscover_analyst", "ada_analyst", "Only4reading"
SQL = REPOSITORY / "sql"
MARK = "qz7"  # stands in every personal value, and nowhere else
SEED = 13  # of records in every table
TABLES = (
    "select n.nspname || '.' || c.relname from pg_catalog.pg_class as c"
    " inner join pg_catalog.pg_namespace as n on c.relnamespace = n.oid"
    " where n.nspname in ('stg', 'itg', 'dm') and c.relkind = '{kind}' order by 1"
)


@dataclass
class Warehouse:
    """A warehouse with a release in it, without rows."""

    dsn: str
    catalog: Catalog
    statements: list[ReleaseStatement]
    released: list[ReleaseStatement] | None = None
    sessions: dict[str | None, Any] = field(default_factory=dict)

    def deploy(self, statements: list[ReleaseStatement]) -> list[str]:
        """As a deploy does it; names of what it ran."""
        with psycopg2.connect(self.dsn) as connection, connection.cursor() as cursor:
            changes = view_changes(cursor, statements, self.released)
            ensure_role(cursor, ROLE)
            to_run = changes.to_run(statements)
            for statement in to_run:
                cursor.execute(statement.sql)
        connection.close()
        self.released = statements
        return [statement.name for statement in to_run]

    def ask(self, sql: str, login: str | None = None) -> list[tuple[Any, ...]]:
        """Rows of one statement, which is committed; as the owner, or as `login`."""
        if login not in self.sessions:
            who = {"user": login, "password": PASSWORD} if login else {}
            self.sessions[login] = psycopg2.connect(self.dsn, **who)
            self.sessions[login].autocommit = True
        with self.sessions[login].cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall() if cursor.description else []

    def views(self) -> list[ReleaseStatement]:
        """Those of the release."""
        return [item for item in self.statements if item.name.startswith(VIEW)]

    def relations(self, kind: str) -> list[str]:
        """Tables (`r`) or views (`v`) of stg, itg and dm."""
        return [name for (name,) in self.ask(TABLES.format(kind=kind))]


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    catalog = load_catalog(FolderReader(REPOSITORY / "metadata"))
    with running_warehouse(tmp_path_factory.mktemp("analysts")) as dsn:
        found = Warehouse(dsn, catalog, _release(catalog))
        found.deploy(found.statements)
        found.ask(f"create user {LOGIN} password '{PASSWORD}'")
        found.ask(f"grant role {ROLE} to {LOGIN}")
        yield found
        for session in found.sessions.values():
            session.close()


def test_an_analyst_reads_every_view_and_no_table(warehouse: Warehouse) -> None:
    views, tables = warehouse.relations("v"), warehouse.relations("r")
    assert {f"dm.v_{name.partition('.')[2]}" for name in warehouse.catalog.tables if name.startswith("dm.")} <= set(
        views
    )
    assert {"stg.batch_load", "itg.account", "dm.dim_hcp"} <= set(tables)
    for view in views:
        warehouse.ask(f"select * from {view}", LOGIN)
    for table in tables:
        with pytest.raises(errors.InsufficientPrivilege):
            warehouse.ask(f"select * from {table}", LOGIN)


@pytest.mark.parametrize(
    "statement",
    [
        "insert into dm.v_dim_country values ('ZZ', 'XX', 'X', getdate())",
        "update dm.v_dim_country set country_name = 'X'",
        "delete from dm.v_dim_country",
        "delete from dm.dim_country",
        "drop view dm.v_dim_country",
        "alter table dm.dim_country add column x int",
        "create table dm.mine (x int)",
        "create view dm.v_mine as select 1 as x",
        "create or replace view dm.v_dim_country as select 1 as x",
        "create schema mine",
        "create table public.mine (x int)",
        "create user other password 'Only4reading'",
        f"grant select on dm.v_dim_country to {LOGIN}; grant select on dm.dim_country to {LOGIN}",
        "truncate dm.dim_country",
        "call dm.load_dim_country('ZZ', '2026-01-05', 'r')",
        "call itg.load_account('DE', '2026-01-05', 'r')",
    ],
)
def test_an_analyst_changes_nothing_and_runs_no_procedure(warehouse: Warehouse, statement: str) -> None:
    with pytest.raises(errors.InsufficientPrivilege):
        warehouse.ask(statement, LOGIN)


def test_a_second_release_makes_no_view_anew_and_takes_back_what_was_granted_by_hand(warehouse: Warehouse) -> None:
    warehouse.ask(f"grant all on dm.dim_country to role {ROLE}")  # by hand
    ran = warehouse.deploy(warehouse.statements)
    made = [name for name in ran if name.startswith(("view ", "drop "))]
    assert made == ["drop dm.v_entitlement", "view dm.v_entitlement"]  # whose columns do not tell what it joins
    assert ran.index("view dm.v_entitlement") == ran.index("drop dm.v_entitlement") + 1, "readers wait for no table"
    with pytest.raises(errors.InsufficientPrivilege):
        warehouse.ask("select * from dm.dim_country", LOGIN)


def test_a_view_whose_columns_change_is_made_anew_and_the_role_still_reads_it(warehouse: Warehouse) -> None:
    warehouse.ask(
        "create table dm.dim_toy (country_code varchar(2) not null, toy varchar(10), _loaded_at_utc timestamp)"
    )
    warehouse.deploy(_with_toy(warehouse, "toy varchar(10)"))
    assert warehouse.ask("select toy from dm.v_dim_toy", LOGIN) == []
    warehouse.ask("alter table dm.dim_toy add column colour varchar(8)")
    second = _with_toy(warehouse, "colour varchar(8), toy varchar(10)")  # before others: no view can be replaced so
    assert {"drop dm.v_dim_toy", "view dm.v_dim_toy"} <= set(warehouse.deploy(second))
    assert warehouse.ask("select colour, toy from dm.v_dim_toy", LOGIN) == []
    assert "drop dm.v_dim_toy" not in warehouse.deploy(second)
    warehouse.ask("alter table dm.dim_toy rename to dim_toy_before")  # and the view follows it
    warehouse.ask("create table dm.dim_toy (colour varchar(8), toy varchar(10), _loaded_at_utc timestamp)")
    warehouse.ask("insert into dm.dim_toy values ('red', 'car', getdate())")
    assert "drop dm.v_dim_toy" in warehouse.deploy(second)
    assert warehouse.ask("select colour, toy from dm.v_dim_toy", LOGIN) == [("red", "car")]
    warehouse.ask("drop table dm.dim_toy_before")
    assert "drop dm.v_dim_toy" in warehouse.deploy(_views_and_grants(warehouse.views()))  # gone from the metadata
    assert "dm.v_dim_toy" not in warehouse.relations("v")
    warehouse.ask("drop table dm.dim_toy")


def test_a_login_that_may_not_make_the_role_is_told_what_to_do(warehouse: Warehouse) -> None:
    warehouse.ask("select 1", LOGIN)
    with warehouse.sessions[LOGIN].cursor() as cursor:
        with pytest.raises(ConfigError, match="role of analysts") as refused:
            ensure_role(cursor, "some_analysts")
        ensure_role(cursor, ROLE)  # which it has, and sees
    assert "create role some_analysts; grant role some_analysts to that login;" in str(refused.value.remedy)


def test_a_view_that_somebody_else_has_made_is_left_alone(warehouse: Warehouse) -> None:
    warehouse.ask("create view dm.v_somebodys as select iso_country_code from dm.dim_country")
    for released in (None, warehouse.released):
        warehouse.released = released
        assert "drop dm.v_somebodys" not in warehouse.deploy(warehouse.statements)
    assert warehouse.ask("select * from dm.v_somebodys") == []
    with pytest.raises(errors.InsufficientPrivilege):
        warehouse.ask("select * from dm.v_somebodys", LOGIN)
    warehouse.ask("drop view dm.v_somebodys")


def test_texts_stand_on_tables_and_views(warehouse: Warehouse) -> None:
    for relation in ("dm.dim_hcp", "dm.v_dim_hcp"):
        found = warehouse.ask(f"select obj_description('{relation}'::regclass)")[0][0]
        assert found == "Professionals with their history, under a pseudonym. Grain: hcp_key, valid_from."
        described = warehouse.ask(
            f"select attname, col_description('{relation}'::regclass, attnum) from pg_catalog.pg_attribute"
            f" where attrelid = '{relation}'::regclass and attnum > 0"
        )
        texts = {name: text for name, text in described if name not in ("_run_id", "_as_of_date")}
        assert texts["specialty"] == "Medical specialty." and all(texts.values())


def test_the_dictionary_has_every_column_of_every_view(warehouse: Warehouse) -> None:
    described = set(warehouse.ask("select view_name, column_name from dm.v_data_dictionary", LOGIN))
    shown = warehouse.ask(
        "select 'dm.' || table_name, column_name from information_schema.columns where table_schema = 'dm'"
        " and table_name like 'v!_%' escape '!'"
        " and table_name not in ('v_entitlement', 'v_data_dictionary', 'v_check_result')"
    )
    assert described == set(shown) and len(shown) > 250
    row = warehouse.ask(
        "select data_type, is_nullable, caption, salesforce_origin, pii, grain, owner_name from dm.v_data_dictionary"
        " where view_name = 'dm.v_dim_hcp' and column_name = 'specialty'",
        LOGIN,
    )
    grain, owner = "hcp_key, valid_from", "Analytics Engineering"
    assert row == [("varchar(480)", True, "Specialty", "Account.Specialty__c", "none", grain, owner)]


def test_entitlements_are_those_of_the_file_with_all_countries_told(warehouse: Warehouse) -> None:
    warehouse.ask("delete from dm.dim_country")
    warehouse.ask(
        "insert into dm.dim_country select 'ZZ', code, code, '2026-01-05', 'r', getdate()"
        " from (select 'DE' as code union all select 'FR' union all select 'ZZ') as codes"
    )
    everybody = [("ada", "*"), ("ada", "DE"), ("bo", "FR"), ("cy", "JP")]
    for rows in (everybody[:1], everybody):
        with psycopg2.connect(warehouse.dsn) as connection, connection.cursor() as cursor:
            fill_entitlement(cursor, [Entitlement(*row) for row in rows])
        connection.close()
    found = warehouse.ask("select user_name, country_code from dm.v_entitlement order by 1, 2", LOGIN)
    assert found == [("ada", "DE"), ("ada", "FR"), ("ada", "ZZ"), ("bo", "FR")]  # JP has no rows yet
    warehouse.ask("delete from dm.entitlement; delete from dm.dim_country")


def test_nothing_personal_reaches_dm(warehouse: Warehouse) -> None:
    """Every personal field of every object holds marked values; no table and no view of dm has one of them."""
    catalog = warehouse.catalog
    records = random_records(Random(SEED), catalog)
    marked = _mark(records, catalog)
    assert marked == {
        (spec.object, field.column)
        for spec in catalog.objects.values()
        for field in spec.fields
        if field.pii is not PiiClass.NONE
    }
    connection = psycopg2.connect(warehouse.dsn)  # what follows is rolled back
    try:
        with connection.cursor() as cursor:
            insert(cursor, itg_of(records, catalog))
            for table in tables_in_order(catalog):
                for text in catalog.tables[table].statements:
                    for country in SLICES:
                        cursor.execute(*parse_statement(text).bind(country, AS_OF_DATE, "run"))
            rows = {name: _rows(cursor, name) for name in warehouse.relations("r") + warehouse.relations("v")}
    finally:
        connection.close()
    holding = {name for name, found in rows.items() if MARK in found}
    objects = {f"itg.{name}" for name, _ in marked}
    assert objects <= holding <= {name for name in rows if name.startswith("itg.")}
    filled = {name for name, found in rows.items() if found != "[]"}
    assert {view_of(name) for name in catalog.tables if name.startswith("dm.")} <= filled


def _rows(cursor: Any, name: str) -> str:
    cursor.execute(f"select * from {name}")
    return str(cursor.fetchall())


def _mark(records: Records, catalog: Catalog) -> set[tuple[str, str]]:
    """Marks the values of personal fields, those of labs apart, which are organisations; what was marked."""
    types = {key: versions[-1]["developer_name"] for key, versions in records["record_type"].items()}
    marked = set()
    for name, of_object in records.items():
        personal = [field.column for field in catalog.objects[name].fields if field.pii is not PiiClass.NONE]
        for key, versions in of_object.items():
            if name == "account" and types.get(versions[-1]["record_type_id"]) == "Lab":
                continue
            for version in versions:
                for column in personal:
                    version[column] = f"{MARK} {column} of {key}"[:40]
                    marked.add((name, column))
    return marked


def _release(catalog: Catalog) -> list[ReleaseStatement]:
    return for_analysts(release(catalog, SQL), catalog, SQL, ROLE)


def _with_toy(warehouse: Warehouse, columns: str) -> list[ReleaseStatement]:
    """The views of the release, and one of dm.dim_toy with these columns."""
    kinds = [*columns.split(", "), "_loaded_at_utc timestamp"]
    ddl = "create table if not exists dm.dim_toy (\n    " + ",\n    ".join(kinds) + "\n);"
    described = [{"name": part.split()[0], "description": "X."} for part in columns.split(", ")]
    hcp = warehouse.catalog.tables["dm.dim_hcp"]
    table = type(hcp).model_validate({**hcp.model_dump(), "table": "dm.dim_toy", "columns": described})
    toys = mart_views(warehouse.catalog.model_copy(update={"tables": {"dm.dim_toy": table}}), SqlInventory.of([ddl]))
    return _views_and_grants(
        [*warehouse.views(), *(ReleaseStatement(f"{VIEW}{toy.name}", create_view(toy)) for toy in toys)]
    )


def _views_and_grants(views: list[ReleaseStatement]) -> list[ReleaseStatement]:
    return [*views, *(ReleaseStatement(name, sql) for name, sql in grants(ROLE, view_names(views)))]
