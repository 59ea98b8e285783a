"""The whole plan of an object or a table, from metadata alone: nothing is asked of any service, nothing is written."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from idiscover.cli.planning.dag import describe_marks
from idiscover.cli.planning.extraction import extraction_sections
from idiscover.cli.planning.load import load_sections
from idiscover.cli.planning.refresh import refresh_sections
from idiscover.cli.planning.release import release_sections
from idiscover.cli.planning.sections import Group, Section
from idiscover.cli.planning.subject import Subject, find_subject
from idiscover.metadata.context_checks import objects_without_key
from idiscover.metadata.models import Catalog, Context
from idiscover.metadata.paths import object_path
from idiscover.plan.build import build_plans
from idiscover.plan.model import ExtractionPlan, LoadPlan, Plan, RefreshPlan
from idiscover.plan.picture import Picture, picture_of
from idiscover.plan.reads import explain_read
from idiscover.warehouse.release import ReleaseStatement, release

RELEASE = "release"


@dataclass(frozen=True)
class WholePlan:
    """All that would run for a subject."""

    subject: Subject
    context: Context
    order_date: date | None
    groups: tuple[Group, ...]
    picture: Picture

    def document(self) -> dict[str, Any]:
        """For `--json`."""
        wakes = [{"source": w.source, "target": w.target, "arrived": w.arrived} for w in self.picture.wakes]
        return {
            "name": self.subject.name,
            "kind": self.subject.kind,
            "environment": self.context.environment,
            "order_date": None if self.order_date is None else self.order_date.isoformat(),
            "groups": [group.document() for group in self.groups],
            "picture": {"dags": [node.dag_id for node in self.picture.nodes], "wakes": wakes},
        }


def whole_plan(
    catalog: Catalog, context: Context, code_sha: str, sql_root: Path, name: str, order_date: date | None = None
) -> WholePlan:
    """What would run for an object or a table.

    Args:
        catalog: checked metadata.
        context: the environment.
        code_sha: of the PySpark code.
        sql_root: the folder `sql/`.
        name: of the object or the table.
        order_date: show that day's scheduled run.

    Raises:
        ConfigError: no such object or table, or the context lacks a setting that the object needs.
    """
    subject = find_subject(catalog, name)
    for lacking in objects_without_key(context, catalog, [object_path(subject.name)]):
        raise lacking
    plans = {plan.header.dag_id: plan for plan in build_plans(catalog, context, code_sha)}
    groups = [
        Group(dag_id, tuple(sections_of(plans[dag_id], order_date)), tuple(_notes(catalog, plans[dag_id])))
        for dag_id in subject.dag_ids
    ]
    groups.append(Group(RELEASE, tuple(release_of(subject, plans.values(), release(catalog, sql_root), sql_root))))
    return WholePlan(subject, context, order_date, tuple(groups), picture_of(plans.values(), subject.begin))


def sections_of(plan: Plan, order_date: date | None = None) -> list[Section]:
    """What a plan's DAG would do, from the plan alone: so that two of them can be compared."""
    if isinstance(plan, ExtractionPlan):
        return extraction_sections(plan, order_date)
    return load_sections(plan) if isinstance(plan, LoadPlan) else refresh_sections(plan)


def release_of(
    subject: Subject, plans: Iterable[Plan], statements: Sequence[ReleaseStatement], sql_root: Path
) -> list[Section]:
    """What a release brings for the subject."""
    mine = [plan for plan in plans if isinstance(plan, RefreshPlan) and plan.table in subject.tables]
    return release_sections(statements, subject.tables, [s for plan in mine for s in plan.statements], sql_root)


def _notes(catalog: Catalog, plan: Plan) -> list[str]:
    notes = [plan.header.description]
    if isinstance(plan, ExtractionPlan):
        spec, delta = catalog.objects[plan.object], catalog.delta_filters[plan.object]
        notes.append(f"a day's run reads {explain_read(spec, delta)}")
    if isinstance(plan, RefreshPlan):
        inputs = catalog.tables[plan.table].inputs
        notes += [f"a change in {item.table} marks {describe_marks(item.marks)}" for item in inputs]
    return notes
