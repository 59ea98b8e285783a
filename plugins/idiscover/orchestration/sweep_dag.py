"""`sweep_pending`: wakes the consumers for which something is pending that no asset event woke.

Events can get lost (several within a moment make one run) and a mart's cut-off passes without any event.
"""

from __future__ import annotations

from pathlib import Path

from airflow.sdk import DAG, get_current_context, task

from idiscover.metadata.models import Owner
from idiscover.orchestration.dag_settings import run_arguments
from idiscover.orchestration.errors import airflow_errors
from idiscover.plan.dag_files import load_plan
from idiscover.plan.model import LoadPlan, RefreshPlan
from idiscover.plan.sweep import SWEEP_DAG_ID, SweepPlan

_DOC = """Wakes `s3_to_redshift__…`, `stg_to_itg__…`, `itg_to_dm__…` and `dm_to_dm__…` when job metadata says that
something is pending for them which no asset event woke: a lost event, a cut-off that has passed, a run that failed.

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
        from idiscover.aws.sweep import due_dag_ids

        with airflow_errors():
            found = due_dag_ids(consumer_plans(folder))
        ti = get_current_context()["ti"]
        return sorted(dag_id for dag_id in found if ti.get_dr_count(dag_id=dag_id, states=["queued"]) == 0)

    from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator

    with dag:
        TriggerDagRunOperator.partial(
            task_id="trigger", logical_date=None, map_index_template="{{ task.trigger_dag_id }}"
        ).expand(trigger_dag_id=due())
    return dag


def consumer_plans(folder: Path) -> list[LoadPlan | RefreshPlan]:
    """Plans of all loads and refreshes in `folder`, sorted by dag_id."""
    paths = sorted(path for path in folder.glob("*__*.json"))
    plans = [load_plan(path) for path in paths if path.with_suffix(".py").exists()]
    return [plan for plan in plans if isinstance(plan, LoadPlan | RefreshPlan)]
