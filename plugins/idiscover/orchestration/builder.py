"""From a plan's file to its DAG; what every generated DAG file calls.

A family's module is imported only for its own DAGs: the amazon provider costs every parse and every task of the other
families a tenth of a second.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from idiscover.plan.dag_files import load_plan
from idiscover.plan.model import ExtractionPlan, LoadPlan, RefreshPlan
from idiscover.plan.sweep import SWEEP_DAG_ID
from idiscover.plan.tableau import DAG_PREFIX

if TYPE_CHECKING:
    from airflow.sdk import DAG


def build_dag(plan_path: Path) -> DAG:
    """The DAG that the plan in `plan_path` (JSON, beside its DAG file) describes. Reads that file and nothing else."""
    if plan_path.stem == SWEEP_DAG_ID:
        from idiscover.orchestration import sweep_dag

        return sweep_dag.build(plan_path)
    if plan_path.stem.startswith(DAG_PREFIX):
        from idiscover.orchestration import tableau_dag

        return tableau_dag.build(plan_path)
    return bind(load_plan(plan_path))


def bind(plan: ExtractionPlan | LoadPlan | RefreshPlan) -> DAG:
    """Operators for a plan."""
    if isinstance(plan, ExtractionPlan):
        from idiscover.orchestration import extraction_dag

        return extraction_dag.build(plan)
    if isinstance(plan, LoadPlan):
        from idiscover.orchestration import load_dag

        return load_dag.build(plan)
    from idiscover.orchestration import refresh_dag

    return refresh_dag.build(plan)
