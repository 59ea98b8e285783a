"""dm_objective_attainment: the worked example of docs/marts.md, taken literally, and cases computed by hand."""

from datetime import date
from decimal import Decimal as D

from tests.oracle.dm.common import UNKNOWN
from tests.oracle.dm.objective_attainment import dm_objective_attainment
from tests.oracle.samples import area, dm_tables, objective
from tests.oracle.shapes import Row

AS_OF = date(2026, 1, 5)
_GRAIN = ("country_code", "therapeutic_area_id", "owner_id", "quarter")
COUNTS = ("objectives", "objectives_due", "objectives_met", "objectives_missed", "objectives_overdue")


def _cells(*objectives: Row) -> dict[tuple[object, ...], tuple[object, ...]]:
    dm = dm_tables(dim_therapeutic_area=[area("Thoracic"), area(UNKNOWN)], fact_lab_objective=list(objectives))
    rows = dm_objective_attainment(dm, AS_OF)
    assert all(row["therapeutic_area_name"] == row["therapeutic_area_id"] for row in rows)
    grain, columns = _GRAIN, (*COUNTS, "attainment_rate", "mean_progress")
    found = {tuple(row[c] for c in grain): tuple(row[c] for c in columns) for row in rows}
    assert len(found) == len(rows)
    return found


def _of_quarter(quarter: date) -> tuple[object, ...]:
    return "DE", "Thoracic", "U", quarter


def test_worked_example() -> None:
    assert _cells(
        objective("O1", "Open", "2026-01-04", progress=D("0.500000")),
        objective("O2", "Open", "2026-01-05"),
        objective("O3", "Met", "2026-03-31", progress=D("1.000000")),
        objective("O4", "Missed", "2026-01-01", progress=D("0.000001")),
        objective("O5", "Draft", "2026-01-02"),
        objective("O6", "Open", progress=D("0.250000")),
    ) == {
        _of_quarter(date(2026, 1, 1)): (4, 3, 1, 1, 1, D("0.250000"), D("0.500000")),
        _of_quarter(date(1900, 1, 1)): (1, 0, 0, 0, 0, D("0.000000"), D("0.250000")),
    }


def test_a_day_that_the_calendar_lacks_is_due_all_the_same() -> None:
    past, future = objective("O1", "Open", "1700-01-01"), objective("O2", "Met", "4000-12-31")
    assert _cells(past, future) == {_of_quarter(date(1900, 1, 1)): (2, 1, 1, 0, 1, D("0.500000"), None)}


def test_cells_do_not_mix_and_only_todays_rows_count() -> None:
    found = _cells(
        objective("O1", "Met", "2025-12-31"),
        objective("O2", "Met", "2025-10-01", country_code="FR"),
        objective("O3", "Met", "2025-10-01", owner_id=UNKNOWN),
        objective("O4", "Met", "2025-10-01", therapeutic_area_id=UNKNOWN),
        objective("O5", "Met", "2025-10-01", is_current=False),
        objective("O6", "Met", "2025-10-01", is_deleted=True),
        objective("O7", "Cancelled", "2025-10-01"),
    )
    quarter = date(2025, 10, 1)
    assert set(found) == {
        _of_quarter(quarter),
        ("FR", "Thoracic", "U", quarter),
        ("DE", "Thoracic", UNKNOWN, quarter),
        ("DE", UNKNOWN, "U", quarter),
    }
    assert set(found.values()) == {(1, 1, 1, 0, 0, D("1.000000"), None)}
