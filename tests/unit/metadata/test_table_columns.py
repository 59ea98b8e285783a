"""Columns of dm tables: what is made of those that a file describes."""

from __future__ import annotations

import pytest
from idiscover.metadata.loading import FolderReader, load_catalog
from idiscover.metadata.sql_inventory import SqlColumn, SqlInventory
from idiscover.metadata.table_columns import TableColumn, caption_of, view_columns

from tests.unit.metadata_samples import REPOSITORY


@pytest.mark.parametrize(
    ("kind", "given", "expected"),
    [
        ("bigint", {}, ("measure", "integer", "sum")),
        ("numeric(38,0)", {}, ("measure", "integer", "sum")),
        ("numeric(18,6)", {}, ("measure", "decimal", "average")),
        ("numeric(30,6)", {"format": "percent"}, ("measure", "percent", "average")),
        ("bigint", {"aggregation": "maximum"}, ("measure", "integer", "maximum")),
        ("bigint", {"role": "dimension"}, ("dimension", "integer", None)),
        ("integer", {}, ("dimension", "integer", None)),
        ("integer", {"role": "measure"}, ("measure", "integer", "sum")),
        ("date", {}, ("dimension", "date", None)),
        ("timestamp", {}, ("dimension", "datetime", None)),
        ("varchar(18)", {}, ("dimension", "text", None)),
        ("boolean", {}, ("dimension", "text", None)),
    ],
)
def test_role_format_and_aggregation_follow_from_the_type(
    kind: str, given: dict[str, str], expected: tuple[str, str, str | None]
) -> None:
    column = TableColumn.model_validate({"name": "x", "description": "X.", **given})
    (found,) = view_columns([column], {"x": SqlColumn(kind)})
    assert (found.role, found.format, found.aggregation) == expected


@pytest.mark.parametrize(
    ("name", "caption"),
    [
        ("testing_rate", "Testing rate"),
        ("p50_tat_days", "P50 TAT days"),
        ("hcp_key", "HCP key"),
        ("_loaded_at_utc", "Loaded at (UTC)"),
        ("valid_from", "Valid from"),
    ],
)
def test_captions_are_made_of_names(name: str, caption: str) -> None:
    assert caption_of(name) == caption


def test_a_view_has_the_described_columns_in_their_order_and_when_they_were_loaded() -> None:
    catalog, sql = load_catalog(FolderReader(REPOSITORY / "metadata")), SqlInventory.read(REPOSITORY / "sql")
    assert sql is not None
    for name, table in catalog.tables.items():
        if not name.startswith("dm."):
            continue
        columns = view_columns(table.columns, sql.tables[name])
        described = [column.name for column in table.columns]
        assert [column.name for column in columns] == [*described, "_loaded_at_utc"]
        assert set(sql.tables[name]) - set(described) == {"_run_id", "_as_of_date", "_loaded_at_utc"}
