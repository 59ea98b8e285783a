"""The stack's Airflow: asked through MWAA's InvokeRestApi like any, and directly for what that does not take."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import quote

import requests
from idiscover.aws.airflow_rest import AirflowRest
from idiscover.metadata.models import Context

_TIMEOUT_SECONDS = 30


class AirflowApi(AirflowRest):
    """A stack's Airflow. Paths with a run_id, which InvokeRestApi does not take, go to its API server directly."""

    def __init__(self, context: Context, url: str, user: str, password: str) -> None:
        super().__init__(context)
        self._url, self._user, self._password = url, user, password
        self._session = requests.Session()
        self._session.trust_env = False  # neither proxies nor the simulator's certificates concern it

    def ended_tasks(self, since: datetime) -> list[dict[str, Any]]:
        """Task instances that started since then and have ended, of any DAG."""
        ended = ["success", "failed", "skipped"]
        return list(self.all_task_instances(start_date_gte=since.isoformat(), state=ended))

    def running_tasks(self) -> list[dict[str, Any]]:
        """Task instances at work now, of any DAG."""
        return list(self.all_task_instances(state=["running"]))

    def waking_events(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """The asset events that a run was woken by; none if it was made otherwise."""
        found = self._directly(f"/dags/{dag_id}/dagRuns/{quote(run_id, safe='')}/upstreamAssetEvents")
        return list(found["asset_events"])

    def log(self, dag_id: str, run_id: str, task_id: str, try_number: int, map_index: int = -1) -> str:
        """A task's log as text."""
        path = f"/dags/{dag_id}/dagRuns/{quote(run_id, safe='')}/taskInstances/{task_id}/logs/{try_number}"
        content = self._directly(path, map_index=map_index, full_content=True).get("content", [])
        return "\n".join(_log_line(line) for line in content)

    def _directly(self, path: str, **query: Any) -> dict[str, Any]:
        """A question to the API server itself; logs in at the first, and again when its token has run out."""
        for _ in range(2):
            answer = self._session.get(f"{self._url}/api/v2{path}", params=query, timeout=_TIMEOUT_SECONDS)
            if answer.status_code != 401:
                break
            login = {"username": self._user, "password": self._password}
            token = self._session.post(f"{self._url}/auth/token", json=login, timeout=_TIMEOUT_SECONDS)
            token.raise_for_status()
            self._session.headers["Authorization"] = f"Bearer {token.json()['access_token']}"
        answer.raise_for_status()
        return dict(answer.json())


def _log_line(line: object) -> str:
    """A line of a structured log: its text, and the exception that it carries."""
    if not isinstance(line, dict):
        return str(line)
    errors = [f"{error['exc_type']}: {error['exc_value']}" for error in line.get("error_detail") or []]
    return "\n".join([str(line.get("event", line)), *errors])
