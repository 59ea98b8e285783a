"""Job metadata: claims: which pending arrivals and marks one refresh of a table takes, so that each is refreshed once.

Asset events only wake a consumer; what is pending is in `job_metadata_arrivals`. A claim is open until it is finished,
released (its run failed) or lapsed (its run died: the lease ran out and another run came). Released and lapsed claims
give everything back, in the transaction that ends them; a finished claim keeps it for good. At most one claim of a
table is open (a unique index says so too), and all that is decided about a table's claims is decided one at a time.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from psycopg2.extensions import cursor as Cursor
from psycopg2.extras import execute_values

from idiscover.aws.job_metadata import JobMetadata, decide_alone
from idiscover.aws.job_metadata_arrivals import (
    Mark,
    give_back,
    marks_of,
    ready,
    record_arrivals,
    record_marks,
    take,
    unclaimed_marks,
)
from idiscover.errors import ConfigError, RetriableError
from idiscover.plan.model import ConsumerPlan, RefreshPlan, RunKind

LEASE = timedelta(minutes=45)  # renewed before and after each unit of countries
DECISION = "claim"


@dataclass(frozen=True)
class Statements:
    """What a refresh runs, as the table's metadata file says at that moment.

    `fault`: what is wrong with the newest version of the file, so that these are those of an older one.
    """

    texts: tuple[str, ...]
    metadata_version: str
    fault: str | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Claim:
    """What one refresh has taken.

    `units` is None until they are recorded. `last_as_of_date` is that of the table's newest finished refresh before
    this claim; None if this is its first.
    """

    claim_id: int
    target: str
    run_kind: RunKind
    order_date: date
    as_of_date: date
    last_as_of_date: date | None
    is_finished: bool
    statements: Statements
    units: list[list[str]] | None
    result: dict[str, Any] | None


_COLUMNS = """claim_id, target, run_kind, order_date, as_of_date, (
        select max(earlier.as_of_date) from job.claim as earlier
        where earlier.target = claim.target and earlier.state = 'finished' and earlier.claim_id < claim.claim_id
    ), state = 'finished', statements, metadata_version, units, result"""


def claim_of_run(metadata: JobMetadata, target: str, run_id: str) -> Claim | None:
    """The newest claim of a run that is open or finished."""
    with metadata.transaction() as cursor:
        return _claim_of_run(cursor, target, run_id)


def take_claim(metadata: JobMetadata, plan: RefreshPlan, run_id: str, statements: Statements) -> Claim | None:
    """The run's claim: its own from an earlier try, or a new one over all that is ready; None if nothing is.

    None, too, while another run's claim is open: what came since is taken by the run after.
    """
    with metadata.transaction() as cursor:
        own = _own_claim(cursor, plan.table, run_id)
        if own is not None:
            return own
        if _is_open(cursor, plan.table):
            return None
        pairs = ready(cursor, plan)
        return _open(cursor, plan, run_id, statements, pairs) if pairs else None


def claim_alone(metadata: JobMetadata, plan: RefreshPlan, run_id: str, statements: Statements) -> Claim | None:
    """A claim that takes nothing: whoever has it is alone with the table, and what is pending waits for its next run.

    Its changes are passed on as those of a manual run, of the newest order date that the table or any batch has. None
    while another's claim is open.
    """
    with metadata.transaction() as cursor:
        decide_alone(cursor, DECISION, plan.table)
        _lapse(cursor, plan.table)
        if _is_open(cursor, plan.table):
            return None
        cursor.execute(
            "select coalesce((select max(order_date) from job.claim where target = %s and state = 'finished'),"
            " (select max(order_date) from job.batch), current_date)",
            [plan.table],
        )
        scope = _scope(cursor, plan, [(RunKind.MANUAL, cursor.fetchone()[0])])
        return _insert(cursor, plan, run_id, statements, scope)


def open_claim(metadata: JobMetadata, target: str) -> tuple[str, datetime] | None:
    """Whose claim of a table is open, and when it lapses; None if none is."""
    with metadata.transaction() as cursor:
        cursor.execute("select run_id, expires_at_utc from job.claim where target = %s and state = 'open'", [target])
        row = cursor.fetchone()
    return None if row is None else (row[0], row[1].astimezone(UTC))


def take_claim_of_slices(metadata: JobMetadata, plan: RefreshPlan, run_id: str, statements: Statements) -> Claim:
    """The run's claim for slices that a person names: its own from an earlier try, or a new one that takes nothing.

    What is pending stays pending. The claim is of kind manual, for the order date up to which the table is.

    Raises:
        ConfigError: the table has never been refreshed; its first refresh has to take every slice.
        RetriableError: another run's claim is open.
    """
    with metadata.transaction() as cursor:
        own = _own_claim(cursor, plan.table, run_id)
        if own is not None:
            return own
        if _is_open(cursor, plan.table):
            raise RetriableError(
                "another run refreshes the table",
                where=plan.table,
                expected="one run at a time",
                remedy=f"wait for it to end; if it is dead, its claim lapses within {LEASE}",
            )
        scope = _scope_of_slices(cursor, plan)
        return _insert(cursor, plan, run_id, statements, scope)


def previewed_claim(
    metadata: JobMetadata, plan: RefreshPlan, statements: Statements, *, of_slices: bool
) -> tuple[Claim, list[tuple[RunKind, date]], list[Mark]] | None:
    """What `take_claim` (or `take_claim_of_slices`) would take now: a claim without a number, the arrivals' run kinds
    and order dates, the marks. None if nothing is ready. Nothing is written.
    """
    with metadata.transaction() as cursor:
        pairs = [] if of_slices else ready(cursor, plan)
        if not pairs and not of_slices:
            return None
        scope = _scope_of_slices(cursor, plan) if of_slices else _scope(cursor, plan, pairs)
        marks = unclaimed_marks(cursor, plan.table, None if of_slices else pairs)
    claim = Claim(0, plan.table, scope.run_kind, *scope.days, False, statements, None, None)
    return claim, pairs, marks


def renewed_claim(metadata: JobMetadata, target: str, run_id: str) -> Claim | None:
    """The run's open claim with a fresh lease; None if it was given back, or lapsed and another run has it."""
    with metadata.transaction() as cursor:
        decide_alone(cursor, DECISION, target)
        own = _claim_of_run(cursor, target, run_id)
        if own is None or own.is_finished:
            return None
        _renew(cursor, own.claim_id)
        return own


