"""Which errors Airflow retries, what callbacks do, and when a task cleared alone may go on."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
from idiscover.errors import ConfigError, DataQualityError, FatalError, IdiscoverError, RetriableError
from idiscover.orchestration import callbacks
from idiscover.orchestration.errors import airflow_errors, failure_recorded
from idiscover.orchestration.operators import attempts, nothing_left_to_do
from idiscover.orchestration.run_states import CHAIN, TERMINATE, faults
from idiscover.plan.model import ExtractionPlan, RefreshPlan

from tests.dags.compiled import repository_plans


class Ti:
    """A task instance with chosen states of its run."""

    def __init__(self, task_id: str, states: dict[str, str | None], map_index: int = -1) -> None:
        self.dag_id, self.run_id, self.task_id, self.map_index = "d", "r", task_id, map_index
        self.try_number, self.log_url = 3, "http://airflow/log"
        self.states = states
        self.pushed: dict[str, object] = {}

    def get_task_states(self, dag_id: str, run_ids: list[str]) -> dict[str, dict[str, str | None]]:
        return {self.run_id: self.states}

    def xcom_push(self, key: str, value: object) -> None:
        self.pushed[key] = value


def context(ti: Ti, **more: Any) -> Any:
    run = SimpleNamespace(
        dag_id="d", run_id="r", run_type="manual", data_interval_start=None, data_interval_end=None, conf=None
    )
    return {"ti": ti, "dag_run": run, "params": {}, **more}


@pytest.mark.parametrize("kind", [ConfigError, FatalError, DataQualityError, IdiscoverError])
def test_errors_that_no_retry_mends_fail_at_once(kind: type[IdiscoverError]) -> None:
    with pytest.raises(AirflowFailException, match="got: 3") as caught, airflow_errors():
        raise kind("rows differ", got=3, expected=4)
    assert isinstance(caught.value.__cause__, kind)


def test_errors_that_pass_are_retried() -> None:
    with pytest.raises(RetriableError), airflow_errors():
        raise RetriableError("throttled")
    with pytest.raises(OSError), airflow_errors():
        raise OSError("reset")


def test_the_reason_of_a_failure_is_left_for_the_closing_mail() -> None:
    ti = Ti("x", {})
    with pytest.raises(AirflowFailException), failure_recorded(context(ti)):
        raise ConfigError("no such field", key="Naem")
    assert ti.pushed == {"failure": "no such field\n  key: Naem"}


def test_a_skip_is_no_failure() -> None:
    ti = Ti("x", {})
    with pytest.raises(AirflowSkipException), failure_recorded(context(ti)):
        raise AirflowSkipException("no cluster")
    assert ti.pushed == {}


def test_end_takes_only_work_that_succeeded() -> None:
    good = dict.fromkeys(CHAIN, "success")
    assert faults(good) == {}
    assert faults({**good, "emr_tasks.terminate_cluster": "skipped", "emr_tasks.watch_termination": "skipped"}) == {}
    assert faults({**good, "send_email_cluster_termination": "failed"}) == {}, "a mail is no fault"
    assert faults({**good, "emr_tasks.watch_steps": "skipped"}) == {"emr_tasks.watch_steps": "skipped"}
    assert faults({**good, "emr_tasks.terminate_cluster": "failed"}) == {"emr_tasks.terminate_cluster": "failed"}
    missing = {task: state for task, state in good.items() if task != "emr_tasks.add_steps"}
    assert faults(missing) == {"emr_tasks.add_steps": "not run"}


@pytest.fixture(scope="module")
def extraction() -> ExtractionPlan:
    plan = repository_plans()["sfdc_to_s3__account"]
    assert isinstance(plan, ExtractionPlan)
    return plan


@pytest.fixture(scope="module")
def refresh() -> RefreshPlan:
    plan = repository_plans()["stg_to_itg__account"]
    assert isinstance(plan, RefreshPlan)
    return plan


def install(patch: pytest.MonkeyPatch, name: str, **functions: Any) -> None:
    module = ModuleType(f"idiscover.aws.{name}")
    for function, body in functions.items():
        setattr(module, function, body)
    patch.setitem(sys.modules, module.__name__, module)


@pytest.mark.parametrize("terminated", ["success", "failed", "skipped"])
@pytest.mark.parametrize("stands", [True, False])
def test_a_task_cleared_alone(
    terminated: str, stands: bool, extraction: ExtractionPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, "extraction_run", batch_stands=lambda plan, run: stands)
    ti = Ti("emr_tasks.watch_steps", {TERMINATE: terminated})
    if stands:
        assert nothing_left_to_do(extraction, context(ti)) is True
    else:
        with pytest.raises(AirflowFailException, match="clear from create_cluster with downstream"):
            nothing_left_to_do(extraction, context(ti))


@pytest.mark.parametrize("state", [None, "scheduled", "up_for_retry"])
def test_a_task_in_its_turn_goes_on_without_asking(
    state: str | None, extraction: ExtractionPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, "extraction_run")
    assert nothing_left_to_do(extraction, context(Ti("emr_tasks.watch_steps", {TERMINATE: state}))) is False


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Claims that were given back, and texts of mails that were sent."""
    found = SimpleNamespace(given_back=[], mails=[])
    install(monkeypatch, "refresher", fail_refresh=lambda plan, run: found.given_back.append(run.run_id))
    monkeypatch.setattr("idiscover.orchestration.mail.send", lambda mail, plan: found.mails.append(mail.text))
    return found


