"""Job metadata: clusters that the runs of a `cluster_group` share, and which runs need them.

A run is announced when it begins, joins a cluster when it needs one, and leaves when its step has ended. Whoever leaves
closes all clusters of the group that no run needs any more: none that has joined it, and none that is announced and
would join it. A run whose lease has lapsed needs nothing.

Each function is one transaction that decides alone about its group: nobody joins a cluster that is being closed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from psycopg2.extensions import cursor as Cursor

from idiscover.aws.job_metadata import JobMetadata, decide_alone
from idiscover.plan.model import RunIdentity

_DECISION = "cluster_group"
_PRESENT = "left_at_utc is null and lease_expires_at_utc > now()"
_NEEDS = "(m.cluster_number = c.cluster_number or m.cluster_number is null and m.fingerprint = c.fingerprint)"


@dataclass(frozen=True)
class GroupKey:
    """Runs with the same key may share a cluster: the group's name, and the fingerprint of what EMR is given."""

    group: str
    fingerprint: str


@dataclass(frozen=True)
class SharedCluster:
    """A cluster of a group. `emr_id` is None until EMR's answer to its creation was recorded."""

    number: int
    emr_id: str | None


@dataclass(frozen=True)
class Membership:
    """A run on a cluster. `number` is another one each time the run joins after having left."""

    number: int
    cluster: SharedCluster


@dataclass(frozen=True)
class Departure:
    """What is left when a run has left: clusters for EMR to end, and the dag_ids of runs that stay in the group."""

    closing: tuple[SharedCluster, ...]
    others: tuple[str, ...]


def announce(metadata: JobMetadata, key: GroupKey, run: RunIdentity, lease: timedelta) -> None:
    """The run will need a cluster: until it leaves, or its lease lapses, one that stands is kept for it."""
    with metadata.transaction() as cursor:
        decide_alone(cursor, _DECISION, key.group)
        standing = _member(cursor, run)
        if standing is None:
            _enter(cursor, key, run, lease, None)
        else:
            _settle(cursor, standing[0], key, lease, standing[1])


def join(metadata: JobMetadata, key: GroupKey, run: RunIdentity, lease: timedelta) -> Membership:
    """The run's place on the open cluster of its key; where there is none, a new one is recorded, for EMR to make."""
    with metadata.transaction() as cursor:
        decide_alone(cursor, _DECISION, key.group)
        cluster = _open_cluster(cursor, key) or _record(cursor, key)
        standing = _member(cursor, run)
        if standing is not None and standing[1] not in (None, cluster.number):  # it was lost, or is of other code
            _leave(cursor, run)
            standing = None
        if standing is None:
            return Membership(_enter(cursor, key, run, lease, cluster.number), cluster)
        _settle(cursor, standing[0], key, lease, cluster.number)
        return Membership(standing[0], cluster)


def renewed(metadata: JobMetadata, group: str, member_number: int, lease: timedelta) -> bool:
    """Whether the member still has its place on an open cluster; its lease begins anew then."""
    with metadata.transaction() as cursor:
        decide_alone(cursor, _DECISION, group)
        cursor.execute(
            "update job.cluster_member as m set lease_expires_at_utc = now() + %s from job.shared_cluster as c"
            " where m.member_number = %s and m.left_at_utc is null and c.cluster_number = m.cluster_number"
            " and c.state = 'open'",
            [lease, member_number],
        )
        return cursor.rowcount == 1


