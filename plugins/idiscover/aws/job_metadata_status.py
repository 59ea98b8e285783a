"""Job metadata: how far everything is. Questions only; each looks at its own tables and at no data.

Every question is about all objects and tables at once, so that a whole status takes a dozen of them however many
objects there are.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

from psycopg2.extensions import cursor as Cursor

from idiscover.aws.job_metadata import JobMetadata
from idiscover.aws.job_metadata_batches import ARCHIVED, PENDING
from idiscover.aws.job_metadata_checks import StoredResult, newest_failures_seen_by

_MOST_UNREGISTERED = 100


@dataclass(frozen=True)
class LoggedStep:
    """The newest thing that a DAG's runs have said."""

    dag_id: str
    run_id: str
    run_type: str
    step: str
    state: str
    at_utc: datetime
    document: dict[str, Any]


@dataclass(frozen=True)
class BatchState:
    """A batch, as far as a status tells of it. `counts` as in the manifest; `stg_rows`: as reconcile counted them."""

    batch_id: str
    object: str
    run_id: str
    run_kind: str
    order_date: date
    state: str
    rows: int
    ids: int | None
    bytes: int
    counts: dict[str, Any]
    stg_rows: int | None
    registered_at_utc: datetime
    loaded_at_utc: datetime | None


@dataclass(frozen=True)
class WindowState:
    """A frozen window; `lapses_at_utc` while its run holds the object's lock."""

    object: str
    run_id: str
    run_kind: str
    order_date: date
    batch_id: str
    start_utc: datetime
    end_utc: datetime
    frozen_at_utc: datetime
    lapses_at_utc: datetime | None


@dataclass(frozen=True)
class ClaimState:
    """A refresh of a table."""

    claim_id: int
    target: str
    run_id: str
    run_kind: str
    order_date: date
    state: str
    units: int | None  # of countries; None until they are known
    countries_called: int
    seconds: float  # of its calls
    result: dict[str, Any] | None
    claimed_at_utc: datetime
    expires_at_utc: datetime
    ended_at_utc: datetime | None


@dataclass(frozen=True)
class PendingInput:
    """What has arrived at a table and no refresh has taken yet."""

    target: str
    run_kind: str
    order_date: date
    arrived: tuple[str, ...]
    since_utc: datetime


@dataclass(frozen=True)
class JobStatus:
    """All that a status needs of the job metadata; times are UTC."""

    asked_at_utc: datetime
    org_now_utc: datetime | None  # the newest moment that any batch has seen of the org
    watermarks: dict[str, datetime]  # by object
    last_batches: dict[str, BatchState]  # by object
    loaded_order_dates: dict[str, date]  # by object: the newest that is in stg, or has passed through it
    batches_on_their_way: list[BatchState]  # not archived, oldest first
    unregistered: list[WindowState]  # frozen, without a batch, newest first
    locks: list[WindowState]
    last_claims: dict[str, ClaimState]  # by table
    newest_order_dates: dict[str, date]  # by table: of its finished refreshes
    open_claims: list[ClaimState]
    pending_inputs: list[PendingInput]
    last_steps: dict[str, LoggedStep]  # by dag_id
    last_failures: dict[str, LoggedStep]  # by dag_id: runs that failed for good
    failed_checks: list[StoredResult] = field(default_factory=list)  # newest results that say so


def read_status(metadata: JobMetadata, dag_ids: Collection[str]) -> JobStatus:
    """How far everything is, as one moment saw it.

    Args:
        metadata: the connection.
        dag_ids: of which last steps and failures are wanted.
    """
    with metadata.transaction() as cursor:
        cursor.execute("set transaction isolation level repeatable read, read only")
        cursor.execute("select now(), (select max(read_at_utc) from job.batch)")
        asked_at, org_now = cursor.fetchone()
        claims = _claims(cursor)
        windows = _windows(cursor)
        return JobStatus(
            asked_at_utc=_utc(asked_at),
            org_now_utc=org_now and _utc(org_now),
            watermarks=_watermarks(cursor),
            last_batches={batch.object: batch for batch in _batches(cursor, _NEWEST_BATCHES)},
            loaded_order_dates=_loaded_order_dates(cursor),
            batches_on_their_way=_batches(cursor, _OPEN_BATCHES),
            unregistered=[window for window in windows if window.lapses_at_utc is None],
            locks=[window for window in windows if window.lapses_at_utc is not None],
            last_claims=claims,
            newest_order_dates=_newest_order_dates(cursor),
            open_claims=[claim for claim in claims.values() if claim.state == "open"],
            pending_inputs=_pending_inputs(cursor),
            last_steps=_newest_steps(cursor, dag_ids, failures=False),
            last_failures=_newest_steps(cursor, dag_ids, failures=True),
            failed_checks=newest_failures_seen_by(cursor),
        )


def missing_tables(metadata: JobMetadata, names: Collection[str]) -> list[str]:
    """Those of these tables of schema `job` that are not there, or that this login cannot read and write; sorted."""
    with metadata.transaction() as cursor:
        cursor.execute(
            "select wanted.name from unnest(%s) as wanted(name) where coalesce(not has_table_privilege("
            "to_regclass('job.' || wanted.name), 'select, insert, update, delete'), true) order by 1",
            [list(names)],
        )
        return [name for (name,) in cursor.fetchall()]


