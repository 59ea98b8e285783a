"""`python -m local.aws.agent`: runs the steps of the EMR stand-in with spark-submit.

With --prepare it only builds the archive that makes steps start quickly, and ends.
"""

from __future__ import annotations

import argparse
import fcntl
import logging
import os
import secrets
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import boto3
import psutil
from botocore.config import Config
from idiscover.errors import IdiscoverError

from local.aws.agent import archive, java, process
from local.aws.agent import spark as spark_module
from local.aws.agent.client import Client
from local.aws.agent.loop import Agent
from local.aws.agent.spark import Spark

log = logging.getLogger("local.aws.agent")
MIN_DRIVER_MB, MAX_DRIVER_MB = 768, 2048


def main(argv: list[str] | None = None) -> int:
    """Run until SIGTERM or SIGINT; exit status 1 if Spark or Java is missing or another agent uses the directory."""
    args = _arguments(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    folder: Path = args.state_dir / "agent"
    cache: Path = args.cache_dir or folder / "cache"
    cache.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        spark = _find_spark(args.spark_python, cache, args.max_steps)
    except IdiscoverError as error:
        print(error, file=sys.stderr)
        return 1
    if args.prepare:
        return 0 if archive.build(spark, cache) else 1
    if not args.endpoint:
        print("--endpoint is needed, e.g. http://127.0.0.1:5000", file=sys.stderr)
        return 1
    if not _take_lock(folder):
        print(f"another agent uses {folder}; stop it first, or choose another --state-dir", file=sys.stderr)
        return 1
    _lead_own_group()
    _complete_environment()
    builder = None if args.no_prepare else _start_building(args.state_dir, spark, cache)
    agent = Agent(
        folder / "steps",
        Client(args.endpoint, _identity(folder)),
        _s3(args.endpoint),
        args.endpoint,
        args.max_steps,
        lambda: archive.with_options(spark, cache),
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: agent.stop())
    log.info("ready: %d steps at a time, java %s, local[%d]", args.max_steps, spark.java_home, spark.cores)
    agent.run()
    _stop_building(builder)
    return 0


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--state-dir", type=Path, required=True)
    parser.add_argument("--endpoint", help="of the AWS stand-in, http://127.0.0.1:P")
    parser.add_argument("--max-steps", type=int, default=2, help="steps at a time, over all clusters")
    parser.add_argument("--spark-python", type=Path, required=True, help="the Spark environment's python")
    parser.add_argument("--cache-dir", type=Path, help="for the start-up archive; default: in the state directory")
    parser.add_argument("--prepare", action="store_true", help="build the start-up archive, then end")
    parser.add_argument("--no-prepare", action="store_true", help="do not build the archive beside the work")
    args = parser.parse_args(argv)
    if args.max_steps < 1:
        parser.error("--max-steps must be at least 1")
    # The path is kept as it is given, links and all: a virtual environment's python is a link, and must stay one.
    args.spark_python = args.spark_python.absolute()
    args.state_dir = args.state_dir.absolute()
    args.cache_dir = args.cache_dir and args.cache_dir.absolute()
    return args


def _find_spark(python: Path, cache: Path, max_steps: int) -> Spark:
    cores = max(2, (os.cpu_count() or 2) // max_steps)
    # A quarter of the machine for all drivers together: databases, Airflow and Python workers live here too.
    memory_mb = psutil.virtual_memory().total // (4 * max_steps * 1024 * 1024)
    memory_mb = min(MAX_DRIVER_MB, max(MIN_DRIVER_MB, memory_mb))
    home = spark_module.find_spark_home(python)
    return Spark(python, home, java.find_java_home(python, cache), cores, memory_mb, cache / "conf")


def _take_lock(folder: Path) -> bool:
    """One agent per directory, held until the process ends."""
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return False
    return True


def _lead_own_group() -> None:
    """A signal to the stack's group must not reach the agent by accident."""
    if os.getpgrp() != os.getpid():
        os.setpgid(0, 0)


def _complete_environment() -> None:
    """What boto3 needs, here and in the steps: a region, credentials (any will do), no proxy for this machine."""
    os.environ.pop("AWS_PROFILE", None)
    os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")
    os.environ.setdefault("AWS_ACCESS_KEY_ID", "local")
    os.environ.setdefault("AWS_SECRET_ACCESS_KEY", "local")
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
    for name in ("NO_PROXY", "no_proxy"):
        known = [item for item in os.environ.get(name, "").split(",") if item]
        os.environ[name] = ",".join(dict.fromkeys([*known, "127.0.0.1", "localhost"]))


def _identity(folder: Path) -> str:
    """The agent's name, the same after a restart, so that it may claim its own steps again."""
    path = folder / "id"
    if not path.exists():
        partial = path.with_suffix(".partial")
        partial.write_text(secrets.token_hex(8))
        partial.replace(path)
    return path.read_text()


def _s3(endpoint: str) -> Any:
    config = Config(s3={"addressing_style": "path"}, retries={"max_attempts": 2, "mode": "standard"})
    return boto3.client("s3", endpoint_url=endpoint, config=config)


def _start_building(state_dir: Path, spark: Spark, cache: Path) -> subprocess.Popen[bytes] | None:
    """Build the start-up archive beside the work, giving way to it, unless it is there."""
    if (archive.folder_of(spark, cache) / "steps.jsa").exists():
        return None
    command = [sys.executable, "-m", "local.aws.agent", "--prepare", "--state-dir", str(state_dir)]
    command += ["--cache-dir", str(cache), "--spark-python", str(spark.python)]
    builder = subprocess.Popen(command, start_new_session=True)
    psutil.Process(builder.pid).nice(19)
    return builder


def _stop_building(builder: subprocess.Popen[bytes] | None) -> None:
    if builder is not None and builder.poll() is None:
        process.kill_tree(builder.pid, grace_seconds=1.0)
        builder.wait()


if __name__ == "__main__":
    sys.exit(main())
