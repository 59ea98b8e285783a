"""Which consumers have something pending that no asset event woke them for."""

from __future__ import annotations

from collections.abc import Iterable

from idiscover.aws.job_claims import is_claimable
from idiscover.aws.job_metadata import open_job_metadata
from idiscover.plan.model import LoadPlan, RefreshPlan


def due_dag_ids(plans: Iterable[LoadPlan | RefreshPlan]) -> list[str]:
    """The dag_ids of `plans` whose next run would find something to do, sorted. All plans are of one environment."""
    consumers = list(plans)
    if not consumers:
        return []
    with open_job_metadata(consumers[0].context) as metadata:
        due = [
            plan.header.dag_id
            for plan in consumers
            if (
                metadata.batches(plan.object, "pending") if isinstance(plan, LoadPlan) else is_claimable(metadata, plan)
            )
        ]
    return sorted(due)
