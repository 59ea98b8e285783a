"""How far everything is, as one document: made of the plans that run and of what the job metadata says. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum

from idiscover.aws.job_metadata_checks import StoredResult
from idiscover.aws.job_metadata_status import BatchState, ClaimState, JobStatus, LoggedStep, WindowState
from idiscover.aws.job_metadata_steps import FAILED, LAST_STEP, SKIPPED
from idiscover.aws.step_log import FAILURE_STEP
from idiscover.metadata.models import Family
from idiscover.plan.model import ExtractionPlan, LoadPlan, Plan, RefreshPlan
from idiscover.warehouse.checks import SAMPLE_SIZE


class RunState(StrEnum):
    """How the newest run of a DAG stands."""

    NEVER = "never"  # it has said nothing yet
    RUNNING = "running"
    RETRYING = "retrying"  # a step failed, and the run has not been given up
    OK = "ok"
    IDLE = "idle"  # it found nothing to do
    FAILED = "failed"


@dataclass(frozen=True)
class LastRun:
    """The newest run of a DAG; `order_date` is the newest that has got through, whichever run brought it."""

    dag_id: str
    state: RunState
    order_date: date | None
    run_id: str | None = None
    step: str | None = None  # the one that spoke last
    at_utc: datetime | None = None


@dataclass(frozen=True)
class RowsPerHop:
    """Rows of an object's newest batch, each as its own hop counted them; None where it has not come that far.

    `itg`: what became of the Ids that the table's newest refresh looked at, by outcome.
    """

    batch_id: str
    org: int
    files: int
    stg: int | None
    itg: dict[str, int] | None
    quarantined: int = 0  # rows that broke their contract, and are not in the files


@dataclass(frozen=True)
class ObjectState:
    """One object, from the org to the marts that depend on it.

    `behind`: from its watermark to the org's now, as far as anybody has seen the org's clock. `marts`: tables of dm and
    the newest order date that each has.
    """

    object: str
    extraction: LastRun
    load: LastRun
    itg: LastRun | None
    marts: dict[str, date | None]
    rows: RowsPerHop | None
    watermark_at_utc: datetime | None
    behind: timedelta | None

    @property
    def current_marts(self) -> int:
        """How many of them have the order date of itg, or a newer one."""
        newest = self.itg.order_date if self.itg else None
        return sum(day is not None and (newest is None or day >= newest) for day in self.marts.values())


@dataclass(frozen=True)
class TableState:
    """A table of dm: its newest run, and what its newest refresh called."""

    table: str
    family: Family
    last: LastRun
    claim: ClaimState | None


@dataclass(frozen=True)
class Waiting:
    """What has arrived at a table and is not taken; `missing`: inputs that the order date still waits for."""

    table: str
    run_kind: str
    order_date: date
    arrived: tuple[str, ...]
    missing: tuple[str, ...]
    since_utc: datetime


@dataclass(frozen=True)
class Refused:
    """A batch that was found wrong, and why; its window has to be read again."""

    batch_id: str
    object: str
    run_id: str
    order_date: date
    reason: str


@dataclass(frozen=True)
class Failure:
    """The newest run of a DAG that failed for good; `is_over`: its newest run got further since."""

    dag_id: str
    run_id: str
    kind: str
    at_utc: datetime
    what: str
    to_do: str
    is_over: bool


@dataclass(frozen=True)
class BrokenCheck:
    """A check of a table whose newest results say that it failed; `failing_count` and keys of all its countries."""

    table: str
    check: str
    severity: str
    countries: tuple[str, ...]
    failing_count: int
    sample_keys: tuple[str, ...]
    order_date: date
    checked_at_utc: datetime
    query: str


@dataclass(frozen=True)
class StatusReport:
    """Everything that `idiscover status` tells."""

    environment: str
    asked_at_utc: datetime
    org_now_utc: datetime | None
    objects: list[ObjectState]
    tables: list[TableState]
    waiting: list[Waiting]
    batches: list[BatchState]
    refused: list[Refused]
    claims: list[ClaimState]
    locks: list[WindowState]
    failures: list[Failure]
    unreadable: list[str]  # DAGs whose plans another version of the code wrote
    checks: list[BrokenCheck] = field(default_factory=list)

    @property
    def needs_somebody(self) -> bool:
        """Whether a run failed that nothing has come after, or a batch is refused."""
        return bool(self.refused) or any(not failure.is_over for failure in self.failures)


def make_report(
    environment: str,
    plans: Mapping[str, Plan],
    status: JobStatus,
    refused: Collection[str] = (),
    unreadable: Collection[str] = (),
) -> StatusReport:
    """Puts together what is told.

    Args:
        environment: its name.
        plans: those that run, by dag_id; only their objects and tables are told of.
        status: of the job metadata.
        refused: ids of the batches that were refused.
        unreadable: dag_ids whose plans cannot be read.
    """
    objects = {plan.object for plan in plans.values() if isinstance(plan, ExtractionPlan | LoadPlan)}
    refreshes = {plan.table: plan for plan in plans.values() if isinstance(plan, RefreshPlan)}
    failures = _failures(status)
    return StatusReport(
        environment=environment,
        asked_at_utc=status.asked_at_utc,
        org_now_utc=status.org_now_utc,
        objects=[_object(name, refreshes, status) for name in sorted(objects)],
        tables=[_table(plan, status) for _, plan in sorted(refreshes.items()) if plan.itg is None],
        waiting=_waiting(refreshes, status),
        batches=[batch for batch in status.batches_on_their_way if batch.object in objects],
        refused=_refused(refused, status, {failure.dag_id: failure for failure in failures}),
        claims=[claim for claim in status.open_claims if claim.target in refreshes],
        locks=[window for window in status.locks if window.object in objects],
        failures=failures,
        unreadable=sorted(unreadable),
        checks=_checks(refreshes, status),
    )


def _checks(refreshes: Mapping[str, RefreshPlan], status: JobStatus) -> list[BrokenCheck]:
    """Of the checks that are declared now. Countries of one transaction have one result, and are told together."""
    declared = {(plan.table, check.label) for plan in refreshes.values() for check in plan.checks}
    by_check: dict[tuple[str, str], list[StoredResult]] = {}
    for result in status.failed_checks:
        if (result.table, result.check.name) in declared:
            by_check.setdefault((result.table, result.check.name), []).append(result)
    return [_broken(results) for results in by_check.values()]


def _broken(results: Sequence[StoredResult]) -> BrokenCheck:
    newest = max(results, key=lambda result: result.checked_at_utc)
    told = {(result.run_id, result.check) for result in results}
    return BrokenCheck(
        table=newest.table,
        check=newest.check.name,
        severity=newest.check.severity,
        countries=tuple(result.country_code for result in results),
        failing_count=sum(check.failing_count for _, check in told),
        sample_keys=tuple(sorted({key for _, check in told for key in check.sample_keys})[:SAMPLE_SIZE]),
        order_date=newest.order_date,
        checked_at_utc=newest.checked_at_utc,
        query=str(newest.check.query),
    )


def state_of(step: LoggedStep | None) -> RunState:
    """How a run stands whose newest word this is."""
    if step is None:
        return RunState.NEVER
    if step.step == FAILURE_STEP:
        return RunState.FAILED
    if step.state == FAILED:
        return RunState.RETRYING
    if step.step == LAST_STEP:
        return RunState.IDLE if step.state == SKIPPED else RunState.OK
    return RunState.RUNNING


def _last_run(dag_id: str, order_date: date | None, status: JobStatus) -> LastRun:
    step = status.last_steps.get(dag_id)
    if step is None:
        return LastRun(dag_id, RunState.NEVER, order_date)
    return LastRun(dag_id, state_of(step), order_date, step.run_id, step.step, step.at_utc)


def _object(name: str, refreshes: Mapping[str, RefreshPlan], status: JobStatus) -> ObjectState:
    batch, itg = status.last_batches.get(name), refreshes.get(f"itg.{name}")
    watermark = status.watermarks.get(name)
    behind = None if watermark is None or status.org_now_utc is None else status.org_now_utc - watermark
    return ObjectState(
        object=name,
        extraction=_last_run(f"{Family.SFDC_TO_S3}__{name}", batch.order_date if batch else None, status),
        load=_last_run(f"{Family.S3_TO_REDSHIFT}__{name}", status.loaded_order_dates.get(name), status),
        itg=_last_run(itg.header.dag_id, status.newest_order_dates.get(itg.table), status) if itg else None,
        marts={table: status.newest_order_dates.get(table) for table in _marts(f"itg.{name}", refreshes)},
        rows=None if batch is None else _rows(batch, status),
        watermark_at_utc=watermark,
        behind=behind,
    )


def _marts(table: str, refreshes: Mapping[str, RefreshPlan]) -> list[str]:
    """The tables of dm that are computed from it, directly or over others; other objects' tables of itg are passed."""
    found: set[str] = set()
    waiting = [table]
    while waiting:
        plan = refreshes.get(waiting.pop())
        for consumer in plan.consumers if plan else ():
            if consumer.table not in found:
                found.add(consumer.table)
                waiting.append(consumer.table)
    return sorted(name for name in found if name.startswith("dm."))


