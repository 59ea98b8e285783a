"""itg: slices, types and values, on records written by hand."""

from datetime import date, datetime
from decimal import Decimal as D

import pytest

from tests.oracle.itg import slice_of_country
from tests.oracle.itg_columns import COLUMNS
from tests.oracle.samples import itg_tables, record
from tests.oracle.shapes import Row


def _slices(rows: list[Row]) -> dict[object, object]:
    return {row["id"]: row["_country_code"] for row in rows}


def _account(account_id: str, country: str | None, **values: object) -> Row:
    return record("Account", account_id, Country_Code__c=country, **values)


def test_there_is_a_table_for_each_object_even_where_nothing_was_seen() -> None:
    histories = ["itg.account__history", "itg.lab_objective__history"]
    assert itg_tables() == {table: [] for table in [*COLUMNS, *histories]}
    assert len(COLUMNS) == 16


def test_worked_example_of_the_slice() -> None:
    for country in ("DE", "FR"):
        tables = itg_tables(Account=[_account("A", country)], Testing_Volume__c=[_volume("T1", "A")])
        assert _slices(tables["itg.account"]) == {"A": country}
        assert _slices(tables["itg.testing_volume"]) == {"T1": country}


def _volume(volume_id: str, lab_id: str | None, **values: object) -> Row:
    return record("Testing_Volume__c", volume_id, Lab__c=lab_id, **values)


@pytest.mark.parametrize("country", [None, "", "de", "D", "DEU", "D1", "ÄÖ", "DE\n", " DE"])
def test_whatever_is_no_country_lies_in_zz(country: str | None) -> None:
    assert slice_of_country(country or None) == "ZZ"


@pytest.mark.parametrize(
    ("name", "table", "column"),
    [
        ("Lab_Capability__c", "itg.lab_capability", "Lab__c"),
        ("Test_Offering__c", "itg.test_offering", "Lab__c"),
        ("Testing_Volume__c", "itg.testing_volume", "Lab__c"),
        ("Lab_HCP_Affiliation__c", "itg.lab_hcp_affiliation", "Lab__c"),
        ("Lab_Objective__c", "itg.lab_objective", "Lab__c"),
        ("Lab_Interaction__c", "itg.lab_interaction", "Lab__c"),
        ("ObjectTerritory2Association", "itg.object_territory_association", "ObjectId"),
    ],
)
def test_children_lie_where_their_account_does(name: str, table: str, column: str) -> None:
    accounts = [_account("A", "DE", IsDeleted=True), _account("B", "xx")]
    parents = {"C1": "A", "C2": "B", "C3": "gone", "C4": None}
    children = [record(name, key, **{column: parent}) for key, parent in parents.items()]
    found = _slices(itg_tables(Account=accounts, **{name: children})[table])
    assert found == {"C1": "DE", "C2": "ZZ", "C3": "ZZ", "C4": "ZZ"}


def test_professionals_of_an_objective_lie_where_its_lab_does() -> None:
    objectives = [record("Lab_Objective__c", "O1", Lab__c="A"), record("Lab_Objective__c", "O2", Lab__c="gone")]
    targets = {"P1": "O1", "P2": "O2", "P3": "gone", "P4": None, "P5": "A"}
    people = [record("Objective_HCP__c", key, Lab_Objective__c=target) for key, target in targets.items()]
    tables = itg_tables(Account=[_account("A", "DE")], Lab_Objective__c=objectives, Objective_HCP__c=people)
    expected = {"P1": "DE", "P2": "ZZ", "P3": "ZZ", "P4": "ZZ", "P5": "ZZ"}
    assert _slices(tables["itg.objective_hcp"]) == expected


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("RecordType", "itg.record_type"),
        ("Therapeutic_Area__c", "itg.therapeutic_area"),
        ("Product__c", "itg.product"),
        ("Biomarker__c", "itg.biomarker"),
        ("User", "itg.sf_user"),
        ("Territory2", "itg.territory"),
        ("UserTerritory2Association", "itg.user_territory_association"),
    ],
)
def test_whatever_has_no_country_lies_in_zz(name: str, table: str) -> None:
    assert _slices(itg_tables(**{name: [record(name, "X")]})[table]) == {"X": "ZZ"}


def test_values_are_typed_exactly() -> None:
    accounts = [
        _account("A", "DE", Name="  a\x00b\n", IsDeleted=True),
        _account("B", "DE", Name="\x00", Phone="NA", Website="null", Is_Active__c=False),
    ]
    first, second = itg_tables(Account=accounts)["itg.account"]
    assert (first["name"], second["name"], second["phone"], second["website"]) == ("  ab\n", None, "NA", "null")
    assert (first["is_deleted"], first["is_active"], second["is_active"]) == (True, None, False)
    assert first["system_modstamp"] == datetime(2026, 1, 2, 3, 4, 5, 678000)


@pytest.mark.parametrize("value", ["99999999999999.9999", "-99999999999999.9999", "0.0001", 0, -0.5, None])
def test_decimals_are_exact(value: str | float | None) -> None:
    (row,) = itg_tables(Lab_Objective__c=[record("Lab_Objective__c", "O", Current__c=value)])["itg.lab_objective"]
    assert row["current"] == (None if value is None else D(str(value)))


@pytest.mark.parametrize("value", ["0001-01-01", "1700-01-01", "4000-12-31", "9999-12-31"])
def test_extreme_dates_stay(value: str) -> None:
    volumes = [_volume("T", None, Month__c=value, LastModifiedDate=f"{value}T23:59:59.999Z")]
    (row,) = itg_tables(Testing_Volume__c=volumes)["itg.testing_volume"]
    assert row["month"] == date.fromisoformat(value)
    assert row["last_modified_date"] == datetime.fromisoformat(f"{value}T23:59:59.999")
