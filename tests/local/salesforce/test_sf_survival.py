"""What outlives a stop and a kill -9, and the org's clock."""

import stat
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.salesforce.clock import OrgClock, http_date
from local.salesforce.events import canonical_line, iter_events
from local.salesforce.oauth import TokenServer, ensure_credentials
from local.salesforce.org import DAYS_AHEAD, Org
from local.salesforce.request_log import iter_reads
from local.salesforce.store import Store
from local.salesforce.times import at, to_iso
from tests.local.salesforce.sf_process import API, ROOT, Simulator

SOQL = "SELECT Id, Name FROM Testing_Volume__c"


@pytest.fixture
def simulator(tmp_path: Path) -> Iterator[Simulator]:
    running = Simulator(tmp_path / "a state", "--scale", "0.02", "--page-rows", "100")
    running.start()
    try:
        running.log_in()
        yield running
    finally:
        running.kill()


def test_a_kill_loses_nothing(simulator: Simulator) -> None:
    simulator.session.post(f"{simulator.url}/idiscover/advance", json={"days": 2}).raise_for_status()
    finished = simulator.finished_job(SOQL)
    page = simulator.query(SOQL).json()
    simulator.session.headers["Sforce-Query-Options"] = "batchSize=200"
    cursor = simulator.query(SOQL).json()["nextRecordsUrl"]
    chain = simulator.get(f"/jobs/query/{finished['id']}/results")
    clock = simulator.get("/idiscover/clock").json()
    reads = list(iter_reads(simulator.state_dir))
    # One more, killed as soon as it was promised.
    promised = simulator.create_job(SOQL).json()["id"]
    simulator.kill()

    simulator.start()
    assert simulator.get("/idiscover/clock").json()["now"] >= clock["now"]
    assert simulator.get("/idiscover/clock").json()["day"] == clock["day"] == 2
    assert simulator.query(SOQL).status_code == 200, "the token still works"
    assert simulator.get(cursor).json()["records"] == page["records"][200:400]
    again = simulator.get(f"/jobs/query/{finished['id']}/results")
    assert (again.content, again.headers["Sforce-Locator"]) == (chain.content, chain.headers["Sforce-Locator"])
    assert simulator.wait_for(promised)["state"] == "JobComplete"
    after = list(iter_reads(simulator.state_dir))
    assert after[: len(reads)] == reads
    assert [read.job_id for read in after].count(promised) == 1
    assert simulator.create_job(SOQL).json()["id"] not in (promised, finished["id"])


def test_credentials_are_for_their_owner_only_and_follow_the_port(tmp_path: Path) -> None:
    first = ensure_credentials(tmp_path, "https://localhost:1")
    assert stat.S_IMODE((tmp_path / "credentials.json").stat().st_mode) == 0o600
    second = ensure_credentials(tmp_path, "https://localhost:2")
    assert second.login_url == "https://localhost:2"
    assert (second.client_secret, second.private_key) == (first.client_secret, first.private_key)
    assert stat.S_IMODE((tmp_path / "credentials.json").stat().st_mode) == 0o600


def test_tokens_expire_by_the_wall(tmp_path: Path) -> None:
    store = Store(tmp_path)
    known = ensure_credentials(tmp_path, "https://localhost:1")
    form = {"grant_type": "client_credentials", "client_id": known.client_id, "client_secret": known.client_secret}
    for lifetime, valid in ((60.0, True), (-1.0, False)):
        tokens = TokenServer(store, known, lifetime)
        assert tokens.is_valid(tokens.grant(form, "https://localhost:1")["access_token"]) is valid
    store.close()


def test_the_state_belongs_to_its_seed_and_scale(tmp_path: Path) -> None:
    store = Store(tmp_path)
    Org(store, seed=7, scale=0.02)
    assert Org(store).seed == 7
    with pytest.raises(ValueError, match=r"expected \(7, 0\.02\)"):
        Org(store, seed=8)
    store.close()


def test_the_state_of_an_older_simulator_is_refused(tmp_path: Path) -> None:
    store = Store(tmp_path)
    Org(store, scale=0.02)
    store.execute("DELETE FROM events WHERE object NOT IN ('Account', 'Testing_Volume__c')")
    with pytest.raises(ValueError, match="older simulator, without users; expected all 16 objects"):
        Org(store)
    store.close()


