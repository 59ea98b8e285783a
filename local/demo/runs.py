"""Creates a day's runs over REST, and waits for everything that follows from them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock_time
from typing import Any

from idiscover.metadata.models import Family

from local.demo.stand import Stand

_ACTIVE = frozenset({"queued", "running"})
_PARSE_SECONDS = 120
_POLL_SECONDS = 1.0
_FOLLOW_SECONDS = 2.0  # each look costs the API server a tenth of a second
_SHOWN_LINES = 20


class DayFailed(RuntimeError):
    """A run of the day failed; the message says which task, and why."""


@dataclass
class RowOfDay:
    """What the progress display shows of one DAG."""

    dag_id: str
    state: str = "waiting"
    detail: str = ""
    seconds: float | None = None


@dataclass
class Progress:
    """The day as it is now; `done` once nothing is left to come."""

    rows: list[RowOfDay]
    done: bool = False
    failed_runs: list[tuple[str, str]] = field(default_factory=list)


def wait_for_dags(stand: Stand, wanted: set[str]) -> None:
    """Returns once Airflow knows all DAGs.

    Raises:
        DayFailed: they do not appear, and no other has for a while; with the import errors, if there are any.
    """
    missing, deadline = wanted, time.monotonic() + _PARSE_SECONDS
    while still_missing := wanted - stand.api.dag_ids():
        if len(still_missing) < len(missing):  # how long all take is the machine's affair
            deadline = time.monotonic() + _PARSE_SECONDS
        missing = still_missing
        if time.monotonic() > deadline:
            errors = "\n".join(f"  {item['filename']}: {item['stack_trace']}" for item in stand.api.import_errors())
            raise DayFailed(f"Airflow does not show these DAGs: {', '.join(sorted(missing))}\n{errors}")
        time.sleep(_POLL_SECONDS)


def run_id_of(order_date: date) -> str:
    """The run_id of a day's extractions."""
    return f"order_date__{order_date.isoformat()}"


def create_runs(stand: Stand, order_date: date, dag_ids: Sequence[str] | None = None) -> str:
    """The extraction of every object for one day. A run that failed is run again, any other that stands is left alone.

    Args:
        stand: the stack.
        order_date: the day.
        dag_ids: of some extractions alone.

    Returns:
        What was done, in words.
    """
    start = datetime.combine(order_date, clock_time(), tzinfo=UTC)
    body = {
        "dag_run_id": run_id_of(order_date),
        "logical_date": start.isoformat(),
        "data_interval_start": start.isoformat(),
        "data_interval_end": (start + timedelta(days=1)).isoformat(),
        "conf": {"order_date": order_date.isoformat()},
    }
    done = Counter[str]()
    for dag_id in dag_ids or extraction_dags(stand):
        if stand.api.create_run(dag_id, body):
            done["created"] += 1
        elif stand.api.run_state(dag_id, run_id_of(order_date)) == "failed":
            stand.api.clear_run(dag_id, run_id_of(order_date))
            done["had failed and are run again"] += 1
        else:
            done["stand already"] += 1
    return ", ".join(f"{count} runs {what}" for what, count in done.items())


def is_under_way(stand: Stand, order_date: date) -> bool:
    """Whether an extraction of the day has begun and not ended."""
    states = {stand.api.run_state(dag_id, run_id_of(order_date)) for dag_id in extraction_dags(stand)}
    return bool(states & _ACTIVE)


def extraction_dags(stand: Stand) -> list[str]:
    """dag_ids of the first family."""
    return [f"{Family.SFDC_TO_S3.value}__{name}" for name in sorted(stand.catalog.objects)]


def all_dags(stand: Stand) -> list[str]:
    """dag_ids of all families, in the order of the data."""
    loads = [f"{Family.S3_TO_REDSHIFT.value}__{name}" for name in sorted(stand.catalog.objects)]
    order = [Family.STG_TO_ITG, Family.ITG_TO_DM, Family.DM_TO_DM]
    tables = sorted(stand.catalog.tables.values(), key=lambda spec: (order.index(spec.family), spec.table))
    return [*extraction_dags(stand), *loads, *(f"{spec.family.value}__{spec.name}" for spec in tables)]


def follow(stand: Stand, order_date: date, since: datetime) -> Iterator[Progress]:
    """Yields the day's progress every other second until it is done.

    Raises:
        DayFailed: a run failed, and nothing is on its way any more.
    """
    while True:
        progress = look(stand, order_date, since)
        yield progress
        if progress.done:
            return
        if progress.failed_runs and not any(row.state in _ACTIVE for row in progress.rows):
            raise DayFailed(explain(stand, progress.failed_runs))
        time.sleep(_FOLLOW_SECONDS)


