"""dm_field_coverage: the worked example of docs/marts.md, taken literally, and cases computed by hand."""

from datetime import date
from decimal import Decimal as D

from tests.oracle.dm.common import UNKNOWN
from tests.oracle.dm.field_coverage import dm_field_coverage
from tests.oracle.samples import dm_tables, interaction, lab
from tests.oracle.shapes import Row

AS_OF = date(2026, 1, 5)
COLUMNS = ("labs_covered", "labs_visited", "coverage_rate", "visits", "visits_per_lab", "hcps_reached")
COLUMNS += ("days_since_last_visit",)
NOTHING = (2, 0, D("0.000000"), 0, D("0.000000"), 0, None)


def _link(lab_id: str, territory: str = "Köln", country: str = "DE") -> Row:
    return {"country_code": country, "lab_id": lab_id, "territory_id": territory, "associations": 1}


def _rows(labs: list[Row], links: list[Row], interactions: list[Row], as_of_date: date = AS_OF) -> list[Row]:
    names = [{"territory_id": key, "territory_name": f"T {key}"} for key in ("Köln", "Paris", UNKNOWN)]
    dm = dm_tables(dim_lab=labs, dim_territory=names, bridge_lab_territory=links, fact_interaction=interactions)
    rows = dm_field_coverage(dm, as_of_date)
    assert all(row["territory_name"] == f"T {row['territory_id']}" for row in rows)
    return rows


def _by_month(rows: list[Row]) -> dict[object, tuple[object, ...]]:
    return {row["month"]: tuple(row[column] for column in COLUMNS) for row in rows}


LABS = [lab("L1"), lab("L2"), lab("L3", is_deleted=True)]
LINKS = [_link("L1"), _link("L2"), _link("L3")]


def test_worked_example() -> None:
    interactions = [
        interaction("L1", "2025-11-10", hcp_key="H"),
        interaction("L1", "2025-11-20"),
        interaction("L3", "2025-11-21"),
        interaction("L2", "2026-01-06"),
        interaction("L2", "2025-11-30", "Phone", hcp_key="J"),
    ]
    rows = _rows(LABS, LINKS, interactions)
    assert {(row["country_code"], row["territory_id"]) for row in rows} == {("DE", "Köln")}
    assert _by_month(rows) == {
        **{date(2025, month, 1): NOTHING for month in range(1, 11)},
        date(2025, 11, 1): (2, 1, D("0.500000"), 2, D("1.000000"), 2, 10),
        date(2025, 12, 1): (2, 0, D("0.000000"), 0, D("0.000000"), 0, 41),
        date(2026, 1, 1): (2, 0, D("0.000000"), 0, D("0.000000"), 0, 46),
    }


def test_a_visit_before_the_13_months_is_still_the_last_one() -> None:
    rows = _by_month(_rows(LABS, LINKS, [interaction("L2", "2024-12-31"), interaction("L1", "1900-01-01")]))
    assert list(rows) == [date(2025, month, 1) for month in range(1, 13)] + [date(2026, 1, 1)]
    assert rows[date(2025, 1, 1)] == (*NOTHING[:-1], 31)
    assert rows[date(2026, 1, 1)] == (*NOTHING[:-1], 370)


def test_the_day_of_account_is_the_months_last_or_today() -> None:
    rows = _by_month(_rows(LABS, LINKS, [interaction("L1", "2024-02-28")], date(2024, 2, 29)))
    assert rows[date(2024, 2, 1)] == (2, 1, D("0.500000"), 1, D("0.500000"), 0, 1)
    rows = _by_month(_rows(LABS, LINKS, [interaction("L1", "2024-02-28")], date(2024, 3, 1)))
    assert (rows[date(2024, 2, 1)][-1], rows[date(2024, 3, 1)][-1]) == (1, 2)


def test_countries_and_territories_do_not_mix() -> None:
    labs = [lab("L1"), lab("F1", "FR"), lab("D1", is_deleted=True), lab("P1", is_current=False)]
    links = [_link("L1"), _link("L1", UNKNOWN), _link("F1", "Köln", "FR"), _link("D1", "Paris"), _link("P1", "Paris")]
    rows = _rows(labs, links, [interaction("F1", "2026-01-05", country_code="FR", hcp_key="H")])
    keys = [(row["country_code"], row["territory_id"]) for row in rows]
    assert {key: keys.count(key) for key in keys} == {("DE", "Köln"): 13, ("DE", UNKNOWN): 13, ("FR", "Köln"): 13}
    visited = [(row["country_code"], row["month"]) for row in rows if row["visits"]]
    assert visited == [("FR", date(2026, 1, 1))]
