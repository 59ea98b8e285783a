"""DAG files: a stub that Airflow will not skip, and a plan that comes back as it went."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from idiscover.errors import ConfigError
from idiscover.plan.build import build_plans
from idiscover.plan.dag_files import load_plan, render_dag_files

from tests.unit.golden_files import check_golden
from tests.unit.metadata_samples import sample_catalog, sample_context

PLANS = build_plans(sample_catalog(), sample_context(), "0123abcd")


def test_golden_files() -> None:
    files = render_dag_files(PLANS)
    check_golden("plan/stg_to_itg__test.py.txt", files["stg_to_itg__test.py"])
    check_golden("plan/stg_to_itg__test.json", files["stg_to_itg__test.json"])


def test_two_files_per_dag_and_the_same_bytes_each_time() -> None:
    files = render_dag_files(PLANS)
    assert set(files) == {f"{plan.header.dag_id}.{kind}" for plan in PLANS for kind in ("py", "json")}
    assert files == render_dag_files(list(reversed(PLANS)))


def test_stubs_are_short_and_are_seen_by_airflow() -> None:
    for name, text in render_dag_files(PLANS).items():
        if name.endswith(".py"):
            assert len(text.splitlines()) < 30
            assert "dag" in text.lower() and "airflow" in text.lower()
            names = [node.targets[0].id for node in ast.parse(text).body if isinstance(node, ast.Assign)]
            assert names == ["dag"]


def test_plans_come_back_as_they_went(tmp_path: Path) -> None:
    files = render_dag_files(PLANS)
    for plan in PLANS:
        path = tmp_path / f"{plan.header.dag_id}.json"
        path.write_text(files[path.name], encoding="utf-8")
        assert load_plan(path) == plan


@pytest.mark.parametrize("text", [None, "", "{", "{}", '{"kind": "load", "surprise": 1}'])
def test_a_plan_that_cannot_be_read_is_named(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "x.json"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"x\.json"):
        load_plan(path)
