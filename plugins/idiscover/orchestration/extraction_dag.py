"""`sfdc_to_s3__<object>`: the one shape in which the cluster is always terminated and the mail always sent.

The teardowns have no setup, and `end` is one of them: other shapes leak a cluster, lose the mail, or turn a failed run
green. Edges are set between tasks, because an arrow from a group would leave its teardowns out.
"""

from __future__ import annotations

from airflow.sdk import DAG, BaseOperator, TaskGroup, chain

from idiscover.emr.cluster import job_flow_overrides, own_cluster_name
from idiscover.emr.steps import extraction_step
from idiscover.orchestration.callbacks import after_extraction_failure
from idiscover.orchestration.cluster_end import TerminateCluster, WatchTermination
from idiscover.orchestration.dag_settings import dag_arguments
from idiscover.orchestration.end_of_extraction import EndOfExtraction
from idiscover.orchestration.mail import REQUEST_URI_KEY, ClosingMailOperator, StartMailOperator
from idiscover.orchestration.membership import WHOSE_STEP
from idiscover.orchestration.operators import AddSteps, CreateCluster, WatchSteps
from idiscover.orchestration.parameters import extraction_parameters
from idiscover.orchestration.run_states import CLOSING_MAIL, END, GROUP, START_MAIL
from idiscover.orchestration.timetable import OrgDayTimetable
from idiscover.plan.build import EMR_POOL
from idiscover.plan.model import ExtractionPlan

MAX_ACTIVE_RUNS = 2  # a disjoint backfill beside the daily run
_REQUEST_URI = f"{{{{ ti.xcom_pull(task_ids='{START_MAIL}', key='{REQUEST_URI_KEY}') }}}}"


def build(plan: ExtractionPlan) -> DAG:
    """The DAG of one object's extraction: eight tasks in one chain."""
    dag = DAG(
        schedule=OrgDayTimetable(plan.schedule, plan.context.airflow.schedules_start_runs),
        max_active_runs=MAX_ACTIVE_RUNS,
        params=extraction_parameters(plan),
        **dag_arguments(plan),
    )
    with dag:
        start = StartMailOperator(task_id=START_MAIL, plan=plan)
        emr_tasks = _emr_tasks(plan)
        closing_mail = ClosingMailOperator(task_id=CLOSING_MAIL, plan=plan)
        end = EndOfExtraction(task_id=END, plan=plan, on_failure_callback=after_extraction_failure(plan))
        for task in (*emr_tasks[3:], closing_mail, end):
            task.as_teardown(on_failure_fail_dagrun=True)
        chain(start, *emr_tasks, closing_mail, end)
    return dag


def _emr_tasks(plan: ExtractionPlan) -> list[BaseOperator]:
    """The five EMR tasks, in order; the last two are the clean-up.

    Later tasks go first when the pool is full: a cluster that stands is finished before another is made.
    """
    common = {"plan": plan, "pool": EMR_POOL, "weight_rule": "upstream"}
    cluster_name = own_cluster_name(plan, "{{ run_id }}")
    steps = [extraction_step(plan, _REQUEST_URI, WHOSE_STEP)]
    with TaskGroup(GROUP, tooltip="The cluster of this run, from its creation to its end"):
        return [
            CreateCluster(
                task_id="create_cluster",
                job_flow_overrides=job_flow_overrides(plan, cluster_name),
                **common,
            ),
            AddSteps(task_id="add_steps", steps=steps, **common),
            WatchSteps(task_id="watch_steps", steps=steps, **common),
            TerminateCluster(task_id="terminate_cluster", cluster_name=cluster_name, steps=steps, **common),
            WatchTermination(task_id="watch_termination", **common),
        ]
