"""`stg_to_itg__…`, `itg_to_dm__…`, `dm_to_dm__…`: the slices that changed, a few units of countries per mapped task."""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG, TaskGroup, get_current_context, task
from airflow.sdk.exceptions import AirflowSkipException

from idiscover.orchestration.callbacks import after_refresh_failure, after_refresh_unit, tell_of_warnings
from idiscover.orchestration.dag_settings import any_of, dag_arguments
from idiscover.orchestration.dry_run import skip_in_dry_run, tell
from idiscover.orchestration.errors import failure_recorded
from idiscover.orchestration.identity import REFRESH_PARAMETERS, check_conf, run_identity
from idiscover.orchestration.parameters import refresh_parameters
from idiscover.orchestration.wakes import outlets, wake_ready_consumers
from idiscover.plan.model import RefreshPlan

# What the UI calls a mapped task: "DE, FR+GB, JP"; a move has joined two countries to one unit.
_UNITS = "{{ units | default([]) | map('join', '+') | join(', ') }}"


def build(plan: RefreshPlan) -> DAG:
    """The DAG of one table's refresh: `t1.slices >> t1.call` (mapped) `>> end`."""
    dag = DAG(
        schedule=any_of(plan.header.wakes_on), max_active_runs=1, params=refresh_parameters(), **dag_arguments(plan)
    )
    failed = after_refresh_failure(plan)

    @task(task_id="slices", on_failure_callback=failed)
    def slices() -> list[list[list[str]]]:
        """Claims what is pending for the table; returns the units of countries that are stale, in groups."""
        from idiscover.aws.refresher import claim_slices
        from idiscover.aws.slices import in_groups

        context = get_current_context()
        with failure_recorded(context):
            check_conf(context, REFRESH_PARAMETERS)
            run = run_identity(context)
            if run.dry_run:
                tell(plan, run, context)
                return []  # an empty map: nothing is called, and `end` skips
            units = claim_slices(plan, run)
        return in_groups(units, plan.context.airflow.units_per_task)

    @task(
        task_id="call",
        pool=plan.target_pool,
        map_index_template=_UNITS,
        # as lists, which Airflow makes of them only once the task is unmapped: a try may end before
        on_failure_callback=[failed],
        on_success_callback=[after_refresh_unit(plan)],
    )
    def call(units: list[list[str]]) -> dict[str, Any]:
        """Runs the table's statements for each country of these units, each unit in one transaction."""
        from idiscover.aws.refresher import call_units

        context = get_current_context()
        context["units"] = units
        with failure_recorded(context):
            return call_units(plan, run_identity(context), units)

    @task(
        task_id="end",
        trigger_rule="none_failed",  # an empty map skips, and is no failure
        outlets=outlets(plan),
        on_failure_callback=failed,
    )
    def end() -> dict[str, Any]:
        """Finishes the claim, records the arrival of the table at its consumers, and wakes those that are ready."""
        from idiscover.aws.refresher import finish_refresh

        context = get_current_context()
        skip_in_dry_run(context)
        with failure_recorded(context):
            result = finish_refresh(plan, run_identity(context))
            if result is None:
                raise AirflowSkipException("nothing was claimed")
            tell_of_warnings(plan, context)
            return {**result, "wakes": wake_ready_consumers(plan, context)}

    with dag:
        with TaskGroup("t1", tooltip=f"Refresh of {plan.table}, by country") as t1:
            call.expand(units=slices())
        t1 >> end()
    return dag
