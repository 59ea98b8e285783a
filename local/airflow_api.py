"""Airflow's REST API, as far as the local verbs need it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import Any
from urllib.parse import quote

import requests

_TIMEOUT_SECONDS = 30
_TRIES = 3
_PAGE_ITEMS = 100


class AirflowApiError(RuntimeError):
    """Airflow answered with an error; the message has its words."""


class AirflowApi:
    """A session with Airflow's API server; logs in at the first call, and again when its token has run out."""

    def __init__(self, url: str, user: str, password: str) -> None:
        self._url, self._user, self._password = url, user, password
        self._session = requests.Session()
        self._session.trust_env = False  # neither proxies nor the simulator's certificates concern it

    def call(
        self, method: str, path: str, *, accepted: tuple[int, ...] = (), body: object = None, **query: object
    ) -> Any:
        """One call of /api/v2; the JSON answer. A status in `accepted` beside 2xx is no error.

        Raises:
            AirflowApiError: any other status, or no answer.
        """
        for _ in range(2):
            answer = self._send(method, f"/api/v2{path}", json=body, params=query)
            if answer.status_code != 401:
                break
            self._log_in()
        if not answer.ok and answer.status_code not in accepted:
            raise AirflowApiError(f"{method} {path}: {answer.status_code} {answer.text[:500]}")
        return answer.json() if answer.content else None

    def _pages(self, path: str, key: str, **query: object) -> Iterator[dict[str, Any]]:
        """All items of a listing: Airflow gives a hundred at most at once, however many are asked for."""
        offset = 0
        while page := self.call("GET", path, limit=_PAGE_ITEMS, offset=offset, **query)[key]:
            yield from page
            offset += len(page)
            if len(page) < _PAGE_ITEMS:
                return

    def _send(self, method: str, path: str, **rest: Any) -> requests.Response:
        """One request; a question is asked again where nobody answers, as on a machine that has other things to do."""
        left = _TRIES if method == "GET" else 1
        while True:
            left -= 1
            try:
                return self._session.request(method, f"{self._url}{path}", timeout=_TIMEOUT_SECONDS, **rest)
            except (requests.ConnectionError, requests.Timeout) as error:
                if left == 0:
                    raise AirflowApiError(
                        f"Airflow does not answer\n  where: {method} {path}\n  got: {error}\n"
                        "  remedy: idiscover stack shows what runs; idiscover up starts what is dead"
                    ) from error
                time.sleep(1)

    def _log_in(self) -> None:
        answer = self._send("POST", "/auth/token", json={"username": self._user, "password": self._password})
        if not answer.ok:
            raise AirflowApiError(f"log in: {answer.status_code} {answer.text[:500]}")
        self._session.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    def dag_ids(self) -> set[str]:
        """All DAGs that Airflow has parsed and that are not stale."""
        return {dag["dag_id"] for dag in self._pages("/dags", "dags")}

    def import_errors(self) -> list[dict[str, Any]]:
        """Files that do not parse."""
        return list(self._pages("/importErrors", "import_errors"))

    def ensure_pools(self, wanted: Mapping[str, int]) -> int:
        """Pools with these slots; returns how many had to be made or changed."""
        pools = self._pages("/pools", "pools")
        standing = {pool["name"]: (pool["slots"], pool["include_deferred"]) for pool in pools}
        changed = 0
        for name, slots in sorted(wanted.items()):
            # a run that waits long for its cluster is deferred, and still holds what the pool stands for
            settings = {"slots": slots, "include_deferred": name == "emr"}
            if standing.get(name) == (settings["slots"], settings["include_deferred"]):
                continue
            changed += 1
            if name in standing:
                self.call("PATCH", f"/pools/{name}", body=settings)
            else:
                self.call("POST", "/pools", body={"name": name, **settings})
        return changed

    def create_run(self, dag_id: str, body: Mapping[str, Any]) -> bool:
        """Creates a run; False if one of that run_id or logical date stands already."""
        answer = self.call("POST", f"/dags/{dag_id}/dagRuns", body=dict(body), accepted=(409,))
        return isinstance(answer, dict) and "dag_run_id" in answer

    def run_state(self, dag_id: str, run_id: str) -> str | None:
        """State of a run, None where there is no such run."""
        answer = self.call("GET", f"/dags/{dag_id}/dagRuns/{run_id}", accepted=(404,))
        return answer.get("state") if isinstance(answer, dict) else None

    def clear_run(self, dag_id: str, run_id: str) -> None:
        """Runs all tasks of a run again."""
        self.call("POST", f"/dags/{dag_id}/dagRuns/{run_id}/clear", body={"dry_run": False, "only_failed": False})

    def backfill(self, dag_id: str, first: date, last: date) -> None:
        """Runs a DAG's days first…last as backfills, those too that have run."""
        body = {
            "dag_id": dag_id,
            "from_date": f"{first}T00:00:00Z",
            "to_date": f"{last}T00:00:00Z",
            "reprocess_behavior": "completed",
            "max_active_runs": 1,
        }
        self.call("POST", "/backfills", body=body)

    def open_backfills(self, dag_id: str) -> list[dict[str, Any]]:
        """Backfills of a DAG that are not through."""
        found = self._pages("/backfills", "backfills", dag_id=dag_id)
        return [backfill for backfill in found if backfill["completed_at"] is None]

    def runs(self, dag_id: str = "~", **query: object) -> list[dict[str, Any]]:
        """DAG runs, newest first."""
        return list(self._pages(f"/dags/{dag_id}/dagRuns", "dag_runs", order_by="-run_after", **query))

    def task_instances(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """Task instances of a run."""
        return list(self._pages(f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances", "task_instances"))

    def ended_tasks(self, since: datetime) -> list[dict[str, Any]]:
        """Task instances that started since then and have ended, of any DAG."""
        query = {"start_date_gte": since.isoformat(), "state": ["success", "failed", "skipped"]}
        return list(self._pages("/dags/~/dagRuns/~/taskInstances", "task_instances", **query))

    def waking_events(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """The asset events that a run was woken by; none if it was made otherwise."""
        path = f"/dags/{dag_id}/dagRuns/{quote(run_id, safe='')}/upstreamAssetEvents"
        return list(self.call("GET", path)["asset_events"])

    def running_tasks(self) -> list[dict[str, Any]]:
        """Task instances at work now, of any DAG."""
        path = "/dags/~/dagRuns/~/taskInstances"
        return list(self._pages(path, "task_instances", state="running"))

    def log(self, dag_id: str, run_id: str, task_id: str, try_number: int, map_index: int = -1) -> str:
        """A task's log as text."""
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/logs/{try_number}"
        content = self.call("GET", path, map_index=map_index, full_content=True).get("content", [])
        return "\n".join(_log_line(line) for line in content)


def _log_line(line: object) -> str:
    """A line of a structured log: its text, and the exception that it carries."""
    if not isinstance(line, dict):
        return str(line)
    errors = [f"{error['exc_type']}: {error['exc_value']}" for error in line.get("error_detail") or []]
    return "\n".join([str(line.get("event", line)), *errors])
