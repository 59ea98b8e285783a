"""The verbs run, resync, backfill and follow, from options to exit status, over an Airflow of a few lines."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import Any

import pytest
from idiscover.cli.app import app
from idiscover.cli.deployed import Deployed
from idiscover.cli.runs import command, following, outcomes
from idiscover.cli.runs.asked import Asked
from idiscover.cli.runs.backfills import Days, cancel_backfill, follow_backfill, start_backfill
from idiscover.cli.runs.command import INTERRUPTED, HowToFollow, follow_run, resync, run_target
from idiscover.cli.verbs import load_verbs
from idiscover.errors import ConfigError, FailureKind
from idiscover.notify.failures import FailedTask, Failure, RunFailure
from idiscover.plan.build import build_plans
from typer.testing import CliRunner

from tests.unit.metadata_samples import sample_catalog, sample_context

NOW = datetime(2026, 1, 6, tzinfo=UTC)
EXTRACTION = "sfdc_to_s3__lab"


class FakeAirflow:
    """Creates runs that end at once; the documents are those of the bucket."""

    def __init__(self) -> None:
        self.documents: dict[str, Any] = {}
        self.created: list[tuple[str, Any]] = []
        self.paused, self.stands, self.state = False, False, "success"
        self.standing: list[dict[str, Any]] = []
        self.open: list[dict[str, Any]] = []
        self.interrupt, self.cancelled = False, False

    def dag_details(self, dag_id: str) -> dict[str, Any] | None:
        return None if dag_id == "sfdc_to_s3__kit" else {"is_paused": self.paused}

    def create_run(self, dag_id: str, body: dict[str, Any]) -> bool:
        self.created.append((dag_id, body))
        return not self.stands

    def run(self, dag_id: str, run_id: str) -> dict[str, Any] | None:
        if self.interrupt:
            raise KeyboardInterrupt
        if run_id == "never":
            return None
        return {"state": self.state, "start_date": NOW.isoformat(), "end_date": NOW.isoformat(), "note": None}

    def runs(self, dag_id: str = "~", **query: object) -> list[dict[str, Any]]:
        return self.standing

    def asset_events(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        return []

    def task_instances(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        return [{"task_id": "end", "state": "failed", "map_index": -1, "end_date": None}]

    def address(self) -> str:
        return "https://airflow"

    def backfill_dates(self, dag_id: str, first: datetime, last: datetime, reprocess: str) -> list[str]:
        return ["2026-01-05T00:00:00Z", "2026-01-06T00:00:00Z"] if reprocess == "none" else []

    def open_backfills(self, dag_id: str) -> list[dict[str, Any]]:
        return self.open

    def create_backfill(self, dag_id: str, first: datetime, last: datetime, **rest: Any) -> dict[str, Any]:
        self.created.append((dag_id, rest))
        return {"id": 7}

    def cancel_backfill(self, backfill_id: int) -> None:
        self.cancelled = True

    def backfill(self, backfill_id: int) -> dict[str, Any]:
        day = NOW.isoformat()
        self.standing = [
            {"dag_id": EXTRACTION, "dag_run_id": "b1", "queued_at": day, "run_after": day, "logical_date": day}
        ] * (not self.cancelled)
        return {"from_date": day, "to_date": day, "created_at": day, "completed_at": day}


@pytest.fixture
def airflow(monkeypatch: pytest.MonkeyPatch) -> FakeAirflow:
    fake = FakeAirflow()
    plans = {plan.header.dag_id: plan for plan in build_plans(sample_catalog(), sample_context(), "0" * 40)}

    class FakeBucket:
        def __init__(self, *_: object) -> None: ...

        def exists(self, key: str) -> bool:
            return self._document(key) is not None

        def read_text(self, key: str) -> str:
            return json.dumps(self._document(key))

        def _document(self, key: str) -> Any:
            return fake.documents.get(key.rpartition("/")[2])

    monkeypatch.setattr(command, "open_deployed", lambda place: Deployed(sample_context(), sample_catalog(), plans))
    monkeypatch.setattr(command, "AirflowRest", lambda context: fake)
    monkeypatch.setattr(outcomes, "Bucket", FakeBucket)
    monkeypatch.setattr(following, "POLL_SECONDS", 0)
    return fake


def test_a_run_is_created_followed_and_told(airflow: FakeAirflow, capsys: pytest.CaptureFixture[str]) -> None:
    airflow.documents["end.json"] = {"rows": 12, "bytes": 1, "counts": {"quarantined": 0}}
    assert run_target("c", "lab", Asked(reason="because"), HowToFollow()) == 0
    [(dag_id, body)] = airflow.created
    assert dag_id == EXTRACTION and body["conf"] == {"reason": "because"}
    out = capsys.readouterr().out
    assert "12 rows, 1 byte" in out and "all 1 runs succeeded" in out


def test_a_resync_is_a_whole_read(airflow: FakeAirflow) -> None:
    assert resync("c", "lab", Asked(mode="full"), HowToFollow(wait=False)) == 0
    assert airflow.created[0][1]["conf"] == {"mode": "full"}


def test_a_failure_is_told_as_the_mail_tells_it(airflow: FakeAirflow, capsys: pytest.CaptureFixture[str]) -> None:
    error = Failure(
        kind=FailureKind.NEEDS_A_PERSON, error="ConfigError", is_retried=False, what="no such field", got="Nmae"
    )
    failure = RunFailure(
        dag_id=EXTRACTION,
        run_id="r",
        kind=FailureKind.NEEDS_A_PERSON,
        failed=(FailedTask(task_id="end", state="failed", failure=error, tries=1, log_uri="https://log"),),
        by_itself="The lock is given back.",
        to_do="Correct it.",
        log_uri="https://log",
    )
    airflow.state = "failed"
    airflow.documents["failure.json"] = {**failure.model_dump(mode="json"), "state": "failed", "step": "failure"}
    assert run_target("c", "lab", Asked(), HowToFollow(as_json=True)) == 1
    shown = capsys.readouterr()
    for words in ("needs a person", "no such field", "got: Nmae", "to do: Correct it.", "log: https://log"):
        assert words in shown.err
    [run] = json.loads(shown.out)["runs"]
    assert run["state"] == "failed" and "  to do: Correct it." in run["failure"]


def test_a_failure_without_a_word_shows_the_task_and_its_log(
    airflow: FakeAirflow, capsys: pytest.CaptureFixture[str]
) -> None:
    airflow.state = "failed"
    assert follow_run("c", EXTRACTION, "r", HowToFollow()) == 1
    assert "log: https://airflow/dags/sfdc_to_s3__lab/runs/r/tasks/end" in capsys.readouterr().out


def test_a_dry_run_is_told_whole(airflow: FakeAirflow, capsys: pytest.CaptureFixture[str]) -> None:
    airflow.documents["dry_run.json"] = {"summary": "would read 3 records", "queries": [{"soql": "SELECT Id", "n": 3}]}
    assert run_target("c", "lab", Asked(dry_run=True), HowToFollow()) == 0
    out = capsys.readouterr().out
    assert "DRY RUN: nothing was done" in out and "  soql SELECT Id, n 3" in out
    assert "may wake, one after the other: s3_to_redshift__lab, stg_to_itg__lab" in out


def test_a_run_that_would_wait_or_stands_already_is_refused(airflow: FakeAirflow) -> None:
    airflow.paused = True
    with pytest.raises(ConfigError, match="is paused"):
        run_target("c", "lab", Asked(), HowToFollow())
    with pytest.raises(ConfigError, match="does not know the DAG"):
        run_target("c", "kit", Asked(), HowToFollow())
    airflow.paused, airflow.stands = False, True
    with pytest.raises(ConfigError, match=r"stands already[^!]*order date 2026-01-05"):
        run_target("c", "lab", Asked(order_date=date(2026, 1, 5)), HowToFollow())
    with pytest.raises(ConfigError, match="no such run"):
        follow_run("c", EXTRACTION, "never", HowToFollow())


def test_ctrl_c_stops_following_and_says_how_to_go_on(airflow: FakeAirflow, capsys: pytest.CaptureFixture[str]) -> None:
    airflow.interrupt = True
    assert run_target("c", "lab", Asked(), HowToFollow()) == INTERRUPTED
    run_id = airflow.created[0][1]["dag_run_id"]
    assert f"idiscover follow {EXTRACTION} {run_id}" in capsys.readouterr().out


DAYS = Days(date(2026, 1, 5), date(2026, 1, 7), "none")


def test_a_backfill_that_is_dry_lists_its_days(airflow: FakeAirflow, capsys: pytest.CaptureFixture[str]) -> None:
    airflow.standing = [
        {"dag_run_id": "r5", "state": "failed", "logical_date": "2026-01-05T00:00:00Z"},
        {"dag_run_id": "r7", "state": "success", "logical_date": "2026-01-07T00:00:00Z"},
    ]
    assert start_backfill("c", "lab", DAYS, Asked(dry_run=True, countries=("DE",)), HowToFollow()) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("2026-01-05: records of DE ") and lines[0].endswith(
        "run r5 (failed), which is run again"
    )
    assert lines[1].startswith("2026-01-06: ") and lines[1].endswith("no run yet")
    assert "left alone, because they have a run: 2026-01-07" in lines[2]
    assert "nothing was done; 2 days would be run" in lines[3]
    assert airflow.created == []


def test_a_backfill_is_created_and_its_runs_are_followed(
    airflow: FakeAirflow, capsys: pytest.CaptureFixture[str]
) -> None:
    assert start_backfill("c", "lab", DAYS, Asked(reason="because"), HowToFollow()) == 0
    assert airflow.created == [(EXTRACTION, {"reprocess": "none", "conf": {"reason": "because"}})]
    assert "all 1 runs succeeded" in capsys.readouterr().out


def test_a_backfill_that_was_cancelled_before_its_first_run_is_no_success(
    airflow: FakeAirflow, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cancel_backfill("c", 7) == 0, "to cancel was what was wanted"
    assert follow_backfill("c", "lab", 7, HowToFollow()) == 1
    said = capsys.readouterr().out
    assert "no run was made, so nothing was read" in said and "succeeded" not in said
    assert follow_backfill("c", "lab", 7, HowToFollow(as_json=True)) == 1
    assert json.loads(capsys.readouterr().out) == {"succeeded": False, "runs": [], "not_woken": []}


@pytest.mark.parametrize("verb", ["run", "backfill", "replay"])
@pytest.mark.parametrize(("given", "missing"), [("--from", "--to"), ("--to", "--from")])
def test_half_a_window_is_refused_before_anything_is_done(
    airflow: FakeAirflow, monkeypatch: pytest.MonkeyPatch, verb: str, given: str, missing: str
) -> None:
    monkeypatch.setattr("idiscover.cli.deployed.open_deployed", lambda place: pytest.fail("something was read"))
    monkeypatch.setattr(command, "open_deployed", lambda place: pytest.fail("something was read"))
    load_verbs()
    ended = CliRunner().invoke(app, [verb, "lab", given, "2026-01-05"])
    assert ended.exit_code == 1 and isinstance(ended.exception, ConfigError)
    told = str(ended.exception)
    assert "half a window" in told and f"key: {missing}" in told and f"give {missing} too" in told
    assert airflow.created == []


def test_a_backfill_is_refused_beside_another_and_backwards(airflow: FakeAirflow) -> None:
    airflow.open = [{"id": 3, "from_date": "2026-01-01T00:00:00Z", "to_date": "2026-01-02T00:00:00Z"}]
    with pytest.raises(ConfigError, match="backfill lab --cancel 3"):
        start_backfill("c", "lab", DAYS, Asked(), HowToFollow())
    with pytest.raises(ConfigError, match="comes after the last"):
        start_backfill("c", "lab", Days(DAYS.last, DAYS.first, "none"), Asked(), HowToFollow())


def test_a_backfill_with_nothing_to_run_is_no_failure(airflow: FakeAirflow, capsys: pytest.CaptureFixture[str]) -> None:
    assert start_backfill("c", "lab", Days(DAYS.first, DAYS.last, "failed"), Asked(), HowToFollow()) == 0
    assert "no day is to be run" in capsys.readouterr().out and airflow.created == []
