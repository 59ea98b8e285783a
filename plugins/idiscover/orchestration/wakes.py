"""Waking consumers: an event on a consumer's own asset, for those alone that have something to do.

A table with many inputs would otherwise be woken by each of them, and all but the last would find nothing ready.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import Asset, AssetAlias

from idiscover.plan.build import ready_uri
from idiscover.plan.model import LoadPlan, RefreshPlan

if TYPE_CHECKING:
    from airflow.sdk import Context


def outlets(plan: LoadPlan | RefreshPlan) -> list[Asset | AssetAlias]:
    """Of `end`: the table's asset, always emitted, and what stands for those of the consumers that it wakes."""
    return [Asset(plan.header.outlet), _alias(plan)]


def wake_ready_consumers(plan: LoadPlan | RefreshPlan, context: Context) -> list[str]:
    """Emits an event for each consumer that has something to do now; returns these tables."""
    from idiscover.aws.wakes import ready_consumers

    found = ready_consumers(plan)
    events = context["outlet_events"][_alias(plan)]
    for table in found:
        events.add(Asset(ready_uri(table)))
    return found


def _alias(plan: LoadPlan | RefreshPlan) -> AssetAlias:
    return AssetAlias(f"wakes of {plan.table}")
