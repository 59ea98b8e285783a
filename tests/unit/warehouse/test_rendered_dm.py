"""Procedures of dm that are rendered: a part for each table of the catalog, without a line in them per table."""

from __future__ import annotations

from idiscover.metadata.loading import FolderReader, load_catalog
from idiscover.warehouse.procedures import render_dm_procedure

from tests.unit.metadata_samples import REPOSITORY

CATALOG = load_catalog(FolderReader(REPOSITORY / "metadata"))
SQL = REPOSITORY / "sql"
FRESHNESS = "procedures/dm_to_dm/load_dm_data_freshness.sql.j2"
SOURCES = "procedures/itg_to_dm/load_fact_source_table.sql.j2"
# What the one measures, the other, and what measures cannot measure itself.
UNMEASURED = {"dm.dm_data_freshness", "dm.fact_source_table"}


def test_every_table_of_dm_is_measured() -> None:
    text = render_dm_procedure(FRESHNESS, CATALOG, SQL)
    for name in CATALOG.tables:
        measured = name.startswith("dm.") and name not in UNMEASURED
        assert (f"select\n            '{name}',\n" in text) == measured
        assert (f"        from {name}\n" in text) == (measured or name == "dm.fact_source_table")


def test_sources_and_what_is_kept_of_them_are_those_of_the_metadata() -> None:
    text = render_dm_procedure(FRESHNESS, CATALOG, SQL)
    assert "'dm.dim_biomarker',\n            'itg.biomarker',\n            'all',\n" in text
    assert "'dm.fact_interaction',\n            'itg.lab_interaction',\n            'live',\n" in text
    assert "'dm.dim_lab',\n            'itg.account',\n            'some',\n" in text
    assert "'dm.dim_date',\n            null,\n            'some',\n" in text


def test_every_table_of_itg_is_a_source_and_counts_what_it_can_delete() -> None:
    text = render_dm_procedure(SOURCES, CATALOG, SQL)
    parts = text.split("union all")
    assert len(parts) == len(CATALOG.objects)
    for part, (name, spec) in zip(parts, sorted(CATALOG.objects.items()), strict=True):
        assert f"'itg.{name}' as source_table" in part
        assert f"from itg.{name}\n" in part
        assert f'max("{spec.version_column}") as high_water_mark_utc' in part, "it may be a reserved word"
        assert ("is_deleted is not true" in part) == ("is_deleted" in [field.column for field in spec.fields])


def test_a_table_more_is_a_part_more() -> None:
    table = CATALOG.tables["dm.dim_lab"].model_copy(update={"table": "dm.dim_clinic"})
    more = CATALOG.model_copy(update={"tables": {**CATALOG.tables, "dm.dim_clinic": table}})
    assert "        from dm.dim_clinic\n" in render_dm_procedure(FRESHNESS, more, SQL)
