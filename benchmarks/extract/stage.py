"""What all contenders run against: the org, S3 and secrets, each a process of its own; started and ended here."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

from benchmarks.extract.measure import cpu_seconds
from local.salesforce.large.rows import NAMES
from local.salesforce.request_log import total_calls

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache" / "benchmarks"
BUCKET = "idiscover-benchmark"
REGION = "eu-west-1"
_KEYS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_DEFAULT_REGION": REGION}
_START_SECONDS = 1_800  # ten million rows are made on the first start


@dataclass(frozen=True)
class Stage:
    """The running servers. `folder` is thrown away in the end."""

    folder: Path
    org_port: int
    org_pid: int
    sink_port: int
    sink_pid: int

    @property
    def ca_file(self) -> Path:
        """Who signed the org's certificate."""
        return self.folder / "org" / "tls" / "ca.pem"

    @property
    def credentials(self) -> dict[str, str]:
        """What the org takes from clients."""
        found: dict[str, str] = json.loads((self.folder / "org" / "credentials.json").read_text())
        return found

    @property
    def bucket(self) -> Path:
        """Where the objects of the bucket lie."""
        return self.folder / "sink" / BUCKET

    def environment(self) -> dict[str, str]:
        """For any client: nothing of this process's but where programs are."""
        credentials = self.credentials
        return {
            **_KEYS,
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "TMPDIR": str(self.folder / "tmp"),
            "ORG_URL": f"https://localhost:{self.org_port}",
            "SIMULATOR_PORT": str(self.org_port),
            "PYTHONPATH": str(ROOT / "benchmarks" / "extract" / "names"),
            "CLIENT_ID": credentials["client_id"],
            "CLIENT_SECRET": credentials["client_secret"],
            "COLUMNS": json.dumps(NAMES),
            "REQUESTS_CA_BUNDLE": str(self.ca_file),
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.sink_port}",
        }

    def put_secret(self, name: str, content: Mapping[str, str]) -> None:
        """A secret as the sink gives it out."""
        (self.folder / "sink" / "secrets" / name).write_text(json.dumps(dict(content)))

    def api_calls(self) -> int:
        """All calls made to the org so far, logins not counted."""
        return total_calls(self.folder / "org")

    def server_cpu_seconds(self) -> tuple[float, float]:
        """Processor time of the org and of the sink so far."""
        return cpu_seconds(self.org_pid), cpu_seconds(self.sink_pid)


def object_name(rows: int) -> str:
    """The large object of so many rows."""
    return f"Test_Record_{rows}__c"


def query(rows: int) -> str:
    """All of its fields and rows."""
    return f"SELECT {', '.join(NAMES)} FROM {object_name(rows)}"


@contextmanager
def running_stage(sizes: Sequence[int], page_rows: int) -> Iterator[Stage]:
    """Servers with a large object of each size."""
    folder = CACHE / f"run-{os.getpid()}"
    for name in ("org", "tmp", f"sink/{BUCKET}"):
        (folder / name).mkdir(parents=True)
    org_port, sink_port = _free_port(), _free_port()
    larges = [option for size in sizes for option in ("--large", f"{object_name(size)}={size}")]
    org = ["org", "--port", str(org_port), "--state-dir", str(folder / "org"), "--page-rows", str(page_rows), *larges]
    processes: list[subprocess.Popen[bytes]] = []
    try:
        processes.append(_start(folder, [*org, "--large-dir", str(CACHE / "rows")]))
        processes.append(_start(folder, ["sink", "--port", str(sink_port), "--folder", str(folder / "sink")]))
        _wait_for(f"https://localhost:{org_port}/idiscover/health", folder / "org" / "tls" / "ca.pem", processes[0])
        yield Stage(folder, org_port, processes[0].pid, sink_port, processes[1].pid)
    finally:
        for process in processes:
            _end(process)
        shutil.rmtree(folder)


def _start(folder: Path, command: Sequence[str]) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'plugins'}"}
    with (folder / f"{command[0]}.log").open("wb") as log:
        whole = [sys.executable, "-m", f"benchmarks.extract.{command[0]}", *command[1:]]
        errors = None if command[0] == "org" else log  # the org tells of rows that it makes
        return subprocess.Popen(whole, env=environment, cwd=ROOT, stdout=log, stderr=errors)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_for(url: str, ca_file: Path, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            with requests.Session() as session:
                session.trust_env = False
                session.get(url, timeout=5, verify=str(ca_file)).raise_for_status()
            return
        except OSError:
            if time.monotonic() > deadline or process.poll() is not None:
                raise RuntimeError(f"the org does not come up at {url}") from None
            time.sleep(0.2)