def leave(metadata: JobMetadata, group: str, run: RunIdentity) -> Departure:
    """The run needs no cluster any more; clusters of the group that nobody needs are closed.

    Those that were closed before, but that EMR was perhaps never told to end, are among the answer.
    """
    with metadata.transaction() as cursor:
        decide_alone(cursor, _DECISION, group)
        _leave(cursor, run)
        cursor.execute(
            "update job.shared_cluster as c set state = 'closing', changed_at_utc = now()"
            " where c.cluster_group = %s and c.state = 'open' and not exists (select from job.cluster_member as m"
            f" where m.cluster_group = c.cluster_group and m.{_PRESENT} and {_NEEDS})",
            [group],
        )
        cursor.execute(
            "select cluster_number, emr_id from job.shared_cluster where cluster_group = %s and state = 'closing'"
            " order by cluster_number",
            [group],
        )
        closing = tuple(SharedCluster(*row) for row in cursor.fetchall())
        cursor.execute(
            f"select dag_id from job.cluster_member where cluster_group = %s and {_PRESENT} order by member_number",
            [group],
        )
        return Departure(closing, tuple(dag_id for (dag_id,) in cursor.fetchall()))


def record_emr_id(metadata: JobMetadata, number: int, emr_id: str) -> None:
    """EMR has made the cluster."""
    with metadata.transaction() as cursor:
        cursor.execute("update job.shared_cluster set emr_id = %s where cluster_number = %s", [emr_id, number])


def emr_id(metadata: JobMetadata, number: int) -> str | None:
    """EMR's id of the cluster, as it is recorded now."""
    with metadata.transaction() as cursor:
        cursor.execute("select emr_id from job.shared_cluster where cluster_number = %s", [number])
        found: str | None = cursor.fetchone()[0]
        return found


def gone(metadata: JobMetadata, number: int) -> None:
    """EMR was told to end the cluster, or has lost it: nobody joins it, nobody ends it again."""
    with metadata.transaction() as cursor:
        cursor.execute(
            "update job.shared_cluster set state = 'gone', changed_at_utc = now()"
            " where cluster_number = %s and state <> 'gone'",
            [number],
        )


def _member(cursor: Cursor, run: RunIdentity) -> tuple[int, int | None] | None:
    """Number of the run's membership, lapsed or not, and of its cluster; None if it has none, or has left."""
    cursor.execute(
        "select member_number, cluster_number from job.cluster_member"
        " where dag_id = %s and run_id = %s and left_at_utc is null",
        [run.dag_id, run.run_id],
    )
    found: tuple[int, int | None] | None = cursor.fetchone()
    return found


def _enter(cursor: Cursor, key: GroupKey, run: RunIdentity, lease: timedelta, cluster_number: int | None) -> int:
    cursor.execute(
        "insert into job.cluster_member (cluster_group, fingerprint, dag_id, run_id, cluster_number,"
        " lease_expires_at_utc) values (%s, %s, %s, %s, %s, now() + %s) returning member_number",
        [key.group, key.fingerprint, run.dag_id, run.run_id, cluster_number, lease],
    )
    return int(cursor.fetchone()[0])


def _settle(cursor: Cursor, number: int, key: GroupKey, lease: timedelta, cluster_number: int | None) -> None:
    cursor.execute(
        "update job.cluster_member set cluster_group = %s, fingerprint = %s, cluster_number = %s,"
        " lease_expires_at_utc = now() + %s where member_number = %s",
        [key.group, key.fingerprint, cluster_number, lease, number],
    )


def _leave(cursor: Cursor, run: RunIdentity) -> None:
    cursor.execute(
        "update job.cluster_member set left_at_utc = now() where dag_id = %s and run_id = %s and left_at_utc is null",
        [run.dag_id, run.run_id],
    )


def _open_cluster(cursor: Cursor, key: GroupKey) -> SharedCluster | None:
    cursor.execute(
        "select cluster_number, emr_id from job.shared_cluster"
        " where cluster_group = %s and fingerprint = %s and state = 'open'",
        [key.group, key.fingerprint],
    )
    row = cursor.fetchone()
    return None if row is None else SharedCluster(*row)


def _record(cursor: Cursor, key: GroupKey) -> SharedCluster:
    cursor.execute(
        "insert into job.shared_cluster (cluster_group, fingerprint, state) values (%s, %s, 'open')"
        " returning cluster_number",
        [key.group, key.fingerprint],
    )
    return SharedCluster(int(cursor.fetchone()[0]), None)
