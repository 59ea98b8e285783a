"""Claims: which pending arrivals and marks one refresh of a table takes, so that each is refreshed once.

Asset events only wake a consumer; what is pending stands here. A scheduled order date D of a table is ready when every
input has arrived for D or a later one (a missed day is caught up by the next), when its cut-off has passed by the org's
clock, or when a refresh for D has been and something came after it. Manual and backfill arrivals are ready at once.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from psycopg2.extras import execute_values

from idiscover.aws.job_metadata import JobMetadata, record_arrivals
from idiscover.plan.model import ConsumerPlan, RefreshPlan, RunKind

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor

EVERY_SLICE = "*"
LEASE = timedelta(hours=2)


@dataclass(frozen=True)
class Statements:
    """What a refresh runs, as the table's metadata file says at that moment."""

    texts: tuple[str, ...]
    metadata_version: str


@dataclass(frozen=True)
class Claim:
    """What one refresh has taken."""

    claim_id: int
    target: str
    run_kind: RunKind
    order_date: date
    as_of_date: date
    state: str
    statements: tuple[str, ...]
    units: list[list[str]] | None
    result: dict[str, Any] | None


@dataclass(frozen=True)
class Mark:
    """A stale slice: `country_code`, and the country that rows moved here from."""

    change_key: str
    country_code: str
    moved_from_country_code: str | None


def claim_of_run(metadata: JobMetadata, target: str, run_id: str) -> Claim | None:
    """The newest claim of a run that is open or finished."""
    with metadata.transaction() as cursor:
        return _claim_of_run(cursor, target, run_id)


def take_claim(metadata: JobMetadata, plan: RefreshPlan, run_id: str, statements: Statements) -> Claim | None:
    """The run's claim: its own from an earlier try, or a new one over all that is ready; None if nothing is."""
    with metadata.transaction() as cursor:
        cursor.execute("select pg_advisory_xact_lock(hashtext('claim'), hashtext(%s))", [plan.table])
        own = _claim_of_run(cursor, plan.table, run_id)
        if own is not None:
            cursor.execute(
                "update job.claim set expires_at_utc = now() + %s where claim_id = %s", [LEASE, own.claim_id]
            )
            return own
        _lapse(cursor, plan.table)
        cursor.execute("select 1 from job.claim where target = %s and state = 'open'", [plan.table])
        if cursor.fetchone() is not None:
            return None  # somebody is at it; what came since is taken by the run after
        ready = _ready(cursor, plan)
        return _open_claim(cursor, plan, run_id, statements, ready) if ready else None


def is_claimable(metadata: JobMetadata, plan: RefreshPlan) -> bool:
    """Whether a run would find something to take."""
    with metadata.transaction() as cursor:
        cursor.execute(
            "select 1 from job.claim where target = %s and state = 'open' and expires_at_utc > now()", [plan.table]
        )
        if cursor.fetchone() is not None:
            return False
        cursor.execute(
            "select 1 from job.claim where target = %s and state = 'open' and expires_at_utc <= now()", [plan.table]
        )
        return cursor.fetchone() is not None or bool(_ready(cursor, plan))


def marks_of_claim(metadata: JobMetadata, claim_id: int) -> list[Mark]:
    """The stale slices that the claim took, in the order they were marked."""
    with metadata.transaction() as cursor:
        cursor.execute(
            "select change_key, country_code, moved_from_country_code from job.slice_mark"
            " where claim_id = %s order by mark_id",
            [claim_id],
        )
        return [Mark(*row) for row in cursor.fetchall()]


def record_units(metadata: JobMetadata, claim_id: int, units: Sequence[Sequence[str]]) -> None:
    """Remembers which countries the claim calls, so that `end` marks the same at the consumers."""
    with metadata.transaction() as cursor:
        cursor.execute("update job.claim set units = %s where claim_id = %s", [json.dumps(units), claim_id])


