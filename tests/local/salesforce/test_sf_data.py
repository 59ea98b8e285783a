"""The generated records: values that fit and values that hurt, and how records belong together."""

from decimal import Decimal

import pytest

from local.salesforce import schema
from local.salesforce.events import Event, EventKind, Record
from local.salesforce.fields import FieldType
from local.salesforce.generate.vocabulary import COUNTRIES
from local.salesforce.ids import is_valid
from local.salesforce.values import double_text
from tests.local.salesforce.sf_log import DAY_ZERO, replayed, smallest_log

VARCHAR_BYTES = 65_535


@pytest.fixture(scope="module")
def log() -> list[Event]:
    return smallest_log()


@pytest.fixture(scope="module")
def org(log: list[Event]) -> dict[str, dict[str, Record]]:
    """Object → id → record, on the evening before day 0."""
    found: dict[str, dict[str, Record]] = {}
    for event, _, after in replayed([event for event in log if event.committed_at < DAY_ZERO]):
        found.setdefault(event.object, {})[event.id] = after
    return found


def _column(org: dict[str, dict[str, Record]], name: str, field: str) -> list[object]:
    return [record[field] for record in org[name].values()]


def test_values_fit_their_fields(log: list[Event]) -> None:
    for event, _, after in replayed(log):
        sobject = schema.OBJECTS[event.object]
        assert set(after) == set(sobject.positions), event.object
        assert is_valid(event.id) and event.id.startswith(sobject.key_prefix)
        for field in sobject.stored_fields:
            value = after[field.name]
            assert value != "", f"{field.name}: an empty string is null in Salesforce"
            if value is None:
                assert field.nillable, field.name
            elif field.type is FieldType.DOUBLE:
                assert isinstance(value, (int, float)) and round(value, field.scale) == value
            elif field.length:
                assert isinstance(value, str) and len(value) <= field.length, field.name
                assert len(value.encode()) <= VARCHAR_BYTES
            if field.type is FieldType.REFERENCE and value is not None:
                assert is_valid(str(value))


def test_numbers_survive_the_text_of_a_double(log: list[Event]) -> None:
    """A numeric(precision, scale) holds exactly what the org prints, and that is exactly the double."""
    seen: set[str] = set()
    for event in log:
        for field in schema.OBJECTS[event.object].stored_fields:
            value = event.values.get(field.name)
            if field.type is not FieldType.DOUBLE or not isinstance(value, (int, float)):
                continue
            text = double_text(value)
            exact = Decimal(text)
            assert float(text) == value and exact == Decimal(str(value))
            assert exact == exact.quantize(Decimal(1).scaleb(-field.scale))
            assert abs(exact) < Decimal(10) ** (field.precision - field.scale), field.name
            seen.add(text)
    assert {"1.2345678901234125E13", "1.0E-4", "-1.0E-4", "1.0E17", "9999.99", "0.0"} <= seen


def test_texts_that_hurt_are_there_at_the_smallest_scale(org: dict[str, dict[str, Record]]) -> None:
    for name, field, longest in (
        ("Account", "Name", 255),
        ("Lab_Objective__c", "Notes__c", 16_000),
        ("Lab_Interaction__c", "Outcome__c", 4_000),
        ("Product__c", "Generic_Name__c", 255),
    ):
        texts = [text for text in _column(org, name, field) if isinstance(text, str)]
        assert max(len(text) for text in texts) == longest, name
        assert None in _column(org, name, field) or name == "Account"
    notes = [text for text in _column(org, "Lab_Objective__c", "Notes__c") if isinstance(text, str)]
    assert max(len(text.encode()) for text in notes) == 48_000
    for pieces in (notes, _column(org, "Account", "Name")):
        for piece in ("\n", '"', ",", "\x00", "\t", "\\", "🧬"):
            assert any(piece in str(text) for text in pieces), repr(piece)
    assert {"NA", "null"} <= set(notes) and {"NA", "null"} <= set(_column(org, "Account", "Name"))
    for name, field in (("User", "Name"), ("Product__c", "Name"), ("Territory2", "Description")):
        assert "NA" in _column(org, name, field)
    assert any(text != text.strip() for text in notes)
    assert any("ไ" in str(text) for text in _column(org, "Territory2", "Name"))
    assert any("检" in str(text) or "测" in str(text) for text in notes)