def _rows(batch: BatchState, status: JobStatus) -> RowsPerHop:
    claim = status.last_claims.get(f"itg.{batch.object}")
    is_through = claim is not None and claim.result is not None and claim.order_date >= batch.order_date
    return RowsPerHop(
        batch_id=batch.batch_id,
        org=int(batch.counts["count_after"]),
        files=int(batch.counts["file_rows"]),
        stg=0 if batch.rows == 0 and batch.state != "pending" else batch.stg_rows,
        itg=claim.result.get("ids") if is_through and claim and claim.result else None,
        quarantined=int(batch.counts.get("quarantined", 0)),
    )


def _table(plan: RefreshPlan, status: JobStatus) -> TableState:
    last = _last_run(plan.header.dag_id, status.newest_order_dates.get(plan.table), status)
    return TableState(plan.table, plan.header.family, last, status.last_claims.get(plan.table))


def _waiting(refreshes: Mapping[str, RefreshPlan], status: JobStatus) -> list[Waiting]:
    """What is pending; a scheduled order date has a list of what it waits for."""
    newest = {f"stg.{name}": day for name, day in status.loaded_order_dates.items()} | status.newest_order_dates
    found = []
    for item in status.pending_inputs:
        if (plan := refreshes.get(item.target)) is None:
            continue
        behind = [name for name in plan.inputs if (newest.get(name) or date.min) < item.order_date]
        missing = tuple(name for name in behind if name not in item.arrived) if item.run_kind == "scheduled" else ()
        found.append(Waiting(item.target, item.run_kind, item.order_date, item.arrived, missing, item.since_utc))
    return found


