"""Compiles the repository's own metadata, as a deploy does."""

from __future__ import annotations

from pathlib import Path

from idiscover.metadata.loading import FolderReader, load_catalog, parse_context
from idiscover.plan.build import build_plans
from idiscover.plan.dag_files import render_dag_files
from idiscover.plan.model import Plan
from idiscover.plan.sweep import render_sweep_files

REPOSITORY = Path(__file__).resolve().parents[2]
CODE_SHA = "0123456789abcdef0123456789abcdef01234567"


def repository_plans(units_per_task: int | None = None) -> dict[str, Plan]:
    """The plans of all DAGs of the repository's metadata in the local environment, by dag_id.

    Args:
        units_per_task: instead of the environment's, for refreshes of several mapped tasks.
    """
    catalog = load_catalog(FolderReader(REPOSITORY / "metadata"))
    where = REPOSITORY / "context" / "local.yaml"
    context = parse_context(where.read_text(encoding="utf-8"), str(where))
    if units_per_task is not None:
        airflow = context.airflow.model_copy(update={"units_per_task": units_per_task})
        context = context.model_copy(update={"airflow": airflow})
    return {plan.header.dag_id: plan for plan in build_plans(catalog, context, CODE_SHA)}


def compile_into(folder: Path, plans: dict[str, Plan]) -> dict[str, str]:
    """Writes the DAG files into `folder`; returns them."""
    files = render_dag_files(list(plans.values())) | render_sweep_files(next(iter(plans.values())).context)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return files