def _watermarks(cursor: Cursor) -> dict[str, datetime]:
    cursor.execute("select object, watermark_at_utc from job.watermark")
    return {name: _utc(moment) for name, moment in cursor.fetchall()}


_NEWEST_BATCHES = """select distinct on (object) * from job.batch
    order by object, order_date desc, registered_at_utc desc, batch_id desc"""
_OPEN_BATCHES = "select * from job.batch where state <> %(archived)s"
_BATCHES = """select batch_id, object, run_id, run_kind, order_date, state, rows, ids, bytes, counts,
    (select (log.document -> 'counts' -> batch_id -> 'rows' ->> 'stg')::bigint from job.step_log as log
        where log.dag_id = 's3_to_redshift__' || object and log.step = 'reconcile'
            and log.document -> 'counts' ? batch_id order by log.log_id desc limit 1),
    registered_at_utc, loaded_at_utc
from ({chosen}) as chosen
order by order_date, registered_at_utc, batch_id"""


def _batches(cursor: Cursor, chosen: str) -> list[BatchState]:
    cursor.execute(_BATCHES.format(chosen=chosen), {"archived": ARCHIVED})
    return [
        BatchState(*row[:11], registered_at_utc=_utc(row[11]), loaded_at_utc=row[12] and _utc(row[12]))
        for row in cursor.fetchall()
    ]


def _loaded_order_dates(cursor: Cursor) -> dict[str, date]:
    cursor.execute("select object, max(order_date) from job.batch where state <> %s group by object", [PENDING])
    return dict(cursor.fetchall())


def _windows(cursor: Cursor) -> list[WindowState]:
    """Windows whose batch is not registered, newest first: those of runs at work, and of runs that failed."""
    cursor.execute(
        "select run_window.object, run_window.run_id, run_window.run_kind, run_window.order_date, run_window.batch_id,"
        " run_window.window_start_utc, run_window.window_end_utc, run_window.frozen_at_utc,"
        " case when run_window.lock_expires_at_utc > now() then run_window.lock_expires_at_utc end"
        " from job.run_window left join job.batch on run_window.batch_id = batch.batch_id"
        " where batch.batch_id is null or run_window.lock_expires_at_utc > now()"
        " order by run_window.frozen_at_utc desc limit %s",
        [_MOST_UNREGISTERED],
    )
    return [
        WindowState(*row[:5], _utc(row[5]), _utc(row[6]), _utc(row[7]), row[8] and _utc(row[8]))
        for row in cursor.fetchall()
    ]


def _claims(cursor: Cursor) -> dict[str, ClaimState]:
    """The newest claim of each table that is open or finished; of one that has only others, the newest of those."""
    cursor.execute(
        "select claim_id, target, run_id, run_kind, order_date, state, jsonb_array_length(units),"
        " (select count(distinct country_code) from job.claim_call where claim_call.claim_id = newest.claim_id),"
        " (select coalesce(sum(seconds), 0) from job.claim_call where claim_call.claim_id = newest.claim_id),"
        " result, claimed_at_utc, expires_at_utc, ended_at_utc"
        " from (select distinct on (target) * from job.claim"
        " order by target, state in ('open', 'finished') desc, claim_id desc) as newest order by target"
    )
    return {
        row[1]: ClaimState(*row[:10], _utc(row[10]), _utc(row[11]), row[12] and _utc(row[12]))
        for row in cursor.fetchall()
    }


def _newest_order_dates(cursor: Cursor) -> dict[str, date]:
    cursor.execute("select target, max(order_date) from job.claim where state = 'finished' group by target")
    return dict(cursor.fetchall())


def _pending_inputs(cursor: Cursor) -> list[PendingInput]:
    cursor.execute(
        "select target, run_kind, order_date, array_agg(distinct input), min(arrived_at_utc) from job.input_arrival"
        " where claim_id is null group by target, run_kind, order_date order by target, order_date, run_kind"
    )
    return [
        PendingInput(target, kind, day, tuple(inputs), _utc(since))
        for target, kind, day, inputs, since in cursor.fetchall()
    ]


def _newest_steps(cursor: Cursor, dag_ids: Collection[str], *, failures: bool) -> dict[str, LoggedStep]:
    """The newest row of each DAG; of runs that failed for good, what was told of them."""
    condition = " and step = 'failure'" if failures else ""
    cursor.execute(
        "select newest.dag_id, newest.run_id, newest.run_type, newest.step, newest.state, newest.written_at_utc,"
        " newest.document from unnest(%s::text[]) as wanted(dag_id) cross join lateral ("
        f"select * from job.step_log where dag_id = wanted.dag_id{condition} order by log_id desc limit 1) as newest",
        [sorted(dag_ids)],
    )
    return {row[0]: LoggedStep(*row[:5], _utc(row[5]), row[6]) for row in cursor.fetchall()}


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)
