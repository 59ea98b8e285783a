"""A process in which DAGs are rehearsed: an Airflow of its own, its DAGs compiled, the AWS stand-in beside it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.dags.compiled import compile_into, repository_plans
from tests.dags.conftest import REPOSITORY


def rehearsed(
    folder: Path,
    module: str,
    dag_ids: tuple[str, ...],
    timeout_seconds: int,
    units_per_task: int | None = None,
    changed: Mapping[str, Mapping[str, object]] | None = None,
) -> dict[str, Any]:
    """What `python -m <module> <dag_ids> <results>` has found; one process, because importing Airflow is what costs.

    Args:
        folder: for everything that is written.
        module: what is run.
        dag_ids: the DAGs that there are.
        timeout_seconds: of the whole.
        units_per_task: instead of the environment's.
        changed: keys of plans that are to be others, by dag_id.
    """
    for name in ("dags", "home", "state"):
        (folder / name).mkdir()
    plans = repository_plans(units_per_task)
    compile_into(folder / "dags", {name: plans[name].model_copy(update=(changed or {}).get(name)) for name in dag_ids})
    environment = {
        **os.environ,
        "PYTHONPATH": f"{REPOSITORY / 'plugins'}{os.pathsep}{REPOSITORY}",
        "AIRFLOW_HOME": str(folder / "home"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(folder / "dags"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{folder / 'home' / 'airflow.db'}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    results = folder / "results.json"
    with _stand_in(folder / "state", environment) as address:
        environment["AWS_ENDPOINT_URL"] = address
        answer = subprocess.run(
            [sys.executable, "-m", module, *dag_ids, str(results)],
            cwd=REPOSITORY,
            env=environment,
            capture_output=True,
            text=True,
            timeout=timeout_seconds,
        )
        assert answer.returncode == 0, (answer.stdout + answer.stderr)[-6000:]
    return dict(json.loads(results.read_text(encoding="utf-8")))


@contextmanager
def _stand_in(folder: Path, environment: dict[str, str]) -> Iterator[str]:
    """The AWS stand-in on a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "local.aws.server", "--port", str(port), "--state-dir", str(folder)]
    process = subprocess.Popen(command, cwd=REPOSITORY, env={**environment, "IDISCOVER_EMR_BOOT_SECONDS": "0.1"})
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_until_healthy(address, process)
        yield address
    finally:
        process.terminate()
        process.wait(timeout=20)


def _wait_until_healthy(address: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{address}/idiscover/health", timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise AssertionError(f"the AWS stand-in is not healthy; exit status {process.poll()}")