def _failures(status: JobStatus) -> list[Failure]:
    """The newest failed run of each DAG, newest first."""
    found = []
    for dag_id, step in status.last_failures.items():
        told = [task for task in step.document.get("failed", []) if task.get("failure")]
        last = status.last_steps.get(dag_id)
        found.append(
            Failure(
                dag_id=dag_id,
                run_id=step.run_id,
                kind=str(step.document.get("kind", "")),
                at_utc=step.at_utc,
                what=_told(told[0]) if told else "it left no word",
                to_do=str(step.document.get("to_do", "")),
                is_over=state_of(last) in (RunState.OK, RunState.IDLE),
            )
        )
    return sorted(found, key=lambda failure: failure.at_utc, reverse=True)


def _told(task: Mapping[str, object]) -> str:
    """What a failed task said, in a line."""
    failure = task["failure"]
    assert isinstance(failure, dict)
    parts = [str(failure.get("what", ""))]
    parts += [f"{name}: {failure[name]}" for name in ("where", "got", "expected") if failure.get(name)]
    return f"{task.get('task_id')}: {'; '.join(parts)}"


def _refused(batch_ids: Collection[str], status: JobStatus, failures: Mapping[str, Failure]) -> list[Refused]:
    """Each with what the run said that found it wrong: the load of a registered batch, the extraction of another."""
    found = []
    for family, items in (
        (Family.S3_TO_REDSHIFT, status.batches_on_their_way),
        (Family.SFDC_TO_S3, status.unregistered),
    ):
        for item in items:
            if item.batch_id in batch_ids:
                failure = failures.get(f"{family}__{item.object}")
                reason = failure.what if failure else "the log of its run says why"
                found.append(Refused(item.batch_id, item.object, item.run_id, item.order_date, reason))
    return found
