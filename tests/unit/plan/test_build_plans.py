"""Plans from metadata."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from idiscover.lake.keys import metadata_key
from idiscover.metadata.extraction import ExtractionSettings
from idiscover.metadata.loading import load_catalog
from idiscover.metadata.paths import table_path
from idiscover.plan.build import build_plans, ready_uri
from idiscover.plan.model import ConsumerPlan, ExtractionPlan, LoadPlan, Plan, ReadinessPlan, ReadMode, RefreshPlan
from idiscover.plan.reads import daily_read_mode, due_every_days, explain_read

from tests.unit.golden_files import check_golden
from tests.unit.metadata_samples import MemoryReader, sample_catalog, sample_context, sample_files

SHA = "0123abcd"


@pytest.fixture(scope="module")
def plans() -> dict[str, Plan]:
    built = build_plans(sample_catalog(), sample_context(), SHA)
    assert [plan.header.dag_id for plan in built] == sorted(plan.header.dag_id for plan in built)
    return {plan.header.dag_id: plan for plan in built}


def test_the_exact_set_of_dags(plans: dict[str, Plan]) -> None:
    objects = ("kit", "lab", "result", "test", "unit")
    assert set(plans) == {
        *(f"sfdc_to_s3__{name}" for name in objects),
        *(f"s3_to_redshift__{name}" for name in objects),
        *(f"stg_to_itg__{name}" for name in objects),
        "itg_to_dm__fact_test",
    }


def test_every_asset_that_wakes_a_dag_is_emitted_by_one(plans: dict[str, Plan]) -> None:
    outlets = [plan.header.outlet for plan in plans.values()]
    assert len(set(outlets)) == len(outlets)
    ready = {ready_uri(table.table) for plan in plans.values() for table in getattr(plan, "wakes", ())}
    assert {uri for plan in plans.values() for uri in plan.header.wakes_on} <= {*outlets, *ready}
    assert all(plan.header.wakes_on for plan in plans.values() if not isinstance(plan, ExtractionPlan))


def test_extraction(plans: dict[str, Plan]) -> None:
    plan = plans["sfdc_to_s3__lab"]
    assert isinstance(plan, ExtractionPlan)
    assert (plan.operation, plan.delta_field, plan.lookback_minutes) == ("queryAll", "SystemModstamp", 720)
    assert plan.start == datetime(2015, 1, 1, tzinfo=UTC)
    assert [column.column for column in plan.columns][:3] == ["id", "is_deleted", "name"]
    assert plan.header.pools == {"emr": 3}
    assert (plan.header.wakes_on, plan.header.outlet) == ((), "x-idiscover://source/lab")
    assert plan.header.tags == ("sfdc_to_s3", "lab", "local")
    assert plan.code_sha == SHA


def test_objects_without_is_deleted_are_queried_plainly(plans: dict[str, Plan]) -> None:
    plan = plans["sfdc_to_s3__kit"]
    assert isinstance(plan, ExtractionPlan)
    assert plan.operation == "query"


def test_what_the_days_run_of_an_object_reads(plans: dict[str, Plan]) -> None:
    found = {plan.object: plan.daily_read_mode for plan in plans.values() if isinstance(plan, ExtractionPlan)}
    assert found == {
        "kit": ReadMode.WHOLE,
        "lab": ReadMode.WINDOW,
        "result": ReadMode.WINDOW_AND_IDS,
        "test": ReadMode.WINDOW,
        "unit": ReadMode.WINDOW,
    }
    assert all(plan.key == "id" for plan in plans.values() if isinstance(plan, ExtractionPlan))


def test_a_formula_has_the_whole_object_read() -> None:
    catalog = sample_catalog()
    spec = catalog.objects["lab"]
    delta = catalog.delta_filters["lab"].model_copy(update={"formula_refresh": "daily"})
    assert daily_read_mode(spec, delta) is ReadMode.WHOLE


@pytest.mark.parametrize(("interval", "days"), [("daily", 1), ("weekly", 7), ("monthly", 28)])
@pytest.mark.parametrize(("key", "mode"), [("sweep", ReadMode.WINDOW_AND_IDS), ("formula_refresh", ReadMode.WHOLE)])
def test_how_often_more_than_the_window_is_read(key: str, mode: ReadMode, interval: str, days: int) -> None:
    catalog = sample_catalog()
    spec = catalog.objects["lab"]
    delta = catalog.delta_filters["lab"].model_copy(update={key: interval})
    assert (daily_read_mode(spec, delta), due_every_days(spec, delta)) == (mode, days)
    assert (f"every {days} days" in explain_read(spec, delta)) is (days > 1)
    assert f"{key}: {interval}" in explain_read(spec, delta)


def test_only_objects_with_history_remember(plans: dict[str, Plan]) -> None:
    refreshes = [plan for plan in plans.values() if isinstance(plan, RefreshPlan) and plan.itg]
    assert [plan.table for plan in refreshes if plan.itg and plan.itg.history] == ["itg.result"]


def test_inputs_that_make_reference_data_stale_are_told_apart() -> None:
    files = sample_files()
    text = files["tables/dm.fact_test.yaml"]
    files["tables/dm.fact_test.yaml"] = text.replace("itg.test, marks: same", "itg.test, marks: reference")
    plans = {p.header.dag_id: p for p in build_plans(load_catalog(MemoryReader(files)), sample_context(), SHA)}
    mart, source = plans["itg_to_dm__fact_test"], plans["stg_to_itg__test"]
    assert isinstance(mart, RefreshPlan) and isinstance(source, RefreshPlan)
    assert (mart.inputs, mart.reference_inputs) == (("itg.test", "itg.unit"), ("itg.test",))
    assert ConsumerPlan(table="dm.fact_test", marks="reference") in source.consumers


def test_a_start_without_zone_is_utc() -> None:
    files = sample_files()
    path = "delta_filter/lab.yaml"
    for written in ("2015-01-01T00:00:00", "2015-01-01T02:00:00+02:00", "2015-01-01"):
        files[path] = files[path].replace("2015-01-01T00:00:00Z", written)
        catalog = load_catalog(MemoryReader(files))
        starts = [p.start for p in build_plans(catalog, sample_context(), SHA) if isinstance(p, ExtractionPlan)]
        assert set(starts) == {datetime(2015, 1, 1, tzinfo=UTC)}
        files = sample_files()


def test_load(plans: dict[str, Plan]) -> None:
    plan = plans["s3_to_redshift__test"]
    assert isinstance(plan, LoadPlan)
    assert plan.table == "stg.test"
    assert plan.columns[:3] == ("id", "is_deleted", "lab_id")
    assert plan.columns[-3:] == ("system_modstamp", "_read_at_utc", "_batch_id")
    assert (plan.key, plan.ids_table) == ("id", "stg.test__ids")
    assert plan.consumers == (ConsumerPlan(table="itg.test", marks="same"),)
    assert plan.wakes == (ReadinessPlan(table="itg.test", inputs=("stg.test", "itg.lab"), cut_off_hours=6),)
    assert plan.header.wakes_on == ("x-idiscover://source/test",)
    assert plan.header.outlet == "x-idiscover://stg/test"
    assert plan.header.pools == {"table__stg__test": 1}


def test_refresh_of_itg(plans: dict[str, Plan]) -> None:
    plan = plans["stg_to_itg__test"]
    assert isinstance(plan, RefreshPlan) and plan.itg is not None
    assert plan.itg.columns == ("id", "is_deleted", "lab_id", "notes", "count", "day", "system_modstamp")
    assert (plan.itg.key, plan.itg.version_column, plan.itg.country.rule) == ("id", "system_modstamp", "via")
    assert plan.inputs == ("stg.test", "itg.lab")
    assert plan.header.wakes_on == ("x-idiscover://ready/itg.test",)
    assert [table.table for table in plan.wakes] == [table.table for table in plan.consumers]
    assert plan.header.pools == {"table__itg__test": 1} == {plan.target_pool: 1}
    assert plan.metadata_key == metadata_key(table_path("itg.test"))
    assert set(plan.header.metadata_versions) == {"tables/itg.test.yaml", "objects/test.yaml", "objects/lab.yaml"}


def test_refresh_of_dm(plans: dict[str, Plan]) -> None:
    plan = plans["itg_to_dm__fact_test"]
    assert isinstance(plan, RefreshPlan)
    assert plan.itg is None
    assert (plan.consumers, plan.cut_off_hours, plan.uses_as_of_date) == ((), 4, False)
    assert plan.header.owner.email == "marts@example.com"
    consumers = {
        name: getattr(plans[f"stg_to_itg__{name}"], "consumers", ()) for name in ("kit", "lab", "test", "unit")
    }
    assert consumers == {
        "kit": (),
        "lab": (ConsumerPlan(table="itg.test", marks="same"),),
        "test": (ConsumerPlan(table="dm.fact_test", marks="same"), ConsumerPlan(table="itg.result", marks="same")),
        "unit": (ConsumerPlan(table="dm.fact_test", marks="all"),),
    }


def test_an_edit_of_one_file_changes_only_the_plans_made_from_it() -> None:
    before = {p.header.dag_id: p for p in build_plans(sample_catalog(), sample_context(), SHA)}
    files = sample_files()
    files["tables/dm.fact_test.yaml"] = files["tables/dm.fact_test.yaml"].replace("Facts.", "All facts.")
    catalog = load_catalog(MemoryReader(files))
    after = {p.header.dag_id: p for p in build_plans(catalog, sample_context(), SHA)}
    assert [name for name in before if before[name] != after[name]] == ["itg_to_dm__fact_test"]


@pytest.mark.parametrize(
    "dag_id", ["sfdc_to_s3__kit", "sfdc_to_s3__lab", "s3_to_redshift__test", "stg_to_itg__test", "itg_to_dm__fact_test"]
)
def test_documentation(plans: dict[str, Plan], dag_id: str) -> None:
    check_golden(f"plan/{dag_id}.md", plans[dag_id].header.doc_md)


def test_an_object_may_be_asked_for_otherwise_than_the_rest() -> None:
    settings = sample_context().salesforce
    own = ExtractionSettings(rows_per_job=500_000, parallel_pages=4)
    assert own.over(settings) == settings.model_copy(update={"rows_per_job": 500_000, "parallel_pages": 4})
    assert ExtractionSettings(quarantine_limit=5).over(settings) == settings
