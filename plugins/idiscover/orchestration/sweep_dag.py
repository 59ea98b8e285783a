"""`sweep_pending`: wakes the consumers for which something is pending that no asset event woke.

Events can get lost (several within a moment make one run) and a mart's cut-off passes without any event.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from airflow.sdk import DAG, Context, get_current_context, task

from idiscover.metadata.models import Owner
from idiscover.orchestration.dag_settings import run_arguments
from idiscover.orchestration.errors import airflow_errors
from idiscover.plan.dag_files import load_plan
from idiscover.plan.model import LoadPlan, RefreshPlan
from idiscover.plan.sweep import SWEEP_DAG_ID, SweepPlan
from idiscover.plan.tableau import DAG_PREFIX, SubjectPlan

_LOOK_BACK = timedelta(hours=1)  # of the first sweep
_DOC = """Wakes `s3_to_redshift__…`, `stg_to_itg__…`, `itg_to_dm__…` and `dm_to_dm__…` when job metadata says that
something is pending for them which no asset event woke: a lost event, a cut-off that has passed, a run that failed.

`publish_tableau_…` too, when a check has refused a load: a load that fails emits no event, and its warning is due.

A consumer that already has a run waiting is left alone. The consumers are those whose plans lie beside this file.
"""


def build(plan_path: Path) -> DAG:
    """The sweep DAG. `plan_path` is its own plan; the consumers' plans are read when it runs, not when it is parsed."""
    plan = SweepPlan.model_validate_json(plan_path.read_bytes())
    owner = Owner(name="idiscover", email=plan.context.mail.recipients[0])
    dag = DAG(
        dag_id=SWEEP_DAG_ID,
        description="Wakes consumers for which something is pending",
        doc_md=_DOC,
        tags=["platform", plan.context.environment],
        schedule=plan.context.airflow.sweep_schedule,
        max_active_runs=1,
        **run_arguments(owner, plan.context.airflow),
    )
    folder = plan_path.parent

    @task(task_id="due")
    def due() -> list[str]:
        """The dag_ids to wake, sorted."""
        from idiscover.aws.sweep import due_dag_ids, refused_subjects

        context = get_current_context()
        with airflow_errors():
            found = due_dag_ids(consumer_plans(folder)) + refused_subjects(subject_plans(folder), _since(context))
        ti = context["ti"]
        return sorted(dag_id for dag_id in found if ti.get_dr_count(dag_id=dag_id, states=["queued"]) == 0)

    from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator

    with dag:
        TriggerDagRunOperator.partial(
            task_id="trigger", logical_date=None, map_index_template="{{ task.trigger_dag_id }}"
        ).expand(trigger_dag_id=due())
    return dag


def _since(context: Context) -> datetime:
    """Begin of the last sweep that succeeded: what came before it, that one has seen."""
    last = context["prev_start_date_success"]  # a proxy, which no driver takes
    return datetime.fromisoformat(str(last)) if last else datetime.now(UTC) - _LOOK_BACK


def subject_plans(folder: Path) -> list[SubjectPlan]:
    """Plans of all subjects that are brought to Tableau, sorted by dag_id."""
    paths = sorted(path for path in folder.glob(f"{DAG_PREFIX}*.json") if path.with_suffix(".py").exists())
    return [SubjectPlan.model_validate_json(path.read_bytes()) for path in paths]


def consumer_plans(folder: Path) -> list[LoadPlan | RefreshPlan]:
    """Plans of all loads and refreshes in `folder`, sorted by dag_id."""
    paths = sorted(path for path in folder.glob("*__*.json"))
    plans = [load_plan(path) for path in paths if path.with_suffix(".py").exists()]
    return [plan for plan in plans if isinstance(plan, LoadPlan | RefreshPlan)]
