"""Facts: keys, what is left out, what is kept, by hand."""

from datetime import date, datetime
from decimal import Decimal as D

import pytest

from tests.oracle.dm.common import UNKNOWN, FactKeys, date_key, pseudonym
from tests.oracle.dm.facts import fact_interaction, fact_lab_capability, fact_test_offering, fact_testing_volume
from tests.oracle.samples import itg_tables, record
from tests.oracle.shapes import Row, Tables

UNKNOWN_DAY = date(1900, 1, 1)


def _itg(**records: list[Row]) -> Tables:
    """Labs A (deleted, DE) and B (FR), a professional P, a biomarker and an area that are deleted, and the records."""
    accounts = [
        record("Account", "A", RecordTypeId="012LAB", Country_Code__c="DE", IsDeleted=True),
        record("Account", "B", RecordTypeId="012LAB", Country_Code__c="FR"),
        record("Account", "P", RecordTypeId="012HCP", Country_Code__c="FR"),
    ]
    types = [record("RecordType", key, DeveloperName=name) for key, name in (("012LAB", "Lab"), ("012HCP", "HCP"))]
    shared = {
        "Account": accounts,
        "RecordType": types,
        "Biomarker__c": [record("Biomarker__c", "M", IsDeleted=True)],
        "Therapeutic_Area__c": [record("Therapeutic_Area__c", "O", IsDeleted=True)],
    }
    return itg_tables(**{**shared, **records})


def test_testing_volumes() -> None:
    def volume(key: str, lab_id: str | None, **values: object) -> Row:
        return record("Testing_Volume__c", key, Lab__c=lab_id, **values)

    counts: Row = {"Eligible_Patients__c": 3, "Tested_Patients__c": 0, "Median_TAT_Days__c": 0.07}
    itg = _itg(
        Testing_Volume__c=[
            volume("T1", "A", Biomarker__c="M", Month__c="2026-01-31", Data_Source__c="NA", **counts),
            volume("T2", "P", Biomarker__c="?"),
            volume("T3", None, Month__c="4000-12-31"),
            volume("T4", "gone"),
            volume("T5", "A", IsDeleted=True),
        ]
    )
    rows = {row["testing_volume_id"]: tuple(row.values()) for row in fact_testing_volume(itg, FactKeys(itg))}
    nothing = (None,) * 5
    assert rows == {
        "T1": ("DE", "T1", "A", "M", date(2026, 1, 1), D(3), D(0), None, D("0.07"), "NA"),
        "T2": ("FR", "T2", UNKNOWN, UNKNOWN, UNKNOWN_DAY, *nothing),
        "T3": ("ZZ", "T3", UNKNOWN, UNKNOWN, date(4000, 12, 1), *nothing),
        "T4": ("ZZ", "T4", UNKNOWN, UNKNOWN, UNKNOWN_DAY, *nothing),
    }


def _capability(key: str, lab_id: str | None, **values: object) -> Row:
    return record("Lab_Capability__c", key, Lab__c=lab_id, **values)


def test_capabilities() -> None:
    itg = _itg(
        Lab_Capability__c=[
            _capability("C1", "B", Technology__c="NGS", In_House__c=False, Sample_Type__c="Blood;Tissue"),
            _capability("C2", "P", Valid_From__c="1700-01-01", Lab_Segment__c="A"),
            _capability("C3", "B", IsDeleted=True),
        ]
    )
    assert [tuple(row.values()) for row in fact_lab_capability(itg, FactKeys(itg))] == [
        ("FR", "C1", "B", "NGS", False, "Blood;Tissue", None, None),
        ("FR", "C2", UNKNOWN, "Unknown", None, None, date(1700, 1, 1), None),
    ]


