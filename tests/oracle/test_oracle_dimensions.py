"""Dimensions and bridges of the current state: the worked examples of docs/marts.md, and cases computed by hand."""

from collections.abc import Iterable
from datetime import date

import pytest

from tests.oracle.dm.bridges import bridge_lab_hcp, bridge_objective_hcp
from tests.oracle.dm.calendar import dim_date
from tests.oracle.dm.common import UNKNOWN, FactKeys, pseudonym
from tests.oracle.dm.countries import dim_country
from tests.oracle.dm.dimensions import dim_biomarker, dim_therapeutic_area, dim_user
from tests.oracle.dm.territories import bridge_lab_territory, dim_territory
from tests.oracle.samples import itg_tables, record
from tests.oracle.shapes import Row

AS_OF = date(2026, 1, 5)
LAB_TYPE = record("RecordType", "012LAB", DeveloperName="Lab")


def _lab(lab_id: str, country: str | None = "DE", **values: object) -> Row:
    return record("Account", lab_id, Country_Code__c=country, RecordTypeId="012LAB", **values)


def _by(column: str, rows: Iterable[Row]) -> dict[object, Row]:
    return {row[column]: row for row in rows}


CALENDAR = _by("date_key", dim_date(AS_OF))


def test_worked_example_of_dim_date() -> None:
    assert CALENDAR[date(2027, 1, 1)] == {
        "country_code": "ZZ",
        "date_key": date(2027, 1, 1),
        "year": 2027,
        "quarter": 1,
        "month": 1,
        "day": 1,
        "month_start": date(2027, 1, 1),
        "quarter_start": date(2027, 1, 1),
        "day_of_week": 5,
        "is_weekend": False,
        "iso_year": 2026,
        "iso_week": 53,
        "fiscal_year": 2026,
        "fiscal_quarter": 4,
        "fiscal_month": 10,
        "fiscal_quarter_name": "FY2026 Q4",
        "is_past": False,
        "months_from_as_of": 12,
    }


def test_the_days_of_dim_date() -> None:
    assert len(CALENDAR) == 18264
    assert min(CALENDAR.keys() - {date(1900, 1, 1)}) == date(2000, 1, 1) and max(CALENDAR) == date(2049, 12, 31)
    unknown = CALENDAR[date(1900, 1, 1)]
    assert {name for name, value in unknown.items() if value is not None} == {"country_code", "date_key"}


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        (date(2026, 3, 31), (1, date(2026, 1, 1), 2025, 4, 12, "FY2025 Q4", False, 2)),
        (date(2026, 4, 1), (2, date(2026, 4, 1), 2026, 1, 1, "FY2026 Q1", False, 3)),
        (date(2025, 12, 31), (4, date(2025, 10, 1), 2025, 3, 9, "FY2025 Q3", True, -1)),
        (date(2026, 1, 4), (1, date(2026, 1, 1), 2025, 4, 10, "FY2025 Q4", True, 0)),
        (AS_OF, (1, date(2026, 1, 1), 2025, 4, 10, "FY2025 Q4", False, 0)),
        (date(2000, 1, 1), (1, date(2000, 1, 1), 1999, 4, 10, "FY1999 Q4", True, -312)),
    ],
)
def test_quarters_and_fiscal_years(day: date, expected: tuple[object, ...]) -> None:
    columns = ("quarter", "quarter_start", "fiscal_year", "fiscal_quarter", "fiscal_month", "fiscal_quarter_name")
    assert tuple(CALENDAR[day][column] for column in (*columns, "is_past", "months_from_as_of")) == expected


@pytest.mark.parametrize(
    ("day", "weekday", "weekend", "iso"),
    [
        (date(2026, 1, 4), 7, True, (2026, 1)),
        (date(2026, 1, 3), 6, True, (2026, 1)),
        (date(2025, 12, 29), 1, False, (2026, 1)),
        (date(2021, 1, 3), 7, True, (2020, 53)),
    ],
)
def test_weeks(day: date, weekday: int, weekend: bool, iso: tuple[int, int]) -> None:
    row = CALENDAR[day]
    assert (row["day_of_week"], row["is_weekend"], (row["iso_year"], row["iso_week"])) == (weekday, weekend, iso)


