"""`publish_tableau`: a task per subject, after a load of any of their tables, and by the clock.

By the clock too, because a load that a check has refused emits no event, and its warning must be shown all the same.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from pathlib import Path

from airflow.sdk import DAG, AssetOrTimeSchedule, Context, CronTriggerTimetable, get_current_context, task

from idiscover.metadata.models import Owner
from idiscover.orchestration.dag_settings import any_of, run_arguments
from idiscover.orchestration.errors import failure_recorded, own_failure
from idiscover.plan.tableau import TABLEAU_DAG_ID, TableauPlan

log = logging.getLogger(__name__)

_DOC = """Brings each subject of `metadata/subjects/` to Tableau: the data source if its text has changed, then the
certification with freshness and reconciliation, a warning where a check failed, and the extract where there is one.

A run that finds nothing new changes nothing. `idiscover tableau publish` does the same.
"""
_BESIDE_THE_JOB = timedelta(minutes=10)


def build(plan_path: Path) -> DAG:
    """The DAG; `plan_path` is its plan."""
    plan = TableauPlan.model_validate_json(plan_path.read_bytes())
    owner = Owner(name="idiscover", email=plan.context.mail.recipients[0])
    dag = DAG(
        dag_id=TABLEAU_DAG_ID,
        description="Brings subjects to Tableau after each load",
        doc_md=_DOC,
        tags=["platform", plan.context.environment],
        schedule=_schedule(plan),
        max_active_runs=1,
        **run_arguments(owner, plan.context.airflow),
    )

    @task(
        task_id="publish",
        map_index_template="{{ subject }}",
        max_active_tis_per_dag=1,  # a personal access token has one session: a second sign-in ends the first
        execution_timeout=timedelta(seconds=plan.context.tableau.job_timeout_seconds) + _BESIDE_THE_JOB,
        on_failure_callback=[lambda context: _after_failure(plan, context)],
    )
    def publish(subject: str) -> None:
        """Brings one subject to Tableau."""
        from idiscover.aws.publishing import catalog_in_force
        from idiscover.aws.tableau_publishing import publish_subjects

        context = get_current_context()
        context["subject"] = subject
        with failure_recorded(context):
            catalog = catalog_in_force(plan.context)
            if subject not in catalog.subjects:
                log.info("%s is no subject any more; publish_dags will take its task away", subject)
                return
            publish_subjects([catalog.subjects[subject]], catalog, plan.context, log.info)

    with dag:
        publish.expand(subject=list(plan.subjects))
    return dag


def _schedule(plan: TableauPlan) -> object:
    """Events, and the clock where the environment's schedules start runs."""
    events = any_of(plan.wakes_on)
    if not plan.context.airflow.schedules_start_runs:
        return events
    cron = CronTriggerTimetable(plan.context.tableau.schedule, timezone="UTC")
    return AssetOrTimeSchedule(timetable=cron, assets=events)


def _after_failure(plan: TableauPlan, context: Context) -> None:
    """One mail per subject that failed for good; never raises."""
    from idiscover.aws.mailing import send_or_warn
    from idiscover.notify.tableau import failed_tableau_mail

    try:
        run = context["dag_run"]
        subject = plan.subjects[context["ti"].map_index]
        mail = failed_tableau_mail(own_failure(context), subject, run.dag_id, run.run_id, plan.context.environment)
        send_or_warn(mail, plan.context, [])
    except Exception:
        log.warning("could not tell of the failure", exc_info=True)
