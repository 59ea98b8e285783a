"""Runs an extraction, a refresh and the sweep for real, scenario by scenario, and writes what came of each as JSON.

Real: Airflow (its database, its scheduling of teardowns and maps, triggers run to their end), the amazon provider, and
S3, SES and EMR of the AWS stand-in over HTTP. Played: what `played.py` says.

    python -m tests.dags.rehearsal <dag_id of an extraction> <dag_id of a refresh> <file for the results>
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import boto3
from idiscover.errors import ConfigError, DataQualityError
from idiscover.lake.keys import status_key

from tests.dags.played import Agent, Played
from tests.dags.rest_of_airflow import rest_facts

DAY = datetime(2026, 1, 5, tzinfo=UTC)
LOOK_SECONDS = 0.1  # at most, between two looks at a cluster, a step, or what there is to run


@cache
def _client(service: str) -> Any:
    return boto3.client(service)


def succeeds(agent: Agent, dag: Any) -> None:
    """Nothing goes wrong."""


def step_fails(agent: Agent, dag: Any) -> None:
    """The step fails, and says why."""
    agent.ends = [DataQualityError("Counts differ", got="job 12, parsed 11 <b>", remedy="compare with the org")]


def create_refused(agent: Agent, dag: Any) -> None:
    """EMR takes no such cluster."""
    create = dag.get_task("emr_tasks.create_cluster")
    create.job_flow_overrides = {**create.job_flow_overrides, "AutoTerminationPolicy": {"IdleTimeout": 1}}


def mail_refused(agent: Agent, dag: Any) -> None:
    """SES does not know the sender."""
    _client("ses").delete_identity(Identity=dag.get_task("end").plan.context.mail.sender)


def waits_deferred(agent: Agent, dag: Any) -> None:
    """As where EMR takes minutes: every wait is the triggerer's."""
    for name in ("create_cluster", "watch_steps", "watch_termination"):
        dag.get_task(f"emr_tasks.{name}").patience_seconds = 0


SCENARIOS: tuple[Callable[[Agent, Any], None], ...] = (
    succeeds,
    waits_deferred,
    step_fails,
    create_refused,
    mail_refused,
)
# What a person clears once the run is over.
CLEARED: dict[str, list[str]] = {
    "succeeds": ["emr_tasks.create_cluster", "emr_tasks.watch_steps"],
    "step_fails": ["emr_tasks.watch_steps", "end"],  # what "clear only failed" takes
}


# Of a refresh: the units that are claimed, at most ten to a task, and whether anything is.
REFRESHES: dict[str, tuple[list[list[str]], bool]] = {
    "refreshed": ([["DE", "FR"], ["IT"]], True),
    "nothing_changed": ([], True),
    "nothing_claimed": ([], False),
    "a_country_fails": (
        [[f"A{letter}"] for letter in "ABCDEFGHIJ"] + [["XX"]] + [[f"Z{letter}"] for letter in "ABCDEFGHIJ"],
        True,
    ),
}


def main(extraction: str, refresh: str, results: Path) -> None:
    """Writes a dictionary of scenario name → facts."""
    played = Played()
    played.install()
    prepare_airflow()
    found: dict[str, Any] = {}
    _client("s3").create_bucket(Bucket=_dag(extraction).get_task("end").plan.context.buckets.data)
    for number, scenario in enumerate(SCENARIOS):
        found[scenario.__name__] = _extraction(_dag(extraction), scenario, DAY + timedelta(days=number), played)
    _verify_sender(_dag(extraction))
    for name, (units, claimed) in REFRESHES.items():
        played.reset()
        played.units, played.claimed = units, claimed
        found[name] = rehearse(_dag(refresh), None, played)
    for family, dag in (("extraction", _dag(extraction)), ("refresh", _dag(refresh))):
        found |= _dry_runs(family, dag, played)
    for name in ("sweep", "sweep_again"):
        found[name] = {**rehearse(_dag("sweep_pending"), None, played), "queued": _queued_runs(refresh)}
    context = _dag(extraction).get_task("end").plan.context
    found["rest"] = rest_facts(context, extraction, refresh, found["succeeds"]["run_id"])
    results.write_text(json.dumps(found, indent=1), encoding="utf-8")


