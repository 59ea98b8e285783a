"""What happens when a task has failed for good: what it held is given back, and people are told.

These run on the worker, after the task. They log what they cannot do and never raise: an error here would only hide the
one that matters, and what is not given back lapses with its lease.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from idiscover.orchestration.identity import plain_identity
from idiscover.orchestration.run_states import FINISHED, faults, task_states

if TYPE_CHECKING:
    from airflow.sdk import Context

    from idiscover.plan.model import ExtractionPlan, LoadPlan, RefreshPlan

log = logging.getLogger(__name__)

Callback = Callable[["Context"], None]


def after_extraction_failure(plan: ExtractionPlan) -> Callback:
    """For `end`: gives back the object's lock; mails if the closing mail could not know of the failure."""

    def callback(context: Context) -> None:
        from idiscover.aws.extraction_run import release_lock

        _attempt("release the object's lock", lambda: release_lock(plan, plain_identity(context)))
        if _others_succeeded(context):
            _attempt("send the failure mail", lambda: _mail_failure(plan, context))

    return callback


def after_load_failure(plan: LoadPlan) -> Callback:
    """For every task of a load: mails. Pending batches need no giving back."""

    def callback(context: Context) -> None:
        _attempt("send the failure mail", lambda: _mail_failure(plan, context))

    return callback


def after_refresh_failure(plan: RefreshPlan) -> Callback:
    """For every task of a refresh: gives the claim back, and mails once however many countries fail.

    While other units of countries are still to run, the claim is theirs too: the last of them gives it back.
    """

    def callback(context: Context) -> None:
        others = _other_units(context)
        if all(state in FINISHED for state in others.values()):
            _give_back(plan, context)
        if "failed" not in others.values():
            _attempt("send the failure mail", lambda: _mail_failure(plan, context))

    return callback


def after_refresh_unit(plan: RefreshPlan) -> Callback:
    """For a unit that succeeded: gives the claim back if it was the last to run and another had failed.

    Units run one at a time, in the one slot of their table's pool, so that exactly one of them is the last.
    """

    def callback(context: Context) -> None:
        others = _other_units(context).values()
        if "failed" in others and all(state in FINISHED for state in others):
            _give_back(plan, context)

    return callback


def _give_back(plan: RefreshPlan, context: Context) -> None:
    from idiscover.aws.refresher import fail_refresh

    _attempt("give the claim back", lambda: fail_refresh(plan, plain_identity(context)))


def _attempt(what: str, action: Callable[[], object]) -> None:
    try:
        action()
    except Exception:
        log.warning("could not %s", what, exc_info=True)


def _mail_failure(plan: ExtractionPlan | LoadPlan | RefreshPlan, context: Context) -> None:
    from idiscover.notify.mails import TaskReport, failure_mail
    from idiscover.orchestration.mail import send

    ti = context["ti"]
    error = context.get("exception")
    report = TaskReport(
        run=plain_identity(context),
        task_id=ti.task_id,
        try_number=ti.try_number,
        reason=str(error) if error is not None else "",
        log_uri=ti.log_url,
        countries=tuple(context.get("unit") or ()),
    )
    send(failure_mail(report, plan), plan)


def _others_succeeded(context: Context) -> bool:
    return not faults(task_states(context))


def _other_units(context: Context) -> dict[str, str | None]:
    """States of the run's other units of countries, by name and map index; empty outside the mapped task.

    The own state is left out: while callbacks run, the server does not know it yet.
    """
    ti = context["ti"]
    if ti.map_index is None or ti.map_index < 0:
        return {}
    own, prefix = f"{ti.task_id}_{ti.map_index}", f"{ti.task_id}_"
    return {name: state for name, state in task_states(context).items() if name.startswith(prefix) and name != own}
