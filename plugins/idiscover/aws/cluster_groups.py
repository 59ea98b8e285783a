"""A run and the cluster that it shares with others of its `cluster_group`, between job metadata and EMR."""

from __future__ import annotations

import logging
from typing import Protocol

from idiscover.aws import job_metadata_clusters as clusters
from idiscover.aws.job_metadata import open_job_metadata
from idiscover.aws.job_metadata_clusters import Departure, GroupKey, Membership
from idiscover.emr.cluster import fingerprint, shared_cluster_name
from idiscover.plan.model import ExtractionPlan, RunIdentity

log = logging.getLogger(__name__)

_CREATION = "shared_cluster"  # for `JobMetadata.exclusive`: who asks EMR for a cluster of that number is alone


class Clusters(Protocol):
    """What this module asks of EMR."""

    def create(self, name: str) -> str:
        """Id of the living cluster of that name, made now if there is none."""

    def takes_steps(self, cluster_id: str) -> bool:
        """Whether the cluster is up, or will be."""

    def end(self, cluster_id: str | None, name: str) -> None:
        """Tells EMR to end the cluster; by its name, where nobody knows its id. One that is gone is no error."""


def announce(plan: ExtractionPlan, run: RunIdentity) -> None:
    """The run has begun and will need a cluster of its group: what stands is kept for it. Does nothing without a group.

    Runs that begin together wait for a slot before they join; without this, those before them would end the cluster.
    """
    if plan.cluster_group is None:
        return
    with open_job_metadata(plan.context) as metadata:
        clusters.announce(metadata, _key(plan), run, plan.context.emr.lease)


def join(plan: ExtractionPlan, run: RunIdentity, emr: Clusters) -> tuple[Membership, str]:
    """The run's membership, and EMR's id of the cluster, which is made if it has to be.

    May be killed and repeated at any point: the record comes first, the cluster is made under the record's name, and
    one at a time asks EMR for it. A cluster that EMR has lost, or that somebody terminated, gives way to another.
    """
    key = _key(plan)
    with open_job_metadata(plan.context) as metadata:
        while True:
            member = clusters.join(metadata, key, run, plan.context.emr.lease)
            number = member.cluster.number
            with metadata.exclusive(_CREATION, str(number)):
                known = clusters.emr_id(metadata, number)
                if known is None:
                    made = emr.create(_name(plan, key.group, number))
                    clusters.record_emr_id(metadata, number, made)
                    return member, made
                if emr.takes_steps(known):
                    return member, known
            log.info("cluster %s of the group %s is gone: another takes its place", known, plan.cluster_group)
            clusters.gone(metadata, number)


def kept(plan: ExtractionPlan, group: str, member_number: int) -> bool:
    """Whether the cluster is kept for the member, from now on for another while; not if it has left or was lost."""
    with open_job_metadata(plan.context) as metadata:
        return clusters.renewed(metadata, group, member_number, plan.context.emr.lease)


def leave(plan: ExtractionPlan, run: RunIdentity, group: str, emr: Clusters) -> Departure:
    """Takes the run off its group's cluster, which EMR is told to end if nobody else needs it.

    May be killed and repeated at any point, and whoever leaves next ends what a killed one has left behind.
    """
    with open_job_metadata(plan.context) as metadata:
        departure = clusters.leave(metadata, group, run)
        for cluster in departure.closing:
            emr.end(cluster.emr_id, _name(plan, group, cluster.number))
            clusters.gone(metadata, cluster.number)
    return departure


def _key(plan: ExtractionPlan) -> GroupKey:
    return GroupKey(str(plan.cluster_group), fingerprint(plan))


def _name(plan: ExtractionPlan, group: str, number: int) -> str:
    return shared_cluster_name(plan.context.environment, group, number)
