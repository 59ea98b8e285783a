"""An environment as verbs that change its data see it: by the metadata in its bucket, which the runs read too."""

from __future__ import annotations

import getpass
import socket
from collections.abc import Iterable
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


def wake(context: Context, dag_ids: Iterable[str], verb: str, reason: str | None) -> list[str]:
    """Starts a run of each DAG; the run_ids, named after the verb and the time."""
    airflow = AirflowRest(context)
    run_id = f"{verb}__{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}"
    for name in dag_ids:
        airflow.create_run(name, {"dag_run_id": run_id, "logical_date": None, "note": _note(verb, reason)})
    return [f"{name} {run_id}" for name in dag_ids]


def requester() -> str:
    """Who asks, as records name it."""
    return f"{getpass.getuser()}@{socket.gethostname()}"


def _note(verb: str, reason: str | None) -> str:
    return f"idiscover {verb} by {requester()}" + (f": {reason}" if reason else "")
