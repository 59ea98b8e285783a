"""The chain without Airflow and without spark-submit, and with all real code otherwise.

A `DirectChain` calls the functions that the operators call, in their order, and wakes consumers as assets do. The step
is `emr_jobs.step.run` with the real page code on a runner of this process.

    chain = DirectChain(stack, catalog)
    chain.run_day()
    assert chain.differences() == []
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from idiscover.aws import extraction_run, loader, refresher
from idiscover.aws.replay import batches_to_replay, replay
from idiscover.aws.s3 import Bucket
from idiscover.aws.sweep import due_dag_ids
from idiscover.aws.wakes import ready_consumers
from idiscover.lake.keys import status_key
from idiscover.lake.manifest import BatchManifest
from idiscover.metadata.models import Catalog, Family
from idiscover.plan.build import build_plans
from idiscover.plan.model import ExtractionPlan, LoadPlan, Plan, RefreshPlan, RunIdentity

from emr_jobs import step
from emr_jobs.pages import PageOrder, PageTask, TaskOutcome, run_task
from emr_jobs.reading import Submit
from tests.support.aws_runs import midnight
from tests.support.direct_stack import DirectStack
from tests.support.kept import KeptConnections

Choose = Callable[[Sequence[str]], str]
Units = list[list[str]]


class LocalPages:
    """Page tasks one after the other, in this process."""

    @contextmanager
    def open(self, parallel: int) -> Iterator[Submit]:
        yield _run_here


def _run_here(order: PageOrder, task: PageTask) -> Future[TaskOutcome]:
    done: Future[TaskOutcome] = Future()
    done.set_result(run_task(order, task))
    return done


@dataclass(frozen=True)
class DoneRun:
    """A run that ended well, for those who run it again."""

    plan: Plan
    run: RunIdentity


class DirectChain:
    """All DAGs of a catalog over one stack. What an asset event would have woken waits in `woken`.

    Args:
        stack: the stores and the org.
        catalog: the metadata.
        before: the chain of other metadata that ran on the same stores: its runs have their numbers.
        kept: the connections that are kept between its runs.
    """

    def __init__(
        self,
        stack: DirectStack,
        catalog: Catalog,
        before: DirectChain | None = None,
        kept: KeptConnections | None = None,
    ) -> None:
        self.stack = stack
        self.kept = kept
        self.catalog = catalog
        self.plans: dict[str, Plan] = {
            plan.header.dag_id: plan for plan in build_plans(catalog, stack.context, "0" * 40)
        }
        self.woken: set[str] = set()
        self.done: list[DoneRun] = []
        self.manifests: dict[str, BatchManifest] = {}  # of the batches that were registered, by batch_id
        self._runs = 0 if before is None else before._runs
        self._depths = {dag_id: self._depth(plan) for dag_id, plan in self.plans.items()}

    # --- who there is

    @property
    def objects(self) -> list[str]:
        """Names of all objects, sorted."""
        return sorted(self.catalog.objects)

    @property
    def tables(self) -> list[str]:
        """Names of all itg and dm tables, sorted."""
        return sorted(self.catalog.tables)

    @property
    def bucket(self) -> Bucket:
        """The data bucket."""
        return Bucket(self.stack.context.buckets.data, self.stack.context.region)

    def extraction_plan(self, name: str) -> ExtractionPlan:
        """The plan of `sfdc_to_s3__<name>`."""
        plan = self.plans[f"{Family.SFDC_TO_S3.value}__{name}"]
        assert isinstance(plan, ExtractionPlan)
        return plan

    def load_plan(self, name: str) -> LoadPlan:
        """The plan of `s3_to_redshift__<name>`."""
        plan = self.plans[f"{Family.S3_TO_REDSHIFT.value}__{name}"]
        assert isinstance(plan, LoadPlan)
        return plan

    def refresh_plan(self, table: str) -> RefreshPlan:
        """The plan of a table's refresh."""
        family = self.catalog.tables[table].family.value
        plan = self.plans[f"{family}__{table.split('.')[1]}"]
        assert isinstance(plan, RefreshPlan)
        return plan

    # --- runs of extractions

    def order_date(self) -> date:
        """The org's last complete day."""
        return self.stack.org.order_date()

    def scheduled(self, name: str, day: date | None = None) -> RunIdentity:
        """The scheduled run of an org day."""
        start = midnight(day or self.order_date())
        return self._extraction_run(name, "scheduled", start, interval=(start, start + timedelta(days=1)))

    def backfill(self, name: str, day: date, days: int = 1) -> RunIdentity:
        """A run of a backfill over `days` days; the n-th of the same day is another run."""
        start = midnight(day)
        return self._extraction_run(
            name, "backfill", start, interval=(start, start + timedelta(days=days)), suffix=self._next()
        )

    def manual(self, name: str, window: tuple[datetime, datetime] | None = None) -> RunIdentity:
        """A run that a person starts, with or without a window of its own."""
        run = self._extraction_run(name, "manual", self.stack.org.now(), suffix=self._next())
        if window is None:
            return run
        return run.model_copy(update={"window_start_utc": window[0], "window_end_utc": window[1]})

    def extract(self, name: str, run: RunIdentity | None = None) -> BatchManifest:
        """A whole run of an extraction, by default the scheduled one of the org's last day."""
        run = run or self.scheduled(name)
        try:
            self.read(name, run)
            return self.register(name, run)
        except Exception:
            extraction_run.release_lock(self.extraction_plan(name), run)  # as `end`'s callback does
            raise

    def read(self, name: str, run: RunIdentity) -> None:
        """Up to the end of the step: its files and manifest stand, and nobody knows of them yet."""
        plan = self.extraction_plan(name)
        request = extraction_run.open_extraction(plan, run)
        if not extraction_run.batch_stands(plan, run):
            key = status_key(run.dag_id, run.run_id, "request")
            step.run(f"s3://{request.data_bucket}/{key}", LocalPages())

    def register(self, name: str, run: RunIdentity) -> BatchManifest:
        """`end`: the batch is known, and its load is woken."""
        plan = self.extraction_plan(name)
        manifest = extraction_run.close_extraction(plan, run)
        self.manifests[manifest.batch_id] = manifest
        self._finished(plan, run)
        return manifest

    # --- runs of loads and refreshes

    def woken_run(self, dag_id: str) -> RunIdentity:
        """A new run of a consumer, as an asset event starts it."""
        return RunIdentity(dag_id=dag_id, run_id=f"asset_triggered{self._next()}", run_type="asset_triggered")

    def load(self, name: str, run: RunIdentity | None = None) -> dict[str, Any]:
        """A whole run of a load; what `end` returns."""
        plan = self.load_plan(name)
        run = run or self.woken_run(plan.header.dag_id)
        self.woken.discard(plan.header.dag_id)
        loader.copy_pending(plan, run)
        loader.reconcile(plan, run)
        result = loader.finish_load(plan, run)
        self._finished(plan, run)
        return result

    def refresh(
        self, table: str, run: RunIdentity | None = None, order: Callable[[Units], Units] = lambda units: units
    ) -> dict[str, Any] | None:
        """A whole run of a refresh, its units of countries in the order that `order` gives; what `end` returns.

        Raises:
            IdiscoverError: a unit failed; those after it were not called, and the claim was given back.
        """
        plan = self.refresh_plan(table)
        run = run or self.woken_run(plan.header.dag_id)
        self.woken.discard(plan.header.dag_id)
        try:
            for unit in order(refresher.claim_slices(plan, run)):
                refresher.call_unit(plan, run, unit)
            result = refresher.finish_refresh(plan, run)
        except Exception:
            refresher.fail_refresh(plan, run)  # as the tasks' callback does
            raise
        if result is not None:
            self._finished(plan, run)
        return result

    # --- the whole

    def advance(self, days: int = 1) -> date:
        """Move the org on; the order date that is complete then."""
        self.stack.org.advance(days)
        return self.order_date()

    def run_day(self, objects: Sequence[str] | None = None) -> date:
        """The scheduled runs of the org's last complete day, and all that they wake; the order date."""
        for name in objects or self.objects:
            self.extract(name)
        self.settle()
        return self.order_date()

    def settle(self, choose: Choose | None = None, order: Callable[[Units], Units] = lambda units: units) -> None:
        """Run what is woken until nothing is, by default inputs before what is computed from them.

        Raises:
            AssertionError: something is claimable that no event woke.
        """
        pick = choose or self.first
        while self.woken:
            self.run_consumer(pick(sorted(self.woken)), order)
        assert self.due() == [], "no event woke them"

    def run_consumer(
        self,
        dag_id: str,
        order: Callable[[Units], Units] = lambda units: units,
        run: RunIdentity | None = None,
    ) -> None:
        """A run of a load or a refresh by its dag_id."""
        plan = self.plans[dag_id]
        if isinstance(plan, LoadPlan):
            self.load(plan.object, run)
        else:
            assert isinstance(plan, RefreshPlan)
            self.refresh(plan.table, run, order)

    def due(self) -> list[str]:
        """The consumers that the sweep would wake."""
        return due_dag_ids(plan for plan in self.plans.values() if not isinstance(plan, ExtractionPlan))

    def pending(self) -> list[tuple[str, str, str, date]]:
        """Arrivals that no refresh has taken: table, input, run kind, order date."""
        rows = self.stack.job(
            "select target, input, run_kind, order_date from job.input_arrival where claim_id is null order by 1, 2, 4"
        )
        return [row for row in rows if row[0] in self.catalog.tables]

    @contextmanager
    def refusing(self, table: str, country: str) -> Iterator[None]:
        """Until the end of the block, the calls for one country of a table end in a procedure's own error.

        The table's metadata file in the bucket gets a second statement, which raises.
        """
        schema, key = table.split(".")[0], self.refresh_plan(table).metadata_key
        bucket = self.bucket
        text = bucket.read_text(key)
        self.stack.warehouse(_REFUSE.format(schema=schema))
        call = f"  - CALL {schema}.refuse(:country_code, :as_of_date, :run_id, '{country}')\n"
        bucket.write_text(key, text.rstrip("\n") + "\n" + call)
        try:
            yield
        finally:
            bucket.write_text(key, text)

    def replay(self, batch_id: str) -> None:
        """An archived batch lies in source/ again, pending, and stg's ledger does not know it: its load is woken."""
        [(name,)] = self.stack.job("select object from job.batch where batch_id = %s", batch_id)
        plan = self.load_plan(name)
        replay(plan, batches_to_replay(plan, [batch_id]), "a test", "somebody")
        self.woken.add(plan.header.dag_id)

    # --- helpers

    def _finished(self, plan: Plan, run: RunIdentity) -> None:
        self.done.append(DoneRun(plan, run))
        if isinstance(plan, ExtractionPlan):
            self.woken.add(self.load_plan(plan.object).header.dag_id)
        else:
            self.woken.update(self.refresh_plan(table).header.dag_id for table in ready_consumers(plan))

    def first(self, dag_ids: Sequence[str]) -> str:
        """Of some consumers the one nearest to the extractions."""
        return min(dag_ids, key=lambda dag_id: (self._depths[dag_id], dag_id))

    def _depth(self, plan: Plan) -> int:
        """The longest way from an extraction."""
        sources: list[Plan] = []
        if isinstance(plan, LoadPlan):
            sources = [self.extraction_plan(plan.object)]
        elif isinstance(plan, RefreshPlan):
            sources = [other for other in self.plans.values() if getattr(other, "table", None) in plan.inputs]
        return 1 + max((self._depth(source) for source in sources), default=0)

    def _next(self) -> str:
        self._runs += 1
        return f"__{self._runs}"

    def _extraction_run(
        self,
        name: str,
        run_type: str,
        at: datetime,
        interval: tuple[datetime, datetime] | None = None,
        suffix: str = "",
    ) -> RunIdentity:
        return RunIdentity(
            dag_id=self.extraction_plan(name).header.dag_id,
            run_id=f"{run_type}__{at.isoformat()}{suffix}",
            run_type=run_type,
            interval_start_utc=interval[0] if interval else None,
            interval_end_utc=interval[1] if interval else None,
        )


_REFUSE = """create or replace procedure {schema}.refuse (
    p_country_code varchar(2), p_as_of_date date, p_run_id varchar(256), p_refused varchar(2)
)
as $$
begin
    if p_country_code = p_refused then
        raise exception 'country % is refused by a test', p_country_code;
    end if;
end;
$$ language plpgsql;"""
