"""The DAG `publish_tableau`: there where a login to Tableau is named, a task per subject, woken by their tables."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import AssetAny, AssetOrTimeSchedule
from airflow.sdk.exceptions import AirflowFailException
from idiscover.aws import mailing, publishing, tableau_publishing
from idiscover.aws.dag_files import generated_files
from idiscover.errors import ConfigError, RetriableError
from idiscover.metadata.loading import FolderReader, load_catalog, parse_context
from idiscover.metadata.models import Context
from idiscover.notify.failures import FailedTask
from idiscover.orchestration import tableau_dag
from idiscover.orchestration.builder import build_dag
from idiscover.plan.tableau import TABLEAU_DAG_ID, render_tableau_files

from tests.dags.conftest import REPOSITORY

CATALOG = load_catalog(FolderReader(REPOSITORY / "metadata"))


def _context(name: str, with_login: bool = True) -> Context:
    place = REPOSITORY / "context" / f"{name}.yaml"
    context = parse_context(place.read_text(encoding="utf-8"), str(place))
    secrets = context.secrets.model_copy(update={"tableau": "idiscover/tableau" if with_login else None})
    return context.model_copy(update={"secrets": secrets})


def _dag(folder: Path, name: str) -> Any:
    for file, text in render_tableau_files(CATALOG.subjects, _context(name)).items():
        (folder / file).write_text(text, encoding="utf-8")
    return build_dag(folder / f"{TABLEAU_DAG_ID}.json")


def test_without_a_login_there_is_no_such_dag() -> None:
    assert f"{TABLEAU_DAG_ID}.py" not in generated_files([], CATALOG, _context("prod", with_login=False))
    assert f"{TABLEAU_DAG_ID}.py" in generated_files([], CATALOG, _context("prod"))
    assert render_tableau_files({}, _context("prod")) == {}


def test_a_task_per_subject_woken_by_their_tables_and_the_clock(tmp_path: Path) -> None:
    dag = _dag(tmp_path, "prod")
    assert dag.dag_id == TABLEAU_DAG_ID and dag.max_active_runs == 1 and dag.task_ids == ["publish"]
    task = dag.get_task("publish")
    assert task.max_active_tis_per_dag == 1, "one at a time: they share a token, which has one session"
    mapped = task.op_kwargs_expand_input.value
    assert mapped == {"subject": sorted(CATALOG.subjects)}
    assert isinstance(dag.timetable, AssetOrTimeSchedule) or "AssetOrTime" in type(dag.timetable).__name__
    uris = set(render_plan(tmp_path)["wakes_on"])
    assert uris == {f"x-idiscover://dm/{spec.table.removeprefix('dm.')}" for spec in CATALOG.subjects.values()}
    assert isinstance(_dag(tmp_path, "local").schedule, AssetAny), "no clock where schedules start nothing"


def render_plan(folder: Path) -> dict[str, Any]:
    import json

    plan: dict[str, Any] = json.loads((folder / f"{TABLEAU_DAG_ID}.json").read_text(encoding="utf-8"))
    return plan


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The task's own function, with the metadata in force and a context like Airflow's."""
    pushed: dict[str, object] = {}
    ti = SimpleNamespace(
        xcom_push=lambda key, value: pushed.update({key: value}),
        log_url="https://airflow/log", try_number=1, max_tries=2, task=SimpleNamespace(retries=2),
    )  # fmt: skip
    monkeypatch.setattr(tableau_dag, "get_current_context", lambda: {"ti": ti})
    monkeypatch.setattr(publishing, "catalog_in_force", lambda _context: CATALOG)
    task = _dag(tmp_path, "prod").get_task("publish")
    return SimpleNamespace(call=task.python_callable, pushed=pushed, task=task)


def test_a_task_publishes_its_subject(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    published: list[str] = []
    monkeypatch.setattr(
        tableau_publishing,
        "publish_subjects",
        lambda subjects, _catalog, _context, _tell: published.extend(spec.subject for spec in subjects),
    )
    run.call(subject="lab_360")
    run.call(subject="gone_since")
    assert published == ["lab_360"]


@pytest.mark.parametrize(("error", "raised"), [(RetriableError, RetriableError), (ConfigError, AirflowFailException)])
def test_what_passes_is_tried_again_and_what_does_not_fails(
    run: Any, monkeypatch: pytest.MonkeyPatch, error: type[Exception], raised: type[Exception]
) -> None:
    def fail(*_: object) -> None:
        raise error("Tableau says no")

    monkeypatch.setattr(tableau_publishing, "publish_subjects", fail)
    with pytest.raises(raised, match="Tableau says no"):
        run.call(subject="lab_360")
    assert "Tableau says no" in str(run.pushed)


def test_a_failure_is_mailed_with_its_subject(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    mails: list[Any] = []
    monkeypatch.setattr(mailing, "send_or_warn", lambda mail, _context, _to: mails.append(mail))
    monkeypatch.setattr(tableau_dag, "own_failure", lambda _context: FailedTask(task_id="publish", state="failed"))
    (callback,) = run.task.partial_kwargs["on_failure_callback"]
    callback({"ti": SimpleNamespace(map_index=3), "dag_run": SimpleNamespace(dag_id=TABLEAU_DAG_ID, run_id="r1")})
    assert len(mails) == 1 and sorted(CATALOG.subjects)[3] in mails[0].subject and "r1" in mails[0].text