def test_countries_are_the_slices_of_accounts() -> None:
    itg = itg_tables(Account=[_lab("A"), _lab("B", "QQ", IsDeleted=True), _lab("C", "x")])
    assert {row["iso_country_code"]: row["country_name"] for row in dim_country(itg)} == {
        "DE": "Germany",
        "QQ": "Unknown",
        "ZZ": "Unknown",
    }
    assert [row["iso_country_code"] for row in dim_country(itg_tables())] == ["ZZ"]


def test_worked_example_of_country_names() -> None:
    names = {
        "CN": "China",
        "DE": "Germany",
        "FR": "France",
        "GB": "United Kingdom of Great Britain and Northern Ireland",
        "JP": "Japan",
        "TH": "Thailand",
        "TR": "Türkiye",
        "US": "United States of America",
        "XX": "Unknown",
    }
    rows = dim_country(itg_tables(Account=[_lab(code, code) for code in names]))
    assert {row["iso_country_code"]: row["country_name"] for row in rows} == {**names, "ZZ": "Unknown"}


def test_reference_data_keep_what_is_deleted_and_name_what_is_missing() -> None:
    itg = itg_tables(
        Therapeutic_Area__c=[record("Therapeutic_Area__c", "A", IsDeleted=True)],
        Product__c=[record("Product__c", "P", Name="Drug", Generic_Name__c="drugumab", Group__c="mAb")],
        Biomarker__c=[
            record("Biomarker__c", "B1", Name="EGFR", Therapeutic_Area__c="A", Product__c="P", Indication__c="NSCLC"),
            record("Biomarker__c", "B2", Therapeutic_Area__c="?", Product__c="?", IsDeleted=True),
        ],
    )
    areas = {row["therapeutic_area_id"]: tuple(row.values()) for row in dim_therapeutic_area(itg)}
    assert areas == {"A": ("ZZ", "A", "Unknown", True), UNKNOWN: ("ZZ", UNKNOWN, "Unknown", False)}
    members = {row["biomarker_id"]: tuple(row.values())[2:] for row in dim_biomarker(itg)}
    nothing = (UNKNOWN, "Unknown", None, None)
    assert members == {
        "B1": ("EGFR", "A", "Unknown", "NSCLC", None, "P", "Drug", "drugumab", "mAb", False),
        "B2": ("Unknown", UNKNOWN, "Unknown", None, None, *nothing, True),
        UNKNOWN: ("Unknown", UNKNOWN, "Unknown", None, None, *nothing, False),
    }


def _link(link_id: str, user: str, territory: str, active: bool | None = True) -> Row:
    return record("UserTerritory2Association", link_id, UserId=user, Territory2Id=territory, IsActive=active)


def test_users_and_the_territories_they_work_in() -> None:
    itg = itg_tables(
        User=[record("User", "U", Name="N", Title="Rep", IsActive=True), record("User", "V", ManagerId="gone")],
        Territory2=[record("Territory2", "T"), record("Territory2", "S"), record("Territory2", "D", IsDeleted=True)],
        UserTerritory2Association=[
            _link("1", "U", "T"),
            _link("2", "U", "T"),
            _link("3", "U", "S", False),
            _link("4", "U", "D"),
            _link("5", "U", "gone"),
            _link("6", "gone", "S"),
            _link("7", "V", "S", None),
        ],
    )
    rows = {row["user_id"]: tuple(row.values())[2:] for row in dim_user(itg)}
    assert rows == {
        "U": ("Rep", None, None, UNKNOWN, True, 1),
        "V": (None, None, None, "gone", False, 0),
        UNKNOWN: (None, None, None, UNKNOWN, False, 0),
    }
    users = {row["territory_id"]: row["users"] for row in dim_territory(itg)}
    assert users == {"T": 1, "S": 0, "D": 1, UNKNOWN: 0}


def _territory(key: str, parent: str | None, name: str | None = None, **values: object) -> Row:
    return record("Territory2", key, Name=name, ParentTerritory2Id=parent, **values)


