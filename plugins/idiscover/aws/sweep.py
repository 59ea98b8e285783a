"""Whom no asset event woke: consumers that have something pending, subjects whose load a check has refused."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from idiscover.aws.job_metadata import JobMetadata, open_job_metadata
from idiscover.aws.job_metadata_batches import PENDING, batches
from idiscover.aws.job_metadata_checks import tables_failed_since
from idiscover.aws.job_metadata_claims import is_claimable
from idiscover.aws.job_metadata_steps import rests_after_failures
from idiscover.plan.model import LoadPlan, RefreshPlan
from idiscover.plan.tableau import SubjectPlan


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


def refused_subjects(plans: Sequence[SubjectPlan], since: datetime) -> list[str]:
    """The dag_ids of subjects of whose tables a check has failed since then, sorted: a refused load wakes nobody.

    Args:
        plans: of one environment.
        since: UTC.
    """
    if not plans:
        return []
    with open_job_metadata(plans[0].context) as metadata:
        failed = tables_failed_since(metadata, since)
    return sorted(plan.dag_id for plan in plans if not failed.isdisjoint(plan.checks))


def _is_due(metadata: JobMetadata, plan: LoadPlan | RefreshPlan) -> bool:
    if isinstance(plan, LoadPlan):
        return bool(batches(metadata, plan.object, PENDING))
    return is_claimable(metadata, plan)
