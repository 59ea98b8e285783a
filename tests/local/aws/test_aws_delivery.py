"""The stages environment and smoke against the stand-in: its S3 is real to them, its MWAA and Airflow a few lines."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from aws_stand import Stand
from idiscover.aws import airflow_rest
from idiscover.aws.clients import client
from idiscover.cli.delivery.artifacts import Artifact, key_of
from idiscover.cli.delivery.environment import update_environment
from idiscover.cli.delivery.smoke import smoke
from idiscover.cli.places import read_context
from idiscover.errors import FatalError, NextRunError
from werkzeug import Request, Response
from werkzeug.serving import make_server

from local.aws import MWAA_VARIABLE
from local.stack.environment import MWAA_ENVIRONMENT
from local.stack.layout import ROOT

CONTEXT = read_context(str(ROOT / "context" / "local.yaml"))
BUCKETS = (CONTEXT.buckets.data, CONTEXT.buckets.dags)
MWAA_KEYS = ("PluginsS3Path", "PluginsS3ObjectVersion", "RequirementsS3Path", "RequirementsS3ObjectVersion")
PLAN = {"header": {"dag_id": "sfdc_to_s3__account", "pools": {"emr": 3}}}
ARTIFACTS = (
    Artifact("constraints.txt", b"boto3==1\n"),
    Artifact("plugins.zip", b"PK of the first release"),
    Artifact("requirements.txt", b"boto3==1\n"),
)


class Airflow:
    """What the smoke test asks; a test changes what is there."""

    def __init__(self) -> None:
        self.import_errors: list[dict[str, str]] = []
        self.dag_ids = ["sfdc_to_s3__account", "sweep_pending"]
        self.pools = ["default_pool", "emr"]
        self.canary_states = ["queued", "running", "success"]
        self.runs: list[dict[str, Any]] = []

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        request = Request(environ)
        document = self._document(request.method, request.path.removeprefix("/api/v2"), request)
        return Response(json.dumps(document), 200, content_type="application/json")(environ, start_response)

    def _document(self, method: str, path: str, request: Request) -> Any:
        if path == "/auth/token":
            return {"access_token": "t"}
        if method == "POST":
            self.runs.append(request.get_json())
            return {"dag_run_id": self.runs[-1]["dag_run_id"]}
        if path == "/importErrors":
            return {"import_errors": self.import_errors}
        if path == "/dags":
            return {"dags": [{"dag_id": dag_id} for dag_id in self.dag_ids]}
        if path == "/pools":
            return {"pools": [{"name": name} for name in self.pools]}
        state = self.canary_states.pop(0) if len(self.canary_states) > 1 else self.canary_states[0]
        run = {"dag_id": "sweep_pending", "dag_run_id": self.runs[-1]["dag_run_id"], "state": state}
        return {"dag_runs": [run]}


@contextmanager
def served(app: Any) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, app, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def served_airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Airflow, str]]:
    """The stand-in with its two buckets, and the Airflow behind it."""
    fake = Airflow()
    folder = tmp_path_factory.mktemp("delivery") / "state of a stand"
    folder.mkdir()
    stand = Stand(folder)
    with served(fake) as url, pytest.MonkeyPatch.context() as patch:
        told = {"name": MWAA_ENVIRONMENT, "url": url, "user": "admin", "password": "p"}
        patch.setenv(MWAA_VARIABLE, json.dumps(told))
        stand.start()
        for name in BUCKETS:
            stand.client("s3").create_bucket(Bucket=name)
            stand.client("s3").put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        yield fake, stand.url
        stand.end()


@pytest.fixture
def airflow(served_airflow: tuple[Airflow, str], monkeypatch: pytest.MonkeyPatch) -> Airflow:
    """The Airflow as at its beginning; empty buckets, and an MWAA that was never updated."""
    fake, endpoint = served_airflow
    vars(fake).update(vars(Airflow()))
    monkeypatch.setattr(airflow_rest, "_PAUSE_SECONDS", 0)
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    for name in BUCKETS:
        for item in s3().list_objects_v2(Bucket=name).get("Contents", []):
            s3().delete_object(Bucket=name, Key=item["Key"])
    mwaa().update_environment(Name=MWAA_ENVIRONMENT, **dict.fromkeys(MWAA_KEYS, "none"))
    return fake


def s3() -> Any:
    return client("s3", CONTEXT.region)


def mwaa() -> Any:
    return client("mwaa", CONTEXT.region)


def mwaa_runs_with() -> dict[str, str]:
    shown = mwaa().get_environment(Name=MWAA_ENVIRONMENT)["Environment"]
    return {key: shown[key] for key in MWAA_KEYS if shown[key] != "none"}


def update(artifacts: Sequence[Artifact] = ARTIFACTS, dry_run: bool = False) -> list[str]:
    return list(update_environment(CONTEXT, artifacts, dry_run, sleep=lambda _: None))


def test_mwaa_is_updated_with_the_versions_that_were_uploaded(airflow: Airflow) -> None:
    assert update()[-1].endswith(": updated")
    assert mwaa_runs_with() == {
        "PluginsS3Path": "plugins.zip",
        "PluginsS3ObjectVersion": s3().head_object(Bucket=CONTEXT.buckets.dags, Key="plugins.zip")["VersionId"],
        "RequirementsS3Path": "requirements.txt",
        "RequirementsS3ObjectVersion": s3().head_object(Bucket=CONTEXT.buckets.dags, Key="requirements.txt")[
            "VersionId"
        ],
    }
    body = s3().get_object(Bucket=CONTEXT.buckets.dags, Key=key_of(ARTIFACTS[0]))["Body"].read()
    assert body == ARTIFACTS[0].content


def test_a_stage_that_is_killed_before_the_update_leaves_what_mwaa_runs_with(airflow: Airflow) -> None:
    update()
    before = mwaa_runs_with()
    live = s3().head_object(Bucket=CONTEXT.buckets.dags, Key=key_of(ARTIFACTS[0]))["VersionId"]
    other = [Artifact(artifact.name, artifact.content + b"# of the next release") for artifact in ARTIFACTS]
    steps = update_environment(CONTEXT, other, sleep=lambda _: None)
    assert [next(steps).rpartition(": ")[2] for _ in other] == ["uploaded"] * 3
    steps.close()
    assert mwaa_runs_with() == before
    for key, artifact in (("PluginsS3", ARTIFACTS[1]), ("RequirementsS3", ARTIFACTS[2])):
        found = s3().get_object(
            Bucket=CONTEXT.buckets.dags, Key=before[f"{key}Path"], VersionId=before[f"{key}ObjectVersion"]
        )
        assert found["Body"].read() == artifact.content
    # dags/ has no versions for workers: they read what is newest there
    assert s3().head_object(Bucket=CONTEXT.buckets.dags, Key=key_of(ARTIFACTS[0]))["VersionId"] == live
    assert update(other)[-1].endswith(": updated")


def test_the_same_artifacts_again_update_nothing(airflow: Airflow) -> None:
    update()
    lines = update()
    assert [line.rpartition(": ")[2] for line in lines] == ["unchanged"] * 3 + ["runs with these already"]


def test_what_did_not_change_is_not_named(airflow: Airflow) -> None:
    update()
    changed = Artifact("plugins.zip", b"PK of the second release")
    lines = update([ARTIFACTS[0], changed, ARTIFACTS[2]])
    asked = next(line for line in lines if "asked for" in line)
    assert "PluginsS3ObjectVersion" in asked and "Requirements" not in asked


def test_a_dry_run_of_an_update_changes_nothing(airflow: Airflow) -> None:
    lines = update(dry_run=True)
    assert [line.rpartition(": ")[2] for line in lines[:3]] == ["would be uploaded"] * 3
    assert "would be updated" in lines[-1]
    assert mwaa_runs_with() == {}
    assert s3().list_objects_v2(Bucket=CONTEXT.buckets.dags)["KeyCount"] == 0


class Mwaa:
    """An environment that takes its time, or refuses: what the stand-in never does."""

    def __init__(self, statuses: Sequence[str], takes: bool = True) -> None:
        self.statuses, self.takes, self.taken = list(statuses), takes, {}

    def get_environment(self, Name: str) -> dict[str, Any]:
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        last = {"Status": "FAILED", "Error": {"ErrorMessage": "pip could not resolve boto3"}}
        return {"Environment": {"Status": status, "LastUpdate": last, **self.taken}}

    def update_environment(self, Name: str, WorkerReplacementStrategy: str, **changed: str) -> None:
        assert WorkerReplacementStrategy == "GRACEFUL"
        if self.takes:
            self.taken |= changed


def with_mwaa(mwaa: Mwaa, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setattr("idiscover.cli.delivery.environment.client", lambda *_: mwaa)
    return update()


def test_an_update_is_waited_for(airflow: Airflow, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = with_mwaa(Mwaa(["AVAILABLE", "AVAILABLE", "UPDATING", "UPDATING", "AVAILABLE"]), monkeypatch)
    assert sum("UPDATING" in line for line in lines) == 2
    assert lines[-1].endswith(": updated")


def test_an_update_that_mwaa_rolls_back_fails_with_its_reason(
    airflow: Airflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    rolled_back = Mwaa(["AVAILABLE", "AVAILABLE", "ROLLING_BACK", "AVAILABLE"], takes=False)
    with pytest.raises(FatalError, match="pip could not resolve boto3"):
        with_mwaa(rolled_back, monkeypatch)


def test_an_update_without_an_end_is_left_after_an_hour(airflow: Airflow, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NextRunError, match="UPDATING after 60 minutes"):
        with_mwaa(Mwaa(["UPDATING"]), monkeypatch)


def run_smoke(dry_run: bool = False) -> list[str]:
    s3().put_object(
        Bucket=CONTEXT.buckets.dags, Key="dags/generated/sfdc_to_s3__account.json", Body=json.dumps(PLAN).encode()
    )
    return list(smoke(CONTEXT, timeout_seconds=0.5, dry_run=dry_run, sleep=lambda _: None))


def test_smoke_passes_where_everything_is_there(airflow: Airflow) -> None:
    lines = run_smoke()
    assert [line.partition(":")[0] for line in lines] == ["ok"] * 4
    assert [run["logical_date"] for run in airflow.runs] == [None]


def test_a_dry_run_of_smoke_runs_nothing(airflow: Airflow) -> None:
    assert all(line.startswith("would") for line in run_smoke(dry_run=True))
    assert airflow.runs == []


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        (
            {"import_errors": [{"filename": "x.py", "stack_trace": "Traceback\nImportError: boto4"}]},
            "ImportError: boto4",
        ),
        ({"dag_ids": ["sweep_pending"]}, "1 of 2 missing: sfdc_to_s3__account"),
        ({"pools": ["default_pool"]}, "missing: emr"),
        ({"canary_states": ["failed"]}, "the canary run failed"),
        ({"canary_states": ["queued"]}, "state queued"),
    ],
)
def test_smoke_says_what_is_wrong(airflow: Airflow, broken: dict[str, Any], told: str) -> None:
    vars(airflow).update(broken)
    with pytest.raises(FatalError, match=told):
        run_smoke()
