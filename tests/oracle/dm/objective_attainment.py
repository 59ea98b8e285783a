"""dm.dm_objective_attainment: what was agreed, and what came of it."""

from collections import defaultdict
from datetime import date
from decimal import Decimal

from tests.oracle.arithmetic import mean, rate
from tests.oracle.dm.common import UNKNOWN_DAY
from tests.oracle.dm.lab_hcp_network import agreed_objectives
from tests.oracle.shapes import Row, Tables


def dm_objective_attainment(dm: Tables, as_of_date: date) -> list[Row]:
    """One row per country × therapeutic area × owner × quarter that objectives are due in."""
    areas = {row["therapeutic_area_id"]: row["therapeutic_area_name"] for row in dm["dm.dim_therapeutic_area"]}
    cells: dict[tuple[object, object, object, date], list[Row]] = defaultdict(list)
    for row in agreed_objectives(dm["dm.fact_lab_objective"]):
        quarter = _quarter(row["due_date_key"])
        cells[row["country_code"], row["therapeutic_area_id"], row["owner_id"], quarter].append(row)
    return [
        {
            "country_code": country_code,
            "therapeutic_area_id": area,
            "therapeutic_area_name": areas[area],
            "owner_id": owner_id,
            "quarter": quarter,
            **_attainment(rows, as_of_date),
        }
        for (country_code, area, owner_id, quarter), rows in cells.items()
    ]


def _quarter(day: object) -> date:
    assert isinstance(day, date)
    return day if day == UNKNOWN_DAY else date(day.year, 3 * ((day.month - 1) // 3) + 1, 1)


def _attainment(rows: list[Row], as_of_date: date) -> Row:
    status = [row["status"] for row in rows]
    met = status.count("Met")
    return {
        "objectives": len(rows),
        "objectives_due": sum(isinstance(due := row["due_date"], date) and due <= as_of_date for row in rows),
        "objectives_met": met,
        "objectives_missed": status.count("Missed"),
        "objectives_overdue": sum(
            row["status"] == "Open" and isinstance(due := row["due_date"], date) and due < as_of_date for row in rows
        ),
        "attainment_rate": rate(Decimal(met), Decimal(len(rows))),
        "mean_progress": mean([made for row in rows if isinstance(made := row["progress"], Decimal)]),
    }
