"""Arrivals, marks and claims in random order, with crashes, against a model that knows nothing of the SQL.

Two tables in a row: `dm.first` is computed from `itg.a` and `itg.b`, `dm.second` from `dm.first` and `itg.b`. Whatever
happens in between, every change that an input announced ends in exactly one finished claim of each table after it, and
no order date is refreshed twice unless something new came for it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import psycopg2
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from idiscover.aws.job_metadata import JobMetadata
from idiscover.aws.job_metadata_arrivals import Mark, record_arrivals, record_marks
from idiscover.aws.job_metadata_claims import (
    Claim,
    Statements,
    claim_of_run,
    finish_claim,
    is_claimable,
    marks_of_claim,
    release_claim,
    take_claim,
)
from idiscover.plan.model import ConsumerPlan, RefreshPlan, RunKind

from tests.support.aws_platform import Platform, empty_job_metadata

FIRST, SECOND = "dm.first", "dm.second"
INPUTS = {FIRST: ("itg.a", "itg.b"), SECOND: (FIRST, "itg.b")}
CONSUMERS = {
    "itg.a": (ConsumerPlan(table=FIRST, marks="same"),),
    "itg.b": (ConsumerPlan(table=FIRST, marks="all"), ConsumerPlan(table=SECOND, marks="same")),
    FIRST: (ConsumerPlan(table=SECOND, marks="same"),),
    SECOND: (),
}
DAYS = [date(2026, 1, 5) + timedelta(days=number) for number in range(4)]
CUT_OFF_HOURS = 6
STATEMENTS = Statements(("CALL dm.load(:country_code)",), "version-1")
KINDS = [RunKind.SCHEDULED, RunKind.SCHEDULED, RunKind.SCHEDULED, RunKind.MANUAL, RunKind.BACKFILL]


@dataclass
class Table:
    """What the model knows of one table: arrivals and marks by where they are."""

    pending: list[tuple[str, RunKind, date]] = field(default_factory=list)  # input, kind, order date
    marks: dict[str, tuple[RunKind, date]] = field(default_factory=dict)  # unclaimed, by key
    arrived: dict[str, date] = field(default_factory=dict)  # newest scheduled order date per input
    open_run: str | None = None
    lapsed: bool = False
    held: tuple[list[tuple[str, RunKind, date]], dict[str, tuple[RunKind, date]]] = field(
        default_factory=lambda: ([], {})
    )
    finished: Counter[str] = field(default_factory=Counter)  # marks, by key
    refreshed: date | None = None  # newest scheduled order date that a finished claim had
    as_of: date | None = None


class Claims(RuleBasedStateMachine):
    """Every rule does one thing to the database and to the model, and compares."""

    platform: Platform

    def __init__(self) -> None:
        super().__init__()
        empty_job_metadata(self.platform.job_dsn)
        self.metadata = JobMetadata(psycopg2.connect(self.platform.job_dsn))
        self.own = psycopg2.connect(self.platform.job_dsn)
        self.own.autocommit = True
        self.tables = {name: Table() for name in INPUTS}
        self.org_now: datetime | None = None
        self.runs = 0
        self.changes = 0
        self.expected: Counter[tuple[str, str]] = Counter()  # (table, mark key) that has to end in a finished claim

    def teardown(self) -> None:
        """Drain: the clock passes every cut-off, every table is refreshed until nothing is left; then count."""
        self.clock_passes(len(DAYS) + 2)
        for name in (FIRST, SECOND):
            table = self.tables[name]
            if table.open_run is not None:
                self.fail(name)
            while self.claim(name) is not None:
                self.finish(name)
        for name, table in self.tables.items():
            assert not table.pending and not table.marks
            assert table.finished == Counter({key: 1 for of, key in self.expected if of == name})
        unclaimed = "select count(*) from job.{} where claim_id is null"
        assert self.ask(unclaimed.format("slice_mark")) == [(0,)]
        assert self.ask(unclaimed.format("input_arrival")) == [(0,)]
        self.metadata.__exit__(None, None, None)
        self.own.close()

    def ask(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """One statement of the test's own."""
        with self.own.cursor() as cursor:
            cursor.execute(sql, values)
            return cursor.fetchall() if cursor.description else []

    @initialize()
    def start(self) -> None:
        """hypothesis wants one step before the others."""

    @rule(name=st.sampled_from(["itg.a", "itg.b"]), kind=st.sampled_from(KINDS), day=st.sampled_from(DAYS),
          countries=st.lists(st.sampled_from(["DE", "FR", "ZZ"]), unique=True), again=st.booleans())  # fmt: skip
    def arrive(self, name: str, kind: RunKind, day: date, countries: list[str], again: bool) -> None:
        """An input was refreshed; `again`: its `end` was killed after the commit and run again."""
        self.changes += 1
        marks = [Mark(f"{name} change {self.changes} {country}", country, None) for country in countries]
        for _ in range(2 if again else 1):
            with self.metadata.transaction() as cursor:
                for consumer in CONSUMERS[name]:
                    record_marks(cursor, name, consumer, kind, day, marks)
                record_arrivals(cursor, name, CONSUMERS[name], kind, day, f"change {self.changes}")
        self._announce(name, kind, day, marks)

    @rule(number=st.integers(0, len(DAYS)), hours=st.integers(0, 12))
    def clock_passes(self, number: int, hours: int = 12) -> None:
        """Somebody reads the org, whose clock is then known."""
        moment = datetime.combine(DAYS[0] + timedelta(days=number), time(hours), UTC)
        self.org_now = max(moment, self.org_now or moment)
        self.ask(
            "insert into job.batch values (%s, 'x', 'r', 'manual', %s, %s, %s, %s, 0, 0, '{}', 'k', 'pending')"
            " on conflict do nothing",
            f"clock {moment}",
            moment.date(),
            moment,
            moment,
            moment,
        )

    @rule(name=st.sampled_from([FIRST, SECOND]))
    def a_run_begins(self, name: str) -> None:
        """Woken by whatever event."""
        self.claim(name)

    def claim(self, name: str) -> Claim | None:
        """A run of the table begins; what it claims is what the model says is ready."""
        table, plan = self.tables[name], _plan(name)
        if table.lapsed:
            self._give_back(table)
        ready = self._ready(name) if table.open_run is None else set()
        assert is_claimable(self.metadata, plan) == (bool(ready) or table.lapsed)
        table.lapsed = False
        self.runs += 1
        claim = take_claim(self.metadata, plan, f"run {self.runs}", STATEMENTS)
        assert (claim is not None) == bool(ready)
        if claim is not None:
            self._check_new(name, claim, ready)
        return claim

    @rule(name=st.sampled_from([FIRST, SECOND]))
    def try_again(self, name: str) -> None:
        """The run's task is retried: it gets the very claim it has."""
        table = self.tables[name]
        if table.open_run is not None and not table.lapsed:
            own = claim_of_run(self.metadata, name, table.open_run)
            again = take_claim(
                self.metadata, _plan(name), table.open_run, Statements(("CALL dm.other()",), "version-2")
            )
            assert own is not None and own == again

    @rule(name=st.sampled_from([FIRST, SECOND]), twice=st.booleans())
    def finish(self, name: str, twice: bool = False) -> None:
        """The run ends well, unless its claim has lapsed and is another's."""
        table = self.tables[name]
        if table.open_run is None:
            return
        claim = claim_of_run(self.metadata, name, table.open_run)
        assert claim is not None
        marks = [Mark(f"{name} claim {claim.claim_id} {country}", country, None) for country in ("DE", "ZZ")]
        for _ in range(2 if twice else 1):
            assert finish_claim(self.metadata, claim, CONSUMERS[name], marks, {"claim": claim.claim_id})
        self._announce(name, claim.run_kind, claim.order_date, marks)
        table.finished.update(table.held[1].keys())
        table.held, table.open_run, table.lapsed = ([], {}), None, False
        table.as_of = claim.as_of_date
        if claim.run_kind is RunKind.SCHEDULED:
            table.refreshed = max(claim.order_date, table.refreshed or claim.order_date)

    @rule(name=st.sampled_from([FIRST, SECOND]))
    def fail(self, name: str) -> None:
        """The run fails and gives its claim back."""
        table = self.tables[name]
        if table.open_run is not None:
            for _ in range(2):
                release_claim(self.metadata, name, table.open_run)
            assert claim_of_run(self.metadata, name, table.open_run) is None
            self._give_back(table)

    @rule(name=st.sampled_from([FIRST, SECOND]))
    def die(self, name: str) -> None:
        """The run is killed and its lease runs out; nobody has noticed yet."""
        table = self.tables[name]
        if table.open_run is not None:
            self.ask(
                "update job.claim set expires_at_utc = now() - interval '1 s' where target = %s and state = 'open'",
                name,
            )
            table.lapsed = True

    @invariant()
    def nothing_is_lost(self) -> None:
        """Unclaimed marks are those of the model; at most one claim of a table is open."""
        for name, table in self.tables.items():
            found = self.ask("select change_key from job.slice_mark where target = %s and claim_id is null", name)
            assert {key for (key,) in found} == set(table.marks)
            opened = self.ask("select run_id from job.claim where target = %s and state = 'open'", name)
            assert opened == ([] if table.open_run is None else [(table.open_run,)])

    def _announce(self, name: str, kind: RunKind, day: date, marks: list[Mark]) -> None:
        for consumer in CONSUMERS[name]:
            table = self.tables[consumer.table]
            keys = [mark.change_key for mark in marks]
            if consumer.marks == "all":
                keys += [f"{mark.change_key} *" for mark in marks if mark.country_code == "ZZ"]
            for key in keys:
                table.marks[key] = (kind, day)
                self.expected[consumer.table, key] += 1
            table.pending.append((name, kind, day))
            if kind is RunKind.SCHEDULED:
                table.arrived[name] = max(day, table.arrived.get(name, day))

    def _ready(self, name: str) -> set[tuple[RunKind, date]]:
        table, found = self.tables[name], set()
        for _, kind, day in table.pending:
            complete = all(day <= table.arrived.get(needed, date.min) for needed in INPUTS[name])
            closes = datetime.combine(day + timedelta(days=1), time(CUT_OFF_HOURS), UTC)
            cut_off = self.org_now is not None and self.org_now >= closes
            follows = table.refreshed is not None and day <= table.refreshed
            if kind is not RunKind.SCHEDULED or complete or cut_off or follows:
                found.add((kind, day))
        return found

    def _check_new(self, name: str, claim: Claim, ready: set[tuple[RunKind, date]]) -> None:
        table = self.tables[name]
        scheduled = [day for kind, day in ready if kind is RunKind.SCHEDULED]
        assert (claim.run_kind is RunKind.SCHEDULED) == bool(scheduled)
        assert claim.order_date == (max(scheduled) if scheduled else max(d for k, d in ready if k is claim.run_kind))
        newest = max(day for _, day in ready)
        assert claim.as_of_date == max(newest, table.as_of or newest)
        assert claim.last_as_of_date == table.as_of
        taken = {key: of for key, of in table.marks.items() if of in ready}
        assert {mark.change_key for mark in marks_of_claim(self.metadata, claim.claim_id)} == set(taken)
        table.held = ([item for item in table.pending if item[1:] in ready], taken)
        table.pending = [item for item in table.pending if item[1:] not in ready]
        table.marks = {key: of for key, of in table.marks.items() if of not in ready}
        table.open_run = f"run {self.runs}"

    def _give_back(self, table: Table) -> None:
        table.pending += table.held[0]
        table.marks |= table.held[1]
        table.held, table.open_run = ([], {}), None


