"""An org that changes while it is read: what each read shows, what the log says, and that a kill changes nothing."""

import csv
import io
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from local.salesforce.events import Event, EventKind, iter_events
from local.salesforce.live import Change, LiveOrg, Moment
from local.salesforce.org import Org
from local.salesforce.request_log import LoggedRead, iter_reads
from local.salesforce.schema import OBJECTS
from local.salesforce.store import Store
from tests.local.salesforce.sf_process import Simulator

VOLUME = "Testing_Volume__c"
COUNT = f"SELECT COUNT() FROM {VOLUME}"


@pytest.fixture
def simulator(tmp_path: Path) -> Iterator[Simulator]:
    running = Simulator(tmp_path / "state", "--scale", "0.02", "--page-rows", "500")
    running.start()
    try:
        running.log_in()
        yield running
    finally:
        running.kill()


def _plan(simulator: Simulator, **plan: object) -> requests.Response:
    return simulator.session.post(f"{simulator.url}/idiscover/live", json={"object": VOLUME, **plan}, timeout=30)


def _count(simulator: Simulator, soql: str = COUNT) -> int:
    return int(simulator.query(soql, "queryAll").json()["totalSize"])


def _live_events(simulator: Simulator) -> list[Event]:
    """What the plans committed: nothing that was generated is committed this early in a day."""
    return [e for e in iter_events(simulator.state_dir) if e.committed_at[:14] == "2026-01-06T02:"]


def _shown(events: list[Event], read: LoggedRead) -> int:
    """How many rows a read must have shown, from the log alone."""
    records: dict[str, dict[str, object]] = {}
    for event in events:
        if event.object != read.object or event.committed_at > read.org_time:
            continue
        if event.kind is EventKind.PURGE:
            del records[event.id]
        else:
            records[event.id] = {**records.get(event.id, {}), **event.values}
    return sum(
        (read.window_start or "") <= str(record["SystemModstamp"]) < (read.window_end or "9")
        and (read.operation == "queryAll" or record.get("IsDeleted") is not True)
        for record in records.values()
    )


def _assert_the_log_explains_every_read(simulator: Simulator) -> None:
    events, reads = list(iter_events(simulator.state_dir)), list(iter_reads(simulator.state_dir))
    assert reads
    for read in reads:
        assert read.rows == _shown(events, read), read


def test_changes_come_before_the_nth_count_and_stay(simulator: Simulator) -> None:
    before = _count(simulator)
    changes = [{"kind": "insert", "records": 3}, {"kind": "purge"}, {"kind": "update", "records": 2}]
    planned = _plan(simulator, on="count", nth=2, changes=changes).json()
    assert (planned["remaining"], planned["committed_at"]) == (2, None)
    assert _count(simulator, "SELECT COUNT() FROM Account") > 0, "another object's COUNT() is another moment"
    assert [_count(simulator) for _ in range(3)] == [before, before + 2, before + 2]
    done = simulator.get("/idiscover/live").json()["plans"][0]
    assert done["events"] == 6 and done["committed_at"] is not None
    events = _live_events(simulator)
    assert {event.committed_at for event in events} == {done["committed_at"]}
    assert [event.kind.value for event in events] == ["insert"] * 3 + ["purge"] + ["update"] * 2
    assert {event.system_modstamp for event in events} == {done["committed_at"]}
    _assert_the_log_explains_every_read(simulator)


def test_a_window_changes_between_count_and_job(simulator: Simulator) -> None:
    window = ["2026-01-05T00:00:00.000Z", "2026-01-06T00:00:00.000Z"]
    where = f"FROM {VOLUME} WHERE SystemModstamp >= {window[0]} AND SystemModstamp < {window[1]}"
    counted = _count(simulator, f"SELECT COUNT() {where}")
    changes = [
        {"kind": "update", "records": 2, "modified": window},
        {"kind": "insert", "records": 5, "system_modstamp": "2026-01-05T12:00:00Z"},
        {"kind": "delete", "records": 1, "modified": ["2024-01-01T00:00:00Z", window[0]]},
    ]
    assert _plan(simulator, on="job", changes=changes).status_code == 200
    job = simulator.finished_job(f"SELECT Id {where}")
    assert job["numberRecordsProcessed"] == counted - 2 + 5
    assert _count(simulator, f"SELECT COUNT() {where}") == counted - 2 + 5
    _assert_the_log_explains_every_read(simulator)


def test_a_job_shows_one_state_however_the_org_changes_meanwhile(simulator: Simulator) -> None:
    before = _count(simulator)
    _plan(simulator, on="running", changes=[{"kind": "insert", "records": 4}])
    _plan(simulator, on="page", nth=2, changes=[{"kind": "purge", "records": 7}])
    _plan(simulator, on="count", changes=[{"kind": "delete", "records": 2}])
    job = simulator.finished_job(f"SELECT Id FROM {VOLUME}")
    ids: list[str] = []
    locator = ""
    while locator != "null":
        answer = simulator.get(f"/jobs/query/{job['id']}/results", **({"locator": locator} if locator else {}))
        ids += [row["Id"] for row in csv.DictReader(io.StringIO(answer.text))]
        locator = answer.headers["Sforce-Locator"]
    assert len(ids) == len(set(ids)) == before
    assert _count(simulator) == before + 4 - 7
    gone = {event.id for event in _live_events(simulator) if event.kind is EventKind.PURGE}
    live_query = simulator.query(COUNT).json()["totalSize"]
    assert len(gone) == 7 and live_query < before
    _assert_the_log_explains_every_read(simulator)


