"""dm.dm_field_coverage: which covered labs the field force visits."""

from collections import defaultdict
from datetime import date
from decimal import Decimal

from tests.oracle.arithmetic import rate
from tests.oracle.dm.common import UNKNOWN, LabKey, lab_key
from tests.oracle.dm.lab_hcp_network import current_labs
from tests.oracle.dm.periods import is_known_until, month_end, month_of, months_up_to
from tests.oracle.shapes import Row, Tables

_MONTHS = 13


def dm_field_coverage(dm: Tables, as_of_date: date) -> list[Row]:
    """One row per country, territory that covers a lab there, and each of 13 months."""
    names = {row["territory_id"]: row["territory_name"] for row in dm["dm.dim_territory"]}
    interactions: dict[LabKey, list[Row]] = defaultdict(list)
    for row in dm["dm.fact_interaction"]:
        if is_known_until(as_of_date, row["interaction_date_key"]):
            interactions[lab_key(row)].append(row)
    rows: list[Row] = []
    for (country_code, territory), labs in _covered(dm).items():
        there = [row for lab in labs for row in interactions[country_code, lab]]
        names_of: Row = {
            "country_code": country_code,
            "territory_id": territory,
            "territory_name": names[territory],
        }
        for month in months_up_to(as_of_date, _MONTHS):
            rows.append({**names_of, "month": month, **_coverage(month, len(labs), there, as_of_date)})
    return rows


def _covered(dm: Tables) -> dict[tuple[object, object], set[object]]:
    labs = {lab_key(row) for row in current_labs(dm)}
    covered: dict[tuple[object, object], set[object]] = defaultdict(set)
    for row in dm["dm.bridge_lab_territory"]:
        if lab_key(row) in labs:
            covered[row["country_code"], row["territory_id"]].add(row["lab_id"])
    return covered


def _coverage(month: date, labs_covered: int, interactions: list[Row], as_of_date: date) -> Row:
    in_month = [row for row in interactions if month_of(row["interaction_date_key"]) == month]  # type: ignore[arg-type]
    visits = [row for row in in_month if row["channel"] == "Visit"]
    visited = {row["lab_id"] for row in visits}
    return {
        "labs_covered": labs_covered,
        "labs_visited": len(visited),
        "coverage_rate": rate(Decimal(len(visited)), Decimal(labs_covered)),
        "visits": len(visits),
        "visits_per_lab": rate(Decimal(len(visits)), Decimal(labs_covered)),
        "hcps_reached": len({row["hcp_key"] for row in in_month} - {UNKNOWN}),
        "days_since_last_visit": _days_since_visit(interactions, min(month_end(month), as_of_date)),
    }


def _days_since_visit(interactions: list[Row], day_of_account: date) -> int | None:
    visits = [row["interaction_date_key"] for row in interactions if row["channel"] == "Visit"]
    days = [day for day in visits if isinstance(day, date) and day <= day_of_account]
    return (day_of_account - max(days)).days if days else None
