"""What a person asks for on the command line, as Airflow takes it. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from idiscover.cli.deployed import requester
from idiscover.errors import ConfigError
from idiscover.metadata.models import Family
from idiscover.metadata.spelling import nearest
from idiscover.plan.build import dag_id
from idiscover.plan.model import ExtractionPlan, LoadPlan, Plan

_PARAMETERS = {  # by family; those of `orchestration.parameters`, which Airflow checks once more
    ExtractionPlan: ("mode", "window_start", "window_end", "order_date", "countries", "dry_run", "reason"),
    LoadPlan: ("dry_run", "reason"),
}
_REFRESH_PARAMETERS = ("countries", "dry_run", "reason")


@dataclass(frozen=True)
class Asked:
    """The options of a run; what was not given is None, empty or False."""

    mode: str | None = None
    window_start: datetime | None = None
    window_end: datetime | None = None
    order_date: date | None = None
    countries: tuple[str, ...] = ()
    dry_run: bool = False
    reason: str | None = None

    def conf(self) -> dict[str, Any]:
        """The parameters that were given, as JSON."""
        given = {
            "mode": self.mode,
            "window_start": self.window_start and _as_utc(self.window_start).isoformat(),
            "window_end": self.window_end and _as_utc(self.window_end).isoformat(),
            "order_date": self.order_date and self.order_date.isoformat(),
            "countries": list(self.countries),
            "dry_run": self.dry_run,
            "reason": self.reason,
        }
        return {name: value for name, value in given.items() if value}


@dataclass(frozen=True)
class NewRun:
    """A run to be created: its DAG, its id, and the body of the request."""

    dag_id: str
    run_id: str
    body: Mapping[str, Any] = field(default_factory=dict)


def dag_of(target: str, plans: Mapping[str, Plan]) -> Plan:
    """The plan that a person means: an object (its extraction), a table (`stg.`: its load, else its refresh), a dag_id.

    Raises:
        ConfigError: there is no such thing.
    """
    names: dict[str, str] = {}
    for plan in plans.values():
        name = plan.object if isinstance(plan, ExtractionPlan) else plan.table
        names |= {name: plan.header.dag_id, plan.header.dag_id: plan.header.dag_id}
    if target not in names:
        raise ConfigError(
            "no such object, table or DAG",
            got=target,
            expected="an object such as account, a table such as itg.account, or a dag_id",
            did_you_mean=nearest(target, names),
            remedy="idiscover status lists the objects and tables of the environment",
        )
    return plans[names[target]]


def new_run(plan: Plan, asked: Asked, verb: str, now: datetime) -> NewRun:
    """The run that is asked for.

    Raises:
        ConfigError: its family does not take one of the parameters.
    """
    conf = asked.conf()
    known = _PARAMETERS.get(type(plan), _REFRESH_PARAMETERS)
    if unknown := sorted(set(conf) - set(known)):
        raise ConfigError(
            "this DAG does not take the parameter",
            where=plan.header.dag_id,
            key=", ".join(unknown),
            expected=f"one of {', '.join(known)}",
            remedy="leave it out, or run the object's extraction with it",
        )
    run_id = f"{'dry_run' if asked.dry_run else verb}__{now:%Y-%m-%dT%H:%M:%S.%f}"
    body: dict[str, Any] = {"dag_run_id": run_id, "logical_date": None, "conf": conf, "note": note_of(verb, asked)}
    # a dry run leaves the day to the run that does it: Airflow has one run per DAG and logical date
    if asked.order_date is not None and not asked.dry_run:
        body |= _interval(asked.order_date)
    return NewRun(plan.header.dag_id, run_id, body)


def note_of(verb: str, asked: Asked) -> str:
    """What Airflow's UI shows beside the run."""
    begin = "DRY RUN, " if asked.dry_run else ""
    return f"{begin}idiscover {verb} by {requester()}" + (f": {asked.reason}" if asked.reason else "")


def countries_of(text: str | None) -> tuple[str, ...]:
    """`DE,GB` as codes, capitals or not."""
    return tuple(code.strip().upper() for code in (text or "").split(",") if code.strip())


def extraction_of(object_name: str, plans: Mapping[str, Plan]) -> ExtractionPlan:
    """The plan of `sfdc_to_s3__<object>`.

    Raises:
        ConfigError: there is no such object.
    """
    plan = plans.get(dag_id(Family.SFDC_TO_S3, object_name))
    if not isinstance(plan, ExtractionPlan):
        objects = sorted(plan.object for plan in plans.values() if isinstance(plan, ExtractionPlan))
        raise ConfigError(
            "no such object",
            got=object_name,
            expected=f"one of {', '.join(objects)}",
            did_you_mean=nearest(object_name, objects),
            remedy="name an object, not a table or a DAG",
        )
    return plan


def wakes_of(plans: Mapping[str, Plan]) -> dict[str, str]:
    """Asset URI → the DAG that an event on it wakes."""
    return {uri: name for name, plan in plans.items() for uri in plan.header.wakes_on}


def downstream_of(dag: str, plans: Mapping[str, Plan]) -> list[str]:
    """The DAGs that a run of `dag` may come to wake, itself first, inputs before what is computed from them."""
    by_table = {plan.table: name for name, plan in plans.items() if not isinstance(plan, ExtractionPlan)}
    found: list[str] = [dag]
    for name in found:
        plan = plans[name]
        tables: Collection[str]
        if isinstance(plan, ExtractionPlan):
            tables = [f"stg.{plan.object}"]
        else:
            tables = [consumer.table for consumer in plan.consumers]
        found += [by_table[table] for table in tables if table in by_table and by_table[table] not in found]
    return found


def _interval(day: date) -> dict[str, str]:
    start = datetime.combine(day, time(), tzinfo=UTC)
    return {
        "logical_date": start.isoformat(),
        "data_interval_start": start.isoformat(),
        "data_interval_end": (start + timedelta(days=1)).isoformat(),
    }


def _as_utc(moment: datetime) -> datetime:
    """A time that is typed without an offset is UTC, as all times of the platform are."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
