"""What happens when a task has failed for good: what it held is given back, and people are told.

These run on the worker, after the task. They log what they cannot do and never raise: an error here would only hide the
one that matters, and what is not given back lapses with its lease.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from idiscover.notify.failures import FailedTask
from idiscover.orchestration.errors import failed_task, own_failure
from idiscover.orchestration.identity import is_dry_run, plain_identity
from idiscover.orchestration.run_states import CALL, CLOSING_MAIL, FINISHED, SLICES, faults, task_states

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.sdk.types import RuntimeTaskInstanceProtocol

    from idiscover.notify.failures import RunFailure
    from idiscover.notify.mails import Mail
    from idiscover.plan.model import ExtractionPlan, LoadPlan, RefreshPlan

log = logging.getLogger(__name__)

Callback = Callable[["Context"], None]


def after_extraction_failure(plan: ExtractionPlan) -> Callback:
    """For `end`: gives back the object's lock, and mails what the closing mail did not tell."""

    def callback(context: Context) -> None:
        from idiscover.aws.extraction_run import release_lock

        if is_dry_run(context):  # whoever started it looks at it, and it holds nothing
            return
        _attempt("release the object's lock", lambda: release_lock(plan, plain_identity(context)))
        states = task_states(context)
        if not faults(states):
            _attempt("tell of the failure", lambda: _tell_unregistered(plan, context))
        elif states.get(CLOSING_MAIL) != "success":
            _attempt("tell of the failure", lambda: _tell_extraction(plan, context))

    return callback


def after_load_failure(plan: LoadPlan) -> Callback:
    """For every task of a load: mails. Pending batches need no giving back."""

    def callback(context: Context) -> None:
        if not is_dry_run(context):
            _attempt("tell of the failure", lambda: _tell_consumer(plan, context, [own_failure(context)]))

    return callback


def after_refresh_failure(plan: RefreshPlan) -> Callback:
    """For every task of a refresh: gives the claim back, and sends one mail however many units of countries fail.

    While other units are still to run, the claim is theirs too: the last of them gives it back, and tells of all.
    """

    def callback(context: Context) -> None:
        if is_dry_run(context):
            return
        others = _other_units(context)
        if all(state in FINISHED for state in others.values()):
            failed = sorted([_own_unit(context), *_failed_units(context, others)], key=lambda task: task.countries)
            _end_refresh(plan, context, failed)

    return callback


def after_refresh_unit(plan: RefreshPlan) -> Callback:
    """For a unit that succeeded: gives the claim back, and mails, if it was the last to run and another had failed.

    Units run one at a time, in the one slot of their table's pool, so that exactly one of them is the last.
    """

    def callback(context: Context) -> None:
        others = _other_units(context)
        if "failed" in others.values() and all(state in FINISHED for state in others.values()):
            _end_refresh(plan, context, _failed_units(context, others))

    return callback


def tell_of_warnings(plan: RefreshPlan, context: Context) -> None:
    """Mails the checks with severity warn that failed in a refresh; what cannot be sent is a warning, never a stop."""
    from idiscover.aws.check_runs import told, warnings_of_run

    def tell() -> None:
        run = plain_identity(context)
        warnings = warnings_of_run(plan, run.run_id)
        if not warnings:
            return
        from idiscover.notify.mails import FailedCheck, check_warning_mail
        from idiscover.orchestration.mail import send

        found = [
            FailedCheck(name=check.name, countries=countries, told=told(check), query=str(check.query))
            for countries, check in warnings
        ]
        send(check_warning_mail(plan, run.run_id, found), plan)

    _attempt("tell of the checks that warn", tell)


def _end_refresh(plan: RefreshPlan, context: Context, failed: list[FailedTask]) -> None:
    _give_back(plan, context)
    _attempt("tell of the failure", lambda: _tell_consumer(plan, context, failed))


def _give_back(plan: RefreshPlan, context: Context) -> None:
    from idiscover.aws.refresher import fail_refresh

    _attempt("give the claim back", lambda: fail_refresh(plan, plain_identity(context)))


def _attempt(what: str, action: Callable[[], object]) -> None:
    try:
        action()
    except Exception:
        log.warning("could not %s", what, exc_info=True)


def _tell_extraction(plan: ExtractionPlan, context: Context) -> None:
    from idiscover.notify.mails import extraction_failure_mail
    from idiscover.notify.run_failures import extraction_failure
    from idiscover.orchestration.mail import extraction_result

    result = extraction_result(plan, context)
    failure = extraction_failure(result, plan)
    _tell(plan, context, failure, extraction_failure_mail(failure, result, plan))


def _tell_unregistered(plan: ExtractionPlan, context: Context) -> None:
    from idiscover.notify.mails import failure_mail
    from idiscover.notify.run_failures import unregistered_failure

    own = own_failure(context)
    failure = unregistered_failure(plain_identity(context), [own], plan, context["ti"].log_url)
    _tell(plan, context, failure, failure_mail(failure, plan))


def _tell_consumer(plan: LoadPlan | RefreshPlan, context: Context, failed: list[FailedTask]) -> None:
    from idiscover.notify.mails import failure_mail
    from idiscover.notify.run_failures import consumer_failure

    failure = consumer_failure(plain_identity(context), failed, plan, context["ti"].log_url)
    _tell(plan, context, failure, failure_mail(failure, plan))


def _tell(plan: ExtractionPlan | LoadPlan | RefreshPlan, context: Context, failure: RunFailure, mail: Mail) -> None:
    """The mail first: the document needs S3 and the job metadata, which may be what failed."""
    from idiscover.aws.step_log import write_run_failure
    from idiscover.orchestration.mail import send

    _attempt("send the failure mail", lambda: send(mail, plan))
    _attempt("write the failure's status", lambda: write_run_failure(plan, plain_identity(context), failure))


def _own_unit(context: Context) -> FailedTask:
    own, ti = own_failure(context), context["ti"]
    return own if _unit_index(ti) is None else own.model_copy(update={"countries": _countries(context, ti.map_index)})


def _failed_units(context: Context, states: dict[str, str | None]) -> list[FailedTask]:
    """Those of the units in `states` (by name and map index) that failed, with their countries."""
    indexes = [int(name.removeprefix(f"{CALL}_")) for name, state in states.items() if state == "failed"]
    return [
        failed_task(context, CALL, "failed", index).model_copy(update={"countries": _countries(context, index)})
        for index in sorted(indexes)
    ]


def _countries(context: Context, index: int) -> tuple[str, ...]:
    """Of the units with that map index; none if what was mapped over is not there any more."""
    groups = context["ti"].xcom_pull(task_ids=SLICES, map_indexes=-1) or []
    return tuple(country for unit in groups[index] for country in unit) if index < len(groups) else ()


def _unit_index(ti: RuntimeTaskInstanceProtocol) -> int | None:
    return ti.map_index if ti.map_index is not None and ti.map_index >= 0 else None


def _other_units(context: Context) -> dict[str, str | None]:
    """States of the run's other units of countries, by name and map index; empty outside the mapped task.

    The own state is left out: while callbacks run, the server does not know it yet.
    """
    ti = context["ti"]
    index = _unit_index(ti)
    if index is None:
        return {}
    own, prefix = f"{ti.task_id}_{index}", f"{ti.task_id}_"
    return {name: state for name, state in task_states(context).items() if name.startswith(prefix) and name != own}
