"""What is rendered for analysts: views, comments, dictionary, grants, as golden files."""

from __future__ import annotations

import pytest
from idiscover.metadata.sql_inventory import SqlInventory
from idiscover.warehouse import dictionary, entitlement
from idiscover.warehouse.grants import grants
from idiscover.warehouse.release import ReleaseStatement, for_analysts
from idiscover.warehouse.views import columns_of, comments, create_view, mart_views, reads_from

from tests.unit.golden_files import check_golden
from tests.unit.metadata_samples import REPOSITORY, sample_catalog

BASE = REPOSITORY / "tests" / "corpus" / "base" / "sql"
CATALOG = sample_catalog()


def test_rendered_for_analysts() -> None:
    sql = SqlInventory.read(BASE)
    assert sql is not None
    (view,) = [view for view in mart_views(CATALOG, sql) if view.name == "dm.v_fact_test"]
    check_golden("warehouse/view_fact_test.sql", create_view(view) + "\n")
    check_golden("warehouse/comments_fact_test.sql", comments(view) + "\n")
    filled = "\n".join(text for _, text in dictionary.fill([view], CATALOG))
    check_golden("warehouse/dictionary_fact_test.sql", filled + "\n")
    check_golden("warehouse/dictionary_page.md", dictionary.page([view], CATALOG))
    told = [text for _, text in grants("readers", ["dm.v_fact_test", "dm.v_entitlement"])]
    check_golden("warehouse/grants.sql", "\n".join(told) + "\n")


def test_a_text_tells_the_columns_of_a_plain_view_and_of_no_other() -> None:
    sql = SqlInventory.read(BASE)
    assert sql is not None
    (view,) = [view for view in mart_views(CATALOG, sql) if view.name == "dm.v_fact_test"]
    assert columns_of(create_view(view)) == [
        ("country_code", "varchar(2)"),
        ("test_id", "varchar(18)"),
        ("count", "bigint"),
        ("price", "numeric(18, 2)"),
    ]
    assert columns_of(entitlement.CREATE_VIEW) is None
    assert columns_of(dictionary.CREATE_VIEW) is not None


@pytest.mark.parametrize(
    ("definition", "table"),
    [
        ("create or replace view dm.v_a as\nselect\n    x -- date: X\nfrom dm.a;", "a"),
        (" SELECT a.x\n   FROM dm.a;", "a"),
        ('SELECT a.x FROM "dm"."a"', "a"),
        (" SELECT a.x\n   FROM a_before a;", ""),
        ("select distinct x from dm.a inner join dm.b on true;", ""),
    ],
)
def test_a_plain_view_tells_its_table(definition: str, table: str) -> None:
    assert reads_from(definition) == table


def test_without_a_role_nobody_is_granted_anything() -> None:
    statements = [ReleaseStatement("view dm.v_fact_test", "create view …")]
    names = [item.name for item in for_analysts(statements, CATALOG, BASE, None)]
    assert [name for name in names if name.startswith("grants")] == []
    assert [item.sql for item in for_analysts(statements, CATALOG, BASE, "readers")][-2:] == [
        "grant select on dm.v_fact_test to role readers;",
        "revoke execute on all procedures in schema dm from public;",
    ]
