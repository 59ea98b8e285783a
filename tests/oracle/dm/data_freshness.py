"""dm.dm_data_freshness: whether each table is as full and as new as its source."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from enum import Enum

from tests.oracle.itg import ELSEWHERE
from tests.oracle.shapes import Row, Tables

_QUIET_AFTER = timedelta(days=7)


class Kept(Enum):
    """Which rows of its source a table keeps."""

    ALL_AND_UNKNOWN = "all rows and one unknown member"
    LIVE = "live rows"
    OTHER = "not row by row"


SOURCES: Mapping[str, tuple[str | None, Kept]] = {
    "dm.dim_biomarker": ("itg.biomarker", Kept.ALL_AND_UNKNOWN),
    "dm.dim_therapeutic_area": ("itg.therapeutic_area", Kept.ALL_AND_UNKNOWN),
    "dm.dim_territory": ("itg.territory", Kept.ALL_AND_UNKNOWN),
    "dm.dim_user": ("itg.sf_user", Kept.ALL_AND_UNKNOWN),
    "dm.bridge_lab_hcp": ("itg.lab_hcp_affiliation", Kept.LIVE),
    "dm.bridge_objective_hcp": ("itg.objective_hcp", Kept.LIVE),
    "dm.fact_testing_volume": ("itg.testing_volume", Kept.LIVE),
    "dm.fact_lab_capability": ("itg.lab_capability", Kept.LIVE),
    "dm.fact_test_offering": ("itg.test_offering", Kept.LIVE),
    "dm.fact_interaction": ("itg.lab_interaction", Kept.LIVE),
    "dm.dim_country": ("itg.account", Kept.OTHER),
    "dm.dim_lab": ("itg.account", Kept.OTHER),
    "dm.dim_hcp": ("itg.account", Kept.OTHER),
    "dm.dm_lab_360": ("itg.account", Kept.OTHER),
    "dm.bridge_lab_territory": ("itg.object_territory_association", Kept.OTHER),
    "dm.dm_field_coverage": ("itg.object_territory_association", Kept.OTHER),
    "dm.fact_lab_objective": ("itg.lab_objective", Kept.OTHER),
    "dm.dm_objective_attainment": ("itg.lab_objective", Kept.OTHER),
    "dm.dm_testing_uptake": ("itg.testing_volume", Kept.OTHER),
    "dm.dm_lab_hcp_network": ("itg.lab_hcp_affiliation", Kept.OTHER),
    "dm.dim_date": (None, Kept.OTHER),
}


def dm_data_freshness(dm: Tables, as_of_date: date) -> list[Row]:
    """One row per table of itg, and per table of dm but itself and dm.fact_source_table."""
    sources = {str(row["source_table"]): row for row in dm["dm.fact_source_table"]}
    rows = [
        _row(table, source, _count(source["itg_rows"]), Kept.OTHER, as_of_date) for table, source in sources.items()
    ]
    for table, (source_table, kept) in SOURCES.items():
        source = {} if source_table is None else sources[source_table]
        rows.append(_row(table, source, len(dm[table]), kept, as_of_date))
    return rows


def _count(value: object) -> int:
    assert isinstance(value, int)
    return value


def _row(table: str, source: Row, table_rows: int, kept: Kept, as_of_date: date) -> Row:
    return {
        "country_code": ELSEWHERE,
        "table_name": table,
        "source_table": source.get("source_table"),
        "source_high_water_mark_utc": source.get("high_water_mark_utc"),
        "source_rows": source.get("itg_rows"),
        "source_live_rows": source.get("itg_live_rows"),
        "table_rows": table_rows,
        "status": _status(source, table_rows, kept, as_of_date),
    }


def _status(source: Row, table_rows: int, kept: Kept, as_of_date: date) -> str:
    if table_rows == 0:
        return "Empty"
    if kept is Kept.LIVE and table_rows != source["itg_live_rows"]:
        return "Different"
    if kept is Kept.ALL_AND_UNKNOWN and table_rows != _count(source["itg_rows"]) + 1:
        return "Different"
    newest = source.get("high_water_mark_utc")
    if isinstance(newest, datetime) and newest.date() < as_of_date - _QUIET_AFTER:
        return "Quiet"
    return "Current"
