"""The oracle against docs/marts.md's worked examples, taken literally, and cases computed by hand."""

from datetime import date
from decimal import Decimal as D
from fractions import Fraction

import pytest

from tests.oracle import compute_tables
from tests.oracle.arithmetic import months_before, percentile, rate, rounded, weighted_mean
from tests.oracle.dm import UNKNOWN, dim_lab, dm_testing_uptake
from tests.oracle.itg import slice_of_country
from tests.oracle.shapes import Row

LAB_TYPE, HCP_TYPE = "012LAB", "012HCP"
AUDIT: Row = {
    "OwnerId": "005A",
    "CreatedDate": "2025-01-01T00:00:00.000Z",
    "CreatedById": "005A",
    "LastModifiedDate": "2025-01-01T00:00:00.000Z",
    "LastModifiedById": "005A",
    "SystemModstamp": "2025-01-02T03:04:05.678Z",
    "IsDeleted": False,
}


def _biomarker_row(biomarker_id: str) -> Row:
    return {
        "country_code": "ZZ",
        "biomarker_id": biomarker_id,
        "biomarker_name": biomarker_id,
        "therapeutic_area_id": "Oncology",
        "therapeutic_area_name": "Oncology",
    }


def _fact(row_id: str, lab: str, month: str, *counts: str | None, country: str = "DE") -> Row:
    eligible, tested, positive, tat = (None if count is None else D(count) for count in counts)
    return {
        "country_code": country,
        "testing_volume_id": row_id,
        "lab_id": lab,
        "biomarker_id": "EGFR",
        "month": date.fromisoformat(month),
        "eligible_patients": eligible,
        "tested_patients": tested,
        "positive_patients": positive,
        "median_tat_days": tat,
    }


LABS: list[Row] = [
    {"country_code": "DE", "lab_id": lab, "is_active_lab": active}
    for lab, active in (("L1", True), ("L2", True), ("L3", True), ("L4", False))
]
FACTS = [
    _fact("T1", "L1", "2025-12-01", "10", "5", "1", "4.00"),
    _fact("T2", "L1", "2026-01-01", "20", "12", "3", "5.00"),
    _fact("T3", "L2", "2026-01-01", "10", "4", "2", "8.50"),
    _fact("T4", "L4", "2026-01-01", "0", "0", "0", "3.00"),
    _fact("T5", UNKNOWN, "2026-01-01", "6", None, None, None),
]


def _cells(facts: list[Row], labs: list[Row] = LABS) -> dict[tuple[object, object], Row]:
    rows = dm_testing_uptake(facts, labs, [_biomarker_row("EGFR")])
    return {(row["country_code"], row["month"]): row for row in rows}


