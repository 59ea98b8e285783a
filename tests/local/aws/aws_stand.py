"""A real stand-in (server, and where asked for the agent) per test, on a free port, with its state in a temp folder."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3

ROOT = Path(__file__).resolve().parents[3]
SPARK_PYTHON = ROOT / ".venv" / "spark" / "bin" / "python"
BOOT_SECONDS = "0.8"  # long enough to be looked at meanwhile, on a busy machine too


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(condition: Callable[[], Any], what: str, seconds: float = 30) -> Any:
    """The first true value of `condition`, asked ten times a second."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.1)
    raise AssertionError(f"{what} did not happen within {seconds} s")


class Stand:
    """The stand-in's processes over one state directory (with a space in its name)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.server: subprocess.Popen[bytes] | None = None
        self.agents: list[subprocess.Popen[bytes]] = []
        self._clients: dict[str, Any] = {}

    def _spawn(self, name: str, *args: str) -> subprocess.Popen[bytes]:
        path = os.pathsep.join([str(ROOT / "plugins"), str(ROOT)])
        environment = {
            **os.environ,
            "PYTHONPATH": path,
            "IDISCOVER_EMR_BOOT_SECONDS": BOOT_SECONDS,
        }
        command = [sys.executable, "-m", name, "--state-dir", str(self.folder), *args]
        with self.folder.with_name(f"{name}.log").open("ab") as log:
            return subprocess.Popen(command, env=environment, stdout=log, stderr=log)

    def start(self) -> None:
        self.server = self._spawn("local.aws.server", "--port", str(self.port))
        wait_for(self.health, "the server's start")

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        assert self.server is not None
        self.server.send_signal(number)
        self.server.wait(timeout=20)

    def crash_and_restart(self) -> None:
        self.stop(signal.SIGKILL)
        self.start()

    def start_agent(self, spark_python: Path = SPARK_PYTHON, max_steps: int = 2) -> subprocess.Popen[bytes]:
        args = [
            "--endpoint",
            self.url,
            "--max-steps",
            str(max_steps),
            "--spark-python",
            str(spark_python),
        ]
        agent = self._spawn("local.aws.agent", *args, "--no-prepare")
        self.agents.append(agent)
        return agent

    def health(self) -> dict[str, Any] | None:
        assert self.server is None or self.server.poll() is None, "the server has ended"
        try:
            return json.loads(self.get("health"))
        except OSError:
            return None

    def get(self, path: str) -> bytes:
        with urllib.request.urlopen(f"{self.url}/idiscover/{path}", timeout=20) as answer:
            return answer.read()

    def post(self, path: str, value: Any) -> Any:
        body = json.dumps(value).encode()
        request = urllib.request.Request(f"{self.url}/idiscover/{path}", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.load(answer)

    def client(self, service: str) -> Any:
        """A boto3 client; the port stays the same over restarts, so one per service is enough."""
        if service not in self._clients:
            keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
            self._clients[service] = boto3.client(service, endpoint_url=self.url, region_name="us-east-1", **keys)
        return self._clients[service]

    def end(self) -> None:
        for process in [*self.agents, *([self.server] if self.server else [])]:
            if process.poll() is None:
                process.terminate()
                process.wait(timeout=30)


def make_cluster(emr: Any, **settings: Any) -> str:
    """A cluster as the DAGs make it: kept alive, one machine."""
    instances = {
        "InstanceGroups": [{"InstanceRole": "MASTER", "InstanceType": "m5.xlarge", "InstanceCount": 1}],
        "KeepJobFlowAliveWhenNoSteps": settings.pop("keep_alive", True),
    }
    answer = emr.run_job_flow(Name="test", ReleaseLabel="emr-spark-8.0.0", Instances=instances, **settings)
    return str(answer["JobFlowId"])


def add_step(emr: Any, cluster: str, *args: str, on_failure: str = "CONTINUE") -> str:
    jar = {
        "Jar": "command-runner.jar",
        "Args": ["spark-submit", "--deploy-mode", "cluster", *args],
    }
    step = {"Name": "extract", "ActionOnFailure": on_failure, "HadoopJarStep": jar}
    return str(emr.add_job_flow_steps(JobFlowId=cluster, Steps=[step])["StepIds"][0])


def cluster_status(emr: Any, cluster: str) -> dict[str, Any]:
    return emr.describe_cluster(ClusterId=cluster)["Cluster"]["Status"]


def step_status(emr: Any, cluster: str, step: str) -> dict[str, Any]:
    return emr.describe_step(ClusterId=cluster, StepId=step)["Step"]["Status"]


def wait_cluster(emr: Any, cluster: str, *states: str) -> dict[str, Any]:
    wait_for(
        lambda: cluster_status(emr, cluster)["State"] in states,
        f"cluster state {states}",
    )
    return cluster_status(emr, cluster)


def wait_step(emr: Any, cluster: str, step: str, *states: str, seconds: float = 30) -> dict[str, Any]:
    wait_for(
        lambda: step_status(emr, cluster, step)["State"] in states,
        f"step state {states}",
        seconds,
    )
    return step_status(emr, cluster, step)
