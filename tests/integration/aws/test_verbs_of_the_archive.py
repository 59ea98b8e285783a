"""`idiscover replay`, `rebuild` and `erase` as a person says them, on stores of the sample metadata."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import pytest
from idiscover.aws import erasure, erasure_marts
from idiscover.cli import deployed
from idiscover.cli.app import app
from idiscover.cli.verbs import load_verbs
from idiscover.errors import ConfigError, NextRunError
from idiscover.metadata.models import Context
from idiscover.plan.model import RefreshPlan
from typer.testing import CliRunner, Result

from tests.integration.aws.test_replay import a_day_of_labs
from tests.support.aws_platform import Platform
from tests.support.aws_runs import DAY_0, Org, bring_in, lab, refresh, woken_run
from tests.support.warehouse_stack import REPOSITORY
from tests.unit.metadata_samples import sample_catalog

RUNS = itertools.count(1)
PAUSED: set[str] = set()
UNKNOWN: set[str] = set()
GONE, OTHER = "001000000000001AAA", "001000000000002AAA"


@pytest.fixture
def started(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Mapping[str, Any]]]:
    """Runs that were started; those of refreshes are through at once."""
    runs: list[tuple[str, Mapping[str, Any]]] = []
    PAUSED.clear()
    UNKNOWN.clear()

    class Airflow:
        def __init__(self, context: Context) -> None:
            assert context == platform.context

        def dag_details(self, dag_id: str) -> Mapping[str, Any] | None:
            return None if dag_id in UNKNOWN else {"is_paused": dag_id in PAUSED}

        def create_run(self, dag_id: str, body: Mapping[str, Any]) -> bool:
            runs.append((dag_id, body))
            plan = platform.plans[dag_id]
            if isinstance(plan, RefreshPlan):
                refresh(platform, plan.table, woken_run(dag_id, next(RUNS)))
            return True

    monkeypatch.setattr(deployed, "AirflowRest", Airflow)
    monkeypatch.setattr(deployed, "catalog_in_force", lambda _context: sample_catalog())  # nothing was published here
    monkeypatch.setattr(erasure, "_PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(erasure_marts, "_PAUSE_SECONDS", 0.0)
    return runs


def say(*words: str, answer: str | None = None) -> Result:
    load_verbs()
    context = ["--context", str(REPOSITORY / "context" / "local.yaml")]
    return CliRunner().invoke(app, [*words, *context], input=answer, catch_exceptions=False)


def test_replay_and_rebuild(platform: Platform, org: Org, started: list[tuple[str, Mapping[str, Any]]]) -> None:
    batch_id = a_day_of_labs(platform, org)
    shown = say("replay", "lab", "--from", "2026-01-05", "--to", "2026-01-05", "--dry-run")
    assert f"{batch_id}: archived, 2 rows" in shown.output
    assert "1 of 1 would be made pending, and s3_to_redshift__lab be started" in shown.output
    shown = say("rebuild", "lab", "--dry-run")
    assert "itg.lab would be made anew from 1 batches with 2 rows" in shown.output
    assert started == [] and platform.job("select state from job.batch") == [("archived",)]
    platform.warehouse("delete from itg.lab")
    rebuilt = say("rebuild", "lab", "--reason", "a test")
    assert rebuilt.exit_code == 0 and "itg.lab: made anew from 1 batches, 2 rows" in rebuilt.output
    assert platform.warehouse("select count(*) from itg.lab") == [(2,)]
    assert [dag_id for dag_id, _ in started] == ["stg_to_itg__test"]
    PAUSED.add("stg_to_itg__test")
    with pytest.raises(ConfigError, match="stg_to_itg__test is paused: unpause it"):
        say("rebuild", "lab")
    assert len(started) == 1
    replayed = say("replay", "lab", "--batch", batch_id, "--reason", "a test")
    assert replayed.exit_code == 0 and "1 of 1 batches made pending" in replayed.output
    dag_id, body = started[-1]
    assert dag_id == "s3_to_redshift__lab" and body["logical_date"] is None
    assert body["dag_run_id"].startswith("replay__") and body["note"].endswith(": a test")


def test_erase(platform: Platform, org: Org, started: list[tuple[str, Mapping[str, Any]]]) -> None:
    bring_in(platform, org, "lab", DAY_0, [lab(GONE, "DE"), lab(OTHER, "FR")])
    refresh(platform, "itg.lab", woken_run("itg.lab", next(RUNS)))
    shown = say("erase", GONE[:15], "--dry-run")
    assert shown.exit_code == 0 and "found in itg.lab: 1 rows" in shown.output
    refused = say("erase", GONE, answer="n\n")
    assert refused.exit_code == 1 and "Erase this record of lab for good" in refused.output
    unknown = say("erase", "001000000000009AAA", answer="n\n")
    assert unknown.exit_code == 1 and "(itg has none such)" in unknown.output
    assert platform.job("select count(*) from job.erasure") == [(0,)]
    assert platform.warehouse("select count(*) from itg.lab") == [(2,)]
    PAUSED.add("stg_to_itg__test")
    with pytest.raises(NextRunError, match=r"itg\.test: stg_to_itg__test is paused: unpause it in Airflow's UI"):
        say("erase", GONE, "--yes", "--reason", "a test")
    assert platform.warehouse("select id from itg.lab") == [(OTHER,)] and started == []
    assert platform.job("select state from job.erasure") == [("running",)]
    PAUSED.clear()
    done = say("erase", GONE, "--yes", "--reason", "a test")
    assert done.exit_code == 0 and done.output.splitlines()[-1].startswith("nothing left")
    assert platform.warehouse("select id from itg.lab") == [(OTHER,)]
    assert platform.job("select state from job.erasure") == [("done",)]
    assert GONE not in done.output and GONE not in str(started)


def test_a_load_that_cannot_run_is_told(
    platform: Platform, org: Org, started: list[tuple[str, Mapping[str, Any]]]
) -> None:
    """The batches are pending all the same: whoever mends it need not say it again."""
    batch_id = a_day_of_labs(platform, org)
    UNKNOWN.add("s3_to_redshift__lab")
    with pytest.raises(ConfigError, match="Airflow does not know s3_to_redshift__lab: deploy or publish it"):
        say("replay", "lab", "--batch", batch_id)
    assert started == [] and platform.job("select state from job.batch") == [("pending",)]