def test_offerings_and_their_capabilities() -> None:
    def offering(key: str, lab_id: str | None, capability: str | None, **values: object) -> Row:
        return record("Test_Offering__c", key, Lab__c=lab_id, Lab_Capability__c=capability, **values)

    itg = _itg(
        Lab_Capability__c=[
            _capability("C1", "B", Technology__c="NGS", In_House__c=True, Valid_To__c="2026-01-05"),
            _capability("C2", "B"),
            _capability("C3", "B", Technology__c="PCR", IsDeleted=True),
            _capability("C4", "A", Technology__c="PCR"),
            _capability("C5", None, Technology__c="PCR"),
            _capability("C6", "gone", Technology__c="FISH"),
        ],
        Test_Offering__c=[
            offering("1", "B", "C1", Biomarker__c="M", Reimbursed__c=True, Turnaround_Days__c=2.5, Status__c="Active"),
            offering("2", "B", "C2", Launched_On__c="2026-01-05"),
            offering("3", "B", "C3"),
            offering("4", "B", "C4"),
            offering("5", None, "C5"),
            offering("6", "gone", "C6"),
            offering("7", "B", "gone"),
            offering("8", "B", "C1", IsDeleted=True),
        ],
    )
    columns = ("lab_id", "lab_capability_id", "technology", "in_house", "capability_valid_from", "capability_valid_to")
    rows = {row["test_offering_id"]: row for row in fact_test_offering(itg, FactKeys(itg))}
    none = (UNKNOWN, "Unknown", None, None, None)
    assert {key: tuple(row[column] for column in columns) for key, row in rows.items()} == {
        "1": ("B", "C1", "NGS", True, None, date(2026, 1, 5)),
        "2": ("B", "C2", "Unknown", None, None, None),
        "3": ("B", *none),
        "4": ("B", *none),
        "5": (UNKNOWN, *none),
        # The lab is not known, but it is the same one.
        "6": (UNKNOWN, "C6", "FISH", None, None, None),
        "7": ("B", *none),
    }
    columns = ("country_code", "biomarker_id", "turnaround_days", "reimbursed", "launched_on", "status")
    assert tuple(rows["1"][column] for column in columns) == ("FR", "M", D("2.5"), True, None, "Active")
    assert tuple(rows["2"][column] for column in columns) == ("FR", UNKNOWN, None, False, date(2026, 1, 5), "Unknown")
    assert len(rows["1"]) == 13


def test_interactions() -> None:
    def talk(key: str, lab_id: str, **values: object) -> Row:
        return record("Lab_Interaction__c", key, Lab__c=lab_id, **values)

    full: Row = {"HCP__c": "P", "Therapeutic_Area__c": "O", "OwnerId": "queue", "Channel__c": "Visit"}
    full |= {"Interaction_At__c": "2026-01-05T23:59:59.999Z", "Duration_Minutes__c": 30, "Next_Step__c": "call"}
    itg = _itg(
        Lab_Interaction__c=[
            talk("1", "A", **full),
            talk("2", "P", Next_Step__c="\x00", Interaction_At__c="1999-12-31T23:59:59.999Z"),
            talk("3", "A", IsDeleted=True),
        ]
    )
    late, old = datetime(2026, 1, 5, 23, 59, 59, 999000), datetime(1999, 12, 31, 23, 59, 59, 999000)
    assert [tuple(row.values()) for row in fact_interaction(itg, FactKeys(itg))] == [
        ("DE", "1", "A", "O", pseudonym("P"), "queue", "Visit", late, date(2026, 1, 5), D(30), True),
        ("FR", "2", UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, "Unknown", old, UNKNOWN_DAY, None, False),
    ]


@pytest.mark.parametrize(
    ("day", "key"),
    [
        (date(2000, 1, 1), date(2000, 1, 1)),
        (date(1999, 12, 31), UNKNOWN_DAY),
        (date(2049, 12, 31), date(2049, 12, 31)),
        (date(2050, 1, 1), UNKNOWN_DAY),
        (datetime(2049, 12, 31, 23, 59, 59, 999000), date(2049, 12, 31)),
        (datetime(2000, 1, 1), date(2000, 1, 1)),
        (None, UNKNOWN_DAY),
    ],
)
def test_date_keys(day: date | None, key: date) -> None:
    assert date_key(day) == key
