"""Which errors Airflow retries, what callbacks do, and when a task cleared alone may go on."""

from __future__ import annotations

import sys
from contextlib import suppress
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException, TaskDeferralError, TaskDeferralTimeout
from idiscover.errors import (
    ConfigError,
    DataQualityError,
    FailureKind,
    FatalError,
    IdiscoverError,
    NextRunError,
    RetriableError,
    UnforeseenError,
)
from idiscover.notify.failures import Failure
from idiscover.orchestration import callbacks
from idiscover.orchestration.errors import airflow_errors, failure_recorded, tries_of
from idiscover.orchestration.operators import attempts, nothing_left_to_do
from idiscover.orchestration.run_states import CHAIN, TERMINATE, faults
from idiscover.plan.model import ExtractionPlan, RefreshPlan

from tests.dags.compiled import repository_plans


class Ti:
    """A task instance with chosen states of its run."""

    def __init__(self, task_id: str, states: dict[str, str | None], map_index: int = -1) -> None:
        self.dag_id, self.run_id, self.task_id, self.map_index = "d", "r", task_id, map_index
        self.try_number, self.max_tries, self.log_url = 3, 2, "http://airflow/log"
        self.task = SimpleNamespace(retries=2)
        self.states = states
        self.pushed: dict[str, Any] = {}
        self.left: dict[tuple[str, str, int], Any] = {}  # XComs of the run: task, key, map index

    def get_task_states(self, dag_id: str, run_ids: list[str]) -> dict[str, dict[str, str | None]]:
        return {self.run_id: self.states}

    def xcom_push(self, key: str, value: object) -> None:
        self.pushed[key] = value
        self.left[self.task_id, key, self.map_index] = value

    def xcom_pull(self, task_ids: str, key: str = "return_value", map_indexes: int = -1) -> Any:
        return self.left.get((task_ids, key, map_indexes))


def context(ti: Ti, **more: Any) -> Any:
    run = SimpleNamespace(
        dag_id="d", run_id="r", run_type="manual", data_interval_start=None, data_interval_end=None, conf=None
    )
    return {"ti": ti, "dag_run": run, "params": {}, **more}


@pytest.mark.parametrize("kind", [ConfigError, FatalError, DataQualityError, NextRunError, IdiscoverError])
def test_errors_that_no_retry_mends_fail_at_once(kind: type[IdiscoverError]) -> None:
    with pytest.raises(AirflowFailException, match="got: 3") as caught, airflow_errors():
        raise kind("rows differ", got=3, expected=4)
    assert isinstance(caught.value.__cause__, kind)


def test_errors_that_pass_are_retried() -> None:
    with pytest.raises(RetriableError), airflow_errors():
        raise RetriableError("throttled")
    with pytest.raises(UnforeseenError), airflow_errors():
        raise UnforeseenError("not even Spark started")
    with pytest.raises(OSError), airflow_errors():
        raise OSError("reset")


@pytest.mark.parametrize("kind", [TaskDeferralError, TaskDeferralTimeout])
def test_a_wait_that_was_interrupted_is_taken_up_again(kind: type[Exception]) -> None:
    with pytest.raises(RetriableError, match="waiting was interrupted"), airflow_errors():
        raise kind("Trigger failure")


def test_the_reason_of_a_failure_is_left_for_the_closing_mail() -> None:
    ti = Ti("x", {})
    with pytest.raises(AirflowFailException), failure_recorded(context(ti)):
        raise ConfigError("no such field", key="Naem", remedy="password=hunter2")
    word = ti.pushed["failure"]
    assert (word["tries"], word["log_uri"]) == (3, "http://airflow/log")
    told = Failure.model_validate(word["failure"])
    assert (told.kind, told.error, told.is_retried) == (FailureKind.NEEDS_A_PERSON, "ConfigError", False)
    assert told.message == "no such field\n  key: Naem" and told.remedy == "password=***"


def test_word_that_cannot_be_left_hides_no_error(caplog: pytest.LogCaptureFixture) -> None:
    ti = Ti("x", {})
    ti.xcom_push = lambda key, value: 1 / 0  # type: ignore[assignment]
    with pytest.raises(RetriableError), failure_recorded(context(ti)):
        raise RetriableError("the line is down")
    assert "no word of the failure could be left" in caplog.text


@pytest.mark.parametrize(("try_number", "max_tries", "tries"), [(1, 2, 1), (3, 2, 3), (4, 5, 1), (6, 5, 3)])
def test_tries_are_counted_since_the_task_was_cleared(try_number: int, max_tries: int, tries: int) -> None:
    ti = Ti("x", {})
    ti.try_number, ti.max_tries = try_number, max_tries  # Airflow goes on counting after a clear
    assert tries_of(ti) == tries


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
        with pytest.raises(NextRunError, match="clear from create_cluster with downstream"):
            nothing_left_to_do(extraction, context(ti))


