"""An object whose records carry no time of their last change: which metadata are sound, and what is made of them."""

from __future__ import annotations

import pytest
from idiscover.errors import ConfigError
from idiscover.metadata.loading import CatalogError, load_catalog
from idiscover.metadata.models import Catalog
from idiscover.plan.build import build_plans, itg_plan
from idiscover.plan.model import BatchContent, ExtractionPlan, ReadMode, RunIdentity, RunKind
from idiscover.plan.reads import read_mode_of
from idiscover.salesforce import soql
from idiscover.warehouse.procedures import render_itg_procedure
from idiscover.warehouse.queries import batches_sql, stale_slices_sql

from tests.unit.metadata_samples import REPOSITORY, MemoryReader, sample_context, sample_files
from tests.unit.salesforce.samples import sample_request

KIT, FILTER = "objects/kit.yaml", "delta_filter/kit.yaml"


def catalog_with(kit: str = "", delta: str = "") -> Catalog:
    """The sample, with a kit that has no time of its last change; `kit`, `delta` replace what says so."""
    files = sample_files()
    stamp = "  - {salesforce: SystemModstamp, type: datetime, column: system_modstamp, description: Version.}\n"
    changed = kit or "key: id\nversion_column: _read_at_utc"
    files[KIT] = files[KIT].replace(stamp, "").replace("key: id", changed)
    files[FILTER] = files[FILTER].replace("field: SystemModstamp\n", delta)
    return load_catalog(MemoryReader(files))


def plan_of(catalog: Catalog) -> ExtractionPlan:
    plans = {plan.header.dag_id: plan for plan in build_plans(catalog, sample_context(), "0" * 40)}
    plan = plans["sfdc_to_s3__kit"]
    assert isinstance(plan, ExtractionPlan)
    return plan


def test_it_is_read_whole_and_its_documentation_says_why() -> None:
    plan = plan_of(catalog_with())
    assert (plan.delta_field, plan.daily_read_mode) == (None, ReadMode.WHOLE)
    assert "no time of their last change" in plan.header.doc_md


@pytest.mark.parametrize(
    ("kit", "delta", "what"),
    [
        ("key: id", "", "missing or of the wrong type"),  # the default: system_modstamp, which it lacks
        ("key: id\nversion_column: _batch_id", "", "text like|not allowed|a name"),
        ("key: id\nversion_column: _read_at_utc", "field: SystemModstamp\n", "the delta field is not one"),
    ],
)
def test_what_is_not_sound(kit: str, delta: str, what: str) -> None:
    with pytest.raises(CatalogError, match=what):
        catalog_with(kit, delta)


def test_windows_need_a_time_of_the_change() -> None:
    files = sample_files()
    files[KIT] = files[KIT].replace("load_mode: full", "load_mode: delta\nversion_column: _read_at_utc")
    files[KIT] = files[KIT].replace(", calculated: true", "")
    files[FILTER] = files[FILTER].replace("field: SystemModstamp\n", "sweep: daily\n")
    with pytest.raises(CatalogError) as caught:
        load_catalog(MemoryReader(files))
    told = {problem.what for problem in caught.value.problems}
    assert "an object without a time of its last change is read by windows" in told
    assert "the delta field is not one of the object's datetime fields" in told


def test_a_run_that_names_a_window_is_refused() -> None:
    plan = plan_of(catalog_with())
    run = RunIdentity(dag_id="sfdc_to_s3__kit", run_id="r", run_type="manual")
    moment = sample_request().window.start_utc
    assert read_mode_of(plan, run, RunKind.MANUAL) is ReadMode.WHOLE
    assert read_mode_of(plan, run, RunKind.SCHEDULED) is ReadMode.WHOLE
    with pytest.raises(ConfigError, match="no window of it can be read"):
        read_mode_of(plan, run, RunKind.BACKFILL)
    with pytest.raises(ConfigError, match="no window of it can be read"):
        read_mode_of(plan, run.model_copy(update={"window_start_utc": moment}), RunKind.MANUAL)


def test_its_queries() -> None:
    whole = sample_request(delta_field=None, read_mode=ReadMode.WHOLE)
    assert soql.count(whole) == "SELECT COUNT() FROM Account"
    assert "WHERE" not in soql.select(whole)
    with pytest.raises(ConfigError, match="no field to cut a window on"):
        soql.select(sample_request(delta_field=None), BatchContent.ROWS)


def test_sql_names_the_time_of_the_read_once_where_it_lists_versions() -> None:
    spec = catalog_with().objects["kit"]
    plan = itg_plan(spec)
    texts = [render_itg_procedure(spec, REPOSITORY / "sql"), stale_slices_sql(plan), batches_sql(plan)]
    assert all("system_modstamp" not in text for text in texts)
    for alias in ("staged", "held", "ranked"):
        for text in texts:
            assert f'{alias}."_read_at_utc",' not in text, "it would stand twice in the list"
