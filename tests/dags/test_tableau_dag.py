"""The DAGs `publish_tableau_…`: there where a login to Tableau is named, one per subject, woken by its table."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import AssetAny
from airflow.sdk.exceptions import AirflowFailException
from idiscover.aws import mailing, tableau_publishing
from idiscover.aws.dag_files import generated_files
from idiscover.errors import ConfigError, RetriableError
from idiscover.metadata.loading import FolderReader, load_catalog, parse_context
from idiscover.metadata.models import Context
from idiscover.notify.failures import FailedTask
from idiscover.orchestration import tableau_dag
from idiscover.orchestration.builder import build_dag
from idiscover.orchestration.sweep_dag import consumer_plans, subject_plans
from idiscover.plan.tableau import TABLEAU_POOL, made_of, render_tableau_files, tableau_pools

from tests.dags.conftest import REPOSITORY

CATALOG = load_catalog(FolderReader(REPOSITORY / "metadata"))


def _context(name: str, with_login: bool = True) -> Context:
    place = REPOSITORY / "context" / f"{name}.yaml"
    context = parse_context(place.read_text(encoding="utf-8"), str(place))
    secrets = context.secrets.model_copy(update={"tableau": "idiscover/tableau" if with_login else None})
    return context.model_copy(update={"secrets": secrets})


def _files(folder: Path, name: str) -> list[str]:
    files = render_tableau_files(CATALOG, _context(name))
    for file, text in files.items():
        (folder / file).write_text(text, encoding="utf-8")
    return sorted(files)


def _dag(folder: Path, name: str, subject: str) -> Any:
    _files(folder, name)
    return build_dag(folder / f"publish_tableau_{subject}.json")


def test_there_is_a_dag_per_subject_and_none_without_a_login(tmp_path: Path) -> None:
    without, of_prod = _context("prod", with_login=False), _context("prod")
    assert not [name for name in generated_files([], CATALOG, without) if "tableau" in name]
    named = {name.removesuffix(".py") for name in generated_files([], CATALOG, of_prod) if name.endswith(".py")}
    assert {f"publish_tableau_{subject}" for subject in CATALOG.subjects} < named
    assert render_tableau_files(CATALOG.model_copy(update={"subjects": {}}), of_prod) == {}
    assert (tableau_pools(CATALOG, without), tableau_pools(CATALOG, of_prod)) == ({}, {TABLEAU_POOL: 1})
    _files(tmp_path, "prod")
    assert [plan.subject.subject for plan in subject_plans(tmp_path)] == sorted(CATALOG.subjects)
    assert consumer_plans(tmp_path) == [], "the sweep takes them for no load"
    (tmp_path / "publish_tableau_lab_360.py").unlink()
    left = {plan.subject.subject for plan in subject_plans(tmp_path)}
    assert left == CATALOG.subjects.keys() - {"lab_360"}, "its plan goes last: there is no such DAG any more"


def test_a_subject_is_woken_by_its_table_its_comparison_and_the_clock(tmp_path: Path) -> None:
    dag = _dag(tmp_path, "prod", "lab_360")
    assert dag.dag_id == "publish_tableau_lab_360" and dag.max_active_runs == 1 and dag.task_ids == ["publish"]
    assert (dag.get_task("publish").pool, dag.owner) == (TABLEAU_POOL, CATALOG.subjects["lab_360"].owner.name)
    assert "AssetOrTime" in type(dag.timetable).__name__
    by_events = _dag(tmp_path, "local", "lab_360").schedule
    assert isinstance(by_events, AssetAny), "no clock where schedules start nothing"
    uris = {asset.uri for asset in by_events.objects}
    assert uris == {"x-idiscover://dm/dm_lab_360", "x-idiscover://dm/dm_data_freshness"}


def test_a_plan_has_the_checks_of_all_that_a_subject_is_made_of(tmp_path: Path) -> None:
    _files(tmp_path, "prod")
    plans = {plan.subject.subject: plan for plan in subject_plans(tmp_path)}
    lab = plans["lab_360"]
    assert set(lab.checks) == {"dm.dm_lab_360", *(set(made_of("dm.dm_lab_360", CATALOG)) & set(CATALOG.tables))}
    assert "itg.account" in lab.checks and "unique_key" in lab.checks["itg.account"]
    assert set(plans["data_freshness"].checks) == {"dm.dm_data_freshness"}, "it only counts the others"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The task's own function, with a context like Airflow's."""
    pushed: dict[str, object] = {}
    ti = SimpleNamespace(
        xcom_push=lambda key, value: pushed.update({key: value}),
        log_url="https://airflow/log", try_number=1, max_tries=2, task=SimpleNamespace(retries=2),
    )  # fmt: skip
    monkeypatch.setattr(tableau_dag, "get_current_context", lambda: {"ti": ti})
    task = _dag(tmp_path, "prod", "lab_360").get_task("publish")
    return SimpleNamespace(call=task.python_callable, pushed=pushed, task=task)


def test_a_task_publishes_its_subject(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    published: list[str] = []
    monkeypatch.setattr(
        tableau_publishing,
        "publish_subjects",
        lambda plans, _context, _tell: published.extend(plan.subject.subject for plan in plans),
    )
    run.call()
    assert published == ["lab_360"]


@pytest.mark.parametrize(("error", "raised"), [(RetriableError, RetriableError), (ConfigError, AirflowFailException)])
def test_what_passes_is_tried_again_and_what_does_not_fails(
    run: Any, monkeypatch: pytest.MonkeyPatch, error: type[Exception], raised: type[Exception]
) -> None:
    def fail(*_: object) -> None:
        raise error("Tableau says no")

    monkeypatch.setattr(tableau_publishing, "publish_subjects", fail)
    with pytest.raises(raised, match="Tableau says no"):
        run.call()
    assert "Tableau says no" in str(run.pushed)


def test_a_failure_is_mailed_with_its_subject_to_its_owner(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    mails: list[Any] = []
    monkeypatch.setattr(mailing, "send_or_warn", lambda mail, _context, to: mails.append((mail, to)))
    monkeypatch.setattr(tableau_dag, "own_failure", lambda _context: FailedTask(task_id="publish", state="failed"))
    (callback,) = run.task.on_failure_callback
    callback({"dag_run": SimpleNamespace(dag_id="publish_tableau_lab_360", run_id="r1")})
    ((mail, to),) = mails
    subject = CATALOG.subjects["lab_360"]
    assert subject.title in mail.subject and "r1" in mail.text and to == [subject.owner.email]
