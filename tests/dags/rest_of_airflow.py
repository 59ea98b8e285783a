"""Airflow's own REST API, in this process, behind the platform's client: whether paths and bodies are Airflow's.

What MWAA does between the two is `local.aws.mwaa`'s; here the client's one operation calls the API directly.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError
from idiscover.aws.airflow_rest import MAX_PATH_LENGTH, AirflowRest
from idiscover.errors import IdiscoverError
from idiscover.metadata.models import Context

DAY, LAST_DAY = datetime(2026, 2, 1, tzinfo=UTC), datetime(2026, 2, 3, tzinfo=UTC)


class InvokedHere:
    """The boto3 client `mwaa`: calls Airflow's API as an admin, and answers and raises as MWAA does."""

    def __init__(self) -> None:
        os.environ["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS"] = "True"
        from airflow.api_fastapi.app import create_app
        from starlette.testclient import TestClient

        self._client = TestClient(create_app(apps="core"), raise_server_exceptions=False)
        self.paths: set[str] = set()

    def invoke_rest_api(
        self, Name: str, Method: str, Path: str, QueryParameters: Any = None, Body: Any = None
    ) -> dict[str, Any]:
        self.paths.add(Path)
        answer = self._client.request(Method, f"/api/v2{Path}", params=QueryParameters, json=Body)
        is_json = "json" in answer.headers.get("content-type", "")
        content = answer.json() if is_json and answer.content else {"detail": answer.text}
        document = {"RestApiStatusCode": answer.status_code, "RestApiResponse": content}
        if answer.is_success:
            return document
        code = "RestApiServerException" if answer.status_code >= 500 else "RestApiClientException"
        raise ClientError({"Error": {"Code": code}, **document}, "InvokeRestApi")


def rest_facts(context: Context, extraction: str, refresh: str, done: str) -> dict[str, Any]:
    """What the client finds and does.

    Args:
        context: the environment.
        extraction: dag_id of one.
        refresh: dag_id of one.
        done: run_id of a run of the extraction that went well.
    """
    rest, here = AirflowRest(context), InvokedHere()
    rest._client = here
    facts: dict[str, Any] = {
        "dag_ids": sorted(rest.dag_ids()),
        "tagged": sorted(dag["dag_id"] for dag in rest.dags(tag="sfdc_to_s3")),
        "prefixed": sorted(dag["dag_id"] for dag in rest.dags(prefix="stg_to_itg")),
        "details": rest.dag_details(extraction),
        "no_details": rest.dag_details("nothing"),
        "import_errors": rest.import_errors(),
        "pools": [rest.ensure_pools({"emr": 3, "table__x": 1}) for _ in range(2)] + [rest.ensure_pools({"emr": 4})],
        "tasks": {task["task_id"]: task["state"] for task in rest.task_instances(extraction, done)},
        "events": rest.asset_events(extraction, done),
        "state": rest.run_state(extraction, done),
        "no_run": rest.run(extraction, done[:-1]),
        "newest": rest.runs(extraction)[0]["dag_run_id"],
    }
    facts["refusals"] = [
        _refusal(rest, refresh, {"countries": ["UK"]}),
        _refusal(rest, extraction, {"mode": "ful"}),
        _refusal(rest, refresh, {"dry_run": "yes"}),
    ]
    body = {"dag_run_id": "by_hand", "logical_date": None, "conf": {"dry_run": True}, "note": "to see"}
    facts["created"] = [rest.create_run(refresh, body), rest.create_run(refresh, body)]
    rest.set_note(refresh, "by_hand", "another note")
    facts["run"] = rest.run(refresh, "by_hand")
    facts["lost_note"] = _told(lambda: rest.set_note(refresh, "never", "a note"))
    _make(refresh, "by_hand", done)
    facts["events_of_a_run_that_waits"] = rest.asset_events(extraction, done)
    rest.clear_run(extraction, done)
    facts["cleared"] = rest.run_state(extraction, done)
    facts["backfill"] = _backfill(rest, extraction)
    facts["longest_path"] = max(map(len, here.paths)), MAX_PATH_LENGTH
    return facts


def _make(dag_id: str, run_id: str, source_run_id: str) -> None:
    """As if the events of a run had made another one, which has not begun."""
    from airflow.models.asset import AssetEvent
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        run = session.scalars(select(DagRun).where(DagRun.dag_id == dag_id, DagRun.run_id == run_id)).one()
        events = session.scalars(select(AssetEvent).where(AssetEvent.source_run_id == source_run_id)).all()
        run.consumed_asset_events.extend(events)


def _backfill(rest: AirflowRest, extraction: str) -> dict[str, Any]:
    dates = rest.backfill_dates(extraction, DAY, LAST_DAY)
    made = rest.create_backfill(extraction, DAY, LAST_DAY, conf={"reason": "to see"})
    runs = rest.runs(extraction, run_type="backfill", logical_date_gte=DAY.isoformat())
    second = _told(lambda: rest.create_backfill(extraction, DAY, LAST_DAY))
    open_ones = [item["id"] for item in rest.open_backfills(extraction)]
    rest.pause_backfill(made["id"])
    paused = rest.backfill(made["id"])["is_paused"]
    rest.pause_backfill(made["id"], paused=False)
    rest.cancel_backfill(made["id"])
    return {
        "dates": dates,
        "id": made["id"],
        "runs": sorted((run["logical_date"], run["conf"]) for run in runs),
        "second": second,
        "open": open_ones,
        "paused": [paused, rest.backfill(made["id"])["is_paused"]],
        "completed": rest.backfill(made["id"])["completed_at"] is not None,
        "dates_again": rest.backfill_dates(extraction, DAY, LAST_DAY),
    }


def _refusal(rest: AirflowRest, dag_id: str, conf: dict[str, Any]) -> str:
    return _told(lambda: rest.create_run(dag_id, {"logical_date": None, "conf": conf}))


def _told(action: Any) -> str:
    try:
        return f"no error, but {action()}"
    except IdiscoverError as error:
        return f"{type(error).__name__}: {error}"