@pytest.mark.parametrize("state", [None, "scheduled", "up_for_retry"])
def test_a_task_in_its_turn_goes_on_without_asking(
    state: str | None, extraction: ExtractionPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, "extraction_run")
    assert nothing_left_to_do(extraction, context(Ti("emr_tasks.watch_steps", {TERMINATE: state}))) is False


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Locks and claims that were given back, mails that were sent, failures that were written."""
    found = SimpleNamespace(given_back=[], mails=[], written=[])
    install(monkeypatch, "refresher", fail_refresh=lambda plan, run: found.given_back.append(run.run_id))
    install(monkeypatch, "extraction_run", release_lock=lambda plan, run: found.given_back.append(run.run_id))
    install(monkeypatch, "step_log", write_run_failure=lambda plan, run, failure: found.written.append(failure))
    monkeypatch.setattr("idiscover.orchestration.mail.send", lambda mail, plan: found.mails.append(mail))
    return found


def unit(index: int, others: dict[str, str | None], error: Exception | None = None) -> Ti:
    """A task with units of countries whose try ends now, with `error`; None: it is killed, or succeeds."""
    ti = Ti("t1.call", {"t1.slices": "success", f"t1.call_{index}": "running", **others}, map_index=index)
    ti.left["t1.slices", "return_value", -1] = [[["FR"], ["DE"]], [["IT"]], [["JP"]]]
    if error is not None:
        with suppress(type(error), AirflowFailException), failure_recorded(context(ti)):
            raise error
    return ti


def test_of_several_units_that_fail_the_last_gives_the_claim_back_and_tells_of_all(
    refresh: RefreshPlan, seen: SimpleNamespace
) -> None:
    failed = callbacks.after_refresh_failure(refresh)
    first = unit(0, {"t1.call_1": "queued"}, RetriableError("deadlock"))
    failed(context(first))
    assert seen.given_back == [] and seen.mails == [], "the other unit is still to run"
    last = unit(1, {"t1.call_0": "failed"}, ConfigError("no such country", got="YY"))
    last.left |= first.left
    failed(context(last))
    assert seen.given_back == ["r"] and len(seen.mails) == 1
    assert "t1.call (FR, DE): deadlock" in seen.mails[0].text and "t1.call (IT): no such country" in seen.mails[0].text
    assert "FAILED (needs a person)" in seen.mails[0].subject, "one of them needs somebody"
    assert [task.countries for task in seen.written[0].failed] == [("FR", "DE"), ("IT",)]


@pytest.mark.parametrize(
    ("others", "told"),
    [
        (("failed", "success"), 1),
        (("failed", "up_for_retry"), 0),
        (("failed", None), 0),
        (("success", "success"), 0),
    ],
)
def test_a_unit_that_succeeds_last_gives_back_and_tells_what_another_could_not(
    others: tuple[str | None, str | None], told: int, refresh: RefreshPlan, seen: SimpleNamespace
) -> None:
    ti = unit(2, {"t1.call_0": others[0], "t1.call_1": others[1]})
    callbacks.after_refresh_unit(refresh)(context(ti))
    assert (len(seen.given_back), len(seen.mails)) == (told, told)
    if told:
        assert "t1.call (FR, DE)" in seen.mails[0].text and "FAILED (passing)" in seen.mails[0].subject


def test_a_unit_whose_process_was_killed_is_told_by_name(refresh: RefreshPlan, seen: SimpleNamespace) -> None:
    callbacks.after_refresh_failure(refresh)(context(unit(1, {"t1.call_0": "success"})))
    assert seen.given_back == ["r"]
    text = seen.mails[0].text
    assert "t1.call (IT): its process ended without a word" in text and "3 times; Airflow has given up" in text
    assert "http://airflow/log" in text and "FAILED (passing)" in seen.mails[0].subject


@pytest.mark.parametrize("task_id", ["t1.slices", "end"])
def test_other_tasks_of_a_refresh_give_back_and_mail(task_id: str, refresh: RefreshPlan, seen: SimpleNamespace) -> None:
    callbacks.after_refresh_failure(refresh)(context(Ti(task_id, {"t1.call_0": "success"})))
    assert seen.given_back == ["r"] and len(seen.mails) == 1


def test_a_callback_goes_on_when_a_part_of_it_fails(
    refresh: RefreshPlan, monkeypatch: pytest.MonkeyPatch, seen: SimpleNamespace, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_arguments: object) -> None:
        raise OSError("job metadata is down")

    install(monkeypatch, "refresher", fail_refresh=broken)
    install(monkeypatch, "step_log", write_run_failure=broken)
    callbacks.after_refresh_failure(refresh)(context(Ti("end", {})))
    assert len(seen.mails) == 1
    assert "give the claim back" in caplog.text and "write the failure's status" in caplog.text


@pytest.mark.parametrize(
    ("watch", "closing", "subjects"),
    [
        ("success", "success", ["sfdc_to_s3__account: end FAILED (passing)"]),
        ("failed", "success", []),
        ("failed", "failed", ["account: extraction FAILED (passing)"]),
    ],
)
def test_a_failed_end_releases_the_lock_and_mails_what_the_closing_mail_did_not(
    watch: str, closing: str, subjects: list[str], extraction: ExtractionPlan, seen: SimpleNamespace
) -> None:
    done = {"emr_tasks.watch_steps": watch, "send_email_cluster_termination": closing, "end": "failed"}
    callbacks.after_extraction_failure(extraction)(context(Ti("end", {**dict.fromkeys(CHAIN, "success"), **done})))
    assert seen.given_back == ["r"]
    assert [mail.subject.removeprefix("[iDiscover local] ") for mail in seen.mails] == subjects


def test_attempts_cover_the_time() -> None:
    assert [attempts(60, 7), attempts(60, 60), attempts(10, 60)] == [9, 1, 1]
