"""fact_source_table and dm_data_freshness: the worked example of docs/marts.md, taken literally, and edges."""

from datetime import date, datetime

import pytest

from tests.oracle.dm.data_freshness import SOURCES, dm_data_freshness
from tests.oracle.dm.source_tables import fact_source_table
from tests.oracle.itg_columns import COLUMNS
from tests.oracle.samples import dm_tables, itg_tables, record
from tests.oracle.shapes import Row, Tables

AS_OF = date(2026, 1, 9)


def _sources(**rows: list[Row]) -> list[Row]:
    return fact_source_table(itg_tables(**rows))


def _example() -> Tables:
    volumes = [
        record("Testing_Volume__c", f"T{day}", IsDeleted=day == 2, SystemModstamp=f"2026-01-0{day}T10:00:00.000Z")
        for day in range(1, 6)
    ]
    products = [record("Product__c", key, SystemModstamp="2026-01-01T09:00:00.000Z") for key in "PQ"]
    biomarkers = [record("Biomarker__c", key, SystemModstamp="2026-01-02T23:59:59.000Z") for key in "BCD"]
    return dm_tables(
        fact_source_table=_sources(Testing_Volume__c=volumes, Product__c=products, Biomarker__c=biomarkers),
        fact_testing_volume=[{}] * 4,
        dim_biomarker=[{}] * 3,
        dim_date=[{}] * 18264,
    )


def test_worked_example() -> None:
    rows = {row["table_name"]: tuple(row.values())[2:] for row in dm_data_freshness(_example(), AS_OF)}
    tested, made = datetime(2026, 1, 5, 10), datetime(2026, 1, 1, 9)
    assert rows["itg.testing_volume"] == ("itg.testing_volume", tested, 5, 4, 5, "Current")
    assert rows["dm.fact_testing_volume"] == ("itg.testing_volume", tested, 5, 4, 4, "Current")
    assert rows["itg.product"] == ("itg.product", made, 2, 2, 2, "Quiet")
    assert rows["dm.dim_biomarker"] == ("itg.biomarker", datetime(2026, 1, 2, 23, 59, 59), 3, 3, 3, "Different")
    assert rows["dm.dim_date"] == (None, None, None, None, 18264, "Current")
    assert rows["itg.account"] == ("itg.account", None, 0, 0, 0, "Empty")


def test_every_table_but_itself_and_its_input_has_a_row() -> None:
    found = [str(row["table_name"]) for row in dm_data_freshness(_example(), AS_OF)]
    assert sorted(found) == sorted([*COLUMNS, *SOURCES]) and len(found) == 16 + 21


def test_rows_that_an_object_cannot_delete_are_live() -> None:
    users = [record("User", "U1"), record("User", "U2", SystemModstamp="2025-01-01T00:00:00.000Z")]
    (row,) = (row for row in _sources(User=users) if row["source_table"] == "itg.sf_user")
    assert (row["itg_rows"], row["itg_live_rows"]) == (2, 2)
    assert row["high_water_mark_utc"] == datetime(2026, 1, 2, 3, 4, 5, 678000)


@pytest.mark.parametrize(
    ("day", "status"), [("2026-01-02T00:00:00.000Z", "Current"), ("2026-01-01T23:59:59.999Z", "Quiet")]
)
def test_quiet_is_more_than_seven_days(day: str, status: str) -> None:
    sources = _sources(User=[record("User", "U1", SystemModstamp=day)])
    rows = dm_data_freshness(dm_tables(fact_source_table=sources, dim_user=[{}] * 2), AS_OF)
    assert {row["table_name"]: row["status"] for row in rows if row["source_table"] == "itg.sf_user"} == {
        "itg.sf_user": status,
        "dm.dim_user": status,
    }