def record_calls(metadata: JobMetadata, claim_id: int, calls: Iterable[tuple[str, str, float]]) -> None:
    """Books the statements that ran: country, text, seconds. Extends the lease, for the run is alive."""
    rows = [(claim_id, *call) for call in calls]
    with metadata.transaction() as cursor:
        if rows:
            execute_values(
                cursor, "insert into job.claim_call (claim_id, country_code, statement, seconds) values %s", rows
            )
        cursor.execute("update job.claim set expires_at_utc = now() + %s where claim_id = %s", [LEASE, claim_id])


def finish_claim(
    metadata: JobMetadata,
    claim: Claim,
    consumers: Sequence[ConsumerPlan],
    marks: Sequence[Mark],
    result: Mapping[str, Any],
) -> None:
    """Marks and arrivals at the consumers and the end of the claim, together; again, it changes nothing."""
    with metadata.transaction() as cursor:
        cursor.execute(
            "update job.claim set state = 'finished', ended_at_utc = now(), result = %s"
            " where claim_id = %s and state = 'open'",
            [json.dumps(result, default=str), claim.claim_id],
        )
        if cursor.rowcount == 0:
            return
        for consumer in consumers:
            _mark(cursor, claim, consumer, marks)
        cursor.execute(
            "select distinct run_kind, order_date from job.input_arrival where claim_id = %s order by 1, 2",
            [claim.claim_id],
        )
        for run_kind, order_date in [*cursor.fetchall(), (claim.run_kind.value, claim.order_date)]:
            record_arrivals(cursor, claim.target, consumers, RunKind(run_kind), order_date, f"claim {claim.claim_id}")


def release_claim(metadata: JobMetadata, target: str, run_id: str) -> None:
    """Gives back what the run's open claim took; the next run of the table takes it again."""
    with metadata.transaction() as cursor:
        cursor.execute(
            "select claim_id from job.claim where target = %s and run_id = %s and state = 'open' for update",
            [target, run_id],
        )
        for (claim_id,) in cursor.fetchall():
            _give_back(cursor, claim_id, "released")


def _claim_of_run(cursor: Cursor, target: str, run_id: str) -> Claim | None:
    cursor.execute(
        "select claim_id, target, run_kind, order_date, as_of_date, state, statements, units, result from job.claim"
        " where target = %s and run_id = %s and state in ('open', 'finished') order by claim_id desc limit 1",
        [target, run_id],
    )
    row = cursor.fetchone()
    if row is None:
        return None
    return Claim(row[0], row[1], RunKind(row[2]), row[3], row[4], row[5], tuple(row[6]), row[7], row[8])


def _lapse(cursor: Cursor, target: str) -> None:
    """Claims whose run has died give back what they took."""
    cursor.execute(
        "select claim_id from job.claim where target = %s and state = 'open' and expires_at_utc <= now()", [target]
    )
    for (claim_id,) in cursor.fetchall():
        _give_back(cursor, claim_id, "lapsed")


def _give_back(cursor: Cursor, claim_id: int, state: str) -> None:
    cursor.execute("update job.claim set state = %s, ended_at_utc = now() where claim_id = %s", [state, claim_id])
    cursor.execute("update job.input_arrival set claim_id = null where claim_id = %s", [claim_id])
    cursor.execute("update job.slice_mark set claim_id = null where claim_id = %s", [claim_id])


def _ready(cursor: Cursor, plan: RefreshPlan) -> list[tuple[str, date]]:
    """(run kind, order date) of the unclaimed arrivals that may be refreshed now."""
    cursor.execute(
        "select distinct run_kind, order_date from job.input_arrival where target = %s and claim_id is null",
        [plan.table],
    )
    pending: list[tuple[str, date]] = cursor.fetchall()
    newest_ready = _newest_ready_order_date(cursor, plan)
    return sorted(
        (kind, day)
        for kind, day in pending
        if kind != RunKind.SCHEDULED.value or (newest_ready is not None and day <= newest_ready)
    )


