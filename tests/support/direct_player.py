"""Random histories of a direct chain, the same for the same seed: what an org, Airflow and people do, in any order.

Between two rests, days pass, some objects are extracted and some are late, runs of consumers are grouped as chance has
it, people start runs and backfills, archived batches come back, steps end whose run has failed, calls fail, tasks die
between two effects and are tried again.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from datetime import date, timedelta

from idiscover.aws import extraction_run
from idiscover.errors import DataQualityError, RetriableError
from idiscover.plan.model import RefreshPlan, RunIdentity

from tests.integration.aws.kills import Killer
from tests.support.aws_runs import midnight
from tests.support.direct_chain import DirectChain, Units
from tests.support.direct_figures import differences

MOST_EFFECTS = 8
COUNTRIES = ("CN", "DE", "FR", "GB", "JP", "TH", "ZZ")


class Player:
    """Plays on a chain. `told` is what happened so far, for whoever finds a difference."""

    def __init__(self, chain: DirectChain, seed: int, killer: Killer) -> None:
        self.chain = chain
        self.killer = killer
        self.rng = random.Random(seed)
        self.told: list[str] = []
        self._unregistered: list[tuple[str, RunIdentity]] = []
        self._first_day = chain.order_date()
        self._actions: list[tuple[int, Callable[[], None]]] = [
            (3, self._extract_some),
            (6, self._run_woken),
            (1, self._start_by_hand),
            (1, self._start_by_hand_with_a_window),
            (2, self._backfill),
            (1, self._backfill_twice),
            (1, self._replay),
            (1, self._end_badly),
            (1, self._register_late),
            (2, self._fail_a_call),
            (1, self._die_extracting),
            (2, self._die_in_a_consumer),
        ]

    def play(self, actions: int) -> None:
        """Let a day or two pass, and do so many things."""
        self._advance()
        for _ in range(actions):
            [action] = self.rng.choices([a for _, a in self._actions], [w for w, _ in self._actions])
            action()

    def come_to_rest(self) -> None:
        """Everybody's newest day is extracted, and nothing is left to do."""
        while self._unregistered and self.rng.random() < 0.7:
            self._register_late()
        for name in self._shuffled(self.chain.objects):
            self.chain.extract(name)  # a day that was extracted already is not read again
        self.chain.settle(self._choose, self._order)
        self._tell("at rest")

    # --- what may happen

    def _advance(self) -> None:
        day = self.chain.advance(self.rng.choice((1, 1, 2)))
        self._tell(f"the org's last day is {day}")

    def _extract_some(self) -> None:
        names = self._shuffled(self.chain.objects)[: self.rng.randint(1, 3)]
        for name in names:
            self.chain.extract(name)
        self._tell(f"extract {', '.join(names)}")

    def _run_woken(self) -> None:
        for _ in range(self.rng.randint(1, 6)):
            if self.chain.woken:
                self.chain.run_consumer(self._choose(sorted(self.chain.woken)), self._order)
        self._tell("some consumers run")

    def _start_by_hand(self) -> None:
        name = self._object()
        self.chain.extract(name, self.chain.manual(name))
        self._tell(f"manual run of {name}")

    def _start_by_hand_with_a_window(self) -> None:
        name, start = self._object(), midnight(self._past_day()) + timedelta(hours=self.rng.randrange(24))
        end = start + timedelta(hours=self.rng.randint(1, 40))
        self.chain.extract(name, self.chain.manual(name, (start, end)))
        self._tell(f"manual run of {name}, {start} to {end}")

    def _backfill(self) -> None:
        name, day, days = self._object(), self._past_day(), self.rng.randint(1, 3)
        self.chain.extract(name, self.chain.backfill(name, day, days))
        self._tell(f"backfill of {name}, {days} days from {day}")

    def _backfill_twice(self) -> None:
        """Two that overlap: the second has to wait for the first."""
        name, day = self._object(), self._past_day()
        first, second = self.chain.backfill(name, day, 2), self.chain.backfill(name, day + timedelta(days=1), 2)
        self.chain.read(name, first)
        try:
            self.chain.extract(name, second)
        except RetriableError:
            self.chain.register(name, first)
            self.chain.extract(name, second)
        else:  # one of the two had nothing to read yet
            self.chain.register(name, first)
        self._tell(f"overlapping backfills of {name} from {day}")

    def _replay(self) -> None:
        archived = self.chain.stack.job(
            "select batch_id from job.batch where state = 'archived' and object in %s order by batch_id",
            tuple(self.chain.objects),
        )
        if archived:
            [batch_id] = self.rng.choice(archived)
            self.chain.replay(batch_id)
            self._tell(f"replay of {batch_id}")

    def _end_badly(self) -> None:
        """A run whose step ended well fails before its batch is registered, and gives its lock back."""
        name = self._object()
        run = self.rng.choice((self.chain.manual(name), self.chain.backfill(name, self._past_day())))
        self.chain.read(name, run)
        extraction_run.release_lock(self.chain.extraction_plan(name), run)
        self._unregistered.append((name, run))
        self._tell(f"{run.run_id} of {name} ends badly")

    def _register_late(self) -> None:
        """Somebody clears such a run, perhaps days later."""
        if self._unregistered:
            name, run = self._unregistered.pop(self.rng.randrange(len(self._unregistered)))
            self.chain.register(name, run)
            self._tell(f"{run.run_id} of {name} is registered")

    def _fail_a_call(self) -> None:
        """A refresh in which one country fails after others have gone through; later it is run again."""
        due = [dag_id for dag_id in self.chain.due() if isinstance(self.chain.plans[dag_id], RefreshPlan)]
        if not due:
            return
        plan = self.chain.plans[self.rng.choice(due)]
        assert isinstance(plan, RefreshPlan)
        country = self.rng.choice(COUNTRIES)
        with self.chain.refusing(plan.table, country):
            try:
                self.chain.refresh(plan.table, order=self._order)
            except DataQualityError:
                self.chain.woken.add(plan.header.dag_id)  # by the sweep, once the table has rested
                self._tell(f"{plan.table} fails in {country}")

    def _die_extracting(self) -> None:
        name = self._object()
        run = self.rng.choice((self.chain.scheduled(name), self.chain.manual(name)))
        self._die(f"extraction of {name}", lambda: self.chain.extract(name, run))

    def _die_in_a_consumer(self) -> None:
        due = self.chain.due()
        if due:
            dag_id = self.rng.choice(due)
            run = self.chain.woken_run(dag_id)
            self._die(dag_id, lambda: self.chain.run_consumer(dag_id, self._order, run))

    def _die(self, what: str, work: Callable[[], object]) -> None:
        """The process dies after its n-th effect; the run is tried again, and lives."""
        last, seen = self.rng.randint(1, MOST_EFFECTS), itertools.count(1)
        if self.killer.run(work, lambda _effect: next(seen) == last):
            work()
            self._tell(f"{what} dies after effect {last}: {self.killer.effects[-1]}")
        else:
            self._tell(f"{what} ends before effect {last}")

    # --- helpers

    def _tell(self, what: str) -> None:
        self.told.append(what)

    def _object(self) -> str:
        return self.rng.choice(self.chain.objects)

    def _past_day(self) -> date:
        days = (self.chain.order_date() - self._first_day).days
        return self._first_day + timedelta(days=self.rng.randint(0, days))

    def _shuffled(self, names: list[str]) -> list[str]:
        return self.rng.sample(names, len(names))

    def _choose(self, dag_ids: object) -> str:
        assert isinstance(dag_ids, list)
        return str(self.rng.choice(dag_ids))

    def _order(self, units: Units) -> Units:
        return self.rng.sample(units, len(units))


def assert_exact_at_rest(player: Player) -> None:
    """Come to rest: nothing is pending, and every table is what the oracle makes of the reads that were loaded."""
    player.come_to_rest()
    assert player.chain.pending() == [], "\n".join(player.told)
    found = differences(player.chain)
    assert found == [], "\n".join([*map(str, found[:10]), *player.told])
