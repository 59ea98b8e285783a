"""Job metadata: what is pending for a table: inputs that have arrived, slices that are stale, and when they are ready.

A scheduled order date D of a table is ready when every input has arrived for D or a later one (a missed day is caught
up by the next), when its cut-off has passed by the org's clock, or when a refresh for D has been and something came
after it. Manual and backfill arrivals are ready at once.

A producer writes marks and the arrival that goes with them in one transaction, with the same run kind and order date;
so whoever sees the arrival sees its marks, and no mark waits without an arrival that will fetch it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from psycopg2.extensions import cursor as Cursor
from psycopg2.extras import execute_values

from idiscover.plan.model import ConsumerPlan, ReadinessPlan, RefreshPlan, RunKind

EVERY_SLICE = "*"
REFERENCE_SLICE = "ZZ"


@dataclass(frozen=True)
class Mark:
    """A stale slice: `country_code` (or `*`, every slice), and the country that rows moved here from."""

    change_key: str
    country_code: str
    moved_from_country_code: str | None


def record_arrivals(
    cursor: Cursor,
    table: str,
    consumers: Iterable[ConsumerPlan],
    run_kind: RunKind,
    order_date: date,
    source_id: str,
) -> None:
    """`table` has arrived at its consumers; recording it again changes nothing."""
    rows = [(consumer.table, table, run_kind.value, order_date, source_id) for consumer in consumers]
    if rows:
        execute_values(
            cursor,
            "insert into job.input_arrival (target, input, run_kind, order_date, source_id) values %s"
            " on conflict (target, input, run_kind, order_date, source_id) do nothing",
            rows,
        )


def record_marks(
    cursor: Cursor,
    table: str,
    consumer: ConsumerPlan,
    run_kind: RunKind,
    order_date: date,
    marks: Sequence[Mark],
) -> None:
    """Slices of `consumer` are stale; the same change again is the same mark.

    `marks: all`: a change in reference data (slice ZZ) makes every slice stale, besides those that it names.
    `marks: reference`: any change makes slice ZZ stale, and no other.
    """
    wanted = list(marks)
    if consumer.marks == "reference":
        wanted = [Mark(mark.change_key, REFERENCE_SLICE, None) for mark in marks]
    if consumer.marks == "all":
        # one each, under a key of its own: a mark that stands, claimed or not, must never stand for a later change
        touching = [mark for mark in marks if REFERENCE_SLICE in (mark.country_code, mark.moved_from_country_code)]
        wanted += [Mark(f"{mark.change_key} {EVERY_SLICE}", EVERY_SLICE, None) for mark in touching]
    if wanted:
        execute_values(
            cursor,
            "insert into job.slice_mark (target, source_table, change_key, country_code, moved_from_country_code,"
            " run_kind, order_date) values %s on conflict (target, source_table, change_key) do nothing",
            [
                (
                    consumer.table,
                    table,
                    mark.change_key,
                    mark.country_code,
                    mark.moved_from_country_code,
                    run_kind.value,
                    order_date,
                )
                for mark in wanted
            ],
        )


def ready(cursor: Cursor, plan: RefreshPlan | ReadinessPlan) -> list[tuple[RunKind, date]]:
    """Run kind and order date of the unclaimed arrivals that may be refreshed now, sorted."""
    cursor.execute(
        "select distinct run_kind, order_date from job.input_arrival where target = %s and claim_id is null",
        [plan.table],
    )
    pending = [(RunKind(kind), day) for kind, day in cursor.fetchall()]
    newest = _newest_ready_order_date(cursor, plan)
    return sorted(
        (kind, day) for kind, day in pending if kind is not RunKind.SCHEDULED or (newest is not None and day <= newest)
    )


def take(cursor: Cursor, target: str, pairs: Sequence[tuple[RunKind, date]], claim_id: int) -> None:
    """Gives the unclaimed arrivals and marks of these run kinds and order dates to a claim.

    Arrivals first: one that commits between the two statements leaves its arrival behind, and at worst causes a refresh
    with nothing to do. The other way round its marks would stay behind without an arrival, and be lost.
    """
    for table in ("input_arrival", "slice_mark"):
        for kind, day in pairs:
            cursor.execute(
                f"update job.{table} set claim_id = %s"
                " where target = %s and claim_id is null and run_kind = %s and order_date = %s",
                [claim_id, target, kind.value, day],
            )


def give_back(cursor: Cursor, claim_id: int) -> None:
    """What the claim took is pending again."""
    for table in ("input_arrival", "slice_mark"):
        cursor.execute(f"update job.{table} set claim_id = null where claim_id = %s", [claim_id])


def marks_of(cursor: Cursor, claim_id: int) -> list[Mark]:
    """The stale slices that a claim took, in the order they were marked."""
    cursor.execute(
        "select change_key, country_code, moved_from_country_code from job.slice_mark"
        " where claim_id = %s order by mark_id",
        [claim_id],
    )
    return [Mark(*row) for row in cursor.fetchall()]


def unclaimed_marks(cursor: Cursor, target: str, pairs: Sequence[tuple[RunKind, date]] | None = None) -> list[Mark]:
    """The stale slices that no claim has taken, as they were marked; of some run kinds and order dates only."""
    cursor.execute(
        "select change_key, country_code, moved_from_country_code, run_kind, order_date from job.slice_mark"
        " where target = %s and claim_id is null order by mark_id",
        [target],
    )
    return [Mark(*row[:3]) for row in cursor.fetchall() if pairs is None or (RunKind(row[3]), row[4]) in pairs]


def _newest_ready_order_date(cursor: Cursor, plan: RefreshPlan | ReadinessPlan) -> date | None:
    """The newest order date for which all inputs have come, the cut-off has passed, or a refresh has been."""
    candidates = [_complete_until(cursor, plan), _cut_off_until(cursor, plan), _refreshed_until(cursor, plan)]
    return max((day for day in candidates if day is not None), default=None)


def _complete_until(cursor: Cursor, plan: RefreshPlan | ReadinessPlan) -> date | None:
    cursor.execute(
        "select input, max(order_date) from job.input_arrival"
        " where target = %s and run_kind = 'scheduled' group by input",
        [plan.table],
    )
    newest: dict[str, date] = dict(cursor.fetchall())
    if not all(name in newest for name in plan.inputs):
        return None
    return min(newest[name] for name in plan.inputs)


def _cut_off_until(cursor: Cursor, plan: RefreshPlan | ReadinessPlan) -> date | None:
    """By the org's clock as far as anybody has seen it; order date D ends at D + 1 day, its cut-off is later."""
    cursor.execute("select max(read_at_utc) at time zone 'UTC' from job.batch")
    org_now: datetime | None = cursor.fetchone()[0]
    return None if org_now is None else (org_now - timedelta(days=1, hours=plan.cut_off_hours)).date()


def _refreshed_until(cursor: Cursor, plan: RefreshPlan | ReadinessPlan) -> date | None:
    cursor.execute(
        "select max(order_date) from job.claim where target = %s and state = 'finished' and run_kind = 'scheduled'",
        [plan.table],
    )
    refreshed: date | None = cursor.fetchone()[0]
    return refreshed