def test_worked_example_of_testing_uptake() -> None:
    assert _cells(FACTS)["DE", date(2026, 1, 1)] == {
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


@pytest.mark.parametrize(
    ("value", "decimals", "expected"),
    [
        (Fraction(1, 2), 0, "1"),
        (Fraction(-1, 2), 0, "-1"),
        (Fraction(5, 10**7), 6, "0.000001"),
        (Fraction(4, 10**7), 6, "0.000000"),
        (Fraction(-2, 3), 6, "-0.666667"),
        (Fraction(10**20, 3), 2, "33333333333333333333.33"),
    ],
)
def test_rounding_is_half_away_from_zero(value: Fraction, decimals: int, expected: str) -> None:
    assert rounded(value, decimals) == D(expected)


def test_small_arithmetic() -> None:
    assert rate(D(1), D(0)) is None and rate(D(0), D(3)) == D("0.000000")
    assert weighted_mean([]) is None
    assert percentile([D("7.25")], 90) == D("7.250000") and percentile([], 50) is None
    assert percentile([D(4), D(1), D(3), D(2)], 90) == D("3.700000")
    assert months_before(date(2026, 1, 1), 1) == date(2025, 12, 1)
    assert months_before(date(2026, 3, 1), 12) == date(2025, 3, 1)


def _account(account_id: str, country: str | None, **values: object) -> Row:
    empty = dict.fromkeys(
        [
            "ParentId",
            "BillingCity",
            "BillingState",
            "BillingPostalCode",
            "Phone",
            "Website",
            "Lab_Type__c",
            "Accreditation__c",
            "Specialty__c",
            "License_Number__c",
            "Segment__c",
        ]
    )
    own: Row = {"Id": account_id, "Name": account_id, "RecordTypeId": LAB_TYPE, "Is_Active__c": True}
    return {**empty, **AUDIT, **own, "Country_Code__c": country, **values}


def _volume(volume_id: str, lab_id: str | None, **values: object) -> Row:
    own: Row = {"Id": volume_id, "Name": "TV", "Lab__c": lab_id, "Biomarker__c": "B1", "Month__c": "2026-01-15"}
    counts: Row = {"Eligible_Patients__c": 3, "Tested_Patients__c": 2, "Positive_Patients__c": None}
    return {**AUDIT, **own, **counts, "Median_TAT_Days__c": 2.5, "Data_Source__c": None, **values}


def _seen(accounts: list[Row], volumes: list[Row]) -> dict[str, list[Row]]:
    biomarker: Row = {"Id": "B1", "Name": "EGFR", "Therapeutic_Area__c": "gone"}
    record_types = [
        {**AUDIT, "Id": key, "Name": name, "DeveloperName": name, "SobjectType": "Account", "IsActive": True}
        for key, name in ((LAB_TYPE, "Lab"), (HCP_TYPE, "HCP"))
    ]
    return {
        "Account": accounts,
        "Testing_Volume__c": volumes,
        "RecordType": record_types,
        "Biomarker__c": [{**AUDIT, **biomarker, "Indication__c": None, "Is_Companion_Diagnostic__c": False}],
    }


def test_worked_example_of_the_slice() -> None:
    for country in ("DE", "FR"):
        tables = compute_tables(_seen([_account("A", country)], [_volume("T1", "A")]))
        assert tables["itg.account"][0]["_country_code"] == country
        assert tables["itg.testing_volume"][0]["_country_code"] == country


@pytest.mark.parametrize("country", [None, "", "de", "D", "DEU", "D1", "ÄÖ"])
def test_whatever_is_no_country_lies_in_zz(country: str | None) -> None:
    assert slice_of_country(country or None) == "ZZ"


def test_children_of_deleted_missing_and_no_labs() -> None:
    accounts = [_account("A", "DE", IsDeleted=True), _account("P", "FR", RecordTypeId=HCP_TYPE)]
    volumes = [_volume("T1", "A"), _volume("T2", "?"), _volume("T3", None), _volume("T4", "P")]
    tables = compute_tables(_seen(accounts, volumes))
    slices = {row["id"]: row["_country_code"] for row in tables["itg.testing_volume"]}
    assert slices == {"T1": "DE", "T2": "ZZ", "T3": "ZZ", "T4": "FR"}
    facts = {row["testing_volume_id"]: row for row in tables["dm.fact_testing_volume"]}
    assert [facts[f"T{i}"]["lab_id"] for i in (1, 2, 3, 4)] == ["A", UNKNOWN, UNKNOWN, UNKNOWN]
    assert facts["T1"]["month"] == date(2026, 1, 1)
    assert all(row["active_labs"] == 0 for row in tables["dm.dm_testing_uptake"])


def test_deleted_volumes_stay_in_itg_and_leave_the_fact() -> None:
    tables = compute_tables(_seen([_account("A", "DE")], [_volume("T1", "A", IsDeleted=True)]))
    assert tables["itg.testing_volume"][0]["is_deleted"] is True
    assert tables["dm.fact_testing_volume"] == [] and tables["dm.dm_testing_uptake"] == []


def test_values_are_typed_exactly() -> None:
    accounts = [_account("A", "DE", Name="  a\x00b\n"), _account("B", "DE", Name="\x00", Phone="NA", Website="null")]
    tables = compute_tables(_seen(accounts, [_volume("T1", "A", Median_TAT_Days__c=0.07)]))
    first, second = tables["itg.account"]
    assert (first["name"], second["name"], second["phone"], second["website"]) == ("  ab\n", None, "NA", "null")
    assert str(first["system_modstamp"]) == "2025-01-02 03:04:05.678000"
    assert tables["itg.testing_volume"][0]["median_tat_days"] == D("0.07")
    assert dim_lab(tables["itg.account"], tables["itg.record_type"])[2]["lab_name"] == "Unknown"


def test_a_biomarker_whose_area_is_gone_belongs_to_the_unknown_one() -> None:
    tables = compute_tables(_seen([], [_volume("T1", None)]))
    assert [row["therapeutic_area_id"] for row in tables["dm.dim_biomarker"]] == [UNKNOWN, UNKNOWN]
    assert tables["dm.dm_testing_uptake"][0]["biomarker_name"] == "EGFR"
