"""`s3_to_redshift__<object>`: pending batches into stg, counted again, announced."""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG, chain, get_current_context, task
from airflow.sdk.exceptions import DownstreamTasksSkipped

from idiscover.orchestration.callbacks import after_load_failure
from idiscover.orchestration.dag_settings import any_of, dag_arguments
from idiscover.orchestration.dry_run import skip_in_dry_run, tell
from idiscover.orchestration.errors import failure_recorded
from idiscover.orchestration.identity import LOAD_PARAMETERS, check_conf, run_identity
from idiscover.orchestration.parameters import load_parameters
from idiscover.orchestration.wakes import outlets, wake_ready_consumers
from idiscover.plan.build import target_pool
from idiscover.plan.model import LoadPlan


def build(plan: LoadPlan) -> DAG:
    """The DAG of one object's load: copy, reconcile, end."""
    dag = DAG(schedule=any_of(plan.header.wakes_on), max_active_runs=1, params=load_parameters(), **dag_arguments(plan))
    failed = after_load_failure(plan)

    @task(task_id="copy", pool=target_pool(plan.table), on_failure_callback=failed)
    def copy() -> dict[str, Any]:
        """Copies all pending batches into stg, in one transaction."""
        from idiscover.aws.loader import copy_pending

        context = get_current_context()
        with failure_recorded(context):
            check_conf(context, LOAD_PARAMETERS)
            run = run_identity(context)
            if not run.dry_run:
                return copy_pending(plan, run)
            tell(plan, run, context)
        raise DownstreamTasksSkipped(tasks=["reconcile", "end"])

    @task(task_id="reconcile", on_failure_callback=failed)
    def reconcile() -> dict[str, Any]:
        """Compares manifests, ledger and stg anew."""
        from idiscover.aws.loader import reconcile as compare

        context = get_current_context()
        skip_in_dry_run(context)
        with failure_recorded(context):
            return compare(plan, run_identity(context))

    @task(task_id="end", outlets=outlets(plan), on_failure_callback=failed)
    def end() -> dict[str, Any]:
        """Marks the batches loaded, records their arrival at the consumers, and wakes those that are ready."""
        from idiscover.aws.loader import finish_load

        context = get_current_context()
        skip_in_dry_run(context)
        with failure_recorded(context):
            result = finish_load(plan, run_identity(context))
            return {**result, "wakes": wake_ready_consumers(plan, context)}

    with dag:
        chain(copy(), reconcile(), end())
    return dag