def test_dates_and_nulls_that_hurt_are_there(org: dict[str, dict[str, Record]]) -> None:
    for name, field in (
        ("Lab_Capability__c", "Valid_From__c"),
        ("Test_Offering__c", "Launched_On__c"),
        ("Testing_Volume__c", "Month__c"),
        ("Product__c", "Launched_On__c"),
    ):
        assert {"1700-01-01", "4000-12-31", None} <= set(_column(org, name, field)), name
    moments = set(_column(org, "Lab_Interaction__c", "Interaction_At__c"))
    assert {"1700-01-01T00:00:00.000Z", "4000-12-31T23:59:59.000Z", None} <= moments
    assert {"4000-12-31", None} <= set(_column(org, "Lab_Objective__c", "Due_Date__c"))
    assert any(str(month).endswith("-15") for month in _column(org, "Testing_Volume__c", "Month__c"))
    for name in ("Eligible_Patients__c", "Tested_Patients__c", "Positive_Patients__c", "Median_TAT_Days__c"):
        assert None in _column(org, "Testing_Volume__c", name)
    for name in ("Baseline__c", "Target__c", "Current__c"):
        assert None in _column(org, "Lab_Objective__c", name)
    assert None in _column(org, "Product__c", "Group__c") and None in _column(org, "Product__c", "Order__c")


def _kinds(org: dict[str, dict[str, Record]], name: str, field: str) -> set[str | None]:
    """Record types of the accounts that a field leads to; None where it is null."""
    types = {record_id: kind for kind, record_id in schema.RECORD_TYPE_IDS.items()}
    accounts = org["Account"]
    return {
        None if value is None else types[str(accounts[str(value)]["RecordTypeId"])]
        for value in _column(org, name, field)
    }


def test_children_belong_to_labs_of_every_country_some_to_none_or_to_the_wrong_type(
    org: dict[str, dict[str, Record]],
) -> None:
    for name in (
        "Lab_Capability__c",
        "Test_Offering__c",
        "Testing_Volume__c",
        "Lab_HCP_Affiliation__c",
        "Lab_Objective__c",
        "Lab_Interaction__c",
    ):
        countries = {
            org["Account"][str(lab)]["Country_Code__c"] for lab in _column(org, name, "Lab__c") if lab is not None
        }
        assert countries >= {*COUNTRIES, None}, name
        kinds = _kinds(org, name, "Lab__c")
        assert {"Lab", None} <= kinds, name
        assert name == "Test_Offering__c" or kinds & {"HCO", "HCP"}, name
    for name in ("Lab_HCP_Affiliation__c", "Objective_HCP__c", "Lab_Interaction__c"):
        assert {"HCP", "Lab", None} <= _kinds(org, name, "HCP__c"), name
    assert {"Lab", "HCP", "HCO"} == _kinds(org, "ObjectTerritory2Association", "ObjectId")


def test_some_references_lead_to_deleted_records(org: dict[str, dict[str, Record]]) -> None:
    for name, field, target in (
        ("Testing_Volume__c", "Lab__c", "Account"),
        ("Lab_Objective__c", "Lab__c", "Account"),
        ("Lab_HCP_Affiliation__c", "HCP__c", "Account"),
        ("Test_Offering__c", "Lab_Capability__c", "Lab_Capability__c"),
        ("Objective_HCP__c", "Lab_Objective__c", "Lab_Objective__c"),
        ("ObjectTerritory2Association", "Territory2Id", "Territory2"),
    ):
        led_to = [org[target].get(str(value)) for value in _column(org, name, field) if value is not None]
        assert any(record is not None and record["IsDeleted"] for record in led_to), (name, field)


