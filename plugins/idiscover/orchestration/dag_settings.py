"""What all generated DAGs have in common: owner, retries, dates, documentation, assets."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset, AssetAny

from idiscover.plan.model import ExtractionPlan, LoadPlan, RefreshPlan
from idiscover.plan.notices import REFUSED_TAG

if TYPE_CHECKING:
    from idiscover.metadata.models import AirflowSettings, Owner

BACKOFF_FACTOR = 2.0  # each retry waits twice as long as the one before
MAX_RETRY_DELAY = timedelta(minutes=30)


def dag_arguments(plan: ExtractionPlan | LoadPlan | RefreshPlan) -> dict[str, Any]:
    """Arguments of `DAG` that are the same for every family.

    There is no `dagrun_timeout`: it would skip teardowns and leak a cluster.
    """
    header = plan.header
    return {
        "dag_id": header.dag_id,
        "description": header.description,
        "doc_md": f"{header.notice}\n{header.doc_md}" if header.notice else header.doc_md,
        "tags": sorted((*header.tags, REFUSED_TAG) if header.notice else header.tags),
        **run_arguments(header.owner, plan.context.airflow),
    }


def run_arguments(owner: Owner, airflow: AirflowSettings) -> dict[str, Any]:
    """Owner, dates and retries; for DAGs without a plan of their own too."""
    return {
        "start_date": airflow.start_date,
        "catchup": False,
        "is_paused_upon_creation": False,
        "default_args": {
            "owner": owner.name,
            "retries": airflow.retries,
            "retry_delay": timedelta(seconds=airflow.retry_delay_seconds),
            "retry_exponential_backoff": BACKOFF_FACTOR,
            "max_retry_delay": MAX_RETRY_DELAY,
        },
        "owner_links": {owner.name: f"mailto:{owner.email}"},
    }


def any_of(uris: Sequence[str]) -> AssetAny:
    """A schedule that any of these assets sets off. Events only wake: what is pending stands in job metadata."""
    return AssetAny(*(Asset(uri) for uri in sorted(uris)))