def _newest_ready_order_date(cursor: Cursor, plan: RefreshPlan) -> date | None:
    """The newest order date for which all inputs have come, the cut-off has passed, or a refresh has been."""
    cursor.execute(
        "select input, max(order_date) from job.input_arrival"
        " where target = %s and run_kind = 'scheduled' group by input",
        [plan.table],
    )
    newest: dict[str, date] = dict(cursor.fetchall())
    candidates = []
    if all(name in newest for name in plan.inputs):
        candidates.append(min(newest[name] for name in plan.inputs))
    cursor.execute("select max(read_at_utc at time zone 'UTC') from job.batch")
    org_now: datetime | None = cursor.fetchone()[0]
    if org_now is not None:
        # order date D ends at D + 1 day, and is cut off `cut_off_hours` after that
        candidates.append((org_now - timedelta(days=1, hours=plan.cut_off_hours)).date())
    cursor.execute(
        "select max(order_date) from job.claim where target = %s and state = 'finished' and run_kind = 'scheduled'",
        [plan.table],
    )
    finished: date | None = cursor.fetchone()[0]
    if finished is not None:
        candidates.append(finished)
    return max(candidates, default=None)


def _open_claim(
    cursor: Cursor, plan: RefreshPlan, run_id: str, statements: Statements, ready: Sequence[tuple[str, date]]
) -> Claim:
    scheduled = [day for kind, day in ready if kind == RunKind.SCHEDULED.value]
    kind = RunKind.SCHEDULED if scheduled else RunKind(ready[-1][0])
    order_date = max(scheduled) if scheduled else max(day for _, day in ready)
    cursor.execute("select max(as_of_date) from job.claim where target = %s and state = 'finished'", [plan.table])
    last = cursor.fetchone()[0]
    newest = max(day for _, day in ready)
    as_of_date = newest if last is None else max(newest, last)
    cursor.execute(
        "insert into job.claim (target, run_id, run_kind, order_date, as_of_date, state, statements, metadata_version,"
        " expires_at_utc) values (%s, %s, %s, %s, %s, 'open', %s, %s, now() + %s) returning claim_id",
        [
            plan.table,
            run_id,
            kind.value,
            order_date,
            as_of_date,
            json.dumps(statements.texts),
            statements.metadata_version,
            LEASE,
        ],
    )
    claim_id: int = cursor.fetchone()[0]
    for table in ("input_arrival", "slice_mark"):
        execute_values(
            cursor,
            f"update job.{table} as pending set claim_id = {claim_id:d}"
            " from (values %s) as ready (run_kind, order_date)"
            " where pending.claim_id is null and pending.run_kind = ready.run_kind"
            " and pending.order_date = ready.order_date"
            f" and pending.target = {_literal(cursor, plan.table)}",
            list(ready),
            template="(%s, %s::date)",
        )
    return Claim(claim_id, plan.table, kind, order_date, as_of_date, "open", statements.texts, None, None)


def _literal(cursor: Cursor, text: str) -> str:
    return cursor.mogrify("%s", [text]).decode("utf-8")


def _mark(cursor: Cursor, claim: Claim, consumer: ConsumerPlan, marks: Sequence[Mark]) -> None:
    """`marks: all` makes a change in reference data (slice ZZ) stale every slice; else the changed slices are."""
    rows = []
    for mark in marks:
        every = consumer.marks == "all" and mark.country_code == "ZZ"
        rows.append(
            (
                consumer.table,
                claim.target,
                mark.change_key,
                EVERY_SLICE if every else mark.country_code,
                mark.moved_from_country_code,
                claim.run_kind.value,
                claim.order_date,
            )
        )
    if rows:
        execute_values(
            cursor,
            "insert into job.slice_mark (target, source_table, change_key, country_code, moved_from_country_code,"
            " run_kind, order_date) values %s on conflict (target, source_table, change_key) do nothing",
            rows,
        )
