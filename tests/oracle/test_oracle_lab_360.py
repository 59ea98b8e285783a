"""dm_lab_360: the worked example of docs/marts.md, taken literally, and cases computed by hand."""

from datetime import date
from decimal import Decimal as D

from tests.oracle.dm.common import UNKNOWN
from tests.oracle.dm.lab_360 import dm_lab_360
from tests.oracle.dm.lab_hcp_network import dm_lab_hcp_network
from tests.oracle.samples import affiliation, area, dm_tables, interaction, lab, objective
from tests.oracle.shapes import Row, Tables
from tests.oracle.test_oracle_network import example as network_example

AS_OF = date(2026, 1, 5)


def _capability(
    technology: str, in_house: bool | None, since: date | None = None, until: date | None = None, lab_id: str = "L"
) -> Row:
    row: Row = {"country_code": "DE", "lab_id": lab_id, "technology": technology, "in_house": in_house}
    return {**row, "valid_from": since, "valid_to": until}


def _offering(biomarker: str, reimbursed: bool, status: str = "Active", launched: date | None = None) -> Row:
    row: Row = {"country_code": "DE", "lab_id": "L", "biomarker_id": biomarker, "reimbursed": reimbursed}
    return {**row, "status": status, "launched_on": launched}


def _volume(month: str, tested: int | None, eligible: int | None, lab_id: str = "L") -> Row:
    counts: Row = {
        "tested_patients": None if tested is None else D(tested),
        "eligible_patients": None if eligible is None else D(eligible),
    }
    return {"country_code": "DE", "lab_id": lab_id, "month": date.fromisoformat(month), **counts}


def _names(*names: str) -> list[Row]:
    return [{"biomarker_id": name, "biomarker_name": name} for name in names]


def _example() -> Tables:
    begun = date(2024, 1, 1)
    dm = network_example()
    dm |= dm_tables(
        dim_lab=[lab("L", accreditation="CAP;CLIA", city="Köln")],
        dim_therapeutic_area=dm["dm.dim_therapeutic_area"],
        dim_biomarker=_names("EGFR", "ALK", "ROS1"),
        bridge_lab_hcp=dm["dm.bridge_lab_hcp"],
        dm_lab_hcp_network=dm_lab_hcp_network(dm, AS_OF),
        fact_lab_capability=[
            _capability("NGS", True, begun),
            _capability("PCR", False, begun),
            _capability("IHC", True, None, date(2026, 1, 4)),
            _capability("NGS", False, begun),
        ],
        fact_test_offering=[
            _offering("EGFR", True),
            _offering("EGFR", False),
            _offering("ALK", True, launched=date(2026, 1, 6)),
            _offering("ROS1", True, "Paused"),
        ],
        fact_interaction=[
            interaction("L", "2025-12-30"),
            interaction("L", "2025-06-01", "Phone"),
            interaction("L", "2026-01-06", "Video"),
            interaction("L", "1900-01-01"),
        ],
        fact_lab_objective=[
            objective("O1", "Open", "2026-01-04"),
            objective("O2", "Open", "2026-01-05"),
            objective("O3", "Met"),
            objective("O4", "Draft"),
        ],
        fact_testing_volume=[
            _volume("2024-12-01", 20, 30),
            _volume("2025-01-01", 10, 20),
            _volume("2025-12-01", 20, 25),
            _volume("2026-01-01", 9, 9),
        ],
    )
    return dm


def test_worked_example() -> None:
    assert dm_lab_360(_example(), AS_OF) == [
        {
            "country_code": "DE",
            "lab_id": "L",
            "lab_name": "Lab L",
            "lab_type": "Hospital",
            "segment": "A",
            "accreditation": "CAP;CLIA",
            "city": "Köln",
            "owner_id": "U",
            "is_active_lab": True,
            "in_house_technologies": "NGS",
            "sent_out_technologies": "PCR",
            "offered_biomarkers": 1,
            "offered_biomarker_names": "EGFR",
            "reimbursed_biomarkers": 1,
            "last_interaction_on": date(2025, 12, 30),
            "days_since_last_interaction": 6,
            "interactions_12_months": 2,
            "visits_12_months": 1,
            "open_objectives": 2,
            "overdue_objectives": 1,
            "met_objectives": 1,
            "linked_hcps": 1,
            "linked_hcps_per_therapeutic_area": "Breast: 1; Thoracic: 1",
            "eligible_patients_12_months": D(45),
            "tested_patients_12_months": D(30),
            "testing_rate_12_months": D("0.666667"),
            "tested_patients_previous_12_months": D(20),
            "tested_patients_trend": D("0.500000"),
        }
    ]


def _row(**rows: list[Row]) -> Row:
    (found,) = dm_lab_360(dm_tables(dim_lab=[lab("L")], **rows), AS_OF)
    return found


