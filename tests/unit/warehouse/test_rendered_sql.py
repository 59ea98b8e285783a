"""SQL rendered from metadata, as golden files; the integration test runs it."""

from __future__ import annotations

import pytest
from idiscover.metadata.models import FieldSpec
from idiscover.plan.build import itg_plan
from idiscover.warehouse.ddl import column_comments, create_itg_table, create_side_tables, create_stg_table
from idiscover.warehouse.procedures import render_itg_procedure
from idiscover.warehouse.queries import batches_sql, stale_slices_sql
from idiscover.warehouse.release import release
from idiscover.warehouse.types import column_type

from tests.unit.golden_files import check_golden
from tests.unit.metadata_samples import REPOSITORY, sample_catalog

CATALOG = sample_catalog()
SQL = REPOSITORY / "sql"
OBJECTS = sorted(CATALOG.objects)

# Constructs that PostgreSQL has and Redshift has not, or that would break a caller's transaction.
FOREIGN = (
    "on conflict", "returning", "is distinct from", "filter (", "distinct on", "lateral", "generate_series", "array[",
    "truncate", "commit", "rollback", "create index", "merge into",
)  # fmt: skip


@pytest.mark.parametrize("name", OBJECTS)
def test_tables(name: str) -> None:
    spec = CATALOG.objects[name]
    texts = [create_stg_table(spec), create_itg_table(spec), *(sql for _, sql in create_side_tables(spec))]
    texts += [sql for _, sql in column_comments(f"itg.{name}", spec.fields)]
    check_golden(f"warehouse/tables_{name}.sql", "\n\n".join(texts) + "\n")


@pytest.mark.parametrize("name", OBJECTS)
def test_procedure(name: str) -> None:
    text = render_itg_procedure(CATALOG.objects[name], SQL)
    check_golden(f"warehouse/load_{name}.sql", text)
    code = "\n".join(line for line in text.lower().splitlines() if not line.strip().startswith("--"))
    assert [word for word in FOREIGN if word in code] == []
    assert max(map(len, text.splitlines())) <= 120


@pytest.mark.parametrize("name", OBJECTS)
def test_queries(name: str) -> None:
    plan = itg_plan(CATALOG.objects[name])
    check_golden(f"warehouse/stale_slices_{name}.sql", stale_slices_sql(plan) + "\n")
    check_golden(f"warehouse/batches_{name}.sql", batches_sql(plan) + "\n")


def test_release_is_in_the_order_in_which_things_need_each_other() -> None:
    names = [statement.name for statement in release(CATALOG, SQL)]
    assert len(set(names)) == len(names)
    assert names[:3] == ["schema stg", "schema itg", "schema dm"]
    kinds = [
        max(i for i, name in enumerate(names) if name.startswith("table")),
        min(i for i, name in enumerate(names) if name.startswith("procedure ")),
        min(i for i, name in enumerate(names) if name.startswith("procedures/")),
    ]
    assert kinds == sorted(kinds)
    assert {"table stg.lab", "table itg.lab", "table itg.lab__changes", "table itg.lab__load_audit"} <= set(names)
    assert {"table stg.batch_load", "procedure itg.load_lab", "ddl/dm/dim_lab.sql"} <= set(names)


def test_an_object_without_an_itg_table_gets_stg_only() -> None:
    tables = {name: table for name, table in CATALOG.tables.items() if name == "itg.lab"}
    names = {item.name for item in release(CATALOG.model_copy(update={"tables": tables}), SQL)}
    assert "table stg.unit" in names
    assert not names & {"table itg.unit", "procedure itg.load_unit"}


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ({"type": "id"}, "varchar(18)"),
        ({"type": "reference"}, "varchar(18)"),
        ({"type": "string", "length": 80}, "varchar(320)"),
        ({"type": "textarea", "length": 16383}, "varchar(65532)"),
        ({"type": "textarea", "length": 131072}, "varchar(65535)"),
        ({"type": "multipicklist", "length": 4099}, "varchar(16396)"),
        ({"type": "phone", "length": 40}, "varchar(160)"),
        ({"type": "string", "length": 2, "protect": "hash"}, "varchar(64)"),
        ({"type": "email", "length": 80, "protect": "hash"}, "varchar(320)"),
        ({"type": "string", "length": 1, "protect": "mask"}, "varchar(4)"),
        ({"type": "boolean"}, "boolean"),
        ({"type": "int"}, "bigint"),
        ({"type": "double", "precision": 18, "scale": 0}, "numeric(18, 0)"),
        ({"type": "currency", "precision": 18, "scale": 2}, "numeric(18, 2)"),
        ({"type": "percent", "precision": 5, "scale": 1}, "numeric(5, 1)"),
        ({"type": "date"}, "date"),
        ({"type": "datetime"}, "timestamp"),
    ],
)
def test_column_types(field: dict[str, object], expected: str) -> None:
    spec = FieldSpec.model_validate({"salesforce": "X__c", "column": "x", "description": "X.", **field})
    assert column_type(spec) == expected