def prepare_airflow() -> None:
    """Makes Airflow's database and brings all DAGs into it.

    Each `dag.test` would read all DAG files anew and write them to the database; none of them changes meanwhile.
    """
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.dag_processing.dagbag import BundleDagBag, sync_bag_to_db
    from airflow.utils.db import initdb

    initdb()
    manager = DagBundlesManager()
    manager.sync_bundles_to_db()
    for bundle in manager.get_all_dag_bundles():
        bundle.initialize()
        bag = BundleDagBag(dag_folder=bundle.path, bundle_path=bundle.path, bundle_name=bundle.name)
        assert not bag.import_errors, bag.import_errors
        sync_bag_to_db(bag, bundle.name, bundle.version)
    DagBundlesManager.get_all_dag_bundles = lambda _manager: iter(())  # type: ignore[method-assign]
    _hurry()


def _hurry() -> None:
    """Whoever waits looks again soon: what EMR does, the stand-in does at once. And what is imported is no garbage."""
    sleep = time.sleep
    time.sleep = lambda seconds: sleep(min(seconds, LOOK_SECONDS))
    gc.collect()
    gc.freeze()


def _dag(dag_id: str) -> Any:
    """Read from its file."""
    from airflow.dag_processing.dagbag import DagBag

    return DagBag(dag_folder=Path(os.environ["AIRFLOW__CORE__DAGS_FOLDER"]) / f"{dag_id}.py").dags[dag_id]


def _extraction(dag: Any, scenario: Callable[[Agent, Any], None], day: datetime, played: Played) -> dict[str, Any]:
    _verify_sender(dag)
    played.reset()
    agent = Agent(os.environ["AWS_ENDPOINT_URL"], played)
    scenario(agent, dag)
    with agent.at_work():
        facts = rehearse(dag, day, played)
        if scenario.__name__ in CLEARED:
            facts["cleared"] = rerun(dag, facts["run_id"], CLEARED[scenario.__name__])
    return {**facts, "step_arguments": agent.arguments}


def _dry_runs(family: str, dag: Any, played: Played) -> dict[str, Any]:
    """A dry run that goes well, one whose task is cleared afterwards, one that finds something wrong."""
    first = next(task.task_id for task in dag.topological_sort())
    asked = {"dry_run": True, "reason": "to see", **({"countries": ["DE"]} if family == "refresh" else {})}
    # of a day of its own: without one, Airflow's `dag.test` clears all runs of the DAG
    day = DAY + timedelta(days=len(SCENARIOS)) if family == "extraction" else None
    played.reset()
    told = rehearse(dag, day, played, asked)
    told["cleared"] = rerun(dag, told["run_id"], [task for task in dag.task_ids if task != first])
    played.reset()
    played.faults = {"preview": [ConfigError("no such field", got="Nmae", remedy="correct it")]}
    return {f"dry_{family}": told, f"dry_{family}_fails": rehearse(dag, day, played, asked)}


def _verify_sender(extraction: Any) -> None:
    _client("ses").verify_email_identity(EmailAddress=extraction.get_task("end").plan.context.mail.sender)


def rehearse(dag: Any, day: datetime | None, played: Played, asked: dict[str, Any] | None = None) -> dict[str, Any]:
    """One run, of an org day or woken; what it did to Airflow, EMR, SES, S3 and the played parts.

    Args:
        dag: its DAG.
        day: of an extraction.
        played: the parts that are played.
        asked: what a person has given in the trigger form, instead of the day.
    """
    mails, clusters = len(_inbox()), {item["Id"] for item in _clusters()}
    with _noted_deferrals() as deferrals:
        conf = asked or ({"order_date": f"{day:%Y-%m-%d}"} if day else None)
        run = dag.test(logical_date=day, run_conf=conf)
    tasks = run.get_task_instances()
    return {
        "run_state": str(run.state),
        "tasks": {_name(ti): str(ti.state) for ti in tasks},
        "tries": {_name(ti): ti.try_number for ti in tasks},
        "deferrals": deferrals,
        "labels": sorted(ti.rendered_map_index for ti in tasks if ti.map_index >= 0),
        "clusters": [item["Status"]["State"] for item in _clusters() if item["Id"] not in clusters],
        "mails": _inbox()[mails:],
        "asset_events": _asset_events(run.run_id),
        "calls": list(played.calls),
        "statuses": _statuses(dag.dag_id, run.run_id, [*(ti.task_id for ti in tasks), "failure"]),
        "run_id": run.run_id,
        "told": _xcom(run.run_id, "dry_run"),
    }


