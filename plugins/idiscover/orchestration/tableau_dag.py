"""`publish_tableau_<subject>`: brings one subject to Tableau, after a load of its table, and by the clock.

By the clock too, because a load that a check has refused emits no event, and its warning must be shown all the same;
`sweep_pending` wakes the DAG within minutes of that.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from pathlib import Path

from airflow.sdk import DAG, AssetOrTimeSchedule, Context, CronTriggerTimetable, get_current_context, task

from idiscover.orchestration.dag_settings import any_of, run_arguments
from idiscover.orchestration.errors import failure_recorded, own_failure
from idiscover.plan.tableau import TABLEAU_POOL, SubjectPlan

log = logging.getLogger(__name__)

_DOC = """Brings the subject *{title}* (`metadata/subjects/{name}.yaml`, `{view}`) to Tableau: the data source if its
text has changed, then the certification with freshness and reconciliation, a warning where a check failed, and the
extract where there is one.

A run that finds nothing new changes nothing. `idiscover tableau publish {name}` does the same.
"""
_BESIDE_THE_JOB = timedelta(minutes=10)


def build(plan_path: Path) -> DAG:
    """The DAG; `plan_path` is its plan."""
    plan = SubjectPlan.model_validate_json(plan_path.read_bytes())
    subject = plan.subject
    dag = DAG(
        dag_id=plan.dag_id,
        description=f"Brings {subject.title} to Tableau after each load",
        doc_md=_DOC.format(title=subject.title, name=subject.subject, view=subject.view),
        tags=sorted(["tableau", plan.context.environment]),
        schedule=_schedule(plan),
        max_active_runs=1,
        **run_arguments(subject.owner, plan.context.airflow),
    )

    @task(
        task_id="publish",
        pool=TABLEAU_POOL,
        execution_timeout=timedelta(seconds=plan.context.tableau.job_timeout_seconds) + _BESIDE_THE_JOB,
        on_failure_callback=[lambda context: _after_failure(plan, context)],
    )
    def publish() -> None:
        """Brings the subject to Tableau."""
        from idiscover.aws.tableau_publishing import publish_subjects

        with failure_recorded(get_current_context()):
            publish_subjects([plan], plan.context, log.info)

    with dag:
        publish()
    return dag


def _schedule(plan: SubjectPlan) -> object:
    """Events, and the clock where the environment's schedules start runs."""
    events = any_of(plan.wakes_on)
    if not plan.context.airflow.schedules_start_runs:
        return events
    cron = CronTriggerTimetable(plan.context.tableau.schedule, timezone="UTC")
    return AssetOrTimeSchedule(timetable=cron, assets=events)


def _after_failure(plan: SubjectPlan, context: Context) -> None:
    """One mail once it has failed for good, to the subject's owner too; never raises."""
    from idiscover.aws.mailing import send_or_warn
    from idiscover.notify.tableau import failed_tableau_mail

    try:
        run = context["dag_run"]
        mail = failed_tableau_mail(own_failure(context), plan.subject, run.dag_id, run.run_id, plan.context.environment)
        send_or_warn(mail, plan.context, [plan.subject.owner.email])
    except Exception:
        log.warning("could not tell of the failure", exc_info=True)