def test_what_is_purged_between_rest_pages_is_missing_from_the_later_ones(simulator: Simulator) -> None:
    simulator.session.headers["Sforce-Query-Options"] = "batchSize=200"
    first = simulator.query(f"SELECT Id FROM {VOLUME} ORDER BY Id", "queryAll").json()
    ids = [record["Id"] for record in first["records"]]
    answer = _plan(simulator, on="now", changes=[{"kind": "purge", "records": 30}]).json()
    assert answer["events"] == 30
    gone = {event.id for event in _live_events(simulator)}
    while not first["done"]:
        first = simulator.get(first["nextRecordsUrl"]).json()
        ids += [record["Id"] for record in first["records"]]
    assert first["totalSize"] - len(gone) <= len(ids) < first["totalSize"]
    assert len(set(ids)) == len(ids) and not gone & set(ids[200:])


def test_a_kill_leaves_a_plan_whole(simulator: Simulator) -> None:
    before = _count(simulator)
    _plan(simulator, on="count", changes=[{"kind": "insert", "records": 2}])
    _plan(simulator, on="count", nth=2, changes=[{"kind": "purge"}])
    assert _count(simulator) == before + 2
    simulator.kill()
    simulator.start()
    kept = simulator.get("/idiscover/live").json()["plans"]
    assert [(plan["remaining"], plan["events"]) for plan in kept] == [(0, 2), (1, None)]
    assert simulator.get("/idiscover/clock").json()["now"] >= kept[0]["committed_at"]
    assert [_count(simulator) for _ in range(2)] == [before + 1] * 2
    assert len(_live_events(simulator)) == 3
    _assert_the_log_explains_every_read(simulator)


def test_every_kind_of_change_of_every_object_can_be_planned_and_followed(simulator: Simulator) -> None:
    for name, sobject in OBJECTS.items():
        kinds = ["update", "purge"] + (["delete"] if sobject.has_is_deleted else [])
        # The new ones first: of a small object, the days to come need all the others.
        for changes in ([{"kind": "insert", "records": 3}], [{"kind": kind} for kind in kinds]):
            answer = _plan(simulator, object=name, on="now", changes=changes)
            assert answer.status_code == 200, (name, answer.text)
            assert answer.json()["events"] == sum(change.get("records", 1) for change in changes)
    # The days that were generated before still follow.
    simulator.session.post(f"{simulator.url}/idiscover/advance", json={"days": 59}).raise_for_status()
    simulator.session.post(f"{simulator.url}/idiscover/advance", json={"days": 30}).raise_for_status()
    for name in OBJECTS:
        assert _count(simulator, f"SELECT COUNT() FROM {name}") > 0
    _assert_the_log_explains_every_read(simulator)


def test_reads_and_changes_at_the_same_time_agree_with_the_log(simulator: Simulator) -> None:
    def read() -> None:
        session = requests.Session()
        session.trust_env = False
        session.verify = simulator.session.verify
        session.headers.update(simulator.session.headers)
        for _ in range(12):
            url = f"{simulator.url}/services/data/v59.0/queryAll"
            session.get(url, params={"q": COUNT}, timeout=30).raise_for_status()

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for kind in ["insert", "purge"] * 8:
        assert _plan(simulator, on="now", changes=[{"kind": kind, "records": 2}]).json()["events"] == 2
    for reader in readers:
        reader.join()
    assert len(list(iter_reads(simulator.state_dir))) == 36
    _assert_the_log_explains_every_read(simulator)


@pytest.mark.parametrize(
    "plan",
    [
        {"on": "count", "changes": []},
        {"on": "sometime", "changes": [{"kind": "insert"}]},
        {"on": "count", "nth": 0, "changes": [{"kind": "insert"}]},
        {"on": "count", "object": "Nowhere", "changes": [{"kind": "insert"}]},
        {"on": "count", "changes": [{"kind": "merge"}]},
        {"on": "count", "changes": [{"kind": "insert", "wrong": 1}]},
        {"on": "count", "changes": [{"kind": "purge", "records": 1_000_000}]},
        {"on": "count", "changes": [{"kind": "update", "values": {"Lab_Segment__c": "A"}}]},
        {"on": "count", "changes": [{"kind": "update", "system_modstamp": "2030-01-01T00:00:00Z"}]},
        {"on": "count", "changes": [{"kind": "update", "system_modstamp": "yesterday"}]},
        {"on": "count", "changes": [{"kind": "delete", "object": "User"}]},
    ],
)
def test_plans_that_cannot_be_are_refused(module_simulator: Simulator, plan: dict[str, object]) -> None:
    answer = _plan(module_simulator, **plan)
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (400, "INVALID_INPUT"), answer.text
    assert module_simulator.get("/idiscover/live").json() == {"plans": []}


def test_open_plans_can_be_forgotten(module_simulator: Simulator) -> None:
    _plan(module_simulator, on="job", changes=[{"kind": "insert"}])
    url = f"{module_simulator.url}/idiscover/live"
    assert module_simulator.session.delete(url, timeout=30).json() == {"plans": []}


@pytest.fixture(scope="module")
def module_simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    running = Simulator(tmp_path_factory.mktemp("live") / "state", "--scale", "0.02")
    running.start()
    try:
        yield running
    finally:
        running.kill()


def test_the_same_plan_draws_the_same_records(tmp_path: Path) -> None:
    changes = (Change(VOLUME, EventKind.UPDATE, 3), Change("Account", EventKind.PURGE, 2))
    drawn = []
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        store = Store(folder)
        org = Org(store, scale=0.02)
        before = {event.seq for event in iter_events(folder)}
        LiveOrg(store, org).plan(VOLUME, Moment.NOW, 1, changes)
        drawn.append([(e.object, e.id, e.kind) for e in iter_events(folder) if e.seq not in before])
        store.close()
    assert drawn[0] == drawn[1] and len(drawn[0]) == 5