def is_claimable(metadata: JobMetadata, plan: RefreshPlan) -> bool:
    """Whether a run would find something to take."""
    with metadata.transaction() as cursor:
        cursor.execute(
            "select expires_at_utc <= now() from job.claim where target = %s and state = 'open'", [plan.table]
        )
        row = cursor.fetchone()
        return bool(row[0]) if row is not None else bool(ready(cursor, plan))


def marks_of_claim(metadata: JobMetadata, claim_id: int) -> list[Mark]:
    """The stale slices that the claim took, in the order they were marked."""
    with metadata.transaction() as cursor:
        return marks_of(cursor, claim_id)


def pending_marks(metadata: JobMetadata, target: str) -> list[Mark]:
    """The stale slices of a table that no claim has taken."""
    with metadata.transaction() as cursor:
        return unclaimed_marks(cursor, target)


def record_units(metadata: JobMetadata, claim_id: int, units: Sequence[Sequence[str]]) -> None:
    """Remembers which countries the claim calls, so that every try calls them and `end` marks the same."""
    with metadata.transaction() as cursor:
        cursor.execute(
            "update job.claim set units = %s where claim_id = %s and state = 'open'", [json.dumps(units), claim_id]
        )


def countries_called(metadata: JobMetadata, claim_id: int) -> set[str]:
    """The countries whose calls are booked: their transactions are committed."""
    with metadata.transaction() as cursor:
        cursor.execute("select distinct country_code from job.claim_call where claim_id = %s", [claim_id])
        return {country for (country,) in cursor.fetchall()}


def record_calls(metadata: JobMetadata, claim_id: int, calls: Iterable[tuple[str, str, float]]) -> None:
    """Books the statements that ran (country, text, seconds). Renews the lease, for the run is alive."""
    rows = [(claim_id, *call) for call in calls]
    with metadata.transaction() as cursor:
        if rows:
            execute_values(
                cursor, "insert into job.claim_call (claim_id, country_code, statement, seconds) values %s", rows
            )
        _renew(cursor, claim_id)


def finish_claim(
    metadata: JobMetadata,
    claim: Claim,
    consumers: Sequence[ConsumerPlan],
    marks: Sequence[Mark],
    result: Mapping[str, Any],
) -> bool:
    """Marks and arrival at the consumers and the end of the claim, in one transaction.

    Returns:
        Whether the claim is finished now, by this call or one before; False if it is not the run's any more: then
        nothing was written, and whoever has it passes the changes on.
    """
    with metadata.transaction() as cursor:
        decide_alone(cursor, DECISION, claim.target)
        cursor.execute("select state from job.claim where claim_id = %s", [claim.claim_id])
        state = cursor.fetchone()[0]
        if state == "open":
            _end(cursor, claim.claim_id, "finished", result)
            for consumer in consumers:
                record_marks(cursor, claim.target, consumer, claim.run_kind, claim.order_date, marks)
            source = f"claim {claim.claim_id}"
            record_arrivals(cursor, claim.target, consumers, claim.run_kind, claim.order_date, source)
        return state in ("open", "finished")


def release_claim(metadata: JobMetadata, target: str, run_id: str) -> None:
    """Gives back what the run's open claim took; the next run of the table takes it again."""
    with metadata.transaction() as cursor:
        decide_alone(cursor, DECISION, target)
        own = _claim_of_run(cursor, target, run_id)
        if own is not None and not own.is_finished:
            _end(cursor, own.claim_id, "released")
            give_back(cursor, own.claim_id)


