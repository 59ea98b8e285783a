"""The picture of `idiscover plan` shows the tasks that Airflow has, in their order."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest
from airflow.sdk import DAG
from idiscover.orchestration import extraction_dag, load_dag, refresh_dag
from idiscover.plan.model import Plan
from idiscover.plan.picture import tasks_of

from tests.dags.compiled import repository_plans


@pytest.mark.parametrize(
    ("dag_id", "build"),
    [
        ("sfdc_to_s3__account", extraction_dag.build),
        ("s3_to_redshift__account", load_dag.build),
        ("dm_to_dm__dm_testing_uptake", refresh_dag.build),
    ],
)
def test_the_chain_of_tasks_is_airflows(dag_id: str, build: Callable[[Plan], DAG]) -> None:
    plan = repository_plans()[dag_id]
    dag = build(plan)
    edges = {(task.task_id, later) for task in dag.tasks for later in task.downstream_task_ids}
    assert edges == set(pairwise(tasks_of(plan)))
