"""A release brings views, entitlements and their role in one transaction; one that fails leaves what was there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
from idiscover.aws.job_metadata import open_job_metadata
from idiscover.aws.table_migrations import Migrator, ReleaseSql, tables_alone
from idiscover.errors import FatalError
from idiscover.metadata.entitlement import Entitlement
from idiscover.warehouse import entitlement
from idiscover.warehouse.grants import ROLE_STANDS, grants
from idiscover.warehouse.migration_ledger import LEDGER
from idiscover.warehouse.release import ReleaseStatement, view_names
from idiscover.warehouse.views import plain_view

from tests.support.aws_platform import Platform

COUNTRY = "create table if not exists dm.dim_country (\n    iso_country_code varchar(2) not null\n)\ndiststyle all;"
COLUMNS = [("iso_country_code", "varchar(2)", "Country code")]


def release(entitlements: Sequence[Entitlement], *more: ReleaseStatement) -> ReleaseSql:
    statements = [
        ReleaseStatement("ledger", LEDGER),
        ReleaseStatement("dim_country", COUNTRY),
        ReleaseStatement("entitlement", entitlement.CREATE_TABLE),
        ReleaseStatement("view dm.v_dim_country", plain_view("dm.v_dim_country", "dm.dim_country", [], COLUMNS)),
        ReleaseStatement(f"view {entitlement.VIEW}", entitlement.CREATE_VIEW),
        *more,
    ]
    told = [ReleaseStatement(name, sql) for name, sql in grants("idiscover_analyst", view_names(statements))]
    return ReleaseSql([*statements, *told], (), None, "ada@laptop", "c0ffee", entitlements=entitlements)


def deploy(platform: Platform, sql: ReleaseSql) -> None:
    with open_job_metadata(platform.context) as metadata, tables_alone(metadata):
        list(Migrator(platform.context, sql).run())


@pytest.fixture
def warehouse(platform: Platform) -> Iterator[Platform]:
    """Without what this module makes."""
    drop = "; ".join(f"drop table if exists {name} cascade" for name in ("dm.dim_country", entitlement.TABLE))
    platform.warehouse(drop)
    yield platform
    platform.warehouse(drop)
    platform.warehouse(entitlement.CREATE_TABLE)


def test_entitlements_are_those_of_the_release_and_stay_when_one_fails(warehouse: Platform) -> None:
    deploy(warehouse, release([Entitlement("ada", "*"), Entitlement("bo", "FR")]))
    warehouse.warehouse("insert into dm.dim_country values ('DE'), ('FR')")
    assert warehouse.warehouse(ROLE_STANDS, "idiscover_analyst") == [(1,)]
    seen = "select user_name, country_code from dm.v_entitlement order by 1, 2"
    before = [("ada", "DE"), ("ada", "FR"), ("bo", "FR")]
    assert warehouse.warehouse(seen) == before
    broken = ReleaseStatement("view dm.v_broken", "create or replace view dm.v_broken as select x from dm.nowhere;")
    with pytest.raises(FatalError):
        deploy(warehouse, release([Entitlement("cy", "DE")], broken))
    assert warehouse.warehouse(seen) == before
    deploy(warehouse, release([Entitlement("cy", "DE")]))
    assert warehouse.warehouse(seen) == [("cy", "DE")]
    deploy(warehouse, release([]))
    assert warehouse.warehouse(seen) == []
