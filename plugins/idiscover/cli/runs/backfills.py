"""The verb `backfill`: which days, create it, follow the runs that it makes one by one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any

from idiscover.cli.runs.asked import Asked, extraction_of
from idiscover.cli.runs.command import HowToFollow, Roots, Runs
from idiscover.errors import ConfigError


@dataclass(frozen=True)
class Days:
    """What a backfill covers: order dates, both included; which of those that have a run are run again."""

    first: date
    last: date
    reprocess: str

    def bounds(self) -> tuple[datetime, datetime]:
        """The logical dates of the first and the last day."""
        return tuple(datetime.combine(day, time(), tzinfo=UTC) for day in (self.first, self.last))  # type: ignore[return-value]


def start_backfill(context_place: str, object_name: str, days: Days, asked: Asked, how: HowToFollow) -> int:
    """`idiscover backfill`; the exit status.

    Raises:
        ConfigError: the days are the wrong way round, or another backfill of the DAG is open.
    """
    if days.first > days.last:
        raise ConfigError(
            "the first day comes after the last", key="--from", got=f"{days.first} to {days.last}", remedy="swap them"
        )
    runs = Runs(context_place, how)
    dag_id = extraction_of(object_name, runs.deployed.plans).header.dag_id
    wanted = runs.airflow.backfill_dates(dag_id, *days.bounds(), reprocess=days.reprocess)
    _tell_days(runs, dag_id, days, asked, wanted)
    if asked.dry_run or not wanted:
        return 0
    _require_no_other(runs.airflow.open_backfills(dag_id), dag_id, object_name)
    conf = asked.conf() or None
    made = runs.airflow.create_backfill(dag_id, *days.bounds(), reprocess=days.reprocess, conf=conf)
    again = f"idiscover backfill {object_name} --follow {made['id']}"
    runs.say(f"created: backfill {made['id']} of {dag_id}, {len(wanted)} days, one after the other")
    if not how.wait:
        runs.say(f"follow it: {again}")
        return 0
    return _follow(runs, dag_id, int(made["id"]), again)


def _tell_days(runs: Runs, dag_id: str, days: Days, asked: Asked, wanted: list[str]) -> None:
    """The days that are run, what each reads, and those that are left alone."""
    first, last = days.bounds()
    found = runs.airflow.runs(dag_id, logical_date_gte=first.isoformat(), logical_date_lte=last.isoformat())
    standing = {str(run["logical_date"])[:10]: run for run in found}
    for day in wanted:
        runs.say(_day_line(day[:10], standing.get(day[:10]), asked))
    if skipped := sorted(set(standing) - {day[:10] for day in wanted}):
        runs.say(f"left alone, because they have a run: {', '.join(skipped)}; see --reprocess")
    count = f"{len(wanted)} {'day' if len(wanted) == 1 else 'days'}"
    if asked.dry_run:
        runs.say(f"DRY RUN: nothing was done; {count} would be run")
    elif not wanted:
        runs.say("no day is to be run")


def follow_backfill(context_place: str, object_name: str, backfill_id: int, how: HowToFollow) -> int:
    """`idiscover backfill OBJECT --follow ID`."""
    runs = Runs(context_place, how)
    dag_id = extraction_of(object_name, runs.deployed.plans).header.dag_id
    return _follow(runs, dag_id, backfill_id, f"idiscover backfill {object_name} --follow {backfill_id}")


def cancel_backfill(context_place: str, backfill_id: int) -> int:
    """`idiscover backfill OBJECT --cancel ID`."""
    runs = Runs(context_place, HowToFollow())
    runs.airflow.cancel_backfill(backfill_id)
    runs.say(f"cancelled: backfill {backfill_id}; a day that runs ends as it will")
    return 0


def _follow(runs: Runs, dag_id: str, backfill_id: int, again: str) -> int:
    """Follows the runs of a backfill as it makes them, and all that they wake."""

    def more_roots() -> tuple[Roots, bool]:
        found = runs.airflow.backfill(backfill_id)
        made = runs.airflow.runs(
            dag_id, run_type="backfill", logical_date_gte=found["from_date"], logical_date_lte=found["to_date"]
        )
        mine = [run for run in made if _is_of(run, found)]
        return [(run["dag_id"], run["dag_run_id"]) for run in reversed(mine)], found["completed_at"] is None

    return runs.follow([], again, more_roots)


def _is_of(run: dict[str, Any], backfill: dict[str, Any]) -> bool:
    """Whether a run of the backfill's days was queued by it: a run that is reprocessed is queued anew."""
    queued_at = datetime.fromisoformat(run["queued_at"] or run["run_after"])
    return queued_at >= datetime.fromisoformat(backfill["created_at"])


def _day_line(day: str, run: dict[str, Any] | None, asked: Asked) -> str:
    has = "no run yet" if run is None else f"has run {run['dag_run_id']} ({run['state']}), which is run again"
    whose = f" of {', '.join(asked.countries)}" if asked.countries else ""
    return f"{day}: records{whose} changed on that day (SystemModstamp, UTC); {has}"


def _require_no_other(standing: list[dict[str, Any]], dag_id: str, object_name: str) -> None:
    if standing:
        other = standing[0]
        raise ConfigError(
            "another backfill of the DAG is open",
            where=dag_id,
            got=f"backfill {other['id']}, {other['from_date'][:10]} to {other['to_date'][:10]}",
            expected="one at a time",
            remedy=f"wait for it, or cancel it: idiscover backfill {object_name} --cancel {other['id']}",
        )