def test_the_log_grows_past_its_first_end_as_if_made_at_once(tmp_path: Path) -> None:
    store = Store(tmp_path)
    org = Org(store, scale=0.02)
    first = list(iter_events(tmp_path))
    org.advance(DAYS_AHEAD + 5)
    grown = list(iter_events(tmp_path))
    assert grown[: len(first)] == first and grown[-1].committed_at > to_iso(org.clock.now())
    assert org.view().records == Org(store).view().records
    store.close()


def test_events_verb_prints_the_log(tmp_path: Path) -> None:
    store = Store(tmp_path)
    Org(store, scale=0.02)
    store.close()
    command = [sys.executable, "-m", "local.salesforce", "events", "--state-dir", str(tmp_path), "--object", "Account"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.splitlines() == [canonical_line(event) for event in iter_events(tmp_path, "Account")]
    nowhere = [*command[:-4], "--state-dir", str(tmp_path / "nowhere")]
    failed = subprocess.run(nowhere, capture_output=True, text=True, cwd=ROOT, check=False)
    assert failed.returncode == 2 and "does not exist" in failed.stderr


def test_advance_refuses_to_go_back(simulator: Simulator) -> None:
    for days in (0, -1, "1", None, True):
        answer = simulator.session.post(f"{simulator.url}/idiscover/advance", json={"days": days})
        assert (answer.status_code, answer.json()[0]["errorCode"]) == (400, "INVALID_INPUT")
    assert simulator.session.post(f"{simulator.url}/idiscover/advance").json()["day"] == 1


class Wall:
    """A wall clock to turn by hand."""

    def __init__(self) -> None:
        self.seconds = 1_000_000.0

    def __call__(self) -> float:
        return self.seconds


def test_the_clock_waits_before_six_and_advances_to_two(tmp_path: Path) -> None:
    store, wall = Store(tmp_path), Wall()
    clock = OrgClock(store, wall)
    assert (clock.now(), clock.complete_day()) == (at(1, 2 * 3600), 0)
    wall.seconds += 90.5
    assert clock.now() == at(1, 2 * 3600) + timedelta(seconds=90.5)
    wall.seconds += 10 * 3600
    assert clock.now() == at(1, 6 * 3600 - 1)
    assert clock.advance(3) == at(4, 2 * 3600) == clock.now()
    assert clock.complete_day() == 3
    store.close()


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.floats(-5000, 5000), st.booleans(), st.booleans()), max_size=12))
def test_the_clock_never_goes_back(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[float, bool, bool]]
) -> None:
    store, wall = Store(tmp_path_factory.mktemp("clock")), Wall()
    clock = OrgClock(store, wall)
    shown = clock.now()
    for seconds, killed, advanced in steps:
        wall.seconds += seconds
        if killed:
            clock = OrgClock(store, wall)
        if advanced:
            clock.advance(1)
        # What a client saw has the Date header's resolution.
        assert http_date(clock.now()) == http_date(max(clock.now(), shown.replace(microsecond=0)))
        shown = clock.now()
    store.close()


def test_http_date() -> None:
    assert http_date(at(1, 2 * 3600)) == "Tue, 06 Jan 2026 02:00:00 GMT"


def test_the_other_shape_of_result_pages(tmp_path: Path) -> None:
    running = Simulator(tmp_path / "s", "--scale", "0.02", "--page-rows", "100", "--result-pages-shape", "chunks")
    running.start()
    try:
        running.log_in()
        job = running.finished_job(SOQL)
        answer = running.get(f"/jobs/query/{job['id']}/resultPages").json()
        links = []
        while True:
            assert set(answer) == {"resultChunks", "nextRecordsUrl"}
            links += [chunk["resultLink"] for chunk in answer["resultChunks"]]
            if answer["nextRecordsUrl"] is None:
                break
            assert len(answer["resultChunks"]) == 5
            answer = running.get(answer["nextRecordsUrl"]).json()
        assert len(links) == -(-int(str(job["numberRecordsProcessed"])) // 100) > 5
        rows = sum(int(running.get(link).headers["Sforce-NumberOfRecords"]) for link in links)
        assert rows == job["numberRecordsProcessed"] and links[0].startswith(API)
    finally:
        running.kill()