def _own_claim(cursor: Cursor, target: str, run_id: str) -> Claim | None:
    """Alone with the decision: the run's claim from an earlier try, renewed; without one, a dead claim has lapsed."""
    decide_alone(cursor, DECISION, target)
    own = _claim_of_run(cursor, target, run_id)
    if own is None:
        _lapse(cursor, target)
    else:
        _renew(cursor, own.claim_id)
    return own


def _claim_of_run(cursor: Cursor, target: str, run_id: str) -> Claim | None:
    cursor.execute(
        f"select {_COLUMNS} from job.claim where target = %s and run_id = %s and state in ('open', 'finished')"
        " order by claim_id desc limit 1",
        [target, run_id],
    )
    row = cursor.fetchone()
    if row is None:
        return None
    statements = Statements(tuple(row[7]), row[8])
    return Claim(row[0], row[1], RunKind(row[2]), *row[3:7], statements, row[9], row[10])


def _is_open(cursor: Cursor, target: str) -> bool:
    cursor.execute("select 1 from job.claim where target = %s and state = 'open'", [target])
    return cursor.fetchone() is not None


def _lapse(cursor: Cursor, target: str) -> None:
    """A claim whose lease ran out gives back what it took: its run has died, or is too slow to be waited for."""
    cursor.execute(
        "select claim_id from job.claim where target = %s and state = 'open' and expires_at_utc <= now()", [target]
    )
    for (claim_id,) in cursor.fetchall():
        _end(cursor, claim_id, "lapsed")
        give_back(cursor, claim_id)


def _end(cursor: Cursor, claim_id: int, state: str, result: Mapping[str, Any] | None = None) -> None:
    cursor.execute(
        "update job.claim set state = %s, ended_at_utc = now(), result = %s where claim_id = %s",
        [state, None if result is None else json.dumps(result, default=str), claim_id],
    )


def _renew(cursor: Cursor, claim_id: int) -> None:
    cursor.execute(
        "update job.claim set expires_at_utc = now() + %s where claim_id = %s and state = 'open'", [LEASE, claim_id]
    )


@dataclass(frozen=True)
class _Scope:
    """What a claim is for. `days`: order date, as-of date, the as-of date of the refresh before (None: the first)."""

    run_kind: RunKind
    days: tuple[date, date, date | None]


def _open(
    cursor: Cursor, plan: RefreshPlan, run_id: str, statements: Statements, pairs: Sequence[tuple[RunKind, date]]
) -> Claim:
    claim = _insert(cursor, plan, run_id, statements, _scope(cursor, plan, pairs))
    take(cursor, plan.table, pairs, claim.claim_id)
    return claim


def _scope(cursor: Cursor, plan: RefreshPlan, pairs: Sequence[tuple[RunKind, date]]) -> _Scope:
    """Scheduled if any of the arrivals is, for the newest order date of that kind."""
    kind = RunKind.SCHEDULED if any(kind is RunKind.SCHEDULED for kind, _ in pairs) else pairs[-1][0]
    order_date = max(day for of, day in pairs if of is kind)
    last = _last_as_of_date(cursor, plan)
    newest = max(day for _, day in pairs)
    # never back: a replay of an old day is as of today
    return _Scope(kind, (order_date, newest if last is None else max(newest, last), last))


def _scope_of_slices(cursor: Cursor, plan: RefreshPlan) -> _Scope:
    last = _last_as_of_date(cursor, plan)
    if last is None:
        raise ConfigError(
            "the table has never been refreshed, and its first refresh takes every slice",
            where=plan.header.dag_id,
            key="countries",
            expected="none",
            remedy="run it without countries, once its inputs have arrived",
        )
    return _Scope(RunKind.MANUAL, (last, last, last))


def _last_as_of_date(cursor: Cursor, plan: RefreshPlan) -> date | None:
    cursor.execute("select max(as_of_date) from job.claim where target = %s and state = 'finished'", [plan.table])
    last: date | None = cursor.fetchone()[0]
    return last


def _insert(cursor: Cursor, plan: RefreshPlan, run_id: str, statements: Statements, scope: _Scope) -> Claim:
    order_date, as_of_date, last = scope.days
    cursor.execute(
        "insert into job.claim (target, run_id, run_kind, order_date, as_of_date, state, statements, metadata_version,"
        " expires_at_utc) values (%s, %s, %s, %s, %s, 'open', %s, %s, now() + %s) returning claim_id",
        [
            plan.table,
            run_id,
            scope.run_kind.value,
            order_date,
            as_of_date,
            json.dumps(statements.texts),
            statements.metadata_version,
            LEASE,
        ],
    )
    claim_id: int = cursor.fetchone()[0]
    return Claim(claim_id, plan.table, scope.run_kind, order_date, as_of_date, last, False, statements, None, None)