def look(stand: Stand, order_date: date, since: datetime) -> Progress:
    """The day as it is now."""
    rows = {dag_id: RowOfDay(dag_id) for dag_id in all_dags(stand)}
    latest = _latest_runs(stand, order_date, since)
    failed: list[tuple[str, str]] = []
    for dag_id, run in latest.items():
        if dag_id not in rows:
            continue
        rows[dag_id].state = run["state"]
        rows[dag_id].seconds = _seconds(run)
        if run["state"] == "failed":
            failed.append((dag_id, run["dag_run_id"]))
    finished = _details(stand, order_date, rows)
    active = any(row.state in _ACTIVE for row in rows.values())
    return Progress(list(rows.values()), done=finished and not active and not failed, failed_runs=failed)


def _latest_runs(stand: Stand, order_date: date, since: datetime) -> dict[str, dict[str, Any]]:
    """Per DAG the run that tells most: the day's own, or the newest; one that is at work before one that is through."""
    latest: dict[str, dict[str, Any]] = {}
    own = run_id_of(order_date)
    for run in stand.api.runs(run_after_gte=since.isoformat()) + stand.api.runs(run_id_prefix_pattern=own):
        dag_id = run["dag_id"]
        known = latest.get(dag_id)
        if dag_id.startswith(Family.SFDC_TO_S3.value) and run["dag_run_id"] != own:
            continue
        if known is None or (run["state"] in _ACTIVE and known["state"] not in _ACTIVE):
            latest[dag_id] = run
    return latest


def _details(stand: Stand, order_date: date, rows: dict[str, RowOfDay]) -> bool:
    """Fills in what the job metadata knows; whether every batch is loaded and every table refreshed.

    A consumer that was woken before all its inputs had come has a run that did nothing: it still waits.
    """
    loaded = _batches(stand, order_date, rows)
    claims = dict(
        stand.job_metadata(
            "select target, count(call_id) from job.claim left join job.claim_call using (claim_id)"
            " where state = 'finished' and run_kind = 'scheduled' and order_date >= %s group by target",
            [order_date],
        )
    )
    for spec in stand.catalog.tables.values():
        row = rows[f"{spec.family.value}__{spec.name}"]
        if spec.table in claims:
            row.detail = _plural(claims[spec.table], "CALL")
        _settle(row, spec.table in claims)
    return loaded >= set(stand.catalog.objects) and set(claims) >= set(stand.catalog.tables)


def _batches(stand: Stand, order_date: date, rows: dict[str, RowOfDay]) -> set[str]:
    """Objects whose batch of the day is loaded."""
    loaded = set()
    for name, count, size, state in stand.job_metadata(
        "select object, rows, bytes, state from job.batch where order_date = %s and run_kind = 'scheduled'",
        [order_date],
    ):
        rows[f"{Family.SFDC_TO_S3.value}__{name}"].detail = f"{_plural(count, 'row')}, {_plural(size, 'byte')}"
        if state != "pending":
            loaded.add(name)
            rows[f"{Family.S3_TO_REDSHIFT.value}__{name}"].detail = _plural(count, "row")
    for name in stand.catalog.objects:
        _settle(rows[f"{Family.S3_TO_REDSHIFT.value}__{name}"], name in loaded)
    return loaded


def _settle(row: RowOfDay, is_through: bool) -> None:
    if row.state == "success" and not is_through:
        row.state = "waiting"
    elif row.state == "waiting" and is_through:
        row.state = "success"


def _plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _seconds(run: dict[str, Any]) -> float | None:
    if not run.get("start_date"):
        return None
    end = datetime.fromisoformat(run["end_date"]) if run.get("end_date") else datetime.now(UTC)
    return (end - datetime.fromisoformat(run["start_date"])).total_seconds()


def explain(stand: Stand, failed_runs: list[tuple[str, str]]) -> str:
    """Which task of each failed run failed first, and the end of its log."""
    return "\n".join(_explain_run(stand, dag_id, run_id) for dag_id, run_id in failed_runs)


def _explain_run(stand: Stand, dag_id: str, run_id: str) -> str:
    """The first task that failed is the cause: `end` fails because of it."""
    failed = [task for task in stand.api.task_instances(dag_id, run_id) if task["state"] == "failed"]
    if not failed:
        return f"{dag_id}, run {run_id}: failed, though no task did"
    first = min(failed, key=lambda task: task["end_date"] or "")
    log = stand.api.log(dag_id, run_id, first["task_id"], first["try_number"], first["map_index"])
    tail = "\n".join(f"    {line}" for line in log.strip().splitlines()[-_SHOWN_LINES:])
    return f"{dag_id}, run {run_id}: task {first['task_id']} failed\n{tail}"
