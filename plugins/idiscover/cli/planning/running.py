"""What runs now of what a plan shows, in the same form. Reads, and nothing else."""

from __future__ import annotations

from pathlib import Path

from idiscover.aws.s3 import Bucket
from idiscover.cli.planning.collect import RELEASE, WholePlan, release_of, sections_of
from idiscover.cli.planning.sections import Section
from idiscover.cli.release_record import recorded_statements
from idiscover.cli.running import running_dags


def running_sections(plan: WholePlan, sql_root: Path) -> dict[str, list[Section]]:
    """Title of the group → its sections as they run; a group that does not run yet is not there."""
    dags = running_dags(plan.context, plan.subject.dag_ids)
    now = {name: sections_of(running, plan.order_date) for name, running in dags.plans.items()}
    # of another version of the code: no section of it can be told, its document all the same
    now |= {name: [Section("plan", text, "json")] for name, text in dags.unreadable.items()}
    statements = recorded_statements(Bucket(plan.context.buckets.data, plan.context.region))
    if statements is not None:
        now[RELEASE] = release_of(plan.subject, dags.plans.values(), statements, sql_root)
    return now
