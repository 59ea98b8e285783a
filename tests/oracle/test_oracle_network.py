"""dm_lab_hcp_network: the worked example of docs/marts.md, taken literally, and cases computed by hand."""

from datetime import date

import pytest

from tests.oracle.dm.common import UNKNOWN
from tests.oracle.dm.lab_hcp_network import dm_lab_hcp_network
from tests.oracle.dm.periods import in_12_months_to
from tests.oracle.samples import affiliation, area, dm_tables, interaction, lab, objective
from tests.oracle.shapes import Row, Tables

AS_OF = date(2026, 1, 5)
AREAS = [area(UNKNOWN), area("Thoracic"), area("Breast")]
AFFILIATIONS = [
    affiliation("X1", "H", date(2020, 1, 1)),
    affiliation("X2", "H", date(2024, 1, 1), AS_OF, role="Lab Director", is_primary=True),
    affiliation("X3", "J", None, date(2026, 1, 4)),
]
OBJECTIVES = [objective("O1", "Open"), objective("O2", "Draft")]
LINKS: list[Row] = [{"country_code": "DE", "objective_id": key, "hcp_key": "H"} for key in ("O1", "O2")]
INTERACTIONS = [
    interaction("L", "2025-01-05", hcp_key="H", therapeutic_area_id="Thoracic"),
    interaction("L", "2025-01-06", "Phone", hcp_key="H", therapeutic_area_id="Breast"),
    interaction("L", "2025-12-01", hcp_key="J"),
]


def example() -> Tables:
    """The worked example's rows."""
    return dm_tables(
        dim_lab=[lab("L")],
        dim_therapeutic_area=AREAS,
        bridge_lab_hcp=AFFILIATIONS,
        bridge_objective_hcp=LINKS,
        fact_lab_objective=OBJECTIVES,
        fact_interaction=INTERACTIONS,
    )


def _rows(dm: Tables, as_of_date: date = AS_OF) -> dict[tuple[object, object], tuple[object, ...]]:
    columns = ("is_affiliated", "role", "is_primary", "shared_objectives", "open_shared_objectives")
    columns += ("interactions_12_months", "visits_12_months", "last_interaction_on")
    rows = dm_lab_hcp_network(dm, as_of_date)
    assert all((row["country_code"], row["lab_id"], row["lab_name"]) == ("DE", "L", "Lab L") for row in rows)
    assert all(row["therapeutic_area_name"] == row["therapeutic_area_id"] for row in rows)
    found = {(row["hcp_key"], row["therapeutic_area_id"]): tuple(row[name] for name in columns) for row in rows}
    assert len(found) == len(rows)
    return found


def test_worked_example() -> None:
    assert _rows(example()) == {
        ("H", "Thoracic"): (True, "Lab Director", True, 1, 1, 0, 0, None),
        ("H", "Breast"): (True, "Lab Director", True, 0, 0, 1, 0, date(2025, 1, 6)),
        ("J", UNKNOWN): (False, None, False, 0, 0, 1, 1, date(2025, 12, 1)),
    }


def test_worked_example_a_day_later() -> None:
    assert _rows(example(), date(2026, 1, 6)) == {
        ("H", "Thoracic"): (True, "Pathologist", False, 1, 1, 0, 0, None),
        ("J", UNKNOWN): (False, None, False, 0, 0, 1, 1, date(2025, 12, 1)),
    }


def test_an_affiliation_alone_makes_a_row_without_an_area() -> None:
    dm = dm_tables(dim_lab=[lab("L")], dim_therapeutic_area=AREAS, bridge_lab_hcp=[affiliation("X", "H")])
    assert _rows(dm) == {("H", UNKNOWN): (True, "Pathologist", False, 0, 0, 0, 0, None)}


