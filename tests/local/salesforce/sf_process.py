"""A simulator as a process of its own, over TLS, on the smallest org."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import requests

ROOT = Path(__file__).resolve().parents[3]
API = "/services/data/v59.0"


class Simulator:
    """Starts, kills and talks to one simulator."""

    def __init__(self, state_dir: Path, *options: str) -> None:
        self.state_dir = state_dir
        self.options = options
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"https://localhost:{self.port}"
        # What the machine's environment says about CA bundles would win over `verify`.
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.verify = str(state_dir / "tls" / "ca.pem")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start and wait until it is healthy."""
        command = [sys.executable, "-m", "local.salesforce", "serve", "--port", str(self.port)]
        command += ["--state-dir", str(self.state_dir), *self.options]
        self.state_dir.mkdir(exist_ok=True)
        with (self.state_dir / "server.log").open("ab") as log:
            environment = {**os.environ, "PYTHONPATH": str(ROOT)}
            self._process = subprocess.Popen(command, stdout=log, stderr=log, env=environment, cwd=ROOT)
        deadline = time.monotonic() + 30
        while True:
            try:
                self.session.get(f"{self.url}/idiscover/health", timeout=5).raise_for_status()
                return
            except (requests.ConnectionError, OSError):
                if time.monotonic() > deadline or self._process.poll() is not None:
                    raise RuntimeError((self.state_dir / "server.log").read_text()) from None
                time.sleep(0.05)

    def kill(self) -> None:
        """kill -9."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """An orderly stop."""
        self._end(signal.SIGTERM)

    def _end(self, sign: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(sign)
            self._process.wait(20)
        self._process = None
        self.session.close()

    @property
    def credentials(self) -> dict[str, str]:
        """What the simulator wrote for its clients."""
        found: dict[str, str] = json.loads((self.state_dir / "credentials.json").read_text())
        return found

    def token_request(self, **form: str) -> requests.Response:
        """A request for an access token."""
        return self.session.post(f"{self.url}/services/oauth2/token", data=form, timeout=10)

    def log_in(self) -> str:
        """Log the session in with client credentials; the access token."""
        known = self.credentials
        answer = self.token_request(
            grant_type="client_credentials", client_id=known["client_id"], client_secret=known["client_secret"]
        )
        answer.raise_for_status()
        token: str = answer.json()["access_token"]
        self.session.headers["Authorization"] = f"Bearer {token}"
        return token

    def get(self, path: str, **parameters: str) -> requests.Response:
        """GET below the API's version, unless the path is whole."""
        path = path if path.startswith(("/services", "/idiscover")) else f"{API}{path}"
        return self.session.get(self.url + path, params=parameters, timeout=30)

    def query(self, soql: str, operation: str = "query") -> requests.Response:
        """The first page of a REST query."""
        return self.get(f"/{operation}", q=soql)

    def create_job(self, soql: str, **options: str) -> requests.Response:
        """POST /jobs/query."""
        body = {"operation": "queryAll", "query": soql, **options}
        return self.session.post(f"{self.url}{API}/jobs/query", json=body, timeout=30)

    def finished_job(self, soql: str, **options: str) -> dict[str, object]:
        """A job, worked off."""
        created = self.create_job(soql, **options)
        assert created.status_code == 200, created.text
        assert created.json()["state"] == "UploadComplete"
        return self.wait_for(created.json()["id"])

    def wait_for(self, job_id: str) -> dict[str, object]:
        """Poll a job until it is neither waiting nor in progress."""
        deadline = time.monotonic() + 20
        while True:
            job: dict[str, object] = self.get(f"/jobs/query/{job_id}").json()
            if job["state"] not in ("UploadComplete", "InProgress"):
                return job
            assert time.monotonic() < deadline, job
            time.sleep(0.02)
