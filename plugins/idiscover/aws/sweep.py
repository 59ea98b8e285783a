"""Which consumers have something pending that no asset event woke them for."""

from __future__ import annotations

from collections.abc import Iterable

from idiscover.aws.job_metadata import JobMetadata, open_job_metadata
from idiscover.aws.job_metadata_batches import PENDING, batches
from idiscover.aws.job_metadata_claims import is_claimable
from idiscover.aws.job_metadata_steps import rests_after_failures
from idiscover.plan.model import LoadPlan, RefreshPlan


def due_dag_ids(plans: Iterable[LoadPlan | RefreshPlan]) -> list[str]:
    """The dag_ids of `plans` whose next run would find something to do, sorted. All plans are of one environment.

    A consumer whose newest runs failed rests for a while (see `rests_after_failures`).
    """
    consumers = list(plans)
    if not consumers:
        return []
    with open_job_metadata(consumers[0].context) as metadata:
        return sorted(
            plan.header.dag_id
            for plan in consumers
            if _is_due(metadata, plan) and not rests_after_failures(metadata, plan.header.dag_id)
        )


def _is_due(metadata: JobMetadata, plan: LoadPlan | RefreshPlan) -> bool:
    if isinstance(plan, LoadPlan):
        return bool(batches(metadata, plan.object, PENDING))
    return is_claimable(metadata, plan)
