"""Which consumers a load or a refresh wakes when it has ended."""

from __future__ import annotations

from idiscover.aws.job_metadata import open_job_metadata
from idiscover.aws.job_metadata_arrivals import ready
from idiscover.plan.model import LoadPlan, RefreshPlan


def ready_consumers(plan: LoadPlan | RefreshPlan) -> list[str]:
    """The tables among the plan's consumers for which something is ready, sorted.

    To be asked after the arrival at the consumers has been committed, in a transaction of its own: of two inputs that
    arrive at once, the later to commit sees both, so one of them at least finds the consumer ready. Whether another run
    has an open claim does not matter: the run that is woken now comes after it.
    """
    with open_job_metadata(plan.context) as metadata, metadata.transaction() as cursor:
        return sorted(consumer.table for consumer in plan.wakes if ready(cursor, consumer))