def test_offerings_use_a_technology_of_their_lab_and_volumes_are_mostly_of_what_is_offered(
    org: dict[str, dict[str, Record]],
) -> None:
    offerings, capabilities = org["Test_Offering__c"].values(), org["Lab_Capability__c"]
    used = [(o, capabilities[str(o["Lab_Capability__c"])]) for o in offerings if o["Lab_Capability__c"] is not None]
    own = sum(offering["Lab__c"] == capability["Lab__c"] for offering, capability in used)
    assert 0.9 * len(used) < own < len(used)
    offered = {(o["Lab__c"], o["Biomarker__c"]) for o in offerings}
    volumes = org["Testing_Volume__c"].values()
    assert 0.6 < sum((v["Lab__c"], v["Biomarker__c"]) in offered for v in volumes) / len(volumes) < 1
    assert {True, False} == {capability["In_House__c"] for capability in capabilities.values()}


def test_objectives_are_met_missed_overdue_and_due_in_many_quarters(org: dict[str, dict[str, Record]]) -> None:
    objectives = [o for o in org["Lab_Objective__c"].values() if not o["IsDeleted"]]
    states = {o["Status__c"] for o in objectives}
    assert states >= {"Draft", "Open", "Met", "Missed", "Cancelled", None}
    overdue = [o for o in objectives if o["Status__c"] == "Open" and "2025" <= str(o["Due_Date__c"]) < DAY_ZERO]
    assert len(overdue) >= 5
    quarters = {
        (str(o["Due_Date__c"])[:4], (int(str(o["Due_Date__c"])[5:7]) + 2) // 3) for o in objectives if o["Due_Date__c"]
    }
    assert len(quarters) >= 8
    assert any(o["Baseline__c"] == o["Target__c"] for o in objectives)
    for o in objectives:
        if o["Type__c"] == "Reduce TAT" and None not in (o["Baseline__c"], o["Target__c"]):
            assert float(str(o["Target__c"])) <= float(str(o["Baseline__c"]))
    owners = {str(o["OwnerId"]) for o in objectives}
    assert len(owners & set(org["User"])) > 8 and owners & set(schema.QUEUE_IDS)


def test_interactions_cover_two_years_mostly_the_last(org: dict[str, dict[str, Record]]) -> None:
    days = [str(value)[:10] for value in _column(org, "Lab_Interaction__c", "Interaction_At__c") if value is not None]
    known = [day for day in days if "2024" <= day < "2027"]
    assert min(known) < "2024-02-01" and max(known) < DAY_ZERO
    assert 0.6 < sum(day >= "2025-01-05" for day in known) / len(known) < 0.85
    nobody = sum(value is None for value in _column(org, "Lab_Interaction__c", "HCP__c"))
    assert 0.1 < nobody / len(org["Lab_Interaction__c"]) < 0.5


def test_the_system_users_are_users_and_everybody_works_somewhere(org: dict[str, dict[str, Record]]) -> None:
    users = org["User"]
    assert set(schema.USER_IDS) <= set(users)
    for name, records in org.items():
        for record in records.values():
            assert record["CreatedById"] in users and record["LastModifiedById"] in users, name
    divisions = {user["Division"] for user in users.values()}
    assert divisions == {*COUNTRIES, "Global"}
    members = org["UserTerritory2Association"].values()
    assert {m["UserId"] for m in members} <= set(users)
    assert {users[str(m["UserId"])]["Division"] for m in members} == set(COUNTRIES)
    assert {m["IsActive"] for m in members} == {True, False}
    roots = [t for t in org["Territory2"].values() if t["ParentTerritory2Id"] is None]
    assert len(roots) == 1
    assert all(t["ParentTerritory2Id"] in org["Territory2"] for t in org["Territory2"].values() if t not in roots)


def test_counts_are_plausible(log: list[Event]) -> None:
    for event in log:
        if event.object != "Testing_Volume__c" or event.kind is not EventKind.INSERT:
            continue
        eligible, tested, positive = (
            event.values[f"{name}_Patients__c"] for name in ("Eligible", "Tested", "Positive")
        )
        assert isinstance(eligible, (int, type(None))) and isinstance(tested, (int, type(None)))
        assert (tested or 0) <= (eligible or 0)
        assert isinstance(positive, (int, type(None))) and (positive or 0) <= (tested or 0)
