"""The check of `publish_dags` of `idiscover doctor`: there, not paused, succeeded, not too long ago."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from idiscover.cli.doctor import publishing
from idiscover.cli.doctor.checks import Outcome, run_checks
from idiscover.cli.doctor.publishing import publish_check, publish_findings
from idiscover.cli.doctor.services import service_checks
from idiscover.errors import RetriableError

from tests.unit.metadata_samples import sample_context

NOW = datetime(2026, 1, 6, 12, 2, tzinfo=UTC)
THERE = {"is_paused": False}


def run(state: str, minutes_ago: float, end: bool = True) -> dict[str, Any]:
    """A run as Airflow lists it."""
    at = (NOW - timedelta(minutes=minutes_ago)).isoformat()
    return {"dag_run_id": f"at {minutes_ago}", "state": state, "run_after": at, "end_date": at if end else None}


@pytest.mark.parametrize(
    ("details", "runs", "schedule", "outcome", "words"),
    [
        (None, [], "*/5 * * * *", Outcome.FAIL, "no such DAG"),
        ({"is_paused": True}, [run("success", 1)], "*/5 * * * *", Outcome.FAIL, "paused"),
        (THERE, [], "*/5 * * * *", Outcome.WARN, "no run of it has ended yet"),
        (THERE, [run("running", 1, end=False)], "*/5 * * * *", Outcome.WARN, "no run of it has ended yet"),
        (THERE, [run("failed", 2), run("success", 7)], "*/5 * * * *", Outcome.FAIL, "failed: no edit is published"),
        (THERE, [run("success", 2), run("failed", 7)], "*/5 * * * *", Outcome.OK, "2 min ago, and succeeded"),
        (THERE, [run("queued", 0, end=False), run("success", 14)], "*/5 * * * *", Outcome.OK, "14 min ago"),
        (THERE, [run("success", 16)], "*/5 * * * *", Outcome.WARN, "16 min ago, its schedule is */5 * * * *"),
        (THERE, [run("success", 179)], "0 * * * *", Outcome.OK, "2 h ago"),
        (THERE, [run("success", 181)], "0 * * * *", Outcome.WARN, "3 h ago"),
    ],
)
def test_what_is_found(
    details: Mapping[str, Any] | None, runs: list[dict[str, Any]], schedule: str, outcome: Outcome, words: str
) -> None:
    (finding,) = publish_findings(details, runs, schedule, NOW)
    assert (finding.check, finding.outcome) == ("publish_dags", outcome) and words in finding.found
    assert (finding.remedy is None) == (outcome is Outcome.OK)


def test_it_is_asked_of_airflow_with_one_page_of_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, Mapping[str, object]]] = []

    class Airflow:
        def __init__(self, context: object) -> None: ...

        def dag_details(self, dag_id: str) -> dict[str, Any]:
            return THERE

        def call(self, method: str, path: str, **query: object) -> dict[str, Any]:
            asked.append((f"{method} {path}", query))
            now = datetime.now(UTC).isoformat()
            return {"dag_runs": [{"dag_run_id": "r", "state": "success", "run_after": now, "end_date": now}]}

    monkeypatch.setattr(publishing, "AirflowRest", Airflow)
    (finding,) = run_checks([publish_check(sample_context())])
    assert finding.outcome is Outcome.OK
    assert asked == [("GET /dags/publish_dags/dagRuns", {"limit": 5, "order_by": "-run_after"})]


def test_an_airflow_that_does_not_answer_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(context: object) -> None:
        raise RetriableError("Airflow is busy")

    monkeypatch.setattr(publishing, "AirflowRest", silent)
    (finding,) = run_checks([publish_check(sample_context())])
    assert finding.outcome is Outcome.FAIL and "Airflow is busy" in finding.found and finding.remedy


def test_it_is_one_of_the_doctors_checks() -> None:
    names = [check.name for check in service_checks(sample_context(), lambda: pytest.fail("nothing is read yet"))]
    assert names[-3:] == ["Airflow", "publish_dags", "Tableau"]