def test_worked_example_of_dim_territory() -> None:
    territories = [
        _territory("K", "D", "Köln"),
        _territory("D", "E", "DACH", IsDeleted=True),
        _territory("E", None, "Europe"),
        _territory("X", "gone"),
    ]
    rows = _by("territory_id", dim_territory(itg_tables(Territory2=territories)))
    assert (rows["K"]["level"], rows["K"]["path"]) == (2, "Europe / DACH / Köln")
    assert (rows["D"]["level"], rows["D"]["parent_territory_id"], rows["D"]["is_deleted"]) == (1, "E", True)
    assert (rows["X"]["level"], rows["X"]["path"], rows["X"]["parent_territory_id"]) == (0, "Unknown", UNKNOWN)
    unknown = rows[UNKNOWN]
    assert (unknown["level"], unknown["path"], unknown["territory_name"]) == (0, "Unknown", "Unknown")
    assert unknown["parent_territory_id"] == UNKNOWN


def test_a_circle_of_territories_has_no_root() -> None:
    circle = [
        _territory("A", "B"),
        _territory("B", "A"),
        _territory("C", "A"),
        _territory("S", "S"),
        _territory("R", None),
    ]
    rows = _by("territory_id", dim_territory(itg_tables(Territory2=circle)))
    without = {key for key, row in rows.items() if row["level"] is None and row["path"] is None}
    assert without == {"A", "B", "C", "S"}
    assert (rows["S"]["parent_territory_id"], rows["C"]["parent_territory_id"]) == ("S", "A")


def test_a_chain_of_all_territories_has_a_root() -> None:
    chain = [_territory(str(number), str(number - 1) if number else None, f"n{number}") for number in range(5)]
    rows = _by("territory_id", dim_territory(itg_tables(Territory2=chain)))
    assert (rows["4"]["level"], rows["4"]["path"]) == (4, "n0 / n1 / n2 / n3 / n4")


def test_bridges_to_professionals() -> None:
    itg = itg_tables(
        RecordType=[LAB_TYPE],
        Account=[_lab("L"), record("Account", "H", Country_Code__c="DE")],
        Lab_HCP_Affiliation__c=[
            record(
                "Lab_HCP_Affiliation__c", "X1", Lab__c="L", HCP__c="H", Is_Primary__c=True, End_Date__c="4000-12-31"
            ),
            record("Lab_HCP_Affiliation__c", "X2", Lab__c="H", Role__c="Pathologist"),
            record("Lab_HCP_Affiliation__c", "X3", Lab__c="L", IsDeleted=True),
        ],
        Lab_Objective__c=[record("Lab_Objective__c", "O", Lab__c="L", IsDeleted=True)],
        Objective_HCP__c=[
            record("Objective_HCP__c", "P1", Lab_Objective__c="O", HCP__c="gone"),
            record("Objective_HCP__c", "P2", Lab_Objective__c="gone"),
            record("Objective_HCP__c", "P3", Lab_Objective__c="O", IsDeleted=True),
        ],
    )
    rows = [tuple(row.values()) for row in bridge_lab_hcp(itg, FactKeys(itg))]
    assert rows == [
        ("DE", "X1", "L", pseudonym("H"), "Unknown", True, None, date(4000, 12, 31)),
        ("DE", "X2", UNKNOWN, UNKNOWN, "Pathologist", False, None, None),
    ]
    ties = [tuple(row.values()) for row in bridge_objective_hcp(itg)]
    assert ties == [("DE", "P1", "O", pseudonym("gone")), ("ZZ", "P2", UNKNOWN, UNKNOWN)]


def test_labs_and_the_territories_that_cover_them() -> None:
    def link(key: str, account: str | None, territory: str, **values: object) -> Row:
        return record("ObjectTerritory2Association", key, ObjectId=account, Territory2Id=territory, **values)

    itg = itg_tables(
        RecordType=[LAB_TYPE],
        Account=[_lab("L"), _lab("D", IsDeleted=True), record("Account", "H", Country_Code__c="DE")],
        Territory2=[record("Territory2", "T", IsDeleted=True)],
        ObjectTerritory2Association=[
            link("1", "L", "T"),
            link("2", "L", "T"),
            link("3", "L", "gone"),
            link("4", "L", "gone too"),
            link("5", "D", "T"),
            link("6", "H", "T"),
            link("7", None, "T"),
            link("8", "gone", "T"),
            link("9", "L", "T", IsDeleted=True),
        ],
    )
    rows = {tuple(row.values()) for row in bridge_lab_territory(itg, FactKeys(itg))}
    assert rows == {("DE", "L", "T", 2), ("DE", "L", UNKNOWN, 2), ("DE", "D", "T", 1)}