@pytest.mark.parametrize(
    ("rows", "role"),
    [
        ([affiliation("X9", "H", date(2020, 1, 1), role="a"), affiliation("X1", "H", date(2020, 1, 2))], "a"),
        ([affiliation("X9", "H", None, role="a"), affiliation("X1", "H", date(1700, 1, 1))], "a"),
        ([affiliation("X1", "H", role="a"), affiliation("X9", "H", date(2020, 1, 1), is_primary=True)], "Pathologist"),
        ([affiliation("Xa", "H"), affiliation("XZ", "H", role="a")], "a"),
    ],
)
def test_role_of_several_affiliations(rows: list[Row], role: str) -> None:
    dm = dm_tables(dim_lab=[lab("L")], dim_therapeutic_area=AREAS, bridge_lab_hcp=rows)
    assert [row[1] for row in _rows(dm).values()] == [role]


def test_whatever_has_no_lab_or_no_professional_is_no_tie() -> None:
    away = [affiliation("X1", "H", lab_id=UNKNOWN), affiliation("X2", UNKNOWN), affiliation("X3", "H", lab_id="D")]
    talks = [interaction("L", "2026-01-01"), interaction("D", "2026-01-01", hcp_key="H")]
    labs = [lab("L"), lab("D", is_deleted=True), lab("D", is_current=False), lab(UNKNOWN, "ZZ", is_active_lab=False)]
    dm = dm_tables(dim_lab=labs, dim_therapeutic_area=AREAS, bridge_lab_hcp=away, fact_interaction=talks)
    assert _rows(dm) == {}


def test_ties_of_another_slice_are_none() -> None:
    def away(rows: list[Row]) -> list[Row]:
        return [row | {"country_code": "FR"} for row in rows]

    dm = example()
    for table, rows in (
        ("bridge_lab_hcp", AFFILIATIONS),
        ("bridge_objective_hcp", LINKS),
        ("fact_interaction", INTERACTIONS),
    ):
        dm[f"dm.{table}"] = away(rows)
    assert _rows(dm) == {}
    dm["dm.fact_lab_objective"] = away(OBJECTIVES)
    assert _rows(dm) == {}


@pytest.mark.parametrize(
    ("values", "shared"),
    [
        ({"status": "Met"}, (1, 0)),
        ({"status": "Missed"}, (1, 0)),
        ({"status": "Cancelled"}, None),
        ({"status": "Unknown"}, None),
        ({"is_deleted": True}, None),
        ({"is_current": False}, None),
    ],
)
def test_which_objectives_tie(values: dict[str, object], shared: tuple[int, int] | None) -> None:
    goal = objective("O1", "Open") | values
    dm = dm_tables(dim_lab=[lab("L")], dim_therapeutic_area=AREAS, fact_lab_objective=[goal])
    # The same tie twice is one objective.
    dm["dm.bridge_objective_hcp"] = [LINKS[0], LINKS[0], {**LINKS[0], "objective_id": UNKNOWN}]
    assert [row[3:5] for row in _rows(dm).values()] == ([] if shared is None else [shared])


@pytest.mark.parametrize(
    ("as_of_date", "first", "last"),
    [
        (date(2026, 1, 5), date(2025, 1, 6), date(2026, 1, 5)),
        (date(2024, 2, 29), date(2023, 3, 1), date(2024, 2, 29)),
        (date(2025, 2, 28), date(2024, 2, 29), date(2025, 2, 28)),
        (date(2024, 2, 28), date(2023, 3, 1), date(2024, 2, 28)),
    ],
)
def test_12_months_to_a_day(as_of_date: date, first: date, last: date) -> None:
    days = [date.fromordinal(day) for day in range(first.toordinal() - 5, last.toordinal() + 5)]
    inside = [day for day in days if in_12_months_to(as_of_date, day)]
    assert (inside[0], inside[-1], len(inside)) == (first, last, (last - first).days + 1)
    assert not in_12_months_to(as_of_date, date(1900, 1, 1)) and not in_12_months_to(as_of_date, None)