def test_of_several_units_that_fail_one_mails_and_the_last_gives_the_claim_back(
    refresh: RefreshPlan, seen: SimpleNamespace
) -> None:
    failed = callbacks.after_refresh_failure(refresh)
    first = Ti("t1.call", {"t1.call_0": "running", "t1.call_1": "queued", "t1.slices": "success"}, map_index=0)
    failed(context(first, exception=ConfigError("no such country", got="XX"), unit=["FR", "DE"]))
    assert seen.given_back == [] and len(seen.mails) == 1
    assert "FR, DE" in seen.mails[0] and "no such country" in seen.mails[0] and "t1.call (try 3)" in seen.mails[0]
    last = Ti("t1.call", {"t1.call_0": "failed", "t1.call_1": "running"}, map_index=1)
    failed(context(last, exception=ConfigError("no such country", got="YY"), unit=["IT"]))
    assert seen.given_back == ["r"] and len(seen.mails) == 1


@pytest.mark.parametrize(
    ("others", "given_back"),
    [
        (("failed", "success"), ["r"]),
        (("failed", "up_for_retry"), []),
        (("failed", None), []),
        (("success", "success"), []),
    ],
)
def test_a_unit_that_succeeds_last_gives_back_what_another_could_not(
    others: tuple[str | None, str | None], given_back: list[str], refresh: RefreshPlan, seen: SimpleNamespace
) -> None:
    states = {"t1.call_0": others[0], "t1.call_1": others[1], "t1.call_2": "running"}
    callbacks.after_refresh_unit(refresh)(context(Ti("t1.call", states, map_index=2)))
    assert (seen.given_back, seen.mails) == (given_back, [])


@pytest.mark.parametrize("task_id", ["t1.slices", "end"])
def test_other_tasks_of_a_refresh_give_back_and_mail(task_id: str, refresh: RefreshPlan, seen: SimpleNamespace) -> None:
    callbacks.after_refresh_failure(refresh)(context(Ti(task_id, {"t1.call_0": "success"})))
    assert seen.given_back == ["r"] and len(seen.mails) == 1


def test_a_callback_goes_on_when_a_part_of_it_fails(
    refresh: RefreshPlan, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(plan: object, run: object) -> None:
        raise OSError("job metadata is down")

    mails: list[object] = []
    install(monkeypatch, "refresher", fail_refresh=broken)
    monkeypatch.setattr("idiscover.orchestration.mail.send", lambda mail, plan: mails.append(mail))
    callbacks.after_refresh_failure(refresh)(context(Ti("end", {})))
    assert len(mails) == 1 and "give the claim back" in caplog.text


@pytest.mark.parametrize(("others", "mailed"), [("success", 1), ("failed", 0)])
def test_a_failed_end_releases_the_lock_and_mails_what_the_closing_mail_could_not_know(
    others: str, mailed: int, extraction: ExtractionPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    released: list[str] = []
    mails: list[object] = []
    install(monkeypatch, "extraction_run", release_lock=lambda plan, run: released.append(run.run_id))
    monkeypatch.setattr("idiscover.orchestration.mail.send", lambda mail, plan: mails.append(mail))
    states = {**dict.fromkeys(CHAIN, "success"), "emr_tasks.watch_steps": others, "end": "failed"}
    callbacks.after_extraction_failure(extraction)(context(Ti("end", states)))
    assert released == ["r"] and len(mails) == mailed


def test_attempts_cover_the_time() -> None:
    assert [attempts(60, 7), attempts(60, 60), attempts(10, 60)] == [9, 1, 1]