def test_a_lab_of_which_nothing_is_known() -> None:
    row = _row()
    empty = {name for name, value in row.items() if value is None}
    assert empty == {
        "accreditation",
        "city",
        "in_house_technologies",
        "sent_out_technologies",
        "offered_biomarker_names",
        "last_interaction_on",
        "days_since_last_interaction",
        "linked_hcps_per_therapeutic_area",
        "testing_rate_12_months",
        "tested_patients_trend",
    }
    counts = {value for value in row.values() if isinstance(value, (int, D)) and not isinstance(value, bool)}
    assert counts == {0}


def test_deleted_past_and_unknown_labs_have_no_row() -> None:
    labs = [lab("D", is_deleted=True), lab("P", is_current=False), lab(UNKNOWN, "ZZ")]
    assert dm_lab_360(dm_tables(dim_lab=labs), AS_OF) == []


def test_lists_are_distinct_and_in_bytewise_order() -> None:
    names = ["a", "Z", "Ä", "ddPCR", "Unknown", "Z"]
    row = _row(fact_lab_capability=[_capability(name, True) for name in names])
    assert row["in_house_technologies"] == "Unknown; Z; a; ddPCR; Ä"
    biomarkers = [{"biomarker_id": f"B{i}", "biomarker_name": "same"} for i in (1, 2)]
    offerings = [_offering("B1", False), _offering("B2", False), _offering(UNKNOWN, True)]
    row = _row(dim_biomarker=biomarkers, fact_test_offering=offerings)
    assert (row["offered_biomarkers"], row["offered_biomarker_names"], row["reimbursed_biomarkers"]) == (2, "same", 0)


def test_areas_of_the_same_name_both_stand() -> None:
    network: list[Row] = [
        {"therapeutic_area_id": key, "therapeutic_area_name": "Lung", "hcp_key": hcp, "is_affiliated": affiliated}
        for key, hcp, affiliated in (("A1", "H", True), ("A1", "J", True), ("A2", "H", True), ("A2", "K", False))
    ]
    network = [{"country_code": "DE", "lab_id": "L", **row} for row in network]
    network.append({**network[0], "therapeutic_area_id": UNKNOWN, "therapeutic_area_name": "Unknown"})
    row = _row(dm_lab_hcp_network=network, dim_therapeutic_area=[area("A1"), area("A2")])
    assert row["linked_hcps_per_therapeutic_area"] == "Lung: 1; Lung: 2"


def test_only_todays_objectives_that_are_not_deleted_count() -> None:
    past, deleted = {"is_current": False}, {"is_deleted": True}
    goals = [objective("O1", "Open", "2026-01-01"), objective("O2", "Open", "2026-01-01") | past]
    goals += [objective("O3", "Open", "2026-01-01") | deleted, objective("O4", "Met") | past]
    row = _row(fact_lab_objective=[*goals, objective("O5", "Met") | deleted])
    assert (row["open_objectives"], row["overdue_objectives"], row["met_objectives"]) == (1, 1, 0)


def test_rows_of_another_slice_are_another_labs() -> None:
    rows = {
        "fact_lab_capability": [_capability("NGS", True)],
        "dim_biomarker": _names("B"),
        "fact_test_offering": [_offering("B", True)],
        "fact_interaction": [interaction("L", "2026-01-05")],
        "fact_lab_objective": [objective("O", "Met")],
        "fact_testing_volume": [_volume("2025-12-01", 1, 1)],
        "bridge_lab_hcp": [affiliation("X", "H")],
    }
    moved = {name: [row | {"country_code": "FR"} for row in found] for name, found in rows.items()}
    assert _row(**moved) == _row() != _row(**rows)


def test_what_is_valid_on_the_day_itself() -> None:
    today = [_capability("a", True, AS_OF, AS_OF), _capability("b", None), _capability("c", False, AS_OF)]
    row = _row(
        fact_lab_capability=today,
        dim_biomarker=_names("B"),
        fact_test_offering=[_offering("B", True, launched=AS_OF)],
        bridge_lab_hcp=[affiliation("X", "H", AS_OF, AS_OF), affiliation("Y", UNKNOWN)],
        fact_interaction=[interaction("L", "2026-01-05")],
    )
    assert (row["in_house_technologies"], row["sent_out_technologies"], row["offered_biomarkers"]) == ("a", "c", 1)
    assert (row["linked_hcps"], row["days_since_last_interaction"], row["visits_12_months"]) == (1, 0, 1)


def test_volumes_go_by_calendar_months_before_this_one() -> None:
    months = [_volume("2023-12-01", 1, 1), _volume("2024-01-01", 2, 2), _volume("2024-12-01", 4, 4)]
    months += [_volume("2025-01-01", 8, None), _volume("2025-12-01", None, 16), _volume("2026-01-01", 32, 32)]
    row = _row(fact_testing_volume=[*months, _volume("1900-01-01", 64, 64), _volume("2025-06-01", 128, 128, "M")])
    assert (row["tested_patients_12_months"], row["eligible_patients_12_months"]) == (D(8), D(16))
    assert (row["tested_patients_previous_12_months"], row["tested_patients_trend"]) == (D(6), D("0.333333"))
