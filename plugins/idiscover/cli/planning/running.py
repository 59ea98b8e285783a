"""What runs now of what a plan shows, in the same form. Reads, and nothing else."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from idiscover.aws.release_record import recorded_statements
from idiscover.aws.s3 import Bucket
from idiscover.cli.planning.collect import RELEASE, WholePlan, release_of, sections_of
from idiscover.cli.planning.sections import Section, as_json
from idiscover.cli.running import running_dags
from idiscover.errors import IdiscoverError
from idiscover.plan.model import Plan

# Of a plan that another version of the code has written no section can be told; its document can.
_AS_IT_STANDS = "plan"


def running_sections(plan: WholePlan, sql_root: Path) -> dict[str, list[Section]]:
    """Title of the group → its sections as they run; a group that does not run yet is not there."""
    dags = running_dags(plan.context, plan.subject.dag_ids)
    now = {name: _sections(running, plan.order_date) for name, running in dags.plans.items()}
    now |= {name: [Section(_AS_IT_STANDS, text)] for name, text in dags.unreadable.items()}
    statements = recorded_statements(Bucket(plan.context.buckets.data, plan.context.region))
    if statements is not None:
        now[RELEASE] = release_of(plan.subject, dags.plans.values(), statements, sql_root)
    return now


def _sections(plan: Plan, order_date: date | None) -> list[Section]:
    try:
        return sections_of(plan, order_date)
    except IdiscoverError:
        return [Section(_AS_IT_STANDS, as_json(plan.model_dump(mode="json")))]
