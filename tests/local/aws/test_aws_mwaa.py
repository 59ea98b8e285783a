"""MWAA's InvokeRestApi as the stand-in serves it, called by the platform's own client; Airflow is a few lines here."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from idiscover.aws import airflow_rest
from idiscover.aws.airflow_rest import AirflowRest, run_page
from idiscover.cli.places import read_context
from idiscover.errors import ConfigError, FatalError, RetriableError
from werkzeug import Request, Response
from werkzeug.serving import make_server

from local.aws import mwaa
from local.stack.environment import MWAA_ENVIRONMENT
from local.stack.layout import ROOT

Answer = Callable[[Request], tuple[int, Any]]


@dataclass
class FakeAirflow:
    """Answers what a test tells it to; tokens are good for as many calls as a test says."""

    answer: Answer = lambda request: (200, {})
    token_calls: int = 1000
    logins: int = 0
    seen: list[tuple[str, str, Any]] = field(default_factory=list)
    _left: int = 0

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        request = Request(environ)
        status, document = self._respond(request)
        content = b"" if document is None else json.dumps(document).encode()
        return Response(content, status, content_type="application/json")(environ, start_response)

    def _respond(self, request: Request) -> tuple[int, Any]:
        if request.path == "/auth/token":
            assert request.get_json() == {"username": "admin", "password": "secret"}
            self.logins += 1
            self._left = self.token_calls
            return 201, {"access_token": f"token {self.logins}"}
        if request.headers["Authorization"] != f"Bearer token {self.logins}" or not self._left:
            return 401, {"detail": "Not authenticated"}
        self._left -= 1
        assert request.path.startswith("/api/v2/")
        body = request.get_json(silent=True)
        self.seen.append((request.method, request.full_path.removeprefix("/api/v2").rstrip("?"), body))
        return self.answer(request)


@pytest.fixture
def airflow(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeAirflow]:
    """A stand-in in this process whose one environment is a `FakeAirflow`; boto3 talks to it."""
    fake = FakeAirflow()
    with _served(fake) as url:
        environment = mwaa.Environment(mwaa.Airflow(MWAA_ENVIRONMENT, url, "admin", "secret"))
        with _served(_stand_in(environment)) as endpoint:
            monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
            monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
            monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
            monkeypatch.setattr(airflow_rest, "_PAUSE_SECONDS", 0)
            yield fake


def _stand_in(environment: mwaa.Environment) -> Any:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        assert mwaa.is_for_mwaa(environ)
        response = environment.answer(environ)
        start_response(response.status, response.headers)
        return [response.body]

    return app


class _served:
    def __init__(self, app: Any) -> None:
        self._server = make_server("127.0.0.1", 0, app, threaded=True)

    def __enter__(self) -> str:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{self._server.server_port}"

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def rest(name: str = MWAA_ENVIRONMENT) -> AirflowRest:
    context = read_context(str(ROOT / "context" / "local.yaml"))
    settings = context.airflow.model_copy(update={"environment_name": name})
    return AirflowRest(context.model_copy(update={"airflow": settings}))


def test_the_stack_and_the_context_name_the_same_environment() -> None:
    assert read_context(str(ROOT / "context" / "local.yaml")).airflow.environment_name == MWAA_ENVIRONMENT


def test_a_call_brings_method_query_and_body_and_returns_the_answer(airflow: FakeAirflow) -> None:
    airflow.answer = lambda request: (200, {"answer": 42})
    got = rest().call("POST", "/pools", body={"name": "emr"}, limit=3, tags=["a", "b"], missing=None)
    assert got == {"answer": 42}
    assert airflow.seen == [("POST", "/pools?limit=3&tags=a&tags=b", {"name": "emr"})]


def test_an_answer_without_content_is_empty(airflow: FakeAirflow) -> None:
    airflow.answer = lambda request: (204, None)
    assert rest().call("DELETE", "/pools/x") == {}


def test_a_token_that_has_run_out_is_followed_by_another(airflow: FakeAirflow) -> None:
    airflow.token_calls = 2
    for _ in range(5):
        rest().call("GET", "/version")
    assert len(airflow.seen) == 5 and airflow.logins == 3


def test_a_wrong_parameter_is_told_in_airflows_words(airflow: FakeAirflow) -> None:
    detail = [{"loc": ["body", "conf"], "msg": "'UK' is not one of the countries", "input": "secret"}]
    airflow.answer = lambda request: (422, {"detail": detail})
    with pytest.raises(ConfigError, match=r"body\.conf: 'UK' is not one of the countries") as error:
        rest().create_run("sfdc_to_s3__account", {"logical_date": None})
    assert "status 422" in str(error.value) and "secret" not in str(error.value)
    assert len(airflow.seen) == 1, "a command is not given twice"


def test_what_airflow_refuses_otherwise_is_fatal_unless_it_was_expected(airflow: FakeAirflow) -> None:
    airflow.answer = lambda request: (409, {"detail": "There is already a running backfill"})
    with pytest.raises(FatalError, match="already a running backfill"):
        rest().create_backfill("d", datetime(2026, 1, 5, tzinfo=UTC), datetime(2026, 1, 6, tzinfo=UTC))
    assert not rest().create_run("d", {"logical_date": None}), "one stands already"


def test_a_question_is_asked_again_while_airflow_is_busy(airflow: FakeAirflow) -> None:
    statuses = iter([503, 500, 200])
    airflow.answer = lambda request: (next(statuses), {"detail": "busy"})
    assert rest().call("GET", "/version") == {"detail": "busy"}
    airflow.answer = lambda request: (503, {"detail": "busy"})
    with pytest.raises(RetriableError, match="status 503: busy"):
        rest().call("GET", "/version")


def test_all_pages_of_a_listing_are_read(airflow: FakeAirflow) -> None:
    def answer(request: Request) -> tuple[int, Any]:
        offset, limit = int(request.args["offset"]), int(request.args["limit"])
        return 200, {"dags": [{"dag_id": f"dag{n}"} for n in range(offset, min(offset + limit, 250))]}

    airflow.answer = answer
    assert rest().dag_ids() == {f"dag{n}" for n in range(250)}
    assert len(airflow.seen) == 3


def test_a_run_is_found_by_its_whole_id_though_another_begins_alike(airflow: FakeAirflow) -> None:
    runs = [{"dag_id": "d", "dag_run_id": name, "state": "running"} for name in ("day__1", "day__10")]
    airflow.answer = lambda request: (200, {"dag_runs": runs})
    assert rest().run_state("d", "day__1") == "running"
    assert rest().run("d", "day__2") is None


def test_a_path_longer_than_mwaa_takes_is_never_sent(airflow: FakeAirflow) -> None:
    with pytest.raises(FatalError, match="at most 64"):
        rest().call("GET", "/dags/" + "x" * 59)
    assert airflow.seen == []


def test_an_environment_that_does_not_exist(airflow: FakeAirflow) -> None:
    with pytest.raises(ConfigError, match="ResourceNotFoundException"):
        rest("another").call("GET", "/version")


def test_pools_are_made_and_changed_only_where_they_differ(airflow: FakeAirflow) -> None:
    standing = [
        {"name": "emr", "slots": 3, "include_deferred": True},
        {"name": "table__itg__account", "slots": 2, "include_deferred": False},
    ]
    airflow.answer = lambda request: (200, {"pools": standing})
    assert rest().ensure_pools({"emr": 3, "table__itg__account": 1, "table__itg__product": 1}) == 2
    settings = {"slots": 1, "include_deferred": False}
    assert airflow.seen[1:] == [
        ("PATCH", "/pools/table__itg__account", {"pool": "table__itg__account", **settings}),
        ("POST", "/pools", {"name": "table__itg__product", **settings}),
    ]


def test_where_the_ui_shows_a_run_and_a_task(airflow: FakeAirflow) -> None:
    address = rest().address()
    assert address.startswith("http://127.0.0.1:")
    assert run_page("https://x", "d", "manual__2026-01-05T00:00:00+00:00") == (
        "https://x/dags/d/runs/manual__2026-01-05T00%3A00%3A00%2B00%3A00"
    )
    assert run_page("https://x", "d", "r", "t1.call", 2) == "https://x/dags/d/runs/r/tasks/t1.call/mapped/2"