@contextmanager
def _noted_deferrals() -> Iterator[list[str]]:
    """The task_ids of the tasks that defer meanwhile, in order."""
    from airflow.sdk import BaseOperator

    noted: list[str] = []
    defer = BaseOperator.defer

    def note(self: BaseOperator, **deferral: Any) -> None:
        noted.append(self.task_id)
        defer(self, **deferral)

    BaseOperator.defer = note  # type: ignore[method-assign, assignment]
    try:
        yield noted
    finally:
        BaseOperator.defer = defer  # type: ignore[method-assign]


def _name(ti: Any) -> str:
    return str(ti.task_id) if ti.map_index < 0 else f"{ti.task_id}[{ti.map_index}]"


def _statuses(dag_id: str, run_id: str, names: list[str]) -> dict[str, dict[str, str]]:
    """The status documents that the run left in S3."""
    s3, found = _client("s3"), {}
    bucket = s3.list_buckets()["Buckets"][0]["Name"]
    for name in names:
        key = status_key(dag_id, run_id, name)
        if s3.list_objects_v2(Bucket=bucket, Prefix=key).get("Contents"):
            found[name] = json.load(s3.get_object(Bucket=bucket, Key=key)["Body"])
    return found


def rerun(dag: Any, run_id: str, task_ids: list[str]) -> dict[str, Any]:
    """Clears tasks of a run that is over, and runs what the scheduler then finds to run."""
    from airflow.models.dagrun import DagRun
    from airflow.sdk.definitions.dag import _run_task
    from airflow.serialization.serialized_objects import DagSerialization
    from airflow.utils.session import create_session
    from sqlalchemy import select

    clusters = {item["Id"] for item in _clusters()}
    serialized = DagSerialization.deserialize_dag(DagSerialization.serialize_dag(dag))
    with create_session() as session:
        serialized.clear(run_id=run_id, task_ids=task_ids, session=session)
        run = session.scalars(select(DagRun).where(DagRun.run_id == run_id)).one()
        run.state, run.dag = "running", serialized
        session.commit()
        while run.state == "running":
            session.expire_all()
            run.dag = serialized
            for ti in run.update_state(session=session)[0]:
                ti.try_number += 1
                ti.state = "scheduled"
                session.commit()
                _run_task(ti=ti, task=dag.get_task(ti.task_id), run_triggerer=True)
            session.commit()
        return {
            "run_state": str(run.state),
            "tasks": {ti.task_id: str(ti.state) for ti in run.get_task_instances(session=session)},
            "new_clusters": len([item for item in _clusters() if item["Id"] not in clusters]),
            "reason": _pushed_reason(run_id, session),
        }


def _pushed_reason(run_id: str, session: Any) -> str:
    from airflow.models.xcom import XComModel
    from sqlalchemy import select

    where = (XComModel.run_id == run_id, XComModel.key == "failure", XComModel.task_id == "emr_tasks.watch_steps")
    return json.dumps(session.scalar(select(XComModel.value).where(*where)) or "")


def _xcom(run_id: str, key: str) -> str:
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        where = (XComModel.run_id == run_id, XComModel.key == key)
        return json.dumps(session.scalar(select(XComModel.value).where(*where)) or "")


def _clusters() -> list[dict[str, Any]]:
    return list(_client("emr").list_clusters()["Clusters"])


def _inbox() -> list[dict[str, Any]]:
    with urllib.request.urlopen(f"{os.environ['AWS_ENDPOINT_URL']}/idiscover/inbox.json", timeout=10) as answer:
        return list(json.load(answer))


def _queued_runs(dag_id: str) -> int:
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from sqlalchemy import func, select

    with create_session() as session:
        where = (DagRun.dag_id == dag_id, DagRun.state == "queued")
        return int(session.scalar(select(func.count()).where(*where)) or 0)


def _asset_events(run_id: str) -> list[dict[str, Any]]:
    from airflow.models.asset import AssetEvent
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        events = session.scalars(select(AssetEvent).where(AssetEvent.source_run_id == run_id)).all()
        return [{"uri": event.asset.uri, "extra": event.extra} for event in events]


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
