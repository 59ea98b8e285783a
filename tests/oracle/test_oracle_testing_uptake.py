"""dm_testing_uptake: the worked example of docs/marts.md, taken literally, and cases computed by hand."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal as D

import pytest

from tests.oracle.dm.common import UNKNOWN
from tests.oracle.dm.testing_uptake import dm_testing_uptake
from tests.oracle.samples import dm_tables, lab
from tests.oracle.shapes import Row


def _biomarker_row(biomarker_id: str) -> Row:
    return {
        "country_code": "ZZ",
        "biomarker_id": biomarker_id,
        "biomarker_name": biomarker_id,
        "therapeutic_area_id": "Oncology",
        "therapeutic_area_name": "Oncology",
    }


def _fact(row_id: str, lab_id: str, month: str, *counts: str | None, country: str = "DE") -> Row:
    eligible, tested, positive, tat = (None if count is None else D(count) for count in counts)
    return {
        "country_code": country,
        "testing_volume_id": row_id,
        "lab_id": lab_id,
        "biomarker_id": "EGFR",
        "month": date.fromisoformat(month),
        "eligible_patients": eligible,
        "tested_patients": tested,
        "positive_patients": positive,
        "median_tat_days": tat,
    }


LABS = [lab("L1"), lab("L2"), lab("L3"), lab("L4", is_active_lab=False)]
FACTS = [
    _fact("T1", "L1", "2025-12-01", "10", "5", "1", "4.00"),
    _fact("T2", "L1", "2026-01-01", "20", "12", "3", "5.00"),
    _fact("T3", "L2", "2026-01-01", "10", "4", "2", "8.50"),
    _fact("T4", "L4", "2026-01-01", "0", "0", "0", "3.00"),
    _fact("T5", UNKNOWN, "2026-01-01", "6", None, None, None),
]


def _offering(lab_id: str, in_house: bool | None, **values: object) -> Row:
    own: Row = {"country_code": "DE", "lab_id": lab_id, "biomarker_id": "EGFR", "lab_capability_id": "C"}
    dates: Row = dict.fromkeys(("launched_on", "capability_valid_from", "capability_valid_to"))
    return {**own, **dates, "in_house": in_house, "status": "Active", **values}


OFFERINGS = [
    _offering("L1", True, capability_valid_from=date(2025, 6, 15)),
    _offering("L1", False),
    _offering("L2", False, launched_on=date(2026, 1, 31)),
]


def _cells(facts: list[Row], labs: list[Row] = LABS, offerings: Sequence[Row] = ()) -> dict[tuple[object, object], Row]:
    biomarkers = [_biomarker_row("EGFR"), _biomarker_row(UNKNOWN)]
    rows = dm_testing_uptake(
        dm_tables(fact_testing_volume=facts, dim_lab=labs, dim_biomarker=biomarkers, fact_test_offering=list(offerings))
    )
    found = {(row["country_code"], row["month"]): row for row in rows}
    assert len(found) == len(rows)
    return found


def test_worked_example_of_testing_uptake() -> None:
    assert _cells(FACTS, offerings=OFFERINGS)["DE", date(2026, 1, 1)] == {
        "country_code": "DE",
        "therapeutic_area_id": "Oncology",
        "therapeutic_area_name": "Oncology",
        "biomarker_id": "EGFR",
        "biomarker_name": "EGFR",
        "month": date(2026, 1, 1),
        "eligible_patients": D(36),
        "tested_patients": D(16),
        "positive_patients": D(5),
        "testing_rate": D("0.444444"),
        "positivity_rate": D("0.312500"),
        "testing_rate_change_month": D("-0.055556"),
        "testing_rate_change_year": None,
        "eligible_patients_3_months": D(46),
        "tested_patients_3_months": D(21),
        "testing_rate_3_months": D("0.456522"),
        "eligible_patients_12_months": D(46),
        "tested_patients_12_months": D(21),
        "testing_rate_12_months": D("0.456522"),
        "mean_tat_days": D("5.875000"),
        "p50_tat_days": D("6.750000"),
        "p90_tat_days": D("8.150000"),
        "testing_labs": 2,
        "active_testing_labs": 2,
        "active_labs": 3,
        "active_lab_testing_share": D("0.666667"),
        "in_house_tested_patients": D(12),
        "sent_out_tested_patients": D(4),
        "in_house_share": D("0.750000"),
    }


def test_worked_example_with_only_t4_and_t5() -> None:
    cell = _cells(FACTS[3:])["DE", date(2026, 1, 1)]
    assert (cell["eligible_patients"], cell["tested_patients"]) == (D(6), D(0))
    assert cell["testing_rate"] == D("0.000000")
    assert [cell[name] for name in ("positivity_rate", "mean_tat_days", "p50_tat_days", "p90_tat_days")] == [None] * 4
    assert cell["testing_labs"] == 0


def test_changes_and_windows_go_by_calendar_not_by_row() -> None:
    months = ("2025-01-01", "2025-02-01", "2025-11-01", "2026-01-01")
    facts = [_fact(f"T{i}", "L1", month, "8", str(i), "0", None) for i, month in enumerate(months, 1)]
    january = _cells(facts)["DE", date(2026, 1, 1)]
    assert january["testing_rate_change_month"] is None
    assert january["testing_rate_change_year"] == D("0.375000")
    assert (january["eligible_patients_3_months"], january["tested_patients_3_months"]) == (D(16), D(7))
    # January 2025 is the twelfth month before, and so outside.
    assert (january["eligible_patients_12_months"], january["tested_patients_12_months"]) == (D(24), D(9))


def test_a_change_against_a_month_without_a_rate_is_null() -> None:
    facts = [_fact("T1", "L1", "2025-12-01", "0", "0", "0", None), _fact("T2", "L1", "2026-01-01", "4", "1", "0", None)]
    assert _cells(facts)["DE", date(2026, 1, 1)]["testing_rate_change_month"] is None


def test_countries_do_not_mix_and_no_active_lab_makes_no_share() -> None:
    facts = [FACTS[1], _fact("T9", "L9", "2026-01-01", "4", "2", "1", "2.00", country="FR")]
    cell = _cells(facts)["FR", date(2026, 1, 1)]
    assert (cell["eligible_patients"], cell["testing_labs"], cell["active_testing_labs"]) == (D(4), 1, 0)
    assert (cell["active_labs"], cell["active_lab_testing_share"]) == (0, None)


def test_tat_of_a_lab_is_rounded_before_the_percentile() -> None:
    # L1: (1.00 × 2 + 1.01 × 1) ÷ 3 = 1.00333… → 1.00; L2: 1.01. The mean of all: (2 + 1.01 + 1.01) ÷ 4.
    facts = [
        _fact("T1", "L1", "2026-01-01", "9", "2", "0", "1.00"),
        _fact("T2", "L1", "2026-01-01", "9", "1", "0", "1.01"),
        _fact("T3", "L2", "2026-01-01", "9", "1", "0", "1.01"),
    ]
    cell = _cells(facts)["DE", date(2026, 1, 1)]
    assert (cell["p50_tat_days"], cell["mean_tat_days"]) == (D("1.005000"), D("1.005000"))
    # (0.01 × 1 + 0.02 × 1) ÷ 2 = 0.015, a half, goes away from zero: 0.02.
    halves = [_fact(f"T{i}", "L1", "2026-01-01", "9", "1", "0", tat) for i, tat in enumerate(("0.01", "0.02"))]
    assert _cells(halves)["DE", date(2026, 1, 1)]["p50_tat_days"] == D("0.020000")


def test_past_and_deleted_labs_are_not_active() -> None:
    labs = [lab("L1"), lab("L1", is_current=False), lab("L2", is_current=False), lab("L3", is_active_lab=False)]
    cell = _cells(FACTS, labs)["DE", date(2026, 1, 1)]
    assert (cell["testing_labs"], cell["active_testing_labs"], cell["active_labs"]) == (2, 1, 1)


@pytest.mark.parametrize(
    ("values", "counts"),
    [
        ({}, True),
        ({"status": "Paused"}, False),
        ({"lab_capability_id": UNKNOWN}, False),
        ({"in_house": None}, False),
        ({"launched_on": date(2026, 1, 31)}, True),
        ({"launched_on": date(2026, 2, 1)}, False),
        ({"capability_valid_from": date(2026, 1, 31)}, True),
        ({"capability_valid_from": date(2026, 2, 1)}, False),
        ({"capability_valid_to": date(2026, 1, 1)}, True),
        ({"capability_valid_to": date(2025, 12, 31)}, False),
        ({"lab_id": "L2"}, False),
        ({"biomarker_id": "ALK"}, False),
        ({"country_code": "FR"}, False),
    ],
)
def test_which_offerings_count(values: dict[str, object], counts: bool) -> None:
    cell = _cells(FACTS[1:2], offerings=[_offering("L1", True) | values])["DE", date(2026, 1, 1)]
    tested, share = (D(12), D("1.000000")) if counts else (D(0), None)
    assert (cell["in_house_tested_patients"], cell["in_house_share"]) == (tested, share)
    assert cell["sent_out_tested_patients"] == D(0)


def test_tests_of_unknown_labs_are_done_nowhere() -> None:
    cell = _cells(FACTS, offerings=[_offering(UNKNOWN, True), _offering("L4", False)])["DE", date(2026, 1, 1)]
    assert (cell["in_house_tested_patients"], cell["sent_out_tested_patients"]) == (D(0), D(0))
    assert cell["in_house_share"] is None


def test_sums_beyond_28_digits_are_exact() -> None:
    most = "9" * 18
    facts = [_fact(f"T{i}", "L1", "2026-01-01", most, most, "1", "9999.99") for i in range(3)]
    cell = _cells(facts)["DE", date(2026, 1, 1)]
    assert (cell["tested_patients"], cell["testing_rate"]) == (D(3 * int(most)), D("1.000000"))
    assert cell["mean_tat_days"] == D("9999.990000")
