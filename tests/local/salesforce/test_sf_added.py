"""Objects that somebody adds to the org: described, counted, queried in bulk, replaced, and there after a kill."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

import pytest

from local.salesforce.ids import make_id
from tests.local.salesforce.sf_process import Simulator

ONE, TWO = make_id("a1X", 1), make_id("a1X", 2)
COURIER: dict[str, Any] = {
    "name": "Courier__c",
    "label": "Courier",
    "fields": [
        {"name": "Id", "type": "id", "label": "Record ID"},
        {"name": "IsDeleted", "type": "boolean", "label": "Deleted"},
        {"name": "City__c", "type": "string", "label": "City", "length": 80, "inlineHelpText": "Where it starts."},
        {"name": "Price__c", "type": "currency", "label": "Price", "precision": 18, "scale": 2},
        {"name": "Stops__c", "type": "int", "label": "Stops"},
        {"name": "Margin__c", "type": "percent", "label": "Margin", "precision": 5, "scale": 2, "calculated": True},
        {"name": "Place__c", "type": "location", "label": "Place"},
    ],
}
ROWS = [
    {"Id": ONE, "City__c": "Basel", "Price__c": 12.5, "Stops__c": 3, "Margin__c": 1},
    {"Id": TWO, "City__c": "Zürich, “HB”", "IsDeleted": True},
]


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    found = Simulator(tmp_path_factory.mktemp("added"), "--scale", "0.002")
    found.start()
    found.log_in()
    yield found
    found.stop()


def add(simulator: Simulator, described: object, rows: object) -> tuple[int, Any]:
    """Status and answer of POST /idiscover/objects."""
    body = {"describe": described, "rows": rows}
    answer = simulator.session.post(f"{simulator.url}/idiscover/objects", json=body, timeout=30)
    return answer.status_code, answer.json()


def in_bulk(simulator: Simulator, soql: str, operation: str = "queryAll") -> list[dict[str, str]]:
    """The rows of a query job."""
    job = simulator.finished_job(soql, operation=operation)
    assert job["state"] == "JobComplete", job
    text = simulator.get(f"/jobs/query/{job['id']}/results").content.decode("utf-8")
    return list(csv.DictReader(io.StringIO(text)))


def test_it_is_served_like_any_other_and_survives_a_kill(simulator: Simulator) -> None:
    assert simulator.get("/sobjects/Courier__c/describe").status_code == 404
    assert add(simulator, COURIER, ROWS) == (200, {"objects": [{"name": "Courier__c", "rows": 2}]})
    for _ in range(2):
        described = simulator.get("/sobjects/Courier__c/describe").json()
        fields = {field["name"]: field for field in described["fields"]}
        assert fields["City__c"]["inlineHelpText"] == "Where it starts."
        assert fields["Margin__c"]["calculated"] is True and fields["City__c"]["filterable"] is True
        assert "Courier__c" in [item["name"] for item in simulator.get("/sobjects").json()["sobjects"]]
        assert simulator.query("SELECT COUNT() FROM Courier__c").json()["totalSize"] == 1
        assert simulator.query("SELECT COUNT() FROM courier__c", "queryAll").json()["totalSize"] == 2
        assert (
            simulator.query("SELECT Id FROM Courier__c WHERE Price__c > 12 AND Stops__c = 3").json()["totalSize"] == 1
        )
        assert in_bulk(simulator, "SELECT Id, City__c, Price__c, Stops__c, Margin__c FROM Courier__c") == [
            {"Id": ONE, "City__c": "Basel", "Price__c": "12.5", "Stops__c": "3", "Margin__c": "1.0"},
            {"Id": TWO, "City__c": "Zürich, “HB”", "Price__c": "", "Stops__c": "", "Margin__c": ""},
        ]
        simulator.kill()
        simulator.start()
        simulator.log_in()


def test_posted_again_it_is_replaced(simulator: Simulator) -> None:
    add(simulator, COURIER, ROWS)
    wider = {**COURIER, "fields": [*COURIER["fields"], {"name": "New__c", "type": "string", "length": 5}]}
    assert add(simulator, wider, [{"Id": TWO, "New__c": "x"}])[0] == 200
    assert in_bulk(simulator, "SELECT Id, New__c, City__c FROM Courier__c") == [
        {"Id": TWO, "New__c": "x", "City__c": ""}
    ]


REFUSED = [
    ({**COURIER, "name": "Account"}, [], "has Account by itself"),
    ({"name": "X__c"}, [], "a list of fields"),
    ({"name": "X__c", "fields": [{"name": "A__c", "type": "string"}]}, [], "an Id among them"),
    ({"name": "X__c", "fields": [{"name": "Id", "type": "uid"}]}, [], "'uid' is not a valid FieldType"),
    (COURIER, [{"Id": ONE, "Town__c": "Basel"}], "no field Town__c"),
    (COURIER, [{"Id": "1"}], "expected a record id"),
]


@pytest.mark.parametrize(("described", "rows", "message"), REFUSED)
def test_what_does_not_fit_is_refused(simulator: Simulator, described: object, rows: object, message: str) -> None:
    status, answer = add(simulator, described, rows)
    assert status == 400 and message in answer[0]["message"]


def test_a_compound_field_is_refused_by_bulk(simulator: Simulator) -> None:
    add(simulator, COURIER, ROWS)
    refused = simulator.create_job("SELECT Id, Place__c FROM Courier__c")
    assert refused.status_code == 400 and "compound" in refused.text


def test_live_changes_are_for_the_orgs_own_objects(simulator: Simulator) -> None:
    add(simulator, COURIER, ROWS)
    plan = {"object": "Courier__c", "on": "now", "changes": [{"kind": "update"}]}
    answer = simulator.session.post(f"{simulator.url}/idiscover/live", json=plan, timeout=30)
    assert answer.status_code == 400 and "not an added one" in answer.text
