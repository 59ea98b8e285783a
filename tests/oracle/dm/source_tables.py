"""fact_source_table: what each table of itg holds."""

from tests.oracle.dm.common import undeleted
from tests.oracle.itg import ELSEWHERE
from tests.oracle.itg_columns import COLUMNS
from tests.oracle.shapes import Row, Tables


def fact_source_table(itg: Tables) -> list[Row]:
    """One row per table of itg; when it was loaded is not the oracle's to know."""
    return [
        {
            "country_code": ELSEWHERE,
            "source_table": table,
            "itg_rows": len(itg[table]),
            "itg_live_rows": len(undeleted({"is_deleted": False, **row} for row in itg[table])),
            "high_water_mark_utc": max((row["system_modstamp"] for row in itg[table]), default=None),  # type: ignore[type-var]
        }
        for table in COLUMNS
    ]
