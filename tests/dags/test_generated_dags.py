"""The DAGs that the repository's own metadata makes: names first, then what operations rely on."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.serialization.encoders import encode_timetable
from airflow.serialization.serialized_objects import DagSerialization
from idiscover.orchestration.identity import EXTRACTION_PARAMETERS, LOAD_PARAMETERS, REFRESH_PARAMETERS
from idiscover.orchestration.timetable import OrgDayTimetable
from idiscover.plan.model import ExtractionPlan, LoadPlan, Plan, RefreshPlan

from tests.dags.compiled import compile_into, repository_plans
from tests.dags.conftest import REPOSITORY

OBJECTS = (
    "account",
    "biomarker",
    "lab_capability",
    "lab_hcp_affiliation",
    "lab_interaction",
    "lab_objective",
    "object_territory_association",
    "objective_hcp",
    "product",
    "record_type",
    "sf_user",
    "territory",
    "test_offering",
    "testing_volume",
    "therapeutic_area",
    "user_territory_association",
)
FACTS_AND_DIMENSIONS = (
    "bridge_lab_hcp",
    "bridge_lab_territory",
    "bridge_objective_hcp",
    "dim_biomarker",
    "dim_country",
    "dim_date",
    "dim_hcp",
    "dim_lab",
    "dim_territory",
    "dim_therapeutic_area",
    "dim_user",
    "fact_interaction",
    "fact_lab_capability",
    "fact_lab_objective",
    "fact_source_table",
    "fact_test_offering",
    "fact_testing_volume",
)
MARTS = (
    "dm_data_freshness",
    "dm_field_coverage",
    "dm_lab_360",
    "dm_lab_hcp_network",
    "dm_objective_attainment",
    "dm_testing_uptake",
)
DAG_IDS = {
    *(f"{family}__{name}" for family in ("sfdc_to_s3", "s3_to_redshift", "stg_to_itg") for name in OBJECTS),
    *(f"itg_to_dm__{name}" for name in FACTS_AND_DIMENSIONS),
    *(f"dm_to_dm__{name}" for name in MARTS),
    "sweep_pending",
}
CHAIN = (
    "send_email_cluster_start",
    "emr_tasks.create_cluster",
    "emr_tasks.add_steps",
    "emr_tasks.watch_steps",
    "emr_tasks.terminate_cluster",
    "emr_tasks.watch_termination",
    "send_email_cluster_termination",
    "end",
)
EDGES = {
    "extraction": set(pairwise(CHAIN)),
    "load": {("copy", "reconcile"), ("reconcile", "end")},
    "refresh": {("t1.slices", "t1.call"), ("t1.call", "end")},
}


@dataclass(frozen=True)
class Compiled:
    """Compiled files, the plans they were made from, and what Airflow made of them."""

    folder: Path
    files: dict[str, str]
    plans: dict[str, Plan]
    bag: DagBag

    def of(self, kind: type) -> list[tuple[Any, Any]]:
        """(plan, DAG) of one family."""
        found = [(plan, self.bag.dags[dag_id]) for dag_id, plan in sorted(self.plans.items()) if isinstance(plan, kind)]
        assert found
        return found


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Compiled]:
    """Parsed once, with every socket refused: parsing reads local files only."""
    folder = tmp_path_factory.mktemp("generated")
    plans = repository_plans()
    files = compile_into(folder, plans)

    def refuse(*args: object) -> None:
        raise AssertionError(f"the network was used at parse: {args}")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", refuse)
        bag = DagBag(dag_folder=folder)
    yield Compiled(folder, files, plans, bag)


def edges(dag: Any) -> set[tuple[str, str]]:
    return {(task.task_id, down) for task in dag.tasks for down in task.downstream_task_ids}


def test_the_dags_are_exactly_these(compiled: Compiled) -> None:
    assert compiled.bag.import_errors == {}
    assert set(compiled.bag.dags) == DAG_IDS


def test_every_dag_file_is_small_and_seen_by_airflow(compiled: Compiled) -> None:
    stubs = {name: text for name, text in compiled.files.items() if name.endswith(".py")}
    assert {name.removesuffix(".py") for name in stubs} == DAG_IDS
    for name, text in stubs.items():
        assert len(text.splitlines()) < 30, name
        assert "dag" in text.lower() and "airflow" in text.lower(), name
    for dag_id in DAG_IDS:
        assert Path(compiled.bag.dags[dag_id].fileloc) == compiled.folder / f"{dag_id}.py"


def test_owner_retries_dates_and_documentation_come_from_the_plan(compiled: Compiled) -> None:
    for dag_id, plan in compiled.plans.items():
        dag, airflow = compiled.bag.dags[dag_id], plan.context.airflow
        assert dag.doc_md == plan.header.doc_md and len(dag.doc_md) > 100
        assert set(dag.tags) == {plan.header.family.value, dag_id.split("__")[1], "local"}
        assert dag.description == plan.header.description
        assert dag.start_date == airflow.start_date
        assert dag.catchup is False and dag.is_paused_upon_creation is False and dag.dagrun_timeout is None
        assert dag.owner_links == {plan.header.owner.name: f"mailto:{plan.header.owner.email}"}
        for task in dag.tasks:
            assert task.owner == plan.header.owner.name
            assert task.retries == airflow.retries, task.task_id
            assert task.retry_delay == timedelta(seconds=airflow.retry_delay_seconds)
            assert task.retry_exponential_backoff == 2.0
            assert task.max_retry_delay == timedelta(minutes=30)


@pytest.mark.parametrize(
    ("kind", "name"), [(ExtractionPlan, "extraction"), (LoadPlan, "load"), (RefreshPlan, "refresh")]
)
def test_topology(compiled: Compiled, kind: type, name: str) -> None:
    for _, dag in compiled.of(kind):
        assert edges(dag) == EDGES[name]


def test_extractions_end_with_four_teardowns_and_have_no_setup(compiled: Compiled) -> None:
    for _, dag in compiled.of(ExtractionPlan):
        for task in dag.tasks:
            late = CHAIN.index(task.task_id) >= 4
            assert (task.is_setup, task.is_teardown, task.on_failure_fail_dagrun) == (False, late, late), task.task_id


def test_extractions_wait_deferred_in_the_emr_pool(compiled: Compiled) -> None:
    for plan, dag in compiled.of(ExtractionPlan):
        assert dag.max_active_runs == 2
        for task in dag.tasks:
            assert task.pool == ("emr" if task.task_id.startswith("emr_tasks.") else "default_pool")
        for name in ("create_cluster", "watch_steps", "watch_termination"):
            assert dag.get_task(f"emr_tasks.{name}").deferrable is True
        assert dag.get_task("emr_tasks.create_cluster").wait_for_completion is True
        watch = dag.get_task("emr_tasks.watch_steps")
        assert watch.max_attempts * watch.poke_interval == plan.context.emr.step_timeout_minutes * 60
        assert dag.get_task("emr_tasks.add_steps").steps[0]["ActionOnFailure"] == "CONTINUE"


def test_a_cluster_that_stands_goes_before_a_new_one(compiled: Compiled) -> None:
    for _, dag in compiled.of(ExtractionPlan):
        scheduled = DagSerialization.from_dict(DagSerialization.to_dict(dag))
        tasks = [scheduled.get_task(name) for name in CHAIN[1:6]]
        weights = [task.weight_rule.get_weight(SimpleNamespace(task=task)) for task in tasks]
        assert weights == sorted(weights) and len(set(weights)) == 5


def test_consumers_have_one_run_at_a_time_and_their_tables_pool(compiled: Compiled) -> None:
    for plan, dag in compiled.of(LoadPlan):
        pools = {task.task_id: task.pool for task in dag.tasks}
        assert pools == {"copy": f"table__stg__{plan.object}", "reconcile": "default_pool", "end": "default_pool"}
        assert dag.max_active_runs == 1
    for plan, dag in compiled.of(RefreshPlan):
        pools = {task.task_id: task.pool for task in dag.tasks}
        assert pools == {"t1.slices": "default_pool", "t1.call": plan.target_pool, "end": "default_pool"}
        assert dag.max_active_runs == 1
    for dag_id, plan in compiled.plans.items():
        used = {task.pool for task in compiled.bag.dags[dag_id].tasks} - {"default_pool"}
        assert used == set(plan.header.pools), "a pool that no plan names would not exist"


def test_loads_wake_on_a_batch_and_refreshes_once_something_is_ready_for_them(compiled: Compiled) -> None:
    for kind in (LoadPlan, RefreshPlan):
        for plan, dag in compiled.of(kind):
            awaited = f"source/{plan.object}" if isinstance(plan, LoadPlan) else f"ready/{plan.table}"
            assert {asset.uri for asset in dag.timetable.asset_condition.objects} == {f"x-idiscover://{awaited}"}


def test_end_alone_announces_the_outlet_and_wakes_consumers(compiled: Compiled) -> None:
    for dag_id, plan in compiled.plans.items():
        outlets = {task.task_id: task.outlets for task in compiled.bag.dags[dag_id].tasks}
        announced, *wakes = outlets.pop("end")
        assert announced.uri == plan.header.outlet
        assert [alias.name for alias in wakes] == (
            [] if isinstance(plan, ExtractionPlan) else [f"wakes of {plan.table}"]
        )
        assert not any(outlets.values())


def test_refreshes_map_over_countries_and_end_after_an_empty_map(compiled: Compiled) -> None:
    for _, dag in compiled.of(RefreshPlan):
        call = dag.get_task("t1.call")
        assert call.is_mapped and "units" in call.partial_kwargs["map_index_template"]
        assert dag.get_task("end").trigger_rule == "none_failed"


def test_every_failure_that_holds_something_has_a_callback(compiled: Compiled) -> None:
    for _, dag in compiled.of(ExtractionPlan):
        assert dag.get_task("end").has_on_failure_callback
    for kind in (LoadPlan, RefreshPlan):
        for _, dag in compiled.of(kind):
            assert all(task.has_on_failure_callback for task in dag.tasks)


def test_dags_survive_serialization(compiled: Compiled) -> None:
    for dag_id, dag in compiled.bag.dags.items():
        data = json.loads(json.dumps(DagSerialization.to_dict(dag)))
        restored = DagSerialization.from_dict(data)
        assert edges(restored) == edges(dag), dag_id
        assert encode_timetable(restored.timetable) == data["dag"]["timetable"], dag_id
        if isinstance(compiled.plans.get(dag_id), ExtractionPlan):
            assert isinstance(restored.timetable, OrgDayTimetable)
            assert set(restored.params) == set(dag.params)
            assert {task.task_id for task in restored.tasks if task.is_teardown} == set(CHAIN[4:])


def test_parameters_say_what_they_are_and_say_nothing_by_default(compiled: Compiled) -> None:
    for plan in compiled.plans.values():
        dag = compiled.bag.dags[plan.header.dag_id]
        known = {ExtractionPlan: EXTRACTION_PARAMETERS, LoadPlan: LOAD_PARAMETERS, RefreshPlan: REFRESH_PARAMETERS}
        expected = set(known[type(plan)])
        if isinstance(plan, ExtractionPlan) and plan.object != "account":
            expected.discard("countries")  # theirs is another object's, or none
        assert set(dag.params) == expected
        assert dag.params.dump() == {**dict.fromkeys(expected), "dry_run": False}
        for name in dag.params:
            param = dag.params.get_param(name)
            assert param.schema["title"] and param.schema["section"] and len(param.description) > 40
        dag.params.validate()


def test_the_sweep_runs_by_the_clock_and_triggers_what_it_finds(compiled: Compiled) -> None:
    dag = compiled.bag.dags["sweep_pending"]
    assert edges(dag) == {("due", "trigger")}
    assert dag.timetable.expression == "*/5 * * * *"
    assert dag.max_active_runs == 1 and dag.catchup is False
    assert dag.get_task("trigger").is_mapped


def test_a_consumers_file_loads_neither_emr_nor_a_driver(compiled: Compiled) -> None:
    program = (
        "import sys, runpy\n"
        f"for name in ('s3_to_redshift__account', 'stg_to_itg__account'): runpy.run_path({str(compiled.folder)!r} + "
        "f'/{name}.py')\n"
        "heavy = ('airflow.providers.amazon.aws.operators.emr', 'airflow.providers.amazon.aws.hooks.ses', 'psycopg2')\n"
        "print([name for name in (*heavy, 'idiscover.aws') if name in sys.modules])\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / "plugins")}
    answer = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    assert answer.stdout.strip() == "[]"