def _plan(table: str) -> RefreshPlan:
    return RefreshPlan.model_construct(table=table, inputs=INPUTS[table], cut_off_hours=CUT_OFF_HOURS)


def test_any_interleaving(platform: Platform) -> None:
    Claims.platform = platform
    run_state_machine_as_test(
        Claims,
        settings=settings(
            max_examples=25, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )


Step = Callable[[Claims], object]


@pytest.mark.parametrize("order", [("itg.a", "itg.b"), ("itg.b", "itg.a")])
def test_each_event_wakes_but_the_last_input_counts(platform: Platform, order: tuple[str, str]) -> None:
    """Two inputs, two events, two runs: one refresh."""
    Claims.platform = platform
    machine = Claims()
    machine.arrive(order[0], RunKind.SCHEDULED, DAYS[0], ["DE"], False)
    assert machine.claim(FIRST) is None
    machine.arrive(order[1], RunKind.SCHEDULED, DAYS[0], ["FR"], False)
    claim = machine.claim(FIRST)
    assert claim is not None and claim.order_date == DAYS[0] and claim.last_as_of_date is None
    machine.finish(FIRST)
    assert machine.claim(FIRST) is None
    machine.teardown()


def test_a_missed_day_is_caught_up_by_the_next(platform: Platform) -> None:
    Claims.platform = platform
    machine = Claims()
    machine.arrive("itg.a", RunKind.SCHEDULED, DAYS[0], ["DE"], False)
    machine.arrive("itg.a", RunKind.SCHEDULED, DAYS[1], [], False)
    assert machine.claim(FIRST) is None
    machine.arrive("itg.b", RunKind.SCHEDULED, DAYS[1], [], False)  # itg.b never had DAYS[0]
    claim = machine.claim(FIRST)
    assert claim is not None and claim.order_date == DAYS[1]
    machine.finish(FIRST)
    assert machine.claim(FIRST) is None
    machine.teardown()


def test_late_is_refreshed_at_once_and_never_as_of_the_past(platform: Platform) -> None:
    Claims.platform = platform
    machine = Claims()
    for name in ("itg.a", "itg.b"):
        machine.arrive(name, RunKind.SCHEDULED, DAYS[2], [], False)
    machine.claim(FIRST)
    machine.finish(FIRST)
    machine.arrive("itg.a", RunKind.SCHEDULED, DAYS[0], ["DE"], False)
    claim = machine.claim(FIRST)
    assert claim is not None and (claim.order_date, claim.as_of_date) == (DAYS[0], DAYS[2])
    machine.finish(FIRST)
    machine.teardown()
