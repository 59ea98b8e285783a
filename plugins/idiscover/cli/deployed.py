"""An environment as verbs that change its data see it: by the metadata in its bucket, which the runs read too."""

from __future__ import annotations

import getpass
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from idiscover.aws.airflow_rest import AirflowRest
from idiscover.aws.publishing import catalog_in_force
from idiscover.cli.places import read_context
from idiscover.errors import ConfigError
from idiscover.metadata.models import Catalog, Context, Family
from idiscover.plan.build import build_plans, dag_id
from idiscover.plan.model import LoadPlan, Plan, RefreshPlan

_NO_CODE = "0" * 40  # of the PySpark step, which these verbs do not run


@dataclass(frozen=True)
class Deployed:
    """One environment."""

    context: Context
    catalog: Catalog
    plans: dict[str, Plan]  # by dag_id

    def load_of(self, object_name: str) -> LoadPlan:
        """The plan of `s3_to_redshift__<object>`.

        Raises:
            ConfigError: there is no such object.
        """
        plan = self.plans.get(dag_id(Family.S3_TO_REDSHIFT, object_name))
        if not isinstance(plan, LoadPlan):
            raise ConfigError(
                "no such object",
                where=f"s3://{self.context.buckets.data}/metadata/",
                got=object_name,
                expected=", ".join(sorted(self.catalog.objects)),
            )
        return plan

    def refresh_of(self, object_name: str) -> RefreshPlan:
        """The plan of `stg_to_itg__<object>`.

        Raises:
            ConfigError: there is no such object, or it has no table in itg.
        """
        plan = self.plans.get(dag_id(Family.STG_TO_ITG, self.load_of(object_name).object))
        if not isinstance(plan, RefreshPlan):
            raise ConfigError("the object has no table in itg", got=object_name, expected=f"itg.{object_name}")
        return plan

    def dags_of(self, tables: Iterable[str]) -> list[str]:
        """The dag_ids that refresh these tables."""
        return [dag_id(self.catalog.tables[table].family, self.catalog.tables[table].name) for table in tables]


def open_deployed(context_place: str) -> Deployed:
    """The environment that a context file describes.

    Raises:
        ConfigError: the context is wrong, or no metadata are in force.
    """
    context = read_context(context_place)
    catalog = catalog_in_force(context)
    plans = build_plans(catalog, context, _NO_CODE)
    return Deployed(context, catalog, {plan.header.dag_id: plan for plan in plans})


class Waker:
    """Starts runs in the name of a verb, and looks at them.

    All methods raise what `AirflowRest` raises.

    Args:
        context: the environment.
        verb: begins the run_ids.
        reason: stands in the runs' notes.
    """

    def __init__(self, context: Context, verb: str, reason: str | None) -> None:
        self._airflow = AirflowRest(context)
        self._verb, self._reason = verb, reason

    def obstacle(self, dag_id: str) -> str | None:
        """What keeps a DAG's runs from running, and what to do; None if nothing does."""
        details = self._airflow.dag_details(dag_id)
        if details is None:
            return f"Airflow does not know {dag_id}: deploy or publish it; its file may not parse: idiscover doctor"
        return f"{dag_id} is paused: unpause it in Airflow's UI" if details["is_paused"] else None

    def start(self, dag_id: str) -> str:
        """Starts a run; its run_id, named after the verb and the time."""
        run_id = f"{self._verb}__{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}"
        note = _note(self._verb, self._reason)
        self._airflow.create_run(dag_id, {"dag_run_id": run_id, "logical_date": None, "note": note})
        return run_id

    def state(self, dag_id: str, run_id: str) -> str | None:
        """Of a run, in Airflow's words; None where Airflow does not know it."""
        return self._airflow.run_state(dag_id, run_id)


def wake(waker: Waker, dag_ids: Iterable[str], tell: Callable[[str], None]) -> None:
    """Starts a run of each DAG and tells its run_id; those that cannot run are told in the error, after the others.

    Raises:
        ConfigError: DAGs are paused, or Airflow does not know them.
    """
    obstacles: list[str] = []
    for name in dag_ids:
        if obstacle := waker.obstacle(name):
            obstacles.append(obstacle)
        else:
            tell(f"started: {name} {waker.start(name)}")
    if obstacles:
        raise ConfigError(
            "what was asked for is done, but DAGs that go on from there cannot run",
            got="; ".join(obstacles),
            expected="a run of each",
            remedy="nothing is lost: once they can run, sweep_pending starts them within minutes",
        )


def requester() -> str:
    """Who asks, as records name it."""
    return f"{getpass.getuser()}@{socket.gethostname()}"


def _note(verb: str, reason: str | None) -> str:
    return f"idiscover {verb} by {requester()}" + (f": {reason}" if reason else "")
