"""Declared checks as SQL: every kind, over a table of dm and one of itg, as golden files that `make lint` reads too."""

from __future__ import annotations

from datetime import date

import pytest
from idiscover.errors import FatalError
from idiscover.metadata.loading import FolderReader, load_catalog
from idiscover.metadata.models import TableCheck
from idiscover.metadata.table_checks_spec import checks_in_force
from idiscover.warehouse.checks import Written, failing_sql, literal, questions, rows_sql, sample_sql
from pydantic import TypeAdapter

from tests.unit.golden_files import check_golden
from tests.unit.metadata_samples import REPOSITORY

FACT = Written("dm.fact_test", ("test_id", "day"), ("DE", "ZZ"), date(2026, 1, 5), "run", {"DE": 120})
ITG = Written("itg.test", ("id",), ("FR",), date(2026, 1, 5), "asset_triggered__1", {})
KINDS: dict[str, dict[str, object]] = {
    "unique_key": {"kind": "unique_key"},
    "unique_key_slice": {"kind": "unique_key", "columns": ["id"], "scope": "slice"},
    "not_null": {"kind": "not_null", "columns": ["day", "order"]},
    "accepted_values": {"kind": "accepted_values", "column": "status", "values": ["Open", "It's done"]},
    "foreign_key": {"kind": "foreign_key", "column": "unit_id", "references": "itg.unit", "key": "id"},
    "foreign_key_same": {
        "kind": "foreign_key", "column": "lab_id", "references": "itg.lab", "key": "id", "slices": "same",
        "allow": ["UNKNOWN"], "rows": "lab_id <> 'L0' or day is null",
    },
    "row_count": {"kind": "row_count", "min_percent": 50, "max_percent": 300},
    "row_count_one_bound": {"kind": "row_count", "min_percent": 80, "from_rows": 1},
    "freshness": {"kind": "freshness", "column": "day", "at_most_days": 7},
    "freshness_all": {"kind": "freshness", "column": "day", "at_most_days": 1, "slices": "all"},
    "reconciliation": {
        "kind": "reconciliation", "source": "itg.test", "source_rows": "not coalesce(is_deleted, false)",
        "target_rows": "is_current", "unknown_member": True,
        "sums": [{"column": "n", "source_column": "count"}, {"column": "tests", "source_expression": "1"}],
    },
    "expression": {
        "kind": "expression", "name": "fit", "holds": "day > date '2000-01-01' or Lower(x)='it''s' AND - n<2*(a)",
    },
}  # fmt: skip
ADAPTER: TypeAdapter[TableCheck] = TypeAdapter(TableCheck)


def check(name: str) -> TableCheck:
    return ADAPTER.validate_python(KINDS[name])


@pytest.mark.parametrize("name", KINDS)
def test_failing_rows(name: str) -> None:
    text = "\n\n".join(f"{failing_sql(check(name), written)};" for written in (FACT, ITG))
    check_golden(f"warehouse/checks/{name}.sql", text + "\n")


def test_checks_are_few_questions() -> None:
    """One scan for those of single rows, one question for the others, one for what compares with the rows before."""
    names = ("not_null", "unique_key", "row_count", "expression", "accepted_values", "foreign_key")
    asked = questions([check(name) for name in names], ITG)
    labels = [[item.label for item in question.checks] for question in asked]
    assert labels == [
        ["not_null_day_order", "fit", "accepted_values_status"],
        ["unique_key", "foreign_key_unit_id"],
        ["row_count"],
    ]
    parts = [*(question.sql for question in asked), sample_sql(check("not_null"), ITG), rows_sql("itg.test", ("DE",))]
    check_golden("warehouse/checks/questions.sql", ";\n\n".join(parts) + ";\n")


def test_the_country_in_a_key_makes_it_a_question_of_the_slice() -> None:
    mart = Written("dm.mart", ("country_code", "month"), ("DE",), date(2026, 1, 5), "run", {})
    assert "join" not in failing_sql(check("unique_key"), mart)


def test_what_cannot_be_written_as_a_literal_is_refused() -> None:
    assert literal("it's") == "'it''s'"
    with pytest.raises(FatalError, match="cannot be written"):
        literal("a\\'; drop table x --")


def test_every_declared_check_can_be_rendered() -> None:
    tables = load_catalog(FolderReader(REPOSITORY / "metadata")).tables
    assert all(table.checks for table in tables.values())
    for table in tables.values():
        written = Written(table.table, table.grain, ("DE", "ZZ"), date(2026, 1, 5), "run", {"DE": 1})
        checks = checks_in_force(table.checks)
        asked = [check for question in questions(checks, written) for check in question.checks]
        assert sorted(check.label for check in asked) == sorted(check.label for check in checks)
