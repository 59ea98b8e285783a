"""Airflow's REST API (/api/v2) of an MWAA environment, through `InvokeRestApi`: its webserver need not be reached.

The caller needs `airflow:InvokeRestApi` on the environment, and acts with the Airflow role that its policy names.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from botocore.exceptions import ClientError

from idiscover.aws.clients import aws_errors, client
from idiscover.errors import ConfigError, FatalError, RetriableError
from idiscover.metadata.models import Context
from idiscover.plan.build import EMR_POOL

MAX_PATH_LENGTH = 64  # InvokeRestApi takes no longer one: run_ids go into queries and bodies, never into paths
_PAGE_ITEMS = 100  # Airflow gives no more at once, however many are asked for
_TRIES = 3  # of a question; a command is not given twice
_PAUSE_SECONDS = 1.0
_MAX_WORDS = 500  # of Airflow's in a message
_SCHEMA = "Failed validating"  # begins the whole schema of a parameter
_A_PERSON = frozenset({400, 401, 403, 422})  # parameters or rights are wrong


class AirflowRest:
    """The REST API of one environment's Airflow. Items are dicts, as Airflow's API reference has them.

    All methods raise `RetriableError` where AWS or Airflow does not answer or asks to wait, `ConfigError` where a
    parameter or a right is wrong, `FatalError` for anything else that Airflow refuses, such as what does not exist.
    """

    def __init__(self, context: Context) -> None:
        self._name = context.airflow.environment_name
        with aws_errors(f"MWAA environment {self._name}"):
            self._client = client("mwaa", context.region)

    def call(
        self, method: str, path: str, *, accepted: Sequence[int] = (), body: object = None, **query: object
    ) -> Any:
        """One call; the JSON answer ({} where there is none).

        Args:
            method: GET, POST, PUT, PATCH or DELETE.
            path: below /api/v2, at most `MAX_PATH_LENGTH` characters, such as `/dags/~/dagRuns`.
            accepted: statuses beside 2xx that are no error.
            body: sent as JSON.
            query: query parameters; those that are None are left out.
        """
        where = f"{method} {path} of MWAA environment {self._name}"
        if len(path) > MAX_PATH_LENGTH:
            raise FatalError(
                "MWAA's InvokeRestApi takes no path as long as this",
                where=where,
                got=f"{len(path)} characters",
                expected=f"at most {MAX_PATH_LENGTH}",
            )
        request: dict[str, Any] = {"Name": self._name, "Method": method, "Path": path}
        if given := {name: value for name, value in query.items() if value is not None}:
            request["QueryParameters"] = given
        if body is not None:
            request["Body"] = body
        left = _TRIES if method == "GET" else 1
        while True:
            left -= 1
            try:
                return self._invoke(request, where, accepted)
            except RetriableError:
                if left == 0:
                    raise
                time.sleep(_PAUSE_SECONDS)

    def _invoke(self, request: Mapping[str, Any], where: str, accepted: Sequence[int]) -> Any:
        with aws_errors(where):
            try:
                return self._client.invoke_rest_api(**request).get("RestApiResponse", {})
            except ClientError as error:
                status = int(error.response.get("RestApiStatusCode") or 0)
                if not status:
                    raise
                answer = error.response.get("RestApiResponse") or {}
                if status in accepted:
                    return answer
                raise _refusal(status, answer, where) from None  # the cause would quote the answer once more

    def pages(self, path: str, key: str, **query: object) -> Iterator[dict[str, Any]]:
        """All items of a listing; `key` is where the answer has them."""
        offset = 0
        while page := self.call("GET", path, limit=_PAGE_ITEMS, offset=offset, **query)[key]:
            yield from page
            offset += len(page)
            if len(page) < _PAGE_ITEMS:
                return

    def dags(self, prefix: str | None = None, tag: str | None = None) -> list[dict[str, Any]]:
        """DAGs that Airflow has parsed and that are not stale, with their tags; those of a prefix or a tag only."""
        return list(self.pages("/dags", "dags", dag_id_prefix_pattern=prefix, tags=[tag] if tag else None))

    def dag_ids(self) -> set[str]:
        """All DAGs that Airflow has parsed and that are not stale."""
        return {dag["dag_id"] for dag in self.dags()}

    def dag_details(self, dag_id: str) -> dict[str, Any] | None:
        """Everything about a DAG: tags, params, doc_md, last_parsed_time …; None where there is no such DAG."""
        answer = self.call("GET", f"/dags/{_segment(dag_id)}/details", accepted=(404,))
        return dict(answer) if "dag_id" in answer else None

    def import_errors(self) -> list[dict[str, Any]]:
        """Files that do not parse: filename, stack_trace, timestamp."""
        return list(self.pages("/importErrors", "import_errors"))

    def ensure_pools(self, wanted: Mapping[str, int]) -> int:
        """Pools with these slots; returns how many had to be made or changed."""
        standing = {pool["name"]: (pool["slots"], pool["include_deferred"]) for pool in self.pages("/pools", "pools")}
        changed = 0
        for name, slots in sorted(wanted.items()):
            # a run that waits long for its cluster is deferred, and still holds what the pool stands for
            settings = {"slots": slots, "include_deferred": name == EMR_POOL}
            if standing.get(name) == (settings["slots"], settings["include_deferred"]):
                continue
            changed += 1
            if name in standing:
                self.call("PATCH", f"/pools/{_segment(name)}", body={"pool": name, **settings})
            else:
                self.call("POST", "/pools", body={"name": name, **settings})
        return changed

    def create_run(self, dag_id: str, body: Mapping[str, Any]) -> bool:
        """Creates a run; False if one of that run_id or logical date stands already.

        Args:
            dag_id: must not be paused, or the run waits.
            body: dag_run_id, logical_date (may be None, not missing), conf, note, data_interval_start and _end …

        Raises:
            ConfigError: a parameter in `conf` is not what the DAG takes; with Airflow's words.
        """
        path = f"/dags/{_segment(dag_id)}/dagRuns"
        return "dag_run_id" in self.call("POST", path, body=dict(body), accepted=(409,))

    def run(self, dag_id: str, run_id: str) -> dict[str, Any] | None:
        """One run, None where there is no such run."""
        found = self.pages("/dags/~/dagRuns", "dag_runs", dag_id_prefix_pattern=dag_id, run_id_prefix_pattern=run_id)
        return next((run for run in found if (run["dag_id"], run["dag_run_id"]) == (dag_id, run_id)), None)

    def run_state(self, dag_id: str, run_id: str) -> str | None:
        """State of a run, None where there is no such run."""
        run = self.run(dag_id, run_id)
        return None if run is None else str(run["state"])

    def runs(self, dag_id: str = "~", **query: object) -> list[dict[str, Any]]:
        """Runs of a DAG, or of all, newest first; `query` as in GET /dags/{dag_id}/dagRuns."""
        path = f"/dags/{_segment(dag_id)}/dagRuns"
        return list(self.pages(path, "dag_runs", **{"order_by": "-run_after", **query}))

    def set_note(self, dag_id: str, run_id: str, note: str) -> None:
        """Writes what Airflow's UI shows beside a run; at most 1000 characters."""
        entity = {"dag_id": dag_id, "dag_run_id": run_id, "note": note}
        body = {"actions": [{"action": "update", "entities": [entity]}]}
        answer = self.call("PATCH", "/dags/~/dagRuns", body=body)
        if errors := answer["update"]["errors"]:
            raise FatalError("Airflow refuses", where=f"note of run {run_id} of {dag_id}", got=errors)

    def clear_run(self, dag_id: str, run_id: str) -> None:
        """Runs all tasks of a run again."""
        body = {"dry_run": False, "only_failed": False, "dag_runs": [{"dag_id": dag_id, "dag_run_id": run_id}]}
        self.call("POST", "/dags/~/clearDagRuns", body=body)

    def task_instances(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """Task instances of a run, mapped ones one by one."""
        return list(self.all_task_instances(dag_ids=[dag_id], dag_run_ids=[run_id]))

    def all_task_instances(self, **wanted: object) -> Iterator[dict[str, Any]]:
        """Task instances; `wanted` as in POST /dags/~/dagRuns/~/taskInstances/list."""
        offset = 0
        while True:
            body = {**wanted, "page_offset": offset, "page_limit": _PAGE_ITEMS}
            page = self.call("POST", "/dags/~/dagRuns/~/taskInstances/list", body=body)["task_instances"]
            yield from page
            offset += len(page)
            if len(page) < _PAGE_ITEMS:
                return

    def asset_events(self, dag_id: str, run_id: str) -> list[dict[str, Any]] | None:
        """What a run has emitted, at most a hundred: uri, timestamp and, in `created_dagruns`, the runs made by it.

        None while Airflow cannot tell: its answer has no place for a run that was made and has not begun (status 500).
        """
        query = {"source_dag_id": dag_id, "source_run_id": run_id, "limit": _PAGE_ITEMS}
        answer = self.call("GET", "/assets/events", accepted=(500,), **query)
        events = answer.get("asset_events")
        return None if events is None else list(events)

    def create_backfill(
        self, dag_id: str, first: datetime, last: datetime, *, reprocess: str = "none", conf: object = None
    ) -> dict[str, Any]:
        """Runs a DAG's intervals whose logical dates lie in first…last (both included), one after the other.

        Args:
            dag_id: a DAG with a schedule.
            first: of the oldest logical date.
            last: of the newest.
            reprocess: which dates that have a run already are run again: none, failed, completed (those too).
            conf: parameters of each run.

        Raises:
            FatalError: status 409, another backfill of the DAG is open.
        """
        body = _backfill(dag_id, first, last, reprocess)
        return dict(self.call("POST", "/backfills", body={**body, "max_active_runs": 1, "dag_run_conf": conf}))

    def backfill_dates(self, dag_id: str, first: datetime, last: datetime, *, reprocess: str = "none") -> list[str]:
        """Logical dates that `create_backfill` would run, oldest first."""
        answer = self.call("POST", "/backfills/dry_run", body=_backfill(dag_id, first, last, reprocess))
        return [str(item["logical_date"]) for item in answer["backfills"]]

    def backfill(self, backfill_id: int) -> dict[str, Any]:
        """One backfill: from_date, to_date, created_at, completed_at (None while it is not through), is_paused …"""
        return dict(self.call("GET", f"/backfills/{backfill_id}"))

    def open_backfills(self, dag_id: str) -> list[dict[str, Any]]:
        """Backfills of a DAG that are not through."""
        found = self.pages("/backfills", "backfills", dag_id=dag_id)
        return [backfill for backfill in found if backfill["completed_at"] is None]

    def pause_backfill(self, backfill_id: int, *, paused: bool = True) -> None:
        """No further run of the backfill starts; with `paused=False` they start again."""
        self.call("PUT", f"/backfills/{backfill_id}/{'pause' if paused else 'unpause'}")

    def cancel_backfill(self, backfill_id: int) -> None:
        """Ends a backfill: its queued runs fail, those that run end as they will."""
        self.call("PUT", f"/backfills/{backfill_id}/cancel")

    def address(self) -> str:
        """URL of Airflow's UI."""
        with aws_errors(f"MWAA environment {self._name}"):
            url = str(self._client.get_environment(Name=self._name)["Environment"]["WebserverUrl"])
        return url if "://" in url else f"https://{url}"


def run_page(address: str, dag_id: str, run_id: str, task_id: str = "", map_index: int = -1) -> str:
    """Where Airflow's UI at `address` shows a run, or the log of one of its tasks."""
    page = f"{address}/dags/{_segment(dag_id)}/runs/{_segment(run_id)}"
    if not task_id:
        return page
    mapped = f"/mapped/{map_index}" if map_index >= 0 else ""
    return f"{page}/tasks/{_segment(task_id)}{mapped}"


def _segment(text: str) -> str:
    return quote(text, safe="~")


def _backfill(dag_id: str, first: datetime, last: datetime, reprocess: str) -> dict[str, Any]:
    return {
        "dag_id": dag_id,
        "from_date": first.isoformat(),
        "to_date": last.isoformat(),
        "reprocess_behavior": reprocess,
    }


def _refusal(status: int, answer: Mapping[str, Any], where: str) -> ConfigError | FatalError | RetriableError:
    got = f"status {status}: {_words(answer)}"
    if status >= 500 or status == 429:
        return RetriableError("Airflow is busy", where=where, got=got)
    if status in _A_PERSON:
        remedy = "correct the parameter, or grant the right"
        return ConfigError("Airflow does not accept the request", where=where, got=got, remedy=remedy)
    return FatalError("Airflow refuses", where=where, got=got)


def _words(answer: Mapping[str, Any]) -> str:
    """What Airflow says, without the input that it repeats."""
    detail = answer.get("detail", answer)
    if isinstance(detail, list):
        detail = "; ".join(f"{'.'.join(str(part) for part in item['loc'])}: {item['msg']}" for item in detail)
    return str(detail).partition(_SCHEMA)[0].strip()[:_MAX_WORDS]
