"""A run's place on a cluster that it shares, as its tasks tell each other of it.

What `create_cluster` did decides for the tasks after it, not the plan: metadata may change while a run is at work.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from idiscover.errors import NextRunError
from idiscover.notify.run_failures import CLEAR_REMEDY
from idiscover.orchestration.identity import plain_identity, run_identity
from idiscover.orchestration.run_states import CREATE, TERMINATE

if TYPE_CHECKING:
    from airflow.sdk import Context

    from idiscover.aws.cluster_groups import Clusters
    from idiscover.plan.model import ExtractionPlan

log = logging.getLogger(__name__)

OTHERS_KEY = "used_by"  # XCom of terminate_cluster: dag_ids of those to whom it has left the cluster
_MEMBER_KEY = "member"  # XCom of create_cluster: group and number of the membership
_RUN_ID_LENGTH = 120  # characters of it in a step's name, of which EMR takes 256

MEMBER = f"ti.xcom_pull(task_ids='{CREATE}', key='{_MEMBER_KEY}')"  # an expression of Jinja
# Ends the name of the run's steps; the number tells a round of the run from one before that was cleared.
WHOSE_STEP = (
    f"{{% set member = {MEMBER} %}}"
    f"{{{{ ', ' ~ run_id[:{_RUN_ID_LENGTH}] ~ ', member ' ~ member.number if member else '' }}}}"
)


@dataclass(frozen=True)
class Member:
    """The run's place: the group, and the number of the membership in the job metadata."""

    group: str
    number: int


def joined(plan: ExtractionPlan, context: Context, emr: Clusters) -> str:
    """Joins the cluster of the plan's group, which is made if it has to be; EMR's id of it."""
    from idiscover.aws.cluster_groups import join

    member, cluster_id = join(plan, run_identity(context), emr)
    context["ti"].xcom_push(key=_MEMBER_KEY, value={"group": str(plan.cluster_group), "number": member.number})
    log.info("member %s of the group %s, on cluster %s", member.number, plan.cluster_group, cluster_id)
    return cluster_id


def member_of(context: Context) -> Member | None:
    """The run's place on a shared cluster; None if it has a cluster of its own, or none."""
    told = context["ti"].xcom_pull(task_ids=CREATE, key=_MEMBER_KEY)
    return None if not told else Member(told["group"], told["number"])


def has_place(plan: ExtractionPlan, context: Context) -> bool:
    """Whether the run is on a shared cluster that is kept for it, from now on for another while."""
    from idiscover.aws.cluster_groups import kept

    member = member_of(context)
    return member is not None and kept(plan, member.group, member.number)


def require_place(plan: ExtractionPlan, context: Context) -> None:
    """Where the run's cluster is shared, it has to be kept for it: before a step is added.

    Raises:
        NextRunError: the run has left, or its lease had lapsed and the cluster was given up.
    """
    member = member_of(context)
    if member is not None and not has_place(plan, context):
        raise NextRunError(
            "the run has no place on the shared cluster any more",
            where=f"cluster_group {member.group}, member {member.number}",
            got=plain_identity(context).run_id,
            remedy=f"{CLEAR_REMEDY}, which joins the group's cluster anew",
        )


def others_of(context: Context) -> tuple[str, ...]:
    """dag_ids of the runs to which this one has left its cluster."""
    return tuple(context["ti"].xcom_pull(task_ids=TERMINATE, key=OTHERS_KEY) or ())
