"""Types that a DDL may call by several names."""

from __future__ import annotations

import pytest
from idiscover.metadata.sql_inventory import SqlInventory
from idiscover.metadata.sql_types import normal_type


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("VARCHAR(80)", "varchar(80)"),
        ("character varying(80)", "varchar(80)"),
        ("varchar", "varchar(256)"),
        ("varchar(max)", "varchar(65535)"),
        ("decimal( 30,6 )", "numeric(30, 6)"),
        ("numeric(18)", "numeric(18, 0)"),
        ("numeric", "numeric(18, 0)"),
        ("int8", "bigint"),
        ("float8", "double precision"),
        ("bool", "boolean"),
        ("timestamp without time zone", "timestamp"),
        ("date", "date"),
    ],
)
def test_a_type_has_one_name(written: str, name: str) -> None:
    assert normal_type(written) == name


def test_columns_of_a_ddl_have_it_without_blanks() -> None:
    ddl = """create table if not exists dm.a (
    name varchar(max) not null,
    rate decimal(30, 6),
    labs int8 encode az64 not null
)
diststyle even;"""
    columns = SqlInventory.of([ddl]).tables["dm.a"]
    assert {name: (column.type, column.is_nullable) for name, column in columns.items()} == {
        "name": ("varchar(65535)", False),
        "rate": ("numeric(30,6)", True),
        "labs": ("bigint", False),
    }
